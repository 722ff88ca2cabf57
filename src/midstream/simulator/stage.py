"""A scenario on a socket: requests are recorded, refused or answered."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from midstream.simulator import anthropic, strict
from midstream.simulator.scenario import Reply, Scenario, load
from midstream.simulator.server import EVENT_STREAM, Exchange, Request, respond_json, serve
from midstream.simulator.shape import Refusal

Script = Scenario | Sequence[Reply] | str | Path


class Simulator:
    """A provider that plays a scenario.

    Attributes:
        url: where it listens; the API is below it, at `/v1/messages`.
        requests: the bodies of the requests so far, refused ones included, if they were JSON.
        refusals: what was refused.
    """

    def __init__(self, script: Script) -> None:
        self.scenario = scenario_of(script)
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self._asked = 0

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request; what `serve` wants."""
        self._asked += 1
        request_id = f"req_sim_{self._asked:06}"
        body = self._read(exchange.request)
        if isinstance(body, Refusal):
            self.refusals.append(body)
            error = anthropic.error(body.kind, body.message, request_id)
            headers = {"request-id": request_id, "x-should-retry": "false"}
            await respond_json(exchange, body.status, error, headers)
            return
        answer = anthropic.answer(body, self.scenario)
        if body.get("stream"):
            await self._stream(exchange, answer, request_id)
        else:
            headers = {"request-id": request_id}
            await respond_json(exchange, 200, anthropic.message(answer), headers)

    def _read(self, request: Request) -> dict[str, Any] | Refusal:
        if request.path.partition("?")[0] != "/v1/messages":
            return Refusal(404, "not_found_error", "Not Found")
        if request.method != "POST":
            return Refusal(405, "invalid_request_error", "Method Not Allowed")
        try:
            body = strict.decode(request.body)
        except ValueError:
            body = {}  # refused for what it is
        else:
            self.requests.append(body)
        return strict.problem(request.headers, request.body) or body

    async def _stream(self, exchange: Exchange, answer: anthropic.Answer, request_id: str) -> None:
        asked_at = anyio.current_time()
        await exchange.start(200, {**EVENT_STREAM, "request-id": request_id})
        for frame in anthropic.frames(answer, self.scenario):
            await anyio.sleep_until(asked_at + frame.at_s)
            await exchange.send(frame.data)
        await exchange.finish()


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
