"""Chat Completions: what the real API accepts is accepted, and what it refuses is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.simulator import Reply, Scenario, say
from midstream.simulator import call as calling
from midstream.simulator.shape import Refusal
from midstream.simulator.wires import CHAT, play
from tests.simulator.chat_requests import (
    ACCEPTED,
    ASK,
    BEARER,
    CUSTOM,
    FUNCTION,
    PICTURE,
    SCHEMA,
    TOOL,
    Json,
    call,
    calls,
    request,
    result,
    said,
    talk,
    text,
    user,
    without,
)
from tests.simulator.twisted import twisted

STRICT = {**FUNCTION, "strict": True}


def problem(body: Json, headers: dict[str, str] = BEARER) -> Refusal | None:
    return CHAT.problem(headers, msgspec.json.encode(body))


def function(**more: Any) -> Json:
    return request(tools=[{"type": "function", "function": {**FUNCTION, **more}}])


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_api_accepts_is_accepted(body: Json) -> None:
    assert problem(body) is None


# Each is a valid request with one thing broken: what it is, a piece of what the API says, where
# it says the fault is, and its code.
REFUSED: list[tuple[str, Json, str, str | None, str | None]] = [
    ("no model", without("model"), "Missing required parameter: 'model'.", "model",
     "missing_required_parameter"),
    ("no messages", without("messages"), "Missing required parameter: 'messages'.", "messages",
     "missing_required_parameter"),
    ("empty messages", {"model": "m", "messages": []}, "Invalid 'messages': empty array.",
     "messages", "empty_array"),
    ("messages in words", {**request(), "messages": "Hi"}, "expected an array, but got a string",
     "messages", "invalid_type"),
    ("model null", request(model=None), "'model': expected a string, but got null", "model",
     "invalid_type"),
    ("unknown field", request(thinking={}), "Unknown parameter: 'thinking'.", "thinking",
     "unknown_parameter"),
    ("hot", request(temperature=2.1), "Expected a value <= 2, but got 2.1 instead.",
     "temperature", "decimal_above_max_value"),
    ("cold", request(temperature=-1), "Invalid 'temperature': decimal below minimum value.",
     "temperature", "decimal_below_min_value"),
    ("temperature true", request(temperature=True), "expected a decimal, but got a boolean",
     "temperature", "invalid_type"),
    ("no room", request(max_tokens=0), "Expected a value >= 1, but got 0", "max_tokens",
     "integer_below_min_value"),
    ("half a token", request(max_tokens=1.5), "expected an integer, but got a decimal",
     "max_tokens", "invalid_type"),
    ("two limits", request(max_tokens=9, max_completion_tokens=9), "at the same time",
     "max_tokens", "invalid_parameter_combination"),
    ("two answers", request(n=2), "gives one answer", "n", "unsupported_value"),
    ("effort", request(reasoning_effort="huge"), "Invalid value: 'huge'. Supported values are: "
     "'none', 'minimal',", "reasoning_effort", "invalid_value"),
    ("usage of no stream", request(stream_options={}), "only allowed when 'stream' is enabled",
     "stream_options", None),
    ("stream option", request(stream=True, stream_options={"usage": True}),
     "Unknown parameter: 'stream_options.usage'.", "stream_options.usage", "unknown_parameter"),
    # tools
    ("no tools", request(tools=[]), "Invalid 'tools': empty array.", "tools", "empty_array"),
    ("tool of no kind", request(tools=[{"function": FUNCTION}]), "'tools[0].type'",
     "tools[0].type", "missing_required_parameter"),
    ("tool of Responses", request(tools=[{"type": "function", "name": "a"}]), "'tools[0].function'",
     "tools[0].function", "missing_required_parameter"),
    ("tool kind", request(tools=[{**TOOL, "type": "web"}]), "are: 'function' and 'custom'.",
     "tools[0].type", "invalid_value"),
    ("tool field", request(tools=[{**TOOL, "strict": True}]), "'tools[0].strict'",
     "tools[0].strict", "unknown_parameter"),
    ("tool name", function(name="a.b"), "does not match pattern", "tools[0].function.name",
     "invalid_value"),
    ("tool name empty", function(name=""), "does not match pattern", "tools[0].function.name",
     "invalid_value"),
    ("tool name long", function(name="a" * 65), "maximum length 64, but got a string with length 6",
     "tools[0].function.name", "string_above_max_length"),
    ("schema of a list", function(parameters={"type": "array"}), "got 'type: \"array\"'",
     "tools[0].function.parameters", "invalid_function_parameters"),
    ("strict and open", function(strict=True), "'additionalProperties' is required",
     "tools[0].function.parameters", "invalid_function_parameters"),
    ("strict and optional",
     function(strict=True, parameters={**SCHEMA, "additionalProperties": False, "required": []}),
     "Missing 'at'.", "tools[0].function.parameters", "invalid_function_parameters"),
    ("custom tool", request(tools=[{**CUSTOM, "custom": {}}]), "'tools[0].custom.name'",
     "tools[0].custom.name", "missing_required_parameter"),
    ("choice without tools", {**without("tools"), "tool_choice": "auto"}, "only allowed when 'too",
     "tool_choice", None),
    ("parallel without tools", {**without("tools"), "parallel_tool_calls": True}, "only allowed",
     "parallel_tool_calls", None),
    ("choice unknown", request(tool_choice="any"), "'none', 'auto', and 'required'.",
     "tool_choice", "invalid_value"),
    ("choice missing", request(tool_choice={"type": "function", "function": {"name": "x"}}),
     "Tool choice 'x' not found in 'tools' parameter.", "tool_choice", None),
    # messages
    ("message is text", request("Look."), "'messages[0]': expected an object, but got a string",
     "messages[0]", "invalid_type"),
    ("no role", request({"content": "x"}), "'messages[0].role'", "messages[0].role",
     "missing_required_parameter"),
    ("strange role", request({"role": "human", "content": "x"}), "Invalid value: 'human'.",
     "messages[0].role", "invalid_value"),
    ("message field", talk(said(parsed=None)), "Unknown parameter: 'messages[1].parsed'.",
     "messages[1].parsed", "unknown_parameter"),
    ("thoughts of a user", request({**ASK, "reasoning_content": "Hm."}), "reasoning_content",
     "messages[0].reasoning_content", "unknown_parameter"),
    ("no content", request({"role": "user"}), "'messages[0].content'", "messages[0].content",
     "missing_required_parameter"),
    ("nothing said at all", talk({"role": "assistant"}), "expected a string, got null",
     "messages.[1].content", None),
    ("null said", talk(said(None)), "expected a string, got null", "messages.[1].content", None),
    ("content a number", request({**ASK, "content": 1}), "but got an integer instead",
     "messages[0].content", "invalid_type"),
    ("content empty", request(user()), "Invalid 'messages[0].content': empty array.",
     "messages[0].content", "empty_array"),
    ("part of Responses", request(user({"type": "input_text", "text": "x"})),
     "Invalid value: 'input_text'.", "messages[0].content[0].type", "invalid_value"),
    ("part field", request(user(text(cache_control={}))), "'messages[0].content[0].cache_control'",
     "messages[0].content[0].cache_control", "unknown_parameter"),
    ("picture by assistant", talk({"role": "assistant", "content": [PICTURE]}),
     "Image URLs are only allowed for messages with role 'user'", "messages[1]", "invalid_value"),
    ("picture in a result", talk(calls(call()), result(content=[PICTURE])),
     "Image URLs are only allowed for messages with role 'user'", "messages[2]", "invalid_value"),
    ("picture of nothing", request(user({"type": "image_url", "image_url": {}})),
     "'messages[0].content[0].image_url.url'", "messages[0].content[0].image_url.url",
     "missing_required_parameter"),
    ("refusal by user", request(user({"type": "refusal", "refusal": "No."})),
     "only allowed for messages with role 'assistant'", "messages[0]", "invalid_value"),
    # calls
    ("no calls", talk(said(tool_calls=[])), "Invalid 'messages[1].tool_calls': empty array.",
     "messages[1].tool_calls", "empty_array"),
    ("call of no kind", talk(calls({**call(), "type": None}), result()), "tool_calls[0].type",
     "messages[1].tool_calls[0].type", "invalid_type"),
    ("call field", talk(calls({**call(), "index": 0}), result()), "'messages[1].tool_calls[0].in",
     "messages[1].tool_calls[0].index", "unknown_parameter"),
    ("arguments an object", talk(calls(call(arguments={})), result()), "expected a string, but got "
     "an object", "messages[1].tool_calls[0].function.arguments", "invalid_type"),
    ("call name", talk(calls(call(name="a b")), result()), "does not match pattern",
     "messages[1].tool_calls[0].function.name", "invalid_value"),
    ("id long", talk(calls(call("a" * 41)), result("a" * 41)), "maximum length 40",
     "messages[1].tool_calls[0].id", "string_above_max_length"),
    ("id twice", talk(calls(call(), call()), result()), "Duplicate value for 'tool_call_id' of 'a'",
     "messages.[1].tool_calls", None),
    # the loop
    ("no result", talk(calls(call("a"), call("b")), result("a")),
     "The following tool_call_ids did not have response messages: b", "messages.[3].role", None),
    ("result late", talk(calls(call()), ASK, result()), "must be followed by tool messages",
     "messages.[2].role", None),
    ("result of nothing", talk(said(), result()), "must be a response to a preceeding message",
     "messages.[2].role", None),
    ("result first", request(result()), "must be a response to a preceeding message",
     "messages.[0].role", None),
    ("result of another", talk(calls(call()), result("b")), "'b' not found in 'tool_calls'",
     "messages.[2].tool_call_id", None),
    ("two results", talk(calls(call("a"), call("b")), result("a"), result("a")), "Duplicate value",
     "messages.[3].tool_call_id", None),
    ("result of no call", talk(calls(call()), {"role": "tool", "content": "x"}),
     "'messages[2].tool_call_id'", "messages[2].tool_call_id", "missing_required_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words", "param", "code"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_one_broken_thing_is_refused(
    body: Json, words: str, param: str | None, code: str | None
) -> None:
    refusal = problem(body)
    assert refusal
    assert words in refusal.message
    assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
    assert (refusal.param, refusal.code) == (param, code)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer "}, {"authorization": "Basic k"}, {"x-api-key": "k"}],
)
def test_without_a_key_nothing_is_read(headers: dict[str, str]) -> None:
    refusal = problem(request(), headers)
    assert refusal
    assert refusal.status == 401
    assert refusal.message.startswith("You didn't provide an API key.")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"model":"\xff"}', b'{"model":' + b"[" * 300 + b"]" * 300 + b"}"],
    ids=["nothing", "a list", "half", "latin", "deep"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    refusal = CHAT.problem(BEARER, body)
    assert refusal
    assert refusal.status == 400
    assert refusal.message.startswith("We could not parse the JSON body of your request")


def test_what_is_too_large_is_refused() -> None:
    refusal = CHAT.problem(BEARER, b" " * (32 * 1024 * 1024 + 1))
    assert refusal
    assert refusal.status == 413


def test_real_requests_are_accepted(captures: Path) -> None:
    real = [*(captures / "openai-chat").glob("openai-*.request.json"),
            *(captures / "openai-chat").glob("azure-*.request.json")]  # fmt: skip
    assert {file.name: CHAT.problem(BEARER, file.read_bytes()) for file in real} == {
        file.name: None for file in real
    }


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_no_request_is_too_strange_to_refuse_or_to_answer(body: Json) -> None:
    script = Scenario(replies=[Reply([say("{prompt} {look.seen}"), calling("look", at="{look}")])])
    for strange in twisted(body):
        refusal = problem(strange)
        assert isinstance(refusal, Refusal) or play(CHAT, strange, script, {}).body
