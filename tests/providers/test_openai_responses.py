"""OpenAI Responses: what each event means, and what the strange ones do."""

import json
import time
from collections import Counter
from typing import Any, get_args

import pytest
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_output_item import ResponseOutputItem
from openai.types.responses.response_stream_event import ResponseStreamEvent

from midstream.errors import ProtocolError, ProviderError, StreamInterrupted
from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import Opaque, StopReason, Text, Thinking, ToolCall, Usage
from midstream.providers.openai_responses import INCOMPLETE, ResponsesDecoder
from midstream.providers.openai_responses_items import ASKING, Item
from midstream.providers.openai_responses_wire import KNOWN, PASSED, passed_over
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    OpaqueArrived,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
    UsageCounted,
)
from tests.providers.reading import Named, Played, present, record

Json = dict[str, Any]
DONE = b"[DONE]"


def play(*payloads: Any, ends: bool = True) -> Played:
    return Played(ResponsesDecoder(), *payloads, ends=ends)


def decode(*payloads: Any) -> list[StreamEvent]:
    decoder = ResponsesDecoder()
    return [event for payload in payloads for event in decoder.feed(record(payload))]


def told(kind: str, **fields: Any) -> Json:
    """An event; of its fields those that are None are left out."""
    return {"type": f"response.{kind}", **present(**fields)}


def added(place: int | None, kind: str, /, **item: Any) -> Json:
    return told("output_item.added", output_index=place, item={"type": kind, **item})


def done(place: int | None, kind: str, /, **item: Any) -> Json:
    return told("output_item.done", output_index=place, item={"type": kind, **item})


def text(place: int | None, delta: str, part: int | None = None, item_id: Any = None) -> Json:
    return told(
        *("output_text.delta",), output_index=place, content_index=part, delta=delta,
        item_id=item_id,
    )  # fmt: skip


def refusal(place: int, delta: str) -> Json:
    return told("refusal.delta", output_index=place, content_index=0, delta=delta)


def summary(place: int, delta: str, part: int = 0) -> Json:
    return told("reasoning_summary_text.delta", output_index=place, summary_index=part, delta=delta)


def reasoned(place: int, delta: str, part: int = 0) -> Json:
    return told("reasoning_text.delta", output_index=place, content_index=part, delta=delta)


def arguments(place: int | None, delta: str, item_id: Any = None) -> Json:
    return told("function_call_arguments.delta", output_index=place, delta=delta, item_id=item_id)


def cited(place: int, part: int = 0, **annotation: Any) -> Json:
    kind = "output_text.annotation.added"
    return told(kind, output_index=place, content_index=part, annotation=annotation)


def said(*words: str, **message: Any) -> Json:
    """The fields of a message that is done."""
    return {"content": [{"type": "output_text", "text": each} for each in words], **message}


def call(name: str = "look", given: Any = None, call_id: str = "a", **fields: Any) -> Json:
    """The fields of a call; its type is not among them."""
    fields = {"status": "completed", **fields}
    return {"call_id": call_id, "name": name, "arguments": given or "", **fields}


def completed(*output: Json, **response: Any) -> Json:
    return told("completed", response={"output": [*output] or None, **response})


def cut(reason: str | None, *output: Json) -> Json:
    details = {"reason": reason} if reason else None
    return told("incomplete", response={"output": [*output], "incomplete_details": details})


CREATED = told("created", response={"model": "m", "status": "in_progress", "output": []})
ONE, TWO = '{"n":1}', '{"n":2}'
LOOK = done(0, "function_call", **call(given=ONE))
LOOKED = ToolCall("a", "look", {"n": 1})
RS = {"id": "rs_1", "summary": [], "encrypted_content": "whole"}


# -- every event that there is -----------------------------------------------------------------


def sdk_kinds() -> list[str]:
    """Every event of the official client."""
    union, *_ = get_args(ResponseStreamEvent)
    return sorted(
        kind for each in get_args(union)
        for kind in get_args(each.model_fields["type"].annotation)
    )  # fmt: skip


OURS = {f"{event}.{what}" for event, whats in PASSED.items() for what in whats}


def test_each_event_of_the_official_client_is_known_here_by_name() -> None:
    assert len(sdk_kinds()) >= 59
    assert [kind for kind in sdk_kinds() if kind not in KNOWN | OURS] == []
    assert set() == KNOWN & OURS


@pytest.mark.parametrize("kind", sorted(OURS))
def test_what_comes_again_with_its_item_is_passed_over(kind: str) -> None:
    payload = {"type": kind, "output_index": 0, "delta": 7, "item_id": [], "error": {"x": 1}}
    assert decode(CREATED, payload) == [ResponseStarted("m")]
    assert "comes again when its item is done" in passed_over(record(payload))


UNKNOWN = ["response.heartbeat", "response.steer.accepted", "keepalive", "ping", "x"]


@pytest.mark.parametrize("kind", UNKNOWN)
@pytest.mark.parametrize("rest", [{}, {"error": {"message": "x"}}, {"n": "\ud83e"}])
def test_what_nobody_has_heard_of_is_passed_over(kind: str, rest: Json) -> None:
    assert decode({"type": kind, **rest}, CREATED, {"type": kind, **rest}) == [ResponseStarted("m")]
    assert passed_over(record({"type": kind})) == f"passed over: unknown event {kind}"


def test_what_is_passed_over_has_a_note_that_says_so() -> None:
    assert passed_over(record(CREATED)) == "nothing new in it"
    assert passed_over(record(DONE)) == "passed over"


