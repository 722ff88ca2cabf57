"""The feed: one writer, any number of readers, none of whom it waits for."""

import asyncio
import gc
from collections.abc import Callable, Iterable
from weakref import ref

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.concurrency import Bell
from midstream.errors import EventsGone
from midstream.events import (
    Delta,
    RunEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolProgress,
    ToolStarted,
    TurnStarted,
)
from midstream.feed import Feed, FeedReader


def text(words: str, index: int = 0, agent: str | None = None) -> TextDelta:
    return TextDelta(index, words, agent=agent)


def thought(words: str, index: int = 0) -> ThinkingDelta:
    return ThinkingDelta(index, words)


def fact() -> RunEvent:
    return ToolStarted("a", "look")


def emit(feed: Feed, *events: RunEvent) -> None:
    for event in events:
        feed.emit(event)


async def read(reader: FeedReader, count: int | None = None) -> list[RunEvent]:
    """So many events, or as many as wait."""
    with anyio.fail_after(5):
        return [await anext(reader) for _ in range(reader.behind if count is None else count)]


async def rest(reader: FeedReader) -> list[RunEvent]:
    with anyio.fail_after(5):
        return [event async for event in reader]


def told(events: Iterable[RunEvent]) -> list[str]:
    return [
        words_of(event) if isinstance(event, Delta) else type(event).__name__ for event in events
    ]


def words_of(delta: Delta) -> str:
    return delta.json if isinstance(delta, ToolInputDelta) else delta.text


# -- numbers and times -------------------------------------------------------------------------


async def test_events_are_numbered_from_one_and_carry_the_run() -> None:
    feed = Feed("run_1")
    reader = feed.reader()
    emit(feed, fact(), fact(), fact())
    assert [(event.run, event.seq) for event in await read(reader)] == [
        ("run_1", 1),
        ("run_1", 2),
        ("run_1", 3),
    ]


async def test_events_carry_the_seconds_since_the_run_began() -> None:
    times = iter([100.0, 100.0, 101.5, 103.0])
    feed = Feed("run", clock=lambda: next(times))
    reader = feed.reader()
    emit(feed, fact(), fact(), fact())
    assert [event.t for event in await read(reader)] == [0.0, 1.5, 3.0]


async def test_an_event_keeps_its_agent() -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, ToolStarted("a", "look", agent="researcher"))
    assert [event.agent for event in await read(reader)] == ["researcher"]


# -- coalescing --------------------------------------------------------------------------------


async def test_a_reader_that_keeps_up_gets_every_fragment() -> None:
    feed = Feed("run")
    reader = feed.reader()
    seen = []
    for part in ("Hel", "lo", "!"):
        emit(feed, text(part))
        seen += await read(reader)
    assert told(seen) == ["Hel", "lo", "!"]


async def test_fragments_of_a_block_join_while_nobody_reads_them() -> None:
    feed = Feed("run", clock=iter(range(9)).__next__)
    reader = feed.reader()
    emit(feed, text("Hel"), text("lo"), text("!"))
    assert await read(reader) == [TextDelta(0, "Hello!", run="run", seq=3, t=3)]


async def test_the_fragments_of_arguments_and_of_thinking_join_too() -> None:
    feed = Feed("run", clock=lambda: 0.0)
    reader = feed.reader()
    emit(feed, thought("h"), thought("m"), ToolInputDelta("a", '{"n"'), ToolInputDelta("a", ":1}"))
    assert await read(reader) == [
        ThinkingDelta(0, "hm", run="run", seq=2, t=0.0),
        ToolInputDelta("a", '{"n":1}', run="run", seq=4, t=0.0),
    ]


APART = [
    pytest.param([text("a", 0), text("b", 1)], id="two blocks"),
    pytest.param([text("a"), thought("b")], id="text and thinking"),
    pytest.param([ToolInputDelta("a", "a"), ToolInputDelta("b", "b")], id="two calls"),
    pytest.param([text("a"), text("b", agent="researcher")], id="two agents"),
    pytest.param(
        [ToolInputDelta("a", "a"), ToolInputDelta("a", "b", agent="researcher")],
        id="calls of two agents",
    ),
    pytest.param([text("a", 0), ToolInputDelta("0", "b")], id="a block and a call"),
]


@pytest.mark.parametrize("events", APART)
async def test_fragments_of_different_blocks_stay_apart(events: list[RunEvent]) -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, *events)
    assert told(await read(reader)) == ["a", "b"]


async def test_the_fragments_of_an_agent_join_under_its_name() -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, text("a", agent="x"), text("b"), text("c", agent="x"), text("d"))
    seen = await read(reader)
    assert [(event.agent, words) for event, words in zip(seen, told(seen), strict=True)] == [
        ("x", "ac"),
        (None, "bd"),
    ]


async def test_fragments_do_not_join_across_another_event() -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, text("a"), text("b"), fact(), text("c"), text("d"), fact())
    assert told(await read(reader)) == ["ab", "ToolStarted", "cd", "ToolStarted"]


