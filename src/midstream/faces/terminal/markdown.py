"""Markdown as it streams: lines that are final, and how the rest looks at the moment."""

import re
from collections import ChainMap
from typing import Any

from wcwidth import grapheme_boundary_before

from midstream.faces.terminal.markdown_blocks import Block
from midstream.faces.terminal.markdown_inline import closers, define
from midstream.faces.terminal.markdown_page import Page
from midstream.faces.terminal.markdown_reader import BlockReader
from midstream.faces.terminal.style import COLOURED, UNCOLOURED
from midstream.faces.terminal.wrap import safe

LONGEST_LINE = 8192  # characters; the rest of a longer one is read by itself
LONGEST_OPEN = 4096  # characters of an open paragraph that are shown
# A line that may yet become anything: a bullet, or the underline of a heading.
UNDECIDED = re.compile(r" *(?:[-=+*#>_|:`~ ]+|\d{1,9}[.)]?)$")


class Markdown:
    """The lines of a document, as they become final.

    The cost is linear: every line is read once, and every paragraph drawn once. What is given out
    is never changed by what follows.

    Args:
        width: cells that a line may take, 10 at least. It can be set; what is drawn afterwards
            keeps to it.
        colour: without it there is bold, italic and underlined text still.
    """

    def __init__(self, width: int, colour: bool = True) -> None:
        self.width = width
        self._look = COLOURED if colour else UNCOLOURED
        self._begin()

    def _begin(self) -> None:
        self._pieces: list[str] = []  # of the line that has not ended
        self._length = 0
        self._rest = False  # the line began in what was read already
        self._links: dict[str, Any] = {}
        self._reader = BlockReader(lambda text: define(text, self._links))
        self._page = Page(self._look, self._links)
        self._shown: tuple[tuple[int, int], list[str]] | None = None

    @property
    def between_blocks(self) -> bool:
        """No block is open, so that what is put here takes none apart."""
        return not self._length and self._reader.between_blocks

    def feed(self, text: str) -> list[str]:
        """The lines that became final through this text."""
        self._shown = None
        if "\n" not in text and self._length + len(text) <= LONGEST_LINE:
            self._pieces.append(text)
            self._length += len(text)
            return []
        return self._draw(self._read("".join([*self._pieces, text])))

    def end(self) -> list[str]:
        """The lines of what is left. What is fed afterwards is another document."""
        last = "".join(self._pieces)
        blocks = self._line(last) if last else []
        lines = self._draw(blocks + self._reader.end())
        self._begin()
        return lines

    def open(self, most: int) -> list[str]:
        """How that which is not final would look if it ended here: its last lines."""
        asked = self.width, most
        if self._shown is None or self._shown[0] != asked:
            longest = min(LONGEST_OPEN, self.width * most)
            self._shown = asked, self._imagined(longest)[-most:] if most > 0 else []
        return self._shown[1]

    def _read(self, text: str) -> list[Block]:
        """Read the lines that have ended, and what is too long to wait for its end."""
        blocks: list[Block] = []
        start = 0
        while True:
            end = text.find("\n", start, start + LONGEST_LINE + 1)
            if end >= 0:
                blocks += self._line(text[start:end])
                self._rest = False
                start = end + 1
            elif len(text) - start > LONGEST_LINE:
                end = start + divided(text[start : start + LONGEST_LINE])
                blocks += self._line(text[start:end])
                self._rest = True
                start = end
            else:
                break
        self._pieces, self._length = [text[start:]], len(text) - start
        return blocks

    def _line(self, raw: str) -> list[Block]:
        line = safe(raw).rstrip(" ")
        return self._reader.rest(line) if self._rest else self._reader.line(line)

    def _draw(self, blocks: list[Block]) -> list[str]:
        return [line for block in blocks for line in self._page.draw(block, self.width)]

    def _imagined(self, longest: int) -> list[str]:
        # Definitions that may yet grow must not be remembered.
        known = self._links.get("references", {})
        links: dict[str, Any] = {"references": ChainMap({}, known)}
        reader = self._reader.fork(lambda text: define(text, links), longest)
        page = self._page.fork(links)
        line = safe("".join(self._pieces)[-longest:]).rstrip(" ")
        words = reader.words
        if words is not None and line:
            line = "" if UNDECIDED.match(line) else line + closers(f"{words}\n{line}")
        blocks = (reader.rest(line) if self._rest else reader.line(line)) if line else []
        return [line for block in blocks + reader.end() for line in page.draw(block, self.width)]


def rendered(text: str, width: int, colour: bool = True) -> list[str]:
    """All lines of a whole document: those that it has when it comes in parts."""
    markdown = Markdown(width, colour)
    return markdown.feed(text) + markdown.end()


def divided(text: str) -> int:
    """Where to divide a line that is too long: at its last space, or between two characters."""
    space = text.rfind(" ")
    return space if space > 0 else grapheme_boundary_before(text, len(text)) or len(text)
