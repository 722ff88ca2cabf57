"""What a run promises, whatever the world does: one section for each row of the table.

| event of the world                        | what happens                                       |
|-------------------------------------------|----------------------------------------------------|
| the stream breaks, stalls, is overloaded  | discarded, and asked again                         |
| the request is refused                    | the run fails, the conversation stays as it was    |
| tools had run in the discarded attempt    | adopted, never run twice; told if not asked again  |
| a limit cuts the answer inside a call     | that call is dropped, whole ones are answered      |
| the provider pauses                       | the message goes back as it is                     |
| the provider refuses to answer            | outcome `refusal`, nothing kept                    |
| a tool fails                              | the model reads why                                |
| the user cancels                          | closed, stopped, settled                           |
| the user types                            | the same, then the new words                       |
"""

import json
import socket
import time
from contextlib import suppress
from typing import Any

import anyio
import pytest

from midstream import Agent, Run, Session, ToolContext, tool
from midstream.events import (
    Interrupted,
    Retrying,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)
from midstream.journal import records
from midstream.messages import Message, Text, Thinking, ToolCall, ToolResult, Usage
from midstream.simulator.server import Exchange, serve
from midstream.tools import calls
from midstream.tools.call import STILL_RUNS
from midstream.turn.retry import Backoff
from tests.fakes import (
    Answer,
    Do,
    Provider,
    block,
    ended,
    event,
    failure,
    play,
    provider,
    reasons,
    says,
    start,
    stop,
    text,
    thinking,
    tool_use,
)

pytestmark = pytest.mark.anyio


