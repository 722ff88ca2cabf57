"""What a text delta costs in CPU on each of the three wires, beside the wire's official SDK.

    python bench/wires.py [--rounds 7] [--json]          (needs bench/requirements.txt)

As cpu.py does it: bytes from a server in a process of its own, whole in one write, read in turns;
what a request costs without deltas is subtracted. Then calls with ten bytes of arguments in each of
10,000 and 100,000 deltas, which must cost ten times as much and no more.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from itertools import product
from typing import Any

import openai
from cpu import DELTAS, TEXT, Contender, cpu_s, events, with_sdk_helper, with_sdk_raw
from server import Schedule, block_start, block_stop, ending, input_delta, opening, serving

from midstream import Agent, tool
from midstream.events import TextDelta

PIECES = (10_000, 100_000)
Json = dict[str, Any]


# -- what is read ------------------------------------------------------------------------------


def chunk(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    return f"data: {json.dumps(head | {'choices': [choice], 'usage': None})}\n\n".encode()


def chat(deltas: int) -> list[bytes]:
    first = chunk({"role": "assistant", "content": "", "refusal": None})
    texts = [chunk({"content": TEXT}) for _ in range(deltas)]
    return [first, *texts, chunk({}, "stop"), b"data: [DONE]\n\n"]


def chat_call(pieces: int) -> list[bytes]:
    function = {"name": "keep", "arguments": ""}
    begun = chunk(
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}
    )
    fragments = ['{"text": "', *["0123456789"] * pieces, '"}']
    more = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": f}}]}) for f in fragments]
    return [begun, *more, chunk({}, "tool_calls"), b"data: [DONE]\n\n"]


class Told:
    """Numbers the events of a response."""

    def __init__(self) -> None:
        self.events: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        data = {"type": kind, "sequence_number": len(self.events), **fields}
        self.events.append(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())


def response(status: str, output: list[Json]) -> Json:
    count = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}
    details = {"input_tokens_details": {"cached_tokens": 0},
               "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-5",
        "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": count | details if status == "completed" else None,
    }  # fmt: skip


def responses(deltas: int) -> list[bytes]:
    told, item = Told(), {"id": "msg_1", "type": "message", "role": "assistant"}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    told.add("response.created", response=response("in_progress", []))
    told.add("response.output_item.added", output_index=0,
             item=item | {"status": "in_progress", "content": []})  # fmt: skip
    told.add("response.content_part.added", part=part, **place)
    for _ in range(deltas):
        told.add("response.output_text.delta", delta=TEXT, logprobs=[], **place)
    whole = part | {"text": TEXT * deltas}
    told.add("response.output_text.done", text=TEXT * deltas, logprobs=[], **place)
    told.add("response.content_part.done", part=whole, **place)
    done = item | {"status": "completed", "content": [whole]}
    told.add("response.output_item.done", output_index=0, item=done)
    told.add("response.completed", response=response("completed", [done]))
    return told.events


def responses_call(pieces: int) -> list[bytes]:
    told = Told()
    item = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "keep"}
    place = {"item_id": "fc_1", "output_index": 0}
    fragments = ['{"text": "', *["0123456789"] * pieces, '"}']
    told.add("response.created", response=response("in_progress", []))
    told.add("response.output_item.added", output_index=0,
             item=item | {"status": "in_progress", "arguments": ""})  # fmt: skip
    for each in fragments:
        told.add("response.function_call_arguments.delta", delta=each, **place)
    whole = item | {"status": "completed", "arguments": "".join(fragments)}
    told.add("response.function_call_arguments.done", arguments=whole["arguments"], **place)
    told.add("response.output_item.done", output_index=0, item=whole)
    told.add("response.completed", response=response("completed", [whole]))
    return told.events


def messages_call(pieces: int) -> list[bytes]:
    fragments = ['{"text": "', *["0123456789"] * pieces, '"}']
    deltas = [input_delta(0, each) for each in fragments]
    return [opening(), block_start(0, "c1", "keep"), *deltas, block_stop(0), ending("tool_use")]


# -- who reads it ------------------------------------------------------------------------------


def midstream(model: str) -> Contender:
    async def read(url: str) -> int:
        length = 0
        async with Agent(model, api_key="k", base_url=url).run("Go.") as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    length += len(event.text)
        return length

    return read


def sdk(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0)


async def chat_raw(url: str) -> int:
    length = 0
    async with sdk(url) as client:
        stream = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Go."}], stream=True
        )
        async for each in stream:
            length += len(each.choices[0].delta.content or "")
    return length


async def chat_helper(url: str) -> int:
    length = 0
    async with (
        sdk(url) as client,
        client.chat.completions.stream(
            model="gpt-5", messages=[{"role": "user", "content": "Go."}]
        ) as stream,
    ):
        async for event in stream:
            if event.type == "content.delta":
                length += len(event.delta)
    return length


async def responses_raw(url: str) -> int:
    length = 0
    async with sdk(url) as client:
        stream = await client.responses.create(model="gpt-5", input="Go.", stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                length += len(event.delta)
    return length


async def responses_helper(url: str) -> int:
    length = 0
    async with sdk(url) as client, client.responses.stream(model="gpt-5", input="Go.") as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                length += len(event.delta)
    return length


Make = Callable[[int], list[bytes]]
WIRES: dict[str, tuple[Make, Make, dict[str, Contender]]] = {
    "Messages": (
        events,
        messages_call,
        {
            "midstream": midstream("anthropic:claude-sonnet-4-6"),
            "anthropic SDK, stream=True": with_sdk_raw,
            "anthropic SDK, helper": with_sdk_helper,
        },
    ),
    "Chat Completions": (
        chat,
        chat_call,
        {
            "midstream": midstream("openai-chat:gpt-5"),
            "openai SDK, stream=True": chat_raw,
            "openai SDK, helper": chat_helper,
        },
    ),
    "Responses": (
        responses,
        responses_call,
        {
            "midstream": midstream("openai:gpt-5"),
            "openai SDK, stream=True": responses_raw,
            "openai SDK, helper": responses_helper,
        },
    ),
}
MODELS = {
    "Messages": "anthropic:m",
    "Chat Completions": "openai-chat:m",
    "Responses": "openai:m",
}


# -- the measurement ---------------------------------------------------------------------------


def at_once(parts: list[bytes]) -> Schedule:
    return [(0.0, b"".join(parts))]


def per_delta_us(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a delta, by wire and contender; medians."""
    schedules = {
        f"{wire.replace(' ', '-')}-{count}": at_once(make(count))
        for wire, (make, _, _) in WIRES.items()
        for count in (0, DELTAS)
    }
    found: dict[str, dict[str, list[float]]] = {
        wire: {name: [] for name in contenders} for wire, (_, _, contenders) in WIRES.items()
    }
    with serving(schedules) as server:
        for number, (wire, (_, _, contenders)) in product(range(rounds + 1), WIRES.items()):
            place = wire.replace(" ", "-")
            for name, contender in contenders.items():
                bare = cpu_s(contender, server.url(f"{place}-0"), 0)
                full = cpu_s(contender, server.url(f"{place}-{DELTAS}"), DELTAS * len(TEXT))
                if number:  # the first round warms up
                    found[wire][name].append((full - bare) / DELTAS * 1e6)
    return {
        wire: {name: statistics.median(each) for name, each in by.items()}
        for wire, by in found.items()
    }


