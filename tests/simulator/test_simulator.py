"""The simulator as its clients see it; the official SDK is the judge of the wire."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from midstream.simulator import Reply, Script, Simulator, call, redacted, say, simulator, think

anthropic = pytest.importorskip("anthropic", reason="the official SDK is the judge here")

Json = dict[str, Any]

TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASK: Json = {"model": "m", "max_tokens": 2048, "messages": [{"role": "user", "content": "Hi"}]}
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
LOOK_TWICE = [
    Reply([think("Let me see."), redacted(), say("Looking. "), call("look", at=["a", 1]),
           think("And b."), say("Again. "), call("look"), say("Wait.")]),
    Reply([say("{look[0].seen} and {look.seen}.")]),
]  # fmt: skip


@asynccontextmanager
async def client_of(script: Script) -> AsyncGenerator[tuple[Simulator, Any]]:
    async with (
        simulator(script) as provider,
        anthropic.AsyncAnthropic(api_key="k", base_url=provider.url, max_retries=0) as client,
    ):
        yield provider, client


async def streamed(client: Any, body: Json) -> Json:
    async with client.messages.stream(**body) as stream:
        async for _ in stream:
            pass
        message = await stream.get_final_message()
    return message.to_dict()  # type: ignore[no-any-return]


async def test_the_sdk_reads_text() -> None:
    async with client_of([Reply([say("You said {prompt}. Größe 🙂!")])]) as (_, client):
        message = await streamed(client, ASK)
    assert message["content"][0]["text"] == "You said Hi. Größe 🙂!"
    assert message["stop_reason"] == "end_turn"


async def test_the_sdk_reads_calls_and_text_behind_them() -> None:
    script = [Reply([call("look", at=[1, {"b": "ü"}]), say("Wait.")])]
    async with client_of(script) as (_, client):
        use, text = (await streamed(client, {**ASK, "tools": [TOOL]}))["content"]
    assert use["input"] == {"at": [1, {"b": "ü"}]}
    assert text["text"] == "Wait."


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_loop_with_thinking_goes_round(stream: bool) -> None:
    body = {**ASK, "tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    async with client_of(LOOK_TWICE) as (provider, client):

        async def ask(body: Json) -> Json:
            if stream:
                return await streamed(client, body)
            return (await client.messages.create(**body)).to_dict()  # type: ignore[no-any-return]

        first = await ask(body)
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": f'{{"seen": {n}}}'}
            for n, block in enumerate(b for b in first["content"] if b["type"] == "tool_use")
        ]
        body["messages"] = [
            *ASK["messages"],
            {"role": "assistant", "content": first["content"]},
            {"role": "user", "content": results},
        ]
        second = await ask(body)
    assert first["stop_reason"] == "tool_use"
    assert second["content"][-1]["text"] == "0 and 1."
    assert [len(request["messages"]) for request in provider.requests] == [1, 3]
    assert provider.refusals == []


async def test_both_ways_of_asking_get_the_same_message() -> None:
    body = {**ASK, "thinking": {"type": "adaptive"}}
    async with client_of(LOOK_TWICE) as (_, client):
        whole = (await client.messages.create(**body)).to_dict()
        parts = await streamed(client, body)
    for message in (whole, parts):
        del message["usage"]
    assert parts == whole


async def test_the_sdk_raises_what_it_would_for_the_real_api() -> None:
    body = {**ASK, "messages": [{"role": "user", "content": " "}]}
    async with client_of([Reply([say("Hi.")])]) as (provider, client):
        with pytest.raises(anthropic.BadRequestError, match="non-whitespace text") as caught:
            await client.messages.create(**body)
    assert caught.value.request_id == caught.value.body["request_id"] == "req_sim_000001"
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert [refusal.status for refusal in provider.refusals] == [400]
    assert provider.requests[0]["messages"] == body["messages"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "kind"),
    [
        ("POST", "/v1/messages?beta=true", HEADERS, ASK, 200, None),
        ("POST", "/v1/complete", HEADERS, ASK, 404, "not_found_error"),
        ("GET", "/v1/messages", HEADERS, None, 405, "invalid_request_error"),
        ("POST", "/v1/messages", {}, ASK, 401, "authentication_error"),
        ("POST", "/v1/messages", HEADERS, None, 400, "invalid_request_error"),
    ],
)
async def test_every_answer_has_its_status_and_an_id(
    method: str, path: str, headers: dict[str, str], body: Json | None, status: int,
    kind: str | None,
) -> None:  # fmt: skip
    async with simulator("hello") as provider, httpx2.AsyncClient() as client:
        answer = await client.request(method, provider.url + path, headers=headers, json=body)
    assert answer.status_code == status
    assert answer.headers["request-id"] == "req_sim_000001"
    if kind:
        assert answer.json()["error"]["type"] == kind
        assert answer.json()["request_id"] == "req_sim_000001"


async def test_many_clients_are_served_at_once() -> None:
    texts: list[str] = []

    async def ask(client: Any, prompt: str) -> None:
        body = {**ASK, "messages": [{"role": "user", "content": prompt}]}
        texts.append((await streamed(client, body))["content"][0]["text"])

    async with (
        client_of([Reply([say("{prompt}")])]) as (_, client),
        anyio.create_task_group() as tasks,
    ):
        for n in range(20):
            tasks.start_soon(ask, client, str(n))
    assert sorted(texts, key=int) == [str(n) for n in range(20)]
