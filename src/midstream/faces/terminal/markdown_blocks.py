"""What a Markdown document is made of, once it is final: the values between reading and drawing."""

from msgspec import Struct


class Quote(Struct, frozen=True):
    serial: int


class Item(Struct, frozen=True):
    serial: int
    first: int  # the serial of the first item of its list
    kind: str  # - + * or, with a number, . )
    number: int
    width: int  # columns, from where its container's text starts to where its own does


Container = Quote | Item


class Text(Struct, frozen=True):
    text: str


class Definitions(Struct, frozen=True):
    """Of links, as the source has them: those that were used before could not be resolved."""

    text: str


class Heading(Struct, frozen=True):
    level: int
    text: str


class Rule(Struct, frozen=True):
    pass


class CodeLine(Struct, frozen=True):
    text: str
    info: str  # what stands behind the fence


class HtmlLine(Struct, frozen=True):
    text: str


class Table(Struct, frozen=True):
    columns: tuple[str, ...]  # how each is aligned: "", "left", "right", "center"
    rows: tuple[tuple[str, ...], ...]  # of cells; the first is the header


class TableRow(Struct, frozen=True):
    cells: tuple[str, ...]


class Nothing(Struct, frozen=True):
    """What an empty item holds."""


Body = Text | Definitions | Heading | Rule | CodeLine | HtmlLine | Table | TableRow | Nothing


class Block(Struct, frozen=True):
    inside: tuple[Container, ...]
    body: Body
    apart: bool  # the source has a blank line before it
    goes_on: bool  # with what was given out before: the next line of code, the next row, more text
