"""What has changed in a text, as a unified diff without its header."""

from difflib import SequenceMatcher
from itertools import takewhile

from midstream.tools.workspace.texts import lines_of

AROUND = 3  # unchanged lines that are shown on both sides
MOST_LINES = 200  # of a diff
MOST_COMPARED = 1_500  # lines; between the first and the last change
LONGEST = 500  # characters of a line

Group = list[tuple[str, int, int, int, int]]


def difference(before: str, after: str) -> str:
    """The hunks, each with the numbers of its lines; long ones are cut, and say so."""
    old, new = lines_of(before), lines_of(after)
    # Comparing takes long: what is the same at both ends is not looked at.
    head = _same(old, new)
    tail = _same(old[head:][::-1], new[head:][::-1])
    start = max(0, head - AROUND)
    old = old[start : min(len(old), len(old) - tail + AROUND)]
    new = new[start : min(len(new), len(new) - tail + AROUND)]
    if max(len(old), len(new)) > MOST_COMPARED:
        return f"[changes from line {start + 1} to {start + len(old)}: too many to be shown]"
    shown: list[str] = []
    # What it leaves alone by itself, lines that occur often, is what would make it take minutes.
    groups = SequenceMatcher(None, old, new).get_grouped_opcodes(AROUND)
    for group in groups:
        shown += _hunk(group, old, new, start)
        if len(shown) > MOST_LINES:
            return "\n".join([*shown[:MOST_LINES], "[cut: there is more of it]"])
    return "\n".join(shown)


def _hunk(group: Group, old: list[str], new: list[str], start: int) -> list[str]:
    (_, old_from, _, new_from, _), (_, _, old_to, _, new_to) = group[0], group[-1]
    lines = [f"@@ -{_range(old_from, old_to, start)} +{_range(new_from, new_to, start)} @@"]
    for kind, one, two, three, four in group:
        if kind == "equal":
            lines += [line for each in old[one:two] for line in _line(" ", each)]
        else:
            lines += [line for each in old[one:two] for line in _line("-", each)]
            lines += [line for each in new[three:four] for line in _line("+", each)]
    return lines


def _line(sign: str, line: str) -> list[str]:
    text = line.rstrip("\r\n")
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    missing = [] if line.endswith("\n") else ["\\ No newline at end of file"]
    return [sign + text, *missing]


def _range(first: int, last: int, start: int) -> str:
    count = last - first
    begin = start + first + (count > 0)
    return str(begin) if count == 1 else f"{begin},{count}"


def _same(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
