"""What edit_file changes, what it leaves alone to the byte, and what it says when it cannot."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.tools.workspace.difference import MOST_LINES, difference
from midstream.tools.workspace.editing import Editing
from midstream.tools.workspace.folders import Folders
from midstream.tools.workspace.writing import write
from tests.tools.workspace.kit import Kit

pytestmark = pytest.mark.anyio


async def edited(
    kit: Kit, content: str | bytes, old: str, new: str, replace_all: bool = False
) -> bytes:
    path = kit.file("a", content)
    await kit.call("edit_file", path="a", old_text=old, new_text=new, replace_all=replace_all)
    return path.read_bytes()


EDITS = {
    "a word": ("one two three", "two", "2", "one 2 three"),
    "lines": ("one\ntwo\nthree\n", "one\ntwo\n", "1\n", "1\nthree\n"),
    "taken out": ("one\ntwo\n", "two\n", "", "one\n"),
    "the whole": ("one", "one", "two", "two"),
    "what would be an expression": ("a.b(c)*\\d", "a.b(c)*\\d", "\\1\\g<0>", "\\1\\g<0>"),
    "CRLF, written as LF": ("a\r\nb\r\nc\r\n", "a\nb", "1\n2\n3", "1\r\n2\r\n3\r\nc\r\n"),
    "CRLF, written as it is": ("a\r\nb\r\n", "a\r\nb", "1\r\n2", "1\r\n2\r\n"),
    "a line more in CRLF": ("a\r\nb\r\n", "b", "b\nc", "a\r\nb\r\nc\r\n"),
    "LF, written as CRLF": ("a\nb\n", "a\r\nb", "1\r\n2", "1\n2\n"),
    "both, where it is LF": ("a\r\nb\nc\n", "b\nc", "1\n2", "a\r\n1\n2\n"),
    "both, where it is CRLF": ("a\r\nb\nc\n", "a\nb", "1\n2", "1\r\n2\nc\n"),
    "one line that gets two": ("one", "one", "1\n2", "1\n2"),
    "a CR of its own": ("a\rb", "a\rb", "x\ry", "x\ry"),
    "the last line end": ("a\n", "a\n", "a", "a"),
}


async def test_a_text_becomes_another(kit: Kit) -> None:
    for name, (before, old, new, after) in EDITS.items():
        assert (await edited(kit, before, old, new)).decode() == after, name


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeffone two\r\n".encode(), "\ufeff1 two\r\n".encode()),
        (b"one caf\xe9 \xff\n", b"1 caf\xe9 \xff\n"),
    ],
)
async def test_marks_and_other_encodings_stay(before: bytes, after: bytes, kit: Kit) -> None:
    assert await edited(kit, before, "one", "1") == after


PIECES = st.lists(
    st.sampled_from([b"one", b"\r\n", b"\n", b"\r", b"\xe9", b"\xef\xbb\xbf", "é".encode(), b" "])
).map(b"".join)


@given(PIECES, PIECES)
def test_all_that_is_not_edited_is_the_same_to_the_byte(head: bytes, tail: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(head + b"<here>" + tail)
        Editing(Folders(folder)).edit_file("a", "<here>", "<there>")
        assert path.read_bytes() == head + b"<there>" + tail


async def test_every_place_is_changed_where_that_is_asked_for(kit: Kit) -> None:
    assert await edited(kit, "a b a\r\na", "a", "x", replace_all=True) == b"x b x\r\nx"
    assert await edited(kit, "aaa", "aa", "x", replace_all=True) == b"xa"
    told = await kit.call("edit_file", path="a", old_text="x", new_text="y", replace_all=True)
    assert told.startswith("Edited a:\n")
    kit.file("b", "1\n1\n")
    told = await kit.call("edit_file", path="b", old_text="1", new_text="2", replace_all=True)
    assert told.startswith("Edited b in 2 places:\n")


# -- what is said ------------------------------------------------------------------------------


async def test_the_answer_shows_the_change_with_its_lines(kit: Kit) -> None:
    kit.file("a", "".join(f"{n}\n" for n in range(1, 21)))
    told = await kit.call("edit_file", path="a", old_text="10\n11\n", new_text="ten\n")
    assert told == ("Edited a:\n@@ -7,8 +7,7 @@\n 7\n 8\n 9\n-10\n-11\n+ten\n 12\n 13\n 14")


async def test_a_line_end_that_comes_or_goes_is_shown(kit: Kit) -> None:
    kit.file("a", "one")
    told = await kit.call("edit_file", path="a", old_text="one", new_text="one\n")
    assert told == "Edited a:\n@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+one"


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\r\n"]), max_size=30)


@given(LINES, LINES, LINES, st.booleans())
def test_the_diff_makes_the_new_text_of_the_old_one(
    head: list[str], old: list[str], new: list[str], ended: bool
) -> None:
    before, after = "".join(head + old + head), "".join(head + new + head)
    if not ended:
        before = before.removesuffix("\n")
    assert applied(before, difference(before, after)) == lines_of(after)


def lines_of(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def applied(before: str, diff: str) -> list[str]:
    """A small `patch`: by the numbers in the heads of the hunks alone."""
    old = lines_of(before)
    new: list[str] = []
    at = 0
    for line in diff.split("\n") if diff else []:
        if line.startswith("@@"):
            begin, _, count = line.split()[1].removeprefix("-").partition(",")
            start = int(begin) - (count != "0")
            new += old[at:start]
            at = start
        elif line.startswith("+"):
            new.append(line[1:])
        elif not line.startswith("\\"):
            assert old[at] == line[1:]
            at += 1
            new += [line[1:]] if line.startswith(" ") else []
    return new + old[at:]


def test_long_diffs_are_cut_and_say_so() -> None:
    old = "".join(f"{n}\n" for n in range(1_000))
    lines = difference(old, old.replace("\n", "!\n")).split("\n")
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "[cut: there is more of it]"
    old *= 10
    assert "too many to be shown" in difference(old, old.replace("\n", "!\n"))


@pytest.mark.parametrize("count", [199, 200, 1_400])
def test_no_diff_takes_long(count: int) -> None:
    old = "x\ny\n" * (count // 2)
    began = time.process_time()
    assert difference(old, old.replace("x", "z"))
    assert time.process_time() - began < 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("space", [" ", "\n"])
async def test_equal_words_are_not_compared_again_and_again(
    space: str, line_end: str, kit: Kit
) -> None:
    kit.file("a", ("0," + space).replace("\n", line_end) * 400_000)
    began = time.process_time()
    old = ("0," + space) * 1_000 + "1"
    assert "not in a" in await kit.refusal("edit_file", path="a", old_text=old, new_text="x")
    assert time.process_time() - began < 1


CODE = "def f():\n\tif x:\n\t\treturn  1\n\n\ndef g():\n    return 2\n"
MISSING = {
    "other white space": (
        "def f():\n    if x:\n        return 1",
        "It is there with other white space, in the lines:\n"
        "1\tdef f():\n2\t\tif x:\n3\t\t\treturn  1",
    ),
    "a part of a line": ("return    2", "in the lines:\n7\t    return 2"),
    "blank lines": ("return 1\ndef g():", "in the lines:\n3\t\t\treturn  1\n4\t\n5\t\n6\tdef g():"),
    "line numbers": ("1\tdef f():\n2\t\tif x:", "Leave out the line numbers"),
    "nearly": (
        "def gg():\n    return 3",
        "The lines most like it are:\n6\tdef g():\n7\t    return 2",
    ),
    "nothing": ("class Unlike(Anything): ...", "Nothing in it is like that"),
    "white space alone": ("   \n \n \t \n", "Nothing in it is like that"),
}


async def test_a_text_that_is_not_there_is_an_error_that_says_what_is(kit: Kit) -> None:
    path = kit.file("a.py", CODE)
    for name, (old, words) in MISSING.items():
        told = await kit.refusal("edit_file", path="a.py", old_text=old, new_text="x")
        assert told.startswith("old_text is not in a.py. "), name
        assert words in told, name
    assert path.read_text() == CODE


async def test_a_text_that_is_there_twice_is_an_error_that_says_where(kit: Kit) -> None:
    path = kit.file("a", "x\ny\nx\n")
    told = await kit.refusal("edit_file", path="a", old_text="x", new_text="z")
    assert told.startswith("old_text is in a more than once, from the lines 1, 3. Add lines")
    assert "the lines 1, 2, 3. Add" in await refused(kit, "x\n" * 3, "x\n")
    told = await refused(kit, "x\n" * 13, "x")
    assert "the lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and more." in told
    assert path.read_text() == "x\n" * 13


async def refused(kit: Kit, content: str, old: str) -> str:
    kit.file("a", content)
    return await kit.refusal("edit_file", path="a", old_text=old, new_text="new")


@pytest.mark.parametrize(
    ("content", "old", "new", "words"),
    [
        ("a", "", "b", "old_text is empty: write_file"),
        ("a", "a", "a", "nothing to change"),
        (b"\0a", "a", "b", "is a binary file"),
    ],
)
async def test_what_cannot_be_edited_is_refused(
    content: str | bytes, old: str, new: str, words: str, kit: Kit
) -> None:
    path = kit.file("a", content)
    before = path.read_bytes()
    assert words in await kit.refusal("edit_file", path="a", old_text=old, new_text=new)
    assert path.read_bytes() == before


async def test_a_file_that_somebody_else_changed_meanwhile_is_not_overwritten(
    kit: Kit, tmp_path: Path
) -> None:
    path = kit.file("a", "mine")
    read = path.stat()
    path.write_text("theirs")
    with pytest.raises(OSError, match="a was changed meanwhile: read it again"):
        write(Folders(kit.root).place("a"), b"mine again", read)
    assert path.read_text() == "theirs"
    assert [each.name for each in kit.root.iterdir()] == ["a"]
