"""Servers by name: each is asked as it wants to be, and gets back what it wants back.

Their answers are recorded ones; where there is none, one is made as that server was seen to answer.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from midstream import Agent, ConfigurationError
from midstream.events import RunEvent, ToolCallReady
from midstream.models.endpoints import ENDPOINTS, Endpoint
from midstream.models.model import Patience
from midstream.models.resolve import model_at, resolve
from midstream.providers.openai_chat_request import Quirks
from midstream.simulator import Reply, say, simulator
from midstream.simulator.server import Exchange, Request, serve
from tests.fakes import AT_ONCE, ended, play, provider, says

Json = dict[str, Any]
KEY = "sk-a-test"
DONE = b"data: [DONE]\n\n"


def chunk(finish: str | None = None, **delta: Any) -> Json:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def sse(*chunks: Json) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in chunks)


def function(name: str | None, arguments: str | None, **fields: Any) -> Json:
    said = {"name": name, "arguments": arguments}
    return {**fields, "function": {key: value for key, value in said.items() if value is not None}}


GEMINI = sse(
    chunk(tool_calls=[function("look", '{"at":"a"}', id="f-1", type="function",
                               extra_content={"google": {"thought_signature": "sig-1"}})]),
    chunk(tool_calls=[function("look", '{"at":"b"}', id="f-2", type="function")]),
    chunk("stop"),
) + DONE  # fmt: skip
MISTRAL = (
    sse(
        chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
        chunk(content="Looking."),
        chunk(tool_calls=[function("look", '{"at":', id="D681PevKs")]),
        chunk("tool_calls", tool_calls=[function("", '"a"}', index=0)]),
    )
    + DONE
)
VLLM = (
    sse(
        chunk(role="assistant", content="", tool_calls=None),
        chunk(tool_calls=[function("look", None, index=0, id="chatcmpl-tool-1", type="function")]),
        chunk(tool_calls=[function(None, '{"at":', index=0)]),
        chunk("tool_calls", tool_calls=[function(None, '"a"}', index=0)]),
        {"model": "m", "choices": None, "usage": {"prompt_tokens": 5, "completion_tokens": 6}},
    )
    + DONE
)
LAST = sse(chunk("stop", content="Done.")) + DONE


class Fact(Struct, frozen=True):
    """What is known of a server.

    Attributes:
        stream: an answer with calls: the name of a recorded one, or its bytes.
        field: what the most tokens are called; `usage`: it is asked for usage.
        again: the reasoning that it wants back beside the calls.
    """

    stream: str | bytes
    field: str = "max_tokens"
    usage: bool = True
    again: Json = {}
    header: tuple[str, str] | None = ("authorization", f"Bearer {KEY}")


FACTS: dict[str, Fact] = {
    "openai-chat": Fact("openai-gpt5-parallel-tools"),
    "openrouter": Fact("openrouter-grok-parallel-tools", again={"reasoning_details": "encrypted"}),
    "gemini": Fact(GEMINI),
    "mistral": Fact(MISTRAL, usage=False),
    "deepseek": Fact("ai-deepseek-reasoner-tool", again={"reasoning_content": "weather"}),
    "groq": Fact("groq-kimi-parallel-tools", field="max_completion_tokens"),
    "xai": Fact("xai-grokcode-parallel-reasoning"),
    "azure": Fact("azure-gpt5mini-tool", field="max_completion_tokens", header=("api-key", KEY)),
    "ollama": Fact("ollama-qwen3-tool", header=None),
    "vllm": Fact(VLLM, header=None),
    "llamacpp": Fact("llamacpp-gptoss-tool", header=None),
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ENDPOINTS.values():
        for name in (*endpoint.keys, *endpoint.url_variables):
            monkeypatch.delenv(name, raising=False)


async def asked(name: str, stream: bytes) -> tuple[list[Request], list[RunEvent]]:
    """Two requests to a server, of which the first is answered with calls."""
    requests: list[Request] = []

    async def answer(exchange: Exchange) -> None:
        requests.append(exchange.request)
        await exchange.send(stream if len(requests) == 1 else LAST)
        await exchange.finish()

    key = None if FACTS[name].header is None else KEY
    async with serve(answer) as url:
        agent = Agent(f"{name}:m", base_url=f"{url}/v1", api_key=key, backoff=AT_ONCE)
        return requests, await play(agent.run("Look"))


@pytest.mark.parametrize("name", [*FACTS])
async def test_a_server_is_asked_in_its_own_way(captures: Path, name: str) -> None:
    fact = FACTS[name]
    stream = fact.stream
    if isinstance(stream, str):
        stream = (captures / "openai-chat" / f"{stream}.sse").read_bytes()
    requests, events = await asked(name, stream)
    assert ended(events).outcome == "completed", ended(events).error
    first, second = (json.loads(each.body) for each in requests)
    assert [each.path for each in requests] == ["/v1/chat/completions"] * 2
    secrets = {k: v for k, v in requests[0].headers.items() if KEY in v}
    assert secrets == (dict([fact.header]) if fact.header else {})
    assert {each for each in first if each.startswith("max_")} == {fact.field}
    assert ("stream_options" in first) is fact.usage
    ready = [each for each in events if isinstance(each, ToolCallReady)]
    called, *results = second["messages"][1:]
    assert ready
    assert [each["function"]["name"] for each in called["tool_calls"]] == [e.name for e in ready]
    assert [each["tool_call_id"] for each in results] == [e["id"] for e in called["tool_calls"]]
    echoed = {
        key: called[key] for key in ("reasoning_content", "reasoning_details") if key in called
    }
    assert echoed.keys() == fact.again.keys()
    for key, words in fact.again.items():
        assert words in json.dumps(echoed[key])


async def test_geminis_signatures_go_back_with_their_calls() -> None:
    requests, _ = await asked("gemini", GEMINI)
    calls = json.loads(requests[1].body)["messages"][1]["tool_calls"]
    assert [each.get("extra_content") for each in calls] == [
        {"google": {"thought_signature": "sig-1"}},
        None,
    ]


async def test_mistral_gets_ids_that_it_takes() -> None:
    requests, _ = await asked("mistral", MISTRAL.replace(b"D681PevKs", b"call_of_another_server"))
    (call,) = json.loads(requests[1].body)["messages"][1]["tool_calls"]
    assert len(call["id"]) == 9
    assert call["id"].isalnum()


def test_every_ready_server_is_tried_here() -> None:
    assert {*FACTS} == {*ENDPOINTS} - {"anthropic", "openai"}


# -- keys and addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, each in ENDPOINTS.items() if each.needs_key])
def test_without_its_key_a_server_is_not_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", "https://mine.openai.azure.com/openai/v1")
    variable = ENDPOINTS[name].keys[0]
    with pytest.raises(ConfigurationError, match=f"no key for {name}: set {variable}"):
        resolve(f"{name}:m", None, None, Patience())
    monkeypatch.setenv(variable, KEY)
    model = resolve(f"{name}:m", None, None, Patience())
    assert (model.provider, model.name) == (name, "m")


def test_azure_has_an_address_for_each_customer() -> None:
    with pytest.raises(ConfigurationError, match="no address for azure: set AZURE_OPENAI_BASE_URL"):
        resolve("azure:gpt-5", KEY, None, Patience())


@pytest.mark.parametrize("name", ["openai", "openai-chat"])
def test_what_speaks_openais_wires_elsewhere_may_want_no_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve(f"{name}:m", None, "http://lab:8000/v1", Patience()).provider == name
    monkeypatch.setenv("OPENAI_BASE_URL", "http://lab:8000/v1")
    assert resolve(f"{name}:m", None, None, Patience()).provider == name


def test_a_server_can_be_a_value() -> None:
    lab = Endpoint("http://lab:8000/v1", needs_key=False, quirks=Quirks(asks_usage=False))
    model = model_at(lab, "qwen3", provider="lab")
    assert (model.provider, model.name) == ("lab", "qwen3")
    with pytest.raises(ConfigurationError, match=r"must be http\(s\)://host"):
        model_at(Endpoint("lab:8000"), "qwen3", KEY)


@pytest.mark.parametrize("spec", ["", "gpt", "martian:m", "openai:", ":m", "openai"])
def test_what_names_no_model_is_told_what_does(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="PROVIDER:NAME"):
        resolve(spec, KEY, None, Patience())


@pytest.mark.parametrize("url", ["https://api.openai.com/v1/", " https://api.openai.com/v1 "])
def test_openai_is_known_however_its_address_is_written(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no key for openai-chat"):
        resolve("openai-chat:gpt-4o", None, url, Patience())


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_anthropics_address_may_end_in_v1(path: str) -> None:
    async with provider(says("Hi.")) as world:
        agent = Agent("anthropic:m", api_key="k", base_url=world.url + path)
        assert (await agent.run("Hi")).text == "Hi."


@pytest.mark.parametrize(("name", "field"), [("gpt-5.5", "max_completion_tokens"),
                                             ("o3", "max_completion_tokens"),
                                             ("qwen3", "max_tokens")])  # fmt: skip
async def test_openais_newer_models_are_known_behind_a_proxy_too(name: str, field: str) -> None:
    async with simulator([Reply([say("Hi.")])]) as sim:
        agent = Agent(f"openai-chat:{name}", api_key="k", base_url=f"{sim.url}/v1")
        assert (await agent.run("Hi")).text == "Hi."
    assert field in sim.requests[0]


@pytest.mark.parametrize("spec", ["sim:hello", "local:x.gguf"])
def test_what_runs_here_has_no_address(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="run here, and have no base URL"):
        resolve(spec, None, "http://h", Patience())


def test_a_model_has_its_key_already() -> None:
    lab = model_at(Endpoint("http://lab:8000/v1", needs_key=False), "qwen3")
    with pytest.raises(ConfigurationError, match="has its key and its address already"):
        Agent(lab, api_key=KEY)
    with pytest.raises(ConfigurationError, match="a wire is one of anthropic, openai"):
        model_at(Endpoint("http://lab", wire="openai-chta", needs_key=False), "m")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="may name a variable in `keys`"):
        model_at(Endpoint("http://lab:8000/v1"), "m")


@pytest.mark.parametrize("wire", ["anthropic", "openai", "openai-chat"])
async def test_an_address_that_is_nowhere_is_told(wire: str) -> None:
    async with simulator([Reply([say("Hi.")])]) as sim:
        ended = await Agent(f"{wire}:m", api_key="k", base_url=f"{sim.url}/api").run("Hi")
    assert ended.error is not None
    assert f"Not Found (asked: {sim.url}/api/" in ended.error.message


QUOTED = "sk-proj-0123456789abcdefghij"
ERRORS = {
    "in a stream": ("text/event-stream", b'data: {"error": {"message": "wrong: %b"}}\n\n'),
    "as JSON": ("application/json", b'{"error": {"message": "wrong: %b"}}'),
    "malformed": ("text/event-stream", b"data: %b is no JSON\n\n"),
}


@pytest.mark.parametrize("provider_", ["anthropic", "openai", "openai-chat"])
@pytest.mark.parametrize("shape", ERRORS)
async def test_a_key_that_a_server_quotes_is_not_told(provider_: str, shape: str) -> None:
    kind, body = ERRORS[shape]

    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": kind})
        await exchange.send(body % QUOTED.encode())
        await exchange.finish()

    async with serve(answer) as url:
        agent = Agent(f"{provider_}:m", api_key=QUOTED, base_url=url, backoff=AT_ONCE)
        events = await play(agent.run("Hi"))
    assert ended(events).error is not None
    assert "[redacted]" in str(ended(events).error)
    assert QUOTED not in str(events)


async def test_a_password_in_an_address_is_not_told() -> None:
    url = "http://bob:canary-word@127.0.0.1:9/v1?key=canary-1234"
    agent = Agent("openai:m", base_url=url, backoff=AT_ONCE)
    events = await play(agent.run("Hi"))
    assert "canary" not in str(events)
