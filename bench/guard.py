"""How many instructions a delta takes, from the event loop to a run's reader; more is an error.

    python bench/guard.py [--record]                    (needs valgrind)

Seconds differ from machine to machine and from minute to minute; counted instructions do not. A
run reads a fixed HTTP response out of memory, under valgrind, once short and once long: the
difference is what the deltas take. It fails where that is more than 5 % above what guard.json has,
which is of one version of Python and of the pinned libraries; `--record` writes it anew.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midstream.models.http1_transport import Http1Transport

RECORD = Path(__file__).with_name("guard.json")
WAYS = {"at once": 1 << 16, "one event a write": 0}  # bytes of a read; 0: an event each
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SHORT, LONG = 100, 2100
MOST = 1.05


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the instructions of the hot path.")
    parser.add_argument("--record", action="store_true", help="write the budget anew")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "DELTAS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asyncio.run(read(options.child[0], int(options.child[1])))
        return 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [(way, deltas) for way in WAYS for deltas in (SHORT, LONG)]
        counted = dict(zip(runs, pool.map(lambda run: instructions(*run), runs), strict=True))
    found = {way: (counted[way, LONG] - counted[way, SHORT]) // (LONG - SHORT) for way in WAYS}
    return record(found) if options.record else compare(found)


def instructions(way: str, deltas: int) -> int:
    """What valgrind counts for a process that reads so many deltas."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    child = [sys.executable, __file__, "--child", way, str(deltas)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            [*command, *child], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        sys.exit("valgrind is not installed (Debian: apt-get install valgrind)")
    counted = re.search(r"I +refs: +([\d,]+)", done.stderr)
    if done.returncode or not counted:
        sys.exit(f"the run under valgrind failed:\n{done.stderr}")
    return int(counted[1].replace(",", ""))


def record(found: dict[str, int]) -> int:
    RECORD.write_text(json.dumps({"python": version(), "instructions": found}, indent=2) + "\n")
    print(f"recorded: {told(found)}")
    return 0


def compare(found: dict[str, int]) -> int:
    budget = json.loads(RECORD.read_text())
    if budget["python"] != version():
        print(f"nothing to compare: the budget is {budget['python']}'s, and this is {version()}")
        return 0
    print(f"instructions a delta: {told(found)}; budget: {told(budget['instructions'])}")
    over = [way for way, most in budget["instructions"].items() if found[way] > most * MOST]
    for way in over:
        print(f"more than 5 % above the budget: {way}. See why, or record it: guard.py --record")
    return 1 if over else 0


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{way} {count:,}" for way, count in counts.items())


def version() -> str:
    return f"CPython {platform.python_version()} on {platform.machine()}"


# -- what is counted ---------------------------------------------------------------------------


async def read(way: str, deltas: int) -> None:
    from schedules import block_start, block_stop, ending, opening, text_delta

    from midstream import Agent
    from midstream.events import TextDelta
    from midstream.models.http import HttpModel
    from midstream.providers.anthropic_request import Anthropic
    from midstream.turn.price import load_prices

    texts = [text_delta(0, "word ")] * deltas  # made once: it is not what is counted
    events = [opening(), block_start(0), *texts, block_stop(0), ending("end_turn")]
    lines = [HEAD, *(b"%x\r\n%b\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]
    size, data = WAYS[way], b"".join(lines)
    reads = [data[at : at + size] for at in range(0, len(data), size)] if size else lines
    model = HttpModel(Anthropic("m", "k"), "http://localhost", transport=out_of_memory(reads))
    load_prices()  # else it is done meanwhile, in a thread
    length = 0
    async with Agent(model).run("Go.") as run:
        async for event in run:
            if isinstance(event, TextDelta):
                length += len(event.text)
    assert length == deltas * len("word ")


def out_of_memory(reads: list[bytes]) -> "Http1Transport":
    """Our transport, with a connection that gets one of `reads` in each turn of the event loop."""
    from midstream.models.http1_connection import Http1Connection
    from midstream.models.http1_transport import Http1Transport, Origin

    class Wire(asyncio.Transport):
        def __init__(self, connection: Http1Connection) -> None:
            super().__init__()
            self._connection = connection
            self._reads = iter(reads)

        def writelines(self, list_of_data: Iterable[Any]) -> None:
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