class Till:
    """A tool with an effect, and the account of it."""

    def __init__(self, gate: anyio.Event | None = None) -> None:
        self.paid: list[int] = []
        self.began = anyio.Event()
        self._gate = gate

    async def pay(self, amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        self.began.set()
        if self._gate:
            await self._gate.wait()
        return f"paid {amount}"


def pays(call_id: str, amount: int, index: int = 0) -> bytes:
    return tool_use(index, call_id, "pay", f'{{"amount": {amount}}}')


# -- the stream breaks -------------------------------------------------------------------------

HALF = [start(), text(0, "Half an ans", close=False)]
REFUSED_FOR_NOW: list[Any] = [(status, {"error": {"type": "x", "message": "m"}}, {}) for status in
                   (408, 409, 429, 500, 502, 503, 504, 529)]  # fmt: skip
TROUBLE: list[Any] = [
    pytest.param([Do.CUT], id="cut before anything"),
    pytest.param([*HALF, Do.CUT], id="cut in the middle"),
    pytest.param([*HALF, Do.RESET], id="reset"),
    pytest.param(HALF, id="ended without its last event"),
    pytest.param([*HALF, Do.STALL], id="silent"),
    pytest.param([*HALF, Do.PING], id="alive but stuck"),
    pytest.param([failure("overloaded_error")], id="overloaded at once"),
    pytest.param([*HALF, failure("overloaded_error")], id="overloaded in the middle"),
    pytest.param([*HALF, failure("api_error")], id="an error of the provider's"),
    pytest.param([*HALF, failure("never_heard_of_error")], id="an error never heard of"),
    pytest.param([start(), start("msg_2")], id="two messages in one"),
    *[pytest.param(answer, id=f"status {answer[0]}") for answer in REFUSED_FOR_NOW],
]


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_a_broken_answer_is_discarded_and_asked_for_again(trouble: Answer) -> None:
    async with provider(trouble, says("The answer.")) as world:
        agent = world.agent(byte_timeout=0.3, event_timeout=0.4)
        run = agent.run("Well?")
        events = await play(run)

    assert ended(events).outcome == "completed"
    assert ended(events).text == "The answer."
    assert [type(e) for e in events if isinstance(e, TurnDiscarded | Retrying)] == [
        TurnDiscarded,
        Retrying,
    ]
    assert world.requests[0] == world.requests[1], "asked from the same conversation"
    assert run.session.messages[1:] == [Message("assistant", (Text("The answer."),))]


async def test_a_refused_connection_is_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    agent = Agent(
        "anthropic:m", api_key="k", base_url=f"http://127.0.0.1:{port}",
        backoff=Backoff(max_attempts=3, base_s=0.0),
    )  # fmt: skip
    events = await play(agent.run("Well?"))

    assert ended(events).outcome == "failed"
    assert [e.attempt for e in events if isinstance(e, TurnStarted)] == [1, 2, 3]
    assert all("connection" in reason for reason in reasons(events))


async def test_five_attempts_are_made_and_the_conversation_is_as_it_was() -> None:
    async with provider(*[[*HALF, Do.CUT]] * 5) as world:
        run = world.agent().run("Well?")
        events = await play(run)

    assert len(world.requests) == 5
    assert ended(events).outcome == "failed"
    error = ended(events).error
    assert error is not None
    assert error.type == "stream_interrupted"
    assert run.session.messages == []


async def test_tokens_of_discarded_attempts_are_counted_apart() -> None:
    async with provider([start(input_tokens=100), Do.CUT], says("Hi.")) as world:
        end = await world.agent().run("Hi")

    assert end.discarded_usage == Usage(input_tokens=100, output_tokens=1)
    assert end.usage == Usage(input_tokens=10, output_tokens=7)


ADVICE: list[Any] = [
    pytest.param({"retry-after-ms": "40"}, 0.04, id="milliseconds"),
    pytest.param({"retry-after": "0.03"}, 0.03, id="seconds"),
    pytest.param({"retry-after-ms": "0", "retry-after": "0.03"}, 0.03, id="a zero is no advice"),
]


@pytest.mark.parametrize(("headers", "delay"), ADVICE)
async def test_the_providers_advice_is_followed(headers: dict[str, str], delay: float) -> None:
    busy = (429, {"error": {"type": "rate_limit_error", "message": "slow down"}}, headers)
    async with provider(busy, says("Hi.")) as world:
        events = await play(world.agent().run("Hi"))

    assert [e.delay for e in events if isinstance(e, Retrying)] == [delay]
    assert world.asked_at[1] - world.asked_at[0] >= delay


HOPELESS: list[Any] = [
    pytest.param(429, "rate_limit_error", {"x-should-retry": "false"}, None, id="it says so"),
    pytest.param(429, "rate_limit_error", {"retry-after": "86400"}, None, id="not today"),
    pytest.param(402, "billing_error", {}, None, id="out of money"),
    pytest.param(429, "rate_limit_error", {}, "enforced_spend_limit_reached", id="at the limit"),
]


@pytest.mark.parametrize(("status", "kind", "headers", "code"), HOPELESS)
async def test_what_waiting_cannot_cure_is_not_asked_again(
    status: int, kind: str, headers: dict[str, str], code: str | None
) -> None:
    details = {"error_code": code} if code else None
    body = {"type": "error", "error": {"type": kind, "message": "no", "details": details}}
    async with provider((status, body, headers)) as world:
        end = await world.agent().run("Hi")

    assert end.outcome == "failed"
    assert len(world.requests) == 1


async def test_a_status_that_would_not_be_retried_is_when_the_provider_asks_for_it() -> None:
    body = {"error": {"type": "invalid_request_error", "message": "moment"}}
    async with provider((400, body, {"x-should-retry": "true"}), says("Hi.")) as world:
        end = await world.agent().run("Hi")
    assert end.outcome == "completed"


# -- the request is refused --------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_refused_request_fails_the_run_with_the_providers_words(status: int) -> None:
    body = {"type": "error", "error": {"type": "some_error", "message": "It is wrong."}}
    async with provider(says("Yes."), (status, body, {"request-id": "req_7"})) as world:
        session = Session()
        await world.agent().run("First", session)
        before = list(session.messages)
        end = await world.agent().run("Second", session)

    assert end.outcome == "failed"
    assert end.error is not None
    assert (end.error.type, end.error.message) == ("some_error", "It is wrong.")
    assert (end.error.status, end.error.request_id) == (status, "req_7")
    assert session.messages == before


# -- tools had run -----------------------------------------------------------------------------


async def test_a_finished_call_of_a_discarded_attempt_is_reused() -> None:
    till = Till()
    first = [start(), pays("a", 5), text(1, "On its"), Do.CUT]
    again = [start(), pays("b", 5), stop("tool_use")]
    async with provider(first, again, says("Done.")) as world:
        events = await play(world.agent([till.pay]).run("Pay 5"))

    assert till.paid == [5]
    assert world.results() == {"b": "paid 5"}
    finished = [e for e in events if isinstance(e, ToolFinished)]
    assert [(e.id, e.reused) for e in finished] == [("a", False), ("b", True)]
    assert finished[0].seconds == finished[1].seconds
    assert world.notes() == ""


async def test_a_call_that_still_runs_is_awaited_by_the_next_attempt() -> None:
    gate = anyio.Event()
    till = Till(gate)
    first = [start(), pays("a", 5), till.began, Do.CUT]
    again = [start(), pays("b", 5), stop("tool_use")]
    async with provider(first, again, says("Done.")) as world:
        async with world.agent([till.pay]).run("Pay 5") as run:
            async for e in run:
                if isinstance(e, TurnStarted) and e.attempt == 2:
                    gate.set()
        assert run.outcome == "completed"

    assert till.paid == [5]
    assert world.results() == {"b": "paid 5"}


async def test_two_equal_payments_in_one_turn_are_two_payments() -> None:
    till = Till()
    first = [start(), pays("a", 5), pays("b", 5, 1), till.began, Do.CUT]
    again = [start(), pays("c", 5), pays("d", 5, 1), stop("tool_use")]
    async with provider(first, again, says("Done.")) as world:
        await world.agent([till.pay]).run("Pay 5 twice")

    assert till.paid == [5, 5]
    assert world.results() == {"c": "paid 5", "d": "paid 5"}


async def test_the_spelling_of_the_arguments_makes_no_other_call() -> None:
    sent: list[tuple[str, float]] = []

    async def send(to: str, amount: float) -> None:
        sent.append((to, amount))

    first = [start(), tool_use(0, "a", "send", '{"to":"Ann","amount":5}'), text(1, "x"), Do.CUT]
    spelled = '{ "amount" : 5.0, "to" : "\\u0041nn" }'
    again = [start(), tool_use(0, "b", "send", spelled), stop("tool_use")]
    async with provider(first, again, says("Done.")) as world:
        await world.agent([send]).run("Send Ann 5")
    assert sent == [("Ann", 5)]


async def test_an_effect_that_is_not_asked_for_again_is_told_to_the_model() -> None:
    till = Till()
    first = [start(), pays("a", 5), till.began, Do.CUT]
    again = [start(), pays("b", 6), stop("tool_use")]
    async with provider(first, again, says("Done."), says("Yes.")) as world:
        agent, session = world.agent([till.pay]), Session()
        await agent.run("Pay", session)
        await agent.run("Sure?", session)

    assert till.paid == [5, 6]
    assert world.results(2) == {"b": "paid 6"}
    assert 'pay({"amount":5}): done: paid 5' in world.notes(2)
    assert world.notes(3) == "Sure?", "it is told once"


async def test_an_effect_is_told_in_the_next_run_when_this_one_has_no_more_requests() -> None:
    till = Till()
    first = [start(), pays("a", 5), till.began, Do.CUT]
    async with provider(first, says("Nothing to do."), says("I see."), says("Yes.")) as world:
        agent, session = world.agent([till.pay]), Session()
        await agent.run("Pay", session)
        await agent.run("And?", session)
        await agent.run("Sure?", session)

    assert "paid 5" in world.notes(2)
    assert "And?" in world.notes(2)
    assert world.notes(3) == "Sure?", "it is told once"


async def test_an_effect_of_a_run_that_failed_is_told_in_the_next_one() -> None:
    till = Till()
    first = [start(), pays("a", 5), till.began, failure("invalid_request_error", "no")]
    async with provider(first, says("I see.")) as world:
        agent, session = world.agent([till.pay]), Session()
        assert (await agent.run("Pay", session)).outcome == "failed"
        assert session.messages == []
        await agent.run("And?", session)
    assert "paid 5" in world.notes()


async def test_a_read_may_run_again_without_a_word() -> None:
    @tool(effects="read")
    async def look(at: str) -> str:
        return f"seen {at}"

    first = [start(), tool_use(0, "a", "look", '{"at": "x"}'), text(1, "So"), Do.CUT]
    again = [start(), tool_use(0, "b", "look", '{"at": "y"}'), stop("tool_use")]
    async with provider(first, again, says("Done.")) as world:
        await world.agent([look]).run("Look")
    assert world.results() == {"b": "seen y"}
    assert world.notes() == ""


EDITED_FIRST: list[Any] = [
    pytest.param(["read", "edit"], ["edit", "read"], "new", id="the other way round"),
    pytest.param(["read"], ["edit", "read"], "new", id="it was not asked for before"),
    pytest.param(["read", "edit"], ["read", "edit"], "old", id="in the same order"),
]


@pytest.mark.parametrize(("lost", "then", "seen"), EDITED_FIRST)
async def test_a_read_behind_an_edit_is_none_from_before_it(
    lost: list[str], then: list[str], seen: str
) -> None:
    words, done = ["old"], anyio.Event()

    @tool(effects="read", serial="file")
    async def read() -> str:
        if "edit" not in lost:
            done.set()
        return words[-1]

    @tool(serial="file")
    async def edit() -> str:
        words.append("new")
        done.set()
        return "edited"

    first = [tool_use(at, f"a_{name}", name, "{}") for at, name in enumerate(lost)]
    again = [tool_use(at, f"b_{name}", name, "{}") for at, name in enumerate(then)]
    async with provider(
        [start(), *first, done, Do.CUT], [start(), *again, stop("tool_use")], says("Done.")
    ) as world:
        await world.agent([read, edit]).run("Edit")
    assert words == ["old", "new"]
    assert world.results() == {"b_edit": "edited", "b_read": seen}


# -- a limit cuts the answer -------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["max_tokens", "model_context_window_exceeded"])
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("cut", ["", '{"amount": 1', '{"amount": 1, "to": "Ann'])
async def test_the_call_that_a_limit_cut_is_dropped_and_the_whole_one_is_answered(
    limit: str, closed: bool, cut: str
) -> None:
    till = Till()
    answer = [start(), pays("a", 5), tool_use(1, "b", "pay", cut, close=closed), stop(limit)]
    async with provider(answer, says("Done.")) as world:
        end = await world.agent([till.pay]).run("Pay")

    assert till.paid == [5]
    assert world.results() == {"a": "paid 5"}
    assert end.outcome == "completed"


async def test_without_a_whole_call_the_run_ends_at_the_limit_and_keeps_the_text() -> None:
    till = Till()
    answer = [start(), text(0, "I will"), tool_use(1, "b", "pay", '{"am', close=False)]
    async with provider([*answer, stop("max_tokens")]) as world:
        run = world.agent([till.pay]).run("Pay")
        await play(run)

    assert (run.outcome, run.text, till.paid) == ("max_tokens", "I will", [])
    assert run.session.messages[-1] == Message("assistant", (Text("I will"),))


# -- the provider pauses or refuses ------------------------------------------------------------


def search(index: int) -> bytes:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    query = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
    begun = event("content_block_start", index=index, content_block=use)
    begun += event("content_block_delta", index=index, delta=query)
    return begun + event("content_block_stop", index=index)


async def test_a_paused_message_goes_back_as_it_is() -> None:
    paused = [start(), text(0, "Searching."), search(1), stop("pause_turn")]
    async with provider(paused, says("Found.")) as world:
        end = await world.agent().run("Search")

    assert end.outcome == "completed"
    assert world.said()[-1] == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Searching."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
             "input": {"query": "x"}},
        ],
    }  # fmt: skip


