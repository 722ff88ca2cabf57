"""What write_file leaves on the disk: all of it or nothing."""

import os
import stat
import threading

import pytest

from tests.proof.scale import at_scale
from tests.tools.workspace.kit import Kit

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("content", "lines"),
    [("", "0 lines"), ("a", "1 line"), ("a\n", "1 line"), ("a\nb", "2 lines"), ("\n\n", "2 lines")],
)
async def test_a_new_file_holds_just_what_was_given(content: str, lines: str, kit: Kit) -> None:
    told = await kit.call("write_file", path="new/deep/a.txt", content=content)
    assert told == f"Wrote the new file new/deep/a.txt: {lines}."
    assert (kit.root / "new/deep/a.txt").read_bytes() == content.encode()


async def test_a_file_that_was_there_is_replaced(kit: Kit) -> None:
    kit.file("a", "old\n" * 100)
    assert await kit.call("write_file", path="a", content="é\r\n") == "Replaced a: 1 line."
    assert (kit.root / "a").read_bytes() == "é\r\n".encode()
    assert os.listdir(kit.root) == ["a"]


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o664])
async def test_the_mode_stays(mode: int, kit: Kit) -> None:
    kit.file("a").chmod(mode)
    await kit.call("write_file", path="a", content="new")
    await kit.call("edit_file", path="a", old_text="new", new_text="newer")
    assert stat.S_IMODE((kit.root / "a").stat().st_mode) == mode


async def test_a_file_with_other_words_does_not_run_with_the_rights_of_another(kit: Kit) -> None:
    kit.file("a").chmod(0o6755)
    await kit.call("write_file", path="a", content="new")
    assert stat.S_IMODE((kit.root / "a").stat().st_mode) == 0o755


GITS = [".git/config", ".git", "a/.git/hooks/pre-commit", ".GIT/config", ".g\u200cit/a", "link/a"]


@pytest.mark.parametrize("path", GITS)
async def test_what_is_gits_own_is_not_written(path: str, kit: Kit) -> None:
    kit.file("repository/.git/a", "old")
    (kit.root / "link").symlink_to("repository/.git")
    before = sorted(kit.root.rglob("*"))
    assert "is git's own" in await kit.refusal("write_file", path=path, content="x")
    told = await kit.refusal("edit_file", path="link/a", old_text="old", new_text="new")
    assert told == "repository/.git/a is git's own: only commands of git change it"
    assert sorted(kit.root.rglob("*")) == before


@pytest.mark.parametrize("path", [".gitignore", ".github/git", "a.git/config", "git"])
async def test_what_only_sounds_like_it_is_written(path: str, kit: Kit) -> None:
    assert path in await kit.call("write_file", path=path, content="x")


async def test_a_new_file_has_the_mode_that_the_user_wants(kit: Kit) -> None:
    before = os.umask(0o027)
    try:
        await kit.call("write_file", path="new/a", content="x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((kit.root / "new/a").stat().st_mode) == 0o640
    assert stat.S_IMODE((kit.root / "new").stat().st_mode) == 0o750


async def test_a_file_that_may_not_be_written_is_not_replaced(kit: Kit) -> None:
    kit.file("a", "old").chmod(0o444)
    assert await kit.refusal("write_file", path="a", content="new") == "a is read-only"
    assert "read-only" in await kit.refusal("edit_file", path="a", old_text="old", new_text="new")
    assert (kit.root / "a").read_text() == "old"


async def test_readers_see_the_old_file_or_the_new_one(kit: Kit) -> None:
    texts = ["a" * 200_000, "b" * 300_000]
    path = kit.file("a", texts[0])
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(path.read_text())

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(at_scale(20, 500)):
        await kit.call("write_file", path="a", content=texts[number % 2])
    over.set()
    thread.join()
    assert seen <= set(texts)


async def test_what_cannot_be_written_leaves_nothing_behind(kit: Kit) -> None:
    (kit.root / "full").symlink_to("/dev/full")
    kit.file("folder/in/it")
    told = await kit.refusal("write_file", path="folder/in", content="x")
    assert "folder/in is a folder" in told
    told = await kit.refusal("write_file", path="folder/in/it/x", content="x")
    assert told == "folder/in/it/x: Not a directory"
    told = await kit.refusal("write_file", path="x" * 256, content="x")
    assert "File name too long" in told
    assert sorted(path.name for path in kit.root.rglob("*")) == ["folder", "full", "in", "it"]


async def test_a_name_of_any_length_that_can_be_is_written(kit: Kit) -> None:
    name = "x" * 255
    await kit.call("write_file", path=name, content="x")
    await kit.call("write_file", path=name, content="y")
    assert (kit.root / name).read_text() == "y"
