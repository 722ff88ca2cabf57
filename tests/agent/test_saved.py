"""A run and its journal: what is on disk when, and what happens when it cannot be written."""

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from midstream import Agent, Journal, tool
from midstream.agent.run import Run
from midstream.events import (
    RunEnded,
    RunEvent,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from midstream.journal.records import (
    CallBegan,
    CallEnded,
    Committed,
    Ended,
    Interrupted,
    Record,
    Wrote,
)
from midstream.messages import Text, ToolResult
from midstream.turn.retry import Backoff
from tests.fakes import (
    Do,
    ended,
    event,
    play,
    provider,
    says,
    start,
    stop,
    text,
    thinking,
    tool_use,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "sessions.db")


def on_disk(journal: Journal) -> list[Record]:
    """What another process would find."""
    other = Journal(journal.path)
    found = [row.record for each in other.summaries() for row in other.rows(each.id)]
    other.close()
    return found


LATER = Backoff(base_s=600.0, cap_s=600.0)
CALL = tool_use(2, "b", "look", "{}")
CALLS = [
    start(),
    text(0, "I pay."),
    tool_use(1, "a", "pay", '{"amount": 5}'),
    CALL,
]


class Shop:
    def __init__(self, effects: Any = "write") -> None:
        self.paid: list[int] = []
        self.seen = 0
        self._effects = effects

    async def pay(self, amount: int) -> str:
        self.paid.append(amount)
        return "paid"

    @property
    def tools(self) -> list[Any]:
        @tool(effects="read")
        async def look() -> str:
            self.seen += 1
            return "seen"

        return [tool(self.pay, effects=self._effects), look]


async def test_what_is_told_to_have_ended_is_on_disk(journal: Journal) -> None:
    wanted: dict[type[RunEvent], type[Record]] = {
        ToolFinished: CallEnded,
        TurnEnded: Committed,
        RunEnded: Ended,
    }
    told = 0
    async with provider([*CALLS, stop("tool_use")], says("Done.")) as world:
        agent = world.agent(Shop().tools)
        async with agent.run("Go", journal.session("s")) as run:
            async for event in run:
                if kind := wanted.get(type(event)):
                    records = on_disk(journal)
                    assert any(isinstance(each, kind) for each in records), event
                    told += 1
    assert told == 5


async def test_what_changes_the_world_is_on_disk_before_it_begins(journal: Journal) -> None:
    found: list[Record] = []

    async def pay(amount: int) -> str:
        found.extend(on_disk(journal))
        return "paid"

    async with provider([*CALLS[:3], stop("tool_use")], says("Done.")) as world:
        await world.agent([pay]).run("Go", journal.session("s"))
    assert any(isinstance(each, CallBegan) and each.call_id == "a" for each in found)
    assert any(isinstance(each, Wrote) and each.index == 1 for each in found), "and its call"


async def test_what_was_shown_is_soon_on_disk_though_the_stream_is_silent(
    journal: Journal,
) -> None:
    async with provider([start(), text(0, "So far", close=False), Do.STALL]) as world:
        async with world.agent().run("Go", journal.session("s")) as run:
            with anyio.fail_after(10):
                # There is no event for what reaches the disk.
                while not any(isinstance(e, Wrote) for e in on_disk(journal)):  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            session = Journal(journal.path).session("s")
            kept = session.recovery()[0]
            assert isinstance(kept, Committed)
            assert kept.message.blocks == (Text("So far"),)
            run.cancel()


async def test_what_stopped_a_turn_is_written_down_with_it(journal: Journal) -> None:
    silent = [start(), text(0, "Hm", close=False), Do.STALL]
    async with provider(silent, silent) as world:
        async with world.agent().run("Go", journal.session("s")) as run:
            async for event in run:
                if event.type == "text_delta" and len(world.requests) == 1:
                    run.interrupt("In French!")
                elif event.type == "text_delta":
                    run.cancel()
    pairs = itertools.pairwise(on_disk(journal))
    stops = [(each.words, then) for each, then in pairs if isinstance(each, Interrupted)]
    assert [words for words, _ in stops] == ["In French!", None]
    assert all(isinstance(then, Committed) and then.settled for _, then in stops)


async def test_when_each_part_of_an_answer_began_is_written_down(journal: Journal) -> None:
    gates = [anyio.Event(), anyio.Event()]
    parts = [thinking(0, "Hm."), gates[0], text(1, "I look."), gates[1], CALL]
    answers = [start(), *parts, stop("tool_use")], says("Seen.")
    async with provider(*answers) as world:
        async with world.agent(Shop().tools).run("Go", journal.session("s")) as run:
            async for event in run:
                if event.type in ("thinking_delta", "text_delta") and gates:
                    gates.pop(0).set()
    first, second = [each for each in on_disk(journal) if isinstance(each, Committed)]
    times = [part.began_s for part in first.parts]
    assert [part.kind for part in first.parts] == ["thinking", "text", "tool_call"]
    assert times == sorted(times)
    assert times[0] == first.ttft
    assert first.streamed is not None
    assert first.streamed >= times[-1] > times[0]
    assert [part.kind for part in second.parts] == ["text"]


@pytest.mark.parametrize("stop", [Run.cancel, lambda run: run.interrupt("Well?")])
async def test_the_stream_of_a_turn_that_was_stopped_ends_with_the_stop(
    journal: Journal, stop: Callable[[Run], None]
) -> None:
    async def linger() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.1)

    answers = [start(), tool_use(0, "a", "linger", "{}"), Do.STALL], says("Well.")
    stopped = 0.0
    async with provider(*answers) as world:
        async with world.agent([linger]).run("Go", journal.session("s")) as run:
            async for event in run:
                if event.type == "tool_started":
                    stopped = event.t
                    stop(run)
    kept = next(each for each in on_disk(journal) if isinstance(each, Committed))
    assert kept.streamed is not None
    assert kept.streamed < stopped + 0.05
    assert kept.overlap < 0.05, "what came after the stop hid behind no stream"


