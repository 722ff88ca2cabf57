"""What the real API refuses is refused, in its words, and nothing else is."""

from typing import Any

import msgspec
import pytest

from midstream.simulator.signatures import sign
from midstream.simulator.strict import problem

Json = dict[str, Any]

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
RECENT = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
MANUAL = {"type": "enabled", "budget_tokens": 1024}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASK: Json = {"role": "user", "content": "Look."}


def text(words: str = "Well.", **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def use(call: str = "a", **more: Any) -> Json:
    return {"type": "tool_use", "id": call, "name": "look", "input": {}, **more}


def result(call: str = "a", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": call, "content": "seen", **more}


def thought(words: str = "Hm.", place: int = 0, **more: Any) -> Json:
    return {"type": "thinking", "thinking": words, "signature": sign(words, place), **more}


def search(call: str = "s") -> Json:
    return {"type": "server_tool_use", "id": call, "name": "web_search", "input": {}}


def found(call: str = "s") -> Json:
    return {"type": "web_search_tool_result", "tool_use_id": call, "content": []}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def request(*messages: Json, **more: Any) -> Json:
    return {
        "model": "m",
        "max_tokens": 2048,
        "messages": list(messages) or [ASK],
        "tools": [TOOL],
        **more,
    }


def talk(*messages: Json, **more: Any) -> Json:
    return request(ASK, *messages, **more)


def without(field: str) -> Json:
    return {name: value for name, value in request().items() if name != field}


def verdict(body: Json, headers: dict[str, str] = HEADERS) -> tuple[int, str, str] | None:
    refusal = problem(headers, msgspec.json.encode(body))
    return (refusal.status, refusal.kind, refusal.message) if refusal else None


ACCEPTED = {
    "a prompt": request(),
    "a prompt in blocks": request(user(text(citations=[text()]), text())),
    "all sorts of parameters": request(
        system=[text()], stream=True, temperature=1, top_p=0.5, stop_sequences=["x"], metadata={}
    ),
    "no room at all, to warm the cache": request(max_tokens=0),
    "a server tool beside ours": request(
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
    ),
    "a forced tool": request(tool_choice={"type": "tool", "name": "look"}),
    "a forced tool with adaptive thinking": request(
        tool_choice={"type": "any"}, thinking={"type": "adaptive"}
    ),
    "a call and its result": talk(assistant(text(), use()), user(result())),
    "text after the calls": talk(assistant(text(), use(), text()), user(result())),
    "text after the results": talk(assistant(use()), user(result(), text())),
    "results in another order": talk(assistant(use("a"), use("b")), user(result("b"), result("a"))),
    "results in messages of their own": talk(
        assistant(use("a"), use("b")), user(result("a")), user(result("b"))
    ),
    "an answer in two messages": talk(assistant(text()), assistant(use()), user(result())),
    "a result without content": talk(assistant(use()), user({**result(), "content": None})),
    "a result with no words": talk(assistant(use()), user(result(content=""))),
    "a failure with a picture": talk(
        assistant(use()),
        user(result(is_error=True, content=[text(), {"type": "image", "source": {}}])),
    ),
    "thinking before a call": talk(
        assistant(thought(), use()), user(result()), thinking=MANUAL
    ),
    "a call after the first one without thinking": talk(
        assistant(thought(), use("a")), user(result("a")), assistant(use("b")), user(result("b")),
        thinking=MANUAL,
    ),
    "no thinking before a call, when it is adaptive": talk(
        assistant(use()), user(result()), thinking={"type": "adaptive"}
    ),
    "thinking between calls": talk(
        assistant(thought(), use(), thought("Now?", 1), text(), use("b")),
        user(result(), result("b")),
    ),
    "redacted thinking": talk(
        assistant({"type": "redacted_thinking", "data": sign("redacted", 0)}, use()),
        user(result()),
        thinking=MANUAL,
    ),
    "thinking of two answers in one turn": talk(
        assistant(thought(), search(), found()), assistant(thought("So."), text()), ASK
    ),
    "an older turn that lost some thinking": talk(
        assistant(thought("Now?", 1), text()), ASK, assistant(text()), ASK
    ),
    "a search that is paused": talk(assistant(text(), search())),
    "a search that is whole": talk(assistant(search(), found(), text()), ASK),
    "a search that waits for our result": talk(assistant(search(), use()), user(result())),
    "a search whose result came in the next answer": talk(
        assistant(search(), use()), user(result()), assistant(found(), text()), ASK
    ),
}  # fmt: skip

# Each is a valid request with one thing broken, and a piece of what the API says to it.
REFUSED = [
    ("no model", without("model"), "model: Field required"),
    ("no messages", without("messages"), "messages: Field required"),
    ("no max_tokens", without("max_tokens"), "max_tokens: Field required"),
    ("empty messages", request(messages=[]), "messages: at least one message is required"),
    ("max_tokens in words", request(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    ("max_tokens true", request(max_tokens=True), "max_tokens: Input should be a valid integer"),
    ("max_tokens < 0", request(max_tokens=-1), "greater than or equal to 0"),
    ("stream in words", request(stream="yes"), "stream: Input should be a valid boolean"),
    ("unknown field", request(response_format={}), "response_format: Extra inputs are not permit"),
    ("beta field", request(mcp_servers=[]), "mcp_servers: Extra inputs are not permitted"),
    ("system a number", request(system=1), "system: Input should be a valid list"),
    ("system a picture", request(system=[{"type": "image"}]), "system.0.type: Input should be"),
    ("system empty", request(system=[text("")]), "system: text content blocks must be non-empty"),
    # tools
    ("tool of no name", request(tools=[{}]), "tools.0.custom.name: Field required"),
    ("tool is text", request(tools=["look"]), "tools.0.custom.name: Field required"),
    ("tool type", request(tools=[{"type": 1}]), "tools.0.type: Input should be a valid string"),
    ("tool name", request(tools=[{**TOOL, "name": "a.b"}]), "should match pattern '^[a-zA-Z0-9_-]"),
    ("tool name long", request(tools=[{**TOOL, "name": "a" * 129}]), "should match pattern"),
    ("tool field", request(tools=[{**TOOL, "parameters": {}}]), "tools.0.custom.parameters: Extra"),
    (
        "schema of a list",
        request(tools=[{**TOOL, "input_schema": {"type": "array"}}]),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    (
        "schema of nothing",
        request(tools=[{**TOOL, "input_schema": {}}]),
        "tools.0.custom.input_schema.type: Field required",
    ),
    ("two of a name", request(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
    (
        "choice unknown",
        request(tool_choice={"type": "some"}),
        "tool_choice: Input tag 'some' found using 'type' does not match any of the expected",
    ),
    ("choice of none", request(tool_choice={"type": "any"}, tools=[]), "while providing tools"),
    ("choice missing", request(tool_choice={"type": "tool", "name": "x"}), "Tool 'x' not found"),
    # messages
    ("message is text", request("Look."), "messages.0: Input should be a valid dictionary"),  # type: ignore[arg-type]
    ("system role", request({"role": "system", "content": "x"}), 'Unexpected role "system"'),
    ("strange role", request({"role": "tool", "content": "x"}), 'Unexpected role "tool"'),
    ("message field", request({**ASK, "id": "1"}), "messages.0.id: Extra inputs are not permitted"),
    ("no content", request({"role": "user"}), "messages.0.content: Field required"),
    ("content a number", request({**ASK, "content": 1}), "messages.0.content: Input should be a"),
    ("content empty", request(user()), "messages.0: all messages must have non-empty content"),
    ("assistant first", request(assistant(text()), ASK), 'first message must use the "user" role'),
    ("assistant last", talk(assistant(text())), "does not support assistant message prefill"),
    # blocks
    ("block is text", request(user("x")), "messages.0.content.0: Input tag 'None' found using"),  # type: ignore[arg-type]
    ("block unknown", request(user({"type": "video"})), "Input tag 'video' found using 'type'"),
    ("block field", request(user(text(id="1"))), "messages.0.content.0.text.id: Extra inputs are"),
    ("text a number", request(user({"type": "text", "text": 1})), "text.text: Input should be a"),
    ("text empty", request(user(text(""))), "messages: text content blocks must be non-empty"),
    ("text blank", request(user(text(" \n"))), "must contain non-whitespace text"),
    ("prompt blank", request({**ASK, "content": " "}), "must contain non-whitespace text"),
    ("result text empty", talk(assistant(use()), user(result(content=[text("")]))), "non-empty"),
    ("result a number", talk(assistant(use()), user(result(content=1))), "content: Input should b"),
    ("result nested", talk(assistant(use()), user(result(content=[use()]))), "Input tag 'tool_use"),
    (
        "cache of nothing",
        request(user(text("", cache_control={"type": "ephemeral"}))),
        "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    (
        "cache of thinking",
        talk(assistant(thought(cache_control={}), text()), ASK),
        "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
    ),
    ("call by user", request(user(use())), "`tool_use` blocks can only be in `assistant` messages"),
    ("result by assistant", talk(assistant(result())), "can only be in `user` messages"),
    ("thinking by user", request(user(thought())), "can only be in `assistant` messages"),
    # calls and results
    (
        "call id",
        talk(assistant(use("look:0")), user(result("look:0"))),
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    (
        "input a list",
        talk(assistant(use(input=[])), user(result())),
        "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
    ),
    (
        "id used twice",
        talk(assistant(use(), use()), user(result())),
        "messages.1.content.1: `tool_use` ids must be unique",
    ),
    (
        "id used again",
        talk(assistant(use()), user(result()), assistant(use()), user(result())),
        "messages.3.content.0: `tool_use` ids must be unique",
    ),
    (
        "no result",
        talk(assistant(use("a"), use("b")), user(result("a"))),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b.",
    ),
    ("text before results", talk(assistant(use()), user(text(), result())), "immediately after: a"),
    ("text in place", talk(assistant(use()), user(text())), "immediately after: a"),
    ("result late", talk(assistant(use()), ASK, assistant(text()), user(result())), "immediately"),
    ("nothing after", talk(assistant(use())), "immediately after: a"),
    (
        "result of nothing",
        talk(assistant(text()), user(result())),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each",
    ),
    (
        "two results",
        talk(assistant(use()), user(result(), result())),
        "messages.2.content.1: each tool_use must have a single result. Found multiple",
    ),
    (
        "search without result",
        talk(assistant(search(), text()), ASK),
        "`web_search` tool use with id `s` was found without a corresponding `web_search_tool_res",
    ),
    (
        "search without result, text beside ours",
        talk(assistant(search(), use()), user(result(), text())),
        "`web_search` tool use with id `s` was found without a corresponding `web_search_tool_res",
    ),
    (
        "found without search",
        talk(assistant(found(), text()), ASK),
        "unexpected `tool_use_id` found in `web_search_tool_result` blocks: s. Each",
    ),
    # thinking
    ("thinking unknown", request(thinking={"type": "deep"}), "thinking: Input tag 'deep' found"),
    (
        "no budget",
        request(thinking={"type": "enabled"}),
        "budget_tokens: Field required",
    ),
    (
        "budget small",
        request(thinking={"type": "enabled", "budget_tokens": 1023}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        "budget large",
        request(thinking={"type": "enabled", "budget_tokens": 2048}),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    (
        "forced tool",
        request(thinking=MANUAL, tool_choice={"type": "any"}),
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    ("hot thinking", request(thinking=MANUAL, temperature=0.5), "`temperature` may only be set"),
    (
        "unsigned",
        talk(assistant(thought(signature=""), text()), ASK),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "signature cut",
        talk(assistant(thought(signature=sign("Hm.", 0)[:-8]), text()), ASK),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "data made up",
        talk(assistant({"type": "redacted_thinking", "data": "x"}, text()), ASK),
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    (
        "thinking changed",
        talk(assistant({**thought(), "thinking": "Hm!"}, text()), ASK),
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant",
    ),
    (
        "thinking dropped",
        talk(assistant(thought("Now?", 1), text()), ASK),
        "blocks in the latest assistant message cannot be modified",
    ),
    (
        "thinking moved",
        talk(assistant(thought(), thought("3", 2), thought("2", 1), text()), ASK),
        "blocks in the latest assistant message cannot be modified",
    ),
    (
        "thinking last",
        talk(assistant(text(), thought()), ASK),
        "messages.1: The final block in an assistant message cannot be `thinking`.",
    ),
    (
        "call without thinking",
        talk(assistant(use()), user(result()), thinking=MANUAL),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_u",
    ),
]


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_api_accepts_is_accepted(body: Json) -> None:
    assert verdict(body) is None


@pytest.mark.parametrize(
    ("body", "words"), [(body, words) for _, body, words in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_one_broken_thing_is_refused(body: Json, words: str) -> None:
    refusal = verdict(body)
    assert refusal
    assert refusal[:2] == (400, "invalid_request_error")
    assert words in refusal[2]


@pytest.mark.parametrize(
    ("headers", "status", "kind", "words"),
    [
        ({}, 401, "authentication_error", "x-api-key header is required"),
        ({"x-api-key": ""}, 401, "authentication_error", "x-api-key header is required"),
        ({"authorization": "Bearer "}, 401, "authentication_error", "x-api-key header is req"),
        ({"authorization": "Basic k"}, 401, "authentication_error", "x-api-key header is req"),
        ({"x-api-key": "k"}, 400, "invalid_request_error", "anthropic-version: header is required"),
        (
            {"x-api-key": "k", "anthropic-version": "1"},
            400,
            "invalid_request_error",
            'anthropic-version: "1" is not a valid version',
        ),
    ],
)
def test_one_broken_header_is_refused(
    headers: dict[str, str], status: int, kind: str, words: str
) -> None:
    refusal = verdict(request(), headers)
    assert refusal
    assert refusal[:2] == (status, kind)
    assert words in refusal[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (request(temperature=1), "temperature: "),
        (request(top_p=1), "top_p: "),
        (request(top_k=1), "top_k: "),
        (
            talk(assistant({"type": "document", "source": {}}), ASK),
            "messages.1.content.0: `document` blocks can only be in `user` messages",
        ),
        (request(user(text(citations=[{}]))), "messages.0.content.0.text.citations: "),
    ],
)
def test_the_recent_version_refuses_more(body: Json, words: str) -> None:
    assert verdict(body) is None
    refusal = verdict(body, RECENT)
    assert refusal
    assert words in refusal[2]


def test_a_beta_header_opens_beta_fields() -> None:
    assert verdict(request(mcp_servers=[]), {**HEADERS, "anthropic-beta": "mcp"}) is None


def test_interleaved_thinking_may_think_beyond_one_answer() -> None:
    body = request(thinking={"type": "enabled", "budget_tokens": 9999})
    beta = {**HEADERS, "anthropic-beta": "interleaved-thinking-2025-05-14"}
    assert verdict(body, beta) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model":"\xff"}',
        b'{"model":"\\ud83d"}',
        b'{"model":1e400}',
        b'{"model":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model":' + b"[" * 100_000,
    ],
    ids=["nothing", "a list", "half", "latin", "half a pair", "huge number", "deep", "abysmal"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    refusal = problem(HEADERS, body)
    assert refusal
    assert refusal.status == 400
    assert refusal.message.startswith("The request body is not valid JSON: ")


def test_what_is_too_large_is_refused() -> None:
    refusal = problem(HEADERS, b" " * (32 * 1024 * 1024 + 1))
    assert refusal
    assert (refusal.status, refusal.kind) == (413, "request_too_large")