async def test_a_provider_that_only_pauses_is_not_asked_for_ever() -> None:
    paused = [start(), text(0, "Searching."), search(1), stop("pause_turn")]
    async with provider(*[paused] * 11) as world:
        end = await world.agent().run("Search")
    assert end.outcome == "max_turns"
    assert len(world.requests) == 11


async def test_a_refusal_ends_the_run_and_leaves_nothing_in_the_conversation() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "I won't."}
    answer = [start(), text(0, "To make"), stop("refusal", stop_details=details)]
    async with provider(answer) as world:
        run = world.agent().run("Make it")
        events = await play(run)

    end = ended(events)
    assert (end.outcome, end.text) == ("refusal", "")
    assert end.error is not None
    assert end.error.message == "bio: I won't."
    assert run.session.messages == []
    turn = next(e for e in events if isinstance(e, TurnEnded))
    assert (turn.stop_reason, turn.message.blocks) == ("refusal", ())


async def test_an_effect_of_a_refused_answer_is_told_in_the_next_run() -> None:
    till = Till()
    async with provider(
        [start(), pays("a", 5), till.began, stop("refusal")], says("I see.")
    ) as world:
        agent, session = world.agent([till.pay]), Session()
        assert (await agent.run("Pay", session)).outcome == "refusal"
        await agent.run("And?", session)
    assert "paid 5" in world.notes()


