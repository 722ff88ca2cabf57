"""What a text delta costs in CPU, from the socket to whoever reads the run.

    python bench/cpu.py [--rounds 7] [--json]          (needs bench/requirements.txt)

The same bytes from a server in a process of its own, read in turns by midstream and by the
Anthropic SDK, as a raw stream and with its helper. What a request costs without any deltas is
measured the same way and subtracted. The first row is the floor: the HTTP client that both use, and
a JSON decoder, with nothing around them.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from itertools import product

import anthropic
import anyio
import httpx2
import msgspec
from server import (
    Schedule,
    block_start,
    block_stop,
    ending,
    input_delta,
    opening,
    serving,
    text_delta,
)

from midstream import Agent, tool
from midstream.events import TextDelta

DELTAS, APART_S = 2000, 0.001
TEXT = "word "
WAYS = ["at once", "one by one"]

Contender = Callable[[str], Awaitable[int]]


# -- what is read ------------------------------------------------------------------------------


def events(deltas: int) -> list[bytes]:
    texts = [text_delta(0, TEXT) for _ in range(deltas)]
    return [opening(), block_start(0), *texts, block_stop(0), ending("end_turn")]


def schedules() -> dict[str, Schedule]:
    """The stream in one write, and each event in a write (and a chunk) of its own, 1 ms apart."""
    made: dict[str, Schedule] = {}
    for deltas in (0, DELTAS):
        made[f"{WAYS[0]}-{deltas}"] = [(0.0, b"".join(events(deltas)))]
        made[f"{WAYS[1]}-{deltas}"] = [(i * APART_S, e) for i, e in enumerate(events(deltas))]
    return {name.replace(" ", "_"): steps for name, steps in made.items()}


def long_call(pieces: int) -> Schedule:
    """A call with ten bytes of arguments in each of `pieces` deltas."""
    fragments = ['{"text": "', *["0123456789"] * pieces, '"}']
    deltas = [input_delta(0, each) for each in fragments]
    whole = [opening(), block_start(0, "c1", "keep"), *deltas, block_stop(0), ending("tool_use")]
    return [(0.0, b"".join(whole))]


# -- who reads it ------------------------------------------------------------------------------


async def with_httpx2(url: str) -> int:
    length, rest, decoder = 0, b"", msgspec.json.Decoder()
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=60) as client,
        client.stream("POST", f"{url}/v1/messages", content=b"{}") as response,
    ):
        async for chunk in response.aiter_raw():
            *records, rest = (rest + chunk).split(b"\n\n")
            for record in records:
                event = decoder.decode(record[record.index(b"data: ") + 6 :])
                if event["type"] == "content_block_delta":
                    length += len(event["delta"]["text"])
    return length


async def with_midstream(url: str) -> int:
    agent = Agent("anthropic:claude-sonnet-4-6", api_key="k", base_url=url)
    length = 0
    async with agent.run("Go.") as run:
        async for event in run:
            if isinstance(event, TextDelta):
                length += len(event.text)
    return length


def sdk(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)


async def with_sdk_helper(url: str) -> int:
    length = 0
    asked = {"model": "claude-sonnet-4-6", "max_tokens": 99}
    async with (
        sdk(url) as client,
        client.messages.stream(**asked, messages=[{"role": "user", "content": "Go."}]) as stream,  # type: ignore[arg-type]
    ):
        async for event in stream:
            if event.type == "text":
                length += len(event.text)
    return length


async def with_sdk_raw(url: str) -> int:
    length = 0
    async with sdk(url) as client:
        stream = await client.messages.create(
            model="claude-sonnet-4-6",
            max_tokens=99,
            messages=[{"role": "user", "content": "Go."}],
            stream=True,
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                length += len(event.delta.text)
    return length


CONTENDERS: dict[str, Contender] = {
    "httpx2 and msgspec alone": with_httpx2,
    "midstream": with_midstream,
    "anthropic SDK, stream=True": with_sdk_raw,
    "anthropic SDK, messages.stream": with_sdk_helper,
}


async def keep_a_long_call(url: str) -> int:
    kept: list[int] = []

    @tool(effects="read", max_output=10)
    async def keep(text: str) -> str:
        """Keep a text."""
        kept.append(len(text))
        return "kept"

    async with Agent("anthropic:m", [keep], api_key="k", base_url=url).run("Go.") as run:
        async for _ in run:
            pass
    return kept[0]


# -- the measurement ---------------------------------------------------------------------------


def cpu_s(contender: Contender, url: str, length: int) -> float:
    """Seconds of CPU for one stream, which must arrive whole."""
    gc.collect()
    began = time.process_time()
    read = anyio.run(contender, url)
    spent = time.process_time() - began
    assert read == length, f"{read} characters of {length}"
    return spent


def per_delta_us(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds a delta: by way, by contender, one for each round."""
    found = {way: {name: list[float]() for name in CONTENDERS} for way in WAYS}
    with serving(schedules()) as server:
        # The first round warms up and is not counted.
        for number, way, name in product(range(rounds + 1), WAYS, CONTENDERS):
            place = way.replace(" ", "_")
            bare = cpu_s(CONTENDERS[name], server.url(f"{place}-0"), 0)
            url = server.url(f"{place}-{DELTAS}")
            full = cpu_s(CONTENDERS[name], url, DELTAS * len(TEXT))
            if number:
                found[way][name].append((full - bare) / DELTAS * 1e6)
    return found


def long_calls_s(rounds: int) -> dict[int, float]:
    """Seconds of CPU for calls of 1 MB and 2 MB; medians."""
    sizes = (100_000, 200_000)
    with serving({str(pieces): long_call(pieces) for pieces in sizes}) as server:
        return {
            pieces: statistics.median(
                cpu_s(keep_a_long_call, server.url(str(pieces)), pieces * 10) for _ in range(rounds)
            )
            for pieces in sizes
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure CPU time a delta.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    deltas = per_delta_us(options.rounds)
    calls = long_calls_s(3)
    middle = {w: {n: statistics.median(v) for n, v in by.items()} for w, by in deltas.items()}
    if options.json:
        print(json.dumps({"us_a_delta": middle, "rounds": deltas, "long_call_s": calls}, indent=2))
        return
    print(f"{'CPU a text delta, in microseconds':34}" + "".join(f"{way:>22}" for way in WAYS))
    for name in CONTENDERS:
        row = f"{name:34}"
        for way in WAYS:
            us, ours = middle[way][name], middle[way]["midstream"]
            row += f"{us:12.1f}" + (f" ({us / ours:5.1f} ×)" if us != ours else " " * 10)
        print(row)
    for pieces, seconds in calls.items():
        print(f"{pieces // 100_000} MB of arguments in {pieces:,} deltas: {seconds:.2f} s of CPU")


if __name__ == "__main__":
    main()
