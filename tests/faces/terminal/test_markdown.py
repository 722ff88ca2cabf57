"""How Markdown looks on a terminal: exact lines, feature by feature."""

from textwrap import dedent

import pytest

from midstream.faces.terminal.markdown import Markdown, rendered
from tests.faces.terminal.lines import plain, spelled


def drawn(text: str, width: int = 40) -> list[str]:
    return plain(rendered(text, width))


STYLED = [
    pytest.param("# One", ["⟨1;4;35⟩One⟨⟩"], id="the first heading"),
    pytest.param("## Two ##", ["⟨1;35⟩Two⟨⟩"], id="the second"),
    pytest.param("### Three", ["⟨1⟩Three⟨⟩"], id="the third"),
    pytest.param("##### Five", ["⟨1;3⟩Five⟨⟩"], id="those below"),
    pytest.param("One\n===", ["⟨1;4;35⟩One⟨⟩"], id="a heading that is underlined"),
    pytest.param("## A `b`", ["⟨1;35⟩A ⟨⟩⟨1;35;36⟩b⟨⟩"], id="code in a heading"),
    pytest.param("**a** *b* ~~c~~", ["⟨1⟩a⟨⟩ ⟨3⟩b⟨⟩ ⟨9⟩c⟨⟩"], id="emphasis"),
    pytest.param("**a *b* c**", ["⟨1⟩a ⟨⟩⟨1;3⟩b⟨⟩⟨1⟩ c⟨⟩"], id="emphasis in emphasis"),
    pytest.param("`a  b`", ["⟨36⟩a  b⟨⟩"], id="code in a line"),
    pytest.param("[here](https://a.example)", ["⟨4⟩here⟨⟩⟨2⟩ (https://a.example)⟨⟩"], id="a link"),
    pytest.param("<https://a.example>", ["⟨4⟩https://a.example⟨⟩"], id="a link that says so"),
    pytest.param("<a@b.example>", ["⟨4⟩a@b.example⟨⟩"], id="an address of mail"),
    pytest.param("[](u)", ["⟨2⟩u⟨⟩"], id="a link without words"),
    pytest.param("[a\nb](u)", ["⟨4⟩a⟨⟩", "⟨4⟩b⟨⟩⟨2⟩ (u)⟨⟩"], id="a link over two lines"),
    pytest.param("![a cat](u)", ["[image: a cat]⟨2⟩ (u)⟨⟩"], id="a picture"),
    pytest.param("![](u)", ["[image]⟨2⟩ (u)⟨⟩"], id="a picture without words"),
    pytest.param("a <b>c</b>", ["a ⟨2⟩<b>⟨⟩c⟨2⟩</b>⟨⟩"], id="tags are shown as they are"),
    pytest.param("<div>\n*a*\n</div>", ["⟨2⟩<div>⟨⟩", "⟨2⟩*a*⟨⟩", "⟨2⟩</div>⟨⟩"], id="HTML"),
    pytest.param("---", ["⟨2⟩" + "─" * 39 + "⟨⟩"], id="a rule does not fill the line"),
    pytest.param("> a\n> b", ["⟨2⟩│⟨⟩ a", "⟨2⟩│⟨⟩ b"], id="a quote"),
    pytest.param(
        "```python\nreturn 'a'  # b\n```",
        ["  ⟨35⟩return⟨⟩ ⟨32⟩'a'⟨⟩  ⟨2⟩# b⟨⟩"],
        id="code",
    ),
    pytest.param("```nonesuch\nif a\n```", ["  if a"], id="code of no known language"),
    pytest.param("    if a", ["  if a"], id="code that is indented"),
    pytest.param("[a]: /b 'c'", ["⟨2⟩[a]: /b 'c'⟨⟩"], id="where a link leads"),
    pytest.param(
        "[a]: /b\n\n[a] and [c][a]",
        ["⟨2⟩[a]: /b⟨⟩", "", "⟨4⟩a⟨⟩⟨2⟩ (/b)⟨⟩ and ⟨4⟩c⟨⟩⟨2⟩ (/b)⟨⟩"],
        id="links whose address is known by then",
    ),
]


@pytest.mark.parametrize(("text", "lines"), STYLED)
def test_it_is_drawn_with_style(text: str, lines: list[str]) -> None:
    assert spelled(rendered(text, 40)) == lines


