"""Tables: columns as wide as what they hold, shrunk where that is more than there is."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

from msgspec import Struct

from midstream.faces.terminal.style import BOLD, DIM, Span, paint
from midstream.faces.terminal.wrap import fitted, width_of, wrap

BAR = f" {paint('│', DIM)} "
NARROW = 8  # cells; a table whose columns would have to be narrower is told row by row

Cell = list[list[Span]]  # its lines
Draw = Callable[[str, str], Cell]  # a cell, in a style


class Layout(Struct, frozen=True):
    """What the rows of a table have in common."""

    columns: tuple[str, ...]  # how each is aligned
    widths: tuple[int, ...]  # what each would like to have
    header: tuple[str, ...]

    def fit(self, width: int) -> list[int] | None:
        """The columns' widths within `width` cells in all; None where they would be too narrow."""
        room = width - 3 * (len(self.widths) - 1)
        if sum(self.widths) <= room:
            return list(self.widths)
        if sum(min(NARROW, each) for each in self.widths) > room:
            return None
        return shrunk(self.widths, room)

    def grown(self, cells: Sequence[Cell]) -> "Layout":
        widths = map(max, self.widths, map(cell_width, cells))
        return Layout(self.columns, tuple(widths), self.header)


def shrunk(widths: Sequence[int], room: int) -> list[int]:
    """Take from the widest until all of them fit."""
    most = max(cap for cap in range(room + 1) if sum(min(cap, each) for each in widths) <= room)
    fit = [min(most, each) for each in widths]
    left = room - sum(fit)
    for at, wanted in enumerate(widths):
        if left and wanted > fit[at]:
            fit[at] += 1
            left -= 1
    return fit


def table(
    columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], draw: Draw, width: int
) -> tuple[Layout, list[str]]:
    drawn = [[draw(cell, "") for cell in row] for row in rows[1:]]
    head = [draw(cell, BOLD) for cell in rows[0]]
    widths = [max(1, *map(cell_width, column)) for column in zip(head, *drawn, strict=True)]
    layout = Layout(columns, tuple(widths), rows[0])
    fit = layout.fit(width)
    if fit is None:
        return layout, [line for row in drawn for line in _told(layout, row, draw, width)]
    rule = paint("─┼─".join("─" * each for each in fit), DIM)
    lines = [*_side_by_side(layout, head, fit), rule] if any(rows[0]) else []
    for at, row in enumerate(drawn):
        lines += _separated(layout, row, fit, first=at == 0)
    return layout, lines


def row(layout: Layout, cells: Sequence[str], draw: Draw, width: int) -> tuple[Layout, list[str]]:
    """One more row of a table. Its columns grow if they must, from this row on."""
    drawn = [draw(cell, "") for cell in cells]
    layout = layout.grown(drawn)
    fit = layout.fit(width)
    if fit is None:
        return layout, _told(layout, drawn, draw, width)
    return layout, _separated(layout, drawn, fit, first=False)


def cell_width(cell: Cell) -> int:
    return max(map(width_of, cell))


def _separated(layout: Layout, cells: list[Cell], fit: list[int], first: bool) -> list[str]:
    """A row; where rows take several lines, with a line before it."""
    lines = _side_by_side(layout, cells, fit)
    if first or fit == list(layout.widths):
        return lines
    return [paint("─┼─".join("─" * each for each in fit), DIM), *lines]


def _side_by_side(layout: Layout, cells: list[Cell], fit: list[int]) -> list[str]:
    columns = [
        [_aligned(part, used, wide, side) for line in cell for part, used in fitted(line, wide)]
        for cell, wide, side in zip(cells, fit, layout.columns, strict=True)
    ]
    lines = zip_longest(*columns)
    return [
        BAR.join(
            part if part is not None else " " * wide for part, wide in zip(line, fit, strict=True)
        ).rstrip()
        for line in lines
    ]


def _aligned(text: str, used: int, width: int, side: str) -> str:
    space = max(0, width - used)
    left = {"right": space, "center": space // 2}.get(side, 0)
    return " " * left + text + " " * (space - left)


def _told(layout: Layout, cells: list[Cell], draw: Draw, width: int) -> list[str]:
    """A row as lines of their own: what column, and what it says; then a line to end it."""
    lines: list[str] = []
    for name, cell in zip(layout.header, cells, strict=True):
        label = draw(name, BOLD)[0]
        first = [*label, (": ", BOLD), *cell[0]] if label else cell[0]
        lines += [part for line in (first, *cell[1:]) for part in wrap(line, width)]
    return [*lines, paint("─" * min(width, NARROW), DIM)]
