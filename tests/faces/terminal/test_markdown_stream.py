"""Markdown in pieces: the same lines however it is cut, within the width, and harmless."""

import re
import time
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from midstream.faces.plain import SPELLED_OUT
from midstream.faces.terminal.markdown import Markdown, rendered
from tests.faces.terminal.documents import ESCAPES, HOSTILE, MIXED, ODD
from tests.faces.terminal.lines import SGR, plain, spelled

LONG = "http://a.example/" + "x" * 30
WORDS = ["a", "bc def ", "日本", "👩‍👩‍👧‍👦", "e\u0301", LONG, "python\n", "'" * 3]
MARKS = ["**", "_", "`", "~~", "\\", "&amp;", "<br>", "[a]: /u", "[a]", "](", ")", "<!-- ", "-->"]
BEGINNINGS = ["- ", "* ", "1. ", "2) ", "> ", ">", "#", " # ", "```", "~~~", "---", "===", "<div>"]
TABLES = ["|", "|---|", "| a | b |\n|---|---|\n"]
SPACES = ["    ", "  ", " ", "\n", "\n", "\n\n", "\t"]
PARTS = [*WORDS, *MARKS, *BEGINNINGS, *TABLES, *SPACES]

documents = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)
anything = st.one_of(documents, st.text(), st.sampled_from([*ODD, *HOSTILE, MIXED]))


def fed(parts: Iterable[str], width: int = 40) -> list[str]:
    markdown = Markdown(width)
    lines = [line for part in parts for line in markdown.feed(part)]
    return lines + markdown.end()


@pytest.mark.parametrize("text", [MIXED, *ODD])
def test_character_by_character_gives_the_same_lines(text: str) -> None:
    assert fed(text) == rendered(text, 40)


@pytest.mark.parametrize("text", [MIXED, *ODD])
def test_cut_in_two_anywhere_gives_the_same_lines(text: str) -> None:
    whole = rendered(text, 40)
    assert [at for at in range(len(text)) if fed([text[:at], text[at:]]) != whole] == []


@settings(deadline=None)
@given(anything, st.lists(st.integers(0, 200), max_size=20))
def test_every_chunking_gives_the_same_lines(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(at for at in cuts if at < len(text))})
    parts = [text[a:b] for a, b in pairwise(places)]
    assert fed(parts) == rendered(text, 40)


@pytest.mark.parametrize("between", ["", "\n", " "])
def test_lines_that_are_too_long_are_cut_in_the_same_places(between: str) -> None:
    text = f"- {'some words ' * 2000}{between}{'x' * 20_000}{between}```\n{'y ' * 9000}"
    parts = [text[at : at + 777] for at in range(0, len(text), 777)]
    assert fed(parts) == rendered(text, 40)
    assert "".join("".join(plain(fed(parts))).split()) == "•" + "".join(text[2:].split()).replace(
        "```" if between == "\n" else "\0", ""
    )


@settings(deadline=None)
@given(anything, st.integers(10, 60))
@example("123456789. > 123456789. > - - - a", 10)
@example("> " * 30 + "some words", 10)
def test_no_line_is_wider_than_asked(text: str, width: int) -> None:
    lines = plain(rendered(text, width))
    assert [line for line in lines if wcswidth(line) not in range(width + 1)] == []


@settings(deadline=None)
@given(anything, st.integers(0, 300), st.integers(1, 30))
def test_nor_is_what_is_open(text: str, end: int, most: int) -> None:
    markdown = Markdown(20)
    markdown.feed(text[:end])
    lines = plain(markdown.open(most))
    assert len(lines) <= most
    assert [line for line in lines if wcswidth(line) not in range(21)] == []


STYLED = re.compile("(?:[^\x1b]|\x1b\\[[0-9;]+m[^\x1b]+\x1b\\[0m)*")  # and reset at the end


def is_harmless(line: str) -> bool:
    text = SGR.sub("", line)
    return not SPELLED_OUT.search(text) and "\t" not in text and bool(STYLED.fullmatch(line))


@pytest.mark.parametrize("text", [*HOSTILE, *ODD, MIXED])
def test_no_control_character_gets_out_but_our_styles(text: str) -> None:
    for width in (10, 80):
        lines = rendered(text, width)
        assert [line for line in lines if not is_harmless(line)] == []
        "\n".join(lines).encode()


