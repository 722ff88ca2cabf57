"""Recorded streams of the two OpenAI wires, of OpenAI and of a dozen servers that follow it."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from midstream.errors import MidstreamError, ProviderError
from midstream.messages import Message, Opaque, StopReason, Text, Thinking, ToolCall
from midstream.providers.openai_chat import ChatDecoder
from midstream.providers.openai_responses import ResponsesDecoder
from midstream.turn.turn import SealedCall, Turn
from tests.providers.reading import (
    MakeDecoder,
    chunkings,
    names,
    places,
    read,
    read_into,
    read_whole,
)

Json = dict[str, Any]

CHAT, RESPONSES = names("openai-chat"), names("openai-responses")
DECODERS: dict[str, MakeDecoder] = {
    "openai-chat": ChatDecoder,
    "openai-responses": ResponsesDecoder,
}
ALL = [
    (wire, name) for wire, found in zip(DECODERS, (CHAT, RESPONSES), strict=True) for name in found
]


class Reading(Struct, frozen=True):
    """What a stream says, in words of no wire. Calls are (id, name, input)."""

    text: str
    thinking: str
    calls: list[tuple[str, str, Any]]
    stop: str


# Streams that are errors: what is raised, and whether asking again may help.
ERRORS = {
    # llama.cpp's way of old: a line "error: {…}", which is no data, and no end.
    "gpustack-qwen3-error-field": ("api_error", "failed to decode, try again", True),
    # A model's slip, though it says status 400: another answer may not have it.
    "groq-error-after-text": ("invalid_request_error", "Tool choice is required", True),
    # `finish_reason: length` twice, and then the same again as an error.
    "openrouter-error-in-chunk": ("api_error", "Token limit reached", False),
}
# Where we do not read what the reference does, and why.
CHAT_DIFFERENT: dict[str, Json] = {
    # OpenAI says "stop" of an answer that is a refusal; the loop must know.
    "oai-refusal-gpt4o": {"stop": "refusal"},
    # No finish reason at all. Its mark is believed, since the calls are whole.
    "openrouter-kimi-tool-name-repeated": {"stop": "[DONE]"},
    "openrouter-kimi-tool-one-chunk-no-finish": {"stop": "[DONE]"},
    # The same; and its thinking comes as `reasoning_details` only, which the reference leaves out.
    "snowflake-thinking-no-finish": {"stop": "[DONE]", "thinking": "15 * 27 = 405"},
    # Arguments null, never filled, and `finish_reason: tool_calls`: a call without arguments.
    "openrouter-tool-arguments-null": {"calls": [("0", "llm_version", {})]},
}


@pytest.fixture
def stream(captures: Path, wire: str, name: str) -> bytes:
    return (captures / wire / f"{name}.sse").read_bytes()


def reading(turn: Turn) -> Reading:
    blocks = turn.message().blocks
    return Reading(
        "".join(block.text for block in blocks if isinstance(block, Text)),
        "".join(block.text for block in blocks if isinstance(block, Thinking)),
        [(each.id, each.name, each.input) for each in blocks if isinstance(each, ToolCall)],
        turn.stop_word,
    )


def side(captures: Path, wire: str, name: str, kind: str) -> Any:
    path = captures / wire / f"{name}.{kind}.json"
    return json.loads(path.read_bytes()) if path.exists() else None


# -- Chat Completions --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CHAT if name not in ERRORS])
@pytest.mark.parametrize("wire", ["openai-chat"])
def test_a_recorded_stream_is_read_as_the_reference_reads_it(
    captures: Path, wire: str, name: str, stream: bytes
) -> None:
    seen = side(captures, wire, name, "reference")
    calls = [
        (c["id"], c["name"], json.loads(c["arguments"] or '"none"')) for c in seen["tool_calls"]
    ]
    expected = Reading(
        seen["text"] + seen["refusal"], seen["reasoning"], calls, seen["finish_reason"] or ""
    )
    changed = {field: getattr(expected, field) for field in expected.__struct_fields__}
    turn, _ = read([stream], ChatDecoder())
    assert reading(turn) == Reading(**changed | CHAT_DIFFERENT.get(name, {}))


# What of the SDK's reading is wrong, in words of the index.
QUIRKS = ("SDK tool calls differ", "no finish_reason")


@pytest.mark.parametrize("name", [name for name in CHAT if name not in ERRORS])
@pytest.mark.parametrize("wire", ["openai-chat"])
def test_where_the_sdk_is_right_it_reads_the_same(
    captures: Path, wire: str, name: str, stream: bytes
) -> None:
    message = (side(captures, wire, name, "expected") or {"choices": [{}]})["choices"][0]
    if "message" not in message or quirk(captures, wire, name):
        return  # it raised, or read what is not there
    said = message["message"]
    turn, _ = read([stream], ChatDecoder())
    ours = reading(turn)
    assert ours.text == (said["content"] or "") + (said["refusal"] or "")
    functions = [(c["id"], c["function"]["name"], c["function"]["arguments"] or "{}")
                 for c in said["tool_calls"] or ()]  # fmt: skip
    assert ours.calls == [(i, n, json.loads(arguments)) for i, n, arguments in functions]


def quirk(captures: Path, wire: str, name: str) -> bool:
    rows = (captures / "INDEX.tsv").read_text("utf-8").splitlines()
    head = rows[0].split("\t").index("sdk_quirk")
    row = next(row.split("\t") for row in rows if row.startswith(f"{wire}/{name}.sse"))
    return any(words in row[head] for words in QUIRKS)


@pytest.mark.parametrize("name", [name for name in CHAT if name in ERRORS])
@pytest.mark.parametrize("wire", ["openai-chat"])
def test_an_error_inside_a_stream_is_raised(wire: str, name: str, stream: bytes) -> None:
    kind, words, again = ERRORS[name]
    with pytest.raises(ProviderError, match=words) as caught:
        read([stream], ChatDecoder())
    assert (caught.value.kind, caught.value.retryable) == (kind, again)


USAGES = [
    # OpenAI: what came from the cache is part of the prompt's tokens.
    ("openai-gpt4omini-parallel-tools", (106, 50, 0, 0, 0)),
    # Sent with the last choice, not behind it.
    ("deepseek-reasoner-text", (6, 212, 0, 0, 198)),
    # Within the choice.
    ("ai-moonshot-kimi-k3", (9, 12, 0, 0, 7)),
    # xAI's reasoning tokens are on top of the completion's.
    ("xai-grok3mini-thinking-tool", None),
    # The SDK loses it: a chunk without usage follows.
    ("avian-kimi-parallel-tools", (26, 131, 128, 0, 87)),
]


@pytest.mark.parametrize(("name", "counts"), USAGES)
@pytest.mark.parametrize("wire", ["openai-chat"])
def test_usage_is_found_wherever_it_is(
    captures: Path, wire: str, name: str, stream: bytes, counts: tuple[int, ...] | None
) -> None:
    turn, _ = read([stream], ChatDecoder())
    used = turn.usage
    said = side(captures, wire, name, "reference")["usage"]
    asked = used.input_tokens + used.cache_read_tokens + used.cache_write_tokens
    assert asked + used.output_tokens == said["total_tokens"]
    if counts:
        assert (
            used.input_tokens,
            used.output_tokens,
            used.cache_read_tokens,
            used.cache_write_tokens,
            used.reasoning_tokens,
        ) == counts


# -- Responses ---------------------------------------------------------------------------------

# A message that says nothing is no block.
BLANK = {"ai-image-generation"}


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("wire", ["openai-responses"])
def test_a_recorded_response_is_read_as_the_sdk_reads_it(
    captures: Path, wire: str, name: str, stream: bytes
) -> None:
    expected = side(captures, wire, name, "expected")
    turn, _ = read([stream], ResponsesDecoder())
    blocks = [described(block) for block in turn.message().blocks]
    items = [each for item in expected["output"] for each in described_item(item)]
    assert blocks == (items[:-1] if name in BLANK else items)
    for block in turn.message().blocks:
        # Encrypted once more for the response's end; the item's own is the one to send back.
        item = block.opaque or block if isinstance(block, Thinking) else block
        if isinstance(item, Opaque) and (sent := item.data.get("encrypted_content")):
            assert sent.encode() in b"".join(done_items(stream))
    called = any(kind in ("function_call", *UNKNOWN_CALLS) for kind, *_ in items)
    assert turn.stop is (StopReason.TOOL_USE if called else StopReason.END_TURN)
    assert turn.model == expected["model"]
    usage, used = expected["usage"], turn.usage
    assert (
        used.input_tokens + used.cache_read_tokens + used.cache_write_tokens
        == usage["input_tokens"]
    )
    assert used.output_tokens == usage["output_tokens"]
    assert used.reasoning_tokens == usage["output_tokens_details"]["reasoning_tokens"]


def done_items(stream: bytes) -> list[bytes]:
    return [line for line in stream.splitlines() if b'"response.output_item.done"' in line]


UNKNOWN_CALLS = ("apply_patch_call", "local_shell_call", "shell_call", "mcp_approval_request")


def described(block: object) -> tuple[Any, ...]:
    match block:
        case Text(text):
            return "text", text
        case ToolCall(call_id, name, arguments):
            return "function_call", call_id, name, arguments
        case Thinking(text, "", Opaque("openai", item)) if thought(item):
            assert text == thought(item)
            return "reasoning", plain(item)
        case Opaque("openai", item):
            return item["type"], plain(item)
        case _:
            raise AssertionError(block)


def thought(item: Json) -> str:
    return "\n\n".join(part["text"] for part in item.get("summary") or item.get("content") or ())


def described_item(item: Json) -> list[tuple[Any, ...]]:
    match item:
        case {"type": "message", "content": content}:
            return [("text", part["text"]) for part in content]
        case {"type": "function_call"}:
            arguments = json.loads(item["arguments"])
            return [("function_call", item["call_id"], item["name"], arguments)]
        case _:
            return [(item["type"], plain(item))]


def plain(item: Json) -> Json:
    """Without what is encrypted anew each time that it is told."""
    return {k: v for k, v in item.items() if k not in ("encrypted_content", "fingerprint")}


# -- both --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "name"), [each for each in ALL if each[1] not in ERRORS])
def test_every_call_of_a_recorded_stream_is_sealed_once(wire: str, stream: bytes) -> None:
    turn, sealed = read([stream], DECODERS[wire]())
    calls = [block for block in turn.message().blocks if isinstance(block, ToolCall)]
    assert [each.call for each in sealed] == calls
    assert not any(each.problem for each in sealed)


@pytest.mark.parametrize(("wire", "name"), ALL)
def test_how_the_network_cuts_a_recorded_stream_changes_nothing(
    wire: str, name: str, stream: bytes
) -> None:
    expected = outcome([stream], DECODERS[wire])
    for chunks in chunkings(stream, name):
        assert outcome(chunks, DECODERS[wire]) == expected


def outcome(chunks: Any, make: MakeDecoder) -> tuple[Message, list[SealedCall], Any, str]:
    turn, sealed = Turn(), list[SealedCall]()
    error = ""
    try:
        read_into(turn, sealed, chunks, make())
    except MidstreamError as caught:
        error = repr(caught)
    return turn.settled(), sealed, turn.usage, error


def last_needed(wire: str, stream: bytes) -> int:
    """From where on a cut takes nothing away that is needed to know that the stream is whole."""
    marks = [b'"finish_reason":"', b'"finish_reason": "', b"data: [DONE]"]
    if wire == "openai-responses":
        return stream.rindex(b"}")
    found = [stream.find(mark) for mark in marks]
    return min(place for place in found if place >= 0)


@pytest.mark.parametrize(("wire", "name"), [each for each in ALL if each[1] not in ERRORS])
def test_a_recorded_stream_that_is_cut_is_never_whole(wire: str, name: str, stream: bytes) -> None:
    _, whole = read([stream], DECODERS[wire]())
    last = last_needed(wire, stream)
    for place in [last, *places(name, last)]:
        turn, sealed = Turn(), list[SealedCall]()
        with pytest.raises(MidstreamError) as caught:
            read_whole(turn, sealed, stream[:place], DECODERS[wire]())
        assert caught.value.retryable
        assert sealed == whole[: len(sealed)]
        kept = [block for block in turn.settled().blocks if isinstance(block, ToolCall)]
        assert kept == [each.call for each in sealed]


@pytest.mark.parametrize("name", CHAT)
@pytest.mark.parametrize("wire", ["openai-chat"])
def test_behind_the_finish_reason_a_cut_loses_no_call(wire: str, name: str, stream: bytes) -> None:
    """Only usage and the mark come there; what a cut leaves is whole, or is asked for again."""
    if name in ERRORS:
        return
    _, whole = read([stream], ChatDecoder())
    for place in range(last_needed(wire, stream), len(stream), 7):
        turn, sealed = Turn(), list[SealedCall]()
        try:
            read_whole(turn, sealed, stream[:place], ChatDecoder())
            lost = False
        except MidstreamError as error:
            lost = error.retryable
        assert sealed == (whole[: len(sealed)] if lost else whole)
