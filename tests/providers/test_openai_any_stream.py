"""The two OpenAI wires, any stream: those that are in order, however they are cut, and those that
are not.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st

from midstream.errors import MidstreamError
from midstream.messages import Block, Opaque, StopReason, Text, Thinking, ToolCall, Usage
from midstream.providers.openai_chat import ChatDecoder
from midstream.providers.openai_responses import ResponsesDecoder
from midstream.turn.turn import SealedCall, Turn
from tests.proof.scale import at_scale
from tests.providers.answers import (
    PLAIN,
    Part,
    Reader,
    Records,
    chat,
    chat_streams,
    responses_streams,
    said_in_chat,
    said_in_responses,
    spoiled,
    told_whole,
)
from tests.providers.reading import MakeDecoder, Played, as_bytes, cut, read

WHOLE, SPOILED, HOSTILE_ONES = at_scale(60, 300), at_scale(250, 30_000), at_scale(100, 1000)
Drawn = tuple[list[Part], Records]
SIZES = st.lists(st.sampled_from([1, 2, 7, 40, 300, 9000]), min_size=1, max_size=8)


def said(blocks: Iterable[Block]) -> list[tuple[Any, ...]]:
    """Blocks in the words of an answer's parts."""
    parts: list[tuple[Any, ...]] = []
    for block in blocks:
        match block:
            case Text(text):
                parts.append(("text", text))
            case Thinking(text):
                parts.append(("thinking", text))
            case ToolCall(_, name, arguments):
                parts.append(("call", name, json.dumps(arguments, sort_keys=True)))
            case _:
                raise AssertionError(block)
    return parts


def meant(parts: list[Part]) -> list[tuple[Any, ...]]:
    return [
        ("call", part.name, json.dumps(part.input, sort_keys=True))
        if part.kind == "call"
        else (part.kind, part.text)
        for part in parts
    ]


def check_whole(turn: Turn, sealed: list[SealedCall], parts: list[Part]) -> None:
    message = turn.message()
    assert sorted(said(message.blocks)) == sorted(meant(parts))
    calls = [block for block in message.blocks if isinstance(block, ToolCall)]
    assert sorted([each.call.id for each in sealed]) == sorted({call.id for call in calls})
    assert not any(each.problem for each in sealed)
    assert turn.stop is (StopReason.TOOL_USE if calls else StopReason.END_TURN)
    assert turn.usage == Usage(3, 4)


