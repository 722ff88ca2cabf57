"""The bars of a run, from real runs and from rows that were made by hand."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream import Journal, tool
from midstream.journal.bars import Bar, Span
from midstream.journal.database import DECODER, Row
from midstream.journal.records import (
    Approved,
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Part,
    Prompted,
    Record,
    Untold,
    Wrote,
)
from midstream.journal.timeline import Run, timeline
from midstream.messages import Message, Text, ToolCall, ToolResult
from tests.fakes import AT_ONCE, Do, play, provider, says, start, stop, text, thinking, tool_use

EPOCH = 1_700_000_000.0


def rows(*records: tuple[float, Record]) -> list[Row]:
    return [Row(n, EPOCH + at, record) for n, (at, record) in enumerate(records, 1)]


def folded(*records: tuple[float, Record], now: float | None = None) -> Run:
    (run,) = timeline(rows(*records), now and EPOCH + now)
    return run


def prompted(words: str, *notes: str) -> Prompted:
    return Prompted(Message("user", tuple(Text(each) for each in (*notes, words))))


def committed(
    *parts: tuple[Any, float], streamed: float | None = None, turn: int = 1, **fields: Any
) -> Committed:
    said = Message("assistant", (Text("Hi"),))
    listed = tuple(Part(kind, began_s) for kind, began_s in parts)
    return Committed(turn, said, None, stop="end_turn", streamed=streamed, parts=listed, **fields)


def began(call_id: str, name: str = "look", turn: int = 1) -> CallBegan:
    return CallBegan(turn, call_id, name, {"at": call_id}, "read")


def ended(call_id: str, *, failed: bool = False) -> CallEnded:
    return CallEnded(1, ToolResult(call_id, "seen", failed))


def drawn(bars: tuple[Bar, ...]) -> list[tuple[str, float, float]]:
    return [(bar.kind, round(bar.begin_s, 3), round(bar.end_s, 3)) for bar in bars]


def hidden(bar: Bar) -> list[tuple[float, float]]:
    return [(round(span.begin_s, 3), round(span.end_s, 3)) for span in bar.hidden]


# -- real runs ---------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "sessions.db")


def runs_of(journal: Journal) -> list[Run]:
    return timeline(journal.rows("s"))


@pytest.mark.anyio
async def test_a_tool_is_hidden_as_far_as_the_stream_went_on(journal: Journal) -> None:
    done = anyio.Event()

    async def within() -> None:
        await anyio.sleep(0.02)
        done.set()

    async def beyond() -> None:
        await anyio.sleep(0.8)  # the stream ends at once

    calls = tool_use(1, "a", "within", "{}"), done, tool_use(2, "b", "beyond", "{}")
    answer = [start(), thinking(0, "Hm."), *calls, stop("tool_use")]
    async with provider(answer, says("Done.")) as world:
        run = world.agent([within, beyond]).run("Go", journal.session("s"))
        await play(run)
    assert run.ended is not None
    (told,) = runs_of(journal)
    first, second = told.turns
    assert (first.words, second.words) == ("Go", "")
    kinds = [bar.kind for bar in first.stream]
    assert kinds == ["waiting", "thinking", "tool_call", "tool_call"]
    assert [bar.end_s for bar in first.stream[:-1]] == [bar.begin_s for bar in first.stream[1:]]
    short, long = first.tools
    assert (short.name, long.name) == ("within", "beyond")
    assert short.hidden_s == pytest.approx(short.seconds)
    assert long.hidden_s < 0.5 < long.seconds
    assert told.hidden_s == pytest.approx(short.hidden_s + long.hidden_s)
    # On a busy machine a row is made well before its tool begins; all of `beyond` is still more.
    assert told.hidden_s == pytest.approx(run.ended.overlap, abs=0.4)
    assert second.stream[0].begin_s >= long.end_s
    assert told.seconds >= second.stream[-1].end_s
    assert told.outcome == "completed"


@pytest.mark.anyio
async def test_a_lost_answer_its_pause_and_the_tool_that_went_on_are_told(journal: Journal) -> None:
    gate = anyio.Event()

    @tool(effects="write")
    async def pay() -> str:
        await gate.wait()
        return "paid"

    lost = [start(), tool_use(0, "a", "pay", "{}"), text(1, "Hm"), Do.CUT]
    again = [start(), tool_use(0, "b", "pay", "{}"), stop("tool_use")]
    async with provider(lost, again, says("Paid.")) as world:
        agent = world.agent([pay], backoff=AT_ONCE)
        async with agent.run("Pay", journal.session("s")) as run:
            async for event in run:
                if event.type == "tool_call_ready" and len(world.requests) == 2:
                    gate.set()
    (told,) = runs_of(journal)
    first = told.turns[0]
    assert [bar.kind for bar in first.stream] == ["lost", "pause", "waiting", "tool_call"]
    assert "closed" in first.stream[0].reason
    (call,) = first.tools
    assert (call.call_id, call.ended, call.failed) == ("a", True, False)
    assert len(call.hidden) >= 1
    assert call.hidden[0].end_s == first.stream[0].end_s


@pytest.mark.anyio
async def test_a_stopped_turn_ends_with_the_stop_and_the_next_has_the_words(
    journal: Journal,
) -> None:
    silent = [start(), text(0, "Hm", close=False), Do.STALL]
    async with provider(silent, says("Bien.")) as world:
        async with world.agent().run("Go", journal.session("s")) as run:
            async for event in run:
                if event.type == "text_delta" and len(world.requests) == 1:
                    run.interrupt("In French!")
    (told,) = runs_of(journal)
    first, second = told.turns
    assert (first.end, second.end) == ("stopped", "committed")
    assert [bar.kind for bar in first.stream] == ["waiting", "text"]
    assert (first.words, second.words) == ("Go", "In French!")


@pytest.mark.anyio
async def test_a_compaction_takes_its_time(journal: Journal) -> None:
    gate = anyio.Event()
    slow = [start(), text(0, "We loo", close=False), gate, text(1, "ked."), stop("end_turn")]
    async with provider(says("Yes."), slow) as world:
        session = journal.session("s")
        await world.agent().run("Hi", session)
        async with world.agent().compact(session) as run:
            async for event in run:
                if event.type == "text_delta" and not gate.is_set():
                    await anyio.sleep(0.1)
                    gate.set()
    assert run.outcome == "completed"
    _, told = runs_of(journal)
    (turn,) = told.turns
    (bar,) = turn.stream
    assert (turn.number, turn.words, turn.end, bar.kind) == (0, "", "committed", "summary")
    assert bar.begin_s == pytest.approx(0.0, abs=1e-4)
    assert 0.1 <= bar.seconds <= told.seconds


# -- rows by hand ------------------------------------------------------------------------------


def test_the_parts_of_an_answer_follow_each_other_from_the_request_on() -> None:
    run = folded(
        (0.0, prompted("Hi")),
        (0.1, Began(1, 1)),
        (2.5, committed(("thinking", 0.4), ("text", 1.0), streamed=2.2)),
        (2.6, Ended("completed")),
    )
    (turn,) = run.turns
    assert drawn(turn.stream) == [
        ("waiting", 0.1, 0.5), ("thinking", 0.5, 1.1), ("text", 1.1, 2.3),
    ]  # fmt: skip
    assert run.seconds == pytest.approx(2.6)


def test_tools_that_run_side_by_side_are_bars_of_their_own() -> None:
    run = folded(
        (0.0, Began(1, 1)),
        (1.0, began("a")),
        (1.2, began("b")),
        (3.0, ended("b", failed=True)),
        (4.0, ended("a")),
        (4.1, committed(("text", 0.5), streamed=2.0)),
        (4.2, Ended("completed")),
    )
    a, b = run.turns[0].tools
    assert drawn((a, b)) == [("tool", 1.0, 4.0), ("tool", 1.2, 3.0)]
    assert (a.input, a.failed, b.failed) == ({"at": "a"}, False, True)
    assert (hidden(a), hidden(b)) == ([(1.0, 2.0)], [(1.2, 2.0)])
    assert [run.tools_s, run.hidden_s] == pytest.approx([4.8, 1.8])


def test_a_call_waits_for_its_approval_from_when_it_is_whole() -> None:
    def whole(call_id: str) -> Wrote:
        return Wrote(1, 1, ToolCall(call_id, "look", {"at": call_id}))

    run = folded(
        (0.0, Began(1, 1)),
        (0.5, whole("a")),
        (0.6, whole("b")),
        (0.7, whole("c")),
        (0.7, whole("d")),
        (0.7, Approved(1, "c", "look", True, "everything")),
        (0.7, began("c")),
        (2.0, Approved(1, "a", "look", True, "user", asked=True)),
        (2.0, began("a")),
        (2.5, Approved(1, "b", "look", False, "user", "no", asked=True)),
        (2.7, Approved(1, "d", "look", True, "rule look", asked=True)),
        (2.7, began("d")),
        (3.0, ended("c")),
        (3.0, ended("a")),
        (3.0, ended("d")),
        (3.1, committed(("text", 0.2), streamed=1.0)),
        (3.2, Ended("completed")),
    )
    assert [drawn(bars) for bars in run.turns[0].calls] == [
        [("approval", 0.5, 2.0), ("tool", 2.0, 3.0)],
        [("approval", 0.6, 2.5)],
        [("tool", 0.7, 3.0)],
        [("approval", 0.7, 2.7), ("tool", 2.7, 3.0)],
    ]
    assert [bar.failed for bar in run.turns[0].approvals] == [False, True, False]
    assert run.tools_s == pytest.approx(3.6), "nobody's work is in the wait"


def test_a_call_that_waits_for_its_turn_is_not_drawn_as_asked_about() -> None:
    run = folded(
        (0.0, Began(1, 1)),
        (0.5, Wrote(1, 1, ToolCall("a", "look", {}))),
        (3.0, Approved(1, "a", "look", True, "user", asked=True, waited_s=0.4)),
        (3.0, began("a")),
        (4.0, ended("a")),
        (4.1, committed(("text", 0.2), streamed=1.0)),
        (4.2, Ended("completed")),
    )
    ((wait, _),) = run.turns[0].calls
    assert drawn((wait,)) == [("approval", 2.6, 3.0)]


def test_calls_of_two_attempts_may_share_an_id() -> None:
    run = folded(
        (0.0, Began(1, 1)),
        (1.0, began("a")),
        (2.0, Discarded(1, 1, "lost")),
        (3.0, Began(1, 2)),
        (4.0, began("a")),
        (5.0, ended("a")),
        (6.0, ended("a")),
        (6.1, committed(("text", 0.5), streamed=1.5)),
        (6.2, Ended("completed")),
    )
    first, second = run.turns[0].tools
    assert drawn((first, second)) == [("tool", 1.0, 5.0), ("tool", 4.0, 6.0)]
    assert hidden(first) == [(1.0, 2.0), (3.0, 4.5)]


def test_the_notes_of_the_runtime_are_not_the_users_words() -> None:
    run = folded((0.0, prompted("Hi", "[Note from the runtime]")), (0.1, Began(1, 1)))
    assert run.turns[0].words == "Hi"


def test_a_compaction_within_a_run_belongs_to_the_turn_before_which_it_was_done() -> None:
    run = folded(
        (0.0, prompted("Hi")),
        (2.0, Compacted(1, "x", SUMMED_UP, took_s=1.5)),
        (2.1, Began(1, 1)),
        (3.0, Discarded(1, 1, "too long")),
        (5.0, Compacted(1, "x", SUMMED_UP, took_s=1.5)),
        (5.1, Began(1, 2)),
        (6.1, committed(("text", 0.5), streamed=1.0)),
        (6.1, Ended("completed")),
    )
    (turn,) = run.turns
    assert (turn.number, turn.words) == (1, "Hi")
    assert drawn(turn.stream) == [
        ("summary", 0.5, 2.0), ("lost", 2.1, 3.0), ("pause", 3.0, 3.5), ("summary", 3.5, 5.0),
        ("waiting", 5.1, 5.6), ("text", 5.6, 6.1),
    ]  # fmt: skip


# -- what no row tells -------------------------------------------------------------------------


def test_journals_from_before_the_parts_can_be_read() -> None:
    message = b'{"role":"assistant","blocks":[]}'
    data = b'{"record":"committed","turn":1,"message":%b,"results":null}' % message
    record = DECODER.decode(data)
    assert isinstance(record, Committed)
    assert (record.streamed, record.parts) == (None, ())


OLD = [
    pytest.param(0.0, 1.0, id="the stream ended as the first tool began"),
    pytest.param(0.3, 1.3, id="one tool had run for a while"),
    pytest.param(1.0, 1.75, id="two tools were running"),
    pytest.param(4.0, 3.5, id="one of them was still running"),
    pytest.param(4.5, 4.2, id="all of it was hidden"),
]


@pytest.mark.parametrize(("overlap", "stream_ended"), OLD)
def test_an_older_journal_tells_the_end_of_the_stream_by_what_it_hid(
    overlap: float, stream_ended: float
) -> None:
    run = folded(
        (0.0, Began(1, 1)),
        (1.0, began("a")),
        (1.5, began("b")),
        (3.0, ended("b")),
        (4.0, ended("a")),
        (4.2, committed(overlap=overlap, ttft=0.5)),
        (4.3, Ended("completed")),
    )
    (turn,) = run.turns
    assert drawn(turn.stream) == [("waiting", 0.0, 0.5), ("text", 0.5, stream_ended)]
    assert run.hidden_s == pytest.approx(overlap)


def test_what_settled_a_dead_run_later_is_not_part_of_it() -> None:
    kept = Committed(1, Message("assistant", (Text("Hm"),)), None, settled=True)
    run = folded(
        (0.0, prompted("Hi")),
        (0.1, Began(1, 1)),
        (1.0, Wrote(1, 0, Text("Hm"))),
        (2.0, began("a")),
        (2.5, Wrote(1, 0, Text("."))),
        (90_000.0, kept),
        (90_000.0, Untold("- paid")),
        (90_000.0, Ended("died")),
    )
    (turn,) = run.turns
    assert (run.seconds, turn.end) == (2.5, "died")
    assert drawn(turn.stream) == [("waiting", 0.1, 1.0), ("text", 1.0, 2.5)]
    assert (drawn(turn.tools), turn.tools[0].ended) == ([("tool", 2.0, 2.5)], False)


def test_the_words_that_stopped_a_turn_of_a_dead_run_are_not_part_of_it_either() -> None:
    nothing = Committed(1, Message("assistant", ()), None, settled=True)
    run = folded(
        (0.0, prompted("Hi")),
        (0.1, Began(1, 1)),
        (1.0, Interrupted(1, "Well?")),
        (1.0, Committed(1, Message("assistant", ()), None, settled=True, streamed=0.8)),
        (90_000.0, prompted("Well?")),
        (90_000.0, nothing),
        (90_000.0, Ended("died")),
    )
    assert run.seconds == 1.0
    assert [turn.end for turn in run.turns] == ["stopped"]


def test_a_run_that_goes_on_lasts_until_now() -> None:
    records = ((0.0, prompted("Hi")), (0.1, Began(1, 1)), (1.0, began("a")))
    run = folded(*records, now=5.0)
    (turn,) = run.turns
    assert (run.seconds, run.outcome, turn.end) == (5.0, "", None)
    assert drawn(turn.stream) == [("waiting", 0.1, 5.0)]
    assert drawn(turn.tools) == [("tool", 1.0, 5.0)]


def test_a_run_that_never_asked_has_no_turns() -> None:
    run = folded((0.0, prompted("Hi")), (0.1, Ended("failed", "no such model")))
    assert (run.turns, run.error) == ((), "no such model")


def test_every_run_of_a_session_counts_from_its_own_beginning() -> None:
    once = [(0.0, prompted("Hi")), (0.1, Began(1, 1)), (1.0, Ended("failed"))]
    again = [(at + 500.0, record) for at, record in once]
    first, second = timeline(rows(*once, *again))
    assert (first.number, second.number) == (1, 2)
    assert (second.at, second.seconds) == (EPOCH + 500.0, 1.0)
    assert drawn(first.turns[0].stream) == drawn(second.turns[0].stream)


SUMMED_UP = Message("user", (Text("We looked."),))
RECORDS = st.sampled_from([
    prompted("Hi"), Began(1, 1), Began(2, 1), Wrote(1, 0, Text("x")), began("a"), began("b"),
    Wrote(1, 1, ToolCall("a", "look", {})), Approved(1, "a", "look", True, "user", asked=True),
    ended("a"), ended("b"), ended("c"), Discarded(1, 1, "lost"), Discarded(1, 0, "refusal"),
    Interrupted(1), Interrupted(1, "No"), Untold("- paid"), Ended("completed"), Ended("died"),
    committed(), committed(overlap=1.0, ttft=0.1), committed(("text", 0.2), streamed=1.0),
    committed(("text", 9.0), streamed=0.0),
    Compacted(0, "x", SUMMED_UP), Compacted(1, "x", SUMMED_UP, took_s=1.0),
    Compacted(1, "x", SUMMED_UP, took_s=-1.0),
    Committed(1, Message("assistant", (ToolCall("a", "look", {}),)), None, settled=True, ttft=0.1),
])  # fmt: skip


@given(st.lists(st.tuples(st.floats(0.0, 2.0), RECORDS), max_size=30))
def test_whatever_the_rows_are_no_bar_is_longer_than_its_run(
    records: list[tuple[float, Record]],
) -> None:
    at = 0.0
    later = [(at := at + after, record) for after, record in records]
    for run in timeline(rows(*later)):
        whole = Span(-1e-6, run.seconds + 1e-6)
        bars = [bar for turn in run.turns for bar in turn.bars]
        spans = [span for bar in bars for span in (bar, *bar.hidden)]
        assert all(whole.begin_s <= s.begin_s <= s.end_s <= whole.end_s for s in spans)
        assert all(bar.hidden_s <= bar.seconds + 1e-6 for bar in bars)


TIMES = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([0.0, -1.0, 1e300, -1e300]))


@given(st.lists(TIMES, min_size=5, max_size=5), TIMES, TIMES)
def test_no_bar_goes_back_in_time_even_if_the_clock_was_set_back(
    at: list[float], streamed: float, part: float
) -> None:
    answer = committed(("text", part), streamed=streamed)
    run = folded(
        *zip(at, [prompted("Hi"), Began(1, 1), began("a"), ended("a"), answer], strict=True)
    )
    bars = [bar for turn in run.turns for bar in turn.bars]
    assert all(0 <= bar.begin_s <= bar.end_s <= run.seconds for bar in bars)
