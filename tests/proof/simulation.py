"""A world made from a seed: fake time, a fake net, a fake disk, and a user who does anything.

What runs in it is midstream: the agent, its HTTP client down to where bytes are read, the stored
session down to where rows are written. All chance comes from the seed, the order of tasks too, so
that a seed is a world that can be had again.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import genai_prices  # noqa: F401 (else the first world loads it, and is another)
import httpx2
import pytest
import trio
import trio._core._run as trio_run

from midstream import Agent, tool
from midstream.agent import room, tally
from midstream.agent.summary import ASKED
from midstream.errors import SessionError
from midstream.journal import store
from midstream.journal.database import Row
from midstream.journal.records import Record
from midstream.journal.store import StoredSession
from midstream.models.http import HttpModel
from midstream.models.model import Patience
from midstream.providers.anthropic_request import Anthropic
from midstream.secrets.secrets import Secrets
from midstream.simulator import strict
from tests.fakes import block, failure, start, stop, text, thinking, tool_use

T = TypeVar("T")
Json = dict[str, Any]

TOOLS = ("pay", "post", "book", "look")


class World:
    """What there is beside the process: the provider, the disk, and what tools have changed.

    Attributes:
        rows: what is on the disk.
        effects: how often each call with effects has happened.
        asked: how often one answer asked for each call, at most.
        trace: what happened, in order; the same for the same seed.
        broken: the promises that were.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.calm = False  # nothing goes wrong any more
        self.full = False  # the disk
        self.rows: list[Row] = []
        self.effects = Counter[str]()
        self.asked = Counter[str]()
        self.compacted = 0  # how often faces were told so
        self.said: list[Json] = []  # the messages of the last request
        self.trace: list[str] = []
        self.broken: list[str] = []

    def happens(self, probability: float) -> bool:
        return not self.calm and self.chance.random() < probability

    async def passes(self, mean_s: float) -> None:
        """Some time passes; often none, so that things happen at once."""
        delay = self.chance.choice([0, 0, self.chance.expovariate(1 / mean_s)])
        await anyio.sleep(delay)

    def note(self, what: str) -> None:
        self.trace.append(f"{trio.current_time():.6f} {what}")

    def require(self, holds: bool, promise: str) -> None:
        if not holds:
            self.note(promise)
            self.broken.append(promise)


# -- the net -----------------------------------------------------------------------------------