async def test_a_stopped_reader_holds_one_delta_for_each_open_block_between_two_events() -> None:
    feed = Feed("run")
    reader = feed.reader()
    for _ in range(1000):
        emit(feed, text("x", 0), text("y", 1), thought("z"), ToolInputDelta("a", "{"))
    assert reader.behind == 4
    emit(feed, fact(), text("x"), fact(), fact())
    assert reader.behind == 8


async def test_no_other_event_is_ever_lost_or_joined() -> None:
    feed = Feed("run")
    reader = feed.reader()
    others: list[RunEvent] = [
        *(TurnStarted(1, 1), ToolCallStarted(0, "a", "look"), ToolCallReady("a", "look", {})),
        *(ToolProgress("a", "half", 0.5), ToolProgress("a", "half", 0.5)),
        ToolFinished("a", "look", "42", is_error=False, seconds=0.1, reused=False),
    ]
    emit(feed, *others)
    assert await read(reader) == others


async def test_numbers_rise_though_fragments_joined() -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, text("a", 0), text("b", 1), text("c", 0))
    seen = await read(reader)
    assert [(event.seq, words) for event, words in zip(seen, told(seen), strict=True)] == [
        (2, "b"),
        (3, "ac"),
    ]


async def test_a_joined_fragment_leaves_the_fragments_of_others_alone() -> None:
    feed = Feed("run")
    slow, quick = feed.reader(), feed.reader()
    first = text("a")
    emit(feed, first)
    assert (await read(quick))[0] is first  # a fragment that stayed alone is no copy
    emit(feed, text("b"))
    assert told(await read(slow)) == ["ab"]
    assert told(await read(quick)) == ["b"]
    assert told(await read(feed.reader())) == ["ab"]


# -- late readers ------------------------------------------------------------------------------


async def test_a_late_reader_may_start_at_any_number_that_is_held() -> None:
    feed = Feed("run")
    emit(feed, *(fact() for _ in range(5)))
    for after in range(6):
        seen = [event.seq for event in await read(feed.reader(after))]
        assert seen == list(range(after + 1, 6))


async def test_a_late_reader_gets_what_comes_after_too() -> None:
    feed = Feed("run")
    emit(feed, fact(), fact())
    reader = feed.reader(1)
    emit(feed, fact())
    assert [event.seq for event in await read(reader)] == [2, 3]


async def test_events_that_are_no_longer_held_cannot_be_had() -> None:
    feed = Feed("run", history=3)
    emit(feed, *(fact() for _ in range(5)))
    assert [event.seq for event in await read(feed.reader(2))] == [3, 4, 5]
    for after in (0, 1):
        with pytest.raises(EventsGone, match=f"events {after + 1} to 2 are no longer held"):
            feed.reader(after)


async def test_a_thousand_events_are_held_unless_told_otherwise() -> None:
    feed = Feed("run")
    emit(feed, *(fact() for _ in range(1025)))
    assert feed.reader(1).behind == 1024
    with pytest.raises(EventsGone):
        feed.reader(0)


async def test_a_feed_that_holds_nothing_has_nothing_to_give() -> None:
    feed = Feed("run", history=0)
    assert await read(feed.reader()) == []
    emit(feed, fact())
    with pytest.raises(EventsGone):
        feed.reader()
    assert await read(feed.reader(1)) == []


async def test_a_reader_that_was_there_keeps_what_the_history_drops() -> None:
    feed = Feed("run", history=1)
    reader = feed.reader()
    emit(feed, *(fact() for _ in range(9)))
    assert [event.seq for event in await read(reader)] == list(range(1, 10))


# -- waiting, closing --------------------------------------------------------------------------


async def test_a_reader_waits_for_what_comes_next() -> None:
    feed = Feed("run")
    seen: list[RunEvent] = []

    async def read_one(reader: FeedReader) -> None:
        seen.append(await anext(reader))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_one, feed.reader())
            await anyio.wait_all_tasks_blocked()
            emit(feed, fact())
    assert told(seen) == ["ToolStarted"]


async def test_a_slow_reader_slows_nobody() -> None:
    feed = Feed("run")
    slow, quick = feed.reader(), feed.reader()
    seen = []
    for _ in range(100):
        emit(feed, text("x"), fact())  # emit is no coroutine: there is nothing it could wait for
        seen += await read(quick)
    assert told(seen) == ["x", "ToolStarted"] * 100
    assert slow.behind == 200
    assert told(await read(slow)) == told(seen)


async def test_a_feed_that_closes_lets_its_readers_read_what_is_left() -> None:
    feed = Feed("run")
    reader = feed.reader()
    emit(feed, text("a"), text("b"))
    feed.close()
    assert told(await rest(reader)) == ["ab"]
    assert await rest(reader) == []


async def test_a_reader_that_waits_is_let_go_when_the_feed_closes() -> None:
    await lets_go(lambda feed, _: feed.close())


async def test_a_reader_that_waits_is_let_go_when_it_is_closed() -> None:
    await lets_go(lambda _, reader: reader.close())