def keeper(model: str) -> Contender:
    async def read(url: str) -> int:
        kept: list[int] = []

        @tool(effects="read", max_output=10)
        async def keep(text: str) -> str:
            """Keep a text."""
            kept.append(len(text))
            return "kept"

        agent = Agent(model, [keep], api_key="k", base_url=url, max_turns=1)
        async with agent.run("Go.") as run:
            async for _ in run:
                pass
        return kept[0]

    return read


def long_calls_s(rounds: int) -> dict[str, list[float]]:
    """Seconds of CPU for each of the two sizes, by wire; medians."""
    found: dict[str, list[float]] = {}
    for wire, (_, make, _) in WIRES.items():
        with serving({str(pieces): at_once(make(pieces)) for pieces in PIECES}) as server:
            found[wire] = [
                statistics.median(
                    cpu_s(keeper(MODELS[wire]), server.url(str(pieces)), pieces * 10)
                    for _ in range(rounds)
                )
                for pieces in PIECES
            ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure CPU time a delta, on each wire.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    deltas, calls = per_delta_us(options.rounds), long_calls_s(3)
    if options.json:
        print(json.dumps({"us_a_delta": deltas, "long_call_s": calls}, indent=2))
        return
    for wire, by in deltas.items():
        print(f"{wire}: CPU a text delta, in microseconds")
        for name, us in by.items():
            print(f"  {name:30}{us:8.1f}  {us / by['midstream']:6.1f} ×")
        small, large = calls[wire]
        print(f"  0.1 MB of arguments {small:.3f} s, 1 MB {large:.3f} s: {large / small:.1f} ×")


if __name__ == "__main__":
    main()