class Net(httpx2.AsyncBaseTransport):
    """Where requests go; the provider, and everything that can happen on the way from it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cut_off = False  # the process is dead

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        world = self.world
        if self.cut_off:
            raise httpx2.ConnectError("dead")
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        headers = {name.lower(): value for name, value in request.headers.items()}
        refusal = strict.problem(headers, body)
        world.require(refusal is None, f"a request is valid: {refusal}")
        world.said = json.loads(body)["messages"]
        await world.passes(0.3)
        if world.happens(0.05):
            raise httpx2.ConnectError("nobody there")
        if world.happens(0.1):
            return self._refused()
        read_s: float = request.extensions["timeout"]["read"]
        end = world.chance.choice(FAULTS) if world.happens(0.4) else quiet
        stream = Stream(world, answer(world), read_s, end)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    def _refused(self) -> httpx2.Response:
        chance = self.world.chance
        status = chance.choice([429, 500, 503, 529, 529, 400])
        headers = chance.choice([{}, {"retry-after": "7"}, {"retry-after-ms": "30"}])
        body = json.dumps({"type": "error", "error": {"type": "api_error", "message": "no"}})
        return httpx2.Response(
            status, headers=headers, stream=Stream(self.world, body.encode(), 1.0, quiet)
        )


class Stream(httpx2.AsyncByteStream):
    """An answer on its way: in pieces of any size, late, and ending in any way."""

    def __init__(self, world: World, whole: bytes, read_s: float, end: "End") -> None:
        self.world = world
        self.whole = BytesIO(whole)
        self.read_s = read_s
        self.end = end
        self.end_at = len(whole) if end is quiet else world.chance.randrange(len(whole))

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        await self.world.passes(0.05)
        left = self.end_at - self.whole.tell()
        size = min(left, self.world.chance.choice([1, 20, 200, 2000]))
        if piece := self.whole.read(size) or await self.ends():
            return piece
        raise StopAsyncIteration

    async def ends(self) -> bytes:
        end, self.end = self.end, quiet
        self.world.note(f"the answer is {end.__name__}")
        return await end(self)


End = Callable[[Stream], Awaitable[bytes]]


async def quiet(stream: Stream) -> bytes:
    return b""


async def reset(stream: Stream) -> bytes:
    raise httpx2.ReadError("reset")


async def silent(stream: Stream) -> bytes:
    await anyio.sleep(stream.read_s)
    raise httpx2.ReadTimeout("silence")


async def pinging(stream: Stream) -> bytes:
    stream.end = pinging
    await anyio.sleep(stream.read_s / 2)
    return b'\n\nevent: ping\ndata: {"type": "ping"}\n\n'


async def refused(stream: Stream) -> bytes:
    return b"\n\n" + failure("overloaded_error")


async def repeated(stream: Stream) -> bytes:
    return b"\n\n" + start() + stop("end_turn")


FAULTS: list[End] = [reset, silent, pinging, refused, repeated]


# -- the model ---------------------------------------------------------------------------------


def answer(world: World) -> bytes:
    """What the model says: the same to the same words, but that it changes its mind at times."""
    words = json.dumps([world.seed, world.said, world.happens(0.2)])
    digest = hashlib.sha256(words.encode()).hexdigest()
    mind = Random(digest)
    asked = sum(any(b["type"] == "tool_use" for b in m["content"]) for m in world.said[-6:])
    sums_up = ASKED in world.said[-1]["content"][-1].get("text", "") and mind.random() < 0.9
    no_calls = world.calm or asked > 2 or sums_up
    calls = [] if no_calls else mind.choices(TOOLS, k=mind.randrange(4))
    parts = [thinking(0, f"Hm. {digest[:4]}")]
    said = [f"Words {i}, " for i in range(mind.randrange(1, 9))]
    # No two summaries are equal: else the same conversation could come twice, and the same calls.
    parts += [text(len(parts), *([digest] if sums_up else []), *said)]
    numbers = [int(digest[:6], 16) + mind.randrange(2) for _ in calls]
    here = Counter[str]()
    for name, number in zip(calls, numbers, strict=True):
        here[f"{name} {number}"] += 1
        call_id = f"toolu_{world.chance.getrandbits(60):x}"
        parts.append(tool_use(len(parts), call_id, name, '{"n": ', f"{number}}}"))
    for key, count in here.items():
        world.asked[key] = max(world.asked[key], count)
    ends = ["max_tokens", "refusal", *["tool_use" if calls else "end_turn"] * 12]
    reason = ends[-1] if world.calm else mind.choice(ends)
    if reason == "max_tokens":
        parts.append(block(len(parts), {"type": "text", "text": ""}))
    return start(input_tokens=len(words) // 4) + b"".join(parts) + stop(reason)


# -- a process ---------------------------------------------------------------------------------


class Process:
    """One life of the program: it has the session open, and dies or ends.

    To the stored session it is the database.
    """

    path = Path("sessions.db")

    def __init__(self, world: World) -> None:
        self.world = world
        self.alive = True
        self.cancelled = False  # the user's cancel has returned
        self.queued = False  # the user has queued words
        self.net = Net(world)
        self.secrets = Secrets()
        self.session = StoredSession(self, "s", "/")  # type: ignore[arg-type]
        self.session.load()
        model = HttpModel(Anthropic("m", "k"), "http://world", Patience(), self.net)
        tools = [
            tool(self.pay),
            tool(self.post, hold=True),
            tool(self.book, serial="books", timeout=2.0),
            tool(self.look, effects="read"),
        ]
        window = world.chance.choice([None, 600, 1_500, 4_000])
        self.agent = Agent(model, tools, thinking=1024, max_turns=6, context_window=window)

    # -- its tools

    async def pay(self, n: int) -> str:
        return await self._does("pay", n)

    async def post(self, n: int) -> str:
        return await self._does("post", n)

    async def book(self, n: int) -> str:
        return await self._does("book", n)

    async def look(self, n: int) -> str:
        return await self._does("look", n)

    async def _does(self, name: str, n: int) -> str:
        world = self.world
        if self.alive:
            world.require(not self.cancelled, "no call starts after the cancel")
            world.effects[f"{name} {n}"] += 1
            world.note(f"{name} {n}")
        await world.passes(1.0)
        if world.happens(0.1):
            raise ValueError("the tool failed")
        return f"{name} is done"

    # -- its disk

    def append(self, session: str, folder: str, rows: list[Row]) -> None:
        if self.world.full or not self.alive:
            raise SessionError("the disk is full", kind="session_not_saved")
        self.world.require(rows[0].n == len(self.world.rows) + 1, "records are written in order")
        self.world.rows += rows

    def news(self, session: str, after: int) -> tuple[int, list[Record]]:
        return len(self.world.rows), [row.record for row in self.world.rows[after:]]

    def time_of(self, session: str, n: int) -> float | None:
        return self.world.rows[n - 1].at

    # -- its life

    def dies(self) -> None:
        """From here on nothing of it reaches the world."""
        self.alive, self.net.cut_off = False, True


@contextmanager
def laws(world: World) -> Generator[None]:
    """The world's own: chance comes from its seed, and what would be a thread takes fake time."""

    async def in_no_thread(function: Callable[[], T]) -> T:
        await world.passes(0.01)
        value = function()
        await world.passes(0.01)
        return value

    random.seed(world.seed)
    trio_run._r.seed(world.seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr(store, "in_thread", in_no_thread)
        patch.setattr(tally, "in_thread", in_no_thread)
        patch.setattr(room, "in_thread", in_no_thread)
        patch.setattr(store, "hold", lambda path: BytesIO())
        yield
