"""Turns a recording of a terminal into an animated SVG: python docs/casting/cast_svg.py FILE.cast

Each row of the screen is a strip: all that it ever shows, one below the other, of which one piece
is seen at a time; a CSS animation moves the strip. What is shown in two places is there once. There
is no script in the file, so that it plays inside an <img> too. Who asks for less motion sees the
last screen.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import pyte
from pyte.screens import Char

FRAME_S = 0.05  # no two pictures follow each other sooner
HOLD_S = 3.5  # the last one stays, before it all begins again
CELL, LINE, SIZE, BASE = 8.4, 18, 14, 13.5  # pixels: a column, a row, the font, its base line
PAD, BAR = 14, 34  # around the screen, and the title's bar
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

# The palette's sixteen colours as pyte spells them, on a light and on a dark page.
COLOURS = {
    "black": ("#24292f", "#484f58"), "red": ("#cf222e", "#ff7b72"),
    "green": ("#116329", "#3fb950"), "brown": ("#7d4e00", "#d29922"),
    "blue": ("#0969da", "#58a6ff"), "magenta": ("#8250df", "#bc8cff"),
    "cyan": ("#1b7c83", "#39c5cf"), "white": ("#6e7781", "#b1bac4"),
    "brightblack": ("#57606a", "#6e7681"), "brightred": ("#a40e26", "#ffa198"),
    "brightgreen": ("#1a7f37", "#56d364"), "brightbrown": ("#633c01", "#e3b341"),
    "brightblue": ("#218bff", "#79c0ff"), "brightmagenta": ("#a475f9", "#d2a8ff"),
    "brightcyan": ("#3192aa", "#56d4dd"), "brightwhite": ("#8c959f", "#f0f6fc"),
    "bfightmagenta": ("#a475f9", "#d2a8ff"),
}  # fmt: skip
INK, PAPER, FRAME = ("#1f2328", "#e6edf3"), ("#ffffff", "#0d1117"), ("#eaeef2", "#21262d")
CLASSES = {name: f"c{number}" for number, name in enumerate(COLOURS)}

# Of private sequences ("CSI > 1 u") pyte would draw the rest.
UNKNOWN = re.compile("\x1b\\[[<=>][0-9;:]*[@-~]")
OPEN = re.compile("\x1b(\\[[0-9;:<=>?]*)?$")
BEGIN_UPDATE, END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"
# What XML cannot hold (section 2.2).
IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Cast(NamedTuple):
    columns: int
    rows: int
    title: str
    events: list[tuple[float, str]]  # seconds, and what was written


class Piece(NamedTuple):
    """Cells of one look, side by side."""

    column: int
    width: int
    text: str
    look: str  # classes of the text
    paper: str  # class of what is behind it, or ""


Row = tuple[Piece, ...]
SPACE = Char(" ")


def read(text: str) -> Cast:
    """A file of asciinema's, version 2; longer silences are cut to what its header allows."""
    head, *lines = text.splitlines()
    header = json.loads(head)
    longest = header.get("idle_time_limit") or float("inf")
    events: list[tuple[float, str]] = []
    at_s = last_s = 0.0
    for line in lines:
        moment_s, kind, data = json.loads(line)
        if kind == "o":
            at_s += min(moment_s - last_s, longest)
            last_s = moment_s
            events.append((at_s, data))
    return Cast(header["width"], header["height"], header.get("title", ""), events)


# -- the screen --------------------------------------------------------------------------------


class Screen(pyte.Screen):
    """pyte's, which knows no dim characters: here they are those that blink."""

    def select_graphic_rendition(self, *attrs: int, **_: bool) -> None:
        given, changed = list(attrs), list[int]()
        while given:
            attr = given.pop(0)
            if attr in (38, 48):  # a colour follows
                length = 2 if given[:1] == [5] else 4
                changed += [attr, *given[:length]]
                del given[:length]
            else:
                changed += {2: [5], 22: [22, 25]}.get(attr, [attr])
        super().select_graphic_rendition(*changed)


