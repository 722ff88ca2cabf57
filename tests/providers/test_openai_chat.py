"""Chat Completions: what each record means, and what the strange ones of a dozen servers do."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from midstream.errors import ProtocolError, ProviderError, StreamInterrupted
from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import Opaque, StopReason, Text, Thinking, ToolCall, Usage
from midstream.providers import openai_chat_calls
from midstream.providers.openai_chat import FAILURES, REASONS, ChatDecoder
from midstream.providers.openai_chat_wire import passed_over
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
)
from midstream.wire.json import read_object
from tests.providers.reading import Named, Played, as_bytes, present, read, record

Json = dict[str, Any]
DONE = b"[DONE]"


def play(*payloads: Any, ends: bool = True) -> Played:
    return Played(ChatDecoder(), *payloads, ends=ends)


def decode(*payloads: Any) -> list[StreamEvent]:
    decoder = ChatDecoder()
    return [event for payload in payloads for event in decoder.feed(record(payload))]


def chunk(finish: str | None = None, /, **delta: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def fragment(
    arguments: Any = None, name: str | None = None, id: Any = None, index: int | None = None
) -> Json:
    """A piece of a call, without the fields that are None."""
    return present(index=index, id=id, function=present(name=name, arguments=arguments))


def calls(*fragments: Json) -> Json:
    return chunk(tool_calls=list(fragments))


def finish(word: str = "tool_calls") -> Json:
    return chunk(word)


ONE, TWO = '{"n":1}', '{"n":2}'
LOOK = fragment(ONE, "look", "a", 0)
PAY = fragment(TWO, "pay", "b", 1)
TEXT = chunk(content="Hi")


# -- every kind of content ---------------------------------------------------------------------

STARTED = ResponseStarted("m")
KINDS = [
    pytest.param([chunk(role="assistant", content=None)], [STARTED], id="the role"),
    pytest.param([chunk(role="assistant", content="")], [STARTED], id="empty content"),
    pytest.param([TEXT], [STARTED, BlockStarted(0), TextDelta(0, "Hi")], id="text"),
    pytest.param(
        [TEXT, chunk(content=" there")],
        [STARTED, BlockStarted(0), TextDelta(0, "Hi"), TextDelta(0, " there")],
        id="more text",
    ),
    pytest.param(
        [chunk(reasoning_content="hm"), TEXT],
        [
            *(STARTED, BlockStarted(0), ThinkingDelta(0, "hm"), BlockEnded(0)),
            *(BlockStarted(1), TextDelta(1, "Hi")),
        ],
        id="thinking ends where text begins",
    ),
    pytest.param(
        [chunk(content="Hi", reasoning="hm")],
        [
            *(STARTED, BlockStarted(0), ThinkingDelta(0, "hm"), BlockEnded(0)),
            *(BlockStarted(1), TextDelta(1, "Hi")),
        ],
        id="both in one record: thinking comes first",
    ),
    pytest.param(
        [chunk(refusal="No.")], [STARTED, BlockStarted(0), TextDelta(0, "No.")], id="a refusal"
    ),
    pytest.param(
        [TEXT, chunk(annotations=[{"n": 1}, {"n": 2}])],
        [
            *(STARTED, BlockStarted(0), TextDelta(0, "Hi")),
            *(TextCited(0, {"n": 1}), TextCited(0, {"n": 2})),
        ],
        id="annotations",
    ),
    pytest.param(
        [TEXT, calls(LOOK)],
        [
            *(STARTED, BlockStarted(0), TextDelta(0, "Hi"), BlockEnded(0)),
            *(ToolCallStarted(1, "a", "look"), ToolInputDelta("a", ONE)),
        ],
        id="a call ends the text",
    ),
    pytest.param(
        [{"choices": [], "model": "", "object": ""}, TEXT],
        [STARTED, BlockStarted(0), TextDelta(0, "Hi")],
        id="Azure's first record says nothing",
    ),
    pytest.param([{"model": "m", "choices": None}], [STARTED], id="choices null"),
    pytest.param(
        [{"model": "m", "choices": [{"index": 0, "delta": None, "finish_reason": None}]}],
        [STARTED],
        id="delta null",
    ),
    pytest.param([{"choices": [{"delta": {}}]}], [ResponseStarted("")], id="no model"),
    pytest.param(
        [{**TEXT, "model": "m\ud800"}],
        [ResponseStarted("m\ufffd"), BlockStarted(0), TextDelta(0, "Hi")],
        id="a model's name is text",
    ),
    pytest.param([{}], [], id="nothing at all"),
    pytest.param([b""], [], id="no data"),
    pytest.param([b" "], [], id="blank data"),
    pytest.param([{"id": "x", "system_fingerprint": "y"}], [], id="unknown keys alone"),
    pytest.param([{"error": None}], [], id="an error that is none"),
    pytest.param([finish("stop")], [STARTED], id="the finish reason is held back"),
]


@pytest.mark.parametrize(("payloads", "events"), KINDS)
def test_each_record_means_what_it_is_seen_to_mean(
    payloads: list[Any], events: list[StreamEvent]
) -> None:
    assert decode(*payloads) == events


ODD = [
    {"reasoning_content": ["x"]}, {"reasoning": {"text": "x"}}, {"reasoning_details": "x"},
    {"annotations": {}}, {"annotations": ["x"]},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_not_needed_may_have_any_shape(odd: Json) -> None:
    told = chunk(content="Hi", **odd)
    told["choices"][0]["index"] = None
    usage = {"usage": {"prompt_tokens": 12.0, "completion_tokens": 3.0}}
    played = play(told, chunk("stop") | usage, DONE)
    assert played.error is None
    assert played.turn.message().text == "Hi"
    assert played.turn.usage.input_tokens == 12


def test_an_empty_object_may_be_what_a_call_has_at_first() -> None:
    def fragment(index: int, **fields: Any) -> Json:
        return chunk(tool_calls=[{"index": index, **fields}])

    pay = {"id": "a", "function": {"name": "pay", "arguments": "{}"}}
    look = {"id": "b", "function": {"name": "look", "arguments": '{"n": 1}'}}
    both = [fragment(0, **pay), fragment(1, **look)]
    real = fragment(0, function={"arguments": '{"amount": 5}'})
    assert play(*both, chunk("tool_calls"), DONE).calls == [
        ("a", "pay", {}), ("b", "look", {"n": 1})
    ]  # fmt: skip
    filled = play(*both, real, chunk("tool_calls"), DONE)
    assert ("pay", {}, "") not in [(s.call.name, s.call.input, s.problem) for _, s in filled.sealed]


def test_fields_that_nobody_has_heard_of_are_no_trouble() -> None:
    odd = {"obfuscation": "xx", "p": [1, {"deep": None}], "timings": {"n": 1.5}, **TEXT}
    choice = odd["choices"][0]
    choice |= {"native_finish_reason": None, "logprobs": {"content": []}, "matched_stop": 7}
    choice["delta"] |= {"role": "", "channel": "x", "executed_tools": [1], "audio": {"id": "x"}}
    assert play(odd, finish("stop"), DONE).blocks == (Text("Hi"),)


def test_of_several_answers_the_first_is_read() -> None:
    def both(first: Json, second: Json) -> Json:
        others = [{**second["choices"][0], "index": 1}]
        return {"model": "m", "choices": [*others, *first["choices"]]}

    played = play(
        both(TEXT, chunk(content="Ho")),
        {"model": "m", "choices": [{"index": 2, "delta": {"content": "He"}}]},
        both(chunk("stop"), calls(LOOK)),
        DONE,
    )
    assert played.blocks == (Text("Hi"),)
    assert played.turn.stop is StopReason.END_TURN


def test_an_answer_that_is_not_the_first_finishes_nothing() -> None:
    other = {"model": "m", "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}
    assert isinstance(play(TEXT, other).error, StreamInterrupted)


# -- thinking ----------------------------------------------------------------------------------

DETAIL = {"type": "reasoning.text", "text": "hm", "index": 0}
THINKING = [
    pytest.param({"reasoning_content": "hm"}, id="DeepSeek's field"),
    pytest.param({"reasoning": "hm"}, id="OpenRouter's field"),
    pytest.param({"reasoning_content": "hm", "reasoning": "hm"}, id="both, which say the same"),
    pytest.param({"reasoning_content": "", "reasoning": "hm"}, id="the first is empty"),
    pytest.param({"reasoning_content": None, "reasoning": "hm"}, id="the first is null"),
    pytest.param({"reasoning_details": [DETAIL]}, id="details alone"),
    pytest.param({"reasoning": "hm", "reasoning_details": [DETAIL]}, id="details too"),
    pytest.param(
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, id="a summary"
    ),
    pytest.param(
        {"reasoning_details": [{"type": "reasoning.text", "text": None}, DETAIL]}, id="null first"
    ),
    pytest.param({"content": [{"type": "thinking", "thinking": "hm"}]}, id="a part of the content"),
    pytest.param(
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        id="Mistral's parts",
    ),
]


@pytest.mark.parametrize("delta", THINKING)
def test_thinking_is_read_once_in_whichever_field_it_is(delta: Json) -> None:
    played = play(chunk(**delta), TEXT, finish("stop"), DONE)
    thought, text = played.blocks
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.signature, text) == ("hm", "", Text("Hi"))


CONTENTS = [
    pytest.param([{"type": "text", "text": "Hi"}], (Text("Hi"),), id="a text"),
    pytest.param([], (), id="no parts"),
    pytest.param([{"type": "reference", "ids": [1]}, {}], (), id="parts of other kinds"),
    pytest.param([{"type": "text", "text": 7}], (), id="a text that is none"),
    pytest.param([{"type": "thinking", "thinking": ["hm", 1]}], (), id="thinking that is none"),
    pytest.param(
        [{"type": "thinking", "thinking": [{"type": "thinking", "thinking": [{}]}]}],
        (),
        id="thinking in thinking",
    ),
    pytest.param(
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}],
        (Thinking("hm", ""), Text("Hi")),
        id="both",
    ),
]


@pytest.mark.parametrize(("content", "blocks"), CONTENTS)
def test_content_may_be_a_list_of_parts(content: list[Json], blocks: tuple[Any, ...]) -> None:
    assert play(chunk(content=content), finish("stop")).blocks == blocks


def test_content_may_turn_from_parts_to_words_in_one_answer() -> None:
    parts = [{"type": "text", "text": "1"}]
    assert play(chunk(content=parts), chunk(content="44"), finish("stop")).blocks == (Text("144"),)


def test_parts_nested_as_deep_as_json_may_be_are_no_trouble() -> None:
    part: Json = {"type": "text", "text": "x"}
    for _ in range(300):
        part = {"type": "thinking", "thinking": [part]}
    assert play(chunk(content=[part]), finish("stop")).blocks == ()


def details(*told: Json) -> list[Json]:
    """The reasoning details that ride on the one thought."""
    played = play(*(chunk(reasoning_details=[each]) for each in told), TEXT, finish("stop"))
    thought = played.blocks[0]
    rider = thought if isinstance(thought, Opaque) else getattr(thought, "opaque", None)
    assert isinstance(rider, Opaque)
    assert rider.provider == "openai-chat"
    kept: list[Json] = rider.data["reasoning_details"]
    return kept


SIGNED = {"type": "reasoning.text", "index": 0, "signature": "s", "text": None}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "x", "id": "r"}
DETAILS = [
    pytest.param([DETAIL], [DETAIL], id="one"),
    pytest.param([DETAIL, {**DETAIL, "text": "m"}], [{**DETAIL, "text": "hmm"}], id="joined"),
    pytest.param(
        [{**DETAIL, "signature": None}, SIGNED], [{**DETAIL, "signature": "s"}], id="signed last"
    ),
    pytest.param(
        [DETAIL, {**DETAIL, "index": 1}], [DETAIL, {**DETAIL, "index": 1}], id="two of them"
    ),
    pytest.param([ENCRYPTED, ENCRYPTED], [ENCRYPTED, ENCRYPTED], id="encrypted ones are whole"),
    pytest.param([DETAIL, ENCRYPTED], [DETAIL, ENCRYPTED], id="of two kinds"),
    pytest.param([{"type": "new", "x": [1]}], [{"type": "new", "x": [1]}], id="of a new kind"),
    pytest.param([{"x": None}], [{"x": None}], id="of no kind"),
    pytest.param([{**DETAIL, "text": ["x"]}], [{**DETAIL, "text": "['x']"}], id="no text"),
    pytest.param(
        [{**ENCRYPTED, "data": "\ud83e\0"}], [{**ENCRYPTED, "data": "\ufffd\ufffd"}], id="unsafe"
    ),
]


@pytest.mark.parametrize(("told", "kept"), DETAILS)
def test_reasoning_details_are_joined_to_be_sent_back(told: list[Json], kept: list[Json]) -> None:
    assert details(*told) == kept


def test_details_that_say_nothing_to_people_are_opaque_and_others_ride_on_the_thought() -> None:
    for detail, kind in [(ENCRYPTED, Opaque), (DETAIL, Thinking)]:
        played = play(chunk(reasoning_details=[detail]), calls(LOOK), finish())
        assert [type(block) for block in played.blocks] == [kind, ToolCall]


def test_details_of_thinking_before_and_after_a_text_stay_apart() -> None:
    before, after = chunk(reasoning_details=[DETAIL]), chunk(reasoning_details=[ENCRYPTED])
    first, text, second = play(before, TEXT, after, finish("stop")).blocks
    assert (text, getattr(first, "opaque", None)) == (
        Text("Hi"),
        Opaque("openai-chat", {"reasoning_details": [DETAIL]}),
    )
    assert second == Opaque("openai-chat", {"reasoning_details": [ENCRYPTED]})


@pytest.mark.parametrize("word", ["length", "content_filter"])
def test_thinking_that_was_cut_is_not_taken_back(word: str) -> None:
    unsigned = chunk(reasoning_details=[DETAIL])
    assert play(unsigned, finish(word)).blocks == ()
    whole = play(unsigned, TEXT, finish(word)).blocks[0]
    assert isinstance(whole, Thinking)
    assert whole.opaque  # the text that followed shows that it was whole


def test_details_of_a_stream_that_broke_are_not_kept() -> None:
    assert play(chunk(reasoning_details=[DETAIL])).turn.settled().blocks == ()


# -- text --------------------------------------------------------------------------------------


def test_a_refusal_is_read_as_text_and_stops_the_turn_as_one() -> None:
    played = play(chunk(refusal="I can"), chunk(refusal="not."), finish("stop"), DONE)
    assert played.blocks == (Text("I cannot."),)
    turn = played.turn
    assert (turn.stop, turn.stop_detail) == (StopReason.REFUSAL, "I cannot.")


@pytest.mark.parametrize("none", [None, ""])
def test_a_refusal_that_is_none_is_none(none: str | None) -> None:
    played = play(chunk(content="Hi", refusal=none), finish("stop"))
    assert played.whole.turn.stop is StopReason.END_TURN


def test_annotations_belong_to_the_text_that_is_open_or_to_one_without_words() -> None:
    cited = chunk(annotations=[{"n": "\ud83e"}])
    assert play(TEXT, cited, finish("stop")).blocks == (Text("Hi", ({"n": "\ufffd"},)),)
    assert play(cited, TEXT, finish("stop")).blocks == (Text("Hi", ({"n": "\ufffd"},)),)
    assert play(calls(LOOK), cited, finish()).blocks[1] == Text("", ({"n": "\ufffd"},))


def test_text_between_calls_is_a_block_of_its_own_and_ends_no_call() -> None:
    played = play(TEXT, calls(LOOK), chunk(content="And"), calls(PAY), chunk(content="?"), finish())
    assert played.blocks == (
        *(Text("Hi"), ToolCall("a", "look", {"n": 1}), Text("And")),
        *(ToolCall("b", "pay", {"n": 2}), Text("?")),
    )
    assert played.when == [("a", 4), ("b", 6)]


def test_text_inside_a_call_does_not_end_it() -> None:
    parts = calls(fragment('{"n"', "look", "a", 0)), TEXT, calls(fragment(":1}", index=0))
    assert play(*parts, finish()).blocks == (ToolCall("a", "look", {"n": 1}), Text("Hi"))


# -- whose a fragment is -----------------------------------------------------------------------

BOTH = [("a", "look", {"n": 1}), ("b", "pay", {"n": 2})]
UNNAMED = [("call_0", "look", {"n": 1}), ("call_1", "pay", {"n": 2})]
FIRST = BOTH[:1]

# Each row is the records' fragments, and the calls that they are.
ROWS = [
    pytest.param([[LOOK]], FIRST, id="whole, in one record"),
    pytest.param(
        [[fragment("", "look", "a", 0)], [fragment('{"n"', index=0)], [fragment(":1}", index=0)]],
        FIRST,
        id="OpenAI: name and id first, then the arguments by index",
    ),
    pytest.param(
        [[fragment("", "look", "a")], [fragment('{"n"')], [fragment(":1}")]],
        FIRST,
        id="no index: the call that began last",
    ),
    pytest.param(
        [[fragment("", "look", "a", 1)], [fragment(ONE, index=1)]],
        FIRST,
        id="Anthropic: the only call has index 1",
    ),
    pytest.param(
        [[fragment(ONE, "look", "a")], [fragment(TWO, "pay", "b")]],
        BOTH,
        id="Gemini: no index, a record for each call",
    ),
    pytest.param(
        [[fragment(ONE, "look", "a", 0)], [fragment(TWO, "pay", "b", 0)]],
        BOTH,
        id="Gemini: all have index 0 and ids of their own",
    ),
    pytest.param(
        [
            *([fragment('{"n"', "look", "a", 0)], [fragment('{"n"', "pay", "b", 0)]),
            *([fragment(":2}", id="b", index=0)], [fragment(":1}", id="a", index=0)]),
        ],
        BOTH,
        id="all have index 0: ids go first",
    ),
    pytest.param(
        [[LOOK, PAY]], BOTH, id="two whole calls in one record"
    ),
    pytest.param(
        [[fragment(ONE, "look")], [fragment(TWO, "pay")]],
        UNNAMED,
        id="neither id nor index, another name",
    ),
    pytest.param(
        [[fragment(ONE, "look"), fragment(TWO, "look")]],
        [("call_0", "look", {"n": 1}), ("call_1", "look", {"n": 2})],
        id="neither id nor index, the same name where the first is whole",
    ),
    pytest.param(
        [
            *([fragment("", "look")], [fragment(ONE)]),
            *([fragment("", "look")], [fragment(TWO)]),
        ],
        [("call_0", "look", {"n": 1}), ("call_1", "look", {"n": 2})],
        id="neither id nor index, a name before each of the arguments",
    ),
    pytest.param(
        [[fragment(ONE, "look", index=0)], [fragment(TWO, "pay", index=0)]],
        UNNAMED,
        id="no ids, all index 0, another name",
    ),
    pytest.param(
        [[fragment(ONE, "look", index=0)], [fragment(TWO, "look", index=0)]],
        [("call_0", "look", {"n": 1}), ("call_1", "look", {"n": 2})],
        id="no ids, all index 0, the same name, whole",
    ),
    pytest.param(
        [[fragment(ONE, "look", "", 0)], [fragment(TWO, "pay", "", 1)]],
        UNNAMED,
        id="empty ids",
    ),
    pytest.param(
        [
            [fragment('{"n"', "look", "a", 0), fragment("", "pay", "b", 1)],
            [fragment('{"n":', index=1)],
            [fragment(":1", index=0), fragment("2", index=1)],
            [fragment("}", index=1), fragment("}", index=0)],
        ],
        BOTH,
        id="parallel fragments that take turns",
    ),
    pytest.param(
        [
            *([fragment("", "look", "x1", 0)], [fragment('{"n"', id="x2", index=0)]),
            *([fragment(":1}", id="x3", index=0)], [fragment(TWO, "pay", "x4", 1)]),
        ],
        [("x1", "look", {"n": 1}), ("x4", "pay", {"n": 2})],
        id="OCI: a new id for every fragment",
    ),
    pytest.param(
        [[fragment("", "look", "x1")], [fragment(ONE, id="x2")]],
        [("x1", "look", {"n": 1})],
        id="a new id for every fragment, and no index",
    ),
    pytest.param(
        [[fragment('{"n"', index=0)], [fragment(":1}", "look", "a", 0)]],
        FIRST,
        id="name and id after some of the arguments",
    ),
    pytest.param(
        [[fragment(ONE, index=0)], [fragment(None, "look", index=0)]],
        [("call_0", "look", {"n": 1})],
        id="the name after the arguments",
    ),
    pytest.param(
        [
            *([fragment(ONE, id="a", index=0)], [fragment(TWO, id="b", index=1)]),
            *([fragment(None, "pay", index=1)], [fragment(None, "look", index=0)]),
        ],
        [("b", "pay", {"n": 2}), ("a", "look", {"n": 1})],
        id="names after the arguments of several",
    ),
    pytest.param(
        [[fragment("", "look", "a", 0)], [fragment(ONE, "look", "a", 0)]],
        FIRST,
        id="Kimi: name and id again with the arguments",
    ),
    pytest.param(
        [[fragment('{"n"', "look", index=0)], [fragment(":1}", "look", index=0)]],
        [("call_0", "look", {"n": 1})],
        id="the name again and no id",
    ),
    pytest.param(
        [[fragment(ONE, "look", index=0)], [fragment("", "look", index=0)]],
        [("call_0", "look", {"n": 1})],
        id="the name again behind whole arguments, with no more",
    ),
    pytest.param(
        [[fragment(ONE, "look", "a", 0)], [fragment(None, "look", "a", 0)]],
        FIRST,
        id="name and id again behind whole arguments",
    ),
    pytest.param(
        [
            *([fragment('{"n"', "look", "a", 0)], [fragment(":1", "", "", 0)]),
            *([fragment("}", "", "", 0)],),
        ],
        FIRST,
        id="Mistral: later fragments have an empty name",
    ),
    pytest.param(
        [[fragment('{"n"', "look", "a", 0)], [{"index": 0, "id": None, "type": None,
          "function": {"name": None, "arguments": ":1}"}}]],
        FIRST,
        id="later fragments have null for what they do not say",
    ),
    pytest.param(
        [[{**fragment(None, "look", "a", 0), "index": None}], [{**fragment(ONE), "index": None}]],
        FIRST,
        id="the index null",
    ),
    pytest.param(
        [
            [{"index": 0, "id": "a", "function": {"name": "look", "arguments": None}}],
            [fragment(ONE, index=0)],
        ],
        FIRST,
        id="vLLM: arguments null, then fragments",
    ),
    pytest.param([[fragment({"n": 1}, "look", "a", 0)]], FIRST, id="arguments as an object"),
    pytest.param(
        [[fragment({}, "look", "a", 0)], [fragment(ONE, index=0)]],
        FIRST,
        id="an empty object before the arguments",
    ),
    pytest.param(
        [[fragment({"n": "\ud83e\0"}, "look", "a", 0)]],
        [("a", "look", {"n": "\ufffd\ufffd"})],
        id="half a character in an object",
    ),
    pytest.param(
        [[fragment({"n": 10**30}, "look", "a", 0)]],
        [("a", "look", {"n": 10**30})],
        id="a number of thirty digits in an object",
    ),
    pytest.param(
        [[fragment(None, "look", "a", 0)]], [("a", "look", {})], id="no arguments at all"
    ),
    pytest.param([[fragment("", "look", "a", 0)]], [("a", "look", {})], id="empty arguments"),
    pytest.param([[fragment(" \n", "look", "a", 0)]], [("a", "look", {})], id="blank arguments"),
    pytest.param(
        [[fragment(ONE + "\n", "look", "a", 0)], [PAY], [fragment(" ", index=0)]],
        BOTH,
        id="blanks behind a call that has ended",
    ),
    pytest.param(
        [[fragment(ONE, "look", 7, 0)], [fragment(TWO, "pay", 8, 1)]],
        [("7", "look", {"n": 1}), ("8", "pay", {"n": 2})],
        id="ids that are numbers",
    ),
    pytest.param(
        [[fragment(ONE, "look", 0, 0)]], [("0", "look", {"n": 1})], id="an id that is zero"
    ),
    pytest.param(
        [[fragment(ONE, "look", "a", 0)], [fragment(TWO, "look", "a", 1)]],
        [("a", "look", {"n": 1}), ("a_1", "look", {"n": 2})],
        id="one id for two calls: the index tells",
    ),
    pytest.param(
        [
            *([fragment("", "look", "a", 0)], [fragment("", "look", "a", 1)]),
            *([fragment(TWO, id="a", index=1)], [fragment(ONE, id="a", index=0)]),
        ],
        [("a", "look", {"n": 1}), ("a_1", "look", {"n": 2})],
        id="one id for two calls in fragments: the index tells",
    ),
    pytest.param(
        [[fragment(ONE, "look", "a")], [fragment(TWO, "pay", "a")]],
        [("a", "look", {"n": 1}), ("a_1", "pay", {"n": 2})],
        id="one id for two calls: the name tells",
    ),
    pytest.param(
        [[fragment('{"n"', "look", "a", 0)], [fragment(":1}", id="a", index=3)]],
        FIRST,
        id="the index changes and the id does not",
    ),
    pytest.param(
        [[fragment(ONE, "look", "call_1", 0)], [fragment(TWO, "pay", "", 1)]],
        [("call_1", "look", {"n": 1}), ("call_1_1", "pay", {"n": 2})],
        id="an empty id, and its stand-in is taken",
    ),
    pytest.param(
        [[{"index": 0, "function": {"name": "", "arguments": ""}}], [{}], [LOOK]],
        [("a", "look", {"n": 1})],
        id="fragments of nothing begin nothing",
    ),
    pytest.param(
        [[{"index": 0, "id": "a", "type": "function"}], [fragment(ONE, "look", index=0)]],
        FIRST,
        id="the id alone, then the rest",
    ),
    pytest.param(
        [[fragment("[1]", "look", "a", 0)]],
        [("a", "look", 'The arguments are not JSON (expected a JSON object, got an array): '
                       '{"INVALID_JSON":"[1]"}')],
        id="arguments that are no object",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), ROWS)
def test_each_fragment_finds_its_call(rows: list[list[Json]], expected: list[Any]) -> None:
    played = play(*(calls(*row) for row in rows), finish(), DONE)
    assert sorted(played.calls, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(("rows", "expected"), ROWS)
def test_each_fragment_finds_its_call_also_with_the_last_in_the_finish_record(
    rows: list[list[Json]], expected: list[Any]
) -> None:
    *before, last = rows
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    end = {**chunk("stop", tool_calls=last), "usage": usage}
    played = play(*(calls(*row) for row in before), end)
    assert sorted(played.calls, key=str) == sorted(expected, key=str)
    assert played.turn.usage == Usage(3, 4)
    assert played.turn.stop is StopReason.TOOL_USE


def test_two_whole_calls_of_one_id_and_index_are_told_to_the_model_as_a_mistake() -> None:
    """Whether it is one call twice or two calls nobody can know, so nothing is run."""
    (call,) = play(calls(LOOK), calls(LOOK), finish()).calls
    assert call[:2] == ("a", "look")
    assert "not JSON" in call[2]


def test_the_old_single_function_call_is_a_call() -> None:
    old = [
        chunk(function_call={"name": "look", "arguments": ""}),
        *(chunk(function_call={"arguments": part}) for part in ('{"n"', ":1}")),
    ]
    played = play(*old, finish("function_call"), DONE)
    assert played.calls == [("call_0", "look", {"n": 1})]
    assert (played.turn.stop, played.when) == (StopReason.TOOL_USE, [("call_0", 4)])


@pytest.mark.parametrize("nothing", [None, {}, {"name": "", "arguments": ""}, {"name": None}])
def test_an_old_function_call_of_nothing_is_none(nothing: Any) -> None:
    assert play(chunk(content="Hi", function_call=nothing), finish("stop")).blocks == (Text("Hi"),)


SIGNATURE = {"google": {"thought_signature": "s"}}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_a_call_says_besides_rides_on_it_wherever_it_comes(place: int) -> None:
    parts = [fragment("", "look", "a", 0), fragment('{"n"', index=0), fragment(":1}", index=0)]
    parts[place]["extra_content"] = SIGNATURE
    rider = Opaque("openai-chat", {"extra_content": SIGNATURE})
    played = play(*map(calls, parts), finish())
    assert played.blocks == (ToolCall("a", "look", {"n": 1}, rider),)


def test_what_rides_on_a_call_waits_for_its_name_and_is_made_safe() -> None:
    first = {**fragment(ONE, id="a", index=0), "extra_content": {"s": "\ud83e"}}
    played = play(calls(first), calls(fragment(None, "look", index=0)), finish())
    rider = Opaque("openai-chat", {"extra_content": {"s": "\ufffd"}})
    assert played.blocks == (ToolCall("a", "look", {"n": 1}, rider),)


def test_what_rides_goes_back_to_the_server_that_sent_it_only() -> None:
    extra = {**LOOK, "extra_content": SIGNATURE}
    thought = chunk(reasoning_details=[ENCRYPTED])
    played = Played(ChatDecoder("gemini"), thought, calls(extra), finish())
    assert played.blocks == (
        Opaque("gemini", {"reasoning_details": [ENCRYPTED]}),
        ToolCall("a", "look", {"n": 1}, Opaque("gemini", {"extra_content": SIGNATURE})),
    )


def test_a_call_that_never_gets_a_name_is_an_error() -> None:
    for nameless in (fragment(ONE, id="a", index=0), fragment(ONE, "", "a", 0)):
        for others in ([], [calls(PAY)]):  # a call behind it does not hide it
            played = play(calls(nameless), *others, finish())
            assert isinstance(played.error, ProtocolError)
            assert "without a name" in str(played.error)


def test_a_nameless_call_is_an_error_also_without_a_finish_reason() -> None:
    played = play(calls(fragment(ONE, id="a", index=0)), calls(PAY), DONE)
    assert isinstance(played.error, StreamInterrupted)


def test_no_more_than_so_many_calls_may_grow_side_by_side() -> None:
    grow = [calls(fragment("{", "look", f"c{n}", n)) for n in range(openai_chat_calls.MOST_OPEN)]
    assert play(*grow, ends=False).error is None
    error = play(*grow, calls(fragment("{", "look", "more", 999))).error
    assert isinstance(error, ProtocolError)
    assert "256 calls at once" in str(error)


def test_arguments_for_a_call_that_has_ended_are_an_error() -> None:
    played = play(calls(LOOK), calls(PAY), calls(fragment("x", index=0)), finish())
    assert isinstance(played.error, ProtocolError)
    assert played.when == [("a", 2)]


# -- when a call is whole ----------------------------------------------------------------------

GROWN = [calls(fragment("", "look", "a", 0)), calls(fragment('{"n"', index=0)),
         calls(fragment(":1}", index=0))]  # fmt: skip
HALF = GROWN[:2]
SEALS = [
    pytest.param([*GROWN, finish(), DONE], [("a", 4)], id="at the finish reason"),
    pytest.param([*GROWN, finish("stop"), DONE], [("a", 4)], id="at `stop` too"),
    pytest.param([*GROWN, finish("tired"), DONE], [("a", 4)], id="at a reason unheard of"),
    pytest.param(
        [calls(LOOK), calls(PAY), finish()], [("a", 2), ("b", 3)], id="with the next call"
    ),
    pytest.param(
        [calls(LOOK, PAY), finish()], [("a", 1), ("b", 2)], id="with the next in the same record"
    ),
    pytest.param(
        [calls(fragment(ONE + "\n", "look", "a", 0)), calls(fragment(" ", index=0)), calls(PAY),
         finish()],
        [("a", 3), ("b", 4)],
        id="blanks behind it or not",
    ),
    pytest.param(
        [calls(LOOK), TEXT, finish()], [("a", 3)], id="not with text"
    ),
    pytest.param(
        [calls(LOOK), chunk(reasoning="hm"), finish()], [("a", 3)], id="not with thinking"
    ),
    pytest.param(
        [*HALF, calls(PAY), calls(fragment(":1}", index=0)), finish()],
        [("a", 5), ("b", 5)],
        id="not with the next while it is not whole",
    ),
    pytest.param(
        [*HALF, calls(PAY), calls(fragment(":1}", index=0)), calls(fragment(ONE, "see", "c", 2)),
         finish()],
        [("a", 5), ("b", 5), ("c", 6)],
        id="with the one after the next",
    ),
    pytest.param(
        [calls(fragment("", "look", "a", 0)), calls(PAY), finish()],
        [("b", 3), ("a", 4)],
        id="without arguments not before the end",
    ),
    pytest.param([{**finish(), "choices": calls(LOOK)["choices"]}, finish()], [("a", 2)],
        id="in a record of its own, not yet"),
    pytest.param([chunk("tool_calls", tool_calls=[LOOK]), DONE], [("a", 1)],
        id="call and finish reason in one record"),
    pytest.param([chunk("tool_calls", tool_calls=[LOOK, PAY]), DONE], [("a", 1), ("b", 1)],
        id="two calls and finish reason in one record"),
    pytest.param([calls(LOOK), DONE], [("a", 2)], id="no finish reason: at the mark, if whole"),
    pytest.param([calls(LOOK), finish(), finish(), DONE], [("a", 2)],
        id="once, though the reason comes twice"),
    pytest.param([calls(LOOK), finish(), calls(PAY), finish(), DONE], [("a", 2), ("b", 4)],
        id="a reason for each call"),
    pytest.param([calls(LOOK), finish(), calls(PAY), DONE], [("a", 2), ("b", 4)],
        id="one that begins behind the reason: at the end, if whole"),
    pytest.param([calls(LOOK), finish("stop"), chunk(content=""), DONE], [("a", 2)],
        id="what is empty behind the reason is nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("payloads", "when"), SEALS)
def test_a_call_is_sealed_by_the_record_that_shows_it_whole(
    payloads: list[Any], when: list[tuple[str, int]]
) -> None:
    assert play(*payloads).whole.when == when


@pytest.mark.parametrize(("payloads", "when"), SEALS)
def test_no_call_is_sealed_before_that(payloads: list[Any], when: list[tuple[str, int]]) -> None:
    for end in range(len(payloads) + 1):
        cut = play(*payloads[:end], ends=False)
        assert cut.when == [each for each in when if each[1] <= end]


@pytest.mark.parametrize("word", ["length", "model_length", "content_filter", "error"])
@pytest.mark.parametrize(
    "last",
    [
        pytest.param(HALF, id="inside it"),
        pytest.param(GROWN, id="behind what looks whole"),
        pytest.param(GROWN[:1], id="before its arguments"),
        pytest.param([calls(fragment(None, "look", "a", 0))], id="arguments never"),
        pytest.param([calls(fragment("", None, "a", 0))], id="before its name"),
    ],
)
def test_a_call_that_a_limit_cuts_is_never_sealed(word: str, last: list[Json]) -> None:
    for after in ([], [DONE], [finish(word), DONE], [finish("tool_calls"), DONE]):
        played = play(calls(PAY), calls(fragment(ONE, "see", "c", 2)), *last, finish(word), *after)
        assert [call for call, _ in played.when] == ["b", "c"]
        kept = played.turn.settled().blocks
        assert all(isinstance(block, ToolCall) and block.id in "bc" for block in kept)


def test_a_limit_that_comes_after_the_reason_is_the_last_word() -> None:
    played = play(calls(LOOK), finish(), calls(fragment('{"n"', "pay", "b", 1)), finish("length"))
    assert played.whole.turn.stop is StopReason.MAX_TOKENS
    assert played.when == [("a", 2)]


def test_a_call_that_began_behind_the_reason_and_was_cut_does_not_run() -> None:
    for begun in (fragment("", "pay", "b", 1), fragment('{"n"', "pay", "b", 1)):
        for after in ([], [DONE]):
            played = play(calls(LOOK), finish(), calls(begun), *after)
            assert isinstance(played.error, StreamInterrupted)
            assert played.when == [("a", 2)]


UNFINISHED = [
    pytest.param([], id="nothing"),
    pytest.param([TEXT], id="text"),
    pytest.param([chunk(reasoning="hm")], id="thinking"),
    pytest.param(HALF, id="half a call"),
    pytest.param([calls(LOOK)], id="a whole call"),
    pytest.param([TEXT, {"choices": [], "usage": {"prompt_tokens": 1}}], id="usage"),
    pytest.param([*HALF, DONE], id="half a call, and the mark"),
    pytest.param([*GROWN[:1], DONE], id="a call without arguments, and the mark"),
    pytest.param([calls(fragment(ONE + "\ud83e", "look", "a", 0)), calls(fragment("", index=0))],
        id="a call and half a character"),
]  # fmt: skip


@pytest.mark.parametrize("payloads", UNFINISHED)
def test_a_stream_that_just_ends_is_not_whole(payloads: list[Any]) -> None:
    played = play(*payloads)
    assert isinstance(played.error, StreamInterrupted)
    assert played.sealed == []


@pytest.mark.parametrize("mark", [b"[DONE]", b" [DONE]", b"[DONE] "])
def test_the_mark_or_a_finish_reason_ends_a_response_and_either_will_do(mark: bytes) -> None:
    for end in ([finish("stop"), mark], [finish("stop")], [mark]):
        assert play(TEXT, *end).blocks == (Text("Hi"),)
    assert decode(TEXT, mark)[-1] == ResponseEnded()


def test_without_a_finish_reason_the_mark_is_what_is_quoted() -> None:
    assert decode(TEXT, DONE)[-2] == ResponseStopped(StopReason.END_TURN, "[DONE]")
    assert decode(calls(LOOK), DONE)[-3] == ResponseStopped(StopReason.TOOL_USE, "[DONE]")


def test_the_mark_alone_is_no_response() -> None:
    assert isinstance(play(DONE).error, ProtocolError)


def test_what_comes_behind_the_mark_is_not_read() -> None:
    late = [
        TEXT,
        calls(PAY),
        finish("length"),
        DONE,
        {"error": "late"},
        b"junk",
        Named("error", ""),
    ]
    played = play(TEXT, finish("stop"), DONE, *late)
    assert (played.blocks, played.turn.stop) == ((Text("Hi"),), StopReason.END_TURN)
    assert passed_over(record(DONE)) == "passed over: the response had ended"
    assert passed_over(record({})) == "nothing new in it"


WORDS = [*((word, reason) for word, reason in REASONS.items()), ("tired", StopReason.UNKNOWN)]


@pytest.mark.parametrize(("word", "reason"), WORDS)
def test_each_finish_reason_is_known(word: str, reason: StopReason) -> None:
    turn = play(TEXT, finish(word), DONE).whole.turn
    assert (turn.stop, turn.stop_word) == (reason, word)


@pytest.mark.parametrize("word", ["stop", "eos", "tool_calls", "function_call"])
def test_with_calls_the_turn_is_the_tools_whatever_the_reason_says(word: str) -> None:
    turn = play(calls(LOOK), finish(word)).whole.turn
    assert (turn.stop, turn.stop_word) == (StopReason.TOOL_USE, word)


def test_of_reasons_that_repeat_the_first_is_quoted_and_a_cut_is_never_forgotten() -> None:
    for words, quoted in [
        *((["stop", "tool_calls"], "stop"), (["length", "stop"], "length")),
        *((["stop", "length"], "length"), (["length", "content_filter"], "length")),
    ]:
        assert play(TEXT, *map(finish, words), DONE).whole.turn.stop_word == quoted


def test_a_finish_reason_is_made_safe() -> None:
    assert play(TEXT, finish("\ud83e\0")).whole.turn.stop_word == "\ufffd\ufffd"


@pytest.mark.parametrize("word", [*FAILURES])
@pytest.mark.parametrize("before", [[], [TEXT], [calls(LOOK)], HALF])
def test_a_reason_that_is_a_failure_is_raised_and_seals_nothing(
    word: str, before: list[Json]
) -> None:
    played = play(*before, finish(word), DONE)
    assert isinstance(played.error, ProviderError)
    assert played.error.retryable
    assert played.sealed == []


def test_a_failure_is_raised_where_the_stream_just_ends() -> None:
    assert isinstance(play(TEXT, finish("error")).error, ProviderError)


# -- usage -------------------------------------------------------------------------------------

COUNTS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
PLACES = [
    pytest.param([TEXT, {**finish("stop"), "usage": COUNTS}], id="with the finish reason"),
    pytest.param([TEXT, finish("stop"), {"choices": [], "usage": COUNTS}], id="behind it"),
    pytest.param(
        [TEXT, finish("stop"), {"choices": None, "usage": COUNTS}], id="behind it, choices null"
    ),
    pytest.param([TEXT, finish("stop"), {"usage": COUNTS}], id="behind it, no choices"),
    pytest.param(
        [TEXT, finish("stop"), {**chunk("stop", content=""), "usage": COUNTS}],
        id="behind it, in a choice that says it again",
    ),
    pytest.param([{**TEXT, "usage": COUNTS}, finish("stop")], id="with the text"),
    pytest.param([{"choices": [], "usage": COUNTS}, TEXT, finish("stop")], id="first of all"),
    pytest.param([TEXT, {**finish("stop"), "x_groq": {"usage": COUNTS}}], id="Groq's place"),
    pytest.param(
        [TEXT, {"choices": [{**finish("stop")["choices"][0], "usage": COUNTS}]}], id="Moonshot's"
    ),
    pytest.param(
        [{**TEXT, "usage": {"prompt_tokens": 1}}, {**finish("stop"), "usage": COUNTS}],
        id="more than once: the last one stands",
    ),
    pytest.param(
        [{**TEXT, "usage": COUNTS}, {**finish("stop"), "usage": None}], id="null says nothing"
    ),
    pytest.param(
        [TEXT, {**finish("stop"), "usage": COUNTS}, {"choices": [], "moderation": {}}],
        id="a record without it behind",
    ),
]


@pytest.mark.parametrize("payloads", PLACES)
@pytest.mark.parametrize("mark", [[], [DONE]])
def test_usage_is_found_wherever_it_is(payloads: list[Json], mark: list[bytes]) -> None:
    assert play(*payloads, *mark).whole.turn.usage == Usage(9, 4)


USAGES = [
    pytest.param({}, Usage(), id="none"),
    pytest.param({"prompt_tokens": None, "completion_tokens": None}, Usage(), id="null"),
    pytest.param(
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3}},
        Usage(1, 4, 5, 3),
        id="what the cache gave and took is part of the prompt",
    ),
    pytest.param(
        {**COUNTS, "prompt_tokens_details": None, "completion_tokens_details": None},
        Usage(9, 4),
        id="details null",
    ),
    pytest.param(
        {**COUNTS, "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(9, 4, reasoning_tokens=3),
        id="reasoning is part of the answer",
    ),
    pytest.param(
        {**COUNTS, "total_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(9, 7, reasoning_tokens=3),
        id="xAI's reasoning is on top of it",
    ),
    pytest.param(
        {"prompt_tokens": 9, "completion_tokens": 4,
         "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(9, 4, reasoning_tokens=3),
        id="no total, no guess",
    ),
    pytest.param({**COUNTS, "prompt_cache_hit_tokens": 5}, Usage(4, 4, 5), id="DeepSeek's cache"),
    pytest.param({**COUNTS, "cached_tokens": 5}, Usage(4, 4, 5), id="Moonshot's cache"),
    pytest.param(
        {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}},
        Usage(0, 0, 5),
        id="more cached than there was",
    ),
    pytest.param(
        {"prompt_tokens": -5, "completion_tokens": -1}, Usage(), id="nor fewer than none"
    ),
    pytest.param({"completion_tokens": 10**400}, Usage(0, 1 << 53), id="no response has as many"),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "usage"), USAGES)
def test_each_count_is_read(counts: Json, usage: Usage) -> None:
    assert play(TEXT, {"choices": [], "usage": counts}, DONE).whole.turn.usage == usage


# -- errors inside a stream --------------------------------------------------------------------


def refused(*payloads: Any) -> ProviderError:
    error = play(*payloads).error
    assert isinstance(error, ProviderError)
    return error


OVERLOADED = {"type": "overloaded_error", "message": "Overloaded", "code": None}
SHAPES = [
    pytest.param({"error": OVERLOADED}, id="OpenAI's"),
    pytest.param(Named("error", {"error": OVERLOADED}), id="named by its event too"),
    pytest.param(Named("error", OVERLOADED), id="the error itself, named by its event"),
    pytest.param({"object": "error", **OVERLOADED}, id="the error itself, named by its object"),
    pytest.param({**TEXT, "error": OVERLOADED}, id="beside valid choices"),
    pytest.param({**finish("error"), "error": OVERLOADED}, id="beside a reason"),
    pytest.param({"error": OVERLOADED, "choices": "none"}, id="beside choices that are none"),
    pytest.param({"error": {**OVERLOADED, "message": "Overloaded", "x": "\ud83e"}}, id="unsafe"),
]


@pytest.mark.parametrize("payload", SHAPES)
@pytest.mark.parametrize("before", [[], [TEXT], [calls(LOOK)], [calls(LOOK), finish()]])
def test_an_error_is_raised_whatever_its_shape_and_place(payload: Any, before: list[Any]) -> None:
    error = refused(*before, payload)
    assert (error.kind, str(error), error.status) == ("overloaded_error", "Overloaded", 529)
    assert error.retryable


ERRORS = [
    pytest.param({"error": "busy"}, ("api_error", "busy", 500, True), id="a string"),
    pytest.param(
        {"error": "no", "code": "invalid_prompt"},
        ("invalid_prompt", "no", 400, False),
        id="xAI: a string with a code beside it",
    ),
    pytest.param(
        {"error": {"code": 502, "message": "x"}}, ("api_error", "x", 502, True), id="a code"
    ),
    pytest.param(
        {"error": {"code": 402, "message": "pay"}}, ("api_error", "pay", 402, False), id="no money"
    ),
    pytest.param(
        {"error": {"code": 7, "message": "x"}}, ("api_error", "x", 500, True), id="an odd code"
    ),
    pytest.param(
        {"error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "slow"}},
        ("server_error", "slow", 429, True),
        id="a type and a code",
    ),
    pytest.param(
        {"error": {"code": "insufficient_quota", "message": "pay"}},
        ("insufficient_quota", "pay", 500, False),
        id="no quota",
    ),
    pytest.param(
        Named("error", {"error": {"code": "tool_use_failed", "message": "x", "status_code": 400}}),
        ("tool_use_failed", "x", 400, True),
        id="Groq: what the model may do better",
    ),
    pytest.param({"error": ["x"]}, ("api_error", "['x']", 500, True), id="a list"),
    pytest.param({"error": 7}, ("api_error", "7", 500, True), id="a number"),
    pytest.param({"error": True}, ("api_error", "True", 500, True), id="true"),
    pytest.param(Named("error", b"upstream died"), ("api_error", "upstream died", 500, True),
        id="words, as llama.cpp sent them"),
    pytest.param(Named("error", b'"died"'), ("api_error", '"died"', 500, True), id="quoted words"),
    pytest.param(Named("error", b'["died"]'), ("api_error", '["died"]', 500, True), id="listed"),
    pytest.param(Named("error", {"message": "busy"}), ("api_error", "busy", 500, True),
        id="a message and nothing else"),
    pytest.param(Named("error", {"detail": "busy"}), ("api_error", "busy", 500, True),
        id="a detail and nothing else"),
    pytest.param(Named("error", b""),
        ("api_error", "the provider reported an error without a message", 500, True),
        id="nothing"),
    pytest.param(Named("error", {}), ("api_error", "{}", 500, True), id="an empty object"),
    pytest.param(Named("error", {"error": {}}), ("api_error", "the provider reported", 500, True),
        id="an empty error"),
    pytest.param({"error": {"message": "\ud83e\0"}}, ("api_error", "\ufffd\ufffd", 500, True),
        id="unsafe"),
    pytest.param(b'{"error":"a\xff","choices":[]}', ("api_error", "a\ufffd", 500, True),
        id="not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "expected"), ERRORS)
def test_an_error_says_what_it_can(payload: Any, expected: tuple[Any, ...]) -> None:
    error = refused(TEXT, payload)
    kind, words, status, again = expected
    assert str(error).startswith(words)
    assert (error.kind, error.status, error.retryable) == (kind, status, again)


def test_the_field_named_error_is_an_error() -> None:
    stream = as_bytes(TEXT) + b'error: {"code":500,"message":"failed to decode"}\n\n'
    with pytest.raises(ProviderError, match="failed to decode"):
        read([stream], ChatDecoder())


# -- what is malformed -------------------------------------------------------------------------


def deep(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


MALFORMED = [
    pytest.param(b"hello", id="words"),
    pytest.param(b'{"choices": [', id="half a record"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b"7", id="a number"),
    pytest.param(b"<html>", id="HTML"),
    pytest.param({"choices": {}}, id="choices that are no list"),
    pytest.param({"choices": [None]}, id="a choice of null"),
    pytest.param({"choices": [{"delta": []}]}, id="a delta that is a list"),
    pytest.param({"choices": [{"index": "0", "delta": {}}]}, id="an index in words"),
    pytest.param(chunk(content=7), id="content in digits"),
    pytest.param(chunk(content={}), id="content as an object"),
    pytest.param(chunk(content=["x"]), id="content as a list of words"),
    pytest.param(chunk(tool_calls={}), id="calls that are no list"),
    pytest.param(chunk(tool_calls=[None]), id="a call of null"),
    pytest.param(calls({"function": "look"}), id="a function that is none"),
    pytest.param(calls({"index": "0"}), id="a call's index in words"),
    pytest.param(calls({"id": ["a"]}), id="a call's id as a list"),
    pytest.param(calls(fragment(ONE, ["look"], "a", 0)), id="a name as a list"),  # type: ignore[arg-type]
    pytest.param(calls(fragment([1], "look", "a", 0)), id="arguments as a list"),
    pytest.param(chunk(7), id="a reason in digits"),  # type: ignore[arg-type]
    pytest.param({"usage": {"prompt_tokens": "many"}}, id="tokens in words"),
    pytest.param({"usage": []}, id="usage as a list"),
    pytest.param(b'{"choices":[{"delta":{"annotations":[{"n":NaN}]}}]}', id="NaN"),
    pytest.param(b'{"choices":[{"delta":{"annotations":[{"n":1e999}]}}]}', id="infinity"),
    pytest.param(chunk(annotations=[{"n": deep(100)}]), id="an annotation nested too deep"),
    pytest.param(chunk(reasoning_details=[{"n": deep(100)}]), id="details nested too deep"),
    pytest.param(calls({**LOOK, "extra_content": {"n": deep(100)}}), id="a rider nested too deep"),
    pytest.param({"error": deep(100)}, id="an error nested too deep"),
    pytest.param(b'{"a":' * 100_000, id="depth without end"),
    pytest.param(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="depth"),
]


@pytest.mark.parametrize("payload", MALFORMED)
def test_what_is_malformed_is_a_protocol_error(payload: Any) -> None:
    played = play(TEXT, payload)
    assert isinstance(played.error, ProtocolError)
    str(played.error).encode()


def test_arguments_nested_too_deep_are_told_to_the_model() -> None:
    for arguments in (json.dumps({"a": deep(100)}), {"a": deep(100)}):
        (call,) = play(calls(fragment(arguments, "look", "a", 0)), finish()).calls
        assert "nested more than 64 levels deep" in call[2]


@pytest.mark.parametrize("arguments", ['{"n":NaN}', '{"n":1e999}', '{"n":1}x', "{", "\ufeff{}"])
def test_arguments_that_are_not_json_are_told_to_the_model(arguments: str) -> None:
    (call,) = play(calls(fragment(arguments, "look", "a", 0)), finish()).calls
    assert call[2].startswith("The arguments are not JSON")


# -- characters cut in two ---------------------------------------------------------------------

DUCK = ("\ud83e", "\udd86")
SPLIT = [
    pytest.param(["a" + DUCK[0], DUCK[1] + "b"], "a🦆b", id="split"),
    pytest.param([DUCK[0], DUCK[1]], "🦆", id="alone"),
    pytest.param([DUCK[0], "", DUCK[1]], "🦆", id="with nothing between"),
    pytest.param([DUCK[0], "x" + DUCK[1]], "\ufffdx\ufffd", id="with something between"),
    pytest.param([DUCK[1] + DUCK[0], DUCK[1]], "\ufffd🦆", id="a stray half before"),
    pytest.param(["a\0b", "\0"], "a\ufffdb\ufffd", id="NUL"),
    pytest.param([DUCK[0] + DUCK[1] + DUCK[0], DUCK[1]], "🦆🦆", id="twice"),
    pytest.param(["a", DUCK[1]], "a\ufffd", id="the second half alone"),
]


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
@pytest.mark.parametrize("field", ["content", "refusal"])
def test_a_character_cut_in_two_is_joined_in_text(
    field: str, parts: list[str], expected: str
) -> None:
    played = play(*(chunk(**{field: part}) for part in parts), finish("stop"))
    assert played.blocks == (Text(expected),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_character_cut_in_two_is_joined_in_thinking(
    field: str, parts: list[str], expected: str
) -> None:
    played = play(*(chunk(**{field: part}) for part in parts), finish("stop"))
    assert played.blocks == (Thinking(expected, ""),)


@pytest.mark.parametrize(("parts", "expected"), SPLIT)
@pytest.mark.parametrize("name", ["look", None])
def test_a_character_cut_in_two_is_joined_in_arguments(
    parts: list[str], expected: str, name: str | None
) -> None:
    said = [fragment(part, index=0) for part in ('{"n":"', *parts, '"}')]
    first, last = fragment("", name, "a", 0), fragment("", "look", index=0)
    played = play(*map(calls, [first, *said, last]), finish())
    assert played.blocks == (ToolCall("a", "look", {"n": expected}),)


def test_halves_in_different_blocks_do_not_meet() -> None:
    text = play(chunk(content=DUCK[0]), chunk(reasoning="x" + DUCK[1]), finish("stop"))
    assert text.blocks == (Thinking("x\ufffd", ""),)  # half a character is no text
    two = [fragment(f'{{"n":"{DUCK[n]}', "look", f"c{n}", n) for n in (0, 1)]
    ends = [fragment('"}', index=n) for n in (0, 1)]
    assert play(calls(*two), calls(*ends), finish()).calls == [
        (f"c{n}", "look", {"n": "\ufffd"}) for n in (0, 1)
    ]


@pytest.mark.parametrize("end", [[], [calls(PAY)], [calls(fragment(" ", index=0))]])
def test_half_a_character_behind_whole_arguments_makes_them_none(end: list[Json]) -> None:
    played = play(calls(fragment(ONE + DUCK[0], "look", "a", 0)), *end, finish())
    problems = [sealed.problem for _, sealed in played.whole.sealed if sealed.call.id == "a"]
    assert len(problems) == 1
    assert "not JSON" in problems[0]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    data = b'{"choices":[{"delta":{"content":"a\xff"}}]}'
    assert decode(data)[-1] == TextDelta(0, "a\ufffd")


# -- linear work -------------------------------------------------------------------------------


class Counted:
    """`read_object`, counting the characters that it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.characters = 0
        monkeypatch.setattr(openai_chat_calls, "read_object", self._read)

    def _read(self, text: str) -> Json:
        self.times += 1
        self.characters += len(text)
        return read_object(text)


