"""What a journal costs: CPU, the delay of an event, and the opening of a long session.

    python bench/journal.py [--rounds 5] [--seconds 10] [--json]

The same stream of 100 text events a second, with a call of a tool that writes in the middle, is run
in turns with a session in memory and with one on disk. A delay is the time from the moment the
server wrote an event until whoever reads the run has it; both processes read one monotonic clock.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import anyio
from schedules import (
    Schedule,
    block_start,
    block_stop,
    ending,
    input_delta,
    opening,
    text_delta,
)
from server import Server, serving

from midstream import Agent, Journal, Message, Session, tool
from midstream.events import TextDelta
from midstream.journal.database import Row
from midstream.journal.records import Committed, Ended, Prompted
from midstream.messages import Text

APART_S = 0.01
WAYS = ("in memory", "on disk")


@tool
async def note(text: str) -> str:
    """Changes the world: it is written down before and after."""
    return "noted"


def stream(seconds: float) -> Schedule:
    texts = [text_delta(0, f"{i} ") for i in range(1, int(seconds / APART_S) + 1)]
    call = [block_start(1, "call_1", "note"), input_delta(1, '{"text": "x"}'), block_stop(1)]
    steps = [(i * APART_S, data) for i, data in enumerate(texts, 1)]
    last = steps[-1][0]
    return [
        (0.0, opening() + block_start(0)),
        *steps,
        (last + APART_S, block_stop(0) + b"".join(call) + ending("tool_use")),
    ]


async def measure(server: Server, session: Session) -> tuple[float, list[float]]:
    """One run: its CPU in seconds, and the delay of each text event in seconds."""
    agent = Agent("anthropic:m", [note], api_key="k", base_url=server.url("stream"))
    arrived: dict[int, float] = {}
    began = time.process_time()
    async with agent.run("Go", session) as run:
        async for event in run:
            if isinstance(event, TextDelta) and event.text[0].isdigit():
                arrived[int(event.text.split()[-1])] = time.monotonic()  # deltas may be joined
    cpu = time.process_time() - began
    assert run.outcome == "completed"
    assert run.ended is not None
    assert run.ended.error is None
    # The steps of the second request have numbers, too; those of the first come first.
    written = {each["number"]: each["t"] for each in reversed(server.log()["steps"])}
    return cpu, [then - written[number] for number, then in arrived.items() if number]


def opened_ms(journal: Journal, name: str) -> float:
    journal.close()  # so that opening the file is part of it
    began = time.perf_counter()
    journal.session(name)
    return (time.perf_counter() - began) * 1000


def long_session(journal: Journal, messages: int) -> None:
    words = Text("Some words, as long as a short answer is. " * 12)
    rows: list[Row] = []
    for turn in range(messages // 2):
        asked = Prompted(Message("user", (words,)))
        answered = Committed(1, Message("assistant", (words,)), None)
        for record in (asked, answered, Ended("completed")):
            rows.append(Row(len(rows) + 1, float(turn), record))
    journal.database.append("long", "/", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    delays: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, serving({"stream": stream(options.seconds)}) as s:
        journal = Journal(Path(folder) / "bench.db")
        for number in range(options.rounds + 1):
            for way in WAYS:
                session = Session() if way == "in memory" else journal.session(f"s{number}")
                spent, late = anyio.run(measure, s, session)
                if number:  # the first round imports
                    cpu[way].append(spent)
                    delays[way] += late
        long_session(journal, 10_000)
        empty = statistics.median(opened_ms(journal, f"new{n}") for n in range(9))
        long = statistics.median(opened_ms(journal, "long") for _ in range(9))
    figures = {
        "cpu_ms": {way: statistics.median(cpu[way]) * 1000 for way in WAYS},
        "delay_p99_ms": {way: statistics.quantiles(delays[way], n=100)[98] * 1000 for way in WAYS},
        "open_ms": {"empty": empty, "10,000 messages": long},
    }
    figures["cpu_ratio"] = {
        "on disk": figures["cpu_ms"]["on disk"] / figures["cpu_ms"]["in memory"]
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, values in figures.items():
        print(f"{name:14}", "   ".join(f"{what}: {value:.3f}" for what, value in values.items()))


if __name__ == "__main__":
    main()
