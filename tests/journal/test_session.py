"""Sessions: the conversation is a fold over the records, and valid whenever it is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.journal.records import (
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
    Untold,
)
from midstream.journal.session import Session
from midstream.messages import Image, Message, ModelRequest, Text, ToolCall, ToolResult, Usage
from midstream.providers.anthropic_request import Anthropic
from midstream.simulator.strict import problem
from tests.providers.talk import conversations


def user(*words: str) -> Message:
    return Message("user", tuple(map(Text, words)))


def said(words: str) -> Message:
    return Message("assistant", (Text(words),))


CALLED = Message("assistant", (ToolCall("a", "look", {}),))
RESULTS = Message("user", (ToolResult("a", "42"),))


async def session_of(*records: Record) -> Session:
    session = Session()
    for record in records:
        session.record(record)
    return session


async def test_a_prompt_waits_for_its_answer() -> None:
    session = await session_of(Prompted(user("Hi")))
    assert session.messages == []
    assert session.conversation == (user("Hi"),)


async def test_an_answer_makes_the_prompt_part_of_the_conversation() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, said("Yes?"), None))
    assert session.messages == [user("Hi"), said("Yes?")]
    assert session.conversation == (user("Hi"), said("Yes?"))


async def test_several_prompts_are_answered_at_once_in_their_order() -> None:
    prompts = Prompted(user("Hi")), Prompted(user("No, wait"))
    session = await session_of(*prompts, Committed(1, said("Yes?"), None))
    assert session.messages == [user("Hi"), user("No, wait"), said("Yes?")]


async def test_calls_are_committed_with_their_results() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, CALLED, RESULTS))
    assert session.messages == [user("Hi"), CALLED, RESULTS]
    session.record(Committed(2, said("42."), None))
    assert session.messages[3:] == [said("42.")]


EMPTY = Message("assistant", ())


@pytest.mark.parametrize("results", [None, Message("user", ())])
async def test_messages_that_hold_nothing_are_left_out(results: Message | None) -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, EMPTY, results, settled=True))
    assert session.messages == [user("Hi")]


async def test_words_that_were_not_answered_are_withdrawn_when_the_run_ends() -> None:
    session = await session_of(Prompted(user("Hi")), Began(1, 1), Ended("failed"))
    assert not session.conversation
    session.record(Prompted(user("Again")))
    assert session.conversation == (user("Again"),)


async def test_what_was_answered_stays_when_the_run_ends() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, said("x"), None), Ended("failed"))
    assert session.conversation == (user("Hi"), said("x"))


NOTHING_SAID: list[Record] = [
    Began(1, 1),
    CallBegan(1, "a", "look", {}, "read"),
    CallEnded(1, ToolResult("a", "42")),
    Discarded(1, 1, "overloaded"),
    Untold("x"),
]


@pytest.mark.parametrize("record", NOTHING_SAID, ids=lambda record: type(record).__name__)
async def test_other_records_say_nothing_to_the_model(record: Record) -> None:
    before = Prompted(user("Hi")), Committed(1, said("x"), None), Prompted(user("And?"))
    session = await session_of(*before, record)
    assert session.conversation == (user("Hi"), said("x"), user("And?"))
    assert session.count == 4


@pytest.mark.parametrize("words", ["No", ""])
async def test_what_stopped_a_turn_stays_when_the_process_died(words: str) -> None:
    picture = Image(b"x")
    stopped = Interrupted(1, words, (picture,))
    session = await session_of(Prompted(user("Hi")), Began(1, 1), stopped)
    session.record(*session.recovery())
    instead = (Text(words), picture) if words else (picture,)
    assert session.messages == [user("Hi"), Message("user", instead)]


# -- a summary ---------------------------------------------------------------------------------

SUMMARY = Compacted(2, "In short.", user("In short."), Usage(3, 4), 0.5)


async def test_a_summary_stands_for_what_was_said_but_not_for_what_waits() -> None:
    before = Prompted(user("Hi")), Committed(1, CALLED, RESULTS, usage=Usage(5), cost_usd=0.25)
    session = await session_of(*before, Prompted(user("And?")), SUMMARY)
    assert session.messages == [user("In short.")]
    assert session.conversation == (user("In short."), user("And?"))
    assert (session.turns, session.usage, session.cost_usd) == (1, Usage(8, 4), 0.75)
    session.record(Committed(2, said("x"), None))
    assert session.messages == [user("In short."), user("And?"), said("x")]


async def test_what_is_untold_is_told_behind_a_summary() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, said("x"), None), Untold("a"))
    session.record(SUMMARY)
    assert session.untold == ["a"]
    session.record(session.prompt((Text("And?"),)), Untold("b"), SUMMARY)
    assert session.notes == ("b",)
    session.record(Committed(2, said("y"), None))
    assert session.untold == ["b"]


async def test_a_process_that_died_behind_a_summary_has_settled_nothing_twice() -> None:
    lost = Discarded(2, 1, "cut")
    session = await session_of(Prompted(user("Hi")), Committed(1, said("x"), None), lost, SUMMARY)
    assert session.recovery() == [Ended("died")]


# -- effects that the conversation does not show ------------------------------------------------


async def test_what_is_untold_is_told_with_the_next_words() -> None:
    session = await session_of(Untold("a was paid"), Untold("b was paid"))
    assert session.prompt((Text("Hi"),)) == Prompted(user("a was paid", "b was paid", "Hi"))


async def test_it_stays_untold_until_the_words_are_answered() -> None:
    session = await session_of(Untold("a was paid"))
    session.record(session.prompt((Text("Hi"),)))
    assert session.untold == ["a was paid"]
    session.record(Ended("failed"))
    assert session.prompt((Text("Hi"),)) == Prompted(user("a was paid", "Hi"))
    session.record(session.prompt((Text("Hi"),)))
    session.record(Committed(1, said("Thanks."), None))
    assert session.untold == []
    assert session.prompt((Text("Bye"),)) == Prompted(user("Bye"))


async def test_what_became_untold_after_the_words_is_not_told_with_them() -> None:
    session = await session_of(Untold("a was paid"))
    session.record(session.prompt((Text("And?"),)))
    session.record(Untold("b was paid"))  # of an answer that was refused
    session.record(*session.recovery())
    assert session.untold == ["b was paid"]


async def test_it_may_be_told_with_results() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, CALLED, RESULTS), Untold("x"))
    session.record(Committed(2, CALLED, RESULTS, told=True))
    assert session.untold == []


async def test_a_turn_that_tells_nothing_leaves_it_untold() -> None:
    session = await session_of(Prompted(user("Hi")), Committed(1, CALLED, RESULTS), Untold("x"))
    session.record(Committed(2, CALLED, RESULTS))
    assert session.untold == ["x"]


# -- what it cost ------------------------------------------------------------------------------


async def test_usage_and_prices_add_up_and_half_a_sum_is_none() -> None:
    used = Usage(input_tokens=10)
    lost = Discarded(1, 1, "overloaded", Usage(input_tokens=1))
    session = await session_of(lost, lost, Committed(1, said("x"), None, usage=used, cost_usd=0.25))
    session.record(Committed(2, said("y"), None))
    session.record(Committed(3, said("z"), None, usage=used, cost_usd=0.5))
    assert (session.usage, session.cost_usd) == (used + used, 0.75)
    assert session.discarded_usage == lost.usage + lost.usage
    session.record(Committed(4, said("z"), None, usage=used))
    assert session.cost_usd is None


async def test_what_came_of_an_answer_that_was_stopped_is_guessed_apart() -> None:
    session = await session_of(Committed(1, said("x"), None, usage=Usage(5, 1)))
    told = Usage(input_tokens=10, output_tokens=1)
    session.record(Committed(2, said("words " * 100), None, settled=True, usage=told))
    assert session.usage == Usage(input_tokens=15, output_tokens=2)
    assert session.guessed_tokens == 149
    whole = Usage(input_tokens=10, output_tokens=900)  # its calls were stopped, not its stream
    session.record(Committed(3, said("words"), None, settled=True, usage=whole))
    assert session.guessed_tokens == 149


# -- ids ---------------------------------------------------------------------------------------


def test_a_session_has_the_id_it_was_given_or_one_of_its_own() -> None:
    assert Session("mine").id == "mine"
    assert Session().id != Session().id
    assert Session().id


# -- every prefix of the records ---------------------------------------------------------------


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """The records of a random conversation, with attempts and runs that came to nothing."""
    messages, records, turn = draw(conversations()), list[Record](), 0
    waiting = list(enumerate(messages))
    while waiting:
        place, message = waiting.pop(0)
        if message.role == "user":
            if draw(st.booleans()):
                records += [Prompted(user("Never mind.")), Began(turn, 1), Ended("failed")]
            records.append(Prompted(message))
            continue
        turn += 1
        results = messages[place + 1] if answers(messages[place + 1 : place + 2]) else None
        records += draw(st.sampled_from([[], [Began(turn, 1), Discarded(turn, 1, "busy")]]))
        records += [Began(turn, 2), *calls(turn, message)]
        records.append(Committed(turn, message, results, settled=draw(st.booleans())))
        records += draw(st.sampled_from([[], [Untold("a was paid")], [Untold("x"), Untold("y")]]))
        if draw(st.integers(0, 5)) == 0:
            records.append(Compacted(turn, "In short.", user("In short.")))
        if results:
            waiting.pop(0)
        if waiting and waiting[0][1].role == "user" and draw(st.booleans()):
            records.append(Ended("cancelled"))
    return records


def answers(messages: list[Message]) -> bool:
    return any(isinstance(block, ToolResult) for each in messages for block in each.blocks)


def calls(turn: int, message: Message) -> list[Record]:
    begun = (block for block in message.blocks if isinstance(block, ToolCall))
    return [CallBegan(turn, each.id, each.name, each.input, "write") for each in begun]


def refused(conversation: tuple[Message, ...]) -> str:
    asked = Anthropic("m", "key").request(ModelRequest("m", conversation))
    refusal = problem(asked.headers, asked.body)
    return refusal.message if refusal else ""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(journals())
@settings(deadline=None, max_examples=60)
async def test_whenever_the_journal_ends_the_next_request_is_valid(records: list[Record]) -> None:
    for end in range(len(records) + 1):
        session = await session_of(*records[:end])
        if session.conversation and session.conversation[-1].role == "user":
            assert refused(session.conversation) == ""  # the run goes on
        session.record(Ended("cancelled"))
        session.record(session.prompt((Text("Go on."),)))
        assert refused(session.conversation) == ""  # or the next one begins


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(journals())
@settings(deadline=None, max_examples=60)
async def test_the_same_records_make_the_same_conversation(records: list[Record]) -> None:
    first, second = await session_of(*records), await session_of(*records)
    assert first.messages == second.messages
    assert first.conversation == second.conversation
    assert first.untold == second.untold
