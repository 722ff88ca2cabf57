"""What every peer's worker does: it reads streams as it is told, and says what that took.

A peer's file names its contenders and calls `main`. The process then takes one command a line on
stdin, as JSON, and answers each with one line on stdout. It needs nothing but the standard library,
so that it runs in every peer's own virtual environment.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, NamedTuple

# Takes a fragment of text, of thinking or of a tool's arguments, as soon as the reader has it.
Got = Callable[[str], object]
# Asks once, and reads the answer to its end.
Read = Callable[[Got], Awaitable[None]]
# Opens a client for a base URL, whose path names what the server will play.
Open = Callable[[str], AbstractAsyncContextManager[Read]]
# A run of an agent with two tools, which block.
Play = Callable[[str, "Tools", Got], Awaitable[None]]

READING = frozenset({"text", "mixed", "argument", "paced", "ttft", "many", "memory", "cold"})
# One contender of each peer starts cold: for the others the start is the same.
WARM = READING - {"cold"}
# Nor are many streams read with each: they take a minute.
ALONE = WARM - {"many", "memory"}
# One of so many events of a stream tells when it was written; see plays.py and replay.c.
MARK = "#"
KEEP_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
}
NUMBER_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


class Contender(NamedTuple):
    """One way of reading a stream.

    Attributes:
        measures: what it can be measured in.
        wire: "messages", "chat" or "responses".
        uvloop: whether it runs on uvloop.
        raw: whether it is a socket on asyncio's own loop, and next to nothing around it: the
            cheapest of those is the floor.
        program: what is run for the cold start, where that is a program of its own; `{url}` is the
            base URL. Names are looked up in the virtual environment.
    """

    open: Open | None = None
    play: Play | None = None
    measures: frozenset[str] = READING
    wire: str = "messages"
    uvloop: bool = False
    raw: bool = False
    program: tuple[str, ...] = ()


class Tools:
    """Two plain functions that block, and when each began and ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def a(self, n: int) -> str:
        return self._block("a")

    def b(self, n: int) -> str:
        return self._block("b")

    def _block(self, name: str) -> str:
        self.began[name] = time.monotonic()
        time.sleep(self._seconds)
        self.ended[name] = time.monotonic()
        return "done"


# -- what is measured --------------------------------------------------------------------------


async def cpu(open_client: Open, url: str, bare: str, times: int) -> dict[str, Any]:
    """Seconds of CPU for a stream and for the same one without its fragments, `times` each."""
    spent: dict[str, list[float]] = {"full": [], "bare": []}
    characters = 0
    async with open_client(bare) as read_bare, open_client(url) as read_full:
        await read_bare(lambda piece: None)
        for _ in range(times):
            for name, read in (("bare", read_bare), ("full", read_full)):
                pieces: list[str] = []
                began = time.process_time()
                await read(pieces.append)
                spent[name].append(time.process_time() - began)
                characters = sum(map(len, pieces))
    return {"cpu_s": spent, "characters": characters}


async def peak(open_client: Open, url: str, bare: str) -> dict[str, Any]:
    """CPU and memory of one stream: the most that the process took, and what it took before."""
    characters = 0

    def got(piece: str) -> None:
        nonlocal characters
        characters += len(piece)

    async with open_client(bare) as read_bare, open_client(url) as read:
        await read_bare(lambda piece: None)
        before = resident_bytes()
        forget_peak()
        began, wall = time.process_time(), time.monotonic()
        await read(got)
        spent, took = time.process_time() - began, time.monotonic() - wall
    return {"cpu_s": spent, "wall_s": took, "characters": characters,
            "before_bytes": before, "peak_bytes": peak_bytes()}  # fmt: skip


async def ttft(open_client: Open, url: str, times: int) -> dict[str, Any]:
    """Seconds from the call to the first fragment, in a client that was used before."""
    found, arrived = list[float](), list[float]()

    def got(piece: str) -> None:
        arrived.append(time.monotonic())

    async with open_client(url) as read:
        for _ in range(times + 3):
            arrived.clear()
            began = time.monotonic()
            await read(got)
            found.append(arrived[0] - began)
    return {"ttft_s": found[3:]}


