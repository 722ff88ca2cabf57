"""Patterns of file names: `*.py`, `src/**/test_*.py`, `*.{js,ts}`."""

import fnmatch
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

LONGEST = 1_000  # characters: each step is tried on each path that there is
MOST_ALTERNATIVES = 256
MOST_BRACES = 32

_BRACES = re.compile(r"\{([^{}]*)\}")

Pattern = Annotated[
    str,
    "only these: *.py anywhere, or with a slash from the path on, such as src/**/*.{ts,tsx}",
]
Step = re.Pattern[str] | None  # None is any number of folders


class Glob:
    """A pattern without a slash is for the name alone; `**` stands for any number of folders.

    Raises:
        ValueError: it is too long, or has too many alternatives.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > LONGEST:
            raise ValueError(f"the pattern has more than {LONGEST:,} characters")
        few = pattern.count("{") <= MOST_BRACES
        found = list(islice(_alternatives(pattern), MOST_ALTERNATIVES + 1)) if few else []
        if not 0 < len(found) <= MOST_ALTERNATIVES:
            raise ValueError("the pattern has too many alternatives")
        self._alternatives = [_steps(each) for each in found]

    def fits(self, path: str) -> bool:
        """Whether it fits a path, with slashes between its names."""
        names = path.split("/")
        return any(_fits(steps, names) for steps in self._alternatives)


def _alternatives(pattern: str) -> Iterator[str]:
    if not (braces := _BRACES.search(pattern)):
        yield pattern
        return
    for word in braces[1].split(","):
        yield from _alternatives(pattern[: braces.start()] + word + pattern[braces.end() :])


def _steps(pattern: str) -> list[Step]:
    anywhere = "/" not in pattern.removesuffix("/")
    pattern = pattern.removeprefix("./") + ("**" if pattern.endswith("/") else "")
    # fnmatch's expressions do not go back, however many stars there are.
    names = [name for name in pattern.split("/") if name]
    steps = [None if name == "**" else re.compile(fnmatch.translate(name)) for name in names]
    return [None, *steps] if anywhere else steps


def _fits(steps: list[Step], names: list[str]) -> bool:
    reached = {0}  # how many names may be used up by the steps so far
    for step in steps:
        if step is None:
            reached = set(range(min(reached, default=len(names) + 1), len(names) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and step.match(names[at])}
    return len(names) in reached
