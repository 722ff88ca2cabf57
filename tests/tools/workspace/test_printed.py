"""What is left of what a program prints: the words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.tools.workspace.printed import HEAD, TAIL, Kept, Printed

CASES = {
    "plain": ("one\n\ttwo\n", "one\n\ttwo\n"),
    "colours": ("\x1b[31;1mred\x1b[0m \x1b[38;5;9mand\x1b[K\n", "red and\n"),
    "eight bit": ("\x9b31mred\x9d0;title\x9c\n", "red\n"),
    "moves": ("one\x1b[2A\x1b[10;20Htwo\x1b[2J\x1b7\x1b8\x1bM\x1b(B", "onetwo"),
    "titles and links": (
        "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;YQ==\x07",
        "alink",
    ),
    "strings for the terminal": (
        "a\x1bP1$qm\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e",
        "abcde",
    ),
    "a string without end": ("a\x1b]0;title\nb\n", "a0;title\nb\n"),
    "a progress bar": ("0%\r50%\r100%\ndone\n", "100%\ndone\n"),
    "a progress bar without end": ("0%\r50%\r100%", "100%"),
    "a progress bar at rest": ("50%\r", "50%"),
    "erased": ("wait\r\x1b[Kdone\n", "done\n"),
    "CRLF": ("one\r\ntwo\r\r\n", "one\ntwo\n"),
    "other controls": ("a\x00\x07\b\x0b\x0c\x0e\x7f\x85b\n", "ab\n"),
    "a lone escape": ("a\x1b", "a"),
    "escapes and a line end": ("a\x1b\n\x1b[\nb", "a\n\nb"),
    "letters": ("é 漢 🦆\n", "é 漢 🦆\n"),
}


def printed(*parts: bytes) -> str:
    made = Printed()
    return "".join([*map(made.feed, parts), made.end()])


@pytest.mark.parametrize("name", CASES)
def test_control_sequences_are_taken_out_wherever_they_are_cut(name: str) -> None:
    said, words = CASES[name]
    data = said.encode()
    assert printed(data) == words
    assert printed(*(bytes([each]) for each in data)) == words
    for at in range(len(data)):
        assert printed(data[:at], data[at:]) == words


PIECES = st.sampled_from(["\x1b", "\x1b[", "\x1b]", "\x9b", "\x9d", "\x07", "\x1b\\", "\r", "\n",
                          "\b", "3", ";", "m", "a", "é", " ", "\x1bP", "\x9c", "P", "[",
                          "("])  # fmt: skip


@given(st.lists(PIECES, max_size=30), st.data())
def test_it_is_the_same_however_it_arrives(pieces: list[str], data: st.DataObject) -> None:
    said = "".join(pieces).encode()
    at = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=5)))
    parts = [said[one:two] for one, two in zip([0, *at], [*at, len(said)], strict=True)]
    whole = printed(said)
    assert printed(*parts) == whole
    assert not set(whole) & set("\x1b\r\b\x07\x9b\x9c\x9d")


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert printed(b"caf\xe9\n", b"\xf0\x9f") == "caf\ufffd\n\ufffd"


def test_the_last_line_is_the_one_that_is_being_written() -> None:
    made = Printed()
    assert made.last == ""
    for data, last in [
        (b"one\ntw", "tw"),
        (b"o\n", "two"),
        (b"\n  \n", "two"),
        (b"10%\r20%\r", "20%"),
        (b"30%", "30%"),
        (b"\x1b[1m", "30%"),
        (b"\r\x1b[K", "30%"),
        (b"x" * 1000, "x" * 200),
    ]:
        made.feed(data)
        assert made.last == last


def test_a_long_progress_bar_is_its_last_state() -> None:
    assert printed(*[b"50%\r" * 20_000] * 3, b"100%\n") == "100%\n"


def test_a_line_without_end_does_not_pile_up() -> None:
    made = Printed()
    given = sum(len(made.feed(b"x" * 65_536)) for _ in range(50))
    assert given > 49 * 65_536


@pytest.mark.parametrize("piece", ["\x9d", "\x1b]", "\x1b[0", "\x9b0 ", "\x1b ", "\b", "a\b", "\r"])
def test_no_output_takes_long(piece: str) -> None:
    data = (piece * 200_000).encode()
    began = time.process_time()
    printed(*(data[at : at + 65_536] for at in range(0, len(data), 65_536)))
    assert time.process_time() - began < 1


# -- head and tail -----------------------------------------------------------------------------


def kept(*texts: str) -> str:
    made = Kept()
    for text in texts:
        made.add(text)
    return made.text()


@pytest.mark.parametrize("size", [0, 1, HEAD, HEAD + 1, HEAD + TAIL])
def test_what_fits_is_kept_whole(size: int) -> None:
    text = ("0123456789\n" * 4_000)[:size]
    assert kept(text) == text
    assert kept(*text) == text


@pytest.mark.parametrize("piece", [1, 7, 1_000, 65_536, 10**7])
def test_of_what_does_not_fit_head_and_tail_are_kept_and_the_rest_is_counted(piece: int) -> None:
    text = "".join(f"line {n:06}\n" for n in range(10_000))
    shown = kept(*(text[at : at + piece] for at in range(0, len(text), piece)))
    assert shown == f"{text[:HEAD]}\n[… 88,000 characters left out …]\n{text[-TAIL:]}"
