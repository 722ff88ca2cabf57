"""What to say when a text is not in a file: most often it is there, nearly."""

import re
from difflib import get_close_matches
from itertools import islice

_SPACE = re.compile(r"\s+")
LINES_TOLD = 12
LINES_READ = 5_000  # of a file, for a line that is alike
LONGEST = 300  # characters of a line that are compared and shown


def missing(text: str, old: str) -> str:
    """Where in `text` something nearly like `old` is."""
    wanted = [line.strip() for line in old.removesuffix("\n").split("\n")]
    if all(re.match(r"\d+\t", line) for line in old.splitlines()):
        return "Leave out the line numbers and the tab behind them."
    lines = text.split("\n")
    if found := _loosely(text, old):
        first, last = found
        shown = _shown(lines, first, last - first + 1)
        return f"It is there with other white space, in the lines:\n{shown}"
    longest = max(wanted, key=len)
    known = [line.strip()[:LONGEST] for line in lines[:LINES_READ]]
    if longest and (near := get_close_matches(longest[:LONGEST], known, 1)):
        first = max(0, known.index(near[0]) - wanted.index(longest))
        return f"The lines most like it are:\n{_shown(lines, first, len(wanted))}"
    return "Nothing in it is like that: read the file."


def _loosely(text: str, old: str) -> tuple[int, int] | None:
    """The first and the last line of where it is but for white space, counted from 0.

    Not by one expression: in a file of equal words that looks at all of them once for each.
    """
    flat, wanted = _SPACE.sub(" ", text), " ".join(old.split())
    at = flat.find(wanted) if wanted else -1
    if at < 0:
        return None
    return _line(text, flat.count(" ", 0, at)), _line(text, flat.count(" ", 0, at + len(wanted)))


def _line(text: str, spaces: int) -> int:
    """The line of the word behind so many runs of white space."""
    if not spaces:
        return 0
    run = next(islice(_SPACE.finditer(text), spaces - 1, None))
    return text.count("\n", 0, run.end())


def _shown(lines: list[str], first: int, count: int) -> str:
    told = lines[first : first + min(count, LINES_TOLD)]
    shown = [f"{n}\t{line[:LONGEST].rstrip()}" for n, line in enumerate(told, first + 1)]
    return "\n".join([*shown, "…"] if count > LINES_TOLD else shown)
