"""Code in colour, line by line: each line costs the same, wherever it stands."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from midstream.faces.terminal.style import BOLD, CYAN, DIM, GREEN, MAGENTA, RED, Span

if TYPE_CHECKING:  # loading it takes longer than drawing most answers
    from pygments.lexer import Lexer

LONGEST_LINE = 1000  # characters; a longer one is no code that is read, and shown without colours
LONGEST_CONTEXT = 500
LANGUAGE = re.compile(r"[\w+#-]+")
SENTINEL = "x\n"  # a line that is a name, unless it stands inside something

STYLES = {
    "Token.Comment": DIM,
    "Token.Comment.Preproc": MAGENTA,
    "Token.Comment.PreprocFile": GREEN,
    "Token.Generic.Deleted": RED,
    "Token.Generic.Error": RED,
    "Token.Generic.Heading": BOLD,
    "Token.Generic.Inserted": GREEN,
    "Token.Generic.Prompt": DIM,
    "Token.Generic.Subheading": MAGENTA,
    "Token.Keyword": MAGENTA,
    "Token.Keyword.Constant": CYAN,
    "Token.Literal.Number": CYAN,
    "Token.Literal.String": GREEN,
    "Token.Name.Attribute": CYAN,
    "Token.Name.Builtin": CYAN,
    "Token.Name.Class": BOLD,
    "Token.Name.Decorator": CYAN,
    "Token.Name.Function": BOLD,
    "Token.Name.Tag": MAGENTA,
    "Token.Operator.Word": MAGENTA,
}


class Code:
    """The lines of one block of code.

    Strings and comments may go over many lines. The line that opened one is kept and read again
    before each line inside of it; a sentinel after the line tells whether it is still open.

    Args:
        info: what stands behind the fence; its first word is the language.
    """

    def __init__(self, info: str) -> None:
        word = LANGUAGE.match(info)
        self._lexer = lexer(word[0].lower()) if word else None
        self._context = ""

    def line(self, text: str) -> list[Span]:
        if self._lexer is None or len(text) > LONGEST_LINE:
            self._context = ""
            return [(text, "")]
        start = len(self._context)
        end = start + len(text)
        spans: list[Span] = []
        leaves = is_open = False
        source = f"{self._context}{text}\n{SENTINEL}"
        for at, kind, value in self._lexer.get_tokens_unprocessed(source):
            shown = value[max(0, start - at) : max(0, end - at)]
            if shown and spans and spans[-1][1] == style(kind):
                spans[-1] = (spans[-1][0] + shown, style(kind))
            elif shown:
                spans.append((shown, style(kind)))
            if at + len(value) > end + 1:
                is_open = encloses(kind)
                break
            leaves = leaves or (bool(shown) and not encloses(kind))
        self._remember(text, is_open, leaves)
        return spans if "".join(part for part, _ in spans) == text else [(text, "")]

    def _remember(self, text: str, is_open: bool, leaves: bool) -> None:
        if not is_open:
            self._context = ""
        elif not self._context or (leaves and len(self._context) < LONGEST_CONTEXT):
            self._context += f"{text}\n"


@lru_cache(maxsize=64)
def lexer(language: str) -> "Lexer | None":
    """The one that pygments itself has for this name; none for plain text."""
    from pygments.lexers import find_lexer_class_by_name

    if language not in languages():
        return None
    return find_lexer_class_by_name(language)()


@lru_cache(maxsize=1)
def languages() -> frozenset[str]:
    from pygments.lexers import get_all_lexers

    every = get_all_lexers(plugins=False)
    return frozenset(alias for _, aliases, _, _ in every for alias in aliases) - {"text", "output"}


@lru_cache(maxsize=512)
def style(kind: object) -> str:
    name = str(kind)
    while name and name not in STYLES:
        name = name.rpartition(".")[0]
    return STYLES.get(name, "")


@lru_cache(maxsize=512)
def encloses(kind: object) -> bool:
    return str(kind).startswith(("Token.Literal.String", "Token.Comment"))
