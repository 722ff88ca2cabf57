"""midstream's own agent under every fault: it completes, or fails with the right error.

The first answer calls a tool that has an effect. Whatever happens to that answer, the effect
comes once, and what is asked next is what the provider accepts.
"""

import anyio
import genai_prices  # noqa: F401 - a run loads it beside the stream, and here every wait is short
import pytest
from msgspec.structs import replace

from midstream import Agent, Session
from midstream.events import RunEnded, RunEvent, TurnDiscarded, TurnStarted
from midstream.models.model import kept
from midstream.models.simulated import SimulatedModel
from midstream.simulator import Reply, Scenario, Simulator, call, load, say, simulator
from midstream.simulator.faults import (
    KINDS,
    AnyFault,
    Cut,
    Delay,
    Drop,
    Error,
    Flip,
    Gzip,
    Headers,
    Insert,
    Length,
    Lines,
    Move,
    Page,
    Repeat,
    Restart,
    Split,
    Stall,
    Status,
    Stop,
    Truncate,
)
from midstream.simulator.wires import MESSAGES, play
from midstream.turn.retry import Backoff

pytestmark = pytest.mark.anyio

REPLIES = [Reply([say("I pay.\u2028 Größe! "), call("pay", amount=5)]), Reply([say("Paid.")])]

SHORT_S = 0.4


class World:
    """A run of an agent that pays, against a scenario with faults."""

    def __init__(self, *faults: AnyFault, max_attempts: int = 5) -> None:
        self.faults = faults
        self.max_attempts = max_attempts
        self.paid: list[int] = []
        self.events: list[RunEvent] = []

    async def play(self) -> Simulator:
        def pay(amount: int) -> str:
            """Pay."""
            self.paid.append(amount)
            return f"paid {amount}"

        scenario = Scenario(replies=REPLIES, faults=self.faults)
        with anyio.fail_after(20):
            async with simulator(scenario) as sim:
                agent = Agent(
                    "anthropic:m", [pay], api_key="k", base_url=sim.url,
                    byte_timeout=SHORT_S, event_timeout=2 * SHORT_S,
                    backoff=Backoff(self.max_attempts, base_s=0.0),
                )  # fmt: skip
                async with agent.run("Pay 5.") as run:
                    self.events = [each async for each in run]
        return sim

    @property
    def ended(self) -> RunEnded:
        assert isinstance(self.events[-1], RunEnded)
        return self.events[-1]

    @property
    def attempts(self) -> int:
        return sum(isinstance(each, TurnStarted) for each in self.events)

    @property
    def reasons(self) -> str:
        return "; ".join(each.reason for each in self.events if isinstance(each, TurnDiscarded))


# -- harmless ----------------------------------------------------------------------------------

HARMLESS: list[AnyFault] = [
    Split(size=1), Split(size=7), Split(size=10**6), Split(byte=250),
    Lines(ends="cr"), Lines(ends="crlf"), Lines(bom=True), Lines(last_blank=False),
    Lines(ends="cr", bom=True, last_blank=False),
    Delay(SHORT_S / 4), Delay(SHORT_S / 4, event=5),
    Drop("ping"), Repeat("ping"), Move("ping", to=-1),
    Repeat(1), Repeat("message_start", to="message_delta"),  # the same message, by its id
    Repeat("content_block_stop"), Repeat("message_delta"), Repeat("message_stop"),
    Insert(": a comment\n\n", event=3),
    Insert('event: brand_new\ndata: {"type": "brand_new"}\n\n', event=3),
    Error("end"),  # what comes after the end changes nothing
    Drop("content_block_stop"),  # a text needs none
    Stop("end_turn"),  # the call is whole all the same
    Stall(event="end"),
    Cut(event="end"),
    Headers({"content-type": ""}),
    Headers({"content-type": "application/octet-stream"}),
    Length(5),
]  # fmt: skip


@pytest.mark.parametrize("fault", HARMLESS, ids=repr)
async def test_what_is_odd_and_whole_is_read_at_the_first_attempt(fault: AnyFault) -> None:
    world = World(fault)
    sim = await world.play()
    assert (world.ended.outcome, world.ended.text) == ("completed", "Paid."), world.ended.error
    assert (world.attempts, world.paid, sim.refusals) == (2, [5], []), world.reasons
    said = sim.requests[1]["messages"][1]["content"]
    assert said[0]["text"] == "I pay.\u2028 Größe! "
    assert said[1]["input"] == {"amount": 5}


# -- asked again -------------------------------------------------------------------------------

