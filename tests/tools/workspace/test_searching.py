"""list_files and search_files, the same with ripgrep and without."""

import os

import anyio
import pytest

from midstream.tools.workspace.ripgrep import LONGEST_RECORD, Records
from tests.tools.workspace.kit import Kit, both

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("searcher")]


@pytest.fixture
def kit(kit: Kit) -> Kit:
    kit.file("b.py", "import os\n\nprint(os.name)\n")
    kit.file("a/z.py", "import sys\r\nname = 1\r\n")
    kit.file("a/b/deep.ts", "let name\n")
    kit.file("a.txt", "nothing\n")
    for clutter in (
        ".git/config",
        ".hidden",
        ".venv/x.py",
        "node_modules/m.py",
        "__pycache__/c.py",
    ):
        kit.file(clutter, "name\n")
    # Without ripgrep these names are known; ripgrep is told of them by each project.
    kit.file(".ignore", "node_modules\n__pycache__\n")
    return kit


# -- lists -------------------------------------------------------------------------------------


@both
async def test_files_are_listed_without_clutter(kit: Kit) -> None:
    assert (await kit.call("list_files")).split("\n") == ["a/b/deep.ts", "a/z.py", "a.txt", "b.py"]


@pytest.mark.parametrize(
    ("path", "pattern", "shown"),
    [
        ("a", None, ["a/b/deep.ts", "a/z.py"]),
        ("a/b/", None, ["a/b/deep.ts"]),
        (".", "*.py", ["a/z.py", "b.py"]),
        (".", "a/*", ["a/z.py"]),
        ("a", "**/*.ts", ["a/b/deep.ts"]),
        (".", "*.{ts,txt}", ["a/b/deep.ts", "a.txt"]),
        (".git", None, [".git/config"]),
        (".", "*", ["a/b/deep.ts", "a/z.py", "a.txt", "b.py"]),
    ],
)
async def test_a_part_of_them_is_listed(
    path: str, pattern: str | None, shown: list[str], kit: Kit
) -> None:
    assert (await kit.call("list_files", path=path, pattern=pattern)).split("\n") == shown


async def test_more_files_than_are_shown_are_counted(kit: Kit) -> None:
    told = await kit.call("list_files", limit=2)
    assert told == "a/b/deep.ts\na/z.py\n[2 of 4 files: narrow it by path or pattern]"


async def test_an_empty_list_says_so(kit: Kit) -> None:
    told = await kit.call("list_files", path="a", pattern="*.rs")
    assert told == "[no such files in a, but for hidden or ignored ones]"


@pytest.mark.parametrize("path", ["b.py", "nowhere"])
async def test_only_folders_are_listed(path: str, kit: Kit) -> None:
    assert await kit.refusal("list_files", path=path) == f"{path} is no folder that there is"


async def test_other_folders_are_listed_by_their_whole_paths(kit: Kit) -> None:
    (kit.outside / "x").write_text("name")
    kit = Kit(kit.root.parent, also=[kit.outside])
    there = str(kit.outside / "x")
    assert await kit.call("list_files", path=str(kit.outside)) == there
    assert await kit.call("search_files", path=str(kit.outside), pattern="n") == f"{there}\n1:name"


# -- searches ----------------------------------------------------------------------------------


@both
async def test_matches_are_grouped_by_file_with_their_numbers(kit: Kit) -> None:
    told = await kit.call("search_files", pattern="name")
    assert told == "a/b/deep.ts\n1:let name\n\na/z.py\n2:name = 1\n\nb.py\n3:print(os.name)"


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ({"pattern": "name", "glob": "*.py"}, ["a/z.py", "b.py"]),
        ({"pattern": "name", "glob": "*"}, ["a/b/deep.ts", "a/z.py", "b.py"]),
        ({"pattern": "name", "path": "a", "glob": "b/**"}, ["a/b/deep.ts"]),
        ({"pattern": "name", "path": "b.py"}, ["b.py"]),
        ({"pattern": "name", "path": ".hidden"}, [".hidden"]),
        ({"pattern": "(?i)NAME$", "path": "a"}, ["a/b/deep.ts"]),
        ({"pattern": "^name = 1$"}, ["a/z.py"]),
        ({"pattern": r"import\s+\w+$"}, ["a/z.py", "b.py"]),
        ({"pattern": "let|print"}, ["a/b/deep.ts", "b.py"]),
    ],
)
async def test_where_it_is_searched(arguments: dict[str, str], files: list[str], kit: Kit) -> None:
    told = await kit.call("search_files", **arguments)
    assert [group.partition("\n")[0] for group in told.split("\n\n")] == files


