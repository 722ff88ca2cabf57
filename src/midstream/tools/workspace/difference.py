"""What has changed in a text, as a unified diff without its header."""

import re
from difflib import unified_diff
from itertools import islice, takewhile

AROUND = 3  # unchanged lines that are shown on both sides
MOST_LINES = 200  # of a diff
MOST_COMPARED = 1_500  # lines; between the first and the last change
LONGEST = 500  # characters of a line


def difference(before: str, after: str) -> str:
    """The hunks, each with the numbers of its lines; long ones are cut, and say so."""
    old, new = _lines(before), _lines(after)
    # Comparing takes long: what is the same at both ends is not looked at.
    start = max(0, _same(old, new) - AROUND)
    old, new = old[start:], new[start:]
    tail = max(0, _same(old[::-1], new[::-1]) - AROUND)
    old, new = old[: len(old) - tail], new[: len(new) - tail]
    if max(len(old), len(new)) > MOST_COMPARED:
        return f"[changes from line {start + 1} to {start + len(old)}: too many to be shown]"
    lines = islice(unified_diff(old, new, n=AROUND, lineterm=""), 2, MOST_LINES + 3)
    shown = [_line(each, start) for each in lines]
    if len(shown) > MOST_LINES:
        shown[MOST_LINES:] = ["[cut: there is more of it]"]
    return "\n".join(shown)


def _lines(text: str) -> list[str]:
    *lines, last = text.replace("\r\n", "\n").split("\n")
    return [*lines, f"{last}\n\\ No newline at end of file"] if last else lines


def _line(line: str, start: int) -> str:
    if line.startswith("@@"):
        return re.sub(r"(?<=[-+])\d+", lambda number: str(int(number[0]) + start), line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _same(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
