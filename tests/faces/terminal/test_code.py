"""Code in colour: line by line, and yet as if it were read as a whole."""

import pytest

from midstream.faces.terminal.code import LONGEST_LINE, Code
from midstream.faces.terminal.style import CYAN, DIM, GREEN, MAGENTA, RED, Span


def coloured(language: str, text: str) -> list[list[Span]]:
    code = Code(language)
    return [code.line(line) for line in text.split("\n")]


def in_colour(language: str, text: str, colour: str) -> list[str]:
    lines = coloured(language, text)
    return [part.strip() for line in lines for part, style in line if style == colour]


@pytest.mark.parametrize(
    ("language", "text", "colour", "parts"),
    [
        ("python", "if a:\n    return 1", MAGENTA, ["if", "return"]),
        ("python title=x.py", "return 1", CYAN, ["1"]),
        ("Python", "x = 'a'  # b", DIM, ["# b"]),
        ("js", "const a = `b\nc\nd` + 1", GREEN, ["`b", "c", "d`"]),
        ("c", "/* a\nb */ int c;", DIM, ["/* a", "b */"]),
        ("c++", "// a", DIM, ["// a"]),
        ("html", "<!-- a --><p>", DIM, ["<!-- a -->"]),
        ("diff", "-a\n+b", RED, ["-a"]),
        ("diff", "-a\n+b", GREEN, ["+b"]),
        ("rust", "/* a\nb */ let", DIM, ["/* a", "b */"]),
    ],
)
def test_parts_of_code_have_colours(
    language: str, text: str, colour: str, parts: list[str]
) -> None:
    assert in_colour(language, text, colour) == parts


def test_a_string_that_is_open_goes_on_until_it_ends() -> None:
    text = "x = '''a\nif b:\n    c''' + '''d\nreturn\n''' + e\nreturn"
    assert in_colour("python", text, GREEN) == ["'''a", "if b:", "c'''", "'''d", "return", "'''"]
    assert in_colour("python", text, MAGENTA) == ["return"]


@pytest.mark.parametrize("language", ["", "nonesuch", "text", "!", "😀"])
def test_what_is_no_known_language_is_plain(language: str) -> None:
    assert coloured(language, "if a") == [[("if a", "")]]


def test_a_very_long_line_is_plain() -> None:
    line = "if " * LONGEST_LINE
    assert coloured("python", line) == [[(line, "")]]


@pytest.mark.parametrize("language", ["python", "js", "html", "sh", "rust", "yaml", "json", "sql"])
def test_nothing_is_lost(language: str) -> None:
    text = "a = 'b\n\n\t\"c /* d\n<e f='g'> {h: [1, 2]} `i`\n*/ é 日本 \\\n# j"
    lines = coloured(language, text)
    assert ["".join(part for part, _ in line) for line in lines] == text.split("\n")
