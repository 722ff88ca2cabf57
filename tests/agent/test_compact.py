"""Compaction: a summary in the place of what was said, or everything as it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from midstream import Agent, ConfigurationError, Image, Journal, Session, tool
from midstream.agent.summary import ASKED, GO_ON, OWN_WORDS, SUMMARY, in_place_of
from midstream.events import (
    Compacted,
    CompactionFailed,
    CompactionStarted,
    RunEvent,
    TextDelta,
    TurnDiscarded,
    TurnEnded,
)
from midstream.faces.transcript import markdown, plain
from midstream.journal.records import NOTE
from midstream.messages import Message, Text, ToolCall, ToolResult, Usage
from midstream.simulator import Reply, Scenario, call, say, simulator, think
from tests.agent.test_cost import DEAR
from tests.agent.test_cost import agent as limited
from tests.agent.test_guarantees import search
from tests.agent.test_moving import PNG, WIRES, Wire
from tests.agent.test_moving import agent as at
from tests.fakes import (
    Answer,
    Do,
    Provider,
    ended,
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

CALLS = [start(), thinking(0, "Hm."), tool_use(1, "a", "look", "{}"), stop("tool_use")]
FULL = [start(input_tokens=900), text(0, "Long."), stop("end_turn", 50)]
FULL_CALLS = [start(input_tokens=900), tool_use(0, "a", "look", "{}"), stop("tool_use", 50)]
SUMMED_UP = says("We looked, and saw.")
WINDOW: dict[str, Any] = {"context_window": 1000, "max_tokens": 100}  # full at 765 tokens


@tool(effects="read")
async def look() -> str:
    return "seen"


def user(*words: str) -> Message:
    return Message("user", tuple(map(Text, words)))


def compacted(*own: str, goes_on: bool = False) -> Message:
    told = f"{SUMMARY}We looked, and saw.{OWN_WORDS if own else ''}"
    return user(told, *own, *([GO_ON] if goes_on else []))


def kinds(events: Sequence[RunEvent]) -> list[str]:
    return [each.type for each in events if each.type not in ("tool_input_delta", "tool_started")]


def asked(world: Provider) -> list[bool]:
    """Of each request, whether it asks for a summary."""
    last = (said["messages"][-1]["content"][-1] for said in world.requests)
    return [ASKED in block.get("text", "") for block in last]


async def talked(world: Provider, session: Session | None = None) -> Session:
    """A session in which a tool was called and answered."""
    run = world.agent([look], thinking=1024, cache=None).run("Look!", session)
    await play(run)
    return run.session


# -- when it is asked for ----------------------------------------------------------------------


async def test_a_summary_stands_for_what_was_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sessions.db")
    async with provider(CALLS, says("I saw."), SUMMED_UP, says("Yes.")) as world:
        session = await talked(world, journal.session("s"))
        agent = world.agent([look], thinking=1024, cache=None)
        run = agent.compact(session, "Keep the names.")
        events = await play(run)
        assert session.messages == [compacted("Look!")]
        assert (await agent.run("Sure?", session)).text == "Yes."
    assert kinds(events) == [
        "run_started", "compaction_started", "text_delta", "compacted", "run_ended",
    ]  # fmt: skip
    assert (run.outcome, run.text) == ("completed", "We looked, and saw.")
    told = next(each for each in events if isinstance(each, Compacted))
    assert (told.summary, told.usage) == (run.text, Usage(10, 7))
    assert world.requests[2]["tools"] == world.requests[1]["tools"]
    assert world.said(2)[: len(world.said(1))] == world.said(1)
    assert world.notes(2).startswith(ASKED)
    assert world.notes(2).endswith("The user says of the summary: Keep the names.")
    assert [block["text"] for block in world.said(3)[0]["content"]][-1] == "Sure?"

    kept = Journal(tmp_path / "sessions.db").session("s")
    assert kept.messages == session.messages
    assert (kept.usage, kept.cost_usd) == (session.usage, session.cost_usd)
    rows = [row.record for row in journal.rows("s")]
    for shown in (plain(rows), markdown("s", rows)):
        paragraphs = "\n".join(shown)
        words = ["Look!", "seen", "I saw.", "this summary", "We looked, and saw.", "Sure?"]
        assert sorted(words, key=paragraphs.index) == words


@pytest.mark.parametrize("wire", WIRES)
async def test_it_is_accepted_on_every_wire(wire: Wire) -> None:
    script = Scenario(replies=[
        Reply([think("Hm."), say("Let me see. "), call("look", at="Oslo"), call("draw")]),
        Reply([think("So."), say("I see.")]),
        Reply([think("Hm."), say("All of it.")]),
    ])  # fmt: skip
    async with simulator(script) as sim:
        session = Session()
        await at(wire, sim).run("What is in Oslo?", session)
        run = at(wire, sim).compact(session)
        await play(run)
        assert (run.outcome, run.text) == ("completed", "All of it.")
        after = await at(wire, sim).run("And?", session)
    assert (after.outcome, after.text, after.error) == ("completed", "I see.", None)
    assert sim.refusals == []
    told = session.messages[0]
    assert told.blocks[0] == Text(f"{SUMMARY}All of it.{OWN_WORDS}")
    assert told.blocks[1] == Text("What is in Oslo?")
    assert [message.role for message in session.messages[1:3]] == ["user", "assistant"]


FAILURES: list[Any] = [
    pytest.param([start(), stop("end_turn")], "wrote no summary", id="empty"),
    pytest.param([start(), text(0, " \n"), stop("end_turn")], "wrote no summary", id="blank"),
    pytest.param([start(), text(0, "We"), stop("max_tokens")], "cut at the token", id="cut"),
    pytest.param(
        [start(), text(0, "First"), tool_use(1, "x", "look", "{}"), stop("tool_use")],
        "called a tool",
        id="a call",
    ),
    pytest.param([start(), text(0, "No."), stop("refusal")], "refused to sum up", id="refused"),
    pytest.param(
        [start(), text(0, "We"), stop("model_context_window_exceeded")], "no room", id="no room"
    ),
    pytest.param([start(), text(0, "We"), stop("what?")], "stopped with what?", id="who knows"),
    pytest.param(
        (400, {"error": {"type": "x", "message": "too long"}}, {}), "too long", id="not taken"
    ),
]


@pytest.mark.parametrize(("answer", "words"), FAILURES)
async def test_without_a_summary_everything_is_as_it_was(answer: Answer, words: str) -> None:
    async with provider(CALLS, says("I saw."), answer, says("Yes.")) as world:
        session = await talked(world)
        before = list(session.messages)
        events = await play(world.agent([look]).compact(session))
        assert session.messages == before
        assert (await world.agent([look], thinking=1024).run("Sure?", session)).text == "Yes."
    end = ended(events)
    assert (end.outcome, end.text) == ("failed", "")
    assert end.error is not None
    assert words in end.error.message
    assert [e.reason for e in events if isinstance(e, CompactionFailed)] == [
        e.reason for e in events if isinstance(e, TurnDiscarded)
    ]
    assert not any(e.type.startswith("tool_") for e in events), "nothing that it calls runs"


async def test_where_nothing_was_said_there_is_nothing_to_compact(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sessions.db")
    async with provider() as world:
        end = await world.agent().compact(journal.session())
    assert end.outcome == "failed"
    assert end.error is not None
    assert (end.error.type, "nothing to compact" in end.error.message) == ("not_compacted", True)
    assert journal.summaries() == [], "a session begins when something is said"


async def test_a_summary_that_breaks_off_is_asked_for_again() -> None:
    half = [start(input_tokens=100), text(0, "We loo", close=False), Do.CUT]
    async with provider(says("Yes."), half, SUMMED_UP) as world:
        session = Session()
        await world.agent().run("Hi", session)
        events = await play(world.agent().compact(session))
    assert kinds(events) == [
        "run_started", "compaction_started", "text_delta", "turn_discarded", "retrying",
        "text_delta", "compacted", "run_ended",
    ]  # fmt: skip
    assert ended(events).text == "We looked, and saw."
    assert ended(events).discarded_usage == session.discarded_usage == Usage(100, 1)
    assert ended(events).usage == Usage(10, 7)
    assert world.said(1) == world.said(2)


async def test_a_summary_has_room_however_short_answers_are_to_be() -> None:
    async with provider(says("Yes."), SUMMED_UP) as world:
        session = Session()
        await world.agent(max_tokens=10).run("Hi", session)
        await world.agent(max_tokens=10).compact(session)
    assert [said["max_tokens"] for said in world.requests] == [10, 4096]


STALLED = [start(input_tokens=100), text(0, "We loo", close=False), Do.STALL]


async def test_a_compaction_that_is_cancelled_leaves_everything_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sessions.db")
    async with provider(says("Yes."), STALLED) as world:
        session = journal.session("s")
        await world.agent().run("Hi", session)
        before, turns = list(session.messages), session.turns
        async with world.agent().compact(session) as run:
            async for each in run:
                if isinstance(each, TextDelta):
                    run.cancel()
        await world.left.wait()
    assert (run.outcome, run.text) == ("cancelled", "")
    kinds_ = kinds([each async for each in run.events()])
    assert kinds_[-2:] == ["interrupted", "run_ended"]
    assert (session.messages, session.turns) == (before, turns)
    assert session.discarded_usage == Usage(100, 1)
    assert Journal(journal.path).session("s").messages == before


async def test_new_words_outweigh_a_compaction() -> None:
    async with provider(says("Yes."), STALLED, says("Right.")) as world:
        session = Session()
        await world.agent().run("Hi", session)
        async with world.agent().compact(session) as run:
            async for each in run:
                if isinstance(each, TextDelta) and each.text == "We loo":
                    run.interrupt("Never mind.")
    assert (run.outcome, run.text) == ("completed", "Right.")
    assert [m.text for m in session.messages] == ["Hi", "Yes.", "Never mind.", "Right."]


async def test_words_that_are_queued_are_answered_after_it() -> None:
    async with provider(says("Yes."), SUMMED_UP, says("Right.")) as world:
        session = Session()
        await world.agent().run("Hi", session)
        async with world.agent().compact(session) as run:
            run.queue("And now?")
            await run
    assert (run.outcome, run.text, run.queued) == ("completed", "Right.", ())
    assert [*session.messages[:2]] == [compacted("Hi"), user("And now?")]


async def test_what_a_lost_answer_did_is_told_after_a_compaction_too() -> None:
    paid = anyio.Event()

    async def pay() -> str:
        paid.set()
        return "paid 5"

    lost = [start(), tool_use(0, "a", "pay", "{}"), paid, Do.CUT]
    async with provider(lost, says("Hm."), SUMMED_UP, says("I see."), says("Yes.")) as world:
        agent, session = world.agent([pay]), Session()
        await agent.run("Pay", session)
        await agent.compact(session)
        await agent.run("And?", session)
        await agent.run("Sure?", session)
    assert "pay({}): done: paid 5" in world.notes(3)
    assert world.notes(4) == "Sure?", "it is told once"


# -- by itself ---------------------------------------------------------------------------------


async def test_a_full_conversation_is_compacted_before_a_prompt_is_answered() -> None:
    async with provider(FULL, SUMMED_UP, says("Right.")) as world:
        agent, session = world.agent(**WINDOW), Session()
        await agent.run("Hi", session)
        events = await play(agent.run("And now?", session))
    assert kinds(events) == [
        "run_started", "compaction_started", "text_delta", "compacted", "turn_started",
        "text_delta", "turn_ended", "run_ended",
    ]  # fmt: skip
    begun = next(each for each in events if isinstance(each, CompactionStarted))
    assert (begun.tokens, begun.window) == (952, 1000)
    assert session.messages[:2] == [compacted("Hi"), user("And now?")]
    assert "And now?" not in str(world.said(1)), "it is not summed up, but answered"
    assert ended(events).usage == Usage(20, 14)
    assert ended(events).turns == 1
    assert session.context_tokens == 17


async def test_a_full_conversation_is_compacted_between_two_turns() -> None:
    async with provider(FULL_CALLS, SUMMED_UP, says("Done.")) as world:
        run = world.agent([look], **WINDOW).run("Look!")
        events = await play(run)
    assert (run.outcome, run.text) == ("completed", "Done.")
    assert run.session.messages[0] == compacted("Look!", goes_on=True)
    assert [b["type"] for b in world.said(1)[-1]["content"]] == ["tool_result", "text"]
    assert [block["text"] for block in world.said(2)[0]["content"]][1:] == ["Look!", GO_ON]
    turns = [each.turn for each in events if isinstance(each, TurnEnded)]
    assert turns == [1, 2]


async def test_a_run_whose_compaction_failed_goes_on_and_does_not_try_again() -> None:
    no_summary = [start(), stop("end_turn")]
    async with provider(FULL_CALLS, no_summary, FULL_CALLS, says("Done.")) as world:
        run = world.agent([look], **WINDOW).run("Look!")
        events = await play(run)
    assert (run.outcome, run.text) == ("completed", "Done.")
    assert asked(world) == [False, True, False, False]
    assert [e.reason for e in events if isinstance(e, CompactionFailed)] == [
        "the model wrote no summary"
    ]
    assert len(run.session.messages) == 6


async def test_what_a_compaction_does_not_make_shorter_is_not_compacted_again() -> None:
    answers: list[Answer] = [FULL_CALLS, SUMMED_UP, FULL_CALLS, FULL_CALLS, says("Done.")]
    async with provider(*answers) as world:
        run = world.agent([look], **WINDOW).run("Look!")
        await play(run)
    assert asked(world) == [False, True, False, False, False]


async def test_what_has_filled_up_at_once_is_compacted_again() -> None:
    @tool(effects="read", name="look")
    async def look_long() -> str:
        return "seen" * 1000

    async with provider(CALLS, SUMMED_UP, CALLS, SUMMED_UP, says("Done.")) as world:
        run = world.agent([look_long], **WINDOW).run("Look!")
        await play(run)
    assert asked(world) == [False, True, False, True, False]


async def test_what_is_longer_than_the_window_is_summed_up_from_what_fits() -> None:
    @tool(effects="read", name="look")
    async def look_far() -> tuple[str, Image]:
        return "first " + "seen " * 10_000, Image(PNG)

    two = [start(), tool_use(0, "a", "look"), tool_use(1, "b", "look"), stop("tool_use")]
    async with provider(two, SUMMED_UP, says("Done."), SUMMED_UP, says("Yes.")) as world:
        agent, session = world.agent([look_far], context_window=9000, max_tokens=100), Session()
        assert (await agent.run("Look!", session)).text == "Done."
    assert asked(world) == [False, True, False]
    results = [b["content"] for b in world.said(1)[-1]["content"] if b["type"] == "tool_result"]
    assert [[part["type"] for part in each] for each in results] == [["text", "image", "text"]] * 2
    assert all(each[0]["text"].startswith("first seen") for each in results)
    assert all(each[2]["text"].startswith("[cut: 50,006 bytes") for each in results)
    assert len(str(results)) < 9000 * 4


async def test_a_conversation_that_was_refused_for_its_length_can_be_compacted() -> None:
    @tool(effects="read", name="look")
    async def look_far() -> str:
        return "seen " * 10_000

    too_long: Answer = (400, {"error": {"type": "x", "message": "too long"}}, {})
    async with provider(CALLS, too_long, SUMMED_UP, says("Yes.")) as world:
        session, tools = Session(), [look_far]
        run = world.agent(tools, thinking=1024, compact_at=None).run("Look!", session)
        assert (await run).outcome == "failed"
        agent = world.agent(tools, thinking=1024, context_window=9000)
        assert (await agent.compact(session)).outcome == "completed"
        assert (await agent.run("And?", session)).text == "Yes."
    assert len(str(world.said(2))) < 9000 * 4 < len(str(world.said(1)))


async def test_a_run_may_be_compacted_as_often_as_it_fills_up() -> None:
    async with provider(
        FULL_CALLS, SUMMED_UP, CALLS, FULL_CALLS, SUMMED_UP, says("Done.")
    ) as world:
        run = world.agent([look], **WINDOW).run("Look!")
        await play(run)
    assert asked(world) == [False, True, False, False, True, False]
    assert run.session.messages[0] == compacted("Look!", goes_on=True)


NEVER: list[Any] = [
    pytest.param({"compact_at": None, "context_window": 1000}, id="it is not wanted"),
    pytest.param({}, id="nobody knows the window"),
    pytest.param({"context_window": 800, "max_tokens": 10}, id="it fits where it cannot"),
    pytest.param({"context_window": 1300, "max_tokens": 100}, id="there is room"),
    pytest.param({"context_window": 1000, "max_tokens": 10, "compact_at": 0.99}, id="room enough"),
]


@pytest.mark.parametrize("settings", NEVER)
async def test_a_conversation_is_left_alone(settings: dict[str, Any]) -> None:
    async with provider(FULL_CALLS, says("Done.")) as world:
        assert (await world.agent([look], **settings).run("Look!")).outcome == "completed"
    assert asked(world) == [False, False]


async def test_a_first_prompt_is_not_compacted_however_long_it_is() -> None:
    async with provider(says("Yes.")) as world:
        await world.agent(**WINDOW).run("Hm. " * 4000)
    assert asked(world) == [False]


async def test_an_answer_that_the_provider_has_not_finished_is_not_compacted() -> None:
    paused = [start(input_tokens=900), text(0, "Searching."), search(1), stop("pause_turn")]
    async with provider(paused, says("Found.")) as world:
        await world.agent(**WINDOW).run("Search")
    assert world.said(1)[-1]["role"] == "assistant"


async def test_the_price_of_a_summary_counts_and_the_limit_of_cost_is_kept() -> None:
    dear = [start(input_tokens=0), text(0, "We looked."), stop("end_turn", DEAR)]
    async with provider(FULL, dear) as world:
        session = Session()
        await limited(world, 0.1).run("Hi", session)
        agent = Agent(
            "anthropic:claude-sonnet-4-6", api_key="k", base_url=world.url,
            max_cost=0.1, **WINDOW,
        )  # fmt: skip
        end = await agent.run("And?", session)
    assert end.outcome == "max_cost"
    assert end.cost_usd == pytest.approx(0.15)


async def test_no_attempt_at_a_summary_is_made_once_the_cost_is_reached() -> None:
    lost = [start(output_tokens=DEAR, input_tokens=0), text(0, "We", close=False), Do.CUT]
    async with provider(says("Yes."), lost) as world:
        session = Session()
        await limited(world, 0.1).run("Hi", session)
        end = await limited(world, 0.1).compact(session)
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.message == "the limit of cost was reached"


async def test_a_cancel_in_the_middle_keeps_the_prompt_and_the_conversation() -> None:
    async with provider(FULL, STALLED) as world:
        agent, session = world.agent(**WINDOW), Session()
        await agent.run("Hi", session)
        async with agent.run("And now?", session) as run:
            async for each in run:
                if isinstance(each, TextDelta):
                    run.cancel()
    assert run.outcome == "cancelled"
    assert [m.text for m in session.messages] == ["Hi", "Long.", "And now?"]


async def test_a_compaction_in_the_middle_can_be_interrupted() -> None:
    async with provider(FULL, STALLED, SUMMED_UP, says("Right.")) as world:
        agent, session = world.agent(**WINDOW), Session()
        await agent.run("Hi", session)
        async with agent.run("And now?", session) as run:
            async for each in run:
                if isinstance(each, TextDelta) and each.text == "We loo":
                    run.interrupt("Or so?")
    assert (run.outcome, run.text) == ("completed", "Right.")
    assert session.messages[:2] == [compacted("Hi", "And now?"), user("Or so?")]


# -- what stands for what was said -------------------------------------------------------------

SEEN = Message("user", (ToolResult("a", "seen"), Text(f"{NOTE}- pay]")))
CALLED = Message("assistant", (ToolCall("a", "look", {}),))


def test_the_users_own_words_go_on_and_nothing_else() -> None:
    picture = Image(PNG)
    asked_ = Message("user", (Text(f"{NOTE}- pay]"), Text("Like this:"), picture, Text("?")))
    said = [asked_, CALLED, SEEN, user("And this.")]
    told = in_place_of(said, "S", goes_on=False)
    own = (Text("Like this:"), picture, Text("?"), Text("And this."))
    assert told == Message("user", (Text(f"{SUMMARY}S{OWN_WORDS}"), *own))


def test_they_go_on_through_the_next_compaction_too() -> None:
    once = in_place_of([user("A"), CALLED, SEEN], "S", goes_on=True)
    twice = in_place_of([once, CALLED, SEEN, user("B")], "T", goes_on=True)
    assert twice == user(f"{SUMMARY}T{OWN_WORDS}", "A", "B", GO_ON)


def test_the_latest_go_on_as_far_as_there_is_room() -> None:
    said = [user("a" * 40), user("b" * 40), user("c" * 40), user("d" * 40)]
    told = in_place_of(said, "S", 20, goes_on=False)
    assert told == user(f"{SUMMARY}S{OWN_WORDS}", "c" * 40, "d" * 40)
    assert in_place_of(said, "S", 5, goes_on=False) == user(f"{SUMMARY}S")


# -- settings ----------------------------------------------------------------------------------


async def test_the_window_is_what_was_said_or_what_the_lists_know() -> None:
    settings: dict[str, Any] = {"api_key": "k", "base_url": "http://x"}
    sonnet = "anthropic:claude-sonnet-4-5"
    assert await Agent(sonnet, **settings).context_window() == 200_000
    assert await Agent(sonnet, context_window=500, **settings).context_window() == 500
    assert await Agent("anthropic:m", **settings).context_window() is None
    assert await Agent("sim:").context_window() is None


@pytest.mark.parametrize(
    "settings", [{"context_window": 0}, {"compact_at": 0}, {"compact_at": 1.5}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Agent("sim:", **settings)
