"""Responses: what the real API accepts is accepted, and what it refuses is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.simulator import Reply, Scenario, say
from midstream.simulator import call as calling
from midstream.simulator.shape import Refusal
from midstream.simulator.signatures import sign
from midstream.simulator.wires import RESPONSES, play
from tests.simulator.responses_requests import (
    ACCEPTED,
    ASK,
    BEARER,
    SEALED,
    TOOL,
    Json,
    call,
    output,
    request,
    said,
    talk,
    thought,
    told,
    user,
    without,
)
from tests.simulator.twisted import twisted


def problem(body: Json, headers: dict[str, str] = BEARER) -> Refusal | None:
    return RESPONSES.problem(headers, msgspec.json.encode(body))


def tool(**more: Any) -> Json:
    return request(tools=[{**TOOL, **more}])


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_api_accepts_is_accepted(body: Json) -> None:
    assert problem(body) is None


UNSTORED = {"id": "rs_sim_1", "type": "reasoning", "summary": []}
UNVERIFIED = "could not be verified."
ONE_OF = 'One of "input" or "previous_response_id"'

# Each is a valid request with one thing broken: what it is, a piece of what the API says, where
# it says the fault is, and its code.
REFUSED: list[tuple[str, Json, str, str | None, str | None]] = [
    ("no model", without("model"), "Missing required parameter: 'model'.", "model",
     "missing_required_parameter"),
    ("no input", without("input"), ONE_OF, "input", "missing_required_parameter"),
    ("input empty", {"model": "m", "input": []}, ONE_OF, "input", "missing_required_parameter"),
    ("input without words", {"model": "m", "input": ""}, ONE_OF, "input",
     "missing_required_parameter"),
    ("input an object", {"model": "m", "input": {}}, "but got an object instead", "input",
     "invalid_type"),
    ("unknown field", request(messages=[]), "Unknown parameter: 'messages'.", "messages",
     "unknown_parameter"),
    ("limit of Chat", request(max_tokens=99), "Unknown parameter: 'max_tokens'.", "max_tokens",
     "unknown_parameter"),
    ("little room", request(max_output_tokens=15), "Expected a value >= 16, but got 15 instead.",
     "max_output_tokens", "integer_below_min_value"),
    ("usage of no stream", request(stream_options={}), "only allowed when 'stream' is enabled",
     "stream_options", None),
    ("stream option", request(stream=True, stream_options={"include_usage": True}),
     "Unknown parameter: 'stream_options.include_usage'.", "stream_options.include_usage",
     "unknown_parameter"),
    ("effort", request(reasoning={"effort": "huge"}), "Invalid value: 'huge'.",
     "reasoning.effort", "invalid_value"),
    ("summary", request(reasoning={"summary": True}), "expected a string, but got a boolean",
     "reasoning.summary", "invalid_type"),
    ("included", request(include=["thoughts"]), "Invalid value: 'thoughts'.", "include[0]",
     "invalid_value"),
    ("text", request(text={"format": "json"}), "'text.format': expected an object", "text.format",
     "invalid_type"),
    # what would have to be kept
    ("earlier response", request(previous_response_id="resp_1"),
     "Previous response with id 'resp_1' not found.", "previous_response_id",
     "previous_response_not_found"),
    ("background", request(background=True), "keeps no responses", "background",
     "unsupported_parameter"),
    # tools
    ("tool of no kind", request(tools=[{"name": "a"}]), "'tools[0].type'", "tools[0].type",
     "missing_required_parameter"),
    ("tool of Chat", request(tools=[{"type": "function", "function": {}}]), "'tools[0].name'",
     "tools[0].name", "missing_required_parameter"),
    ("tool kind", tool(type="look"), "Invalid value: 'look'.", "tools[0].type", "invalid_value"),
    ("tool name", tool(name="a.b"), "does not match pattern", "tools[0].name", "invalid_value"),
    ("tool name long", tool(name="a" * 65), "maximum length 64", "tools[0].name",
     "string_above_max_length"),
    ("schema", tool(parameters={}), "got 'type: \"None\"'.",
     "tools[0].parameters", "invalid_function_parameters"),
    ("strict and open", tool(strict=True), "'additionalProperties' is required",
     "tools[0].parameters", "invalid_function_parameters"),
    ("choice unknown", request(tool_choice="any"), "'none', 'auto', and 'required'.",
     "tool_choice", "invalid_value"),
    ("choice missing", request(tool_choice={"type": "function", "name": "x"}),
     "Tool choice 'x' not found", "tool_choice", None),
    # items
    ("item is text", request("Look."), "'input[0]': expected an object, but got a string",
     "input[0]", "invalid_type"),
    ("item of no kind", request({"content": "x"}), "Invalid value: ''.", "input[0]",
     "invalid_value"),
    ("item unknown", request({"type": "tool_use"}), "Invalid value: 'tool_use'.", "input[0]",
     "invalid_value"),
    ("item field", talk(call(index=0), output()), "Unknown parameter: 'input[1].index'.",
     "input[1].index", "unknown_parameter"),
    ("role of Chat", request({"role": "tool", "content": "x"}), "Invalid value: 'tool'.",
     "input[0].role", "invalid_value"),
    ("content a number", request({**ASK, "content": 1}), "but got an integer instead",
     "input[0].content", "invalid_type"),
    ("content empty", request(user()), "Invalid 'input[0].content': empty array.",
     "input[0].content", "empty_array"),
    ("part of Chat", request(user({"type": "text", "text": "x"})), "Invalid value: 'text'.",
     "input[0].content[0]", "invalid_value"),
    ("user says output", request(user({"type": "output_text", "text": "x"})),
     "Invalid value: 'output_text'.", "input[0].content[0]", "invalid_value"),
    ("assistant says input", talk(said(content=[told()])),
     "Supported values are: 'output_text' and 'refusal'.", "input[1].content[0]", "invalid_value"),
    ("part field", talk(said(content=[{"type": "output_text", "text": "x", "parsed": None}])),
     "'input[1].content[0].parsed'", "input[1].content[0].parsed", "unknown_parameter"),
    ("arguments an object", talk(call(arguments={}), output()), "expected a string, but got an ob",
     "input[1].arguments", "invalid_type"),
    ("call name", talk(call(name="a b"), output()), "does not match pattern", "input[1].name",
     "invalid_value"),
    ("call id long", talk(call("a" * 65), output("a" * 65)), "maximum length 64",
     "input[1].call_id", "string_above_max_length"),
    ("call id empty", talk(call(""), output("")), "minimum length 1", "input[1].call_id",
     "empty_string"),
    ("id of a call", talk(call(id="call_1"), output()), "Expected an ID that begins with 'fc'.",
     "input[1].id", "invalid_value"),
    ("id of a message", talk(said(id="1"), ASK), "Expected an ID that begins with 'msg'.",
     "input[1].id", "invalid_value"),
    ("id twice", talk(said(), said(), ASK), "Duplicate item found with id msg_1.", "input", None),
    # calls and outputs
    ("no output", talk(call("a"), call("b"), output("a")),
     "No tool output found for function call b.", "input", None),
    ("output of nothing", talk(output("x")),
     "No tool call found for function call output with call_id x.", "input", None),
    ("output before its call", talk(output(), call()),
     "No tool call found for function call output with call_id a.", "input", None),
    ("two outputs", talk(call(), output(), output()),
     "No tool call found for function call output with call_id a.", "input", None),
    ("output in one word", talk(call(), output(output=None)), "'input[2].output'",
     "input[2].output", "invalid_type"),
    # thoughts
    ("thought alone", talk(thought()), "Item 'rs_1' of type 'reasoning' was provided without its "
     "required following item.", "input", None),
    ("thought before a prompt", talk(thought(), ASK), "without its required following item.",
     "input", None),
    ("thought before an output", talk(call(), thought(), output()), "required following item.",
     "input", None),
    ("thought that is not ours", talk(thought(encrypted_content="gAAA"), said()), UNVERIFIED,
     None, "invalid_encrypted_content"),
    ("thought cut", talk(thought(encrypted_content=SEALED[:-8]), said()), UNVERIFIED, None,
     "invalid_encrypted_content"),
    ("thought changed", talk(thought(encrypted_content="A" + SEALED[1:]), said()), UNVERIFIED,
     None, "invalid_encrypted_content"),
    ("thought of Anthropic", talk(thought(encrypted_content=sign("Hm.", 0)), said()), UNVERIFIED,
     None, "invalid_encrypted_content"),
    ("no thought before its call", talk(call(id="fc_sim_1a_2_r1"), output()),
     "of type 'function_call' was provided without its required 'reasoning' item: 'rs_sim_1a_1'.",
     "input", None),
    ("no summary", talk({"type": "reasoning", "id": "rs_1"}, said()), "'input[1].summary'",
     "input[1].summary", "missing_required_parameter"),
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
    ("body", "words"),
    [
        (talk(UNSTORED, said(), store=False), "Items are not persisted when `store` is set to"),
        (talk({**UNSTORED, "id": "rs_1"}, said()), "Item with id 'rs_1' not found."),
        (request({"type": "item_reference", "id": "msg_1"}), "Item with id 'msg_1' not found."),
        (request(conversation="conv_1"), "Conversation with id 'conv_1' not found."),
        (request(conversation={"id": "conv_1"}), "Conversation with id 'conv_1' not found."),
        (request(prompt={"id": "pmpt_1"}), "Prompt with id 'pmpt_1' not found."),
    ],
)
def test_what_is_not_kept_is_not_found(body: Json, words: str) -> None:
    refusal = problem(body)
    assert refusal
    assert words in refusal.message
    assert refusal.status == 404


def test_every_character_of_a_sealed_thought_counts() -> None:
    for place, each in enumerate(SEALED):
        changed = SEALED[:place] + ("A" if each != "A" else "B") + SEALED[place + 1 :]
        assert problem(talk(thought(encrypted_content=changed), said(), ASK)), place


def test_without_a_key_nothing_is_read() -> None:
    refusal = problem(request(), {})
    assert refusal
    assert refusal.status == 401


def test_real_requests_are_accepted(captures: Path) -> None:
    refusals = {
        file.name: refusal.message
        for file in (captures / "openai-responses").glob("*.request.json")
        if (refusal := RESPONSES.problem(BEARER, file.read_bytes()))
    }
    for message in refusals.values():
        assert UNVERIFIED in message or "Conversation with id" in message  # not of ours


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_no_request_is_too_strange_to_refuse_or_to_answer(body: Json) -> None:
    script = Scenario(replies=[Reply([say("{prompt} {look.seen}"), calling("look", at="{look}")])])
    for strange in twisted(body):
        refusal = problem(strange)
        assert isinstance(refusal, Refusal) or play(RESPONSES, strange, script, {}).body
