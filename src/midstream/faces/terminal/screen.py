"""What is written to the terminal: finished lines once, and below them a region that may change.

Lines that are finished belong to the terminal, which scrolls and keeps them; they are not touched
again. What may still change (an open block, running tools, the input) stands below them and is
drawn anew from its first changed line. So there is no other screen, no scroll region and no erasing
of the whole: copying, searching and scrolling back work as the terminal does them.
"""

from collections.abc import Sequence

from msgspec import Struct
from wcwidth import clip, width, wrap

TOGETHER, SHOWN = "\x1b[?2026h", "\x1b[?2026l"  # synchronised output: what is between shows at once
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
JOINER, FLAGS = "\u200d", frozenset(map(chr, range(0x1F1E6, 0x1F200)))  # two of these are a flag
TO_THE_END, BELOW = "\x1b[K", "\x1b[J"


class Size(Struct, frozen=True):
    columns: int
    rows: int


class Place(Struct, frozen=True):
    """Where the cursor stands in the live region; both count from 0."""

    row: int = 0
    column: int = 0


class Screen:
    """Makes what to write out of what to show; it writes nothing itself.

    The lines hold no control characters but SGR sequences. The last column stays free, so that no
    terminal wraps by itself.

    Args:
        reflows: the terminal wraps its lines anew when it gets narrower, as most do.
    """

    def __init__(self, size: Size, *, reflows: bool = True) -> None:
        self._size = size
        self._reflows = reflows
        self._live: list[str] = []
        self._cursor = Place()
        self._since: list[int] = []  # the widths of the finished lines since `mark`
        self._back = 0  # rows above the live region that the next frame writes over

    def begin_anew(self) -> None:
        """What was drawn is out of reach: the next frame begins where the cursor is."""
        self._live, self._cursor, self._back = [], Place(), 0
        self._since.clear()

    # -- lines that are taken back -------------------------------------------------------------

    def mark(self) -> None:
        """What is finished from here on may be taken back."""
        self._since.clear()

    def withdraw(self) -> int:
        """Take back the lines since `mark`. Returns how many have left the screen, and stay."""
        rows = sum(self._rows(each) for each in self._since)
        on_screen = self._size.rows - max(1, sum(map(self._rows, map(width, self._live))))
        self._back = max(0, min(rows, on_screen))
        self._since.clear()
        return rows - self._back

    # -- a frame -------------------------------------------------------------------------------

    def frame(self, size: Size, finished: Sequence[str], live: Sequence[str], cursor: Place) -> str:
        """What to write so that `finished` is added and `live` is shown; "" if nothing changes.

        Of a live region that is too high for the screen the first lines are left out.
        """
        resized, self._size = size != self._size, size
        room = size.columns - 1
        above = [row for line in finished for row in whole(line, room)]
        shown = [clipped(line, room) for line in live[-max(1, size.rows - 1) :]]
        cursor = Place(max(0, cursor.row - len(live) + len(shown)), min(cursor.column, room))
        anew = bool(above or resized or self._back)
        first = 0 if anew else common(self._live, shown)
        if not anew and first == len(shown) == len(self._live):
            moved = _moved(cursor.row - self._cursor.row, cursor.column)
            unmoved, self._cursor = cursor == self._cursor, cursor
            return "" if unmoved else moved
        first = max(0, min(first, len(shown) - 1, len(self._live) - 1))
        begin = _moved(first - self._cursor_row() - self._back, 0)
        text = "".join(f"{line}{TO_THE_END}\r\n" for line in above)
        text += f"{TO_THE_END}\r\n".join(shown[first:])
        shrunk = self._height() + self._back > len(above) + len(shown)
        end = BELOW if shrunk or resized else TO_THE_END
        place = _moved(cursor.row - max(0, len(shown) - 1), cursor.column)
        self._since += map(width, above)
        self._live, self._cursor, self._back = shown, cursor, 0
        return "".join((TOGETHER, HIDE, begin, text, end, place, SHOW, SHOWN))

    def _height(self) -> int:
        return sum(self._rows(width(line)) for line in self._live)

    def _cursor_row(self) -> int:
        """The cursor's row in the live region, as the terminal has it now."""
        above = self._live[: self._cursor.row]
        wrapped = self._cursor.column // self._size.columns if self._reflows else 0
        return sum(self._rows(width(line)) for line in above) + wrapped

    def _rows(self, cells: int) -> int:
        """Rows that a line takes, which was written when the terminal may have been wider."""
        return max(1, -(-cells // self._size.columns)) if self._reflows else 1


def whole(line: str, room: int) -> list[str]:
    """A line in as many rows as it needs: it may have been made when there was more room."""
    return [line] if width(line) <= room else wrap(line, room)


def clipped(line: str, room: int) -> str:
    """A live line on one row: on two it would shift what is drawn next.

    Auto-wrap stays on. Without it a line is cut where the window has become narrower just now, and
    else wrapped anew: nobody could tell how many rows it takes.
    """
    if most_cells(line) <= room:
        return line
    cut = clip(line, 0, room - 1)
    while width(cut) and most_cells(cut) >= room:
        cut = clip(cut, 0, width(cut) - 1)
    return cut + "…"


def most_cells(line: str) -> int:
    """The cells that a line takes where emoji are drawn in their parts, as some terminals do."""
    if line.isascii():
        return width(line)
    return width(line) + 2 * line.count(JOINER) + sum(each in FLAGS for each in line)


def common(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines are the same, from the first on."""
    for n, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return n
    return min(len(before), len(after))


def _moved(rows: int, column: int) -> str:
    """Move the cursor by some rows, and into a column."""
    vertical = f"\x1b[{-rows}A" if rows < 0 else f"\x1b[{rows}B" if rows else ""
    return f"{vertical}\r" + (f"\x1b[{column}C" if column else "")