BROKEN: list[tuple[AnyFault, str]] = [
    (Cut(), "connection"),
    (Cut(reset=True), "connection"),
    (Cut(byte=0), "connection"),
    (Cut(byte=300), "connection"),
    (Cut(event=-1), "connection"),
    (Cut(event=8, reset=True), "connection"),
    (Stall(), "no byte came in time"),
    (Stall(event=1), "no byte came in time"),
    (Stall(byte=300), "no byte came in time"),
    (Stall(event=5, ping_s=0.05), "no event for 0.8 s, only signs of life"),
    (Delay(1.5 * SHORT_S), "no byte came in time"),
    (Delay(1.5 * SHORT_S, event=5), "no byte came in time"),
    (Drop(1), "BlockStarted while nothing has come"),
    (Drop("content_block_start"), "TextDelta"),
    (Drop("message_delta"), "ResponseEnded"),
    (Drop("message_stop"), "the stream ended too early"),
    (Drop(-2, count=2), "the stream ended too early"),
    (Repeat("content_block_start"), "block 0 began twice"),
    (Move("message_start", to=5), "BlockStarted while nothing has come"),
    (Move("message_stop", to=5), "ResponseEnded while"),
    (Restart(8), "a second message began inside the first"),
    (Error(), "Overloaded"),
    (Error(8), "Overloaded"),
    (Error(-1), "Overloaded"),
    (Error(8, "rate_limit_error", "Slow down."), "Slow down."),
    (Error(8, "brand_new_error", "What?"), "What?"),
    (Truncate(close=False), "the response ended inside the call pay"),
    (Truncate(keep=0, close=False), "the response ended inside the call pay"),
    (Stop(), "ResponseEnded while"),
    (Stop(missing=True), "ResponseEnded while"),
    (Flip(-3), "not an event"),
    (Insert("x", byte=-3), "not an event"),
    (Length(-5), "not an event"),
    (Gzip(), "compressed (gzip)"),
    (Gzip(broken=True), "compressed (gzip)"),
    (Headers({"content-type": "text/html"}), "text/html"),
    (Page(), "text/html"),
    (Page(200, "application/json", "{}"), "application/json"),
    (Page(502), "log in"),
    *[(Status(status), "says so") for status in (200, 408, 409, 429, 500, 502, 503, 504, 529)],
    (Status(529, retry_after=0.1), "says so"),
    (Status(529, retry_after_date=1), "says so"),
    (Status(529, retry_after_ms=50), "says so"),
    (Status(400, should_retry=True), "says so"),
]


@pytest.mark.parametrize(("fault", "why"), BROKEN, ids=[repr(row[0]) for row in BROKEN])
async def test_what_is_broken_is_discarded_and_asked_for_again(fault: AnyFault, why: str) -> None:
    world = World(fault)
    sim = await world.play()
    assert (world.ended.outcome, world.ended.text) == ("completed", "Paid."), world.ended.error
    assert why in world.reasons
    assert (world.attempts, world.paid, sim.refusals) == (3, [5], [])
    assert sim.requests[0] == sim.requests[1]


@pytest.mark.parametrize(
    ("fault", "number"),
    [
        (Cut(event=5), "req_sim_000001"),
        (Stall(event=5), "req_sim_000001"),
        (Stall(event=5, ping_s=0.05), "req_sim_000001"),
        (Error(5), "req_sim_000001"),
        (Flip(-3), "req_sim_000001"),
        (Drop("message_stop"), "req_sim_000001"),
        (Page(), "req_sim_000001"),
        (Stall(), None),  # before the head
    ],
    ids=repr,
)
async def test_what_broke_off_has_the_number_that_its_head_gave(
    fault: AnyFault, number: str | None
) -> None:
    world = World(fault, max_attempts=1)
    await world.play()
    assert world.ended.error is not None
    assert world.ended.error.request_id == number


async def test_a_cut_at_any_event_costs_an_attempt_and_no_payment() -> None:
    asked = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99, "model": "m"}
    events = play(MESSAGES, {**asked, "stream": True}, Scenario(replies=REPLIES), {}).frames
    for event in range(1, len(events) + 1):
        world = World(Cut(event=event))
        await world.play()
        assert (world.ended.outcome, world.attempts, world.paid) == ("completed", 3, [5]), event
    harmless = World(Cut(event="end"))
    await harmless.play()
    assert harmless.attempts == 2


# -- what waiting does not cure ----------------------------------------------------------------

FATAL: list[tuple[AnyFault, str, int | None]] = [
    (Status(400), "invalid_request_error", 400),
    (Status(401), "authentication_error", 401),
    (Status(402), "billing_error", 402),
    (Status(403), "permission_error", 403),
    (Status(404), "not_found_error", 404),
    (Status(413), "request_too_large", 413),
    (Status(422), "invalid_request_error", 422),
    (Status(301), "api_error", 301),
    (Status(529, should_retry=False), "overloaded_error", 529),
    (Status(429, retry_after=3600), "rate_limit_error", 429),
    (Status(429, retry_after_date=3600), "rate_limit_error", 429),
    (Page(403), "http_403", 403),
    (Error(5, "invalid_request_error", "No."), "invalid_request_error", 400),
    (Error(5, "billing_error", "Pay."), "billing_error", 402),
    (Cut(event=99), "invalid_request_error", 400),  # a mistake in the scenario
]


