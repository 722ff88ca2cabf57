"""An answer that is cut at every one of its bytes: its effects happen once, and the run completes.

The first answer thinks, speaks, and calls two tools that change something and one that reads. It is
cut; the provider then answers the same question whole, with other ids, as a provider does.
"""

import json
from collections import Counter
from collections.abc import Callable
from enum import Enum
from functools import cache
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from midstream import Agent, tool
from midstream.simulator import strict
from midstream.simulator.server import Exchange, serve
from midstream.simulator.shape import Refusal
from midstream.simulator.signatures import sign
from midstream.turn.retry import Backoff
from tests.fakes import ended, play, start, stop, text
from tests.proof.scale import SOAK

pytestmark = pytest.mark.anyio

Record = Callable[[str, object], None]
Cut = tuple[int, "End"]


class End(Enum):
    QUIET = "the body ends as if it were whole"
    CLOSE = "the connection closes before the last chunk"
    RESET = "the connection is reset"


@cache
def answer(attempt: int) -> bytes:
    """As short as the wire allows, for there is a run for every byte. Ids are new each time."""
    called = [("pay", {"to": "Ada"}), ("pay", {"to": "Ada"}), ("look", {})]
    parts: list[bytes] = [
        record("message_start", message={"id": f"m{attempt}", "model": "m"}),
        *block(0, {"type": "thinking"}, thinking="Pay."),
        *block(1, {"type": "text"}, text="I pay."),
    ]
    parts[3:3] = [delta(0, signature=sign("Pay.", 0))]
    for index, (name, given) in enumerate(called, 2):
        content = {"type": "tool_use", "id": f"{index}_{attempt}", "name": name}
        parts += block(index, content, **({"input_json": json.dumps(given)} if given else {}))
    parts += [record("message_delta", delta={"stop_reason": "tool_use"}), record("message_stop")]
    return b"".join(parts)


def block(index: int, content: dict[str, str], **said: str) -> list[bytes]:
    return [
        record("content_block_start", index=index, content_block=content),
        *(delta(index, **{kind: words}) for kind, words in said.items()),
        record("content_block_stop", index=index),
    ]


def delta(index: int, **said: str) -> bytes:
    ((kind, words),) = said.items()
    field = "partial_json" if kind == "input_json" else kind
    part = {"type": f"{kind}_delta", field: words}
    return record("content_block_delta", index=index, delta=part)


def record(kind: str, **fields: Any) -> bytes:
    return b"data:%b\n\n" % json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()


LENGTH = len(answer(1))
PAID = start() + text(0, "Paid.") + stop("end_turn")


class Cutter:
    """A provider that cuts its first answers where it is told to."""

    def __init__(self) -> None:
        self.cuts: list[Cut] = []
        self.piece = LENGTH  # how many bytes it writes at a time
        self.asked = 0
        self.refusals: list[Refusal] = []

    async def handle(self, exchange: Exchange) -> None:
        self.asked += 1
        if refusal := strict.problem(exchange.request.headers, exchange.request.body):
            self.refusals.append(refusal)
        await exchange.start()
        if json.loads(exchange.request.body)["messages"][1:]:
            await exchange.send(PAID)
            await exchange.finish()
            return
        place, end = self.cuts.pop(0) if self.cuts else (LENGTH, End.QUIET)
        whole = answer(self.asked)
        for at in range(0, place, self.piece):
            await exchange.send(whole[at : min(at + self.piece, place)])
        await CLOSE[end](exchange)


CLOSE = {End.QUIET: Exchange.finish, End.CLOSE: Exchange.close, End.RESET: Exchange.reset}


class Account:
    """Tools, and what they did."""

    def __init__(self) -> None:
        self.did = Counter[str]()
        self.steps = 0  # how long a payment takes: it may outlast the answer that asked for it

    async def pay(self, to: str) -> str:
        self.did[f"paid {to}"] += 1
        for _ in range(self.steps):
            await anyio.lowlevel.checkpoint()
        return "paid"

    async def look(self) -> str:
        self.did["looked"] += 1
        return "seen"


class Bank:
    def __init__(self, provider: Cutter, url: str) -> None:
        self.provider = provider
        self.account = Account()
        self.runs = 0
        tools: list[Any] = [tool(self.account.pay), tool(self.account.look, effects="read")]
        self.agent = Agent(
            "anthropic:m", tools, thinking=1024, api_key="k", base_url=url,
            backoff=Backoff(base_s=0.0),
        )  # fmt: skip

    async def run(self, *cuts: Cut, piece: int = LENGTH) -> None:
        self.provider.cuts, self.provider.piece, self.provider.asked = list(cuts), piece, 0
        self.account.did.clear()
        self.account.steps = cuts[0][0] % 50
        with anyio.fail_after(10):
            events = await play(self.agent.run("Pay Ada twice."))
        assert self.provider.refusals == [], cuts
        assert self.account.did == {"paid Ada": 2, "looked": 1}, cuts
        assert (ended(events).outcome, ended(events).text) == ("completed", "Paid."), cuts
        assert self.provider.asked <= len(cuts) + 2, cuts
        self.runs += 1


PARTS = 4
# The small form has every byte on asyncio, and every seventh on trio.
STEP = {"asyncio": 1, "trio": 1 if SOAK else 7}
ENDS = list(End) if SOAK else [End.QUIET, End.RESET]
AGAIN = 1 if SOAK else 20  # every how many places the second attempt is cut as well


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("end", ENDS)
async def test_an_answer_cut_at_every_byte_has_its_effects_once(
    end: End, part: int, anyio_backend: str, record_property: Record
) -> None:
    provider, chance, step = Cutter(), Random(part), STEP[anyio_backend]
    async with serve(provider.handle) as url:
        bank = Bank(provider, url)
        for place in range(part * step, LENGTH, PARTS * step):
            await bank.run((place, end))
            if place % AGAIN == 0:
                await bank.run((place, end), (chance.randrange(LENGTH), chance.choice(list(End))))
            if SOAK:
                await bank.run((place, end), piece=1)
    record_property("runs with an answer cut at a byte, each effect once", bank.runs)