@pytest.mark.parametrize("escape", ESCAPES)
def test_nor_where_an_escape_is_cut(escape: str) -> None:
    for at in range(len(escape)):
        markdown = Markdown(40)
        lines = markdown.feed(f"```\n{escape[:at]}") + markdown.open(9)
        lines += markdown.feed(escape[at:]) + markdown.open(9) + markdown.end()
        assert [line for line in lines if not is_harmless(line)] == []


@settings(deadline=None)
@given(anything)
def test_what_is_open_changes_nothing(text: str) -> None:
    markdown = Markdown(40)
    lines: list[str] = []
    for letter in text[:200]:
        lines += markdown.feed(letter)
        markdown.open(5)
    assert lines + markdown.end() == rendered(text[:200], 40)


@pytest.mark.parametrize("text", [MIXED, *ODD])
def test_what_is_open_is_what_the_end_would_give(text: str) -> None:
    for line in range(text.count("\n")):
        markdown = Markdown(40)
        markdown.feed("".join(text.splitlines(keepends=True)[:line]))
        assert markdown.open(1000) == markdown.end()


OPEN = [
    pytest.param("Here:\n-", ["Here:"], id="a bullet is no underline yet"),
    pytest.param("Here:\n- a", ["Here:", "", "• a"], id="but a bullet with words is one"),
    pytest.param("a **b c", ["a ⟨1⟩b c⟨⟩"], id="bold as if it were closed"),
    pytest.param("a **", ["a **"], id="not before it begins"),
    pytest.param("a `b **c", ["a ⟨36⟩b **c⟨⟩"], id="code as if it were closed"),
    pytest.param("[a](http://b", ["⟨4⟩a⟨⟩⟨2⟩ (http://b)⟨⟩"], id="a link as if it were closed"),
    pytest.param("```\na\nb", ["  b"], id="a line of code"),
    pytest.param("```\n-", ["  -"], id="which is shown whatever it is"),
    pytest.param("| a |\n|---|\n| c", ["⟨1⟩a⟨⟩", "⟨2⟩─⟨⟩", "c"], id="a table"),
    pytest.param("a\n\n", [], id="nothing"),
    pytest.param("a\n\nb", ["", "b"], id="what is kept apart"),
]


@pytest.mark.parametrize(("text", "lines"), OPEN)
def test_what_is_open_looks_as_it_will(text: str, lines: list[str]) -> None:
    markdown = Markdown(40)
    markdown.feed(text)
    assert spelled(markdown.open(9)) == lines


def test_only_the_last_lines_of_what_is_open_are_shown() -> None:
    markdown = Markdown(40)
    markdown.feed("".join(f"line {n}\n" for n in range(100)))
    assert markdown.open(3) == ["line 97", "line 98", "line 99"]
    assert markdown.open(0) == []


def test_an_address_that_is_not_whole_is_not_remembered() -> None:
    markdown = Markdown(40)
    markdown.feed("[a]: /b")
    markdown.open(9)
    markdown.feed("cd\n\n")
    assert plain(markdown.feed("[a]\n\n")) == ["", "a (/bcd)"]


WORST = {
    "quotes": ">" * 5000,
    "brackets": "[" * 5000,
    "pictures": "![" * 5000,
    "items": "- " * 1000,
    "numbers": "1. " * 1000,
    "stars": "*" * 10_000,
    "stars and words": "*a **b " * 2000,
    "links": "[a](" * 3000,
    "ticks": "".join("`" * n + " " for n in range(150)),
    "tags": "<a " * 4000,
    "comments": "<!--" * 3000,
    "entities": "&" * 10_000,
    "a long line": "a" * 1_000_000,
    "definitions": "[a]: /b\n" * 3000,
    "broken definitions": "[a]: /b 'c\n" * 2000,
    "columns": "|a" * 4000 + "\n" + "|-" * 4000 + "\n" + "|b\n" * 2000,
    "items in items": "".join(f"{'  ' * n}- a\n" for n in range(300)),
    "marks on one letter": "a" + "\u0301" * 20_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_nothing_takes_long(text: str) -> None:
    started = time.process_time()
    assert rendered(text, 40)
    markdown = Markdown(40)
    markdown.feed(text)
    markdown.open(20)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("width", [-1, 0, 1, 9])
def test_a_width_that_is_too_small_to_draw_in_is_taken_for_ten(width: int) -> None:
    assert rendered(MIXED, width) == rendered(MIXED, 10)
