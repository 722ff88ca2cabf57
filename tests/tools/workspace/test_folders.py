"""No way out of the folder: threat 6 of the tools that take paths."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from midstream.tools.workspace import folders, workspace
from midstream.tools.workspace.writing import write
from tests.proof.scale import at_scale
from tests.tools.workspace.kit import Kit

pytestmark = pytest.mark.anyio

SECRET = "the secret"
TRIES = at_scale(300, 5_000)

WAYS_OUT = {
    "dots": "../outside/secret",
    "dots after a folder": "inner/../../outside/secret",
    "dots after nothing": "nothing/../../outside/secret",
    "the whole path": "{base}/outside/secret",
    "the whole path, with dots": "{base}/root/../outside/secret",
    "a twin of the name": "{base}/root-evil/secret",
    "a twin, with dots": "../root-evil/secret",
    "a link to the file": "link",
    "a link in a folder": "inner/link",
    "through a link to the folder": "way/secret",
    "through two links": "second/secret",
    "a link with dots": "relative/secret",
    "what a link leads to, from there": "way/../outside/secret",
    "home": "~/secret",
    "the root": "/",
}
CALLS: dict[str, dict[str, Any]] = {
    "read_file": {},
    "list_files": {},
    "search_files": {"pattern": "secret"},
    "write_file": {"content": "x"},
    "edit_file": {"old_text": "secret", "new_text": "x"},
}
LOOKS = {"read_file", "list_files", "search_files"}


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    made = Kit(tmp_path)
    (tmp_path / "root-evil").mkdir()
    for folder in ("outside", "root-evil"):
        (tmp_path / folder / "secret").write_text(SECRET)
    made.file("inner/own", "my own secret\n")
    (made.root / "link").symlink_to(made.outside / "secret")
    (made.root / "inner/link").symlink_to("../../outside/secret")
    (made.root / "way").symlink_to(made.outside)
    (made.root / "second").symlink_to("way")
    (made.root / "relative").symlink_to("../outside")
    return made


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_no_path_leads_out(way: str, kit: Kit, tmp_path: Path) -> None:
    path = WAYS_OUT[way].format(base=tmp_path)
    for name, arguments in CALLS.items():
        told = await kit.refusal(name, path=path, **arguments)
        assert f"outside of {kit.root}" in told
        assert "--add-dir DIR allows more" in told
        assert path in told
    for folder in ("outside", "root-evil"):
        assert os.listdir(tmp_path / folder) == ["secret"]
        assert (tmp_path / folder / "secret").read_text() == SECRET


async def test_what_else_is_allowed_is_allowed(tmp_path: Path, kit: Kit) -> None:
    kit = Kit(tmp_path, also=[kit.outside])
    evil = str(tmp_path / "root-evil/secret")
    for name, arguments in CALLS.items():
        assert "outside of" in await kit.refusal(name, path=evil, **arguments)
        (kit.outside / "secret").write_text(SECRET)
        path = str(kit.outside if name == "list_files" else kit.outside / "secret")
        assert await kit.call(name, path=path, **arguments)


async def test_links_that_stay_inside_are_followed(kit: Kit) -> None:
    (kit.root / "also-own").symlink_to("inner/own")
    (kit.root / "also-inner").symlink_to(kit.root / "inner")
    assert await kit.call("read_file", path="also-own") == "1\tmy own secret"
    assert await kit.call("read_file", path="also-inner/own") == "1\tmy own secret"
    assert "inner/own" in await kit.call("search_files", pattern="own", path="also-inner")
    await kit.call("edit_file", path="also-own", old_text="my", new_text="your")
    await kit.call("write_file", path="also-inner/new", content="x")
    assert (kit.root / "inner/own").read_text() == "your own secret\n"
    assert (kit.root / "also-own").is_symlink()
    assert (kit.root / "inner/new").read_text() == "x"


@pytest.mark.usefixtures("searcher")
async def test_links_are_not_followed_by_lists_and_searches(kit: Kit) -> None:
    assert await kit.call("list_files") == "inner/own"
    assert await kit.call("search_files", pattern="secret") == "inner/own\n1:my own secret"


async def test_a_link_that_leads_round_in_a_circle_is_refused(kit: Kit) -> None:
    (kit.root / "a").symlink_to("b")
    (kit.root / "b").symlink_to("a")
    for name in LOOKS | {"write_file", "edit_file"}:
        assert await kit.refusal(name, path="a/x", **CALLS[name])
        assert await kit.refusal(name, path="a", **CALLS[name])


# -- what is no file ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "socket", "/dev/zero", "/proc/self/environ"])
async def test_only_ordinary_files_are_opened_and_nobody_waits(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path, also=["/dev", "/proc"])
    monkeypatch.chdir(kit.root)  # the names of sockets are short
    if kind == "pipe":
        os.mkfifo(kind)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(kind)
    for name in CALLS.keys() - {"list_files"}:
        assert "no ordinary file" in await kit.refusal(name, path=kind, **CALLS[name])


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/self", "/sys"])
async def test_the_kernels_files_are_not_searched(path: str, tmp_path: Path) -> None:
    kit = Kit(tmp_path, also=["/", "/proc"])
    for name in ("list_files", "search_files"):
        assert " ordinary file" in await kit.refusal(name, path=path, **CALLS[name])


async def test_a_folder_is_no_file(kit: Kit) -> None:
    for name in ("read_file", "write_file", "edit_file"):
        for path in (".", "inner"):
            assert "is a folder" in await kit.refusal(name, path=path, **CALLS[name])
    assert "names a folder" in await kit.refusal("write_file", path="new/", content="")


# -- a link that is put in between -------------------------------------------------------------


@contextmanager
def swapping(path: Path, other: Path, link: Path) -> Iterator[None]:
    """`path` is by turns what it is and a link, as fast as can be; `other` is where it waits."""
    over = threading.Event()
    steps: list[Callable[[], None]] = [
        lambda: os.rename(path, other),
        lambda: os.symlink(link, path),
        lambda: os.unlink(path),
        lambda: shutil.rmtree(path),  # what was written meanwhile
        lambda: os.rename(other, path),
    ]

    def swap() -> None:
        while not over.is_set():
            for step in steps:
                with suppress(OSError):
                    step()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def told_in_words() -> Iterator[None]:
    """It may be refused, but not in the words of the system's calls."""
    said = ""
    try:
        yield
    except OSError as error:
        said = str(error)
    assert "Errno" not in said


