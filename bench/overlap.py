"""How much of the tools' time is hidden behind the stream, and what stands in its way.

    python bench/overlap.py [--rounds 5] [--json]

A reply of 2.1 s calls tool A (whole 0.3 s into it) and tool B (0.6 s). Both are plain functions
that block for 1.5 s. A server in a process of its own writes the bytes at fixed times.
"""

import argparse
import json
import statistics
import time
from itertools import pairwise
from typing import Any

import anyio
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

from midstream import Agent, RunEvent, tool

TOOL_S, STREAM_S, EVERY_S = 1.5, 2.1, 0.02
SEALED_S = {"a": 0.3, "b": 0.6}


def schedule() -> Schedule:
    """Text every 20 ms from beginning to end, and the two calls between."""
    steps: Schedule = [(0.0, opening() + block_start(0))]
    index = 0
    for tick in range(1, round(STREAM_S / EVERY_S)):
        at = tick * EVERY_S
        name = next((name for name, s in SEALED_S.items() if round(s / EVERY_S) == tick), "")
        if name:
            call = block_stop(index) + block_start(index + 1, f"call_{name}", f"tool_{name}")
            steps.append((at - EVERY_S / 2, call + input_delta(index + 1, '{"n": 1}')))
            steps.append((SEALED_S[name], block_stop(index + 1) + block_start(index + 2)))
            index += 2
        else:
            steps.append((at, text_delta(index, "word ")))
    return [*steps, (STREAM_S, block_stop(index) + ending("tool_use"))]


class Times:
    """When each tool began and ended, by the clock that the server uses too."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def block(self, name: str) -> str:
        self.began[name] = time.monotonic()
        time.sleep(TOOL_S)
        self.ended[name] = time.monotonic()
        return "done"


async def play(url: str) -> tuple[Times, list[tuple[float, RunEvent]]]:
    """One run: the tools' times, and when its reader had each event."""
    times = Times()

    @tool(effects="read")
    def tool_a(n: int) -> str:
        """Block."""
        return times.block("a")

    @tool(effects="read")
    def tool_b(n: int) -> str:
        """Block."""
        return times.block("b")

    agent = Agent("anthropic:claude-sonnet-4-6", [tool_a, tool_b], api_key="k", base_url=url)
    read: list[tuple[float, RunEvent]] = []
    async with agent.run("Go.") as run:
        async for each in run:
            read += [(time.monotonic(), each)]
    return times, read


def measure(
    times: Times, read: list[tuple[float, RunEvent]], log: list[dict[str, Any]]
) -> dict[str, float]:
    """What one run came to, in milliseconds; `total_s` in seconds."""
    asked = [entry["t"] for entry in log if entry["what"] == "request"]
    first = [entry["t"] for entry in log if entry["what"] == "step"][: len(schedule())]
    sealed_at = {
        name: first[next(i for i, (at, _) in enumerate(schedule()) if at == SEALED_S[name])]
        for name in SEALED_S
    }
    stream_ended, tools_ended = first[-1], max(times.ended.values())
    blocked = [t for t, _ in read if times.began["a"] <= t <= stream_ended]
    return {
        "start_a_ms": (times.began["a"] - sealed_at["a"]) * 1000,
        "start_b_ms": (times.began["b"] - sealed_at["b"]) * 1000,
        "next_request_ms": (asked[1] - max(stream_ended, tools_ended)) * 1000,
        "longest_gap_ms": max(b - a for a, b in pairwise(blocked)) * 1000,
        "total_s": read[-1][0] - asked[0],
    }


ROWS = {
    "start_a_ms": "tool A starts, after its block's end was written (ms)",
    "start_b_ms": "tool B starts, after its block's end was written (ms)",
    "next_request_ms": "second request arrives, after stream and tools have ended (ms)",
    "longest_gap_ms": "longest gap between events while a tool blocks (ms; written every 20)",
    "total_s": "total, from the first request to the end of the run (s)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the overlap of tools and stream.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with serving({"paced": schedule()}) as server:
        for _ in range(options.rounds + 1):
            times, read = anyio.run(play, server.url("paced"))
            rounds.append(measure(times, read, server.log()))
    first, *rest = rounds  # the first run of a process imports and builds, so it stands apart
    middle = {key: statistics.median(each[key] for each in rest) for key in ROWS}
    worst = {key: max(each[key] for each in rest) for key in ROWS}
    if options.json:
        print(json.dumps({"first": first, "median": middle, "worst": worst}, indent=2))
        return
    print(f"{'':74}{'median':>9}{'worst':>9}{'first run':>11}")
    for key, label in ROWS.items():
        print(f"{label:74}{middle[key]:9.2f}{worst[key]:9.2f}{first[key]:11.2f}")
    after = STREAM_S + TOOL_S
    print(f"\nTools after the stream: {after:.1f} s side by side, {after + TOOL_S:.1f} s in turn.")


if __name__ == "__main__":
    main()