STARTED = ResponseStarted("m")
KINDS = [
    pytest.param([CREATED], [STARTED], id="created"),
    pytest.param([told("queued", response={"model": "m"})], [STARTED], id="queued"),
    pytest.param([told("in_progress", response={"model": "m"})], [STARTED], id="in_progress"),
    pytest.param([CREATED, told("in_progress", response={"model": "x"})], [STARTED], id="once"),
    pytest.param([told("created", response={})], [ResponseStarted("")], id="no model"),
    pytest.param(
        [told("created", response={"model": "m\ud800"})],
        [ResponseStarted("m\ufffd")],
        id="a model's name is text",
    ),
    pytest.param([CREATED, added(0, "message", content=[])], [STARTED], id="a message to come"),
    pytest.param(
        [CREATED, text(0, "Hi")], [STARTED, BlockStarted(0), TextDelta(0, "Hi")], id="text"
    ),
    pytest.param([CREATED, text(0, "")], [STARTED, BlockStarted(0)], id="empty text"),
    pytest.param(
        [CREATED, refusal(0, "No.")], [STARTED, BlockStarted(0), TextDelta(0, "No.")], id="refusal"
    ),
    pytest.param(
        [CREATED, summary(0, "hm")], [STARTED, BlockStarted(0), ThinkingDelta(0, "hm")],
        id="summary"
    ),
    pytest.param(
        [CREATED, reasoned(0, "hm")],
        [STARTED, BlockStarted(0), ThinkingDelta(0, "hm")],
        id="reasoning text",
    ),
    pytest.param(
        [CREATED, text(0, "Hi"), cited(0, n=1)],
        [STARTED, BlockStarted(0), TextDelta(0, "Hi"), TextCited(0, {"n": 1})],
        id="an annotation",
    ),
    pytest.param(
        [CREATED, added(0, "function_call", **call()), arguments(0, ONE)],
        [STARTED, ToolCallStarted(0, "a", "look"), ToolInputDelta("a", ONE)],
        id="a call",
    ),
    pytest.param(
        [CREATED, LOOK],
        [STARTED, ToolCallStarted(0, "a", "look"), ToolInputDelta("a", ONE), BlockEnded(0)],
        id="a call that comes when it is done",
    ),
    pytest.param(
        [CREATED, added(0, "web_search_call"), done(0, "web_search_call", id="ws")],
        [
            *(STARTED, BlockStarted(0)),
            OpaqueArrived(0, Opaque("openai", {"type": "web_search_call", "id": "ws"})),
            BlockEnded(0),
        ],
        id="an item of another kind",
    ),
    pytest.param([CREATED, DONE, b"", b" "], [STARTED], id="OpenRouter's mark, and no data"),
    pytest.param(
        [CREATED, completed(usage={"output_tokens": 4})],
        [
            *(STARTED, UsageCounted(Usage(0, 4))),
            *(ResponseStopped(StopReason.END_TURN, "completed"), ResponseEnded()),
        ],
        id="completed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("payloads", "events"), KINDS)
def test_each_event_means_what_the_documentation_says(
    payloads: list[Any], events: list[StreamEvent]
) -> None:
    assert decode(*payloads) == events


def test_fields_that_nobody_has_heard_of_are_no_trouble() -> None:
    odd = text(0, "Hi") | {"obfuscation": "xx", "sequence_number": 7, "logprobs": [{}]}
    item = done(0, "message", **said("Hi", status="completed", x=[1], role="assistant"))
    assert play(CREATED, odd, item, completed(x={"y": 1}, safety_identifier=None)).blocks == (
        Text("Hi"),
    )


# -- items -------------------------------------------------------------------------------------

ITEM_KINDS = sorted(
    kind for each in get_args(get_args(ResponseOutputItem)[0])
    for kind in get_args(each.model_fields["type"].annotation)
    if kind not in ("message", "function_call")
)  # fmt: skip


@pytest.mark.parametrize("kind", [*ITEM_KINDS, "an_item_of_next_year"])
def test_an_item_that_only_the_provider_understands_is_kept_as_it_is(kind: str) -> None:
    data = {"id": "x", "status": "completed", "anything": [1, None, {"x": 2.5}]}
    played = play(CREATED, added(0, kind, id="y"), done(0, kind, **data), completed())
    assert played.blocks == (Opaque("openai", {"type": kind, **data}),)


def test_what_is_opaque_goes_back_to_the_server_that_sent_it_only() -> None:
    played = Played(ResponsesDecoder("lab"), done(0, "reasoning", **RS), completed())
    assert played.blocks == (Opaque("lab", {"type": "reasoning", **RS}),)


def test_items_that_take_turns_are_kept_apart() -> None:
    played = play(
        *(CREATED, added(0, "reasoning"), added(1, "function_call", **call())),
        *(added(2, "function_call", **call("pay", call_id="b")), added(3, "message")),
        *(arguments(1, '{"n"'), text(3, "H"), arguments(2, '{"n"'), summary(0, "h")),
        *(text(3, "i"), arguments(2, ":2}"), summary(0, "m"), arguments(1, ":1}")),
        *(done(3, "message", **said("Hi")), done(1, "function_call", **call(given=ONE))),
        *(done(0, "reasoning", **RS),),
        *(done(2, "function_call", **call("pay", TWO, "b")), completed()),
    )
    rider = Opaque("openai", {"type": "reasoning", **RS})
    assert played.blocks == (
        *(Thinking("hm", "", rider), LOOKED, ToolCall("b", "pay", {"n": 2}), Text("Hi")),
    )
    assert played.when == [("a", 15), ("b", 17)]


def test_an_item_is_known_by_its_place_though_its_id_changes() -> None:
    played = play(
        *(CREATED, added(0, "function_call", id="1", **call())),
        *(added(1, "function_call", id="2", **call("pay", call_id="b")),),
        *(arguments(0, ONE, "2"), arguments(1, TWO, "1")),
        *(done(0, "function_call", id="9", **call(given=ONE)),),
        *(done(1, "function_call", id="9", **call("pay", TWO, "b")), completed()),
    )
    assert played.calls == [("a", "look", {"n": 1}), ("b", "pay", {"n": 2})]


# Without places: ids tell, and else the order.
PLACELESS = [
    pytest.param("1", "2", id="by id"),
    pytest.param(None, None, id="by order"),
    pytest.param("", "", id="by order, with empty ids"),
]


@pytest.mark.parametrize(("first", "second"), PLACELESS)
def test_servers_may_leave_the_places_out(first: str | None, second: str | None) -> None:
    one, two = call(given=ONE, id=first), call("pay", TWO, "b", id=second)
    played = play(
        *(CREATED, added(None, "message", id="0"), text(None, "H", None, "0" if first else None)),
        *(text(None, "i"),) * (not first),
        *(done(None, "message", id="0", **said("Hi")),),
        *(added(None, "function_call", **{**one, "arguments": ""}), arguments(None, ONE, first)),
        *(done(None, "function_call", **one),),
        *(added(None, "function_call", **{**two, "arguments": ""}), arguments(None, TWO, second)),
        *(done(None, "function_call", **two), completed()),
    )
    assert played.blocks == (Text("Hi"), LOOKED, ToolCall("b", "pay", {"n": 2}))


def test_without_places_ids_keep_apart_what_takes_turns() -> None:
    played = play(
        *(CREATED, added(None, "function_call", id="1", **call())),
        *(added(None, "function_call", id="2", **call("pay", call_id="b")),),
        *(arguments(None, ONE, "1"), arguments(None, TWO, "2")),
        *(done(None, "function_call", id="2", **call("pay", TWO, "b")),),
        *(done(None, "function_call", id="1", **call(given=ONE)), completed()),
    )
    assert sorted(played.calls, key=str) == [("a", "look", {"n": 1}), ("b", "pay", {"n": 2})]


def test_without_places_whole_items_follow_each_other() -> None:
    played = play(
        done(None, "message", **said("Hi")),
        done(None, "function_call", **call(given=ONE)),
        done(None, "function_call", **call("pay", TWO, "b")),
        completed(),
    )
    assert played.blocks == (Text("Hi"), LOOKED, ToolCall("b", "pay", {"n": 2}))


LOST = [
    pytest.param(arguments(None, TWO, "2"), id="a delta"),
    pytest.param(done(None, "function_call", id="2", **call("pay", TWO, "b")), id="a call"),
    pytest.param(done(None, "function_call", id="2", **call(given=TWO, call_id="b")), id="alike"),
]


@pytest.mark.parametrize("lost", LOST)
def test_without_places_nothing_of_an_item_never_announced_goes_to_another(lost: Json) -> None:
    played = play(CREATED, added(None, "function_call", id="1", **call()), lost, completed())
    assert isinstance(played.error, ProtocolError)
    assert "a" not in [call_id for call_id, _ in played.when]


def test_a_list_at_the_end_that_leaves_items_out_brings_nothing_twice() -> None:
    end = completed({"type": "function_call", **call(given=ONE)})
    played = play(CREATED, done(1, "function_call", **call(given=ONE)), end)
    assert played.calls == [("a", "look", {"n": 1})]


def test_items_that_were_never_announced_are_read() -> None:
    played = play(summary(0, "hm"), text(1, "Hi"), done(2, "function_call", **call(given=ONE)),
        completed())  # fmt: skip
    assert played.blocks == (Thinking("hm", ""), Text("Hi"), LOOKED)


def test_items_that_were_never_done_are_read_from_the_end() -> None:
    reasoning = {"type": "reasoning", **RS}
    message = {"type": "message", **said("Hi there", phase="final_answer")}
    played = play(
        *(CREATED, added(0, "reasoning"), summary(0, "hm"), added(1, "message"), text(1, "Hi")),
        *(added(2, "function_call", **call()), arguments(2, '{"n"')),
        completed(reasoning, message, {"type": "function_call", **call(given=ONE)}),
    )
    assert played.blocks == (
        Thinking("hm", "", Opaque("openai", reasoning)),
        Text("Hi there", None, Opaque("openai", {"phase": "final_answer"})),
        LOOKED,
    )


def test_a_response_may_come_whole_at_its_end() -> None:
    output = [
        *({"type": "reasoning", **RS}, {"type": "message", **said("Hi")}),
        {"type": "function_call", **call(given=ONE)},
    ]
    rider = Opaque("openai", {"type": "reasoning", **RS})
    assert play(completed(*output)).blocks == (rider, Text("Hi"), LOOKED)


@pytest.mark.parametrize("output", [None, [], [{"type": "message"}]])
def test_items_that_are_done_need_no_end(output: list[Json] | None) -> None:
    end = told("completed", response={"output": output} if output is not None else {})
    assert play(CREATED, LOOK, end).blocks == (LOOKED,)
    assert play(CREATED, LOOK, told("completed", response={"output": None})).blocks == (LOOKED,)


def test_what_is_encrypted_is_taken_from_the_item_that_is_done() -> None:
    whole, half = {"type": "reasoning", **RS}, {**RS, "encrypted_content": "half"}
    again = {**RS, "encrypted_content": "once more"}
    played = play(
        *(CREATED, added(0, "reasoning", **half), done(0, "reasoning", **RS)),
        *(done(0, "reasoning", **again), completed({"type": "reasoning", **again})),
    )
    assert played.blocks == (Opaque("openai", whole),)


def test_a_call_that_is_never_done_is_no_whole_response() -> None:
    for output in ([], [{"type": "message"}]):
        played = play(
            CREATED, added(0, "function_call", **call()), arguments(0, ONE), completed(*output)
        )
        assert isinstance(played.error, ProtocolError)
        assert played.sealed == []


def test_an_item_that_is_announced_again_or_done_again_is_the_same() -> None:
    played = play(
        *(CREATED, added(0, "function_call", **call()), added(0, "function_call", **call())),
        *(arguments(0, ONE), LOOK, LOOK, completed({"type": "function_call", **call(given=ONE)})),
    )
    assert played.calls == [("a", "look", {"n": 1})]


OTHERS = [
    pytest.param(LOOK, done(0, "function_call", **call(given=TWO)), id="other arguments"),
    pytest.param(LOOK, done(0, "function_call", **call("pay", ONE)), id="another name"),
    pytest.param(added(0, "function_call", **call()), done(0, "function_call", **call("pay", ONE)),
        id="another name than announced"),
    pytest.param(added(0, "message"), LOOK, id="a call where a message was"),
    pytest.param(text(0, "Hi"), LOOK, id="a call where text was"),
    pytest.param(LOOK, text(0, "Hi"), id="text where a call was"),
    pytest.param(LOOK, arguments(0, "x"), id="arguments for a call that was done"),
    pytest.param(added(0, "message"), arguments(0, "x"), id="arguments for a message"),
    pytest.param(CREATED, arguments(0, "x"), id="arguments for nothing"),
    pytest.param(done(0, "message", **said("Hi")), text(0, "x"), id="text for what was done"),
    pytest.param(added(0, "function_call", **call()), summary(0, "x"), id="thinking in a call"),
    pytest.param(text(0, "Hi"), CREATED, id="a second response"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), OTHERS)
def test_what_contradicts_what_came_before_is_a_protocol_error(first: Json, second: Json) -> None:
    assert isinstance(play(CREATED, first, second, completed()).error, ProtocolError)


SHARED = [
    pytest.param([LOOK, done(0, "message", **said("Hi"))], id="done alone"),
    pytest.param(
        [added(0, "function_call", **call()), LOOK, added(0, "message"), text(0, "Hi"),
         done(0, "message", **said("Hi"))],
        id="announced",
    ),
]  # fmt: skip


@pytest.mark.parametrize("payloads", SHARED)
def test_items_that_a_server_gives_one_place_are_several(payloads: list[Json]) -> None:
    played = play(CREATED, *payloads, completed())
    assert played.calls == [("a", "look", {"n": 1})]
    assert played.turn.message().text == "Hi"


def test_two_calls_of_one_place_are_two() -> None:
    other = call("pay", TWO, call_id="b")
    played = play(
        CREATED, added(0, "function_call", **call(), id="1"),
        added(0, "function_call", **{**other, "arguments": ""}, id="2"),
        done(0, "function_call", **call(given=ONE), id="1"),
        done(0, "function_call", **other, id="2"), completed(),
    )  # fmt: skip
    assert [each[0] for each in played.calls] == ["a", "b"]


@pytest.mark.parametrize("first", ["reasoning", "web_search_call"])
def test_what_the_end_lists_beside_what_came_makes_nothing_twice(first: str) -> None:
    """Gateways list reasoning that they did not stream, before what they did."""
    item = {"type": first, "id": "x_1", "summary": []}
    listed = completed(
        item, {"type": "message", **said("Hi")}, {"type": "function_call", **call(given=ONE)}
    )
    played = play(
        CREATED,
        done(0, "message", **said("Hi")),
        done(1, "function_call", **call(given=ONE)),
        listed,
    )
    assert [each[0] for each in played.calls] == ["a"]
    assert played.turn.message().text == "Hi"


@pytest.mark.parametrize("lost", [None, "", " "])
def test_arguments_that_only_the_end_tells_of_were_lost_on_the_way(lost: Any) -> None:
    bare = {**call(), "arguments": lost}
    end = completed({"type": "function_call", **call(given=ONE)})
    played = play(CREATED, done(0, "function_call", **bare), end)
    assert isinstance(played.error, ProtocolError)
    assert played.sealed == []
    shifted = completed({"type": "function_call", **call(given=ONE, call_id="b")})
    assert play(done(0, "function_call", **bare), shifted).calls == [("a", "look", {})]


def test_a_response_may_be_announced_again_before_its_first_item() -> None:
    assert decode(CREATED, CREATED, told("queued", response={})) == [STARTED]
    assert decode(CREATED, text(0, "x"), told("in_progress", response={}))[3:] == []


# -- calls -------------------------------------------------------------------------------------

GROWN = [added(0, "function_call", **call()), arguments(0, '{"n"'), arguments(0, ":1}")]
CALLS = [
    pytest.param([*GROWN, LOOK], {"n": 1}, id="deltas and the whole"),
    pytest.param([*GROWN, done(0, "function_call", **call())], {"n": 1}, id="none at last"),
    pytest.param(
        [*GROWN[:2], LOOK], {"n": 1}, id="the rest of the deltas comes when it is done"
    ),
    pytest.param(
        [*GROWN, done(0, "function_call", **call(given='{ "n" : 1 }'))], {"n": 1}, id="spelled anew"
    ),
    pytest.param([GROWN[0], LOOK], {"n": 1}, id="no deltas"),
    pytest.param([LOOK], {"n": 1}, id="not announced"),
    pytest.param([GROWN[0], done(0, "function_call", **call())], {}, id="no arguments"),
    pytest.param([GROWN[0], done(0, "function_call", **call(given=" "))], {}, id="blank ones"),
    pytest.param([GROWN[0], done(0, "function_call", **call(given="{}"))], {}, id="an empty one"),
    pytest.param([done(0, "function_call", call_id="a", name="look")], {}, id="the least"),
]  # fmt: skip


@pytest.mark.parametrize(("payloads", "given"), CALLS)
def test_the_arguments_of_a_call_are_whole_when_it_is_done(
    payloads: list[Json], given: Json
) -> None:
    played = play(CREATED, *payloads, completed())
    assert played.calls == [("a", "look", given)]
    assert played.turn.stop is StopReason.TOOL_USE
    number = len(payloads) + 1
    assert played.when == [("a", number if given or "{}" in str(payloads[-1]) else number + 1)]
    for end in range(number):  # and not before
        assert play(CREATED, *payloads[:end][: number - 2], ends=False).sealed == []


NOT_WHOLE = ["{", "[1]", '{"n":1}x', '{"n":NaN}', "{'n': 1}"]


@pytest.mark.parametrize("given", NOT_WHOLE)
def test_arguments_that_are_no_object_are_told_to_the_model(given: str) -> None:
    ((_, _, problem),) = play(done(0, "function_call", **call(given=given)), completed()).calls
    assert problem.startswith("The arguments are not JSON")


def test_arguments_as_an_object_are_told_to_the_model_too() -> None:
    ((_, _, problem),) = play(done(0, "function_call", **call(given={"n": 1})), completed()).calls
    assert problem.startswith("The arguments are not JSON")


IDS = [
    pytest.param([call(), call()], ["a", "a_1"], id="one id twice"),
    pytest.param([call(call_id=""), call(call_id="")], ["call_0", "call_1"], id="empty ids"),
    pytest.param(
        [call(call_id="", id="fc_1"), call(call_id="b", id="fc_2")], ["fc_1", "b"], id="the item's"
    ),
    pytest.param([call(call_id=7)], ["7"], id="a number"),  # type: ignore[arg-type]
    pytest.param([call(call_id="a\0")], ["a\ufffd"], id="made safe"),
]


@pytest.mark.parametrize(("items", "ids"), IDS)
def test_no_two_calls_of_a_response_share_an_id(items: list[Json], ids: list[str]) -> None:
    calls = [done(n, "function_call", **{**each, "arguments": ONE}) for n, each in enumerate(items)]
    assert [each[0] for each in play(*calls, completed()).calls] == ids


@pytest.mark.parametrize("name", [None, "", 0])
def test_a_call_without_a_name_is_an_error(name: Any) -> None:
    played = play(CREATED, done(0, "function_call", **{**call(given=ONE), "name": name}))
    assert isinstance(played.error, ProtocolError)
    assert "without a name" in str(played.error)


RIDERS = [
    pytest.param({"caller": {"type": "program", "caller_id": "x"}}, id="a caller"),
    pytest.param({"namespace": "weather"}, id="a namespace"),
    pytest.param({"new": [1, {"x": "y"}]}, id="what is new"),
]


@pytest.mark.parametrize("rider", RIDERS)
def test_what_else_a_call_says_rides_on_it(rider: Json) -> None:
    known = {"id": "fc_1", "created_by": "x", "async": None}
    item = done(0, "function_call", **call(given=ONE), **rider, **known)
    expected = ToolCall("a", "look", {"n": 1}, Opaque("openai", rider))
    assert play(GROWN[0], item, completed()).blocks == (expected,)


def test_a_call_that_says_nothing_else_has_no_rider() -> None:
    item = done(0, "function_call", **call(given=ONE, id="fc_1", caller=None))
    assert play(item, completed()).blocks == (LOOKED,)


@pytest.mark.parametrize("kind", sorted(ASKING))
def test_what_is_asked_for_in_a_way_that_we_do_not_know_stops_for_tools(kind: str) -> None:
    turn = play(done(0, kind, call_id="c"), completed()).whole.turn
    assert turn.stop is StopReason.TOOL_USE


HOSTED = [
    pytest.param([done(0, "web_search_call", id="x")], StopReason.END_TURN, id="hosted"),
    pytest.param(
        [done(0, "shell_call", call_id="c"), done(1, "shell_call_output", call_id="c")],
        StopReason.END_TURN,
        id="with its output",
    ),
    pytest.param(
        [done(0, "shell_call", call_id="c"), done(1, "shell_call_output", call_id="d")],
        StopReason.TOOL_USE,
        id="with another's output",
    ),
    pytest.param(
        [done(0, "tool_search_call", call_id="c", execution="client"),
         done(1, "tool_search_output", call_id="c", execution="client")],
        StopReason.END_TURN,
        id="for us, and somebody answered",
    ),
    pytest.param(
        [done(0, "tool_search_call", id="x", execution="client")], StopReason.TOOL_USE, id="for us"
    ),
    pytest.param(
        [done(0, "tool_search_call", id="x", call_id=None, execution="server")],
        StopReason.END_TURN,
        id="for the server",
    ),
    pytest.param(
        [done(0, "mcp_approval_request", id="x")], StopReason.TOOL_USE, id="an approval"
    ),
    pytest.param(
        [done(0, "program", call_id="c"), done(1, "program_output", call_id="c"), LOOK | {
            "output_index": 2}],
        StopReason.TOOL_USE,
        id="and a call of ours",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("payloads", "stop"), HOSTED)
def test_the_turn_is_ours_where_something_waits_for_us(
    payloads: list[Json], stop: StopReason
) -> None:
    assert play(*payloads, completed()).whole.turn.stop is stop


# -- words -------------------------------------------------------------------------------------

MESSAGES = [
    pytest.param([text(0, "H"), text(0, "i"), done(0, "message", **said("Hi"))], id="as it should"),
    pytest.param([added(0, "message"), done(0, "message", **said("Hi"))], id="without deltas"),
    pytest.param([text(0, "H"), done(0, "message", **said("Hi"))], id="the rest at last"),
    pytest.param([text(0, "Hi"), done(0, "message", **said(""))], id="nothing at last"),
    pytest.param([text(0, "Hi"), done(0, "message", content=None)], id="content null"),
    pytest.param([text(0, "Hi"), done(0, "message", content=[None, "x"])],
        id="parts that are none"),
    pytest.param([text(0, "Hi"), done(0, "message", **said("Ho!"))], id="what was shown stands"),
    pytest.param([text(0, "Hi")], id="never done"),
    pytest.param([text(0, "Hi"), done(0, "message", **said("Hi", status="incomplete"))], id="cut"),
]  # fmt: skip


@pytest.mark.parametrize("payloads", MESSAGES)
def test_the_text_of_a_message_is_read_once(payloads: list[Json]) -> None:
    assert play(CREATED, *payloads, completed()).blocks == (Text("Hi"),)


def test_each_part_of_a_message_is_a_text() -> None:
    played = play(
        *(
            text(0, "a", 0),
            text(0, "b", 1),
            text(0, "c", 0),
            done(0, "message", **said("ac", "bd")),
        ),
        *(done(1, "message", **said("e", "f")), completed()),
    )
    assert [block.text for block in played.blocks if isinstance(block, Text)] == [
        *("ac", "bd", "e", "f")
    ]


def test_a_message_that_says_nothing_is_no_block() -> None:
    empty = added(0, "message"), done(0, "message", **said("", phase="commentary"))
    assert play(*empty, completed()).blocks == ()
    assert play(done(0, "message"), completed()).blocks == ()


def test_the_phase_of_a_message_rides_on_each_of_its_texts() -> None:
    rider = Opaque("openai", {"phase": "commentary"})
    played = play(text(0, "a"), done(0, "message", **said("a", "b", phase="commentary")),
        done(1, "message", **said("c", phase=None)), completed())  # fmt: skip
    assert played.blocks == (Text("a", None, rider), Text("b", None, rider), Text("c"))


ANNOTATED = [{"type": "output_text", "text": "Hi", "annotations": [{"n": 1}, {"n": 2}]}]
CITATIONS = [
    pytest.param([cited(0, n=1), cited(0, n=2)], id="each told of"),
    pytest.param([], id="with the item only"),
    pytest.param([cited(0, n=1)], id="the rest with the item"),
]


@pytest.mark.parametrize("annotations", CITATIONS)
def test_annotations_are_read_once_whichever_way_they_come(annotations: list[Json]) -> None:
    item = done(0, "message", content=ANNOTATED)
    played = play(text(0, "Hi"), *annotations, item, completed())
    assert played.blocks == (Text("Hi", ({"n": 1}, {"n": 2})),)


def test_annotations_belong_to_their_part_and_are_made_safe() -> None:
    played = play(text(0, "a", 0), text(0, "b", 1), cited(0, 1, n="\ud83e"), completed())
    assert played.blocks == (Text("a"), Text("b", ({"n": "\ufffd"},)))


REFUSALS = [
    pytest.param([refusal(0, "N"), refusal(0, "o.")], id="in deltas"),
    pytest.param([done(0, "message", content=[{"type": "refusal", "refusal": "No."}])],
        id="with the item only"),
    pytest.param([refusal(0, "N"), done(0, "message", content=[{"type": "refusal",
        "refusal": "No."}])], id="both"),
]  # fmt: skip


@pytest.mark.parametrize("payloads", REFUSALS)
def test_a_refusal_is_read_as_text_and_stops_the_turn_as_one(payloads: list[Json]) -> None:
    played = play(*payloads, completed())
    turn = played.whole.turn
    assert played.blocks == (Text("No."),)
    assert (turn.stop, turn.stop_word, turn.stop_detail) == (StopReason.REFUSAL, "refusal", "No.")


# -- reasoning ---------------------------------------------------------------------------------

PARTS = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
THOUGHTS = [
    pytest.param([summary(0, "a"), summary(0, "b", 1)], {"summary": PARTS}, "a\n\nb", id="parts"),
    pytest.param([summary(0, "a"), summary(0, "b")], {"summary": PARTS}, "ab", id="one part"),
    pytest.param([], {"summary": PARTS}, "a\n\nb", id="with the item only"),
    pytest.param([reasoned(0, "a"), reasoned(0, "b", 1)], {"content": PARTS}, "a\n\nb", id="text"),
    pytest.param([], {"content": PARTS}, "a\n\nb", id="text, with the item only"),
    pytest.param([reasoned(0, "a"), summary(0, "b")], {}, "a\n\nb", id="text and a summary"),
    pytest.param([summary(0, "a")], {"summary": PARTS}, "a", id="what was shown stands"),
    pytest.param([summary(0, "a"), summary(0, ""), summary(0, "b")], {}, "ab", id="an empty one"),
]


@pytest.mark.parametrize(("deltas", "item", "words"), THOUGHTS)
def test_reasoning_is_one_thought_and_the_item_rides_on_it(
    deltas: list[Json], item: Json, words: str
) -> None:
    data = {"id": "rs", "encrypted_content": "x", **item}
    played = play(added(0, "reasoning"), *deltas, done(0, "reasoning", **data), completed())
    assert played.blocks == (Thinking(words, "", Opaque("openai", {"type": "reasoning", **data})),)


def test_reasoning_that_was_cut_is_not_taken_back() -> None:
    half = {**RS, "status": "incomplete"}
    for last in (
        [done(0, "reasoning", **half), cut("max_output_tokens")],
        [done(0, "reasoning", **half), cut("max_output_tokens", {"type": "reasoning", **half})],
        [cut("max_output_tokens", {"type": "reasoning", **half})],
        [cut("max_output_tokens", {"type": "reasoning", **RS})],  # never done: not whole
        [cut("max_output_tokens")],
    ):
        assert play(CREATED, added(0, "reasoning"), summary(0, "hm"), *last).blocks == ()


def test_reasoning_that_was_done_before_the_cut_is_kept() -> None:
    played = play(done(0, "reasoning", **RS), text(1, "Hi"), cut("max_output_tokens"))
    assert played.blocks == (Opaque("openai", {"type": "reasoning", **RS}), Text("Hi"))
    whole = {"type": "reasoning", **RS, "status": "completed"}
    assert play(added(0, "reasoning"), cut("max_output_tokens", whole)).blocks == (
        Opaque("openai", whole),
    )


# -- how it ends -------------------------------------------------------------------------------

REASONS = [
    *get_args(get_args(IncompleteDetails.model_fields["reason"].annotation)[0]),
    "max_tokens",
]


@pytest.mark.parametrize("reason", [*REASONS, "tired"])
def test_each_reason_for_an_incomplete_response_is_quoted(reason: str) -> None:
    turn = play(CREATED, text(0, "Hi"), cut(reason)).whole.turn
    assert (turn.stop, turn.stop_word) == (INCOMPLETE.get(reason, StopReason.UNKNOWN), reason)
    assert turn.stop is not StopReason.END_TURN


def test_the_limits_and_the_filter_are_known_by_name() -> None:
    assert {reason: INCOMPLETE.get(reason) for reason in REASONS} == {
        "max_output_tokens": StopReason.MAX_TOKENS,
        "max_tokens": StopReason.MAX_TOKENS,
        "content_filter": StopReason.REFUSAL,
        "max_messages": None,
        "steered": None,
    }


@pytest.mark.parametrize("details", [None, {}, {"reason": None}])
def test_an_incomplete_response_without_a_reason_is_one_all_the_same(details: Any) -> None:
    turn = play(text(0, "Hi"), told("incomplete", response={"incomplete_details": details}))
    assert (turn.whole.turn.stop, turn.turn.stop_word) == (StopReason.UNKNOWN, "incomplete")


HALF = {"type": "function_call", **call(status="incomplete")}
CUTS = [
    pytest.param(GROWN[:1], [], id="before its arguments"),
    pytest.param(GROWN[:2], [], id="inside its arguments"),
    pytest.param(GROWN, [], id="behind what looks whole"),
    pytest.param(GROWN[:2], [{**HALF, "arguments": '{"n"'}], id="told at the end"),
    pytest.param(GROWN, [{**HALF, "arguments": ONE, "status": "in_progress"}], id="in progress"),
    pytest.param(GROWN, [{**HALF, "arguments": ONE, "status": None}], id="of no status"),
    pytest.param([], [{**HALF, "arguments": ONE}], id="told at the end only"),
    pytest.param([done(0, "function_call", **{**call(), "status": "incomplete"})], [],
        id="done so"),
    pytest.param([*GROWN, done(0, "function_call", **{**call(given=ONE), "status": "incomplete"})],
        [HALF], id="done so, and whole"),
]  # fmt: skip


@pytest.mark.parametrize(("payloads", "output"), CUTS)
@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_a_call_that_is_cut_is_never_sealed(
    reason: str, payloads: list[Json], output: list[Json]
) -> None:
    played = play(CREATED, *payloads, cut(reason, *output))
    assert (played.whole.sealed, played.blocks) == ([], ())


def test_a_call_that_was_done_before_the_cut_runs() -> None:
    pay = added(1, "function_call", **call("pay", call_id="b"))
    played = play(CREATED, *GROWN, LOOK, pay, cut("max_output_tokens"))
    assert played.calls == [("a", "look", {"n": 1})]


def test_a_call_cut_for_an_unknown_reason_is_no_whole_response() -> None:
    played = play(CREATED, *GROWN, cut("steered"))
    assert isinstance(played.error, ProtocolError)
    assert played.sealed == []


UNFINISHED = [
    pytest.param([], id="nothing"),
    pytest.param([CREATED], id="its start"),
    pytest.param([CREATED, text(0, "Hi"), done(0, "message", **said("Hi"))], id="a message"),
    pytest.param([CREATED, *GROWN], id="half a call"),
    pytest.param([CREATED, LOOK], id="a whole call"),
    pytest.param([CREATED, LOOK, DONE], id="OpenRouter's mark is no end"),
]


@pytest.mark.parametrize("payloads", UNFINISHED)
def test_a_stream_that_just_ends_is_not_whole(payloads: list[Any]) -> None:
    assert isinstance(play(*payloads).error, StreamInterrupted)


def test_what_comes_behind_the_end_is_not_read() -> None:
    late = [text(0, "x"), {"type": "error", "message": "x"}, b"junk", completed(), DONE, LOOK]
    assert play(CREATED, text(0, "Hi"), completed(), *late).blocks == (Text("Hi"),)
    assert play(CREATED, text(0, "Hi"), cut("max_output_tokens"), *late).blocks == (Text("Hi"),)


COUNTS = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
USAGES = [
    pytest.param(COUNTS, Usage(9, 4), id="plain"),
    pytest.param({}, Usage(), id="none"),
    pytest.param({"input_tokens": None, "output_tokens": None}, Usage(), id="null"),
    pytest.param(
        {**COUNTS, "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3}},
        Usage(1, 4, 5, 3),
        id="what the cache gave and took is part of the input",
    ),
    pytest.param(
        {**COUNTS, "output_tokens_details": {"reasoning_tokens": 3}},
        Usage(9, 4, reasoning_tokens=3),
        id="reasoning is part of the output",
    ),
    pytest.param(
        {**COUNTS, "input_tokens_details": None, "output_tokens_details": None},
        Usage(9, 4),
        id="details null",
    ),
    pytest.param(
        {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 5}},
        Usage(0, 0, 5),
        id="more cached than there was",
    ),
    pytest.param({"input_tokens": -1, "output_tokens": 10**400}, Usage(0, 1 << 53), id="absurd"),
]


@pytest.mark.parametrize(("counts", "usage"), USAGES)
@pytest.mark.parametrize("end", ["completed", "incomplete"])
def test_each_count_is_read(end: str, counts: Json, usage: Usage) -> None:
    assert play(CREATED, told(end, response={"usage": counts})).whole.turn.usage == usage


# -- errors ------------------------------------------------------------------------------------


def refused(*payloads: Any) -> ProviderError:
    error = play(*payloads).error
    assert isinstance(error, ProviderError)
    return error


SLOW = {"code": "rate_limit_exceeded", "message": "Slow down."}
SHAPES = [
    pytest.param({"type": "error", **SLOW, "param": None, "sequence_number": 3}, id="documented"),
    pytest.param({"type": "error", "error": {**SLOW, "type": None}}, id="as it is sent"),
    pytest.param({"type": "error", "error": {**SLOW, "headers": {"x": "1"}}}, id="with headers"),
    pytest.param({"error": SLOW}, id="without a type"),
    pytest.param(Named("error", {"error": SLOW}), id="named by its event"),
    pytest.param(Named("error", SLOW), id="the error itself, named by its event"),
    pytest.param(Named("error", {"type": "rate_limit_exceeded", "message": "Slow down."}),
        id="the error itself, with a type of its own"),
    pytest.param(told("failed", response={"error": SLOW, "status": "failed"}), id="failed"),
    pytest.param(Named("error", told("failed", response={"error": SLOW})), id="failed, and named"),
]  # fmt: skip


@pytest.mark.parametrize("payload", SHAPES)
@pytest.mark.parametrize(
    "before", [[], [CREATED], [CREATED, text(0, "Hi")], [CREATED, *GROWN, LOOK]]
)
def test_an_error_is_raised_whatever_its_shape_and_place(payload: Any, before: list[Json]) -> None:
    error = refused(*before, payload)
    assert (error.kind, str(error), error.status) == ("rate_limit_exceeded", "Slow down.", 429)
    assert error.retryable


ERRORS = [
    pytest.param({"type": "error"}, ("api_error", "the provider reported", 500, True), id="empty"),
    pytest.param({"type": "error", "message": "x"}, ("api_error", "x", 500, True), id="words"),
    pytest.param({"type": "error", "error": "x"}, ("api_error", "x", 500, True), id="a string"),
    pytest.param({"type": "error", "error": ["x"]}, ("api_error", "['x']", 500, True), id="a list"),
    pytest.param({"type": "error", "error": {}}, ("api_error", "the provider reported", 500, True),
        id="an empty one"),
    pytest.param({"type": "error", "code": 429, "message": "x"}, ("api_error", "x", 429, True),
        id="a code in digits"),
    pytest.param({"error": "no", "code": "invalid_prompt"}, ("invalid_prompt", "no", 400, False),
        id="a string with a code beside it"),
    pytest.param({"type": "error", "code": "insufficient_quota", "message": "pay"},
        ("insufficient_quota", "pay", 500, False), id="no quota"),
    pytest.param({"type": "error", "code": "invalid_image_url", "message": "x"},
        ("invalid_image_url", "x", 400, False), id="a picture that is none"),
    pytest.param(told("failed", response={"error": None}),
        ("api_error", "the response failed", 500, True), id="failed without a word"),
    pytest.param(told("failed", response={"error": "busy"}), ("api_error", "busy", 500, True),
        id="failed in words"),
    pytest.param(told("failed", response={"error": {"code": "server_error", "message": "x"}}),
        ("server_error", "x", 500, True), id="failed by the server"),
    pytest.param(told("failed", response={"error": {"code": "bio_policy", "message": "x"}}),
        ("bio_policy", "x", 400, False), id="failed by a policy"),
    pytest.param(Named("error", b"upstream died"), ("api_error", "upstream died", 500, True),
        id="plain text"),
    pytest.param(Named("error", b'["x"]'), ("api_error", '["x"]', 500, True), id="no object"),
    pytest.param(Named("error", b""), ("api_error", "the provider reported", 500, True),
        id="blank"),
    pytest.param({"type": "error", "message": "\ud83e\0"}, ("api_error", "\ufffd\ufffd", 500, True),
        id="unsafe"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "expected"), ERRORS)
def test_an_error_says_what_it_can(payload: Any, expected: tuple[Any, ...]) -> None:
    error, (kind, words, status, again) = refused(CREATED, payload), expected
    assert str(error).startswith(words)
    assert (error.kind, error.status, error.retryable) == (kind, status, again)


# -- what is malformed -------------------------------------------------------------------------


def deep(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


MALFORMED = [
    pytest.param(b"hello", id="words"),
    pytest.param(b'{"type": "response.created"', id="half a record"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b"7", id="a number"),
    pytest.param(b"{}", id="no type"),
    pytest.param({"type": None}, id="a type of null"),
    pytest.param({"type": 1}, id="a type that is none"),
    pytest.param({"choices": [{"delta": {"content": "x"}}]}, id="another wire's record"),
    pytest.param(told("created"), id="created without a response"),
    pytest.param(told("created", response=[]), id="a response that is a list"),
    pytest.param(told("completed", response={"output": {}}), id="output that is no list"),
    pytest.param(told("completed", response={"output": [7]}), id="an item in digits"),
    pytest.param(told("completed", response={"usage": {"input_tokens": "x"}}),
        id="tokens in words"),
    pytest.param(told("incomplete", response={"incomplete_details": 7}), id="details in digits"),
    pytest.param(told("output_item.added", output_index=1), id="no item"),
    pytest.param(told("output_item.added", output_index="1", item={}), id="a place in words"),
    pytest.param(told("output_item.added", output_index=1, item={}), id="an item of no type"),
    pytest.param(added(1, {}), id="an item whose type is none"),  # type: ignore[arg-type]
    pytest.param(done(1, "r\udcffeasoning"), id="an item whose type was damaged"),
    pytest.param(told("output_text.delta", output_index=0), id="no delta"),
    pytest.param(told("output_text.delta", output_index=0, delta=7), id="a delta in digits"),
    pytest.param(told("output_text.delta", content_index="0", delta="x"), id="a part in words"),
    pytest.param(told("refusal.delta", delta={}), id="a refusal that is none"),
    pytest.param(told("output_text.annotation.added", annotation="x"), id="an annotation in words"),
    pytest.param(b'{"type":"response.output_item.done","item":{"type":"x","n":NaN}}', id="NaN"),
    pytest.param(b'{"type":"response.output_item.done","item":{"type":"x","n":1e999}}', id="1e999"),
    pytest.param(done(1, "x", n=deep(100)), id="an item nested too deep"),
    pytest.param(cited(1, n=deep(100)), id="an annotation nested too deep"),
    pytest.param({"type": "error", "error": {"n": deep(100)}}, id="an error nested too deep"),
    pytest.param(b'{"type":' * 100_000, id="depth without end"),
    pytest.param(b'{"type":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="depth"),
]  # fmt: skip


@pytest.mark.parametrize("payload", MALFORMED)
def test_what_is_malformed_is_a_protocol_error(payload: Any) -> None:
    played = play(CREATED, payload)
    assert isinstance(played.error, ProtocolError)
    str(played.error).encode()


# -- characters cut in two ---------------------------------------------------------------------

DUCK = ("\ud83e", "\udd86")
SPLIT = [
    pytest.param(["a" + DUCK[0], DUCK[1] + "b"], "a🦆b", id="split"),
    pytest.param([DUCK[0], "", DUCK[1]], "🦆", id="with nothing between"),
    pytest.param([DUCK[0], "x" + DUCK[1]], "\ufffdx\ufffd", id="with something between"),
    pytest.param(["a\0b", "\0"], "a\ufffdb\ufffd", id="NUL"),
    pytest.param(["a", DUCK[1]], "a\ufffd", id="the second half alone"),
]


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_words(parts: list[str], expected: str) -> None:
    whole = "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    item = done(0, "message", **said(whole))
    assert play(*(text(0, each) for each in parts), item, completed()).blocks == (Text(expected),)
    thought = play(*(summary(0, each) for each in parts), completed())
    assert thought.blocks == (Thinking(expected, ""),)
    refused_ = play(*(refusal(0, each) for each in parts), completed())
    assert refused_.blocks == (Text(expected),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
def test_a_character_cut_in_two_is_joined_in_arguments(parts: list[str], expected: str) -> None:
    deltas = [arguments(0, each) for each in ('{"n":"', *parts, '"}')]
    whole = "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for last in ("", f'{{"n":"{whole}"}}'):
        item = done(0, "function_call", **call(given=last))
        assert play(GROWN[0], *deltas, item, completed()).calls == [("a", "look", {"n": expected})]


def test_halves_in_different_items_do_not_meet() -> None:
    played = play(text(0, "a" + DUCK[0]), text(1, DUCK[1]), completed())
    assert played.blocks == (Text("a"), Text("\ufffd"))


@pytest.mark.parametrize("last", ["", ONE + DUCK[0]])
def test_half_a_character_behind_whole_arguments_makes_them_none(last: str) -> None:
    deltas = arguments(0, ONE), arguments(0, DUCK[0])
    item = done(0, "function_call", **call(given=last))
    ((_, _, problem),) = play(GROWN[0], *deltas, item, completed()).calls
    assert problem.startswith("The arguments are not JSON")


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    data = b'{"type":"response.output_text.delta","output_index":0,"delta":"a\xff"}'
    assert decode(data)[-1] == TextDelta(0, "a\ufffd")


def test_an_unsafe_item_is_made_safe() -> None:
    played = play(done(0, "x", y=["\ud83e\0"]), completed())
    assert played.blocks == (Opaque("openai", {"type": "x", "y": ["\ufffd\ufffd"]}),)


# -- linear work -------------------------------------------------------------------------------


def test_a_megabyte_of_arguments_is_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = list[int]()
    rest = Item.rest

    def counted(item: Item, whole: str, part: int = 0) -> str | None:
        joined.append(len(whole))
        return rest(item, whole, part)

    monkeypatch.setattr(Item, "rest", counted)
    began = time.process_time()
    delta = json.dumps(arguments(0, "1234567,89")).encode()
    whole = '{"n":[1' + "1234567,89" * 100_000 + "]}"
    first = added(0, "function_call", **call()), arguments(0, '{"n":[1')
    item = done(0, "function_call", **call(given=whole))
    played = play(*first, *[delta] * 100_000, arguments(0, "]}"), item, completed())
    assert len(played.calls[0][2]["n"]) == 100_001
    assert joined == [len(whole)]
    assert time.process_time() - began < 20  # it takes half a second; quadratic, it is minutes


def test_a_hundred_thousand_fragments_of_text_are_that_many_events() -> None:
    began = time.process_time()
    events = Counter(map(type, decode(CREATED, *[json.dumps(text(0, "x")).encode()] * 100_000)))
    assert events == {ResponseStarted: 1, BlockStarted: 1, TextDelta: 100_000}
    assert time.process_time() - began < 20


@pytest.mark.parametrize("placed", [True, False])
def test_thousands_of_items_are_each_read_once(placed: bool) -> None:
    began = time.process_time()
    items = [call(given=ONE, call_id=f"c{n}", id=f"i{n}") for n in range(10_000)]
    events = [done(n if placed else None, "function_call", **each) for n, each in enumerate(items)]
    output = [{"type": "function_call", **each} for each in items]
    assert len(play(*events, completed(*output)).whole.sealed) == 10_000
    assert len(play(completed(*output)).whole.sealed) == 10_000
    assert time.process_time() - began < 20