def many_fragments(size: int) -> Iterator[Json]:
    yield calls(fragment('{"n":[', "look", "a", 0))
    for _ in range(size - 2):
        yield calls(fragment('{"x":1}, ', index=0))
    yield calls(fragment("{}]}", index=0))


def repeated_names(size: int) -> Iterator[Json]:
    """No ids, no indexes, and each fragment may be the last one's end."""
    yield calls(fragment('{"n":[{}', "look"))
    for _ in range(size - 2):
        yield calls(fragment(",{}", "look"))
    yield calls(fragment("]}", "look"))


def many_calls(size: int) -> Iterator[Json]:
    for n in range(size):
        yield calls(fragment(json.dumps({"n": n}), "look", f"c{n}", n))


def side_by_side(size: int) -> Iterator[Json]:
    """As many as may be, all of which look whole and none of which is."""
    for n in range(200):
        yield calls(fragment('{"n":[{}', "look", f"c{n}", n))
    for turn in range(size):
        yield calls(fragment(",{}", index=turn % 200))
        yield calls(fragment(ONE, "look", f"d{turn}", 200 + turn))


def rotating(size: int) -> Iterator[Json]:
    yield calls(fragment('{"n":"', "look", "x", 0))
    for n in range(size):
        yield calls(fragment("12345678", id=f"y{n}", index=0))
    yield calls(fragment('"}', index=0))