async def test_lines_around_a_match_are_marked(kit: Kit) -> None:
    kit.file("c", "".join(f"{n}\n" for n in range(1, 21)))
    told = await kit.call("search_files", pattern="^(3|5|15)$", path="c", context=1)
    assert told == "c\n2-2\n3:3\n4-4\n5:5\n6-6\n--\n14-14\n15:15\n16-16"


async def test_nothing_found_is_no_error(kit: Kit) -> None:
    assert await kit.call("search_files", pattern="xyz") == "[nothing in . matches]"


async def test_a_bad_expression_is_an_error_that_says_what_is_wrong(kit: Kit) -> None:
    told = await kit.refusal("search_files", pattern="[z-a]")
    assert told.startswith("the search failed: regex parse error:")


@pytest.mark.parametrize("pattern", ["a\nb", "a\0b"])
async def test_a_pattern_is_for_one_line(pattern: str, kit: Kit) -> None:
    assert "is for one line" in await kit.refusal("search_files", pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    ["--files", "-e", "--pre=touch x", "; touch x", "`touch x`", "-rf", "--", "$(touch x)"],
)
async def test_whatever_a_pattern_looks_like_it_is_a_pattern(pattern: str, kit: Kit) -> None:
    """Threat 7: nothing of it is an option or a command."""
    line = f"say {pattern} here"
    kit.file("c", line)
    found = await kit.call(
        "search_files",
        pattern=pattern.replace("$(", r"\$[(]").replace("[(]touch x)", "[(]touch x[)]"),
        path="c",
    )
    assert found == f"c\n1:{line}"
    assert await kit.call("search_files", pattern="say", glob=pattern) == "[nothing in . matches]"
    assert not (kit.root / "x").exists()


async def test_more_matches_than_are_shown_are_told_of(kit: Kit) -> None:
    kit.file("c", "x\n" * 100_000)
    told = await kit.call("search_files", pattern="x", path="c", limit=3)
    assert told == (
        "c\n1:x\n2:x\n3:x\n\n[there are more: the first 3 are above; narrow the pattern, the path "
        "or the glob]"
    )
    assert "more" not in await kit.call("search_files", pattern="name", limit=3)


async def test_of_a_long_line_what_is_around_the_match_is_shown(kit: Kit) -> None:
    kit.file("c", f"{'é' * 5_000}needle{'b' * 5_000}\n")
    told = await kit.call("search_files", pattern="needle")
    line = told.removeprefix("c\n1:")
    assert line == f"…{'é' * 100}needle{'b' * 194}…"


async def test_a_line_without_end_costs_little(kit: Kit) -> None:
    kit.file("c", b"x" * 3_000_000 + b" needle\n")
    kit.file("d", "needle\n")
    told = await kit.call("search_files", pattern="x+")
    assert told.startswith("c\n")
    assert len(told) < 1_000


async def test_binary_files_are_left_out(kit: Kit) -> None:
    kit.file("c", b"needle\0\n")
    assert await kit.call("search_files", pattern="needle") == "[nothing in . matches]"


async def test_bytes_that_are_no_utf8_are_replaced(kit: Kit) -> None:
    kit.file("c", b"caf\xe9 needle\n")
    assert await kit.call("search_files", pattern="needle") == "c\n1:caf\ufffd needle"


@both
async def test_an_expression_that_takes_for_ever_can_be_stopped(kit: Kit, searcher: str) -> None:
    kit.file("c", "a" * 60 + "!\n")
    with anyio.move_on_after(0.2) as scope:
        await kit.call("search_files", pattern="(a|aa|a?a)+$", path="c")
    if searcher == "without":  # ripgrep's never do
        assert scope.cancelled_caught


async def test_no_configuration_and_no_program_of_the_folder_has_a_say(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search asks nobody: what runs must not be what lies about in the folder."""
    rc = kit.file("rc", "--hidden\n--no-ignore\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(rc))
    planted = kit.file("bin/rg", "#!/bin/sh\necho planted\n")
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kit.root / 'bin'}{os.pathsep}.{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(kit.root / "bin")
    assert "planted" not in await kit.call("list_files", pattern="*.py")
    told = await kit.call("search_files", pattern="name")
    assert "config" not in told
    assert ".hidden" not in told


# -- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_records_are_the_same_however_they_arrive(size: int) -> None:
    data = b"one\ntwo\nthree\nand"
    cut = Records(b"\n")
    found = [each for at in range(0, len(data), size) for each in cut.feed(data[at : at + size])]
    assert found == [b"one", b"two", b"three"]


def test_of_a_record_without_end_the_beginning_is_kept() -> None:
    cut = Records(b"\n")
    for _ in range(40):
        assert cut.feed(b"x" * 100_000) == []
    (record,) = cut.feed(b"\n")
    assert record == b"x" * LONGEST_RECORD
    assert cut.feed(b"y\n") == [b"y"]
