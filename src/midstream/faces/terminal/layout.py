"""How the text that is being typed lies on its lines."""

from collections.abc import Iterator

from wcwidth import iter_graphemes
from wcwidth import width as cells

from midstream.faces.plain import SPELLED_OUT
from midstream.faces.terminal.screen import Place

Hidden = tuple[int, int]  # lines that are not seen, or not wholly: above, and below


def laid_out(text: str, cursor: int, width: int, most: int) -> tuple[list[str], Place, Hidden]:
    """The rows around the cursor, where it stands among them, and how many lines are left out.

    Args:
        cursor: how many characters stand before it.
        width: cells of a row. The cursor may stand behind the last one.
        most: how many rows there are at most.
    """
    text = SPELLED_OUT.sub("\ufffd", text)  # a file that was completed may have any name
    before = text.count("\n", 0, cursor)
    typed = text.split("\n")
    first = max(0, before - most)
    lines: list[tuple[int, str]] = []  # with the number of the line that each is of
    place = Place()
    left = cursor - sum(len(line) + 1 for line in typed[:first])
    for n, line in enumerate(typed[first : before + most], first):
        rows = list(_rows(line, width))
        if n == before:
            row, column = _found(rows, left)
            place = Place(len(lines) + row, column)
        left -= len(line) + 1
        lines += ((n, row) for row in rows)
    begin = min(max(0, place.row - most + 1), max(0, len(lines) - most))
    begin = max(begin, min(place.row, max(0, len(lines) - most)))
    end = begin + most
    above = max((n + 1 for n, _ in lines[:begin]), default=first)
    below = len(typed) - min((n for n, _ in lines[end:]), default=before + most)
    shown = [row for _, row in lines[begin:end]]
    return shown, Place(place.row - begin, place.column), (above, max(0, below))


def _rows(line: str, width: int) -> Iterator[str]:
    row, used = "", 0
    for grapheme in iter_graphemes(line.expandtabs(4)):
        size = cells(grapheme)
        if used + size > width:
            yield row
            row, used = "", 0
        row, used = row + grapheme, used + size
    yield row


def _found(rows: list[str], characters: int) -> tuple[int, int]:
    """The row and the column behind so many characters."""
    for n, row in enumerate(rows):
        if characters < len(row) or (characters == len(row) and n == len(rows) - 1):
            return n, cells(row[:characters])
        characters -= len(row)
    return len(rows) - 1, cells(rows[-1])