async def test_a_call_that_a_refusal_left_open_does_not_run() -> None:
    till = Till()
    answer = [start(), tool_use(0, "a", "pay", close=True), stop("refusal")]
    async with provider(answer) as world:
        end = await world.agent([till.pay]).run("Pay")
    assert (end.outcome, till.paid) == ("refusal", [])


async def test_a_stop_reason_never_heard_of_is_not_taken_for_success() -> None:
    async with provider([start(), text(0, "Hm"), stop("on_strike")]) as world:
        end = await world.agent().run("Work")
    assert (end.outcome, end.text) == ("failed", "Hm")
    assert end.error is not None
    assert "on_strike" in end.error.message


async def test_a_call_that_nobody_understands_is_not_taken_for_success() -> None:
    answer = [start(), block(0, {"type": "tool_use_2", "id": "a"}), stop("tool_use")]
    async with provider(answer) as world:
        end = await world.agent().run("Work")
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.type == "unknown_call"


async def test_a_block_whose_type_was_damaged_is_asked_for_again() -> None:
    damaged = [start(), text(0, "Hm").replace(b'"text", "text"', b'"te\xfft", "text"')]
    async with provider([*damaged, stop("end_turn")], says("Well.")) as world:
        events = await play(world.agent().run("Work"))
    assert ended(events).text == "Well."
    assert "no type" in reasons(events)[0]


# -- a tool fails ------------------------------------------------------------------------------


async def test_whatever_a_tool_does_the_model_reads_it_and_the_run_goes_on() -> None:
    async def raises() -> str:
        raise OSError("disk on fire")

    @tool(timeout=0.05)
    async def hangs() -> None:
        await anyio.sleep_forever()

    async def returns_a_set_of_objects() -> object:
        return {object()}

    @tool(max_output=100)
    async def says_too_much() -> str:
        return "x" * 1000

    async def exits() -> None:
        raise SystemExit(3)

    async def interrupts() -> None:
        raise KeyboardInterrupt

    def closes() -> None:
        raise GeneratorExit

    tools: list[Any] = [raises, hangs, returns_a_set_of_objects, says_too_much, exits]
    tools += [interrupts, closes]
    names = [each.__name__ for each in tools]
    calls = [tool_use(i, f"c{i}", name) for i, name in enumerate(names)]
    async with provider([start(), *calls, stop("tool_use")], says("Oh dear.")) as world:
        end = await world.agent(tools).run("Try")
        results = world.results()

    assert end.outcome == "completed"
    assert results["c0"] == "OSError: disk on fire"
    assert "longer than its 0.05 s" in results["c1"]
    assert "object" in results["c2"]
    assert len(results["c3"]) < 200
    assert "1,000" in results["c3"]
    assert results["c4"] == "SystemExit: 3"
    errors = [b.get("is_error", False) for b in world.said()[-1]["content"]]
    assert errors == [True, True, True, False, True, True, True]


# -- the user cancels --------------------------------------------------------------------------


async def test_cancelling_closes_the_connection_and_keeps_what_was_shown() -> None:
    answer = [start(), thinking(0, "Hm."), text(1, "So far", close=False), Do.STALL]
    async with provider(answer, says("Going on.")) as world:
        agent = world.agent()
        async with agent.run("Tell") as run:
            async for e in run:
                if isinstance(e, TextDelta):
                    run.cancel()
        await world.left.wait()
        end = await agent.run("Go on", run.session)

    assert run.outcome == "cancelled"
    assert run.text == "So far"
    kept = run.session.messages[1].blocks
    assert [type(b) for b in kept] == [Thinking, Text]
    assert end.outcome == "completed"


