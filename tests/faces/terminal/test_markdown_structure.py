"""The blocks of a document, read line by line, are those that markdown-it finds in the whole.

Where the two are known to differ the alphabets keep off: markdown-it finds a table whose header
begins a quote, an item or a fence, lets items and code follow a definition, ends a list after an
empty item and blank lines, and goes on with a quote at a `>` however far that is indented.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faces.terminal.documents import MIXED, ODD
from tests.faces.terminal.structure import parsed, read

WORDS = ["a", "b ", "  ", " ", "\n", "\n", "\n", "\n\n", "a\n"]
CONTAINERS = ["- ", "* ", "+", "-", "1. ", "2) ", "10. ", "1.", "> ", ">", "- [ ] ", "    "]
LEAVES = ["```", "~~~", "---", "===", "***", "#", " # ", "## a #", "``` a`\n", "_ _ _\n"]
HTML = ["<div>", "<!-- x", "-->", "<b>\n", "<?", "?>", "<pre>", "</pre>", "<!A"]
TABLES = ["|", "| a | b |\n", "|---|---|\n", "a|b\n", "-|:-:\n", "| c |\n", "\\|", "---\n"]
DEFINITIONS = ["[a]: /u\n", "[a]:", "'t'", " 't'\n", "[b]: <c d>", "[a]", "(t)", "/u"]
DISPUTED = re.compile(r"(?m)(?:[-+*]|\d[.)])[ >]*\n[ >]*$|^    +>")


def documents(*parts: list[str]) -> st.SearchStrategy[str]:
    every = [part for some in (WORDS, *parts) for part in some]
    return st.lists(st.sampled_from(every), max_size=20).map(lambda some: "".join(some) + "\n.")


@pytest.mark.parametrize("text", [MIXED, *ODD])
def test_a_document_is_read_as_markdown_it_reads_it(text: str) -> None:
    assert read(text) == parsed(text)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(documents(CONTAINERS, LEAVES, HTML).filter(lambda text: not DISPUTED.search(text)))
def test_containers_and_what_they_hold(text: str) -> None:
    assert read(text) == parsed(text)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(documents(TABLES).filter(lambda text: "    " not in text))
def test_tables(text: str) -> None:
    assert read(text) == parsed(text)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(documents(DEFINITIONS).filter(lambda text: "    " not in text))
def test_definitions_of_links(text: str) -> None:
    assert read(text) == parsed(text)
