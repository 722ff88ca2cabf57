"""Where typed text and its cursor lie."""

from hypothesis import given
from hypothesis import strategies as st
from wcwidth import width

from midstream.faces.terminal.layout import laid_out
from midstream.faces.terminal.screen import Place


def test_a_short_line_lies_as_it_is() -> None:
    assert laid_out("hello", 5, 10, 5) == (["hello"], Place(0, 5), (0, 0))
    assert laid_out("", 0, 10, 5) == ([""], Place(), (0, 0))


def test_a_long_line_goes_on_below() -> None:
    assert laid_out("abcdef", 6, 4, 5) == (["abcd", "ef"], Place(1, 2), (0, 0))
    assert laid_out("abcdef", 2, 4, 5) == (["abcd", "ef"], Place(0, 2), (0, 0))


def test_lines_end_where_they_were_ended() -> None:
    assert laid_out("ab\n\ncd", 3, 10, 5) == (["ab", "", "cd"], Place(1, 0), (0, 0))


def test_a_wide_character_is_never_cut() -> None:
    assert laid_out("a界界", 3, 4, 5) == (["a界", "界"], Place(1, 2), (0, 0))
    assert laid_out("👨‍👩‍👧x", 6, 4, 5)[1] == Place(0, 3)


def test_of_many_lines_those_around_the_cursor_are_seen() -> None:
    text = "\n".join(str(n) for n in range(100))
    lines, place, (above, below) = laid_out(text, text.index("50") + 2, 10, 4)
    assert len(lines) == 4
    assert lines[place.row] == "50"
    assert (above, below) == (int(lines[0]), 99 - int(lines[-1]))


def test_a_line_that_is_seen_in_part_is_counted_as_left_out() -> None:
    assert laid_out("a\nbbbb", 6, 2, 1)[2] == (2, 0)
    assert laid_out("bbbb\nc", 0, 2, 1)[2] == (0, 2)


@given(st.text("ab 界é\n", max_size=60), st.data(), st.integers(2, 12), st.integers(1, 6))
def test_the_cursor_is_always_seen_where_it_stands(
    text: str, data: st.DataObject, cells: int, most: int
) -> None:
    cursor = data.draw(st.integers(0, len(text)))
    lines, place, hidden = laid_out(text, cursor, cells, most)
    assert 1 <= len(lines) <= most
    assert 0 <= place.row < len(lines)
    assert 0 <= place.column <= cells
    assert all(width(line) <= cells for line in lines)
    whole, *_ = laid_out(text, cursor, cells, 1000)
    assert any(hidden) == (lines != whole)
    if len(lines) < most:  # all of it is seen
        assert "".join(lines) == text.replace("\n", "")
