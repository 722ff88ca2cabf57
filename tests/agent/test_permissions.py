"""Rules and answers: what runs unasked, what never does, and what is written down of it."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from midstream import Permissions, RunEvent, Session, tool
from midstream.agent.run import Run
from midstream.events import (
    ApprovalGiven,
    ApprovalRequested,
    Interrupted,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from midstream.journal.records import Approved, CallBegan, Record
from midstream.journal.store import Journal
from tests.fakes import Do, Step, play, provider, says, start, stop, text, tool_use

pytestmark = pytest.mark.anyio


class Kept(Session):
    """A session whose records can be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []

    def record(self, *records: Record) -> None:
        self.records += records
        super().record(*records)

    @property
    def decisions(self) -> list[Approved]:
        return [each for each in self.records if isinstance(each, Approved)]


class Machine:
    """It notes what was run, and runs nothing."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.tool = tool(self.run_command, approval=True)

    async def run_command(self, command: str) -> str:
        self.ran.append(command)
        return f"ran {command}"


def asks(*commands: str) -> list[Step]:
    calls = [
        tool_use(i, f"c{i}", "run_command", f'{{"command": "{command}"}}')
        for i, command in enumerate(commands)
    ]
    return [start(), *calls, stop("tool_use")]


async def answering(run: Run, answer: Callable[[ApprovalRequested], object]) -> list[RunEvent]:
    events: list[RunEvent] = []
    async with run:
        async for event in run:
            events.append(event)
            if isinstance(event, ApprovalRequested):
                answer(event)
    return events


# -- rules -------------------------------------------------------------------------------------


async def test_what_a_rule_allows_is_not_asked_about() -> None:
    machine, session = Machine(), Kept()
    rules = Permissions(["run_command:git status"])
    async with provider(asks("git status -s"), says("Ok.")) as world:
        events = await play(world.agent([machine.tool], permissions=rules).run("Go", session))
    assert machine.ran == ["git status -s"]
    assert not [e for e in events if isinstance(e, ApprovalRequested | ApprovalGiven)]
    assert session.decisions == [
        Approved(1, "c0", "run_command", True, "rule run_command:git status")
    ]


async def test_a_rule_allows_in_a_run_that_nobody_reads() -> None:
    machine, session = Machine(), Kept()
    async with provider(asks("ls", "git status"), says("Ok.")) as world:
        rules = Permissions(["run_command:ls"])
        await world.agent([machine.tool], permissions=rules).run("Go", session)
    assert world.results() == {
        "c0": "ran ls", "c1": "Not run: it needs an approval that nobody gave.",
    }  # fmt: skip
    assert {(each.call_id, each.allowed, each.by) for each in session.decisions} == {
        ("c0", True, "rule run_command:ls"), ("c1", False, "nobody"),
    }  # fmt: skip


async def test_what_a_rule_denies_is_not_asked_about_either_and_the_model_is_told_which() -> None:
    machine, session = Machine(), Kept()
    rules = Permissions(["run_command"], ["run_command:git push"], everything=True)
    async with provider(asks("git push"), says("Ok.")) as world:
        events = await play(world.agent([machine.tool], permissions=rules).run("Go", session))
    assert machine.ran == []
    assert world.results() == {"c0": "Not run: the rule run_command:git push forbids it."}
    assert not [e for e in events if isinstance(e, ApprovalRequested | ToolStarted)]
    assert [e.is_error for e in events if isinstance(e, ToolFinished)] == [True]
    assert [(each.allowed, each.by) for each in session.decisions] == [
        (False, "rule run_command:git push")
    ]


async def test_a_tool_that_only_reads_can_be_denied() -> None:
    look = tool(lambda: "seen", name="look", effects="read")
    answer = [start(), tool_use(0, "a", "look"), stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        await world.agent([look], permissions=Permissions(deny=["look"])).run("Look")
    assert world.results() == {"a": "Not run: the rule look forbids it."}


async def test_everything_is_allowed_that_is_not_denied() -> None:
    machine, session = Machine(), Kept()
    rules = Permissions(deny=["run_command:git push"], everything=True)
    async with provider(asks("ls", "git push"), says("Ok.")) as world:
        await world.agent([machine.tool], permissions=rules).run("Go", session)
    assert machine.ran == ["ls"]
    assert {(each.call_id, each.by) for each in session.decisions} == {
        ("c0", "everything"), ("c1", "rule run_command:git push"),
    }  # fmt: skip


async def test_nothing_is_written_of_a_call_that_needed_no_leave() -> None:
    session = Kept()
    look = tool(lambda: "seen", name="look", effects="read")
    answer = [start(), tool_use(0, "a", "look"), stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        await world.agent([look], permissions=Permissions(everything=True)).run("Look", session)
    assert session.decisions == []


# -- answers -----------------------------------------------------------------------------------


async def test_the_words_of_a_refusal_are_told_to_the_model() -> None:
    machine, session = Machine(), Kept()
    async with provider(asks("rm -rf /"), says("Ok.")) as world:
        run = world.agent([machine.tool]).run("Go", session)
        await answering(run, lambda e: run.approve(e.id, False, " only in \ud800/tmp\n"))
    assert machine.ran == []
    assert world.results() == {"c0": "Not run: the user said no: only in �/tmp"}
    assert [(each.allowed, each.by, each.words) for each in session.decisions] == [
        (False, "user", "only in �/tmp")
    ]


async def test_a_refusal_for_want_of_somebody_to_ask_is_not_the_users() -> None:
    machine, session = Machine(), Kept()
    async with provider(asks("ls"), says("Ok.")) as world:
        run = world.agent([machine.tool]).run("Go", session)
        await answering(run, lambda e: run.decline(e.id))
    assert world.results() == {"c0": "Not run: it needs an approval that nobody gave."}
    assert [each.by for each in session.decisions] == ["nobody"]


async def test_a_call_is_answered_once() -> None:
    machine = Machine()

    def twice(event: ApprovalRequested) -> None:
        run.approve(event.id, allowed=False)
        for again in (run.decline, lambda call_id: run.approve(call_id, allowed=True)):
            with pytest.raises(KeyError):
                again(event.id)
        assert run.waiting == {}

    async with provider(asks("ls"), says("Ok.")) as world:
        run = world.agent([machine.tool]).run("Go")
        await answering(run, twice)
    assert machine.ran == []


async def test_a_rule_answers_all_waiting_calls_that_it_covers() -> None:
    machine, session = Machine(), Kept()
    waiting: list[list[str]] = []

    def always(event: ApprovalRequested) -> None:
        if len(run.waiting) < 3:
            return
        assert run.waiting[event.id] is event
        waiting.append(sorted(each.input["command"] for each in run.waiting.values()))
        assert sorted(run.allow("run_command:git status")) == ["c0", "c2"]
        waiting.append(list(run.waiting))
        assert run.question("c0").is_set()
        assert not run.question("c1").is_set()
        run.approve("c1", allowed=False)

    async with provider(
        asks("git status", "git push", "git status -s"), asks("git status x"), says("Ok.")
    ) as world:
        run = world.agent([machine.tool]).run("Go", session)
        events = await answering(run, always)
    assert waiting == [["git push", "git status", "git status -s"], ["c1"]]
    given = [(e.id, e.allowed) for e in events if isinstance(e, ApprovalGiven)]
    assert sorted(given) == [("c0", True), ("c1", False), ("c2", True)]
    assert sorted(machine.ran) == ["git status", "git status -s", "git status x"]
    by = {(each.turn, each.call_id): (each.by, each.asked) for each in session.decisions}
    rule = "rule run_command:git status"
    assert by == {
        (1, "c0"): (rule, True), (1, "c1"): ("user", True), (1, "c2"): (rule, True),
        (2, "c0"): (rule, False),
    }  # fmt: skip


async def test_a_rule_that_allows_answers_no_call_that_is_denied() -> None:
    machine = Machine()
    rules = Permissions(deny=["run_command:git push"])
    async with provider(asks("ls", "ls; git push"), says("Ok.")) as world:
        run = world.agent([machine.tool], permissions=rules).run("Go")
        await answering(run, lambda _: run.allow("run_command"))
    assert machine.ran == ["ls"]
    assert world.results()["c1"] == "Not run: the rule run_command:git push forbids it."


async def test_what_is_allowed_in_one_run_outlives_it_only_in_permissions_that_are_shared() -> None:
    async def asked(permissions: Permissions | None) -> int:
        machine = Machine()
        answers = [each for _ in range(2) for each in (asks("ls"), says("Ok."))]
        async with provider(*answers) as world:
            agent, events = world.agent([machine.tool], permissions=permissions), list[RunEvent]()
            for _ in range(2):
                run = agent.run("Go")
                events += await answering(run, lambda _, run=run: run.allow("run_command:ls"))  # type: ignore[misc]
        assert machine.ran == ["ls", "ls"]
        return len([e for e in events if isinstance(e, ApprovalRequested)])

    assert await asked(None) == 2
    assert await asked(Permissions()) == 1


async def test_no_rule_starts_a_call_that_was_stopped() -> None:
    machine = Machine()
    async with provider(asks("ls"), says("Ok.")) as world:
        async with world.agent([machine.tool]).run("Go") as run:
            async for event in run:
                if isinstance(event, ApprovalRequested):
                    run.interrupt("Stop")
                    assert run.waiting == {}
                    assert run.allow("run_command") == ()
                if isinstance(event, Interrupted):
                    assert run.question("c0").is_set()
    assert machine.ran == []


async def test_a_lost_call_waits_no_more_and_the_next_attempt_asks_again() -> None:
    machine, gate = Machine(), anyio.Event()
    call = tool_use(0, "c0", "run_command", '{"command": "ls"}')
    lost = [start(), call, text(1, "…"), gate, Do.CUT]
    async with provider(lost, asks("ls"), says("Ok.")) as world:
        async with world.agent([machine.tool]).run("Go") as run:
            async for event in run:
                if isinstance(event, TextDelta) and event.text == "…":
                    await anyio.wait_all_tasks_blocked()
                    assert list(run.waiting) == ["c0"]
                    gate.set()
                if isinstance(event, ApprovalRequested) and gate.is_set():
                    run.approve("c0", allowed=True)
    assert machine.ran == ["ls"]


# -- what is written down ----------------------------------------------------------------------


async def test_the_leave_is_on_disk_before_the_call_begins(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    journal = Journal(path)
    session = journal.session("ada")
    on_disk: list[list[Record]] = []

    @tool(approval=True)
    def pay() -> str:
        on_disk.append([row.record for row in Journal(path).rows("ada")])
        return "paid"

    answer = [start(), tool_use(0, "a", "pay"), stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        run = world.agent([pay]).run("Pay", session)
        await answering(run, lambda e: run.approve(e.id, True, "just this once"))
    (records,) = on_disk
    kinds = [type(each) for each in records]
    given = Approved(1, "a", "pay", True, "user", "just this once", asked=True)
    approved = records[kinds.index(Approved)]
    assert isinstance(approved, Approved)
    assert approved.waited_s is not None
    assert replace(approved, waited_s=None) == given
    assert kinds.index(Approved) < kinds.index(CallBegan)
    assert world.results(1) == {"a": "paid"}
    assert journal.session("ada").messages == session.messages
    journal.close()