async def test_a_cancelled_call_is_answered_with_what_is_true_of_it() -> None:
    till, done = Till(anyio.Event()), anyio.Event()

    @tool(serial="till")
    async def quick() -> str:
        done.set()
        return "quick one"

    @tool(serial="till")
    async def slow() -> None:
        await anyio.sleep_forever()

    @tool(serial="till")
    async def queued() -> None:
        raise AssertionError("it never started")

    calls = [tool_use(0, "a", "quick"), pays("b", 5, 1), tool_use(2, "c", "slow")]
    calls += [
        tool_use(3, "d", "queued"),
        text(4, "x"),
        tool_use(5, "e", "pay", '{"am', close=False),
    ]
    async with provider([start(), *calls, done, till.began, Do.STALL], says("Ok.")) as world:
        agent = world.agent([quick, slow, queued, till.pay])
        async with agent.run("Go") as run:
            async for e in run:
                if isinstance(e, ToolStarted) and e.name == "slow":
                    run.cancel()
        await agent.run("Go on", run.session)
        results = world.results()

    assert results["a"] == "quick one"
    assert results["b"].startswith("Stopped while it was running: cancelled by the user.")
    assert results["c"].startswith("Stopped while it was running")
    assert results["d"] == "Not started: cancelled by the user."
    assert "e" not in results


async def test_thinking_without_its_signature_is_not_kept() -> None:
    answer = [start(), text(0, "Well"), thinking(1, "Hm", signed=False), Do.STALL]
    async with provider(answer, says("Ok.")) as world:
        agent = world.agent()
        async with agent.run("Think") as run:
            async for e in run:
                if e.__class__.__name__ == "ThinkingDelta":
                    run.cancel()
        assert run.session.messages[1] == Message("assistant", (Text("Well"),))
        await agent.run("Go on", run.session)


async def test_no_call_starts_after_the_cancel() -> None:
    till, gate = Till(), anyio.Event()
    answer = [start(), text(0, "Wait"), gate, pays("a", 5, 1), stop("tool_use")]
    async with provider(answer) as world, world.agent([till.pay]).run("Pay") as run:
        async for e in run:
            if isinstance(e, TextDelta):
                run.cancel()
                gate.set()
    assert till.paid == []


async def test_leaving_the_run_early_is_a_cancel() -> None:
    till = Till(anyio.Event())
    async with provider([start(), pays("a", 5), Do.STALL]) as world:
        async with world.agent([till.pay]).run("Pay") as run:
            await till.began.wait()
        await world.left.wait()
    assert run.outcome == "cancelled"
    assert run.session.messages[1:] == [
        Message("assistant", (ToolCall("a", "pay", {"amount": 5}),)),
        Message("user", (ToolResult("a", STOPPED, is_error=True),)),
    ]


STOPPED = "Stopped while it was running: cancelled by the user. What it did until then is unknown."


async def test_a_run_whose_reader_is_cancelled_is_settled_all_the_same() -> None:
    till = Till(anyio.Event())
    async with provider([start(), pays("a", 5), Do.STALL]) as world:
        run = world.agent([till.pay]).run("Pay")
        with anyio.CancelScope() as scope:
            async with run:
                async for e in run:
                    if isinstance(e, ToolStarted):
                        scope.cancel()
    assert run.outcome == "cancelled"
    assert len(run.session.messages) == 3


async def test_cancelling_while_waiting_to_ask_again_ends_the_run_at_once() -> None:
    patient = Backoff(base_s=600.0)
    async with provider([start(), Do.CUT]) as world:
        async with world.agent(backoff=patient).run("Hi") as run:
            async for e in run:
                if isinstance(e, Retrying):
                    run.cancel()
    assert run.outcome == "cancelled"


async def test_a_plain_function_that_cannot_be_stopped_is_left_behind() -> None:
    import threading

    release = threading.Event()
    try:
        async with provider([start(), tool_use(0, "a", "block"), text(1, "x"), Do.STALL]) as world:

            def block() -> str:
                release.wait(10)
                return "too late"

            began = time.monotonic()
            async with world.agent([block]).run("Block") as run:
                async for e in run:
                    if isinstance(e, ToolStarted):
                        run.cancel()
            assert time.monotonic() - began < 5
            result = run.session.messages[2].blocks[0]
            assert isinstance(result, ToolResult)
            assert result.output == STOPPED.replace(
                "What it did until then is unknown.", STILL_RUNS
            )
    finally:
        release.set()


# -- the user types ----------------------------------------------------------------------------


async def test_new_words_stop_the_turn_and_are_answered_at_once() -> None:
    till = Till(anyio.Event())
    answer = [start(), text(0, "First I"), pays("a", 5, 1), till.began, Do.STALL]
    async with provider(answer, says("In French, then.")) as world:
        async with world.agent([till.pay]).run("Tell") as run:
            events = []
            async for e in run:
                events.append(e)
                if isinstance(e, ToolStarted):
                    run.interrupt("In French!")

    assert (run.outcome, run.text) == ("completed", "In French, then.")
    assert [e.text for e in events if isinstance(e, Interrupted)] == ["In French!"]
    last = world.said()[-1]["content"]
    assert [b["type"] for b in last] == ["tool_result", "text"]
    assert "interrupted by the user" in last[0]["content"]
    assert last[1]["text"] == "In French!"
    assert ended(events).usage.output_tokens == 8, "the interrupted turn is paid for too"


