"""What a line of Markdown can begin: CommonMark's block structure (0.31, section 4 and 5)."""

import re
from enum import Enum

from markdown_it.rules_block.html_block import HTML_SEQUENCES
from msgspec import Struct

SPACES = re.compile(" *")
HEADING = re.compile(r"(#{1,6})(?: |$)")
CLOSING_HASHES = re.compile(r"(?:^| )#+$")
FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)$")
RULE = re.compile(r"(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$")
UNDERLINE = re.compile(r"=+$|-+$")
MARKER = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?= |$)")
DELIMITERS = re.compile(r"(?!- )[-:|][-:| ]+$")
DELIMITER = re.compile(r":?-+:?$")
MOST_COLUMNS = 64
PIPE = re.compile(r"(?<!\\)\|")
BEGINNINGS = frozenset("#`~<>-+*_=0123456789")


class Around(Enum):
    """What a line would break off."""

    NOTHING = "nothing that could take it up"
    PARAGRAPH = "a paragraph that this line could go on with"
    LAZY = "a paragraph in a quote or an item that the line does not say it belongs to"
    TABLE = "a table"


class Quoted(Struct, frozen=True):
    after: int  # where what it holds starts in the line


class Listed(Struct, frozen=True):
    kind: str  # - + * or, with a number, . )
    number: int
    after: int


class Headed(Struct, frozen=True):
    level: int
    text: str


class Underlined(Struct, frozen=True):
    level: int


class Ruled(Struct, frozen=True):
    pass


class Fenced(Struct, frozen=True):
    fence: str
    info: str


class Tagged(Struct, frozen=True):
    end: re.Pattern[str]  # finds nothing but the end of the block


Beginning = Quoted | Listed | Headed | Underlined | Ruled | Fenced | Tagged


def text_at(line: str, start: int) -> int:
    """Where the first character that is no space stands."""
    found = SPACES.match(line, start)
    return found.end() if found else start


def beginning(line: str, at: int, around: Around) -> Beginning | None:
    """What begins with the character at `at`, which is indented by less than four."""
    first = line[at : at + 1]
    if first not in BEGINNINGS or not first:
        return None
    rest = line[at:]
    match first:
        case ">":
            return Quoted(at + 2 if rest.startswith("> ") else at + 1)
        case "#":
            return _heading(rest)
        case "`" | "~":
            found = FENCE.match(rest)
            return Fenced(found[1], found[2].strip()) if found else None
        case "<":
            return _tag(rest, around)
        case _:
            return _underline_rule_or_item(rest, at, around)


def _heading(rest: str) -> Headed | None:
    found = HEADING.match(rest)
    if not found:
        return None
    return Headed(len(found[1]), CLOSING_HASHES.sub("", rest[found.end() :].strip()).rstrip())


def _tag(rest: str, around: Around) -> Tagged | None:
    for start, end, interrupts in HTML_SEQUENCES:
        if start.search(rest):
            return Tagged(end) if interrupts or around is Around.NOTHING else None
    return None


def _underline_rule_or_item(rest: str, at: int, around: Around) -> Beginning | None:
    if around is Around.PARAGRAPH and UNDERLINE.match(rest):
        return Underlined(1 if rest[0] == "=" else 2)
    if RULE.match(rest):
        return Ruled()
    marker = MARKER.match(rest)
    if not marker:
        return None
    number = marker[1]
    empty = marker.end() == len(rest)
    if around is Around.PARAGRAPH and (empty or (number and int(number) != 1)):
        return None
    inner = text_at(rest, marker.end())
    if empty or inner - marker.end() > 4:  # more than four: code that is indented
        inner = marker.end() + 1
    return Listed(marker[0][-1], int(number or 0), at + inner)


def columns(line: str, header: str) -> tuple[str, ...] | None:
    """How the columns of a table are aligned ("", "left", "right", "center"), if this is the line
    between its header and its rows (GFM, 4.10)."""
    if "|" not in header or not DELIMITERS.match(line):
        return None
    cells = split(line)
    if len(cells) > MOST_COLUMNS or len(cells) != len(split(header)):
        return None
    if not all(map(DELIMITER.match, cells)):
        return None
    sides = ("", "left", "right", "center")
    return tuple(sides[each.startswith(":") + 2 * each.endswith(":")] for each in cells)


def split(row: str) -> list[str]:
    """The cells of a table's row."""
    row = row.strip()
    cells = PIPE.split(row)
    if cells[0] == "":
        cells.pop(0)
    if cells and cells[-1] == "":
        cells.pop()
    return [each.replace("\\|", "|").strip() for each in cells]