def pictures(cast: Cast) -> list[tuple[float, list[Row]]]:
    """What the screen shows, and from when on; the first is at 0."""
    screen = Screen(cast.columns, cast.rows)
    stream = pyte.Stream(screen)
    shown = [(0.0, rows_of(screen))]
    held = ""
    updating = False
    ends = [at_s for at_s, _ in cast.events[1:]] + [float("inf")]
    for (at_s, data), next_s in zip(cast.events, ends, strict=True):
        text = UNKNOWN.sub("", held + data)
        held = found[0] if (found := OPEN.search(text)) else ""
        stream.feed(text[: len(text) - len(held)])
        updating = text.rfind(BEGIN_UPDATE) > text.rfind(END_UPDATE) or (
            updating and END_UPDATE not in text
        )
        if not updating and next_s - shown[-1][0] >= FRAME_S:
            shown.append((at_s, rows_of(screen)))
    return shown


def rows_of(screen: Screen) -> list[Row]:
    cursor = screen.cursor
    rows: list[Row] = []
    for y in range(screen.lines):
        line = screen.buffer[y]
        cells = [line[x] for x in range(screen.columns)]
        if y == cursor.y and not cursor.hidden and cursor.x < screen.columns:
            under = cells[cursor.x]
            cells[cursor.x] = under._replace(reverse=not under.reverse)
        rows.append(row_of(cells))
    return rows


def row_of(cells: Sequence[Char]) -> Row:
    pieces: list[Piece] = []
    column = 0
    # A wide character has an empty cell behind it. These stand apart: where their font is missing
    # they are not twice as wide as the others.
    wide = [
        not cell.data or not after.data
        for cell, after in zip(cells, [*cells[1:], SPACE], strict=True)
    ]
    for (look, paper, _), group in groupby(
        zip(cells, wide, strict=True), key=lambda each: looks(*each)
    ):
        found = [cell for cell, _ in group]
        text = "".join(cell.data for cell in found)
        if text.strip() or paper or "u" in look.split():
            pieces.append(Piece(column, len(found), text, look, paper))
        column += len(found)
    return tuple(pieces)


def looks(cell: Char, wide: bool) -> tuple[str, str, bool]:
    ink, paper = CLASSES.get(cell.fg, ""), CLASSES.get(cell.bg, "")
    if cell.reverse:
        ink, paper = paper or "paper", ink or "ink"
    marks = [
        ("b", cell.bold), ("i", cell.italics), ("u", cell.underscore), ("d", cell.blink),
        ("s", cell.strikethrough),
    ]  # fmt: skip
    return " ".join([*filter(None, [ink]), *(name for name, on in marks if on)]), paper, wide


# -- the picture -------------------------------------------------------------------------------