async def test_a_turn_that_is_stopped_between_two_attempts_has_streamed_nothing(
    journal: Journal,
) -> None:
    lost = [start(), text(0, "Hm", close=False), Do.CUT]
    async with provider(lost) as world:
        async with world.agent(backoff=LATER).run("Go", journal.session("s")) as run:
            async for event in run:
                if event.type == "retrying":
                    run.cancel()
    (kept,) = [each for each in on_disk(journal) if isinstance(each, Committed)]
    assert (kept.streamed, kept.parts, kept.ttft) == (0.0, (), None)


async def test_a_key_that_is_still_coming_is_not_stored_in_part(journal: Journal) -> None:
    """It waits for its end, and what follows it is stored with it."""

    def piece(words: str) -> bytes:
        return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})

    async def stored(words: str) -> None:
        # There is no event for what reaches the disk.
        with anyio.fail_after(10):
            while words not in str(on_disk(journal)):  # noqa: ASYNC110
                await anyio.sleep(0.05)

    more, rest = anyio.Event(), anyio.Event()
    said = [text(0, "The key: sk-ant-api03-Can", close=False), more, piece("ary0123456789")]
    answer = [start(), *said, rest, piece("abcdef, and s"), Do.STALL]
    async with provider(answer) as world:
        async with world.agent().run("Go", journal.session("s")) as run:
            await stored("The key: ")
            more.set()
            async for each in run:
                if isinstance(each, TextDelta) and "ary" in each.text:
                    break
            rest.set()
            await stored(", and ")
            written = "".join(
                each.block.text
                for each in on_disk(journal)
                if isinstance(each, Wrote) and isinstance(each.block, Text)
            )
            run.cancel()
    assert written == "The key: [redacted], and "
    assert "Canary" not in str(on_disk(journal))
    assert "[redacted], and s" in str(Journal(journal.path).session("s").messages)


def refuse(journal: Journal, kind: str = "call_began") -> sqlite3.Connection:
    """A disk that is full from the first record of a kind."""
    disk = sqlite3.connect(journal.path)
    disk.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON records WHEN new.kind = '{kind}' "
        "BEGIN SELECT raise(FAIL, 'database or disk is full'); END"
    )
    return disk


