"""OpenAI's official SDK as a client: what it reads, what it is refused, what it sees of faults."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from midstream.simulator import (
    Reply,
    Scenario,
    Simulator,
    call,
    redacted,
    say,
    simulator,
    think,
)
from midstream.simulator.faults import (
    AnyFault,
    Cut,
    Delay,
    Error,
    Gzip,
    Lines,
    Split,
    Stall,
    Status,
    Stop,
)
from tests.simulator import chat_requests, responses_requests, test_strict_chat
from tests.simulator import test_strict_responses as strict_responses
from tests.simulator.chat_requests import Json

openai = pytest.importorskip("openai", reason="the official SDK is the client here")

# It stops reading at [DONE] and leaves its generators open, which trio warns of.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
REPLIES = [
    Reply([think("Hm."), say("Let me look. "), call("look", at=["a", 1]), call("look")]),
    Reply([say("{look[0].seen} and {look.seen}.")]),
]
CHAT: Json = {
    "model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [chat_requests.TOOL],
}  # fmt: skip
RESPONSES: Json = {"model": "m", "input": "Hi", "tools": [responses_requests.TOOL], "store": False}


@asynccontextmanager
async def client_of(
    *faults: AnyFault, retries: int = 0, timeout_s: float = 10.0
) -> AsyncGenerator[tuple[Simulator, Any]]:
    with anyio.fail_after(20):
        async with (
            simulator(Scenario(replies=REPLIES, faults=faults)) as sim,
            openai.AsyncOpenAI(
                api_key="k", base_url=f"{sim.url}/v1", max_retries=retries, timeout=timeout_s
            ) as client,
        ):
            yield sim, client


async def chatted(client: Any, **more: Any) -> Any:
    """The answer on Chat, by the helper that adds up the chunks."""
    async with client.chat.completions.stream(**{**CHAT, **more}) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_completion()


async def responded(client: Any, **more: Any) -> Any:
    async with client.responses.stream(**{**RESPONSES, **more}) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_response()


async def raw_chat(client: Any) -> list[Any]:
    return [chunk async for chunk in await client.chat.completions.create(**CHAT, stream=True)]


async def raw_responses(client: Any) -> list[Any]:
    return [event async for event in await client.responses.create(**RESPONSES, stream=True)]


HELPERS = pytest.mark.parametrize("ask", [chatted, responded], ids=["chat", "responses"])
RAW = pytest.mark.parametrize("ask", [raw_chat, raw_responses], ids=["chat", "responses"])


# -- what it reads -----------------------------------------------------------------------------


async def test_it_reads_text_calls_and_usage_on_chat() -> None:
    async with client_of() as (_, client):
        read = await chatted(client, stream_options={"include_usage": True})
        whole = await client.chat.completions.create(**CHAT)
    (choice,) = read.choices
    assert choice.message.content == "Let me look. "
    assert choice.finish_reason == "tool_calls"
    used = [(each.function.name, each.function.arguments) for each in choice.message.tool_calls]
    assert used == [("look", '{"at": ["a", 1]}'), ("look", "{}")]
    assert read.usage == whole.usage
    ids = [each.id for each in choice.message.tool_calls]
    assert ids == [each.id for each in whole.choices[0].message.tool_calls]


async def test_it_reads_thoughts_text_and_calls_on_responses() -> None:
    reasoning = {"reasoning": {"effort": "low", "summary": "auto"}}
    async with client_of() as (_, client):
        read = await responded(client, **reasoning)
        whole = await client.responses.create(**RESPONSES, **reasoning)
    thought, message, first, second = read.output
    assert thought.summary[0].text == "Hm."
    assert (message.content[0].text, read.output_text) == ("Let me look. ", "Let me look. ")
    assert (first.arguments, second.arguments) == ('{"at": ["a", 1]}', "{}")
    assert read.usage == whole.usage
    assert [item.id for item in read.output] == [item.id for item in whole.output]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_loop_goes_round_on_chat(stream: bool) -> None:
    messages: list[Any] = [*CHAT["messages"]]
    async with client_of() as (sim, client):
        first = await (chatted(client) if stream else client.chat.completions.create(**CHAT))
        message = first.choices[0].message
        calls = [
            {"id": each.id, "type": "function",
             "function": {"name": each.function.name, "arguments": each.function.arguments}}
            for each in message.tool_calls
        ]  # fmt: skip
        messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
        for n, each in enumerate(calls):
            content = f'{{"seen": {n}}}'
            messages.append({"role": "tool", "tool_call_id": each["id"], "content": content})
        second = await client.chat.completions.create(**{**CHAT, "messages": messages})
    assert second.choices[0].message.content == "0 and 1."
    assert sim.refusals == []


@pytest.mark.parametrize("reasoning", [None, {"effort": "low"}, {"summary": "detailed"}])
async def test_a_tool_loop_goes_round_on_responses(reasoning: Json | None) -> None:
    items: list[Any] = [{"role": "user", "content": "Hi"}]
    async with client_of() as (sim, client):
        first = await client.responses.create(**RESPONSES, reasoning=reasoning)
        items += [item.to_dict() for item in first.output]
        calls = [item for item in first.output if item.type == "function_call"]
        for n, each in enumerate(calls):
            answer = {"call_id": each.call_id, "output": f'{{"seen": {n}}}'}
            items.append({"type": "function_call_output", **answer})
        asked = {**RESPONSES, "input": items, "reasoning": reasoning}
        second = await client.responses.create(**asked)
    assert second.output_text == "0 and 1."
    assert sim.refusals == []


async def test_it_reads_a_refusal() -> None:
    script = [Reply([redacted(), say("I cannot.")], stop="refusal")]
    async with (
        simulator(script) as sim,
        openai.AsyncOpenAI(api_key="k", base_url=f"{sim.url}/v1") as client,
    ):
        assert (await chatted(client)).choices[0].message.refusal == "I cannot."
        (item,) = (await responded(client)).output
    assert (item.content[0].type, item.content[0].refusal) == ("refusal", "I cannot.")


async def test_it_reads_an_answer_that_was_cut_short() -> None:
    async with (
        simulator([Reply([say("Let me look. " * 9)])]) as sim,
        openai.AsyncOpenAI(api_key="k", base_url=f"{sim.url}/v1") as client,
    ):
        chat = await client.chat.completions.create(**CHAT, max_completion_tokens=2)
        with pytest.raises(openai.LengthFinishReasonError):
            await chatted(client, max_completion_tokens=2)
        response = await client.responses.create(**RESPONSES, max_output_tokens=16)
    assert chat.choices[0].finish_reason == "length"
    assert chat.choices[0].message.content == "Let me"
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


# -- what it is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"), [row[1:3] for row in test_strict_chat.REFUSED],
    ids=[row[0] for row in test_strict_chat.REFUSED],
)  # fmt: skip
async def test_what_chat_refuses_is_a_bad_request(body: Json, words: str) -> None:
    await _is_refused("/chat/completions", body, words, 400)


@pytest.mark.parametrize(
    ("body", "words"), [row[1:3] for row in strict_responses.REFUSED],
    ids=[row[0] for row in strict_responses.REFUSED],
)  # fmt: skip
async def test_what_responses_refuses_is_a_bad_request(body: Json, words: str) -> None:
    await _is_refused("/responses", body, words, 400)


async def test_what_is_not_kept_is_not_found() -> None:
    unkept = responses_requests.talk({**strict_responses.UNSTORED, "id": "rs_1"})
    await _is_refused("/responses", unkept, "Item with id 'rs_1' not found.", 404)


async def _is_refused(path: str, body: Json, words: str, status: int) -> None:
    kind = {400: openai.BadRequestError, 404: openai.NotFoundError}[status]
    async with client_of(retries=2) as (sim, client):
        with pytest.raises(kind) as caught:
            await client.post(path, cast_to=object, body=body)
    assert words in caught.value.body["message"]
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id == "req_sim_000001"
    assert len(sim.requests) == 1, "what cannot be accepted is not sent again"


async def test_without_a_key_it_may_not_ask() -> None:
    async with client_of() as (sim, client):
        with pytest.raises(openai.AuthenticationError, match="You didn't provide an API key"):
            await client.responses.create(**RESPONSES, extra_headers={"authorization": ""})
    assert [refusal.status for refusal in sim.refusals] == [401]


# -- faults that it does not notice ------------------------------------------------------------

ODD = pytest.mark.parametrize(
    "fault",
    [
        Split(size=1), Split(size=7), Split(size=10**6), Lines(ends="cr"), Lines(ends="crlf"),
        Gzip(), Delay(0.1, event=5),
    ],
    ids=repr,
)  # fmt: skip


@HELPERS
@ODD
async def test_what_is_odd_and_whole_is_read(ask: Any, fault: AnyFault) -> None:
    async with client_of(fault) as (_, client):
        odd, plain = await ask(client), await ask(client)
    assert odd == plain


# -- faults that it retries --------------------------------------------------------------------


@HELPERS
@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (Status(429, retry_after=0.2), 0.2),
        (Status(500, retry_after_ms=200), 0.2),
        (Status(400, should_retry=True, retry_after=0.1), 0.1),
        (Cut(), 0.0),
        (Cut(reset=True), 0.0),
    ],
    ids=repr,
)
async def test_what_comes_before_the_stream_is_asked_again(
    ask: Any, fault: AnyFault, wait_s: float
) -> None:
    async with client_of(fault, retries=1) as (sim, client):
        began = anyio.current_time()
        await ask(client)
        assert anyio.current_time() - began >= wait_s * 0.9
    assert len(sim.requests) == 2
    assert sim.requests[0] == sim.requests[1]


# -- faults that it raises ---------------------------------------------------------------------

STATUSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError",
    404: "NotFoundError", 409: "ConflictError", 422: "UnprocessableEntityError",
    429: "RateLimitError", 500: "InternalServerError", 503: "InternalServerError",
}  # fmt: skip


@HELPERS
@pytest.mark.parametrize(("status", "name"), STATUSES.items())
async def test_every_status_is_an_error_of_its_own(ask: Any, status: int, name: str) -> None:
    async with client_of(Status(status, message="No.")) as (_, client):
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(client)
    assert type(caught.value).__name__ == name
    assert caught.value.body["message"] == "No."


async def test_a_limit_of_money_is_told_by_its_code() -> None:
    poor = Status(429, type="insufficient_quota", code="insufficient_quota")
    async with client_of(poor) as (_, client):
        with pytest.raises(openai.RateLimitError) as caught:
            await chatted(client)
    assert caught.value.code == "insufficient_quota"


@RAW
@pytest.mark.parametrize("event", [1, 6, -1])
async def test_an_error_inside_the_stream_is_raised(ask: Any, event: int) -> None:
    async with client_of(Error(event, message="Sorry.")) as (_, client):
        with pytest.raises(openai.APIError, match=r"Sorry\.") as caught:
            await ask(client)
    assert caught.value.type == "server_error"


@RAW
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Cut(event=6), httpx2.RemoteProtocolError),
        (Cut(byte=700), httpx2.RemoteProtocolError),
        (Cut(event=6, reset=True), httpx2.ReadError),
        (Stall(event=6), httpx2.ReadTimeout),
        (Gzip(broken=True), httpx2.DecodingError),
    ],
    ids=repr,
)
async def test_a_stream_that_breaks_raises(
    ask: Any, fault: AnyFault, kind: type[Exception]
) -> None:
    async with client_of(fault, retries=2, timeout_s=0.5) as (sim, client):
        with pytest.raises((kind, openai.APIConnectionError)):
            await ask(client)
    assert len(sim.requests) == 1, "what has begun is not asked for again"


@HELPERS
@pytest.mark.parametrize("fault", [Cut(), Cut(reset=True)], ids=repr)
async def test_no_answer_is_a_connection_error(ask: Any, fault: AnyFault) -> None:
    async with client_of(fault) as (_, client):
        with pytest.raises(openai.APIConnectionError):
            await ask(client)


@HELPERS
async def test_a_late_answer_is_a_timeout(ask: Any) -> None:
    async with client_of(Stall(), timeout_s=0.3) as (_, client):
        with pytest.raises(openai.APITimeoutError):
            await ask(client)


async def test_an_odd_finish_is_handed_on() -> None:
    async with client_of(Stop("gone_fishing")) as (_, client):
        chunks = await raw_chat(client)
    assert chunks[-1].choices[0].finish_reason == "gone_fishing"


@RAW
async def test_a_fault_of_the_stream_in_an_answer_that_is_none_is_refused(ask: Any) -> None:
    async with client_of(Error(5)) as (_, client):
        create = client.chat.completions.create if ask is raw_chat else client.responses.create
        with pytest.raises(openai.BadRequestError, match="this answer is no stream"):
            await create(**(CHAT if ask is raw_chat else RESPONSES))
