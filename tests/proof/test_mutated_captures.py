"""Streams with bytes and records changed at random: no hang, no traceback, no wrong call.

A case is a number: `python -m tests.proof.test_mutated_captures 4711` shows one, and checks it.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random
from typing import Any, get_args

import anyio
import pytest
from msgspec.structs import replace

from midstream import Agent, RunEvent
from midstream.errors import MidstreamError, ProviderError, StreamError
from midstream.events import Outcome, RunEnded, ToolCallReady, ToolStarted
from midstream.messages import (
    Block,
    Message,
    ModelRequest,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from midstream.models.model import Patience
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.anthropic_request import Anthropic
from midstream.providers.provider import HttpRequest
from midstream.simulator import strict
from midstream.simulator.server import Exchange, serve
from midstream.simulator.signatures import sign
from midstream.turn.retry import Backoff
from midstream.turn.turn import SealedCall, State, Turn
from midstream.wire.sse import SseDecoder
from tests.fakes import ended, play
from tests.proof import oracle
from tests.proof.mutations import Case, case, names, streams
from tests.proof.scale import at_scale

Record = Callable[[str, object], None]

SHARDS = 20
CASES = at_scale(100_000, 1_000_000) // SHARDS
LONGEST_S = 1.0  # of CPU, for streams that take well below a thousandth of that


# -- what is read of a spoiled stream ----------------------------------------------------------


class Reading:
    """What midstream makes of a stream: its turn, and each sealed call with its record's number."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.turn = Turn()
        self.records = 0
        self.sealed: list[tuple[int, SealedCall]] = []
        self.error: MidstreamError | None = None
        self._split, self._decoder = SseDecoder(), AnthropicDecoder()
        try:
            for chunk in chunks:
                for record in self._split.feed(chunk):
                    self._take(record)
            if rest := self._split.rest():
                self._take(rest)
            self.turn.check_whole()
        except MidstreamError as error:
            self.error = error

    def _take(self, record: Any) -> None:
        self.records += 1
        for event in self._decoder.feed(record):
            self.sealed += [(self.records, sealed) for sealed in self.turn.feed(event)]


def check(seed: int) -> Reading:
    spoiled = case(seed)
    began = time.process_time()
    read = Reading(spoiled.chunks)
    assert time.process_time() - began < LONGEST_S, "the time is linear in the bytes"
    assert read.error is None or isinstance(read.error, ProviderError | StreamError)
    check_calls(spoiled, read)
    check_message(read)
    return read


def check_calls(spoiled: Case, read: Reading) -> None:
    """No call but what the bytes hold whole, none before its last byte, none twice, none lost."""
    ids = [sealed.call.id for _, sealed in read.sealed]
    assert len(set(ids)) == len(ids), "a call is sealed once"
    if not read.sealed and read.error:
        return
    held = oracle.calls(spoiled.stream)
    for number, sealed in read.sealed:
        same = next((each for each in held if is_same(number, sealed, each)), None)
        assert same, f"not in the bytes, or not whole by record {number}: {sealed}"
        held.remove(same)
    assert read.error or not held, f"a whole answer loses no call, and this lost {held}"


def is_same(number: int, sealed: SealedCall, held: oracle.Held) -> bool:
    # Ids that come twice, or not at all, are made to differ.
    arguments = "invalid" if sealed.problem else oracle.canonical(sealed.call.input)
    return (
        (number, sealed.call.name, arguments) == (held.record, held.name, held.input)
        and sealed.call.id.startswith(held.id)
    )  # fmt: skip


# -- what is kept of it ------------------------------------------------------------------------


def check_message(read: Reading) -> None:
    """What is kept has only calls that were sealed, and is accepted when it is sent back."""
    sealed = [each.call for _, each in read.sealed]
    kept = [read.turn.settled()]
    if read.turn.state is State.ENDED and read.turn.message() != kept[0]:
        kept.append(read.turn.message())
    for message in kept:
        if not message.blocks:
            continue
        calls = [block for block in message.blocks if isinstance(block, ToolCall)]
        assert all(call in sealed for call in calls), "only sealed calls have results"
        results = tuple(ToolResult(call.id, "done") for call in calls)
        asked, answer = Message("user", (Text("Hi"),)), Message("user", (*results, Text("Go on.")))
        signed = as_signed(message)
        if signed != message:
            sent_back(asked, message, answer)  # refused or not, it can be spelled
        request = sent_back(asked, signed, answer)
        refused = strict.problem(request.headers, request.body)
        assert refused is None, refused


PROVIDER = Anthropic("m", "k")


