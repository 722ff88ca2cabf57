"""Recorded streams of the real API: read as its official SDK reads them, and sent back."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstream.errors import MidstreamError
from midstream.messages import (
    Block,
    Message,
    ModelRequest,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.anthropic_request import Anthropic
from midstream.providers.anthropic_spelling import wire_messages
from midstream.turn.turn import SealedCall, Turn
from tests.providers.reading import chunkings, names, places, read, read_whole

Json = dict[str, Any]

NAMES = names("anthropic")

# Where we do not agree with the SDK, and why. The content is what we read in its place.
DIFFERENT: dict[str, list[Any]] = {
    # Cut by max_tokens inside a call's arguments. The SDK hands out a call with the arguments that
    # happened to be there; a call that was not closed must not run.
    "sdk-max-tokens-inside-tool-json": [0],
    # Arguments that are not JSON. The SDK raises; the model is told, and may correct itself.
    "sdk-tool-use-invalid-json": [
        0,
        {
            "type": "tool_use",
            "id": "toolu_01NRLabsLyVHZPKxbKvkfSMn",
            "name": "get_weather",
            "input": {},
        },
    ],
}


@pytest.fixture
def expected(captures: Path, name: str) -> Json:
    """What the SDK made of the stream, the beta client's reading where there is one."""
    paths = [captures / "anthropic" / f"{name}.{kind}.json" for kind in READINGS]
    message: Json = json.loads(next(path for path in paths if path.exists()).read_bytes())
    if name in DIFFERENT:
        content = message["content"]
        message["content"] = [content[b] if isinstance(b, int) else b for b in DIFFERENT[name]]
    return message


READINGS = ("expected-beta", "expected", "expected-partial")


@pytest.fixture
def stream(captures: Path, name: str) -> bytes:
    return (captures / "anthropic" / f"{name}.sse").read_bytes()


def neutral(block: Json) -> Block:
    match block:
        case {"type": "text", "text": str(text), **rest}:
            return Text(text, tuple(rest.get("citations") or ()) or None)
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            return Thinking(text, signature)
        case {
            "type": "tool_use",
            "id": str(call_id),
            "name": str(name),
            "input": arguments,
            **rest,
        }:
            if rest.get("caller") == {"type": "direct"}:
                del rest["caller"]
            return ToolCall(call_id, name, arguments, Opaque("anthropic", rest) if rest else None)
        case _:
            return Opaque("anthropic", block)


def blocks_of(expected: Json) -> tuple[Block, ...]:
    blocks = [neutral(block) for block in expected["content"]]
    if container := expected.get("container"):
        blocks.append(Opaque("anthropic", {"type": "container", **container}))
    return tuple(blocks)