@pytest.mark.parametrize(("fault", "kind", "status"), FATAL, ids=[repr(row[0]) for row in FATAL])
async def test_what_waiting_does_not_cure_ends_the_run(
    fault: AnyFault, kind: str, status: int | None
) -> None:
    world = World(fault)
    await world.play()
    assert world.ended.outcome == "failed"
    assert world.ended.error
    assert (world.ended.error.type, world.ended.error.status) == (kind, status)
    assert (world.attempts, world.paid) == (1, [])


async def test_a_fault_of_every_request_ends_the_run_after_five_attempts() -> None:
    world = World(Cut(event=5, every=1))
    await world.play()
    assert world.ended.outcome == "failed"
    assert world.ended.error
    assert world.ended.error.type == "stream_interrupted"
    assert (world.attempts, world.paid) == (5, [])


# -- odd and whole, and not the same ------------------------------------------------------------


async def test_arguments_that_were_cut_and_closed_are_answered_and_never_run() -> None:
    world = World(Truncate())
    sim = await world.play()
    assert (world.ended.outcome, world.paid) == ("completed", [])
    result = sim.requests[1]["messages"][-1]["content"][0]
    assert result["is_error"]
    assert "not JSON" in result["content"]


async def test_a_limit_inside_a_call_drops_the_call() -> None:
    world = World(Truncate(close=False), Stop("max_tokens"))
    await world.play()
    assert (world.ended.outcome, world.ended.text) == ("max_tokens", "I pay.\u2028 Größe! ")
    assert world.paid == []


async def test_an_unknown_stop_reason_of_a_whole_call_does_not_keep_it_from_running() -> None:
    world = World(Stop("gone_fishing"))
    await world.play()
    assert (world.ended.outcome, world.paid) == ("completed", [5])


async def test_an_unknown_stop_reason_of_a_text_fails_the_run() -> None:
    world = World(Stop("gone_fishing", request=2))
    await world.play()
    assert world.ended.outcome == "failed"
    assert world.ended.error
    assert world.ended.error.type == "unknown_stop"
    assert "gone_fishing" in world.ended.error.message


async def test_the_rough_scenario_costs_every_prompt_three_attempts() -> None:
    rough = replace(load("rough"), ttft=0.0, tokens_per_second=0.0)
    async with simulator(rough) as sim:
        agent = Agent("anthropic:m", api_key="k", base_url=sim.url, backoff=Backoff(base_s=0.0))
        session = Session()
        for prompt in ("One?", "Two?"):
            async with agent.run(prompt, session) as run:
                events = [each async for each in run]
            assert run.text.endswith(f"You said: “{prompt}”")
            reasons = [each.reason for each in events if isinstance(each, TurnDiscarded)]
            assert len(reasons) == 3
            assert "connection failed" in reasons[1]
            assert reasons[2] == "Overloaded (status 529)"
    assert (len(sim.requests), sim.refusals) == (8, [])


def test_no_kind_of_fault_is_left_out() -> None:
    tables = (HARMLESS, [row[0] for row in BROKEN], [row[0] for row in FATAL])
    assert {type(fault) for table in tables for fault in table} == set(KINDS.values())


async def test_the_model_starts_its_simulator_for_every_run_so_that_faults_strike_again() -> None:
    replies = [Reply([say("One.")]), Reply([say("Two.")])]
    script = Scenario(replies=replies, faults=[Status(529, retry_after_ms=1)])
    agent, session = Agent(SimulatedModel(script)), Session()
    for answer in ("One.", "Two."):
        async with agent.run("Go", session) as run:
            events = [event async for event in run]
        assert run.text == answer
        assert sum(isinstance(event, TurnDiscarded) for event in events) == 1


async def test_a_model_that_is_kept_has_one_simulator_whose_requests_count_on() -> None:
    script = Scenario(replies=[Reply([say("One.")])], faults=[Status(529, retry_after_ms=1)])
    lost: list[int] = []
    async with kept(SimulatedModel(script)) as model:
        for _ in range(2):
            async with Agent(model).run("Go") as run:
                events = [event async for event in run]
            assert run.outcome == "completed"
            assert run.ended is not None
            assert run.ended.cost_usd is None
            lost.append(sum(isinstance(event, TurnDiscarded) for event in events))
    assert lost == [1, 0]
