"""Patterns of file names: `*.py`, `src/**/test_*.py`, `*.{js,ts}`."""

import fnmatch
import re
from math import prod

MOST_ALTERNATIVES = 256

_BRACES = re.compile(r"\{([^{}]*)\}")


class Glob:
    """A pattern without a slash is for the name alone; `**` stands for any number of folders.

    Raises:
        ValueError: it has too many alternatives.
    """

    def __init__(self, pattern: str) -> None:
        counts = (each[1].count(",") + 1 for each in _BRACES.finditer(pattern))
        if prod(counts) > MOST_ALTERNATIVES or pattern.count("{") > 8:
            raise ValueError(f"the pattern has more than {MOST_ALTERNATIVES} alternatives")
        self._alternatives = [_steps(each) for each in _alternatives(pattern)]

    def fits(self, path: str) -> bool:
        """Whether it fits a path, with slashes between its names."""
        names = path.split("/")
        return any(_fits(steps, names) for steps in self._alternatives)


Step = re.Pattern[str] | None  # None is any number of folders


def _alternatives(pattern: str) -> list[str]:
    if not (braces := _BRACES.search(pattern)):
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    words = braces[1].split(",")
    return [each for word in words for each in _alternatives(before + word + after)]


def _steps(pattern: str) -> list[Step]:
    anywhere = "/" not in pattern.removesuffix("/")
    pattern = pattern.removeprefix("./").removeprefix("/")
    if pattern.endswith("/"):
        pattern += "**"
    # fnmatch's expressions do not go back, however many stars there are.
    names = [name for name in pattern.split("/") if name]
    steps = [None if name == "**" else re.compile(fnmatch.translate(name)) for name in names]
    return [None, *steps] if anywhere else steps


def _fits(steps: list[Step], names: list[str]) -> bool:
    reached = _on(steps, {0})
    for name in names:
        reached = _on(steps, {after for at in reached for after in _after(steps, at, name)})
    return len(steps) in reached


def _after(steps: list[Step], at: int, name: str) -> list[int]:
    """Where a name leads from a step."""
    if at == len(steps):
        return []
    step = steps[at]
    if step is None:
        return [at]
    return [at + 1] if step.match(name) else []


def _on(steps: list[Step], reached: set[int]) -> set[int]:
    """Those and what is reached from them by nothing: `**` may be no folder at all."""
    for at, step in enumerate(steps):
        if step is None and at in reached:
            reached.add(at + 1)
    return reached