async def test_new_words_before_anything_was_shown_follow_the_old_ones() -> None:
    async with provider([Do.STALL], says("Ok.")) as world, world.agent().run("Tell") as run:
        await world.asked.wait()
        run.interrupt("Never mind")
        await run
    assert world.notes() == "Tell\nNever mind"
    assert run.outcome == "completed"


async def test_words_typed_while_waiting_to_ask_again_go_at_once() -> None:
    async with provider([start(), Do.CUT], says("Ok.")) as world:
        async with world.agent(backoff=Backoff(base_s=600.0)).run("Tell") as run:
            async for e in run:
                if isinstance(e, Retrying):
                    run.interrupt("Now!")
    assert run.outcome == "completed"
    assert world.notes() == "Tell\nNow!"


async def test_new_words_give_as_many_turns_again() -> None:
    till = Till(anyio.Event())
    async with provider([start(), pays("a", 5), Do.STALL], says("Ok.")) as world:
        async with world.agent([till.pay], max_turns=1).run("Pay") as run:
            await till.began.wait()
            run.interrupt("Don't")
            await run
    assert (run.outcome, run.text) == ("completed", "Ok.")


async def test_a_run_that_has_ended_takes_no_more_words() -> None:
    async with provider(says("Done.")) as world:
        run = world.agent().run("Go")
        await play(run)
        with pytest.raises(RuntimeError, match="has ended"):
            run.interrupt("More")


# -- where two of these meet -------------------------------------------------------------------


async def test_a_cancel_before_the_first_step_asks_nobody() -> None:
    async with provider() as world:
        async with world.agent().run("Hi") as run:
            run.cancel()
            events = [e async for e in run]
    assert run.outcome == "cancelled"
    assert [e.type for e in events] == ["run_started", "interrupted", "run_ended"]


async def test_a_cancel_outweighs_new_words() -> None:
    async with provider([Do.STALL]) as world:
        async with world.agent().run("Hi") as run:
            await world.asked.wait()
            run.interrupt("And?")
            run.cancel()
            events = [e async for e in run]
    assert run.outcome == "cancelled"
    assert len(world.requests) == 1
    assert [e.text for e in events if isinstance(e, Interrupted)] == [None]


async def test_words_typed_twice_at_once_go_together() -> None:
    async with provider([Do.STALL], says("Ok.")) as world:
        async with world.agent().run("Hi") as run:
            await world.asked.wait()
            run.interrupt("In French!")
            run.interrupt("And short.")
            await run
    assert world.notes() == "Hi\nIn French!\n\nAnd short."


async def test_a_cancelled_run_tells_so_and_what_it_cost() -> None:
    async with provider([start(), text(0, "Hi", close=False), Do.STALL]) as world:
        events = []
        async with world.agent().run("Hi") as run:
            async for e in run:
                events.append(e)
                if isinstance(e, TextDelta):
                    run.cancel()
    end = ended(events)
    assert [e.text for e in events if isinstance(e, Interrupted)] == [None]
    assert end.usage == Usage(input_tokens=10, output_tokens=1)
    assert end.ttft is not None
    assert end.cost_usd is None, "the stream was left before it said what it cost"


async def test_an_effect_of_a_lost_answer_is_told_with_the_words_that_stop_the_next() -> None:
    till = Till()
    lost = [start(), pays("a", 5), till.began, Do.CUT]
    async with provider(
        lost, [start(), text(0, "Hm", close=False), Do.STALL], says("Ok.")
    ) as world:
        async with world.agent([till.pay]).run("Pay") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text == "Hm":
                    run.interrupt("Stop")
    assert "paid 5" in world.notes()
    assert world.notes().endswith("Stop")


async def test_a_note_waits_while_the_provider_has_calls_of_its_own_and_is_then_told_once() -> None:
    till = Till()

    async def look() -> str:
        return "seen"

    def calls_look(call_id: str, **extra: Any) -> bytes:
        return block(0, {"type": "tool_use", "id": call_id, "name": "look", "input": {}, **extra})

    caller = {"type": "code_execution_20250825", "tool_id": "srvtoolu_9"}
    lost = [start(), pays("a", 5), till.began, Do.CUT]
    answers = [[start(), calls_look("b", caller=caller), stop("tool_use")]]
    answers += [[start(), calls_look(call_id), stop("tool_use")] for call_id in "cd"]
    async with provider(lost, *answers, says("Ok.")) as world:
        await world.agent([till.pay, look]).run("Pay")
        told = ["paid 5" in world.notes(request) for request in range(5)]
    assert told == [False, False, False, True, False]


async def test_what_a_prompt_tells_is_not_told_again_with_the_results() -> None:
    till = Till()

    async def look() -> str:
        return "seen"

    lost = [start(), pays("a", 5), till.began, failure("invalid_request_error", "no")]
    again = [start(), tool_use(0, "b", "look"), stop("tool_use")]
    async with provider(lost, again, says("Ok.")) as world:
        agent, session = world.agent([till.pay, look]), Session()
        await agent.run("Pay", session)
        await agent.run("Look", session)
        assert "Pay" not in str(world.said(1)[0]["content"][-1]), "what failed is withdrawn"
        assert "paid 5" in world.notes(1)
        assert "paid 5" not in world.notes(2)