async def test_no_name_on_the_way_may_have_become_a_link(kit: Kit) -> None:
    for name in ("own", "inner/secret"):
        kit.file(name, "mine")
        place = folders.Folders(kit.root).place(name)
        first = kit.root / name.partition("/")[0]
        first.rename(kit.root / f"was-{first.name}")
        first.symlink_to(kit.outside if "/" in name else kit.outside / "secret")
        with pytest.raises(OSError, match=r"Not a directory|no ordinary file"), place.opened():
            pass
        with pytest.raises(OSError, match=r"Not a directory|no ordinary file"):
            write(place, b"x")
    assert (kit.outside / "secret").read_text() == SECRET


@pytest.mark.parametrize("path", ["file", "inner/secret"])
async def test_a_link_between_check_and_opening_shows_nothing(path: str, kit: Kit) -> None:
    kit.file("file", "mine")
    kit.file("inner/secret", "mine")
    first = kit.root / path.partition("/")[0]
    target = kit.outside if first.is_dir() else kit.outside / "secret"
    shown: set[str] = set()
    with swapping(first, kit.root / "waits", target):
        tries = 0
        while tries < TRIES or not shown:
            tries += 1
            with told_in_words():
                shown.add(await kit.call("read_file", path=path))
    assert shown == {"1\tmine"}


@pytest.mark.parametrize("path", ["file", "inner/secret", "inner/new/deep/secret"])
async def test_a_link_between_check_and_writing_changes_nothing(path: str, kit: Kit) -> None:
    kit.file("file", "mine")
    kit.file("inner/secret", "mine")
    first = kit.root / path.partition("/")[0]
    target = kit.outside if first.is_dir() else kit.outside / "secret"
    written = 0
    with swapping(first, kit.root / "waits", target):
        tries = 0
        while tries < TRIES or not written:
            tries += 1
            with told_in_words():
                await kit.call("write_file", path=path, content=f"{tries}")
                written += 1
    assert os.listdir(kit.outside) == ["secret"]
    assert (kit.outside / "secret").read_text() == SECRET