@pytest.mark.parametrize("effects", ["idempotent", "write"])
async def test_on_a_full_disk_the_answer_goes_on_and_nothing_is_changed(
    effects: str, journal: Journal
) -> None:
    shop, session = Shop(effects), journal.session("s")
    refuse(journal).close()
    async with provider([*CALLS, stop("tool_use")], says("All I have is words.")) as world:
        events = await play(world.agent(shop.tools).run("Go", session))
        results = world.results()
    assert (shop.paid, shop.seen) == ([], 1), "what only reads may run"
    assert "disk is full" in results["a"]
    assert results["a"].startswith("Not started: ")
    assert results["b"] == "seen"
    end = ended(events)
    assert (end.outcome, end.text) == ("completed", "All I have is words.")
    assert end.error is not None
    assert end.error.type == "session_not_saved"
    assert "disk is full" in end.error.message
    assert not any(isinstance(event, ToolStarted) and event.id == "a" for event in events)


async def test_what_a_full_disk_leaves_is_whole(journal: Journal) -> None:
    session = journal.session("s")
    refuse(journal, "committed").close()
    async with provider(says("Words."), says("More.")) as world:
        agent = world.agent()
        assert (await agent.run("Go", session)).outcome == "completed"
        disk = sqlite3.connect(journal.path)
        disk.execute("DROP TRIGGER full")
        disk.close()
        again = Journal(journal.path).session("s")
        assert [each.kind for each in again.recovery()] == ["committed", "ended"]
        end = await agent.run("And?", session)
    assert (end.outcome, end.error) == ("completed", None)
    texts = [message.text for message in Journal(journal.path).session("s").messages]
    assert texts == ["Go", "Words.", "And?", "More."], "what was lost was written with the next"


async def test_a_locked_database_does_not_hold_up_the_events(journal: Journal) -> None:
    session = journal.session("s")
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with provider(says("Words.")) as world:
        async with world.agent().run("Go", session) as run:
            async for event in run:
                if event.type == "text_delta":
                    other.execute("ROLLBACK")  # it came although nothing can be written
    assert run.ended is not None
    assert (run.outcome, run.ended.error) == ("completed", None)
    assert any(isinstance(each, Ended) for each in on_disk(journal))


async def test_a_second_run_on_a_session_is_told_that_it_is_in_use(journal: Journal) -> None:
    async with provider([start(), text(0, "Hm", close=False), Do.STALL]) as world:
        agent = world.agent()
        async with agent.run("Go", journal.session("s")) as first:
            await world.asked.wait()
            end = await agent.run("Go", Journal(journal.path).session("s"))
            first.cancel()
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.type == "session_busy"
    assert len(world.requests) == 1


async def test_a_session_that_cannot_be_read_is_not_asked_about(journal: Journal) -> None:
    session = journal.session("s")
    async with provider(says("Words.")) as world:
        agent: Agent = world.agent()
        await agent.run("Go", session)
        journal.close()
        for file in journal.path.parent.glob("sessions.db*"):
            if file.is_file():
                file.write_bytes(b"no database " * 400)
        end = await agent.run("And?", session)
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.type == "session_unreadable"
    assert len(world.requests) == 1


async def test_a_killed_runs_words_wait_for_the_next_run_and_are_settled_once(
    journal: Journal,
) -> None:
    session, dead = journal.session("s"), Journal(journal.path.with_name("copy.db"))
    async with provider([*CALLS[:3], Do.STALL], says("I see.")) as world:
        agent = world.agent(Shop().tools)
        async with agent.run("Go", session) as run:
            async for event in run:
                if isinstance(event, ToolFinished):
                    dead.database.append("s", "/", journal.rows("s"))
                    run.cancel()
        events = await play(agent.run("And?", dead.session("s")))
        assert world.results()["a"] == "paid"
    assert isinstance(events[1], TurnStarted)
    kinds = [row.record.kind for row in dead.rows("s")]
    assert kinds.count("ended") == 2
    results = [b for m in dead.session("s").messages for b in m.blocks if isinstance(b, ToolResult)]
    assert results == [ToolResult("a", "paid")]
