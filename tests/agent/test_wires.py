"""What is promised holds on each of the three wires."""

from typing import Any, Literal

import pytest

from midstream import Agent, RunEvent, tool
from midstream.events import (
    ThinkingDelta,
    ToolCallReady,
    ToolInputDelta,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
)
from midstream.simulator import Reply, Scenario, call, say, simulator, think
from midstream.simulator.faults import AnyFault, Cut, Error, Stall, Status, Truncate
from tests.fakes import AT_ONCE, ended, play

Wire = Literal["anthropic", "openai", "openai-chat"]
WIRES: tuple[Wire, ...] = ("anthropic", "openai", "openai-chat")
LONG = "A longer note, of which the words are still coming. " * 4
TURN = [
    Reply([
        think("Pay first."), say("Paying. "), call("pay", to="Ada", amount=5),
        call("pay", to="Ada", amount=5), call("look", at=LONG), say("Meanwhile, words."),
    ]),
    Reply([say("Paid twice.")]),
]  # fmt: skip
EVENTS = 60  # more than any of the wires needs for the first answer


class Till:
    def __init__(self) -> None:
        self.paid: list[int] = []

    def tools(self) -> list[Any]:
        @tool
        async def pay(to: str, amount: int) -> str:
            """Pay."""
            self.paid.append(amount)
            return f"paid {to}"

        @tool(effects="read")
        async def look(at: str) -> str:
            """Look."""
            return "seen"

        return [pay, look]


def agent(wire: Wire, url: str, till: Till, **settings: Any) -> Agent:
    base_url = url if wire == "anthropic" else f"{url}/v1"
    model, given = f"{wire}:m", {"thinking": 1024, "backoff": AT_ONCE, **settings}
    return Agent(model, till.tools(), api_key="sk-a-test", base_url=base_url, **given)


async def run(wire: Wire, *faults: AnyFault, **settings: Any) -> tuple[list[RunEvent], Till]:
    till = Till()
    async with simulator(Scenario(replies=TURN, faults=faults)) as sim:
        events = await play(agent(wire, sim.url, till, **settings).run("Pay twice"))
        if not faults:
            assert sim.refusals == []
    return events, till


@pytest.mark.parametrize("wire", WIRES)
async def test_thinking_is_shown_and_each_call_starts_before_the_next_is_whole(wire: Wire) -> None:
    events, till = await run(wire)
    assert (ended(events).outcome, ended(events).text, till.paid) == (
        "completed",
        "Paid twice.",
        [5, 5],
    )
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "Pay first."
    kinds = [type(e) for e in events]
    assert kinds.index(ToolStarted) < len(kinds) - kinds[::-1].index(ToolInputDelta) - 1
    assert kinds.count(ToolCallReady) == 3
    turn = next(e for e in events if isinstance(e, TurnEnded))
    assert (turn.stop_reason, turn.usage.output_tokens > 20) == ("tool_use", True)


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_cut_at_any_event_has_its_effects_once(wire: Wire) -> None:
    cuts = 0
    for event in range(1, EVENTS):
        events, till = await run(wire, Cut(event=event))
        if ended(events).outcome == "failed":  # the answer has no more events
            break
        assert (ended(events).outcome, till.paid) == ("completed", [5, 5]), event
        cuts += any(isinstance(e, TurnDiscarded) for e in events)
    assert cuts > 15


TROUBLE: list[Any] = [
    pytest.param(Cut(), id="no answer"),
    pytest.param(Cut(event=9, reset=True), id="a reset"),
    pytest.param(Error(event=1), id="an error first"),
    pytest.param(Error(event=12), id="an error in the middle"),
    pytest.param(Error(event=-1), id="an error at the end"),
    pytest.param(Status(429, retry_after_ms=1), id="too many"),
    pytest.param(Status(503), id="unavailable"),
    pytest.param(Status(529), id="overloaded"),
    pytest.param(Stall(event=12), id="silence"),
    pytest.param(Stall(event=12, ping_s=0.05), id="signs of life alone"),
]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", TROUBLE)
async def test_whatever_goes_wrong_once_is_made_good(wire: Wire, fault: AnyFault) -> None:
    events, till = await run(wire, fault, byte_timeout=0.5, event_timeout=0.5)
    assert (ended(events).outcome, till.paid) == ("completed", [5, 5])


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("close", [True, False])
async def test_arguments_that_are_cut_never_run(wire: Wire, close: bool) -> None:
    events, till = await run(wire, Truncate(call=2, close=close), max_attempts=2)
    assert till.paid in ([5], [5, 5])
    ready = [e.input for e in events if isinstance(e, ToolCallReady) and e.name == "pay"]
    assert all(each == {"to": "Ada", "amount": 5} for each in ready)


FINAL: list[Any] = [
    (400, "failed"),
    (401, "failed"),
    (403, "failed"),
    (404, "failed"),
    (413, "failed"),
]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("status", "outcome"), FINAL)
async def test_what_is_refused_is_not_asked_again(wire: Wire, status: int, outcome: str) -> None:
    events, till = await run(wire, Status(status, message="No."))
    end = ended(events)
    assert (end.outcome, till.paid) == ("failed", [])
    assert end.error is not None
    assert (end.error.status, end.error.message) == (status, "No.")
    assert end.error.request_id


@pytest.mark.parametrize("wire", WIRES)
async def test_a_limit_of_tokens_ends_the_run_with_what_was_said(wire: Wire) -> None:
    till, words = Till(), "word " * 40
    async with simulator([Reply([say(words)])]) as sim:
        end = await agent(wire, sim.url, till, max_tokens=20, thinking=None).run("Talk")
    assert end.outcome == "max_tokens"
    assert words.startswith(end.text)
    assert end.text


@pytest.mark.parametrize("wire", WIRES)
async def test_a_refusal_is_no_answer(wire: Wire) -> None:
    till = Till()
    async with simulator([Reply([say("I cannot.")], stop="refusal")]) as sim:
        one = agent(wire, sim.url, till)
        run_ = one.run("Do harm")
        assert (await run_).outcome == "refusal"
        assert run_.session.messages == []
