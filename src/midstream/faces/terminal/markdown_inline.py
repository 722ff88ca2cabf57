"""Words of Markdown as styled text: emphasis, code, links."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.utils import EnvType

from midstream.faces.terminal.style import (
    BOLD,
    DIM,
    ITALIC,
    STRUCK,
    UNDERLINE,
    Span,
    Theme,
    both,
)
from midstream.faces.terminal.wrap import harmless

SPECIAL = re.compile(r"[\\`*_\[<&~]")
BREAK = re.compile(r"<br */?>$", re.IGNORECASE)
# How deep brackets are followed into one another. What is nested deeper is text; and many opening
# brackets cost so many times as much.
NESTING = 4
MOST_BRACKETS = 200  # of a text; where there are more, it is not prose, and they are text

PARSER = MarkdownIt("commonmark", {"maxNesting": NESTING}).enable("strikethrough")
WITHOUT_LINKS = MarkdownIt("commonmark", {"maxNesting": NESTING}).enable("strikethrough")
WITHOUT_LINKS.disable(["link", "image"])
DEFINITIONS = MarkdownIt("zero").enable("reference")

ON = {"strong_open": BOLD, "em_open": ITALIC, "s_open": STRUCK, "link_open": UNDERLINE}


def define(text: str, links: EnvType) -> str:
    """Take the definitions of links from the beginning of a paragraph; what is left of it."""
    if "]:" not in text:
        return text
    tokens = DEFINITIONS.parse(text, links)
    return next((each.content for each in tokens if each.type == "inline"), "")


def inline(text: str, look: Theme, links: EnvType, style: str = "") -> list[list[Span]]:
    """The lines of a text. A line break of the source is one: models mean it."""
    if not SPECIAL.search(text):
        return [[(harmless(line), style)] for line in text.split("\n")]
    linked = "]" in text and text.count("[") <= MOST_BRACKETS
    parser = PARSER if linked else WITHOUT_LINKS
    drawing = Drawing(look, style)
    for token in parser.parseInline(text, links)[0].children or ():
        drawing.add(token)
    return drawing.lines


class Drawing:
    def __init__(self, look: Theme, style: str) -> None:
        self.lines: list[list[Span]] = [[]]
        self._look = look
        self._styles = [style]
        self._links: list[tuple[str, int, int]] = []  # the address; where the words of it begin

    def add(self, token: Token) -> None:
        match token.type:
            case "text" | "text_special":
                self._put(token.content)
            case "code_inline":
                tick = self._look.tick
                self._put(f"{tick}{token.content}{tick}", self._look.code)
            case "softbreak" | "hardbreak":
                self.lines.append([])
            case "html_inline" if BREAK.match(token.content):
                self.lines.append([])
            case "html_inline":
                self._put(token.content, DIM)
            case "image":
                self._put(f"[image: {token.content}]" if token.content else "[image]")
                self._put(f" ({token.attrs.get('src', '')})", DIM)
            case "strong_open" | "em_open" | "s_open" | "link_open":
                self._open(token)
            case "strong_close" | "em_close" | "s_close":
                self._styles.pop()
            case "link_close":
                self._styles.pop()
                self._address(*self._links.pop())
            case _:
                self._put(token.content)

    def _put(self, text: str, style: str = "") -> None:
        if text:
            self.lines[-1].append((harmless(text), both(self._styles[-1], style)))

    def _open(self, token: Token) -> None:
        if token.type == "link_open":
            self._links.append((str(token.attrs["href"]), len(self.lines), len(self.lines[-1])))
        self._styles.append(both(self._styles[-1], ON[token.type]))

    def _address(self, address: str, line: int, span: int) -> None:
        """Where a link leads, unless its words say so."""
        words = self.lines[line - 1][span:] if line == len(self.lines) else []
        said = "".join(text for text, _ in words)
        if said not in (address, address.removeprefix("mailto:")):
            self._put(f" ({address})" if said or line < len(self.lines) else address, DIM)


def closers(text: str) -> str:
    """What would close the emphasis, code or link that the end of a text has open.

    Only for showing a text that still grows: better than markers that vanish when their other half
    arrives.
    """
    fence = ""
    outside: list[str] = []
    at = 0
    for run in re.finditer("`+", text):
        if not fence:
            outside.append(text[at : run.start()])
            fence, at = run[0], run.end()
        elif fence == run[0]:
            fence, at = "", run.end()
    if fence:
        return fence if text[at:].strip() else ""
    rest = "".join([*outside, text[at:]])
    address = ")" if re.search(r"\]\([^()\s]*$", rest) else ""
    marks = [mark for mark in ("**", "~~") if rest.count(mark) % 2 and _begins(rest, mark)]
    return address + "".join(sorted(marks, key=rest.rfind, reverse=True))


def _begins(text: str, mark: str) -> bool:
    after = text[text.rfind(mark) + 2 :]
    return bool(after.strip("*~")) and not after[0].isspace()