async def test_a_read_that_nobody_asks_for_again_is_not_waited_for() -> None:
    began, stopped = anyio.Event(), anyio.Event()

    @tool(effects="read")
    async def watch() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    lost = [start(), tool_use(0, "a", "watch"), text(1, "x"), began, Do.CUT]
    async with provider(lost, says("Never mind.")) as world:
        events = await play(world.agent([watch]).run("Watch"))
    assert stopped.is_set()
    assert ended(events).text == "Never mind."


async def test_pauses_are_counted_in_a_row() -> None:
    async def look() -> str:
        return "seen"

    paused = [start(), text(0, "…"), search(1), stop("pause_turn")]
    call = [start(), tool_use(0, "a", "look"), stop("tool_use")]
    async with provider(*[paused] * 6, call, *[paused] * 6, says("Done.")) as world:
        end = await world.agent([look]).run("Search")
        world.refusals.clear()  # six parts of one search, under one id
    assert end.outcome == "completed"


async def test_half_a_sum_of_prices_is_no_sum() -> None:
    async def look() -> str:
        return "seen"

    unknown = start().replace(b"claude-sonnet-4-6", b"my-own-model")
    first = [unknown, tool_use(0, "a", "look"), stop("tool_use")]
    async with provider(first, says("Done.")) as world:
        events = await play(world.agent([look]).run("Look"))
    costs = [e.cost_usd for e in events if isinstance(e, TurnEnded)]
    assert costs[0] is None
    assert costs[1] is not None
    assert ended(events).cost_usd is None


HAND_OVER = block(1, {"type": "fallback", "from": {}, "to": {"model": "other"}})
WITHDRAWN: list[Any] = [
    pytest.param([[stop("refusal")]], id="refusal"),
    pytest.param([[HAND_OVER, stop("end_turn")]], id="hand-over"),
    pytest.param(
        [[HAND_OVER, tool_use(2, "b", "look", "{}"), stop("tool_use")], says("Done.")],
        id="hand-over to one that calls",
    ),
]


@pytest.mark.parametrize("answers", WITHDRAWN)
async def test_a_call_that_has_not_started_never_does_once_its_answer_is_withdrawn(
    answers: list[list[Any]],
) -> None:
    posted: list[str] = []
    post = tool(lambda: posted.append("posted"), name="post", hold=True)
    look = tool(lambda: "seen", name="look", effects="read")
    withdrawn, *others = answers
    begun = [start(), tool_use(0, "a", "post", "{}"), *withdrawn]
    async with provider(begun, *others, says("Ok.")) as world:
        agent, session = world.agent([post, look]), Session()
        await agent.run("Post", session)
        await agent.run("And?", session)
    assert posted == []
    assert world.notes() == "And?", "what never began is not told of as an effect"


async def test_an_approval_after_the_cancel_starts_nothing() -> None:
    till = Till()
    pay = tool(till.pay, approval=True)
    async with provider([start(), pays("a", 5), Do.STALL]) as world:
        async with world.agent([pay]).run("Pay") as run:
            async for e in run:
                if e.type == "approval_requested":
                    run.cancel()
                    with pytest.raises(KeyError):
                        run.approve("a", allowed=True)
    assert till.paid == []


@pytest.mark.parametrize("at", ["tool_call_ready", "tool_started", "tool_finished"])
async def test_no_effect_begins_once_cancel_has_returned(at: str) -> None:
    log: list[int] = []

    @tool(serial="s")
    async def step(n: int) -> None:
        log.append(n)
        await anyio.lowlevel.checkpoint()

    before: list[int] = []
    calls = [tool_use(n, f"c{n}", "step", f'{{"n": {n}}}') for n in range(4)]
    async with provider([start(), *calls, Do.STALL]) as world:
        async with world.agent([step]).run("Go") as run:
            async for e in run:
                if e.type == at and run.ended is None:
                    run.cancel()
                    before = list(log)
                    break
            await run
    assert log == before


@pytest.mark.parametrize("effects", ["read", "idempotent", "write"])
async def test_an_old_result_is_adopted_only_of_what_must_not_run_twice(
    effects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "READ_KEEPS_S", -1.0)  # every result is an old one
    runs: list[str] = []

    @tool(effects=effects)
    async def act() -> None:
        runs.append("run")
        raise OSError("it failed")

    lost = [start(), tool_use(0, "a", "act", "{}"), text(1, "x"), Do.CUT]
    again = [start(), tool_use(0, "b", "act", "{}"), stop("tool_use")]
    async with provider(lost, again, says("Ok.")) as world:
        await world.agent([act]).run("Act")
        result = world.said()[-1]["content"][0]
    assert len(runs) == (2 if effects == "read" else 1)
    assert result["is_error"] is True


async def test_a_new_prompt_after_a_failed_one_has_idempotency_keys_of_its_own() -> None:
    keys: list[str] = []

    @tool(effects="idempotent")
    async def charge(ctx: ToolContext) -> None:
        keys.append(ctx.idempotency_key)

    call = [start(), tool_use(0, "a", "charge", "{}"), text(1, "x")]
    async with provider([*call, failure("invalid_request_error")], [*call, stop("tool_use")],
                        says("Ok.")) as world:  # fmt: skip
        agent, session = world.agent([charge]), Session()
        await agent.run("Charge", session)
        await agent.run("Charge again", session)
    assert len(set(keys)) == 2


