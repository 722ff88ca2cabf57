"""The leaf of a Markdown document that is open: what it takes of a line, and what is final."""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from midstream.faces.terminal.markdown_blocks import (
    Body,
    CodeLine,
    Definitions,
    Heading,
    HtmlLine,
    Table,
    TableRow,
    Text,
)
from midstream.faces.terminal.markdown_lines import columns, split, text_at

LONGEST = 8192  # characters; a paragraph that is longer is given out in parts
ROWS = 30  # of a table; then the widths of its columns are fixed
DEFINITION = re.compile(r"\[(?:[^\[\]\\]|\\.)+\]: *[^ ]+(?: +(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?$")
TITLE = ('"', "'", "(")

Define = Callable[[str], str]  # take the definitions of links from the beginning of a paragraph
Bodies = Sequence[Body]  # what is final of a leaf


class Leaf(Struct):
    apart: bool  # the source has a blank line before it
    goes_on: bool = False  # something of it was given out
    over: bool = False  # it has found its end

    def take(self, line: str, at: int) -> Bodies | None:
        """A line that belongs to it whatever it says; None if this one does not."""
        return None

    def add(self, text: str) -> Bodies:
        """Text that belongs to it, since the line begins nothing else."""
        raise NotImplementedError

    def close(self, define: Define) -> Bodies:
        return ()


class Paragraph(Leaf):
    lines: list[str] = []
    size: int = 0

    def add(self, text: str) -> Bodies:
        self.lines.append(text)
        self.size += len(text) + 1
        if self.size <= LONGEST:
            return ()
        whole = Text("\n".join(self.lines))
        self.lines, self.size = [], 0
        return (whole,)

    def close(self, define: Define) -> Bodies:
        definitions, text = self._parts(define)
        return [*definitions, Text(text)] if text else definitions

    def defines(self, following: str, define: Define) -> bool:
        """Whether it is one definition, and whole since the text that follows is no title."""
        return (
            len(self.lines) == 1
            and DEFINITION.match(self.lines[0]) is not None
            and not following.startswith(TITLE)
            and not self._parts(define)[1]
        )

    def underlined(self, level: int, define: Define) -> Bodies | None:
        """What an underline makes of it; None if it holds nothing but definitions."""
        definitions, text = self._parts(define)
        return [*definitions, Heading(level, text)] if text else None

    def _parts(self, define: Define) -> tuple[list[Definitions], str]:
        text = "\n".join(self.lines)
        if self.goes_on or not text.startswith("["):
            return [], text
        left = define(text)
        definitions = text.removesuffix(left).rstrip("\n")
        return [Definitions(definitions)] if definitions else [], left

    def table(self, text: str) -> "OpenTable | None":
        """The table whose header is its last line, if this text says how columns are aligned."""
        header = self.lines[-1] if self.lines else ""
        aligned = columns(text, header)
        if aligned is None:
            return None
        apart = self.apart and len(self.lines) == 1
        return OpenTable(apart, columns=aligned, rows=[tuple(split(header))], size=len(header))


class OpenTable(Leaf):
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    size: int = 0

    def add(self, text: str) -> Bodies:
        count = len(self.columns)
        row = tuple((split(text) + [""] * count)[:count])
        if self.goes_on:
            return (TableRow(row),)
        self.rows.append(row)
        self.size += len(text)
        return self._whole() if len(self.rows) > ROWS or self.size > LONGEST else ()

    def close(self, define: Define) -> Bodies:
        return () if self.goes_on else self._whole()

    def _whole(self) -> Bodies:
        return (Table(self.columns, tuple(self.rows)),)


class Fence(Leaf):
    fence: str = "```"
    info: str = ""
    indent: int = 0

    def take(self, line: str, at: int) -> Bodies:
        start = text_at(line, at)
        rest = line[start:]
        alone = rest == self.fence[0] * len(rest)
        if alone and len(rest) >= len(self.fence) and start - at < 4:
            self.over = True
            return ()
        return self.add(line[min(start, at + self.indent) :])

    def add(self, text: str) -> Bodies:
        return (CodeLine(text, self.info),)


class Tags(Leaf):
    end: re.Pattern[str] = re.compile("")

    def take(self, line: str, at: int) -> Bodies | None:
        text = line[at:]
        return self.add(text) if text or not self.end.search("") else None

    def add(self, text: str) -> Bodies:
        self.over = self.end.search(text) is not None
        return (HtmlLine(text),)


class Indented(Leaf):
    blank: int = 0  # lines, which belong to it if code follows

    def take(self, line: str, at: int) -> Bodies | None:
        start = text_at(line, at)
        if start == len(line):
            self.blank += 1
            return ()
        if start - at < 4:
            return None
        before, self.blank = [CodeLine("", "")] * self.blank, 0
        return [*before, *self.add(line[at + 4 :])]

    def add(self, text: str) -> Bodies:
        return (CodeLine(text, ""),)
