"""Draws the blocks of a Markdown document, one below the other."""

import copy
from typing import assert_never

from markdown_it.utils import EnvType
from msgspec import Struct

from midstream.faces.terminal import markdown_table as tables
from midstream.faces.terminal.code import Code
from midstream.faces.terminal.markdown_blocks import (
    Block,
    CodeLine,
    Container,
    Definitions,
    Heading,
    HtmlLine,
    Item,
    Nothing,
    Quote,
    Rule,
    Table,
    TableRow,
    Text,
)
from midstream.faces.terminal.markdown_inline import inline
from midstream.faces.terminal.style import DIM, Span, Theme, paint
from midstream.faces.terminal.wrap import cells, cut, wrap

BAR_CELLS = 2
BAR = f"{paint('│', DIM)} "
BULLETS = "•◦▪"
NARROWEST_PAGE = 10  # cells; where there are fewer, lines are too wide
NARROWEST = 8  # cells that are left for text, however deep it is nested
LONGEST_RULE = 40


class Page:
    """What has been drawn last, so far as the next block depends on it.

    Args:
        links: the definitions of links so far.
    """

    def __init__(self, look: Theme, links: EnvType) -> None:
        self._look = look
        self._links = links
        self._inside: tuple[Container, ...] | None = None  # where the last block stands
        self._defined = False  # it defines links
        self._code: Code | None = None
        self._table: tables.Layout | None = None

    def fork(self, links: EnvType) -> "Page":
        other = copy.copy(self)
        other._links, other._code = links, copy.copy(self._code)
        return other

    def draw(self, block: Block, width: int) -> list[str]:
        """Its lines, after an empty one where one is due."""
        width = max(width, NARROWEST_PAGE)
        common = shared(self._inside or (), block.inside)
        space = margin(block.inside, width, common)
        lines = [*space.above]
        before = space.first
        for row in self._rows(block, space.room):
            lines.append(before + row if row else before.rstrip())
            before = space.rest
        if self._is_apart(block, common):
            lines.insert(0, margin(block.inside[:common], width, common).rest.rstrip())
        self._inside = block.inside
        self._defined = isinstance(block.body, Definitions)
        return lines

    def _is_apart(self, block: Block, common: int) -> bool:
        """Blocks are kept apart by an empty line; in lists, where the source has one."""
        if block.goes_on or self._inside is None:
            return False
        if self._defined and isinstance(block.body, Definitions):
            return block.apart
        before, here = self._inside[common:], block.inside[common:]
        last = block.inside[common - 1] if common else None
        match before[:1], here[:1]:
            case (Item(first=one),), (Item(first=other),) if one == other:
                return block.apart
            case _:
                return block.apart or not isinstance(last, Item)

    def _rows(self, block: Block, room: int) -> list[str]:
        match block.body:
            case Text(text):
                return self._words(text, room)
            case Heading(level, text):
                return self._words(text, room, self._look.heading(level))
            case Definitions(text):
                return [row for line in text.split("\n") for row in wrap([(line, DIM)], room)]
            case Rule():
                return [paint("─" * min(room - 1, LONGEST_RULE), DIM)]
            case HtmlLine(text):
                return cut([(text, DIM)], room)
            case CodeLine() as line:
                return self._code_line(line, block.goes_on, room)
            case Table(columns, rows):
                self._table, lines = tables.table(columns, rows, self._cell, room)
                return lines
            case TableRow(row):
                if self._table is None:
                    return []
                self._table, lines = tables.row(self._table, row, self._cell, room)
                return lines
            case Nothing():
                return [""]
            case _:
                assert_never(block.body)

    def _words(self, text: str, room: int, style: str = "") -> list[str]:
        lines = inline(text, self._look, self._links, style)
        return [row for line in lines for row in wrap(line, room)]

    def _cell(self, text: str, style: str) -> list[list[Span]]:
        return inline(text, self._look, self._links, style)

    def _code_line(self, line: CodeLine, goes_on: bool, room: int) -> list[str]:
        if not goes_on or self._code is None:
            self._code = Code(line.info if self._look.coloured else "")
        return [f"  {row}" if row else "" for row in cut(self._code.line(line.text), room - 2)]


class Margin(Struct, frozen=True):
    above: list[str]  # markers that leave no room beside them
    first: str
    rest: str
    room: int  # cells that are left for text


def shared(one: tuple[Container, ...], other: tuple[Container, ...]) -> int:
    """How many containers both are in."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def margin(inside: tuple[Container, ...], width: int, seen: int) -> Margin:
    """What stands before the lines of a block.

    Args:
        seen: how many of the containers have been drawn before; the others show their marker.
    """
    above: list[str] = []
    first = rest = ""
    room, bullets = width, 0
    for depth, container in enumerate(inside):
        mark = marker(container, bullets)
        bullets += isinstance(container, Item) and container.kind in "-+*"
        wide = BAR_CELLS if isinstance(container, Quote) else cells(mark)
        if room - wide < NARROWEST:
            if depth >= seen and isinstance(container, Item):
                above += cut([(mark.rstrip(), "")], room)
            continue
        blank = mark if isinstance(container, Quote) else " " * wide
        first += mark if depth >= seen else blank
        rest += blank
        room -= wide
    return Margin(above, first, rest, room)


def marker(container: Container, bullets: int) -> str:
    match container:
        case Quote():
            return BAR
        case Item(kind="." | ")" as kind, number=number):
            return f"{number}{kind} "
        case Item():
            return f"{BULLETS[min(bullets, len(BULLETS) - 1)]} "
