"""A conversation moves from provider to provider, and each accepts what the others left in it."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import anyio
import pytest

from midstream import Agent, Image, Session, tool
from midstream.messages import Message, Text, ToolCall, ToolResult
from midstream.models.endpoints import Endpoint
from midstream.models.resolve import model_at
from midstream.simulator import (
    Block,
    Reply,
    Scenario,
    Simulator,
    call,
    say,
    simulator,
    think,
)

Wire = Literal["anthropic", "openai", "openai-chat"]
WIRES: tuple[Wire, ...] = ("anthropic", "openai", "openai-chat")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
TURN = [
    Reply([
        think("Two places."), say("Let me look. "),
        call("look", at="Lagos"), call("look", at="Oslo"), call("draw"), call("fail"),
    ]),
    Reply([think("Clear."), say("There it is.")]),
]  # fmt: skip


def tools() -> list[Any]:
    @tool(effects="read")
    async def look(at: str) -> str:
        """Look at a place."""
        return f"{at}: fine"

    @tool(effects="read")
    async def draw() -> tuple[str, Image]:
        """Draw it."""
        return "a picture", Image(PNG)

    @tool(effects="read")
    async def fail() -> str:
        """Fail."""
        raise ValueError("no such place")

    return [look, draw, fail]


def agent(wire: Wire, sim: Simulator, **settings: Any) -> Agent:
    base_url = sim.url if wire == "anthropic" else f"{sim.url}/v1"
    settings = {"thinking": 2048, **settings}
    return Agent(
        f"{wire}:m", tools(), api_key="sk-test-0123456789abcdef", base_url=base_url, **settings
    )


def called(session: Session) -> list[str]:
    return [b.name for m in session.messages for b in m.blocks if isinstance(b, ToolCall)]


async def ask(wires: Sequence[Wire], scenario: Scenario) -> tuple[Session, Simulator]:
    session = Session()
    async with simulator(scenario) as sim:
        for number, wire in enumerate(wires, 1):
            ended = await agent(wire, sim).run(f"Question {number}", session)
            assert (ended.outcome, ended.text) == ("completed", "There it is."), ended.error
    assert sim.refusals == []
    return session, sim


@pytest.mark.parametrize("wires", [*itertools.product(WIRES, repeat=3)], ids=" then ".join)
async def test_a_conversation_goes_on_wherever_it_moves(wires: tuple[Wire, ...]) -> None:
    session, sim = await ask(wires, Scenario(replies=TURN, each_prompt=True))
    assert called(session) == ["look", "look", "draw", "fail"] * 3
    assert len(sim.requests) == 6
    answers = [b for m in session.messages for b in m.blocks if isinstance(b, ToolResult)]
    assert [each.is_error for each in answers] == [False, False, False, True] * 3


@pytest.mark.parametrize("wires", [*itertools.permutations(WIRES, 2)], ids=" then ".join)
async def test_what_only_one_provider_understands_stays_with_it(wires: tuple[Wire, Wire]) -> None:
    there, here = wires
    session, sim = await ask((there, here, there), Scenario(replies=TURN, each_prompt=True))
    moved, back = sim.requests[2], sim.requests[-2]
    assert not any(sign in str(moved) for sign in SIGNED[there])
    if there != "openai-chat":  # which signs nothing
        assert any(sign in str(back) for sign in SIGNED[there]), "it is there again on the way back"
    assert len(session.messages) == 12


# What shows that thinking came along.
SIGNED: dict[Wire, tuple[str, ...]] = {
    "anthropic": ("'signature'",),
    "openai": ("'encrypted_content'", "'reasoning', 'id'"),
    "openai-chat": ("reasoning_content", "Two places."),
}


STRANGE = [
    "functions.Bash:0",
    "call_" + "x" * 200,
    "resp_3irkem3mb4qjb6cw3bfrozqwtev62iuhg5ygpmhx2j775j2hft5q:call_1",
    "",
    "é",
    "0",
]


@pytest.mark.parametrize("wire", WIRES)
async def test_ids_that_another_provider_made_are_spelled_as_this_one_takes_them(
    wire: Wire,
) -> None:
    """And each result finds its call, also where an id comes again in a later turn."""
    history: list[Message] = []
    for turn in range(2):
        calls = tuple(
            ToolCall(each, "look", {"at": f"{turn} {n}"}) for n, each in enumerate(STRANGE)
        )
        results = tuple(ToolResult(each, f"{turn} {n}") for n, each in enumerate(STRANGE))
        history += [
            Message("user", (Text("Look"),)),
            Message("assistant", calls),
            Message("user", results),
            Message("assistant", (Text("Seen."),)),
        ]
    session = Session()
    session.messages += history
    async with simulator([Reply([say("Fine.")])]) as sim:
        ended = await agent(wire, sim, thinking=None).run("And now?", session)
    assert (ended.outcome, sim.refusals) == ("completed", [])
    asked: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for kind, call_id, words in told(sim.requests[0]):
        if kind == "call":
            assert call_id not in asked, "each id stands for one call"
            asked[call_id] = words
        else:
            pairs.append((asked[call_id], words))
    assert pairs == [(f"{turn} {n}", f"{turn} {n}") for turn in range(2) for n in range(6)]


def told(request: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each call (where it looks) and each result, in the order in which a request has them."""
    for item in request.get("input") or request["messages"]:
        match item:
            case {"type": "function_call", "call_id": call_id, "arguments": arguments}:
                yield "call", call_id, json.loads(arguments)["at"]
            case {"type": "function_call_output", "call_id": call_id, "output": words}:
                yield "result", call_id, words
            case {"role": "tool", "tool_call_id": call_id, "content": words}:
                yield "result", call_id, words
            case {"tool_calls": [*calls]}:
                for each in calls:
                    yield "call", each["id"], json.loads(each["function"]["arguments"])["at"]
            case {"content": [*blocks]}:
                yield from in_blocks(blocks)
            case _:
                pass


