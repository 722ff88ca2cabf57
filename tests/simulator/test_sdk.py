"""The official SDK as a client: what it is refused, what it reads, and what it sees of faults."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say, simulator, think
from midstream.simulator.faults import (
    AnyFault,
    Cut,
    Delay,
    Drop,
    Error,
    Gzip,
    Length,
    Lines,
    Split,
    Stall,
    Status,
    Stop,
)
from tests.simulator.requests import ACCEPTED, HEADERS, TOOL, Json
from tests.simulator.test_strict import REFUSED as REFUSED_REQUESTS
from tests.simulator.test_strict_messages import REFUSED as REFUSED_MESSAGES

anthropic = pytest.importorskip("anthropic", reason="the official SDK is the client here")

pytestmark = pytest.mark.anyio

ASK: Json = {
    "model": "m", "max_tokens": 2048, "tools": [TOOL],
    "messages": [{"role": "user", "content": "Hi"}],
}  # fmt: skip
ONCE = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # long tables of what is refused
REPLIES = [Reply([think("Hm."), say("Let me look. "), call("look", at=["a", 1])])]


@asynccontextmanager
async def client_of(
    *faults: AnyFault, retries: int = 0, timeout_s: float = 10.0
) -> AsyncGenerator[tuple[Simulator, Any]]:
    with anyio.fail_after(20):
        async with (
            simulator(Scenario(replies=REPLIES, faults=faults)) as sim,
            anthropic.AsyncAnthropic(
                api_key="k", base_url=sim.url, max_retries=retries, timeout=timeout_s
            ) as client,
        ):
            yield sim, client


async def streamed(client: Any, body: Json = ASK) -> Any:
    body = {name: value for name, value in body.items() if name != "stream"}
    async with client.messages.stream(**body) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_message()


# -- strict ------------------------------------------------------------------------------------


# What the version of the API that the SDK asks for has dropped.
RETIRED = ("a prompt in blocks", "all sorts of parameters")
STILL_ACCEPTED = {name: body for name, body in ACCEPTED.items() if name not in RETIRED}


@ONCE
@pytest.mark.parametrize("body", STILL_ACCEPTED.values(), ids=STILL_ACCEPTED.keys())
async def test_what_the_api_accepts_is_answered(body: Json) -> None:
    async with client_of() as (sim, client):
        message = await streamed(client, body)
    assert message.stop_reason in ("tool_use", "max_tokens")
    assert sim.refusals == []


# A message that is no object at all does not get through the SDK.
REFUSED = [row for row in (*REFUSED_REQUESTS, *REFUSED_MESSAGES) if row[0] != "message is text"]


@ONCE
@pytest.mark.parametrize(
    ("body", "words"), [(body, words) for _, body, words in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_what_the_api_refuses_is_a_bad_request(body: Json, words: str) -> None:
    async with client_of(retries=2) as (sim, client):
        with pytest.raises(anthropic.BadRequestError) as caught:
            await client.post("/v1/messages", cast_to=object, body=body,
                              options={"headers": HEADERS})  # fmt: skip
    error = caught.value.body["error"]
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert len(sim.requests) == 1, "what cannot be accepted is not sent again"


async def test_the_streaming_helper_reads_thinking_text_and_calls() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    async with client_of() as (_, client):
        async with client.messages.stream(**ASK, **thinking) as stream:
            kinds = [event.type async for event in stream]
            message = await stream.get_final_message()
    thought, text, use = message.content
    assert (thought.thinking, text.text, use.input) == ("Hm.", "Let me look. ", {"at": ["a", 1]})
    assert thought.signature
    assert {"thinking", "signature", "text", "input_json", "message_stop"} <= set(kinds)


# -- faults that it does not notice ------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Split(size=1), Split(size=7), Split(size=10**6), Lines(ends="cr"), Lines(ends="crlf"),
        Gzip(), Drop("ping"), Delay(0.1, event=5),
    ],
    ids=repr,
)  # fmt: skip
async def test_what_is_odd_and_whole_is_read(fault: AnyFault) -> None:
    async with client_of(fault) as (_, client):
        message = await streamed(client)
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.content[1].input == {"at": ["a", 1]}


# -- faults that it retries --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (Status(529, retry_after=0.2), 0.2),
        (Status(529, retry_after_ms=200), 0.2),
        (Status(429, retry_after=0.1), 0.1),
        (Status(503, retry_after_date=2), 1.0),
        (Status(400, should_retry=True, retry_after=0.1), 0.1),
        (Cut(), 0.0),
        (Cut(reset=True), 0.0),
    ],
    ids=repr,
)
async def test_what_comes_before_the_stream_is_asked_again(fault: AnyFault, wait_s: float) -> None:
    async with client_of(fault, retries=1) as (sim, client):
        began = anyio.current_time()
        message = await streamed(client)
        assert anyio.current_time() - began >= wait_s * 0.9
    assert message.stop_reason == "tool_use"
    assert len(sim.requests) == 2
    assert sim.requests[0] == sim.requests[1]


async def test_it_does_not_retry_what_should_not_be() -> None:
    async with client_of(Status(529, should_retry=False), retries=2) as (sim, client):
        with pytest.raises(anthropic.APIStatusError):
            await streamed(client)
    assert len(sim.requests) == 1


# -- faults that it raises ---------------------------------------------------------------------

STATUSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError",
    404: "NotFoundError", 409: "ConflictError", 422: "UnprocessableEntityError",
    429: "RateLimitError", 500: "InternalServerError", 529: "OverloadedError",
}  # fmt: skip


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
async def test_every_status_is_an_error_of_its_own(status: int, name: str) -> None:
    async with client_of(Status(status, message="No.")) as (_, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await streamed(client)
    assert type(caught.value).__name__ == name
    assert caught.value.body["error"]["message"] == "No."


@pytest.mark.parametrize("event", [1, 8, -1])
async def test_an_error_inside_the_stream_is_a_status_error(event: int) -> None:
    async with client_of(Error(event)) as (_, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await streamed(client)
    assert caught.value.body["error"] == {"type": "overloaded_error", "message": "Overloaded"}


# Inside a stream the SDK lets the HTTP client's own exceptions through.
INSIDE: list[tuple[AnyFault, type[Exception]]] = [
    (Cut(event=8), httpx2.RemoteProtocolError),
    (Cut(byte=700), httpx2.RemoteProtocolError),
    (Cut(event=-1), httpx2.RemoteProtocolError),
    (Cut(event=8, reset=True), httpx2.ReadError),
    (Length(5), httpx2.RemoteProtocolError),
    (Stall(event=8), httpx2.ReadTimeout),
    (Gzip(broken=True), httpx2.DecodingError),
]


@pytest.mark.parametrize(("fault", "kind"), INSIDE, ids=[repr(row[0]) for row in INSIDE])
async def test_a_stream_that_breaks_raises(fault: AnyFault, kind: type[Exception]) -> None:
    async with client_of(fault, retries=2, timeout_s=0.5) as (sim, client):
        with pytest.raises(kind):
            await streamed(client)
    assert len(sim.requests) == 1, "what has begun is not asked for again"


@pytest.mark.parametrize("fault", [Cut(), Cut(reset=True)], ids=repr)
async def test_no_answer_is_a_connection_error(fault: AnyFault) -> None:
    async with client_of(fault) as (_, client):
        with pytest.raises(anthropic.APIConnectionError):
            await streamed(client)


@pytest.mark.parametrize("fault", [Stall(), Delay(5.0)], ids=repr)
async def test_a_late_answer_is_a_timeout(fault: AnyFault) -> None:
    async with client_of(fault, timeout_s=0.3) as (_, client):
        with pytest.raises(anthropic.APITimeoutError):
            await streamed(client)


async def test_an_odd_stop_reason_is_handed_on() -> None:
    async with client_of(Stop("gone_fishing"), Stop(request=2)) as (_, client):
        assert (await streamed(client)).stop_reason == "gone_fishing"
        assert (await streamed(client)).stop_reason is None


async def test_a_fault_of_the_stream_in_an_answer_that_is_none_is_refused() -> None:
    async with client_of(Error(5)) as (_, client):
        with pytest.raises(anthropic.BadRequestError, match="this answer is no stream"):
            await client.messages.create(**ASK)
