"""A scenario on a socket: requests are recorded, refused or answered."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio

from midstream.simulator.bodies import decode
from midstream.simulator.caching import PromptCache
from midstream.simulator.faults import struck
from midstream.simulator.play import End, Misplaced, Play
from midstream.simulator.scenario import Reply, Scenario, load
from midstream.simulator.server import ClientLeft, Exchange, Request, respond_json, serve
from midstream.simulator.shape import Refusal, invalid
from midstream.simulator.wires import MESSAGES, WIRES, Wire, play

Script = Scenario | Sequence[Reply] | str | Path


class Simulator:
    """A provider that plays a scenario.

    Attributes:
        url: where it listens. Clients of Anthropic's API are given this, those of OpenAI's this
            and `/v1`.
        requests: the bodies of the requests so far, refused ones included, if they were JSON.
        paths: where each of `requests` was sent, such as `/v1/messages`.
        refusals: what was refused.
    """

    def __init__(self, script: Script) -> None:
        self.scenario = scenario_of(script)
        self._name = str(script) if isinstance(script, str | Path) else "the scenario"
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.refusals: list[Refusal] = []
        self._asked = 0
        self._cache = PromptCache()

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request; what `serve` wants."""
        asked_s = anyio.current_time()
        self._asked += 1
        path = exchange.request.path.partition("?")[0]
        wire = WIRES.get(path)
        # Who asks for something else is told so in a form that clients of all wires can read.
        spoken = wire or MESSAGES
        named = {spoken.request_id: f"req_sim_{self._asked:06}"}
        nowhere = Refusal(404, "not_found_error", "Not Found")
        answer = self._answer(wire, exchange.request, named) if wire else nowhere
        if isinstance(answer, Refusal):
            self.refusals.append(answer)
            body = spoken.error(answer, named[spoken.request_id])
            headers = {**named, "x-should-retry": "false"}
            await respond_json(exchange, answer.status, body, headers)
        else:
            await perform(answer, exchange, asked_s)

    def _answer(self, wire: Wire, request: Request, named: dict[str, str]) -> Play | Refusal:
        body = self._read(wire, request)
        if isinstance(body, Refusal):
            return body
        date = format_datetime(datetime.now(UTC), usegmt=True)
        plain = play(wire, body, self.scenario, {**named, "date": date}, self._cache)
        try:
            sent = struck(plain, self.scenario.faults, len(self.requests))
        except Misplaced as misplaced:
            return invalid(f"{self._name}: {misplaced}")
        if sent.status == 200:  # else the model has not read it
            self._cache.keep(wire.prompt(body))
        return sent

    def _read(self, wire: Wire, request: Request) -> dict[str, Any] | Refusal:
        if request.method != "POST":
            return Refusal(405, "invalid_request_error", "Method Not Allowed")
        try:
            body = decode(request.body)
        except ValueError:
            body = {}  # refused for what it is
        else:
            self.requests.append(body)
            self.paths.append(request.path.partition("?")[0])
        return wire.problem(request.headers, request.body) or body


@asynccontextmanager
async def simulator(script: Script, port: int = 0) -> AsyncGenerator[Simulator]:
    """A simulator that listens on loopback until the context is left.

    Raises:
        ConfigurationError: there is no such scenario, or the file is not one.
    """
    stage = Simulator(script)
    async with serve(stage.handle, port=port) as stage.url:
        yield stage


def scenario_of(script: Script) -> Scenario:
    match script:
        case Scenario():
            return script
        case str() | Path():
            return load(script)
        case _:
            return Scenario(replies=script)


async def perform(play: Play, exchange: Exchange, asked_s: float) -> None:
    """Send an answer as it stands: each write when it is due, then its end.

    Args:
        asked_s: when the request came, on anyio's clock.
    """
    exchange.faults = play.faults
    if play.status is not None:
        length = {} if play.length is None else {"content-length": str(play.length)}
        await anyio.sleep_until(asked_s + play.head_s)
        await exchange.start(play.status, {**play.headers, **length})
    for frame in play.frames:
        await anyio.sleep_until(asked_s + frame.at_s)
        for data in frame.writes:
            await exchange.send(data)
    match play.end:
        case End.FINISH:
            await exchange.finish()
        case End.CLOSE:
            await exchange.close()
        case End.RESET:
            await exchange.reset()
        case End.STALL:
            await _stall(exchange, play)


async def _stall(exchange: Exchange, play: Play) -> None:
    """Keep a client waiting until it leaves, which is then raised as `ClientLeft`."""
    while play.ping_s:
        await anyio.sleep(play.ping_s)
        await exchange.send(play.wire.ping)
    await exchange.client_left()
    raise ClientLeft