def check_any_cut(drawn: Drawn, sizes: list[int], make: MakeDecoder) -> Turn:
    parts, records = drawn
    stream = as_bytes(*records)
    turn, sealed = read([stream], make())
    check_whole(turn, sealed, parts)
    for pieces in ([1] * len(stream), sizes * (len(stream) // sum(sizes) + 1)):
        again, same = read(cut(stream, pieces), make())
        assert (again.message(), same) == (turn.message(), sealed)
    return turn


@given(chat_streams(), SIZES)
@settings(deadline=None, max_examples=WHOLE, suppress_health_check=[HealthCheck.too_slow])
def test_any_chat_answer_is_read_the_same_however_it_is_told_and_cut(
    drawn: Drawn, sizes: list[int]
) -> None:
    turn = check_any_cut(drawn, sizes, ChatDecoder)
    assert said(turn.message().blocks) == meant(drawn[0])


@given(responses_streams(), SIZES)
@settings(deadline=None, max_examples=WHOLE, suppress_health_check=[HealthCheck.too_slow])
def test_any_response_is_read_the_same_however_it_is_told_and_cut(
    drawn: Drawn, sizes: list[int]
) -> None:
    turn = check_any_cut(drawn, sizes, ResponsesDecoder)
    for block in turn.message().blocks:
        if isinstance(block, Thinking):
            assert isinstance(block.opaque, Opaque)
            assert block.opaque.data["encrypted_content"] == "whole"


def check_spoiled(records: Records, make: MakeDecoder, reader: Reader) -> None:
    played = Played(make(), *records)
    event(type(played.error).__name__)
    if played.error:
        str(played.error).encode()
    ids = [sealed.call.id for _, sealed in played.sealed]
    assert len(set(ids)) == len(ids), "a call is sealed once"
    for number, sealed in played.sealed:
        if not sealed.problem:
            assert told_whole(records[:number], sealed, reader), (number, sealed)
    kept = [block for block in played.turn.settled().blocks if isinstance(block, ToolCall)]
    assert all(call.id in ids for call in kept)
    if not played.error:
        kept = [block for block in played.turn.message().blocks if isinstance(block, ToolCall)]
        assert all(call.id in ids for call in kept)


def two_calls_in_one_place(records: Records) -> bool:
    ids: dict[str, set[str]] = {}
    for record in records:
        with suppress(AttributeError, TypeError):  # it is spoiled
            for each in said_in_chat(record):
                if each.name and each.id:
                    ids.setdefault(repr(each.place), set()).add(repr(each.id))
    return any(len(each) > 1 for each in ids.values())


@given(spoiled(chat_streams([PLAIN])))
@example([chat({"tool_calls": [{"index": 0, "function": {"name": "pay", "arguments": ""}}]})])
@settings(deadline=None, max_examples=SPOILED, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoiled_chat_answer_seals_no_call_that_is_not_whole(records: Records) -> None:
    assume(not two_calls_in_one_place(records))  # whose pieces may be either's
    check_spoiled(records, ChatDecoder, said_in_chat)


@given(spoiled(responses_streams()))
@settings(deadline=None, max_examples=SPOILED, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoiled_response_seals_no_call_that_is_not_whole(records: Records) -> None:
    check_spoiled(records, ResponsesDecoder, said_in_responses)


LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, 1, 7, 1.5, "", "x", "\ud83e", "\0", [], {}, 10**30, "text", "thinking"),
        *("{", '{"n":1}', [{}], [{"type": "text"}], "function_call", "reasoning", "message"),
    ]
)
KEYS = st.sampled_from(
    [
        *("model", "choices", "delta", "index", "finish_reason", "usage", "error", "content"),
        *("reasoning", "reasoning_details", "refusal", "tool_calls", "function_call", "function"),
        *("id", "name", "arguments", "extra_content", "annotations", "text", "type", "object"),
        *("response", "item", "output", "output_index", "content_index", "summary", "status"),
        *("call_id", "item_id", "incomplete_details", "annotation", "code", "message", "phase"),
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(KEYS, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, ANYTHING, max_size=5)


@st.composite
def hostile_chat(draw: st.DrawFn) -> Any:
    """A chunk that is nearly right."""
    call = draw(OBJECTS) | draw(st.sampled_from([{}, {"function": draw(OBJECTS)}]))
    delta = draw(OBJECTS) | draw(st.sampled_from([{}, {"tool_calls": [call]}]))
    return {"model": "m", "choices": [{"delta": delta, **draw(OBJECTS)}], **draw(OBJECTS)}


KINDS = [
    *(f"response.{kind}" for kind in ("created", "completed", "incomplete", "failed", "queued")),
    *("response.output_item.added", "response.output_item.done", "error", "other"),
    *("response.output_text.delta", "response.refusal.delta"),
    *("response.output_text.annotation.added", "response.function_call_arguments.delta"),
    *("response.reasoning_summary_text.delta", "response.reasoning_text.delta"),
]


@st.composite
def hostile_event(draw: st.DrawFn) -> Any:
    """An event that is nearly right."""
    kind, given_ = draw(st.sampled_from(KINDS)), draw(OBJECTS)
    item = {"type": draw(st.sampled_from(["function_call", "message", "reasoning", "x_call"]))}
    told = {"item": item | draw(OBJECTS), "response": {"output": [item | draw(OBJECTS)]}}
    return {"delta": draw(st.sampled_from(["x", "{}", ""])), **told, **given_, "type": kind}


HOSTILE = [
    pytest.param(ChatDecoder, hostile_chat(), id="chat"),
    pytest.param(ResponsesDecoder, hostile_event(), id="responses"),
]


@pytest.mark.parametrize(("make", "payloads"), HOSTILE)
@given(st.data())
@settings(deadline=None, max_examples=HOSTILE_ONES, suppress_health_check=[HealthCheck.too_slow])
def test_any_records_give_events_or_an_error_of_ours(
    make: MakeDecoder, payloads: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    records = data.draw(st.lists(payloads | st.binary(max_size=40), max_size=6))
    played = Played(make(), *records)
    assert played.error is None or isinstance(played.error, MidstreamError)
    str(played.error).encode()
    json.dumps([str(block) for block in played.turn.settled().blocks]).encode()