# -- names -------------------------------------------------------------------------------------

ODD_NAMES = ["; touch x", "$(touch x)", "`touch x`", "-rf", "--option", "--", "a b", "'", '"',
             "*", "a\nb", "\t", "\\", "x" * 255, "é", "🦆", "%s", "{}", "#", "!", "[x]",
             "~x"]  # fmt: skip


@pytest.mark.usefixtures("searcher")
async def test_whatever_a_file_is_called_it_is_a_name(kit: Kit) -> None:
    """Threat 7: nothing of it is an option or a command."""
    for name in ODD_NAMES:
        await kit.call("write_file", path=f"odd/{name}", content="some words\n")
        assert await kit.call("read_file", path=f"odd/{name}") == "1\tsome words"
        await kit.call("edit_file", path=f"odd/{name}", old_text="some", new_text="more")
        shown = folders.readable(f"odd/{name}")
        told = await kit.call("search_files", path=f"odd/{name}", pattern="r.*s")
        assert told == f"{shown}\n1:more words"
    assert sorted(os.listdir(kit.root / "odd")) == sorted(ODD_NAMES)
    all_shown = [folders.readable(f"odd/{name}") for name in sorted(ODD_NAMES)]
    assert (await kit.call("list_files", path="odd")).split("\n") == all_shown
    told = await kit.call("search_files", path="odd", pattern="r.*s")
    assert told.split("\n\n") == [f"{each}\n1:more words" for each in all_shown]


@pytest.mark.usefixtures("searcher")
async def test_whatever_a_folder_is_called_it_is_a_name(kit: Kit) -> None:
    for name in ODD_NAMES:
        await kit.call("write_file", path=f"{name}/new", content="some words\n")
        assert await kit.call("list_files", path=name) == folders.readable(f"{name}/new")


BAD_NAMES = {
    "nothing": ("", "cannot be a path"),
    "a NUL": ("a\0b", "cannot be a path"),
    "too long a name": ("x" * 256, "File name too long"),
    "too long a path": ("/".join(["x" * 200] * 30), "cannot be a path"),
    "a file as a folder": ("inner/own/deeper", "Not a directory"),
    "nothing there": ("no\nsuch", r'"no\nsuch": No such file'),
    "a folder that is not there": ("no/such", "no/such: No such file"),
}


async def test_a_bad_name_is_refused_in_words(kit: Kit) -> None:
    for why, (path, words) in BAD_NAMES.items():
        told = await kit.refusal("read_file", path=path)
        assert words in told, why
        assert len(told) < 1_100
        for name in CALLS.keys() - {"write_file"}:
            assert await kit.refusal(name, path=path, **CALLS[name])
        assert kit.tools["edit_file"].lanes({"path": path})


@pytest.mark.usefixtures("searcher")
async def test_names_that_are_not_utf8_are_shown_as_well_as_can_be(kit: Kit) -> None:
    name = os.fsdecode(b"caf\xe9")
    kit.file(name, "words")
    kit.file("other", "words")
    assert "caf\ufffd" in await kit.call("list_files")
    assert "caf\ufffd\n1:words" in await kit.call("search_files", pattern="words")
    assert await kit.call("read_file", path=name) == "1\twords"


async def test_all_spellings_of_a_file_are_one_lane(kit: Kit) -> None:
    (kit.root / "to-own").symlink_to("inner/own")
    kit.file("plain")
    same = [
        "inner/own",
        "./inner/own",
        "inner/../inner//own",
        str(kit.root / "inner/own"),
        "to-own",
    ]
    lanes = {
        kit.tools[name].lanes({"path": path})[0]
        for path in same
        for name in ("read_file", "write_file", "edit_file")
    }
    assert len(lanes) == 1
    assert kit.tools["edit_file"].lanes({"path": "plain"})[0] not in lanes


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in ("nowhere", "file"):
        with pytest.raises(NotADirectoryError, match="is no folder"):
            workspace(tmp_path, [tmp_path / wrong])
