"""The Anthropic wire: what each record means, and what the strange ones do."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream.errors import MidstreamError, ProtocolError, ProviderError
from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import Block, Opaque, StopReason, Text, Thinking, ToolCall, Usage
from midstream.providers.anthropic import AnthropicDecoder
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    HandedOver,
    OpaqueArrived,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
    ThinkingSigned,
    UsageCounted,
)
from midstream.turn.turn import Turn
from midstream.wire.sse import SseDecoder, SseRecord

Json = dict[str, Any]


def record(payload: Any, event: str = "message") -> SseRecord:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return SseRecord(data, event.encode())


def decode(*payloads: Any) -> list[StreamEvent]:
    decoder = AnthropicDecoder()
    return [event for payload in payloads for event in decoder.feed(record(payload))]


def start(**message: Any) -> Json:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "m", **message}}


def begin(index: int, **block: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def end(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def settle(reason: str | None = "end_turn", usage: Json | None = None, **delta: Any) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": usage}


STOP = {"type": "message_stop"}
CALL = begin(0, type="tool_use", id="toolu_1", name="look", input={})
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}


def whole(*payloads: Json) -> Turn:
    """A turn that these records, between a start and an end, make up."""
    turn = Turn()
    for event in decode(start(), *payloads, settle(), STOP):
        turn.feed(event)
    return turn


def opaque(*payloads: Json) -> Json:
    """The data of the one opaque block that these records make up."""
    (block,) = whole(*payloads).message().blocks
    assert isinstance(block, Opaque)
    assert block.provider == "anthropic"
    return block.data


# -- every event, block and delta --------------------------------------------------------------

NO_USAGE = UsageCounted(Usage())
KINDS = [
    pytest.param([start()], [ResponseStarted("m"), NO_USAGE], id="message_start"),
    pytest.param(
        [start(model="m\ud800")],
        [ResponseStarted("m\ufffd"), NO_USAGE],
        id="a model's name is text",
    ),
    pytest.param([STOP], [ResponseEnded()], id="message_stop"),
    pytest.param([{"type": "ping"}], [], id="ping"),
    pytest.param([end(3)], [BlockEnded(3)], id="content_block_stop"),
    pytest.param([settle(None)], [NO_USAGE], id="message_delta without a reason"),
    pytest.param(
        [settle("tool_use")],
        [NO_USAGE, ResponseStopped(StopReason.TOOL_USE, "tool_use")],
        id="message_delta",
    ),
    # text
    pytest.param([begin(0, type="text", text="")], [BlockStarted(0)], id="text"),
    pytest.param([begin(0, type="text")], [BlockStarted(0)], id="text without text"),
    pytest.param([begin(0, type="text", text=None)], [BlockStarted(0)], id="text null"),
    pytest.param(
        [begin(0, type="text", text="Hi", citations=[{"n": 1}, {"n": 2}])],
        [BlockStarted(0), TextDelta(0, "Hi"), TextCited(0, {"n": 1}), TextCited(0, {"n": 2})],
        id="text with everything at its start",
    ),
    pytest.param([begin(0, type="text", citations=None)], [BlockStarted(0)], id="citations null"),
    pytest.param([more(4, "text_delta", text="Hi")], [TextDelta(4, "Hi")], id="text_delta"),
    pytest.param([more(4, "text_delta", text="")], [], id="an empty text_delta"),
    pytest.param(
        [more(4, "citations_delta", citation={"n": 1})],
        [TextCited(4, {"n": 1})],
        id="citations_delta",
    ),
    # thinking
    pytest.param(
        [begin(0, type="thinking", thinking="", signature="")], [BlockStarted(0)], id="thinking"
    ),
    pytest.param(
        [begin(0, type="thinking", thinking="hm", signature="s")],
        [BlockStarted(0), ThinkingDelta(0, "hm"), ThinkingSigned(0, "s")],
        id="thinking with everything at its start",
    ),
    pytest.param(
        [more(0, "thinking_delta", thinking="hm", estimated_tokens=3)],
        [ThinkingDelta(0, "hm")],
        id="thinking_delta",
    ),
    pytest.param([more(0, "thinking_delta", thinking="")], [], id="an empty thinking_delta"),
    pytest.param(
        [more(0, "signature_delta", signature="s")], [ThinkingSigned(0, "s")], id="signature_delta"
    ),
    # calls
    pytest.param([CALL], [ToolCallStarted(0, "toolu_1", "look")], id="tool_use"),
    pytest.param(
        [CALL, more(0, "input_json_delta", partial_json='{"n"')],
        [ToolCallStarted(0, "toolu_1", "look"), ToolInputDelta("toolu_1", '{"n"')],
        id="input_json_delta",
    ),
    pytest.param(
        [CALL, more(0, "input_json_delta", partial_json="")],
        [ToolCallStarted(0, "toolu_1", "look")],
        id="an empty input_json_delta",
    ),
    # what only the provider understands
    pytest.param([begin(0, type="redacted_thinking", data="x")], [BlockStarted(0)], id="opaque"),
    pytest.param(
        [begin(0, type="redacted_thinking", data="x"), end(0)],
        [
            BlockStarted(0),
            OpaqueArrived(0, Opaque("anthropic", {"type": "redacted_thinking", "data": "x"})),
            BlockEnded(0),
        ],
        id="opaque, closed",
    ),
    pytest.param(
        [{"type": "content_block_start", "index": 0, "content_block": {"type": "fallback"}}],
        [HandedOver(), BlockStarted(0)],
        id="fallback of unknown target",
    ),
    pytest.param(
        [begin(1, type="fallback", to={"model": "claude-opus-4-8"})],
        [HandedOver("claude-opus-4-8"), BlockStarted(1)],
        id="fallback",
    ),
]


@pytest.mark.parametrize(("payloads", "events"), KINDS)
def test_each_record_means_what_the_documentation_says(
    payloads: list[Json], events: list[StreamEvent]
) -> None:
    assert decode(*payloads) == events


def test_fields_that_nobody_has_heard_of_are_no_trouble() -> None:
    extra = {"obfuscation": "xxxx", "p": [1, {"deep": None}]}
    padded = json.dumps({**more(0, "text_delta", text="Hi"), **extra}).replace("}", "       }")
    assert decode(padded.encode()) == [TextDelta(0, "Hi")]


UNKNOWN = [
    pytest.param({"type": "message_pause"}, id="an event"),
    pytest.param({"type": "response.heartbeat", "index": "?"}, id="an event from elsewhere"),
    pytest.param(more(0, "wave_delta", wave="~"), id="a delta"),
    pytest.param({"type": "session", "error": {"type": "x"}}, id="an event with an error in it"),
]


@pytest.mark.parametrize("payload", UNKNOWN)
def test_unknown_kinds_pass_in_silence(payload: Json) -> None:
    assert decode(payload) == []


@pytest.mark.parametrize("payload", UNKNOWN)
def test_unknown_kinds_pass_anywhere_in_a_stream(payload: Json) -> None:
    text = [begin(0, type="text", text=""), payload, more(0, "text_delta", text="Hi")]
    assert whole(payload, *text, end(0), payload).message().blocks == (Text("Hi"),)


def test_pings_change_nothing_wherever_they_come() -> None:
    ping = {"type": "ping"}
    events = decode(ping, start(), ping, CALL, ping, end(0), ping, settle(), ping, STOP, ping)
    assert events == decode(start(), CALL, end(0), settle(), STOP)


DEEP: Json = json.loads('{"a":' * 100 + "1" + "}" * 100)
MALFORMED = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"hello", id="words"),
    pytest.param(b"[DONE]", id="another wire's end"),
    pytest.param(b'{"type": "ping"', id="half a record"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b"{}", id="no type"),
    pytest.param({"type": 1}, id="a type that is none"),
    pytest.param({"error": None}, id="no error"),
    pytest.param({"type": "message_start"}, id="message_start without a message"),
    pytest.param(start(content={}), id="content that is no list"),
    pytest.param(start(content=[{"type": 1}]), id="content without a type"),
    pytest.param(start(usage={"input_tokens": "many"}), id="tokens in words"),
    pytest.param({"type": "message_delta"}, id="message_delta without a delta"),
    pytest.param(settle(7), id="a stop reason in digits"),  # type: ignore[arg-type]
    pytest.param({"type": "content_block_start", "index": 0}, id="a block without content"),
    pytest.param({"type": "content_block_start", "content_block": {}}, id="without an index"),
    pytest.param(begin(0), id="a block without a type"),
    pytest.param(begin(0, type=None), id="a block of null type"),
    pytest.param(begin("0", type="text"), id="an index in words"),  # type: ignore[arg-type]
    pytest.param(begin(0, type="text", text=7), id="text in digits"),
    pytest.param(begin(0, type="text", citations=7), id="citations in digits"),
    pytest.param(begin(0, type="text", citations=["x"]), id="a citation that is none"),
    pytest.param(begin(0, type="thinking", thinking=[]), id="thinking in a list"),
    pytest.param(begin(0, type="thinking", signature={}), id="a signature in an object"),
    pytest.param(begin(0, type="tool_use", name="look"), id="a call without an id"),
    pytest.param(begin(0, type="tool_use", id=7, name="look"), id="an id in digits"),
    pytest.param(begin(0, type="tool_use", id="a"), id="a call without a name"),
    pytest.param(begin(0, type="fallback", to="opus"), id="a hand-over to words"),
    pytest.param({"type": "content_block_stop"}, id="an end of no block"),
    pytest.param({"type": "content_block_delta", "index": 0}, id="no delta"),
    pytest.param({"type": "content_block_delta", "index": 0, "delta": {}}, id="an empty delta"),
    pytest.param(more(0, "text_delta"), id="a text_delta without text"),
    pytest.param(more(0, "text_delta", text=None), id="a text_delta of null"),
    pytest.param(more(0, "input_json_delta", partial_json={}), id="arguments as an object"),
    pytest.param(more(0, "input_json_delta", partial_json="{"), id="arguments for no call"),
    pytest.param(more(0, "compaction_delta", content="x"), id="a compaction for no block"),
    pytest.param(
        b'{"type":"content_block_start","index":0,"content_block":{"type":"x","a":'
        + b"[" * 100
        + b"]" * 100
        + b"}}",
        id="a block nested too deep",
    ),
    pytest.param(more(0, "citations_delta", citation=DEEP), id="a citation nested too deep"),
    pytest.param({"type": "error", "error": DEEP}, id="an error nested too deep"),
    pytest.param(b'{"type":"ping","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="depth"),
    pytest.param(b'{"type":' * 100_000, id="more depth"),
]


@pytest.mark.parametrize("payload", MALFORMED)
def test_what_is_malformed_is_a_protocol_error(payload: Any) -> None:
    with pytest.raises(ProtocolError):
        decode(payload)


# -- calls -------------------------------------------------------------------------------------


def test_complete_input_at_the_start_needs_no_delta() -> None:
    events = decode(begin(0, type="tool_use", id="a", name="look", input={"n": [1]}), end(0))
    assert events == [
        ToolCallStarted(0, "a", "look"),
        ToolInputDelta("a", '{"n":[1]}'),
        BlockEnded(0),
    ]


@pytest.mark.parametrize(("fragments", "expected"), [([""], {"n": 1}), (["", '{"m":2}'], {"m": 2})])
def test_deltas_replace_the_input_only_if_there_is_something_in_them(
    fragments: list[str], expected: Json
) -> None:
    deltas = [more(0, "input_json_delta", partial_json=each) for each in fragments]
    turn = whole(begin(0, type="tool_use", id="a", name="look", input={"n": 1}), *deltas, end(0))
    assert turn.message().blocks == (ToolCall("a", "look", expected),)


@pytest.mark.parametrize("value", [[1], "x", 7, True])
def test_input_at_the_start_that_is_no_object_does_not_run(value: Any) -> None:
    turn, problems = Turn(), list[str]()
    block = begin(0, type="tool_use", id="a", name="look", input=value)
    for event in decode(start(), block, end(0), settle("tool_use"), STOP):
        problems += [sealed.problem for sealed in turn.feed(event)]
    assert len(problems) == 1
    assert "not JSON" in problems[0]


def ids(*sent: str) -> list[str]:
    calls = [begin(n, type="tool_use", id=each, name="look") for n, each in enumerate(sent)]
    return [event.id for event in decode(*calls) if isinstance(event, ToolCallStarted)]


ODD_IDS = [
    pytest.param(["a", "b"], ["a", "b"], id="fine"),
    pytest.param(["a", "a"], ["a", "a_1"], id="one twice"),
    pytest.param(["a", "a", "a"], ["a", "a_1", "a_2"], id="one three times"),
    pytest.param(["", ""], ["call_0", "call_1"], id="empty"),
    pytest.param(["call_1", ""], ["call_1", "call_1_1"], id="empty, and the stand-in is taken"),
    pytest.param(["a_2", "a", "a"], ["a_2", "a", "a_2_2"], id="the next choice is taken too"),
]


@pytest.mark.parametrize(("sent", "expected"), ODD_IDS)
def test_no_two_calls_of_a_response_share_an_id(sent: list[str], expected: list[str]) -> None:
    assert ids(*sent) == expected


@given(st.lists(st.sampled_from(["", "a", "a_1", "a_2", "a_2_2", "call_0", "call_3"]), max_size=8))
@settings(deadline=None)
def test_no_two_calls_ever_share_an_id(sent: list[str]) -> None:
    assert len(set(ids(*sent))) == len(sent)


def test_arguments_find_their_call_though_ids_repeat() -> None:
    calls = [begin(n, type="tool_use", id="a", name="look") for n in (0, 1)]
    inputs = [more(n, "input_json_delta", partial_json=f'{{"n":{n}}}') for n in (1, 0)]
    turn = whole(*calls, *inputs, end(0), end(1))
    assert [block.input for block in turn.message().blocks if isinstance(block, ToolCall)] == [
        {"n": 0},
        {"n": 1},
    ]


def test_a_direct_caller_is_what_is_the_case_anyway() -> None:
    turn = whole(begin(0, type="tool_use", id="a", name="look", caller={"type": "direct"}), end(0))
    assert turn.message().blocks == (ToolCall("a", "look", {}),)


RIDERS = [
    pytest.param({"caller": {"type": "code_execution_20260120", "tool_id": "s"}}, id="a caller"),
    pytest.param({"toolset_name": "browser"}, id="a toolset"),
    pytest.param({"caller": {"type": "direct", "x": 1}}, id="a direct caller that says more"),
]


@pytest.mark.parametrize("rider", RIDERS)
def test_what_else_a_call_says_travels_with_it(rider: Json) -> None:
    turn = whole(begin(0, type="tool_use", id="a", name="look", input={}, **rider), end(0))
    assert turn.message().blocks == (ToolCall("a", "look", {}, Opaque("anthropic", rider)),)


# -- characters cut in two ---------------------------------------------------------------------


def halves(index: int, kind: str, key: str, *parts: str) -> list[Json]:
    """Deltas whose text is split between the two halves of a surrogate pair."""
    return [more(index, kind, **{key: part}) for part in parts]


DUCK = ("\ud83e", "\udd86")
SPLIT = [
    pytest.param(["a" + DUCK[0], DUCK[1] + "b"], "a🦆b", id="split"),
    pytest.param([DUCK[0], DUCK[1]], "🦆", id="alone"),
    pytest.param([DUCK[0], "", DUCK[1]], "🦆", id="with nothing between"),
    pytest.param([DUCK[0], "x" + DUCK[1]], "\ufffdx\ufffd", id="with something between"),
    pytest.param([DUCK[1] + DUCK[0], DUCK[1]], "\ufffd🦆", id="a stray half before"),
    pytest.param([DUCK[0], DUCK[0] + DUCK[1]], "\ufffd🦆", id="a stray half within"),
    pytest.param(["a\0b", "\0"], "a\ufffdb\ufffd", id="NUL"),
    pytest.param([DUCK[0] + DUCK[1] + DUCK[0], DUCK[1]], "🦆🦆", id="twice"),
    pytest.param(["a", DUCK[1]], "a\ufffd", id="the second half alone"),
    pytest.param([*DUCK, "", "b"], "🦆b", id="with nothing behind"),
    pytest.param(["\ud800", "\udc00"], "\U00010000", id="the first character of all pairs"),
    pytest.param(["\udbff", "\udfff"], "\U0010ffff", id="and the last"),
]


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_text(parts: list[str], expected: str) -> None:
    turn = whole(begin(0, type="text"), *halves(0, "text_delta", "text", *parts), end(0))
    assert turn.message().blocks == (Text(expected),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_thinking(parts: list[str], expected: str) -> None:
    deltas = halves(0, "thinking_delta", "thinking", *parts)
    turn = whole(begin(0, type="thinking"), *deltas, end(0))
    assert turn.message().blocks == (Thinking(expected, ""),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_arguments(parts: list[str], expected: str) -> None:
    deltas = halves(0, "input_json_delta", "partial_json", '{"n":"', *parts, '"}')
    turn = whole(begin(0, type="tool_use", id="a", name="look"), *deltas, end(0))
    assert turn.message().blocks == (ToolCall("a", "look", {"n": expected}),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_what_only_the_provider_reads(
    parts: list[str], expected: str
) -> None:
    deltas = halves(0, "input_json_delta", "partial_json", '{"q":"', *parts, '"}')
    assert opaque(begin(0, **SEARCH), *deltas, end(0))["input"] == {"q": expected}
    words = halves(0, "text_delta", "text", *parts)
    assert opaque(begin(0, type="connector_text", text=""), *words, end(0))["text"] == expected


def test_halves_in_different_blocks_do_not_meet() -> None:
    first, second = (
        halves(0, "text_delta", "text", DUCK[0]),
        halves(1, "text_delta", "text", DUCK[1]),
    )
    turn = whole(begin(0, type="text"), begin(1, type="text"), *first, *second, end(0), end(1))
    assert turn.message().text == "\ufffd"  # half a character that nothing follows is dropped


def test_half_a_character_behind_whole_arguments_makes_them_none() -> None:
    deltas = halves(0, "input_json_delta", "partial_json", '{"n": 1}' + DUCK[0])
    turn = whole(begin(0, type="tool_use", id="a", name="look"), *deltas, end(0))
    assert turn.message().blocks == (ToolCall("a", "look", {}),)
    (block,) = turn.calls.values()
    assert "trailing" in block.doubt or "Extra data" in block.doubt


def test_an_escaped_pair_in_one_delta_is_a_character() -> None:
    assert decode(more(0, "text_delta", text="🦆")) == [TextDelta(0, "🦆")]  # json.dumps escapes


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    data = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\xff"}}'
    assert decode(data) == [TextDelta(0, "a\ufffd")]


UNSAFE = "\ud83e\0"


def test_everything_else_is_made_safe_too() -> None:
    turn = whole(
        *(begin(0, type="text", text=UNSAFE), more(0, "citations_delta", citation={"t": UNSAFE})),
        *(end(0), begin(1, type="thinking", thinking=UNSAFE), end(1)),
        *(begin(2, type="x", y=[UNSAFE]), more(2, "signature_delta", signature=UNSAFE), end(2)),
    )
    safe = "\ufffd\ufffd"
    assert turn.message().blocks == (
        Text(safe, ({"t": safe},)),
        Thinking(safe, ""),
        Opaque("anthropic", {"type": "x", "y": [safe], "signature": safe}),
    )


# -- the message as a whole --------------------------------------------------------------------


def test_a_message_start_may_carry_everything() -> None:
    content = [
        {"type": "text", "text": "Hi"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "tool_use", "id": "a", "name": "look", "input": {"n": 1}},
    ]
    begun = start(
        content=content, stop_reason="tool_use", container={"id": "box", "expires_at": "x"}
    )
    turn = Turn()
    for event in decode(begun, STOP):
        turn.feed(event)
    assert turn.stop is StopReason.TOOL_USE
    assert turn.message().blocks == (
        Text("Hi"),
        Opaque("anthropic", {"type": "redacted_thinking", "data": "x"}),
        ToolCall("a", "look", {"n": 1}),
        Opaque("anthropic", {"type": "container", "id": "box", "expires_at": "x"}),
    )


def test_the_container_is_kept_wherever_it_is_named() -> None:
    box = {"id": "box", "expires_at": "x"}
    expected = Opaque("anthropic", {"type": "container", **box})
    text = [begin(0, type="text", text="Hi"), end(0)]
    for first, last in [
        ({}, {"container": box}),
        ({"container": box}, {}),
        ({"container": {"id": "old"}}, {"container": box}),
    ]:
        turn = Turn()
        for event in decode(start(**first), *text, settle("end_turn", None, **last), STOP):
            turn.feed(event)
        assert turn.message().blocks == (Text("Hi"), expected)


def test_the_container_stands_behind_the_last_block() -> None:
    events = decode(start(), begin(1, type="text"), begin(0, type="text"), settle(container={}))
    assert OpaqueArrived(2, Opaque("anthropic", {"type": "container"})) not in events
    events = decode(
        start(), begin(1, type="text"), begin(0, type="text"), settle(container={"id": "b"})
    )
    assert OpaqueArrived(2, Opaque("anthropic", {"type": "container", "id": "b"})) in events


def test_a_container_may_be_all_there_is() -> None:
    box = Opaque("anthropic", {"type": "container", "id": "b"})
    assert OpaqueArrived(0, box) in decode(start(), settle("end_turn", None, container={"id": "b"}))


def test_a_container_is_told_once() -> None:
    events = decode(start(container={"id": "b"}), settle(None), settle("end_turn"))
    assert len([event for event in events if isinstance(event, OpaqueArrived)]) == 1


def test_the_same_message_may_start_twice() -> None:
    text = begin(0, type="text", text="Hi")
    assert decode(start(), start(), text, start()) == decode(start(), text)


def test_another_message_may_not_start_inside_the_first() -> None:
    other = {"type": "message_start", "message": {"id": "msg_2", "model": "m"}}
    with pytest.raises(ProtocolError, match="second message"):
        decode(start(), other)


def counted(*usages: Json | None) -> Usage:
    first, *others = usages
    begun = start(usage=first)
    events = decode(begun, *(settle(None, usage) for usage in others))
    return [event.usage for event in events if isinstance(event, UsageCounted)][-1]


USAGES = [
    pytest.param([{"input_tokens": 9, "output_tokens": 1}], Usage(9, 1), id="the start's"),
    pytest.param(
        [{"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 5}],
        Usage(9, 5),
        id="what is not said again stands",
    ),
    pytest.param([{"input_tokens": 60_385}, {"input_tokens": 612}], Usage(612), id="down"),
    pytest.param([{"input_tokens": 2_751}, {"input_tokens": 320_032}], Usage(320_032), id="up"),
    pytest.param([{"input_tokens": 9}, {"input_tokens": None}], Usage(9), id="null says nothing"),
    pytest.param([{"input_tokens": 9}, {"input_tokens": 0}], Usage(0), id="zero says zero"),
    pytest.param([{"input_tokens": 9}, None], Usage(9), id="no usage"),
    pytest.param([None, {"output_tokens": 5}], Usage(0, 5), id="none at first"),
    pytest.param([{"output_tokens": 10**400}], Usage(0, 1 << 53), id="no response has as many"),
    pytest.param([{"output_tokens": -5}], Usage(0, 0), id="nor fewer than none"),
    pytest.param(
        [
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 4,
                "output_tokens_details": {"thinking_tokens": 5},
            }
        ],
        Usage(1, 2, 3, 4, 5),
        id="every count",
    ),
    pytest.param(
        [
            {
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 4,
                "output_tokens_details": {"thinking_tokens": 5},
            },
            {"output_tokens_details": None},
            {"cache_read_input_tokens": 6, "output_tokens_details": {}},
        ],
        Usage(0, 0, 6, 4, 5),
        id="every count stands for itself",
    ),
]


@pytest.mark.parametrize(("usages", "expected"), USAGES)
def test_counts_overwrite_and_never_add(usages: list[Json | None], expected: Usage) -> None:
    assert counted(*usages) == expected


@pytest.mark.parametrize("word", [reason.value for reason in StopReason])
def test_each_stop_reason_is_known(word: str) -> None:
    assert decode(settle(word))[-1] == ResponseStopped(StopReason(word), word)


def test_a_stop_reason_never_heard_of_is_unknown_and_quoted() -> None:
    assert decode(settle("tired"))[-1] == ResponseStopped(StopReason.UNKNOWN, "tired")


REFUSALS = [
    pytest.param({"category": "bio", "explanation": "No."}, "bio: No.", id="both"),
    pytest.param({"category": None, "explanation": "No."}, "No.", id="no category"),
    pytest.param({"category": "bio", "explanation": None}, "bio", id="no explanation"),
    pytest.param({"category": None, "explanation": None, "new": 1}, "", id="neither"),
    pytest.param({"category": "a\0", "explanation": "\ud83e"}, "a\ufffd: \ufffd", id="unsafe"),
    pytest.param(None, "", id="nothing"),
]


@pytest.mark.parametrize(("details", "words"), REFUSALS)
def test_a_refusal_says_why(details: Json | None, words: str) -> None:
    event = decode(settle("refusal", stop_details=details))[-1]
    assert event == ResponseStopped(StopReason.REFUSAL, "refusal", words)


# -- what only the provider understands --------------------------------------------------------

WHOLE_BLOCKS: list[Json] = [
    {"type": "redacted_thinking", "data": "opaque"},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "x"}]},
    {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"error_code": "x"}},
    {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {}},
    {"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {}},
    {"type": "text_editor_code_execution_tool_result", "tool_use_id": "s", "content": {}},
    {"type": "tool_search_tool_result", "tool_use_id": "s", "content": {}},
    {"type": "mcp_tool_result", "tool_use_id": "s", "content": [], "is_error": False},
    {"type": "advisor_tool_result", "tool_use_id": "s", "content": {}},
    {"type": "container_upload", "file_id": "f"},
    {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}},
    {"type": "server_tool_use", "id": "s", "name": "x", "input": {"n": 1}, "caller": {"type": "x"}},
    {"type": "a_block_of_next_year", "anything": [1, None, {"x": 2.5}]},
]


@pytest.mark.parametrize("block", WHOLE_BLOCKS, ids=lambda block: block["type"])
def test_a_block_that_comes_whole_is_kept_as_it_is(block: Json) -> None:
    assert opaque(begin(0, **block), end(0)) == block


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_the_input_of_a_server_tool_is_put_together(kind: str) -> None:
    parts = ["", '{"query":', ' "ducks"}']
    deltas = [more(0, "input_json_delta", partial_json=part) for part in parts]
    block = {"type": kind, "id": "s", "name": "search", "input": {}}
    assert opaque(begin(0, **block), *deltas, end(0)) == {**block, "input": {"query": "ducks"}}


def test_a_server_tool_without_arguments_keeps_its_empty_input() -> None:
    assert (
        opaque(begin(0, **SEARCH), more(0, "input_json_delta", partial_json=""), end(0)) == SEARCH
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "{}{}"])
def test_a_server_tool_whose_input_is_no_object_cannot_travel_back(arguments: str) -> None:
    with pytest.raises(ProtocolError, match="server tool"):
        opaque(begin(0, **SEARCH), more(0, "input_json_delta", partial_json=arguments), end(0))


def test_a_compaction_is_assigned_and_not_added_up() -> None:
    block = {"type": "compaction", "content": None, "encrypted_content": None}
    deltas = [
        more(0, "compaction_delta", content=c, encrypted_content=e)
        for c, e in [("a", "b"), ("c", "d")]
    ]
    expected = {"type": "compaction", "content": "c", "encrypted_content": "d"}
    assert opaque(begin(0, **block), *deltas, end(0)) == expected


def test_deltas_of_known_kinds_grow_a_block_of_an_unknown_kind() -> None:
    grown = opaque(
        *(begin(0, type="narration", text="a", citations=[{"n": 0}]),),
        *(more(0, "text_delta", text="b"), more(0, "thinking_delta", thinking="c")),
        *(more(0, "text_delta", text="d"), more(0, "signature_delta", signature="s")),
        *(more(0, "citations_delta", citation={"n": 1}), more(0, "wave_delta", wave=1), end(0)),
    )
    assert grown == {
        "type": "narration",
        "text": "abd",
        "thinking": "c",
        "signature": "s",
        "citations": [{"n": 0}, {"n": 1}],
    }


def test_the_first_citation_of_a_block_may_be_its_first() -> None:
    cited = more(0, "citations_delta", citation={"n": 1})
    assert opaque(begin(0, type="x", citations=None), cited, end(0))["citations"] == [{"n": 1}]


def test_a_thought_cut_at_any_byte_has_its_whole_signature_or_none() -> None:
    thought = [
        begin(0, type="thinking", thinking="", signature=""),
        more(0, "thinking_delta", thinking="Hm."),
        more(0, "signature_delta", signature="EqQBCgIYAhIM" * 9),
        end(0),
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in [start(), *thought])
    kept: set[tuple[Block, ...]] = set()
    for cut in range(len(stream)):
        sse, decoder, turn = SseDecoder(), AnthropicDecoder(), Turn()
        for record in sse.feed(stream[:cut]):
            for event in decoder.feed(record):
                turn.feed(event)
        kept.add(turn.settled().blocks)
    assert kept == {(), (Thinking("Hm.", "EqQBCgIYAhIM" * 9),)}


def test_an_opaque_block_that_is_cut_leaves_nothing() -> None:
    turn = Turn()
    for event in decode(start(), begin(0, **SEARCH), more(0, "input_json_delta", partial_json="{")):
        turn.feed(event)
    assert turn.settled().blocks == ()


def test_after_a_hand_over_the_message_is_the_other_models() -> None:
    call = begin(1, type="tool_use", id="a", name="look", input={"n": 1})
    before = [begin(0, type="text", text="Well,"), end(0), call, end(1)]
    to = begin(2, type="fallback", to={"model": "other"})
    turn = whole(*before, to, end(2), begin(3, type="text", text=" no."), end(3))
    assert turn.model == "other"
    assert [type(block) for block in turn.message().blocks] == [Text, Opaque, Text]


# -- errors inside a stream --------------------------------------------------------------------


def refused(payload: Any, event: str = "message") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        list(AnthropicDecoder().feed(record(payload, event)))
    return caught.value


OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}
SHAPES = [
    pytest.param({"type": "error", "error": OVERLOADED}, "message", id="as documented"),
    pytest.param({"type": "error", "error": {**OVERLOADED, "details": None}}, "error", id="more"),
    pytest.param({"type": "error", "error": OVERLOADED, "x": 1}, "message", id="more fields"),
    pytest.param({"error": OVERLOADED}, "message", id="without a type"),
    pytest.param({"error": OVERLOADED}, "error", id="named by the event line"),
    pytest.param(OVERLOADED, "error", id="the error itself"),
    pytest.param({"type": "whatever", "error": OVERLOADED}, "error", id="of another type"),
]


@pytest.mark.parametrize(("payload", "event"), SHAPES)
def test_an_error_is_raised_whatever_its_shape(payload: Json, event: str) -> None:
    error = refused(payload, event)
    assert (error.kind, str(error), error.status) == ("overloaded_error", "Overloaded", 529)
    assert error.retryable


WORDS = [
    pytest.param(b"upstream died", "error", "upstream died", id="plain text"),
    pytest.param(b"", "error", "the provider reported an error", id="nothing"),
    pytest.param(b'["busy"]', "error", '["busy"]', id="a list"),
    pytest.param({"type": "error", "error": "busy"}, "error", "busy", id="a string"),
    pytest.param({"type": "error", "error": "busy"}, "message", "busy", id="without its event"),
    pytest.param({"error": "busy"}, "message", "busy", id="a string and no type"),
    pytest.param({"type": "error", "message": "busy"}, "message", "busy", id="beside the type"),
    pytest.param({"message": "busy"}, "error", "busy", id="a message and nothing else"),
    pytest.param({"type": "error", "error": {}}, "message", "without a message", id="empty"),
    pytest.param({"type": "error"}, "message", "error", id="no error at all"),
    pytest.param(
        b'{"type":"error","error":{"message":"\\ud83e\\u0000"}}',
        "error",
        "\ufffd\ufffd",
        id="unsafe",
    ),
]


@pytest.mark.parametrize(("payload", "event", "words"), WORDS)
def test_an_error_of_no_known_kind_says_what_it_can_and_may_pass(
    payload: Any, event: str, words: str
) -> None:
    error = refused(payload, event)
    assert words in str(error)
    assert (error.status, error.retryable) == (500, True)


def test_an_error_quotes_the_request() -> None:
    error = refused({"type": "error", "error": OVERLOADED, "request_id": "req_1"})
    assert error.request_id == "req_1"


def test_an_error_may_be_the_first_thing_or_the_last() -> None:
    error = {"type": "error", "error": OVERLOADED}
    for before in ([], [start()], [start(), CALL], [start(), CALL, end(0), settle()]):
        with pytest.raises(ProviderError):
            decode(*before, error)


# -- any bytes ---------------------------------------------------------------------------------

LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, 1, 7, 1.5, "", "x", "\ud83e", "\0", [], {}, 10**30, "text", "tool_use"),
        *("thinking", "fallback", "end_turn", "{", '{"n":1}', [{}], [{"type": "text"}]),
    ]
)
KEYS = st.sampled_from(
    [
        *("type", "index", "delta", "content_block", "message", "error", "usage", "id", "name"),
        *("text", "thinking", "signature", "partial_json", "citation", "citations", "content"),
        *("stop_reason", "stop_details", "container", "input", "caller", "to", "data"),
        *("request_id", "model", "encrypted_content", "output_tokens_details", "input_tokens"),
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(KEYS, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(
    [
        *("message_start", "message_delta", "message_stop", "ping", "error", "other"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    ]
)
BLOCK_TYPES = st.sampled_from(
    ["text", "thinking", "tool_use", "server_tool_use", "fallback", "compaction"]
)
DELTA_TYPES = st.sampled_from(
    [
        *("text_delta", "input_json_delta", "thinking_delta", "signature_delta"),
        *("citations_delta", "compaction_delta", "wave_delta"),
    ]
)


@st.composite
def hostile(draw: st.DrawFn) -> Json:
    """A record that is nearly right."""
    payload = draw(st.dictionaries(KEYS, ANYTHING, max_size=4))
    payload["type"] = draw(TYPES)
    payload.setdefault("index", draw(st.integers(0, 2)))
    block = {**draw(st.dictionaries(KEYS, ANYTHING, max_size=4)), "type": draw(BLOCK_TYPES)}
    delta = {**draw(st.dictionaries(KEYS, ANYTHING, max_size=4)), "type": draw(DELTA_TYPES)}
    message = draw(st.dictionaries(KEYS, ANYTHING, max_size=4))
    return {"content_block": block, "delta": delta, "message": message, **payload}


@given(
    st.lists(hostile() | st.binary(max_size=60), max_size=8), st.sampled_from(["message", "error"])
)
@example(
    [b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":1e999}}'], "x"
)
@settings(deadline=None, max_examples=200)
def test_any_records_give_events_or_an_error_of_ours(payloads: list[Any], event: str) -> None:
    decoder, turn = AnthropicDecoder(), Turn()
    try:
        for payload in payloads:
            for each in decoder.feed(record(payload, event)):
                turn.feed(each)
    except MidstreamError as error:
        str(error).encode()
    json.dumps([str(block) for block in turn.settled().blocks]).encode()
