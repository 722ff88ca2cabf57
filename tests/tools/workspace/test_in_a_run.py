"""The tools of a folder in the hands of an agent."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from midstream.events import ApprovalRequested, ToolFinished
from midstream.tools.workspace import workspace
from tests.fakes import provider, says, start, stop, tool_use
from tests.tools.workspace.kit import Kit, both

pytestmark = pytest.mark.anyio


async def results(kit: Kit, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """What calls of one answer come to, in order; all are approved."""
    blocks = [tool_use(n, f"c{n}", name, json.dumps(each)) for n, (name, each) in enumerate(calls)]
    ended: dict[str, str] = {}
    async with provider([start(), *blocks, stop("tool_use")], says("Done.")) as world:
        async with world.agent(workspace(kit.root)).run("Go") as run:
            async for event in run:
                if isinstance(event, ApprovalRequested):
                    run.approve(event.id, True)
                if isinstance(event, ToolFinished):
                    ended[event.id] = str(event.output)
    return [ended[f"c{n}"] for n in range(len(calls))]


@both
async def test_two_edits_of_a_file_in_one_turn_are_both_there(kit: Kit) -> None:
    kit.file("a", "".join(f"line {n}\n" for n in range(12)))
    (kit.root / "link").symlink_to("a")
    paths = ["a", "./a", "link", str(kit.root / "a")]
    edits = [
        ("edit_file", {"path": paths[n % 4], "old_text": f"line {n}\n", "new_text": f"done {n}\n"})
        for n in range(12)
    ]
    told = await results(kit, edits)
    assert [each.partition(":")[0] for each in told] == ["Edited a"] * 12
    assert (kit.root / "a").read_text() == "".join(f"done {n}\n" for n in range(12))


async def test_a_file_is_read_as_the_calls_before_have_left_it(kit: Kit) -> None:
    told = await results(
        kit,
        [
            ("write_file", {"path": "a", "content": "one\n"}),
            ("read_file", {"path": "./a"}),
            ("edit_file", {"path": "a", "old_text": "one", "new_text": "two"}),
            ("read_file", {"path": "a"}),
        ],
    )
    assert (told[1], told[3]) == ("1\tone", "1\ttwo")


async def test_reading_asks_nobody_and_all_else_does(kit: Kit) -> None:
    by_name = {each.spec.name: each for each in workspace(kit.root)}
    assert {name: (each.effects, each.approval) for name, each in by_name.items()} == {
        "read_file": ("read", False),
        "list_files": ("read", False),
        "search_files": ("read", False),
        "write_file": ("write", True),
        "edit_file": ("write", True),
        "run_command": ("write", True),
    }


@both
async def test_a_command_sees_the_edits_that_were_asked_for_before_it(kit: Kit) -> None:
    kit.file("a", "old\n")
    told = await results(
        kit,
        [
            ("run_command", {"command": "sleep 0.2; cat a"}),
            ("edit_file", {"path": "a", "old_text": "old", "new_text": "new"}),
            ("run_command", {"command": "cat a"}),
        ],
    )
    assert [told[0].split()[0], told[2].split()[0]] == ["old", "new"]


async def test_what_the_model_is_told_of_a_bad_call_names_no_machinery(kit: Kit) -> None:
    told = await results(
        kit,
        [
            ("read_file", {"path": "../x"}),
            ("read_file", {"path": "x", "offset": 0}),
            ("run_command", {"command": "true", "timeout": 0}),
            ("edit_file", {"path": "no/such", "old_text": "a", "new_text": "b"}),
        ],
    )
    assert told[0] == (
        f"PermissionError: ../x is, or leads, outside of {kit.root}: --add-dir DIR allows more"
    )
    assert "offset" in told[1]
    assert "timeout" in told[2]
    assert told[3] == "FileNotFoundError: no/such: No such file or directory"