async def many(
    open_client: Open, url: str, streams: int, apart_s: float, seconds: float
) -> dict[str, Any]:
    """How late events are, in nanoseconds, while so many streams are read at once.

    Streams begin `apart_s` after one another, and have a second to settle before it counts.
    """
    late: list[int] = []
    counts, over = False, False

    def got(piece: str) -> None:
        if counts and MARK in piece:
            now = time.monotonic_ns()
            late.extend(now - int(each[:20]) for each in piece.split(MARK)[1:])

    async def read_until_over(read: Read) -> None:
        try:
            await read(got)
        except Exception:  # some clients turn being cancelled into an error of their own
            if not over:
                raise

    async with open_client(url) as read:
        before = resident_bytes()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for _ in range(streams):
                tasks.append(group.create_task(read_until_over(read)))
                await asyncio.sleep(apart_s)
            await asyncio.sleep(1)
            counts, spent = True, time.process_time()
            await asyncio.sleep(seconds)
            counts, spent = False, time.process_time() - spent
            after, over = resident_bytes(), True
            for task in tasks:
                task.cancel()
    late.sort()
    return {
        "p50_s": late[len(late) // 2] / 1e9 if late else None,
        "p99_s": late[len(late) * 99 // 100] / 1e9 if late else None,
        "marks": len(late),
        "cpu": spent / seconds,
        "bytes_a_stream": (after - before) / streams,
    }


async def memory(open_client: Open, url: str, streams: int, bare: str) -> dict[str, Any]:
    """What a stream takes while it is read, in a process that has read one before."""
    async with open_client(bare) as read:
        await read(lambda piece: None)
    return await many(open_client, url, streams, 0.02, 0.5)


async def overlap(play: Play, url: str, seconds: float) -> dict[str, Any]:
    """When each tool began and ended, when the reader had each fragment, and the end of the run."""
    tools = Tools(seconds)
    read: list[tuple[float, int]] = []
    await play(url, tools, lambda piece: read.append((time.monotonic(), len(piece))))
    return {"began": tools.began, "ended": tools.ended, "read": read, "end": time.monotonic()}


async def cold(open_client: Open, url: str) -> None:
    """Write the answer on stdout, as a small program would."""
    async with open_client(url) as read:
        await read(shown)


def shown(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def forget_peak() -> None:
    """The most that the process took is counted from now on."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_bytes() -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


# -- the process -------------------------------------------------------------------------------

Task = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
TASKS: dict[str, Task] = {"cpu": cpu, "peak": peak, "ttft": ttft, "many": many, "memory": memory}


def main(contenders: dict[str, Contender]) -> None:
    if sys.argv[1:2] == ["cold"]:
        _, _, name, url = sys.argv
        contender = contenders[name]
        assert contender.open is not None
        asyncio.run(cold(contender.open, url))
        return
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not come between
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = obey(contenders, **command)
        except Exception as error:  # a peer's own: told, so that the others are measured still
            answer = {"error": f"{type(error).__name__}: {innermost(error)}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def obey(
    contenders: dict[str, Contender], task: str, contender: str = "", **arguments: Any
) -> dict[str, Any]:
    if task == "contenders":
        return {name: described(each) for name, each in contenders.items()}
    chosen = contenders[contender]
    if task == "overlap":
        assert chosen.play is not None
        return on_loop(chosen, overlap(chosen.play, **arguments))
    assert chosen.open is not None
    return on_loop(chosen, TASKS[task](chosen.open, **arguments))


def described(contender: Contender) -> dict[str, Any]:
    measures = contender.measures if contender.open or contender.program else frozenset[str]()
    return {
        "wire": contender.wire,
        "measures": sorted(measures | ({"overlap"} if contender.play else set())),
        "raw": contender.raw,
        "program": contender.program,
    }


def on_loop(contender: Contender, coroutine: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    return runner(contender.uvloop).run(coroutine)


@cache
def runner(with_uvloop: bool) -> asyncio.Runner:
    """One event loop for all commands: some peers leave clients behind that close on it later."""
    if not with_uvloop:
        return asyncio.Runner()
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())[:300]