class Drawing:
    """The strips of the rows, and the pieces that they are made of."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._pictures = pictures(cast)
        self._seconds = self._pictures[-1][0] + HOLD_S
        self._names: dict[Row, str] = {}
        self._symbols: list[str] = []
        self._rules: list[str] = []

    def svg(self) -> str:
        width = round(self._cast.columns * CELL + 2 * PAD)
        height = self._cast.rows * LINE + BAR + 2 * PAD
        strips = [self._strip(y) for y in range(self._cast.rows)]
        title = in_xml(self._cast.title)
        dots = "".join(f'<circle class="dot" cx="{20 + 20 * i}" cy="17" r="6"/>' for i in range(3))
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="{title}">',
            f"<style>{style()}{''.join(self._rules)}</style>",
            f"<defs>{''.join(self._symbols)}</defs>",
            f'<rect class="paper edge" x=".5" y=".5" width="{width - 1}" height="{height - 1}" '
            'rx="9"/>',
            f'<path class="bar" d="M1 {BAR}V10a9 9 0 0 1 9-9h{width - 20}'
            f'a9 9 0 0 1 9 9v{BAR - 10}z"/>',
            f'{dots}<text class="title" x="{width / 2}" y="22">{title}</text>',
            *filter(None, strips),
            "</svg>\n",
        ])  # fmt: skip

    def _strip(self, y: int) -> str:
        """All that a row ever shows, below each other, and the rule that moves it."""
        changes = [(at_s, rows[y]) for at_s, rows in self._pictures]
        changes = [changes[0], *(b for a, b in pairwise(changes) if a[1] != b[1])]
        order = {row: place for place, row in enumerate(dict.fromkeys(row for _, row in changes))}
        uses = "".join(self._use(row, place * LINE) for row, place in order.items())
        if not uses:
            return ""
        if len(order) > 1:
            self._move(y, [(at_s, -order[row] * LINE) for at_s, row in changes])
        top = BAR + PAD + y * LINE
        size = f'x="{PAD}" y="{top}" width="{self._cast.columns * CELL:g}" height="{LINE}"'
        return f'<svg {size}><g class="r{y}">{uses}</g></svg>'

    def _move(self, y: int, moves: Sequence[tuple[float, int]]) -> None:
        steps = "".join(
            f"{at_s / self._seconds * 100:.3f}%{{transform:translateY({to}px)}}"
            for at_s, to in moves
        )
        self._rules.append(f"@keyframes k{y}{{{steps}}}")
        end = f"transform:translateY({moves[-1][1]}px)"
        self._rules.append(f".r{y}{{{end};animation:k{y} {self._seconds:.3f}s step-end infinite}}")

    def _use(self, row: Row, y: int) -> str:
        if not row:
            return ""
        if row not in self._names:
            name = self._names[row] = f"a{len(self._names)}"
            self._symbols.append(f'<g id="{name}">{"".join(map(drawn, row))}</g>')
        return f'<use href="#{self._names[row]}" y="{y}"/>'


def drawn(piece: Piece) -> str:
    x, width = piece.column * CELL, piece.width * CELL
    behind = ""
    if piece.paper:
        behind = f'<rect class="{piece.paper}" x="{x:g}" width="{width:g}" height="{LINE}"/>'
    text = piece.text.rstrip(" ") if "u" not in piece.look.split() else piece.text
    if not text.strip() and "u" not in piece.look.split():
        return behind
    # The columns stand still whatever font there is.
    cells = piece.width - (len(piece.text) - len(text))
    size = f'x="{x:g}" y="{BASE}" textLength="{cells * CELL:g}"'
    look = f' class="{piece.look}"' if piece.look else ""
    return f"{behind}<text {size}{look}>{in_xml(text)}</text>"


def style() -> str:
    def colours(page: int) -> str:
        named = {CLASSES[name]: pair[page] for name, pair in COLOURS.items()}
        named |= {"ink": INK[page], "paper": PAPER[page], "bar": FRAME[page]}
        rules = "".join(f".{name}{{fill:{colour}}}" for name, colour in named.items())
        return f"text{{fill:{INK[page]}}}{rules}.edge{{stroke:{FRAME[page]}}}"

    return (
        f"text{{font:{SIZE}px {FONTS};white-space:pre}}"
        ".b{font-weight:bold}.i{font-style:italic}.u{text-decoration:underline}.d{opacity:.6}"
        ".s{text-decoration:line-through}.dot{fill:#8c959f;opacity:.6}"
        f".title{{text-anchor:middle;opacity:.7}}{colours(0)}"
        f"@media(prefers-color-scheme:dark){{{colours(1)}}}"
        "@media(prefers-reduced-motion:reduce){g{animation:none!important}}"
    )


def in_xml(text: str) -> str:
    return escape(IMPOSSIBLE.sub("\ufffd", text))


def svg(cast: Cast) -> str:
    return Drawing(cast).svg()


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Turn a recording of a terminal into an SVG.")
    parser.add_argument("cast", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(None if arguments is None else list(arguments))
    picture = svg(read(options.cast.read_text("utf-8")))
    options.output.write_text(picture, "utf-8")
    print(f"{options.output}: {len(picture.encode()):,} bytes")


if __name__ == "__main__":
    main()
