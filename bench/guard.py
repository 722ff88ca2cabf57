"""How many instructions a delta takes, from the event loop to a run's reader; more is an error.

    python bench/guard.py [--record]                    (needs valgrind)

Seconds differ from machine to machine and from minute to minute; counted instructions do not. A
run reads a fixed HTTP response out of memory, under valgrind, once short and once long: the
difference is what the deltas take, on each wire, and of a call's arguments. It fails where that is
more than 5 % above what guard.json has, which is of one version of Python and of the pinned
libraries; with another Python, more than 30 %. `--record` writes it anew.
"""

import argparse
import asyncio
import json
import os
import pickle
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from plays import arguments, characters, words
from schedules import DONE, WIRES, Part, Reply, events

if TYPE_CHECKING:
    from midstream.models.http1_transport import Http1Transport
    from midstream.providers.provider import Provider


class Way(NamedTuple):
    """How deltas come: on which wire, of what, and how many events at a time (0: by 64 KB)."""

    wire: str
    kind: str = "text"
    events: int = 0


RECORD = Path(__file__).with_name("guard.json")
WAYS = {
    "at once": Way("messages"),
    "one event a write": Way("messages", events=1),
    "two": Way("messages", events=2),
    "arguments, at once": Way("messages", "tool"),
    "Chat, at once": Way("chat"),
    "Responses, at once": Way("responses"),
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
AT_ONCE = 1 << 16  # bytes
SHORT, LONG = 100, 2100
MOST = 1.05
MOST_ELSEWHERE = 1.3  # with another Python, which has a budget of its own only once it is recorded


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the instructions of the hot path.")
    parser.add_argument("--record", action="store_true", help="write the budget anew")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asyncio.run(read(*pickle.load(sys.stdin.buffer)))
        return 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [(way, deltas) for way in WAYS for deltas in (SHORT, LONG)]
        counted = dict(zip(runs, pool.map(lambda run: instructions(*run), runs), strict=True))
    found = {way: (counted[way, LONG] - counted[way, SHORT]) // (LONG - SHORT) for way in WAYS}
    return record(found) if options.record else compare(found, json.loads(RECORD.read_text()))


def instructions(way: str, deltas: int) -> int:
    """What valgrind counts for a process that reads so many deltas."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    child = [sys.executable, __file__, "--child"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    asked = pickle.dumps(task(WAYS[way], deltas))
    try:
        done = subprocess.run(
            [*command, *child], env=environment, input=asked, capture_output=True, check=False
        )
    except FileNotFoundError:
        sys.exit("valgrind is not installed (Debian: apt-get install valgrind)")
    told = done.stderr.decode(errors="replace")
    counted = re.search(r"I +refs: +([\d,]+)", told)
    if done.returncode or not counted:
        sys.exit(f"the run under valgrind failed:\n{told}")
    return int(counted[1].replace(",", ""))


def record(found: dict[str, int]) -> int:
    RECORD.write_text(json.dumps({"python": version(), "instructions": found}, indent=2) + "\n")
    print(f"recorded: {listed(found)}")
    return 0


def compare(found: dict[str, int], kept: dict[str, Any]) -> int:
    """The exit code: whether each way that was counted is within its budget."""
    budget: dict[str, int] = kept["instructions"]
    most = MOST if kept["python"] == version() else MOST_ELSEWHERE
    if most == MOST_ELSEWHERE:
        print(f"the budget is {kept['python']}'s, and this is {version()}: up to {most - 1:.0%} "
              "more is let pass; guard.py --record makes it this one's")  # fmt: skip
    print(f"instructions a delta: {listed(found)}; budget: {listed(budget)}")
    missing = [way for way in found if way not in budget]
    over = [way for way in found if way in budget and found[way] > budget[way] * most]
    for way in missing:
        print(f"there is no budget for: {way}. Record it: guard.py --record")
    for way in over:
        print(f"more than {most - 1:.0%} above the budget: {way}. "
              "See why, or record it: guard.py --record")  # fmt: skip
    return 1 if missing or over else 0


def listed(counts: dict[str, int]) -> str:
    return "; ".join(f"{way} {count:,}" for way, count in counts.items())


def version() -> str:
    return f"CPython {platform.python_version()} on {platform.machine()}"


# -- what is read ------------------------------------------------------------------------------

Reads = list[bytes]


def task(way: Way, deltas: int) -> tuple[str, list[Reads], int]:
    """The wire, what comes for each request, and how many characters that has.

    It is made for the child, since making it is not what is counted.
    """
    fragments = arguments(deltas) if way.kind == "tool" else words(deltas)
    replies: list[Reply] = [[Part(way.kind, fragments)]]
    if way.kind == "tool":
        replies.append(DONE)
    answers = [list(reads(way, reply)) for reply in replies]
    return way.wire, answers, sum(map(characters, replies))


def reads(way: Way, reply: Reply) -> Iterator[bytes]:
    """A response, cut as it comes."""
    told = events(WIRES[way.wire](reply))
    lines = [HEAD, *(b"%x\r\n%b\r\n" % (len(event), event) for event in told), b"0\r\n\r\n"]
    if way.events:
        for at in range(0, len(lines), way.events):
            yield b"".join(lines[at : at + way.events])
        return
    data = b"".join(lines)
    for at in range(0, len(data), AT_ONCE):
        yield data[at : at + AT_ONCE]


# -- what is counted ---------------------------------------------------------------------------


async def read(wire: str, answers: list[Reads], length: int) -> None:
    from midstream import Agent, tool
    from midstream.events import TextDelta, ToolInputDelta
    from midstream.models.http import HttpModel
    from midstream.turn.price import load_prices

    @tool(effects="read")
    async def keep(text: str) -> str:
        """Keep a text."""
        return "kept"

    model = HttpModel(provider(wire), "http://localhost", transport=out_of_memory(answers))
    load_prices()  # else it is done meanwhile, in a thread
    async with Agent(model, [keep]).run("Go.") as run:
        async for event in run:
            if isinstance(event, TextDelta):
                length -= len(event.text)
            elif isinstance(event, ToolInputDelta):
                length -= len(event.json)
    assert length == 0


def provider(wire: str) -> "Provider":
    from midstream.providers.anthropic_request import Anthropic
    from midstream.providers.openai_chat_request import Chat
    from midstream.providers.openai_responses_request import Responses

    match wire:
        case "chat":
            return Chat("gpt-5", "k")
        case "responses":
            return Responses("gpt-5", "k")
        case _:
            return Anthropic("m", "k")


def out_of_memory(answers: list[Reads]) -> "Http1Transport":
    """Our transport, with a connection that gets one read in each turn of the event loop."""
    from midstream.models.http1_connection import Http1Connection
    from midstream.models.http1_transport import Http1Transport, Origin

    coming = iter(answers)

    class Wire(asyncio.Transport):
        def __init__(self, connection: Http1Connection) -> None:
            super().__init__()
            self._connection = connection

        def writelines(self, list_of_data: Iterable[Any]) -> None:
            self._reads = iter(next(coming))
            asyncio.get_running_loop().call_soon(self._read)

        def _read(self) -> None:
            if data := next(self._reads, None):
                self._connection.data_received(data)
                asyncio.get_running_loop().call_soon(self._read)

        def get_write_buffer_size(self) -> int:
            return 0

        def abort(self) -> None:
            pass

    class OutOfMemory(Http1Transport):
        async def _connect(self, origin: Origin, patience: float | None) -> Http1Connection:
            connection = Http1Connection()
            connection.connection_made(Wire(connection))
            return connection

    return OutOfMemory(None)


if __name__ == "__main__":
    sys.exit(main())
