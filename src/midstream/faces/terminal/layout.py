"""How the text that is being typed lies on its lines."""

from collections.abc import Iterator

from wcwidth import iter_graphemes
from wcwidth import width as cells

from midstream.faces.plain import SPELLED_OUT
from midstream.faces.terminal.screen import Place


def laid_out(text: str, cursor: int, width: int, most: int) -> tuple[list[str], Place]:
    """The lines around the cursor, and where it stands among them.

    Args:
        cursor: how many characters stand before it.
        width: cells of a line. The cursor may stand behind the last one.
        most: how many lines there are at most.
    """
    text = SPELLED_OUT.sub("\ufffd", text)  # a file that was completed may have any name
    before = text.count("\n", 0, cursor)
    typed = text.split("\n")
    first = max(0, before - most)
    lines: list[str] = []
    place = Place()
    left = cursor - sum(len(line) + 1 for line in typed[:first])
    for n, line in enumerate(typed[first : before + most], first):
        rows = list(_rows(line, width))
        if n == before:
            row, column = _found(rows, left)
            place = Place(len(lines) + row, column)
        left -= len(line) + 1
        lines += rows
    begin = min(max(0, place.row - most + 1), max(0, len(lines) - most))
    begin = max(begin, min(place.row, max(0, len(lines) - most)))
    return lines[begin : begin + most], Place(place.row - begin, place.column)


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