async def test_words_that_come_too_late_are_refused_not_lost() -> None:
    async with provider(says("Done.")) as world:
        async with world.agent().run("Go") as run:
            async for e in run:
                if e.type == "turn_ended":
                    with pytest.raises(RuntimeError, match="has ended"):
                        run.interrupt("More")


async def test_counts_that_cannot_be_do_not_lose_the_turn() -> None:
    async with provider([start(input_tokens=-5), text(0, "Hi"), stop("end_turn")]) as world:
        end = await world.agent().run("Hi")
    assert (end.outcome, end.usage.input_tokens) == ("completed", 0)


async def test_a_key_that_a_proxy_quotes_is_not_told_on() -> None:
    body = {"error": {"type": "authentication_error", "message": "bad key sk-very-secret"}}
    async with provider((401, body, {})) as world:
        agent = Agent("anthropic:m", api_key="sk-very-secret", base_url=world.url)
        events = await play(agent.run("Hi"))
    assert "sk-very-secret" not in str(events)
    assert "[redacted]" in str(events)


class Slow(Session):
    """A session that takes its time to write, and is told what to do at each record."""

    def __init__(self, at: type, do: Any) -> None:
        super().__init__()
        self._at, self._do = at, do
        self._due = False

    def record(self, *added: records.Record) -> None:
        self._due = self._due or any(isinstance(each, self._at) for each in added)
        super().record(*added)

    async def saved(self) -> bool:
        await anyio.lowlevel.checkpoint()
        if self._due:
            self._due = False
            self._do()
        await anyio.lowlevel.checkpoint()
        return True


async def test_a_turn_is_committed_whole_even_if_the_cancel_comes_meanwhile() -> None:
    till = Till()
    async with provider([start(), pays("a", 5), stop("tool_use")]) as world:
        run: Any = None
        session = Slow(records.Committed, lambda: run.cancel())
        run = world.agent([till.pay]).run("Pay", session)
        await play(run)
    assert run.outcome == "cancelled"
    assert [m.role for m in session.messages] == ["user", "assistant", "user"]
    assert session.messages[2].blocks == (ToolResult("a", "paid 5"),)


async def test_a_call_that_is_cancelled_while_it_is_written_down_does_not_start() -> None:
    till = Till()
    async with provider([start(), pays("a", 5), Do.STALL]) as world:
        run: Any = None
        session = Slow(records.CallBegan, lambda: run.cancel())
        run = world.agent([till.pay]).run("Pay", session)
        await play(run)
    assert till.paid == []
    result = session.messages[2].blocks[0]
    assert isinstance(result, ToolResult)
    assert result.output == "Not started: cancelled by the user."


@pytest.mark.parametrize("how", ["cancel", "interrupt", "outside"])
async def test_wherever_a_run_is_stopped_it_settles(how: str) -> None:
    """Stopped at every second step of a run that loses an answer and has calls of every kind."""
    for steps in range(0, 120, 2):
        await stopped_after(steps, how)


async def stopped_after(steps: int, how: str) -> None:
    log: list[int] = []

    @tool
    async def pay(amount: int) -> str:
        log.append(amount)
        await anyio.lowlevel.checkpoint()
        return "paid"

    @tool(serial="s", effects="read")
    def look(n: int) -> str:
        return "seen"

    @tool(hold=True)
    async def post() -> str:
        log.append(0)
        return "posted"

    def calls(attempt: str) -> list[bytes]:
        looks = [tool_use(i, f"{attempt}{i}", "look", f'{{"n": {i}}}') for i in (2, 3)]
        return [start(), thinking(0, "Hm."), pays(f"{attempt}1", 5, 1), *looks,
                tool_use(4, f"{attempt}4", "post")]  # fmt: skip

    made = Agreeable([[*calls("a"), Do.CUT], [*calls("b"), stop("tool_use")], says("Done.")])
    with anyio.fail_after(20):
        async with serve(made.handle) as made.url:
            agent = made.agent([pay, look, post], thinking=1024)
            run = agent.run("Go", Slow(records.Ended, lambda: None))
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks, run:
                    tasks.start_soon(stop_it, steps, how, run, scope)
                    events = run.events()
                    await run
            seen = [e async for e in events]
            before = list(log)
            end = await agent.run("And now?", run.session)
    assert seen[-1].type == "run_ended", steps
    assert made.refusals == [], steps
    assert end.outcome == "completed", steps
    assert log == before, f"{steps}: an effect after the end"
    assert log.count(5) <= 1, steps


async def stop_it(steps: int, how: str, run: Run, scope: anyio.CancelScope) -> None:
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    if how == "outside":
        scope.cancel()
    elif how == "cancel":
        run.cancel()
    else:
        with suppress(RuntimeError):  # the run is over, and says so
            run.interrupt("Stop")


class Agreeable(Provider):
    """A provider that answers new words with words."""

    async def handle(self, exchange: Exchange) -> None:
        last = json.loads(exchange.request.body)["messages"][-1]["content"][-1]
        if last.get("text") in ("Stop", "And now?"):
            self._answers = iter([says("Very well.")])
        await super().handle(exchange)