async def lets_go(close: Callable[[Feed, FeedReader], None]) -> None:
    feed = Feed("run")
    reader = feed.reader()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rest, reader)
            await anyio.wait_all_tasks_blocked()
            close(feed, reader)


async def test_a_closed_reader_reads_no_more_and_holds_nothing() -> None:
    feed = Feed("run")
    reader, other = feed.reader(), feed.reader()
    emit(feed, fact())
    reader.close()
    emit(feed, fact())
    assert reader.behind == 0
    assert await rest(reader) == []
    assert other.behind == 2


async def test_a_reader_that_was_cancelled_while_it_waited_reads_on() -> None:
    feed = Feed("run")
    reader = feed.reader()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(reader)
    emit(feed, fact())
    assert told(await read(reader)) == ["ToolStarted"]


async def test_a_feed_that_is_closed_can_still_be_read_from_any_number() -> None:
    feed = Feed("run")
    emit(feed, fact(), fact(), fact())
    feed.close()
    assert feed.closed
    assert [event.seq for event in await rest(feed.reader(1))] == [2, 3]


async def test_a_reader_that_is_done_is_forgotten() -> None:
    feed = Feed("run")
    reader = feed.reader()
    feed.close()
    await rest(reader)
    emit(feed, fact())
    assert reader.behind == 0


async def test_a_reader_that_was_dropped_without_a_word_collects_nothing() -> None:
    feed = Feed("run")
    dropped, kept = ref(feed.reader()), feed.reader()
    emit(feed, fact())
    gc.collect()
    assert dropped() is None
    assert kept.behind == 1


# -- any order of writing and reading ----------------------------------------------------------

BLOCKS: list[Callable[[str], RunEvent]] = [
    *(lambda words: text(words, 0), lambda words: text(words, 1), lambda words: thought(words)),
    *(lambda words: ToolInputDelta("a", words), lambda words: ToolInputDelta("b", words)),
    lambda words: text(words, 0, agent="researcher"),
    lambda words: ToolProgress("a", words, None),
]
STEPS = st.lists(
    st.tuples(st.just("emit"), st.integers(0, len(BLOCKS) - 1))
    | st.tuples(st.sampled_from(["read", "late"]), st.integers(0, 3)),
    max_size=60,
)


def by_block(events: Iterable[RunEvent]) -> dict[object, str]:
    blocks: dict[object, str] = {}
    for event in events:
        if isinstance(event, Delta):
            place = event.id if isinstance(event, ToolInputDelta) else event.index
            key = (event.agent, type(event), place)
            blocks[key] = blocks.get(key, "") + words_of(event)
    return blocks


def others(events: Iterable[RunEvent]) -> list[RunEvent]:
    return [event for event in events if not isinstance(event, Delta)]


@given(STEPS)
@settings(deadline=None, max_examples=150)
async def test_every_reader_reads_the_same_whenever_it_reads(steps: list[tuple[str, int]]) -> None:
    feed = Feed("run")
    readers: list[tuple[int, FeedReader, list[RunEvent]]] = [(0, feed.reader(), [])]
    emitted: list[RunEvent] = []
    for step, number in steps:
        if step == "emit":
            emitted.append(BLOCKS[number](f"{len(emitted)}."))
            feed.emit(emitted[-1])
        elif step == "late":
            after = max(0, len(emitted) - number)
            readers.append((after, feed.reader(after), []))
        else:
            _, reader, seen = readers[number % len(readers)]
            seen += await read(reader, min(1, reader.behind))
    feed.close()
    for after, reader, seen in readers:
        seen += await rest(reader)
        assert by_block(seen) == by_block(emitted[after:])
        assert others(seen) == others(emitted[after:])
        numbers = [event.seq for event in seen]
        assert numbers == sorted(set(numbers))
        assert fragments_stay_between_their_neighbours(seen, emitted)


def fragments_stay_between_their_neighbours(seen: list[RunEvent], emitted: list[RunEvent]) -> bool:
    """No fragment moved across an event that is no fragment."""
    for event in seen:
        for part in words_of(event).split(".")[:-1] if isinstance(event, Delta) else ():
            low, high = sorted((int(part), event.seq - 1))
            if others(emitted[low : high + 1]):
                return False
    return True


async def test_a_reader_that_gives_up_waiting_leaves_nothing_behind() -> None:
    reader = Feed("r").reader()
    for _ in range(100):
        with anyio.move_on_after(0):
            await anext(reader)
    gc.collect()
    waiting = [each for each in gc.get_objects() if isinstance(each, asyncio.Future)]
    assert len([each for each in waiting if not each.done() or each.cancelled()]) < 20


async def test_whoever_waits_for_a_bell_hears_it() -> None:
    bell, woken = Bell(), list[str]()

    async def wait(name: str) -> None:
        await bell.wait()
        woken.append(name)

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(wait, name)
        await anyio.wait_all_tasks_blocked()
        bell.ring()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert sorted(woken) == ["a", "b", "c"]
