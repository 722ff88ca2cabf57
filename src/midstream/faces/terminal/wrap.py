"""Text in cells: how wide it is, and where it may be broken."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from wcwidth import iter_graphemes, wcswidth

from midstream.faces.plain import UNPRINTABLE
from midstream.faces.terminal.style import Span, paint
from midstream.wire.json import UNSAFE

# Characters that take one cell each and join nothing: nearly all that is written in the alphabets
# of Europe. Counting them counts their cells.
ONE_CELL = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u0400-\u0482\u2010-\u2027\u2030-\u2038]*")
ENDS_OF_LINES = re.compile("[\t\n\u2028\u2029]")
CLOSING = frozenset("、。，．：；！？）］｝」』】〉》〕”’…ー々")  # no row begins with these
TAB = 4

Place = tuple[int, int]  # where a row starts and ends in its text


def safe(line: str) -> str:
    """A line of input: nothing in it moves the cursor, tabs are spaces, and it can be encoded."""
    return line if line.isprintable() else harmless(line.expandtabs(TAB))


def harmless(text: str) -> str:
    """The same for what entities and addresses spell, which can be any character."""
    if text.isprintable():
        return text
    return UNSAFE.sub("\ufffd", UNPRINTABLE.sub("", ENDS_OF_LINES.sub(" ", text)))


def cells(text: str) -> int:
    return len(text) if ONE_CELL.fullmatch(text) else max(0, wcswidth(text))


def width_of(spans: Sequence[Span]) -> int:
    return cells(plain(spans))


def plain(spans: Sequence[Span]) -> str:
    return spans[0][0] if len(spans) == 1 else "".join(text for text, _ in spans)


def wrap(spans: Sequence[Span], width: int) -> list[str]:
    """One line of text as rows of at most `width` cells.

    They are broken at spaces, and between the characters of languages that have none; inside a
    word where it is longer than a row.
    """
    text = plain(spans)
    return _painted(spans, _broken(text, width))


def fitted(spans: Sequence[Span], width: int) -> list[tuple[str, int]]:
    """The same, and the cells that each row takes."""
    text = plain(spans)
    places = list(_broken(text, width))
    taken = [cells(text[start:end]) for start, end in places]
    return list(zip(_painted(spans, places), taken, strict=True))


def cut(spans: Sequence[Span], width: int) -> list[str]:
    """Rows that end wherever they are full, with all their spaces: for code."""
    text = plain(spans)
    if ONE_CELL.fullmatch(text):
        ends = [*range(width, len(text), width), len(text)]
    else:
        ends = list(_full(text, width))
    return _painted(spans, zip([0, *ends], ends, strict=False))


def _broken(text: str, width: int) -> Iterator[Place]:
    return (_letters if ONE_CELL.fullmatch(text) else _graphemes)(text, width)


def _letters(text: str, width: int) -> Iterator[Place]:
    start = 0
    while len(text) - start > width:
        end = text.rfind(" ", start, start + width + 1)
        end = end if end > start else start + width
        yield start, _before_spaces(text, start, end)
        start = _after_spaces(text, end)
    yield start, len(text)


def _graphemes(text: str, width: int) -> Iterator[Place]:
    starts, upto = _measured(text)
    first, last = 0, len(starts) - 1
    while upto[last] - upto[first] > width:
        full = max(first + 1, bisect_right(upto, upto[first] + width) - 1)
        breaks = (at for at in range(full, first, -1) if _may_break(text, starts, upto, at))
        end = starts[next(breaks, full)]
        yield starts[first], _before_spaces(text, starts[first], end)
        first = bisect_right(starts, _after_spaces(text, end)) - 1
    yield starts[first], len(text)


def _may_break(text: str, starts: Sequence[int], upto: Sequence[int], at: int) -> bool:
    """Whether a row may end before the grapheme that is number `at`."""
    letter = text[starts[at]]
    wide = upto[at + 1] - upto[at] > 1 or upto[at] - upto[at - 1] > 1
    return letter == " " or (wide and letter not in CLOSING)


def _full(text: str, width: int) -> Iterator[int]:
    starts, upto = _measured(text)
    first, last = 0, len(starts) - 1
    while upto[last] - upto[first] > width:
        first = max(first + 1, bisect_right(upto, upto[first] + width) - 1)
        yield starts[first]
    yield len(text)


def _measured(text: str) -> tuple[list[int], list[int]]:
    """Where each grapheme starts, and the cells before it; at last the end of the text."""
    graphemes = list(iter_graphemes(text))
    starts = accumulate(map(len, graphemes), initial=0)
    upto = accumulate(map(cells, graphemes), initial=0)
    return list(starts), list(upto)


def _before_spaces(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip(" "))


def _after_spaces(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at


def _painted(spans: Sequence[Span], places: Iterable[Place]) -> list[str]:
    if len(spans) == 1:
        text, style = spans[0]
        return [paint(text[start:end], style) for start, end in places]
    begins = list(accumulate((len(text) for text, _ in spans), initial=0))
    return [_row(spans, begins, place) for place in places]


def _row(spans: Sequence[Span], begins: Sequence[int], place: Place) -> str:
    start, end = place
    index = bisect_right(begins, start) - 1
    parts: list[str] = []
    while index < len(spans) and begins[index] < end:
        text, style = spans[index]
        parts.append(paint(text[max(0, start - begins[index]) : end - begins[index]], style))
        index += 1
    return "".join(parts)