# -- read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_stream_is_read_as_the_sdk_reads_it(stream: bytes, expected: Json) -> None:
    turn, _ = read([stream], AnthropicDecoder())
    usage = expected["usage"]
    assert turn.message().blocks == blocks_of(expected)
    assert turn.stop_word == expected["stop_reason"] or expected["stop_reason"] is None
    assert turn.model == expected["model"]
    if expected["stop_reason"]:  # else the SDK gave up before it had read the last counts
        assert turn.usage == Usage(
            usage["input_tokens"],
            usage["output_tokens"],
            usage.get("cache_read_input_tokens") or 0,
            usage.get("cache_creation_input_tokens") or 0,
            (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_call_of_a_recorded_stream_is_sealed_once(stream: bytes, name: str) -> None:
    turn, sealed = read([stream], AnthropicDecoder())
    calls = [block for block in turn.message().blocks if isinstance(block, ToolCall)]
    assert [each.call for each in sealed] == calls
    assert [bool(each.problem) for each in sealed] == [name == "sdk-tool-use-invalid-json"] * len(
        calls
    )


@pytest.mark.parametrize("name", NAMES)
def test_how_the_network_cuts_a_recorded_stream_changes_nothing(stream: bytes, name: str) -> None:
    whole, sealed = read([stream], AnthropicDecoder())
    for chunks in chunkings(stream, name):
        turn, again = read(chunks, AnthropicDecoder())
        assert (turn.message(), turn.usage, again) == (whole.message(), whole.usage, sealed)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_stream_that_is_cut_is_never_whole(stream: bytes, name: str) -> None:
    _, whole = read([stream], AnthropicDecoder())
    last = stream.index(b"}", stream.rindex(b'"message_stop"'))  # what follows is blank lines
    for place in [last, *places(name, last)]:
        turn, sealed = Turn(), list[SealedCall]()
        with pytest.raises(MidstreamError) as caught:
            read_whole(turn, sealed, stream[:place], AnthropicDecoder())
        assert caught.value.retryable
        assert sealed == whole[: len(sealed)]
        kept = [block for block in turn.settled().blocks if isinstance(block, ToolCall)]
        assert kept == [each.call for each in sealed]


# -- sent back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_sent_back_as_it_came(stream: bytes, expected: Json) -> None:
    turn, _ = read([stream], AnthropicDecoder())
    earlier = Message("assistant", tuple(called_before(expected)))
    messages = Message("user", (Text("Hi"),)), earlier, turn.message()
    request = ModelRequest("m", messages, cache=None)
    sent = json.loads(Anthropic("m", "k").request(request).body)
    content = [block.data for block in called_before(expected)]
    content += [plain(block) for block in expected["content"] if not is_blank(block)]
    assert [each["content"] for each in sent["messages"][1:]] == ([content] if content else [])
    assert sent.get("container") == (expected.get("container") or {}).get("id")


def called_before(message: Json) -> list[Opaque]:
    """Calls of server tools that an answer has only the results of: those of a resumed turn."""
    calls = {block.get("id") for block in message["content"]}
    found = [each["tool_use_id"] for each in message["content"] if "tool_use_id" in each]
    data = {"type": "server_tool_use", "name": "x", "input": {}}
    return [Opaque("anthropic", {**data, "id": each}) for each in found if each not in calls]


def is_blank(block: Json) -> bool:
    return block["type"] == "text" and not block["text"].strip()  # the API does not take it back


SAYS_NOTHING: dict[str, Json] = {
    "text": {"citations": None},
    "tool_use": {"caller": {"type": "direct"}},
}


def plain(block: Json) -> Json:
    nothing = SAYS_NOTHING.get(block["type"], {})
    return {key: value for key, value in block.items() if nothing.get(key, ...) != value}


ASKED = [
    "parallel-tools-sonnet4-turn2",
    "thinking-then-tool-sonnet4-turn2",
    "tool-no-args-haiku45-turn2",
    "tool-use-haiku45-turn4",
]


@pytest.mark.parametrize("name", ASKED)
def test_a_conversation_that_the_api_accepted_is_spelled_as_it_was(
    captures: Path, name: str
) -> None:
    asked = json.loads((captures / "anthropic" / f"{name}.request.json").read_bytes())
    tools = [ToolSpec(t["name"], t["description"], t["input_schema"]) for t in asked["tools"]]
    request = ModelRequest(
        asked["model"],
        tuple(said(message) for message in asked["messages"]),
        tools=tuple(tools),
        max_tokens=asked["max_tokens"],
        thinking=asked.get("thinking", {}).get("budget_tokens"),
        cache=None,
    )
    ours = {"model", "messages", "tools", "max_tokens", "stream", "thinking"}
    assert json.loads(Anthropic("m", "k").request(request).body) == {
        key: asked[key] for key in asked if key in ours
    }


def said(message: Json) -> Message:
    blocks = [
        ToolResult(block["tool_use_id"], output(block["content"]), block.get("is_error", False))
        if block["type"] == "tool_result"
        else neutral(block)
        for block in message["content"]
    ]
    return Message(message["role"], tuple(blocks))


def output(content: str | list[Json]) -> str | tuple[Text, ...]:
    if isinstance(content, str):
        return content
    return tuple(Text(part["text"]) for part in content)


def test_the_answer_to_the_first_request_is_part_of_the_second(captures: Path) -> None:
    turn, _ = read(
        [(captures / "anthropic" / "tool-no-args-haiku45.sse").read_bytes()], AnthropicDecoder()
    )
    accepted = (captures / "anthropic" / "tool-no-args-haiku45-turn2.request.json").read_bytes()
    messages, _ = wire_messages([Message("user", (Text("Hi"),)), turn.message()])
    assert messages[1] == json.loads(accepted)["messages"][1]
