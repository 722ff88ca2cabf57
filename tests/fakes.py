"""A provider made of bytes: what the tests of the loop talk to, over a real socket."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import anyio

from midstream import Agent, RunEvent
from midstream.agent.run import Run
from midstream.events import RunEnded, TurnDiscarded
from midstream.simulator import strict
from midstream.simulator.server import Exchange, respond_json, serve
from midstream.simulator.shape import Refusal
from midstream.simulator.signatures import sign
from midstream.turn.retry import Backoff

AT_ONCE = Backoff(base_s=0.0)


class Do(Enum):
    CUT = "close without the last chunk"
    RESET = "close by a TCP reset"
    STALL = "say nothing until the client leaves"
    PING = "send pings until the client leaves"


# What an answer is made of: bytes to send, something to Do, or an anyio.Event to wait for.
Step = object
Answer = Sequence[Step] | tuple[int, dict[str, Any], dict[str, str]]


# -- the wire ----------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(message_id: str = "msg_1", **usage: int) -> bytes:
    counts = {"input_tokens": 10, "output_tokens": 1, **usage}
    message = {"id": message_id, "model": "claude-sonnet-4-6", "content": [], "usage": counts}
    return event("message_start", message=message)


def block(
    index: int, content: dict[str, Any], *deltas: dict[str, Any], close: bool = True
) -> bytes:
    begun = event("content_block_start", index=index, content_block=content)
    parts = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return begun + b"".join(parts) + (event("content_block_stop", index=index) if close else b"")


def text(index: int, *parts: str, close: bool = True) -> bytes:
    deltas = [{"type": "text_delta", "text": part} for part in parts]
    return block(index, {"type": "text", "text": ""}, *deltas, close=close)


def thinking(index: int, words: str, *, signed: bool = True) -> bytes:
    said: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": words}]
    if signed:
        said.append({"type": "signature_delta", "signature": sign(words, index)})
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *said, close=signed)


def tool_use(index: int, call_id: str, name: str, *fragments: str, close: bool = True) -> bytes:
    content = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in ("", *fragments)]
    return block(index, content, *deltas, close=close)


def stop(reason: str, output_tokens: int = 7, **details: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None, **details}
    usage = {"output_tokens": output_tokens}
    return event("message_delta", delta=delta, usage=usage) + event("message_stop")


def says(words: str) -> list[Step]:
    return [start(), text(0, words), stop("end_turn")]


def failure(kind: str, message: str = "try later") -> bytes:
    return event("error", error={"type": kind, "message": message})


# -- the provider ------------------------------------------------------------------------------


class Provider:
    """Plays one answer a request, and notes what the real API would have refused."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self.headers: Mapping[str, str] = {}  # of the last request
        self.asked_at: list[float] = []
        self.connections: set[object] = set()
        self.asked = anyio.Event()  # the first request has come
        self.left = anyio.Event()  # the client closed a connection that it might have kept
        self._answers = iter(answers)

    async def handle(self, exchange: Exchange) -> None:
        self.asked_at.append(anyio.current_time())
        self.asked.set()
        self.connections.add(exchange._connection)
        self.requests.append(json.loads(exchange.request.body))
        self.headers = exchange.request.headers
        if refusal := strict.problem(exchange.request.headers, exchange.request.body):
            self.refusals.append(refusal)
        answer = next(self._answers)
        if isinstance(answer, tuple):
            status, body, headers = answer
            await respond_json(exchange, status, body, headers)
            return
        await exchange.start()
        for step in answer:
            await self._step(exchange, step)
            if step in (Do.CUT, Do.RESET):
                return
        await exchange.finish()

    async def _step(self, exchange: Exchange, step: Step) -> None:
        match step:
            case bytes():
                await exchange.send(step)
            case Do.CUT:
                await exchange.close()
            case Do.RESET:
                await exchange.reset()
            case Do.STALL:
                await exchange.client_left()
                self.left.set()
            case Do.PING:
                while True:
                    await exchange.send(event("ping"))
                    await anyio.sleep(0.01)
            case anyio.Event():
                await step.wait()
            case _:
                raise TypeError(f"not a step: {step!r}")

    def said(self, request: int = -1) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.requests[request]["messages"]
        return messages

    def results(self, request: int = -1) -> dict[str, str]:
        """What the last message of a request says that each call came to."""
        blocks = self.said(request)[-1]["content"]
        return {b["tool_use_id"]: b["content"] for b in blocks if b["type"] == "tool_result"}

    def notes(self, request: int = -1) -> str:
        blocks = self.said(request)[-1]["content"]
        return "\n".join(b["text"] for b in blocks if b["type"] == "text")

    def agent(self, tools: Sequence[Any] = (), **settings: Any) -> Agent:
        settings = {"backoff": AT_ONCE, **settings}
        return Agent("anthropic:m", tools, api_key="k", base_url=self.url, **settings)


@asynccontextmanager
async def provider(*answers: Answer) -> AsyncGenerator[Provider]:
    """A provider that gives `answers` in order. Leaving checks that every request was valid."""
    made = Provider(answers)
    with anyio.fail_after(20):
        async with serve(made.handle) as made.url:
            yield made
    assert made.refusals == []


async def play(run: Run) -> list[RunEvent]:
    async with run:
        return [each async for each in run]


def ended(events: Sequence[RunEvent]) -> RunEnded:
    assert isinstance(events[-1], RunEnded)
    return events[-1]


def reasons(events: Sequence[RunEvent]) -> list[str]:
    return [each.reason for each in events if isinstance(each, TurnDiscarded)]
