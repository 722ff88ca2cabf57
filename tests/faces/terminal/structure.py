"""The block structure of a document, as midstream reads it line by line and as markdown-it does."""

from collections.abc import Iterator
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from midstream.faces.terminal.markdown_blocks import (
    Block,
    CodeLine,
    Definitions,
    Heading,
    HtmlLine,
    Item,
    Nothing,
    Rule,
    Table,
    TableRow,
    Text,
)
from midstream.faces.terminal.markdown_inline import define
from midstream.faces.terminal.markdown_reader import BlockReader
from midstream.faces.terminal.wrap import safe

Node = tuple[Any, ...]  # what it is, and what it holds

MARKDOWN = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])


def lines(text: str) -> list[str]:
    found = [safe(line).rstrip(" ") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


# -- as it is read line by line ----------------------------------------------------------------


def read(text: str) -> list[Node]:
    links: dict[str, Any] = {}
    reader = BlockReader(lambda paragraph: define(paragraph, links))
    blocks = [block for line in lines(text) for block in reader.line(line)] + reader.end()
    return list(_nodes(blocks, 0))


def _nodes(blocks: list[Block], depth: int) -> Iterator[Node]:
    while blocks:
        if len(blocks[0].inside) > depth:
            here = blocks[0].inside[depth]
            count = next(
                (at for at, each in enumerate(blocks) if each.inside[depth : depth + 1] != (here,)),
                len(blocks),
            )
            held = tuple(_nodes(blocks[:count], depth + 1))
            if isinstance(here, Item):
                yield "item", here.kind, here.number, here.serial == here.first, held
            elif held:
                yield "quote", held
        else:
            count = next(
                (
                    at
                    for at, each in enumerate(blocks)
                    if at and not (each.goes_on and len(each.inside) == depth)
                ),
                len(blocks),
            )
            yield from _leaf(blocks[:count])
        blocks = blocks[count:]


def _leaf(blocks: list[Block]) -> Iterator[Node]:
    match blocks[0].body:
        case Text():
            yield "text", _words("\n".join(each.body.text for each in blocks))  # type: ignore[union-attr]
        case Heading(level, text):
            yield "heading", level, _words(text)
        case Rule():
            yield ("rule",)
        case CodeLine(info=info):
            yield "code", info, [each.body.text for each in blocks]  # type: ignore[union-attr]
        case HtmlLine():
            shown = [each.body.text for each in blocks]  # type: ignore[union-attr]
            yield "html", "\n".join(shown).rstrip("\n").split("\n")
        case Table(_, rows):
            more = [each.body.cells for each in blocks[1:]]  # type: ignore[union-attr]
            yield "table", [list(row) for row in (*rows, *more)]
        case TableRow() | Nothing() | Definitions():
            pass


# -- as markdown-it reads the whole ------------------------------------------------------------


def parsed(text: str) -> list[Node]:
    tokens = MARKDOWN.parse("\n".join(lines(text)) + "\n", {})
    return list(_parsed(iter(tokens), ""))


def _parsed(tokens: Iterator[Token], until: str) -> Iterator[Node]:
    for token in tokens:
        if token.type == until:
            return
        match token.type:
            case "blockquote_open":
                if held := tuple(_parsed(tokens, "blockquote_close")):
                    yield "quote", held
            case "bullet_list_open" | "ordered_list_open":
                number = token.attrs.get("start", 1) if token.tag == "ol" else 0
                yield from _items(tokens, token.markup, int(number), token.type[:-4] + "close")
            case "table_open":
                yield "table", list(_rows(tokens))
            case "heading_open":
                yield "heading", int(token.tag[1]), _words(next(tokens).content)
            case "inline" if token.content:
                yield "text", _words(token.content)
            case "fence" | "code_block" if token.content:
                yield "code", token.info.strip(), token.content.removesuffix("\n").split("\n")
            case "html_block":
                yield "html", token.content.rstrip("\n").split("\n")
            case "hr":
                yield ("rule",)
            case _:
                pass


def _items(tokens: Iterator[Token], kind: str, number: int, until: str) -> Iterator[Node]:
    first = True
    for token in tokens:
        if token.type == until:
            return
        yield "item", kind, number, first, tuple(_parsed(tokens, "list_item_close"))
        number, first = number + (kind in ".)"), False


def _rows(tokens: Iterator[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        match token.type:
            case "tr_open":
                row = []
            case "inline":
                row.append(token.content)
            case "tr_close":
                yield row
            case "table_close":
                return
            case _:
                pass


def _words(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]
