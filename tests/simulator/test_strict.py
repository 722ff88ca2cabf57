"""Headers, parameters and tools: what the real API refuses is refused, in its words."""

import msgspec
import pytest

from midstream.simulator.strict import problem
from tests.simulator.requests import (
    CACHE,
    HEADERS,
    MANUAL,
    TOOL,
    Json,
    request,
    text,
    user,
    without,
)


def verdict(body: Json, headers: dict[str, str] = HEADERS) -> tuple[int, str, str] | None:
    refusal = problem(headers, msgspec.json.encode(body))
    return (refusal.status, refusal.kind, refusal.message) if refusal else None


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
    ("a mark of another kind", request(user(text(cache_control={"type": "x"}))), "'ephemeral'"),
    (
        "a mark for seven minutes",
        request(user(text(cache_control=CACHE | {"ttl": "7m"}))),
        "cache_control.ttl: Input should be '5m' or '1h'",
    ),
    (
        "a mark on a tool that is deferred",
        request(tools=[TOOL | {"defer_loading": True, "cache_control": CACHE}]),
        "a tool with defer_loading cannot have cache_control",
    ),
    (
        "five breakpoints",
        request(user(*[text(cache_control=CACHE)] * 3), system=[text(cache_control=CACHE)] * 2),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
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
]


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