def test_without_colour_there_is_bold_and_code_keeps_its_marks() -> None:
    text = "# One\n\n## Two\n\n**a** `b`\n\n```python\nreturn 1\n```"
    assert spelled(rendered(text, 40, colour=False)) == [
        "⟨1;4⟩One⟨⟩",
        "",
        "⟨1⟩Two⟨⟩",
        "",
        "⟨1⟩a⟨⟩ `b`",
        "",
        "  return 1",
    ]


LAID_OUT = [
    pytest.param("", "", id="nothing"),
    pytest.param("\n\n \n", "", id="blank lines"),
    pytest.param("a\n\n\n\nb", "a\n\nb", id="one blank line between paragraphs"),
    pytest.param("# A\nb\n# C\n***\n> d", "A\n\nb\n\nC\n\n" + "─" * 39 + "\n\n│ d", id="blocks"),
    pytest.param("a\nb", "a\nb", id="a line break of the source is one"),
    pytest.param("a  \nb\\\nc<br>d", "a\nb\nc\nd", id="so are the explicit ones"),
    pytest.param("&copy; &lt; &#65;", "© < A", id="entities"),
    pytest.param("a\\*b", "a*b", id="escapes"),
    pytest.param("- a\n- b\n\n- c", "• a\n• b\n\n• c", id="blank lines of a list are the source's"),
    pytest.param("a\n- b", "a\n\n• b", id="a list is kept apart from the paragraph before it"),
    pytest.param("- a\n* b", "• a\n\n• b", id="two lists"),
    pytest.param("- a\n  - b\n    - c\n      - d", "• a\n  ◦ b\n    ▪ c\n      ▪ d", id="nested"),
    pytest.param("- a\n\n  - b", "• a\n\n  ◦ b", id="nested, with a blank line"),
    pytest.param("- - a", "• ◦ a", id="two items in a line"),
    pytest.param("3. a\n3. b\n9. c", "3. a\n4. b\n5. c", id="numbers count"),
    pytest.param("1) a\n2) b", "1) a\n2) b", id="numbers with parentheses"),
    pytest.param(
        "9. a\n   b\n10. c\n    d", "9. a\n   b\n10. c\n    d", id="what hangs below them"
    ),
    pytest.param("1. a\n   - b\n2. c", "1. a\n   • b\n2. c", id="a list below a number"),
    pytest.param("- [ ] a\n- [x] b", "• [ ] a\n• [x] b", id="tasks"),
    pytest.param("-\n- a", "•\n• a", id="an empty item"),
    pytest.param("- a\nb", "• a\n  b", id="a lazy line belongs to the item"),
    pytest.param("- a\n\nb", "• a\n\nb", id="the end of a list"),
    pytest.param("- a\n  ```\n  b\n\n  c\n  ```\n  d", "• a\n    b\n\n    c\n  d", id="code in it"),
    pytest.param("1. a\n\n   ```\n   b\n   ```\n\n2. c", "1. a\n\n     b\n\n2. c", id="apart"),
    pytest.param("> a\n>\n> - b\n> - c", "│ a\n│\n│ • b\n│ • c", id="a list in a quote"),
    pytest.param("> a\n\n> b", "│ a\n\n│ b", id="two quotes"),
    pytest.param("> > a\n> b", "│ │ a\n│ │ b", id="quotes in quotes, and a lazy line"),
    pytest.param("- > a\n  > b", "• │ a\n  │ b", id="a quote in a list"),
    pytest.param("```\na\n\n\tb\n```\nc", "  a\n\n      b\n\nc", id="code keeps its spaces"),
    pytest.param("a\n```\nb", "a\n\n  b", id="code that does not end"),
    pytest.param("```\n```\na", "a", id="code without lines"),
    pytest.param("<!--\n\na\n-->\nb", "<!--\n\na\n-->\n\nb", id="a comment goes to its end"),
    pytest.param("[a]: b\n[c]: d\ne", "[a]: b\n[c]: d\n\ne", id="definitions stay together"),
]


@pytest.mark.parametrize(("text", "lines"), LAID_OUT)
def test_it_is_laid_out(text: str, lines: str) -> None:
    assert drawn(text) == (lines.split("\n") if lines else [])