def sent_back(*messages: Message) -> HttpRequest:
    return PROVIDER.request(ModelRequest("m", messages))


def as_signed(message: Message) -> Message:
    """The message as the stand-in would have sent it.

    Whether spoiled words still fit their signature, or a spoiled server tool its pattern, only the
    provider can know: thoughts are signed anew, and of what is opaque only the unspoiled is kept.
    """
    blocks, thoughts = list[Block](), 0
    for block in message.blocks:
        match block:
            case Thinking(text, signature):
                blocks.append(Thinking(text, signature and sign(text, thoughts)))
                thoughts += bool(signature)
            case ToolCall(opaque=Opaque() as rider) if rider not in known():
                blocks.append(replace(block, opaque=None))
            case Opaque(provider, {"type": "redacted_thinking", **rest}) if rest:
                data = {"type": "redacted_thinking", "data": sign("redacted", thoughts)}
                blocks.append(Opaque(provider, data))
                thoughts += 1
            case Opaque() if block not in known():
                pass
            case _:
                blocks.append(block)
    return Message("assistant", tuple(blocks))


@cache
def known() -> list[Opaque]:
    """Every opaque part of the unspoiled streams."""
    read = [Reading([streams()[name]]).turn.settled() for name in names()]
    blocks = [block for message in read for block in message.blocks]
    riders = [block.opaque for block in blocks if isinstance(block, ToolCall) and block.opaque]
    return [block for block in blocks if isinstance(block, Opaque)] + riders


# -- the proof ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_spoiled_stream_makes_a_wrong_call(shard: int, record_property: Record) -> None:
    done = Counter[str]()
    for seed in range(shard * CASES, (shard + 1) * CASES):
        try:
            read = check(seed)
        except BaseException as error:
            error.add_note(f"python -m tests.proof.test_mutated_captures {seed}")
            raise
        done["spoiled streams read"] += 1
        done["of them refused, cut or in error"] += bool(read.error)
        done["calls sealed in them, each held whole by its bytes"] += len(read.sealed)
    for what, count in done.items():
        record_property(what, count)


# -- the same over a socket --------------------------------------------------------------------

RUNS = at_scale(100, 2000)
OUTCOMES = set(get_args(Outcome))
SHORT = Patience(connect_timeout=1.0, byte_timeout=0.05, event_timeout=0.1)


class Spoiler:
    """A provider whose every answer is spoiled, and may end badly besides."""

    def __init__(self) -> None:
        self.chance = Random(0)
        self.served: list[bytes] = []

    async def handle(self, exchange: Exchange) -> None:
        spoiled = case(self.chance.randrange(1 << 32))
        self.served.append(spoiled.stream)
        await exchange.start()
        for chunk in spoiled.chunks:
            await exchange.send(chunk)
        match self.chance.randrange(12):
            case 0 | 1:
                await exchange.close()
            case 2 | 3:
                await exchange.reset()
            case 4:
                await exchange.client_left()
            case _:
                await exchange.finish()


async def pay(amount: int = 0, to: str = "") -> str:
    return f"paid {amount}"


def look(at: list[Any] | None = None) -> Any:
    return at


@pytest.mark.anyio
async def test_a_run_on_spoiled_streams_ends(record_property: Record) -> None:
    provider = Spoiler()
    calls = 0
    async with serve(provider.handle) as url:
        agent = Agent(
            "anthropic:m", [pay, look], max_turns=3, api_key="k", base_url=url,
            patience=SHORT, backoff=Backoff(max_attempts=2, base_s=0.0),
        )  # fmt: skip
        for seed in range(RUNS):
            provider.chance, provider.served = Random(seed), []
            with anyio.fail_after(10):
                events = await play(agent.run("Go"))
            calls += check_run(events, provider.served)
    record_property("runs on spoiled streams over a socket, each ended once", RUNS)
    record_property("calls in them, each held whole by the bytes", calls)


def check_run(events: Sequence[RunEvent], served: list[bytes]) -> int:
    assert [each for each in events if isinstance(each, RunEnded)] == [events[-1]]
    assert ended(events).outcome in OUTCOMES
    held = Counter((each.name, each.input) for one in served for each in oracle.calls(one))
    ready = [each for each in events if isinstance(each, ToolCallReady)]
    assert not Counter((each.name, oracle.canonical(each.input)) for each in ready) - held
    started = {each.id for each in events if isinstance(each, ToolStarted)}
    assert started <= {each.id for each in ready}
    return len(ready)


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        print(case(number))  # noqa: T201
        check(number)
