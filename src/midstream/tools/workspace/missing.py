"""What to say when a text is not in a file: most often it is there, nearly."""

import difflib
import re

from midstream.tools.workspace.texts import lines_of

LINES_TOLD = 12
LINES_READ = 5_000  # of a file, for a line that is alike
LONGEST = 300  # characters of a line that are compared and shown

_NUMBERED = re.compile(r"\d+\t")


def missing(text: str, old: str) -> str:
    """Where in `text` something nearly like `old` is, and what the two differ in."""
    wanted = _lines(old)
    if all(_NUMBERED.match(line) for line in wanted):
        return "Leave out the line numbers and the tab behind them."
    lines = _lines(text)
    if at := _but_for_spaces(lines, wanted):
        first, last = at
        return f"It is there with other white space, in the lines:\n{_shown(lines, first, last)}"
    if near := _alike(lines, wanted):
        first = max(0, near[0] - near[1])
        last = min(len(lines), first + max(len(wanted), 1))
        return f"The lines most like it are:\n{_shown(lines, first, last)}"
    return "Nothing in it is like that: read the file."


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r\n") for line in lines_of(text)]


def _but_for_spaces(lines: list[str], wanted: list[str]) -> tuple[int, int] | None:
    """The first and one past the last of the lines that say the same; blank ones count nowhere."""
    words = ["".join(line.split()) for line in lines]
    numbers = [number for number, each in enumerate(words) if each]
    said = [words[number] for number in numbers]
    sought = [each for line in wanted if (each := "".join(line.split()))]
    if not sought:
        return None
    for start in range(len(said) - len(sought) + 1):
        if _says(said[start : start + len(sought)], sought):
            return numbers[start], numbers[start + len(sought) - 1] + 1
    return None


def _says(said: list[str], sought: list[str]) -> bool:
    """The first and the last line sought may be parts of lines."""
    if len(sought) == 1:
        return sought[0] in said[0]
    return (
        said[0].endswith(sought[0])
        and said[-1].startswith(sought[-1])
        and said[1:-1] == sought[1:-1]
    )


def _alike(lines: list[str], wanted: list[str]) -> tuple[int, int] | None:
    """The number of the line that is most like the longest one wanted, and that one's own."""
    if not wanted:
        return None
    longest = max(range(len(wanted)), key=lambda number: len(wanted[number].strip()))
    sought = wanted[longest].strip()[:LONGEST]
    known = [line.strip()[:LONGEST] for line in lines[:LINES_READ]]
    close = difflib.get_close_matches(sought, known, 1, 0.6) if sought else []
    return (known.index(close[0]), longest) if close else None


def _shown(lines: list[str], first: int, last: int) -> str:
    told = lines[first : min(last, first + LINES_TOLD)]
    shown = [f"{number}\t{line[:LONGEST]}" for number, line in enumerate(told, first + 1)]
    return "\n".join([*shown, "…"] if last - first > LINES_TOLD else shown)
