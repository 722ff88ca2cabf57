"""A stream explained: what each record became, what became of each call, and how it all ended."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.events import TextDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import StopReason, Text, ToolCall, Usage
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.anthropic_wire import passed_over
from midstream.stream import (
    BlockEnded,
    HandedOver,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    UsageCounted,
)
from midstream.turn.explain import Explainer
from midstream.turn.explained import (
    CallStory,
    Dialect,
    Doubt,
    Explained,
    Place,
    Trouble,
    Verdict,
)
from midstream.turn.turn import SealedCall
from tests.providers.reading import CAPTURES
from tests.providers.test_captures import NAMES

ANTHROPIC = Dialect(AnthropicDecoder, passed_over, "message_stop")


def explain(chunks: Iterable[bytes], max_record: int = 1 << 20) -> tuple[list[Explained], Verdict]:
    explainer = Explainer(ANTHROPIC, max_record)
    explained = [each for chunk in chunks for each in explainer.feed(chunk)]
    return [*explained, *explainer.rest()], explainer.verdict()


def record(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


START = record(
    "message_start", message={"id": "m", "model": "claude", "usage": {"input_tokens": 3}}
)
PING = record("ping")
STOP = record("message_stop")


def begin(index: int, **block: Any) -> bytes:
    return record("content_block_start", index=index, content_block=block)


def call(index: int, call_id: str = "c1") -> bytes:
    return begin(index, type="tool_use", id=call_id, name="look", input={})


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return record("content_block_delta", index=index, delta={"type": kind, **fields})


def arguments(index: int, text: str) -> bytes:
    return delta(index, "input_json_delta", partial_json=text)


def end(index: int) -> bytes:
    return record("content_block_stop", index=index)


def stop(reason: str = "end_turn", **fields: Any) -> bytes:
    return record(
        "message_delta", delta={"stop_reason": reason, **fields}, usage={"output_tokens": 5}
    )


def stories(*records: bytes) -> tuple[CallStory, ...]:
    return explain([START, *records])[1].calls


# -- records -----------------------------------------------------------------------------------


def test_each_record_stands_beside_what_it_became() -> None:
    records = [START, call(0), arguments(0, '{"a": 1}'), end(0), stop("tool_use"), STOP]
    explained, verdict = explain([b"".join(records)])
    sealed = SealedCall(ToolCall("c1", "look", {"a": 1}))
    assert [each.became for each in explained] == [
        (ResponseStarted("claude"), UsageCounted(Usage(3))),
        (ToolCallStarted(0, "c1", "look"),),
        (ToolInputDelta("c1", '{"a": 1}'),),
        (BlockEnded(0), sealed),
        (UsageCounted(Usage(3, 5)), ResponseStopped(StopReason.TOOL_USE, "tool_use")),
        (ResponseEnded(),),
    ]
    offsets = [sum(map(len, records[:place])) for place in range(len(records))]
    assert [(each.number, each.offset) for each in explained] == [*enumerate(offsets, 1)]
    assert explained[1].event == "content_block_start"
    assert json.loads(explained[1].data)["index"] == 0
    assert [(each.note, each.trouble) for each in explained] == [("", None)] * 6
    assert verdict.calls == (CallStory("c1", "look", Place(4, offsets[3]), ""),)
    assert (verdict.whole, verdict.error, verdict.unread) == (True, None, 0)
    assert (verdict.stop_reason, verdict.stop_word, verdict.model) == (
        "tool_use",
        "tool_use",
        "claude",
    )
    assert verdict.message.blocks == (sealed.call,)


NOTES = [
    pytest.param(PING, "ping", id="a ping"),
    pytest.param(START, "passed over: this message has begun before", id="begun again"),
    pytest.param(record("dance"), "passed over: unknown event dance", id="an unknown event"),
    pytest.param(delta(0, "dance_delta"), "passed over: unknown delta dance_delta", id="delta"),
    pytest.param(delta(0, "text_delta", text=""), "an empty fragment", id="an empty fragment"),
    pytest.param(
        delta(0, "text_delta", text="\ud83e"), "kept until its block ends", id="half a character"
    ),
    pytest.param(
        b'data: {"type": "ping", "x": 1e999}\n\n',
        "passed over",
        id="a number too large to read, where nobody looks",
    ),
    pytest.param(b"retry: 3\n\n", "passed over: an event without data is none", id="no data"),
    pytest.param(b"hello\n\n", "passed over: not a server-sent event", id="no field"),
    pytest.param(
        b"HTTP/2 200\r\nx: y\r\n\r\n", "the headers of an HTTP answer: passed over", id="headers"
    ),
    pytest.param(b": hi\n", "", id="a comment"),
    pytest.param(b"event: conten", "the input ends inside it", id="a cut"),
]


@pytest.mark.parametrize(("piece", "note"), NOTES)
def test_what_becomes_no_event_is_told_why(piece: bytes, note: str) -> None:
    explained, _ = explain([START, begin(0, type="text", text=""), piece])
    assert len(explained) == 3
    assert (explained[2].became, explained[2].note) == ((), note)


def test_an_error_is_told_where_it_came_and_nothing_is_read_after_it() -> None:
    error = record("error", error={"type": "overloaded_error", "message": "Full"}, request_id="r")
    explained, verdict = explain([START + PING + error + PING + STOP])
    trouble = Trouble("overloaded_error", "Full", 529, "r", 3, len(START + PING))
    assert explained[2].trouble == trouble
    assert [each.note for each in explained[3:]] == ["not read: the turn had failed"] * 2
    assert (verdict.whole, verdict.error, verdict.unread) == (False, trouble, 2)


def test_what_came_before_the_error_in_its_record_is_told_too() -> None:
    text = delta(0, "text_delta", text="Hi")
    explained, verdict = explain([START + text])  # a block that never began
    assert explained[1].became == (TextDelta(0, "Hi"),)
    assert verdict.error
    assert (verdict.error.type, verdict.error.record) == ("protocol_error", 2)


def test_what_follows_the_end_is_not_read() -> None:
    explained, verdict = explain([START + stop() + STOP + START + record("error", error={})])
    assert [each.note for each in explained[3:]] == ["not read: the response had ended"] * 2
    assert (verdict.whole, verdict.error, verdict.unread) == (True, None, 2)


def test_a_record_that_is_too_large_ends_the_reading() -> None:
    explained, verdict = explain([START, b"event: x\ndata: " + b"x" * 300, b"y", PING], 200)
    assert [each.number for each in explained] == [1, 2]
    assert verdict.error
    assert "larger than 200 bytes" in verdict.error.message
    assert (verdict.error.record, verdict.error.offset) == (2, len(START))


def test_a_record_that_is_too_large_does_no_harm_after_the_end() -> None:
    explained, verdict = explain([START + stop() + STOP + b"x" * 300], 200)
    assert (len(explained), verdict.whole, verdict.error) == (3, True, None)
    error = record("error", error={"type": "api_error", "message": "Down"})
    explained, verdict = explain([START + error + b"x" * 300], 200)
    assert (len(explained), verdict.error) == (2, explained[1].trouble)


# -- calls -------------------------------------------------------------------------------------


def test_a_call_without_arguments_is_in_doubt_until_a_later_block_begins() -> None:
    explained, verdict = explain([START, call(0), end(0), begin(1, type="text", text="")])
    assert explained[2].became == (BlockEnded(0), Doubt("look", "no arguments came"))
    assert explained[3].became[1] == SealedCall(ToolCall("c1", "look", {}))
    assert verdict.calls[0].sealed == Place(4, len(START + call(0) + end(0)))
    assert verdict.calls[0].problem == ""


def test_arguments_that_are_not_json_are_told_with_the_place() -> None:
    broken = arguments(0, '{"city": "Lagos" "x": 1}')
    why = (
        "its arguments are not a JSON object: Expecting ',' delimiter: line 1 column 18 (char 17)"
        """, after '{"city": "Lagos" '"""
    )
    explained, verdict = explain([START, call(0), broken, end(0), stop("tool_use"), STOP])
    assert explained[3].became == (BlockEnded(0), Doubt("look", why))
    assert verdict.calls[0].sealed == Place(5, len(START + call(0) + broken + end(0)))
    assert verdict.calls[0].problem == f"answered with an error, not run: {why}"
    assert verdict.whole


PROBLEMS = [
    pytest.param([], "its block never ended; 0 characters of its arguments had come", id="open"),
    pytest.param(
        [arguments(0, '{"a"')],
        "its block never ended; 4 characters of its arguments had come",
        id="open, some arguments",
    ),
    pytest.param(
        [arguments(0, '{"a"'), stop("max_tokens"), STOP],
        "the response was cut (max_tokens) before its block ended; "
        "4 characters of its arguments had come",
        id="cut by a limit",
    ),
    pytest.param(
        [end(0), stop("max_tokens"), STOP],
        "the response was cut (max_tokens), so that its arguments may not be whole",
        id="cut by a limit, closed",
    ),
    pytest.param(
        [end(0)],
        "no arguments came; a later block or the stop reason settles that, and neither came",
        id="in doubt",
    ),
    pytest.param(
        [arguments(0, "[1]"), end(0)],
        "its arguments are not a JSON object: expected a JSON object, got an array; "
        "a later block or the stop reason settles that, and neither came",
        id="in doubt, an array",
    ),
]


@pytest.mark.parametrize(("records", "problem"), PROBLEMS)
def test_a_call_that_did_not_seal_is_told_why(records: list[bytes], problem: str) -> None:
    assert stories(call(0), *records) == (CallStory("c1", "look", None, problem),)


def test_a_call_that_the_stop_reason_leaves_in_doubt_is_not_to_run() -> None:
    (story,) = stories(call(0), end(0), stop("end_turn"), STOP)
    assert story.sealed
    assert story.problem.startswith("Not run: the response ended (end_turn)")


def test_calls_that_another_model_took_over_are_withdrawn() -> None:
    over = begin(1, type="fallback", to={"model": "other"})
    records = [call(0), arguments(0, "{}"), end(0), over, end(1), call(2, "c2"), arguments(2, "{}")]
    explained, verdict = explain([START, *records, end(2), stop("tool_use"), STOP])
    assert explained[4].became[0] == HandedOver("other")
    first, second = verdict.calls
    assert first.sealed
    assert first.problem == "withdrawn: another model took over"
    assert (second.id, second.problem) == ("c2", "")
    assert verdict.model == "other"


# -- how it ended ------------------------------------------------------------------------------

ENDINGS = [
    pytest.param(PING, "no response began in it", id="only a ping"),
    pytest.param(START, "neither a stop reason nor message_stop came", id="no stop reason"),
    pytest.param(START + stop(), "end_turn came, but not message_stop", id="no terminal marker"),
    pytest.param(b"", "the input is empty", id="empty"),
]


@pytest.mark.parametrize(("stream", "words"), ENDINGS)
def test_a_stream_that_stops_too_early_is_told_what_is_missing(stream: bytes, words: str) -> None:
    _, verdict = explain([stream])
    assert not verdict.whole
    assert verdict.error
    assert (verdict.error.type, verdict.error.record) == ("stream_interrupted", None)
    assert verdict.error.message.endswith(words)
    assert verdict.error.offset == len(stream)


def test_a_stream_that_stops_inside_a_record_says_so() -> None:
    _, verdict = explain([START + STOP[:-6]])
    assert verdict.error
    assert verdict.error.message.startswith("the input ends inside this record: ")
    assert (verdict.error.record, verdict.error.offset) == (2, len(START))


def test_the_last_blank_line_may_be_missing() -> None:
    _, verdict = explain([START + stop() + STOP.rstrip()])
    assert verdict.whole


def test_what_was_shown_before_a_cut_is_kept_to_be_looked_at() -> None:
    begun = begin(0, type="text", text="")
    _, verdict = explain([START, begun, delta(0, "text_delta", text="Hi")])
    assert verdict.message.blocks == (Text("Hi"),)
    assert (verdict.stop_reason, verdict.usage) == (None, Usage(3))


def test_a_stop_reason_nobody_knows_is_unknown_in_its_own_word() -> None:
    details = {"category": "mood", "explanation": "Tired."}
    _, verdict = explain([START, stop("tired", stop_details=details), STOP])
    assert (verdict.stop_reason, verdict.stop_word) == (StopReason.UNKNOWN, "tired")
    assert verdict.stop_detail == "mood: Tired."


NO_STREAMS = [
    pytest.param(
        b'{"type": "error", "error": {"type": "overloaded_error", "message": "Full"}}',
        ("overloaded_error", "Full", 529),
        id="a refusal",
    ),
    pytest.param(
        b'HTTP/2 500\r\nx: y\r\n\r\n{"error": "Down"}', ("api_error", "Down", 500), id="a proxy's"
    ),
    pytest.param(
        b'{"type": "message", "content": []}',
        ("protocol_error", "no server-sent event in the input, which is JSON", None),
        id="an answer that was not streamed",
    ),
    pytest.param(
        b'{"type": "message_start"}\n{"type": "ping"}',
        ("protocol_error", "no server-sent event in the input, which is JSON", None),
        id="JSON lines",
    ),
    pytest.param(
        b"<html>\n\n</html>",
        ("protocol_error", "no server-sent event in the input, which is HTML or XML", None),
        id="HTML",
    ),
    pytest.param(
        bytes(range(256)), ("protocol_error", "no server-sent event in the input", None), id="bytes"
    ),
]


@pytest.mark.parametrize(("stream", "said"), NO_STREAMS)
def test_what_is_no_stream_is_called_what_it_is(stream: bytes, said: tuple[object, ...]) -> None:
    _, verdict = explain([stream])
    assert verdict.error
    assert (verdict.error.type, verdict.error.message, verdict.error.status) == said
    assert not verdict.whole


# -- any stream, cut anywhere ------------------------------------------------------------------

ANY_RECORD = st.sampled_from(
    [
        *(START, PING, STOP, stop(), stop("tool_use"), stop("max_tokens"), record("dance")),
        *(call(0), call(1, "c2"), arguments(0, "{"), arguments(0, "}"), end(0), end(1)),
        *(begin(1, type="text", text="x"), delta(1, "text_delta", text="\ud83e"), begin(2)),
        begin(1, type="fallback", to={"model": "other"}),
        *(b": hi\r\n", b"data: [DONE]\r\r", b"id: 1\n\n", b"\xff\xfe\n", b"event: conten"),
        *(record("error", error={"type": "api_error", "message": "x"}), b"data: " + b"x" * 400),
    ]
)
STREAMS = st.lists(ANY_RECORD, max_size=9).map(b"".join) | st.binary(max_size=60)


@settings(max_examples=400)
@given(STREAMS, st.data())
def test_cuts_make_no_difference_to_any_stream(stream: bytes, data: st.DataObject) -> None:
    whole = explain([stream], 300)
    assert explain((bytes([byte]) for byte in stream), 300) == whole
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    chunks = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert explain(chunks, 300) == whole
    assert whole[1].whole is (whole[1].error is None)


@pytest.mark.parametrize("name", NAMES)
def test_cuts_make_no_difference_to_a_recorded_stream(captures: object, name: str) -> None:
    stream = (CAPTURES / "anthropic" / f"{name}.sse").read_bytes()
    chance, chunks, place = random.Random(name), list[bytes](), 0
    whole = explain([stream])
    assert whole[1].whole
    while place < len(stream):
        size = chance.choice([1, 2, 7, 300, 9000])
        chunks.append(stream[place : place + size])
        place += size
    assert explain(chunks) == whole