STREAMS = [many_fragments, repeated_names, many_calls, side_by_side, rotating]


@pytest.mark.parametrize("stream", STREAMS)
def test_ten_times_the_fragments_are_no_more_than_twelve_times_the_reading(
    stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[tuple[int, int]]()
    for size in (400, 4000):
        counted = Counted(monkeypatch)
        play(*stream(size), ends=False)
        seen.append((counted.times, counted.characters))
        monkeypatch.undo()
    (times, characters), (more_times, more_characters) = seen
    assert more_times <= 12 * max(times, 1)
    assert more_characters <= 12 * max(characters, 1)


def test_a_megabyte_of_arguments_in_a_hundred_thousand_fragments_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, began = Counted(monkeypatch), time.process_time()
    parts = [json.dumps(calls(fragment("1234567,89", index=0))).encode()] * 100_000
    first = calls(fragment('{"n":[0', "look", "a", 0)), calls(fragment(",", index=0))
    played = play(*first, *parts, calls(fragment("]}", index=0)), finish())
    (call,) = played.calls
    assert len(call[2]["n"]) == 100_002
    assert counted.times == 0  # it is the turn that reads it, and once
    assert time.process_time() - began < 20  # it takes half a second; quadratic, it is minutes


def test_a_hundred_thousand_fragments_of_text_are_that_many_events() -> None:
    began = time.process_time()
    data = json.dumps(TEXT).encode()
    events = Counter(type(event) for event in decode(*[data] * 100_000))
    assert events == {ResponseStarted: 1, BlockStarted: 1, TextDelta: 100_000}
    assert time.process_time() - began < 20


def test_thousands_of_calls_are_each_sealed_once() -> None:
    played = play(*many_calls(5000), finish())
    assert len(played.whole.sealed) == 5000
    assert played.when[:2] == [("c0", 2), ("c1", 3)]


def test_thousands_of_details_are_joined_in_linear_time() -> None:
    began = time.process_time()
    told = [{"type": "reasoning.text", "text": "x", "index": 0}] * 20_000
    assert details(*told) == [{**told[0], "text": "x" * 20_000}]
    assert time.process_time() - began < 20