def in_blocks(blocks: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for block in blocks:
        match block:
            case {"type": "tool_use", "id": call_id, "input": {"at": place}}:
                yield "call", call_id, place
            case {"type": "tool_result", "tool_use_id": call_id, "content": words}:
                yield "result", call_id, words
            case _:
                pass


async def test_a_tool_loop_reads_the_cache() -> None:
    async with simulator(Scenario(replies=TURN, each_prompt=True)) as sim:
        long = "Be exact. " * 600  # as much as the API wants before it keeps anything
        first = agent("anthropic", sim, system=long)
        ended = await first.run("Look")
        assert ended.usage.cache_write_tokens > 1000
        assert ended.usage.cache_read_tokens > 1000
        assert ended.usage.input_tokens < 100
        uncached = await agent("anthropic", sim, system=long, cache=None).run("Look")
        assert (uncached.usage.cache_read_tokens, uncached.usage.cache_write_tokens) == (0, 0)
    assert sim.refusals == []


NAMES = ["multi_tool_use.parallel", "functions.pay", "get weather", "x" * 300, "größe"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_that_the_model_made_up_poisons_nothing(wire: Wire, name: str) -> None:
    made_up = [Reply([Block(call=name, input={})]), Reply([say("Sorry.")])]
    session = Session()
    async with simulator(Scenario(replies=made_up, each_prompt=True)) as sim:
        for _ in range(2):
            ended = await agent(wire, sim).run("Go", session)
            assert (ended.outcome, ended.text) == ("completed", "Sorry.")
    assert sim.refusals == []


@pytest.mark.parametrize("first", WIRES)
async def test_a_budget_is_left_out_where_a_tool_loop_began_without_thinking(first: Wire) -> None:
    """As after a cancel in a turn of another provider: the API would refuse it for ever."""
    waits = [Reply([say("Wait. "), call("wait")]), Reply([say("Fine.")])]

    @tool
    async def wait() -> None:
        await anyio.sleep_forever()

    session = Session()
    async with simulator(Scenario(replies=waits)) as sim:
        base_url = sim.url if first == "anthropic" else f"{sim.url}/v1"
        slow = Agent(f"{first}:m", [wait], api_key="sk-a-test", base_url=base_url)
        async with slow.run("Go", session) as run:
            async for event in run:
                if event.type == "tool_started":
                    run.cancel()
        ended = await agent("anthropic", sim).run("And now?", session)
    assert (ended.outcome, ended.text, sim.refusals) == ("completed", "Fine.", [])
    assert "thinking" not in sim.requests[-1]


async def test_what_rides_on_one_wire_stays_on_it_though_the_provider_is_the_same() -> None:
    session = Session()
    async with simulator(Scenario(replies=TURN, each_prompt=True)) as sim:
        for wire in ("openai", "anthropic", "openai-chat"):
            url = sim.url if wire == "anthropic" else f"{sim.url}/v1"
            lab = Endpoint(url, wire, needs_key=False)
            model = model_at(lab, "m", "sk-a-test", provider="lab")
            ended = await Agent(model, tools(), thinking=2048).run("Go", session)
            assert ended.outcome == "completed", ended.error
    assert sim.refusals == []