FAMILY = "👩‍👩‍👧‍👦"
WRAPPED = [
    pytest.param("one two three four", 10, ["one two", "three four"], id="at spaces"),
    pytest.param("- one two three", 10, ["• one two", "  three"], id="below its bullet"),
    pytest.param("> one two three", 10, ["│ one two", "│ three"], id="with its bar"),
    pytest.param("abcdefghijklmno", 10, ["abcdefghij", "klmno"], id="a word that is too long"),
    pytest.param("日本語のテキスト", 10, ["日本語のテ", "キスト"], id="between wide characters"),
    pytest.param("日本語です。はい", 10, ["日本語で", "す。はい"], id="not before a full stop"),
    pytest.param("```\nabcdefghijkl\n```", 10, ["  abcdefgh", "  ijkl"], id="code"),
    pytest.param(f"x {FAMILY * 5}", 10, [f"x {FAMILY * 4}", FAMILY], id="emoji"),
    pytest.param("e\u0301" * 12, 10, ["e\u0301" * 10, "e\u0301" * 2], id="combining marks"),
]


@pytest.mark.parametrize(("text", "width", "lines"), WRAPPED)
def test_it_is_wrapped(text: str, width: int, lines: list[str]) -> None:
    assert drawn(text, width) == lines


def test_styles_go_on_in_the_next_line_and_end_with_each() -> None:
    assert spelled(rendered("**one two `three four`**", 10)) == [
        "⟨1⟩one two⟨⟩",
        "⟨1;36⟩three four⟨⟩",
    ]


def test_a_number_that_leaves_no_room_stands_above() -> None:
    assert drawn("123456789. some words", 10) == ["123456789.", "some words"]


def table(width: int, text: str) -> list[str]:
    return drawn(dedent(text).strip(), width)


def test_a_table_is_as_wide_as_what_it_holds() -> None:
    text = """
        | name | n | so |
        |------|--:|:--:|
        | a | 1 | x |
        | **bb** | 22 | `yyy` |
        | 日本 \\| | | |
        | more | 1 | 2 | 3 |
    """
    assert table(40, text) == [
        "name   │  n │ so",
        "───────┼────┼────",
        "a      │  1 │  x",
        "bb     │ 22 │ yyy",
        "日本 | │    │",
        "more   │  1 │  2",
    ]


def test_a_table_that_is_too_wide_is_shrunk_and_its_rows_kept_apart() -> None:
    text = """
        | name | what it is for |
        |------|----------------|
        | feed | takes what has come and gives what is final |
        | end | gives the rest |
    """
    assert table(30, text) == [
        "name │ what it is for",
        "─────┼────────────────────────",
        "feed │ takes what has come and",
        "     │ gives what is final",
        "─────┼────────────────────────",
        "end  │ gives the rest",
    ]


def test_a_table_of_many_columns_in_a_narrow_terminal_is_told_row_by_row() -> None:
    names = [f"column {n}" for n in range(6)]
    text = f"| {' | '.join(names)} |\n{'|---' * 6}|\n| {' | '.join('abcdef')} |"
    said = [f"{name}: {value}" for name, value in zip(names, "abcdef", strict=True)]
    assert drawn(text, 40) == [*said, "─" * 8]


def test_the_rows_of_a_long_table_are_final_one_by_one() -> None:
    markdown = Markdown(40)
    head = "| a | b |\n|---|---|\n" + "| some | words |\n" * 29
    assert markdown.feed(head) == []
    assert len(markdown.feed("| some | words |\n")) == 32
    assert plain(markdown.feed("| x | y |\n")) == ["x    │ y"]


def test_a_long_table_grows_with_what_comes() -> None:
    markdown = Markdown(20)
    markdown.feed("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 30)
    assert plain(markdown.feed("| 1000 | b |\n| 1 | c |\n")) == ["1000 │ b", "1    │ c"]
    assert plain(markdown.feed("| 1 | what is far too long for it |\n")) == [
        "─────┼──────────────",
        "1    │ what is far",
        "     │ too long for",
        "     │ it",
    ]


def test_lines_that_come_later_keep_to_another_width() -> None:
    markdown = Markdown(40)
    assert plain(markdown.feed("one two three four\n\n")) == ["one two three four"]
    markdown.width = 10
    assert plain(markdown.feed("one two three four\n\n")) == ["", "one two", "three four"]


def test_what_is_fed_after_the_end_is_another_document() -> None:
    markdown = Markdown(40)
    assert plain(markdown.feed("[a]: /b\n\n- x\n") + markdown.end()) == ["[a]: /b", "", "• x"]
    assert plain(markdown.feed("  [a]\n") + markdown.end()) == ["[a]"]
    assert markdown.end() == []
