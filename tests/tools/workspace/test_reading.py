"""What read_file shows: lines with numbers, pictures, and words for what it cannot show."""

import pytest

from midstream.messages import Image
from midstream.tools.workspace.reading import LONGEST_LINE, MOST_TEXT
from tests.tools.workspace.kit import Kit
from tests.tools.workspace.memory import growth

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
FIVE = "".join(f"line {n}\n" for n in range(1, 6))


async def test_lines_come_with_their_numbers(kit: Kit) -> None:
    kit.file("a", "one\n\n\tthree\nfour")
    assert await kit.call("read_file", path="a") == "1\tone\n2\t\n3\t\tthree\n4\tfour"


@pytest.mark.parametrize(
    ("offset", "limit", "shown"),
    [
        (1, 5, "1\tline 1\n2\tline 2\n3\tline 3\n4\tline 4\n5\tline 5"),
        (2, 2, "2\tline 2\n3\tline 3\n[lines 2 to 3 of 5; go on with offset=4]"),
        (1, 1, "1\tline 1\n[lines 1 to 1 of 5; go on with offset=2]"),
        (4, 9, "4\tline 4\n5\tline 5\n[lines 4 to 5 of 5, the last one]"),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
async def test_a_part_says_which_it_is(
    offset: int, limit: int, shown: str, end: str, kit: Kit
) -> None:
    kit.file("a", FIVE.removesuffix("\n") + end)
    assert await kit.call("read_file", path="a", offset=offset, limit=limit) == shown


@pytest.mark.parametrize("content", [FIVE, FIVE.removesuffix("\n")])
async def test_what_lies_behind_the_end_is_an_error_that_says_where_it_is(
    content: str, kit: Kit
) -> None:
    kit.file("a", content)
    assert await kit.refusal("read_file", path="a", offset=6) == "a has no line 6: it has 5"


async def test_an_empty_file_is_said_to_be_empty(kit: Kit) -> None:
    kit.file("a", "")
    assert await kit.call("read_file", path="a") == "[a is empty]"


async def test_a_line_that_is_too_long_is_cut_and_the_next_is_not(kit: Kit) -> None:
    kit.file("a", f"{'x' * LONGEST_LINE}\n{'y' * 70_000}\nshort\n")
    one, two, three = (await kit.call("read_file", path="a")).split("\n")
    assert one == f"1\t{'x' * LONGEST_LINE}"
    assert two == f"2\t{'y' * LONGEST_LINE}… [cut: the line has 70,001 characters]"
    assert three == "3\tshort"


async def test_no_more_text_is_shown_than_a_model_can_use(kit: Kit) -> None:
    kit.file("a", f"{'x' * 999}\n" * 1_000)
    told = await kit.call("read_file", path="a")
    assert len(told) < MOST_TEXT + 2_000
    assert told.endswith("[lines 1 to 100 of 1000; go on with offset=101]")


async def test_line_ends_and_marks_are_not_shown(kit: Kit) -> None:
    kit.file("a", b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert await kit.call("read_file", path="a") == "1\tone\n2\ttwo"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
async def test_utf16_is_text(encoding: str, kit: Kit) -> None:
    kit.file("a", "\ufeffone\ntwo é\n".encode(encoding))
    assert await kit.call("read_file", path="a") == "1\tone\n2\ttwo é"


async def test_bytes_that_are_no_utf8_are_replaced(kit: Kit) -> None:
    kit.file("a", b"caf\xe9\n")
    assert await kit.call("read_file", path="a") == "1\tcaf\ufffd"


async def test_a_binary_file_is_refused_in_words(kit: Kit) -> None:
    kit.file("a", b"\x7fELF\0\0\1")
    told = await kit.refusal("read_file", path="a")
    assert told == "a is a binary file of 7 bytes, which cannot be shown"


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF....WEBP....", "image/webp"),
    ],
)
async def test_a_picture_is_shown(beginning: bytes, kind: str, kit: Kit) -> None:
    kit.file("a.txt", beginning)
    assert await kit.value("read_file", path="a.txt") == (Image(beginning, kind),)


async def test_a_picture_that_is_too_large_is_not_even_read(kit: Kit) -> None:
    with kit.file("a.png", PNG).open("r+b") as file:
        file.truncate(10**12)  # of which the disk has only the beginning
    assert "1,000,000,000,000 bytes: too large" in await kit.refusal("read_file", path="a.png")


async def test_a_large_file_is_not_held_in_memory(kit: Kit) -> None:
    with kit.file("a").open("wb") as file:
        for _ in range(40):
            file.write(b"x" * 500_000 + b"\n" + b"y\n" * 10_000)
    kit.file("warm", "x" * 10_000 + "\n" + "up\n" * 5_000)
    grown_kb, _ = await growth(
        kit.root, "read_file('warm')", "read_file('a')", "read_file('a', offset=380_000)"
    )
    assert grown_kb < 4_000
