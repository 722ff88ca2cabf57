"""Words that are queued: said at the end of a turn, or still there when the run is over."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from midstream import Image, Journal, Run, tool
from midstream.events import (
    Prompted,
    TextDelta,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)
from midstream.messages import Message, Text
from tests.agent.test_cost import agent as limited
from tests.agent.test_guarantees import search
from tests.agent.test_moving import PNG
from tests.fakes import (
    Answer,
    Do,
    failure,
    provider,
    says,
    start,
    stop,
    text,
    tool_use,
)
from tests.proof.awaits import Count
from tests.proof.test_every_await import at_suspensions

pytestmark = pytest.mark.anyio

CALLS = [start(), text(0, "I look."), tool_use(1, "a", "look", "{}"), stop("tool_use")]


@tool(effects="read")
async def look() -> str:
    return "seen"


async def queueing(run: Run, *words: Any) -> list[Any]:
    """The events of a run, in which words are queued while its first answer is asked for."""
    events: list[Any] = []
    async with run:
        async for event in run:
            if isinstance(event, TurnStarted) and event.turn == 1:
                for each in words:
                    run.queue(each)
            events.append(event)
    return events


def texts(run: Run) -> list[str]:
    return [message.text for message in run.session.messages]


async def test_they_are_said_behind_the_results_before_the_next_request() -> None:
    async with provider(CALLS, says("Done.")) as world:
        run = world.agent([look]).run("Go")
        events = await queueing(run, "And tell me.")
    assert [block["type"] for block in world.said()[-1]["content"]] == ["tool_result", "text"]
    assert world.notes() == "And tell me."
    told = [type(e) for e in events if isinstance(e, TurnEnded | Prompted | TurnStarted)]
    assert told == [TurnStarted, TurnEnded, Prompted, TurnStarted, TurnEnded]
    assert (run.outcome, run.text, run.queued) == ("completed", "Done.", ())


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens"])
async def test_a_run_that_would_have_ended_goes_on_with_them(reason: str) -> None:
    async with provider([start(), text(0, "One."), stop(reason)], says("Two.")) as world:
        run = world.agent().run("Go")
        events = await queueing(run, "And two?")
    assert texts(run) == ["Go", "One.", "And two?", "Two."]
    assert [e.text for e in events if isinstance(e, Prompted)] == ["And two?"]
    assert (run.outcome, run.text) == ("completed", "Two.")


async def test_each_is_a_message_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sessions.db")
    async with provider(says("One."), says("Three.")) as world:
        run = world.agent().run("Go", journal.session("s"))
        await queueing(run, "And two?", ["Like this:", Image(PNG)])
    assert run.session.messages[2:4] == [
        Message("user", (Text("And two?"),)),
        Message("user", (Text("Like this:"), Image(PNG))),
    ]
    assert Journal(journal.path).session("s").messages == run.session.messages


async def test_they_may_have_as_many_turns_as_a_prompt() -> None:
    async with provider(CALLS, CALLS) as world:
        run = world.agent([look], max_turns=1).run("Go")
        await queueing(run, "And again.")
    assert run.outcome == "max_turns"
    assert len(world.requests) == 2


async def test_they_wait_while_a_tool_of_the_providers_is_at_work() -> None:
    paused = [start(), text(0, "Searching."), search(1), stop("pause_turn")]
    async with provider(paused, says("Found."), says("Yes.")) as world:
        run = world.agent().run("Search")
        await queueing(run, "Thanks?")
    assert world.said(1)[-1]["role"] == "assistant"
    assert texts(run) == ["Search", "Searching.", "Found.", "Thanks?", "Yes."]


async def test_words_that_interrupt_are_answered_first() -> None:
    stalled = [start(), text(0, "Well", close=False), Do.STALL]
    async with provider(stalled, says("Stopped."), says("Then this.")) as world:
        async with world.agent().run("Go") as run:
            async for event in run:
                if isinstance(event, TextDelta) and event.text == "Well":
                    run.queue("Later.")
                    run.interrupt("Stop.")
    assert texts(run) == ["Go", "Well", "Stop.", "Stopped.", "Later.", "Then this."]


ENDS: list[Any] = [
    pytest.param([start(), text(0, "Hm"), stop("refusal")], "refusal", id="a refusal"),
    pytest.param(
        [start(), text(0, "Hm"), stop("model_context_window_exceeded")], "max_tokens", id="no room"
    ),
    pytest.param(
        [start(), text(0, "Hm"), failure("invalid_request_error")], "failed", id="a failure"
    ),
]


@pytest.mark.parametrize(("answer", "outcome"), ENDS)
async def test_what_was_not_said_when_a_run_is_over_is_still_there(
    answer: Answer, outcome: str
) -> None:
    async with provider(answer) as world:
        run = world.agent().run("Go")
        events = await queueing(run, "And?")
    assert (run.outcome, run.queued) == (outcome, ("And?",))
    assert not any(isinstance(event, Prompted) for event in events)
    assert "And?" not in texts(run)


async def test_no_request_is_made_for_them_once_the_cost_is_reached() -> None:
    async with provider(says("Dear.")) as world:
        run = limited(world, 1e-9).run("Go")
        await queueing(run, "And?")
    assert (run.outcome, run.queued) == ("max_cost", ("And?",))


@pytest.mark.parametrize("leaving", [True, False], ids=["left", "cancelled"])
async def test_a_cancel_says_none_of_them_and_loses_none(leaving: bool) -> None:
    async with provider([start(), text(0, "Well", close=False), Do.STALL]) as world:
        async with world.agent().run("Go") as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    run.queue("One.")
                    run.queue(["Two:", Image(PNG)])
                    break
            if not leaving:
                run.cancel()
                await run
    assert run.outcome == "cancelled"
    assert texts(run) == ["Go", "Well"]
    assert run.queued == ("One.", "Two:\n\n[picture]")
    assert run.unqueue() == ("One.", (Text("Two:"), Image(PNG)))
    assert not run.queued


async def test_what_was_taken_back_is_not_said() -> None:
    gate, began = anyio.Event(), anyio.Event()

    @tool(effects="read", name="look")
    async def waits() -> str:
        began.set()
        await gate.wait()
        return "seen"

    async with provider(CALLS, says("Done.")) as world:
        async with world.agent([waits]).run("Go") as run:
            await began.wait()
            run.queue("Wait!")
            assert run.unqueue() == ("Wait!",)
            gate.set()
            await run
    assert world.notes() == ""
    assert ToolStarted in [type(event) async for event in run.events()]


async def test_words_are_not_taken_when_there_is_no_run_to_say_them() -> None:
    async with provider(says("Hi.")) as world:
        run = world.agent().run("Go")
        assert (run.queued, run.unqueue()) == ((), ())
        with pytest.raises(RuntimeError, match="not begun"):
            run.queue("And?")
        async with run:
            with pytest.raises(ValueError, match="no words"):
                run.queue(" ")
            await run
            with pytest.raises(RuntimeError, match="has ended"):
                run.queue("And?")


async def test_whenever_words_are_queued_they_are_said_or_refused() -> None:
    for at in range(1, 7):
        async with provider(says("Yes."), says("Yes, yes.")) as world:
            taken, events = False, 0
            async with world.agent().run("Go") as run:
                async for _ in run:
                    if (events := events + 1) == at:
                        with suppress(RuntimeError):  # the run is over, and says so
                            run.queue("And?")
                            taken = True
        assert (texts(run).count("And?"), run.queued) == (int(taken), ())


async def test_whenever_words_are_taken_back_nothing_is_asked_without_them() -> None:
    for place in itertools.count(1):
        async with provider(says("Yes."), says("Yes, yes.")) as world:
            run, taken = limited(world, 1.0).run("Go"), list[Any]()
            places = Count(place, partial(_take_back, run, taken))
            with at_suspensions(places):
                await queueing(run, "And?")
        assert run.outcome == "completed"
        assert texts(run).count("And?") + len(taken) == 1
        assert len(world.requests) == 2 - len(taken)
        if not places.acted:
            break


def _take_back(run: Run, taken: list[Any]) -> None:
    taken += run.unqueue()


@pytest.mark.parametrize("words", [Run.queue, Run.interrupt])
async def test_no_words_are_taken_once_a_run_has_failed(words: Callable[[Run, str], None]) -> None:
    async with provider((400, {"error": {"type": "x", "message": "no"}}, {})) as world:
        async with world.agent().run("Go") as run:
            async for event in run:
                if isinstance(event, TurnDiscarded):
                    with pytest.raises(RuntimeError, match="has ended"):
                        words(run, "And?")
    assert run.outcome == "failed"
