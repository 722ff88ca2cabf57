"""A thousand cancelled runs in one process: nothing of them is left."""

import gc
import socket
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import psutil
import pytest

from midstream import Agent, Run, ToolContext
from midstream.events import Retrying, RunEvent, RunStarted, TextDelta, ToolStarted, TurnStarted
from midstream.messages import Message, ModelRequest, Text
from midstream.providers.anthropic_request import Anthropic
from midstream.simulator import strict
from midstream.simulator.server import Exchange, respond_json, serve
from midstream.turn.retry import Backoff
from tests.fakes import failure, start, stop, text, thinking, tool_use
from tests.proof.scale import at_scale

pytestmark = pytest.mark.anyio

Record = Callable[[str, object], None]

RUNS = at_scale(500, 5000)  # on each event loop
WARM = 200  # until then caches fill
MOST_OBJECTS = 10  # of hundreds of runs; the last calls are held by a context for a moment
MOST_BLOCKS = 6000  # trio holds up to a thousand deadlines that are over, at some blocks each
MOST_MEMORY = 8 << 20  # bytes that the rest may add; of 4,800, what malloc keeps: 4.2 MB were seen
STEPS = 60  # of the event loop, at most, between a moment and the cancel

# -- what is cancelled -------------------------------------------------------------------------


async def sleep() -> None:
    await anyio.sleep_forever()


def spin(context: ToolContext) -> None:
    while not context.cancelled:
        threading.Event().wait(0.001)


async def child() -> None:
    await anyio.run_process(["sleep", "600"])


async def quick() -> str:
    return "done"


TALK = [
    start(),
    thinking(0, "Hm."),
    *(text(index, "Some ", "words.") for index in (1, 2, 3)),
    tool_use(4, "a", "quick"),
    tool_use(5, "b", "quick"),
    *(text(index, "More ", "words.") for index in (6, 7, 8)),
    stop("tool_use"),
]


async def answer(exchange: Exchange) -> None:
    """A provider; what it does is said by the address."""
    match exchange.request.path.split("/")[1]:
        case "talk":
            for piece in TALK:
                await exchange.send(piece)
            await exchange.finish()
        case "busy":
            await respond_json(exchange, 529, {"error": {"type": "overloaded_error"}})
        case "broken":
            await exchange.send(TALK[0] + TALK[2] + failure("overloaded_error"))
        case "silent":
            await exchange.client_left()
        case tool:
            await exchange.send(start() + tool_use(0, "a", tool) + text(1, "Now."))
            await exchange.client_left()


# Where a run is cancelled: its address, and the event after which a few steps more are taken.
MOMENTS: list[tuple[str, type[RunEvent]]] = [
    *(("talk", kind) for kind in (RunStarted, TurnStarted, TextDelta, ToolStarted)),
    *(("busy", Retrying), ("broken", Retrying), ("silent", TurnStarted)),
    *((tool, ToolStarted) for tool in ("sleep", "spin", "child")),
    ("nobody", TurnStarted),
]
WAYS = ["it is told to stop", "its block is left", "its reader is cancelled"]


@asynccontextmanager
async def agents() -> AsyncGenerator[dict[str, Agent]]:
    """An agent for each address; `nobody` takes no connection, so that one waits to connect."""
    async with serve(answer) as url:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            with socket.create_connection(address):
                urls = {name: f"{url}/{name}" for name, _ in MOMENTS}
                urls["nobody"] = f"http://127.0.0.1:{address[1]}"
                yield {name: agent(at) for name, at in urls.items()}


def agent(url: str) -> Agent:
    tools: list[Any] = [sleep, spin, child, quick]
    patient = Backoff(base_s=600.0)
    return Agent("anthropic:m", tools, thinking=1024, api_key="k", base_url=url, backoff=patient)


async def cancelled(run: Run, moment: type[RunEvent], way: str, chance: Random) -> None:
    with anyio.fail_after(10), anyio.CancelScope() as scope:
        async with run:
            async for event in run:
                if isinstance(event, moment):
                    break
            for _ in range(chance.randrange(STEPS)):
                await anyio.lowlevel.checkpoint()
            if way == WAYS[0]:
                run.cancel()
                await run
            elif way == WAYS[2]:
                scope.cancel()
                await anyio.lowlevel.checkpoint()


def check_conversation(run: Run) -> None:
    """What is kept of the run is accepted when the talk goes on."""
    messages = (*run.session.messages, Message("user", (Text("Go on."),)))
    asked = Anthropic("m", "k").request(ModelRequest("m", messages))
    assert strict.problem(asked.headers, asked.body) is None


# -- what is left ------------------------------------------------------------------------------


def alive() -> dict[str, int]:
    process = psutil.Process()
    return {
        "tasks": len(anyio.get_running_tasks()),
        # trio keeps a thread that has nothing to do for ten seconds.
        "threads": sum("Trio thread" not in each.name for each in threading.enumerate()),
        "open files and sockets": process.num_fds(),
        "sockets": len(process.net_connections()),
        "children": len(process.children(recursive=True)),
    }


async def settle(before: dict[str, int]) -> None:
    """Until no more is alive than before: the kernel and plain threads are a moment behind."""
    now = alive()
    with anyio.move_on_after(5):
        while any(now[what] > count for what, count in before.items()):
            await anyio.lowlevel.checkpoint()
            now = alive()
    assert all(now[what] <= count for what, count in before.items()), (now, before)


class Memory(NamedTuple):
    objects: int  # of midstream and of its HTTP client
    blocks: int  # that Python has allocated, of whomever
    size: int  # of the process, in bytes


def memory() -> Memory:
    gc.collect()
    homes = (str(type(each).__module__).partition(".")[0] for each in gc.get_objects())
    objects = sum(home in ("midstream", "httpx2", "httpcore2", "h11") for home in homes)
    size: int = psutil.Process().memory_info().rss
    return Memory(objects, sys.getallocatedblocks(), size)


async def test_of_cancelled_runs_nothing_is_left(record_property: Record) -> None:
    chance, done, then = Random(0), Counter[str](), memory()
    async with agents() as ask:
        await cancelled(ask["child"].run("Go"), ToolStarted, WAYS[0], chance)
        before = alive()
        while done.total() < RUNS:
            name, moment = chance.choice(MOMENTS)
            done[name] += await is_cancelled(ask[name], moment, chance)
            if done.total() == WARM:
                await settle(before)
                then = memory()
        await settle(before)
        now = memory()
    assert done.keys() == {name for name, _ in MOMENTS}
    assert now.objects - then.objects < MOST_OBJECTS
    assert now.blocks - then.blocks < MOST_BLOCKS
    assert now.size - then.size < MOST_MEMORY
    record_property("cancelled runs, nothing of them left", RUNS)
    more = max(0, now.size - then.size)
    record_property(f"bytes of memory more after the last {RUNS - WARM} of them", more)


async def is_cancelled(agent: Agent, moment: type[RunEvent], chance: Random) -> bool:
    run = agent.run("Go")
    await cancelled(run, moment, chance.choice(WAYS), chance)
    assert run.outcome in ("cancelled", "completed")
    check_conversation(run)
    return run.outcome == "cancelled"
