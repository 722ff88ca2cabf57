"""What the two OpenAI wires accept: each rule by name, each server's own way, any conversation."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from midstream.messages import (
    Block,
    Image,
    Message,
    ModelRequest,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from midstream.providers.asking import CallIds, nine, shortened
from midstream.providers.openai_chat_request import LONGEST_ID, OPENAI, Chat, Quirks
from midstream.providers.openai_responses_request import Responses, followed
from midstream.providers.provider import HttpRequest
from midstream.simulator.wires import CHAT, RESPONSES
from tests.providers.talk import DETAILS, PNG, conversations, opaque

Json = dict[str, Any]
SPEC = ToolSpec("look", "Look.", {"type": "object", "properties": {}})
HI = Message("user", (Text("Hi"),))
URL = "data:image/png;base64,iVBORw=="
PICTURE = Image(PNG, "image/png")
CALL = ToolCall("a", "look", {"n": 1})
RESULT = ToolResult("a", "42")

DEEPSEEK = Quirks(echo="reasoning_content", thinking="")
OPENROUTER = Quirks(echo="reasoning_details", thinking="reasoning")
MISTRAL = Quirks(call_ids="nine", asks_usage=False, thinking="")


def said(*blocks: Block) -> Message:
    return Message("assistant", blocks)


def answered(*blocks: Block) -> Message:
    return Message("user", blocks)


def called(*call_ids: str) -> list[Message]:
    """Calls of these ids, and their results."""
    calls = said(*(ToolCall(each, "look", {}) for each in call_ids))
    return [calls, answered(*(ToolResult(each, f"of {each}") for each in call_ids))]


def chat(*messages: Message, quirks: Quirks = OPENAI, who: str = "lab", **fields: Any) -> Json:
    asked = Chat("m", "k", who, quirks).request(ModelRequest("m", messages, **fields))
    sent: Json = json.loads(asked.body)
    return sent


def talk(*messages: Message, quirks: Quirks = OPENAI, who: str = "lab") -> list[Json]:
    """The messages of a chat request."""
    spelled: list[Json] = chat(*messages, quirks=quirks, who=who)["messages"]
    return spelled


def responses(*messages: Message, model: str = "m", **fields: Any) -> Json:
    asked = Responses(model, "k").request(ModelRequest(model, messages, **fields))
    sent: Json = json.loads(asked.body)
    return sent


def items(*messages: Message) -> list[Json]:
    """The input of a Responses request."""
    spelled: list[Json] = responses(*messages)["input"]
    return spelled


# -- Chat: the request -------------------------------------------------------------------------


def test_a_chat_request_says_what_it_must_and_nothing_that_was_not_asked_for() -> None:
    assert chat(HI) == {
        "model": "m",
        "max_completion_tokens": 8192,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_a_chat_request_says_everything_that_was_asked_for() -> None:
    search = {"type": "web_search"}
    fields: Json = {"system": "Be kind.", "tools": (SPEC,), "server_tools": (search,)}
    sent = chat(HI, max_tokens=9, **fields)
    assert sent["messages"][0] == {"role": "system", "content": "Be kind."}
    assert sent["max_completion_tokens"] == 9
    function = {"name": "look", "description": "Look.", "parameters": SPEC.input_schema}
    assert sent["tools"] == [{"type": "function", "function": function}, search]
    assert chat(HI, server_tools=(search,))["tools"] == [search]


QUIRKS = [
    pytest.param(Quirks(), {"max_tokens": 8192}, ["max_completion_tokens"], id="most servers"),
    pytest.param(Quirks(max_tokens="max"), {"max": 8192}, ["max_tokens"], id="another field"),
    pytest.param(Quirks(asks_usage=False), {}, ["stream_options"], id="no stream_options"),
    pytest.param(Quirks(extra={"x": {"y": 1}}), {"x": {"y": 1}}, [], id="more members"),
    pytest.param(Quirks(extra={"stream_options": None}), {}, ["stream_options"], id="one less"),
    pytest.param(Quirks(extra={"max_tokens": 5}), {"max_tokens": 5}, [], id="another value"),
]


@pytest.mark.parametrize(("quirks", "members", "missing"), QUIRKS)
def test_each_quirk_changes_what_it_says(quirks: Quirks, members: Json, missing: list[str]) -> None:
    sent = chat(HI, quirks=quirks)
    assert members.items() <= sent.items()
    assert not sent.keys() & {*missing}


BUDGETS = [
    pytest.param(None, None, None, id="none"),
    pytest.param(0, None, None, id="no tokens"),
    pytest.param("adaptive", "medium", {"enabled": True}, id="adaptive"),
    pytest.param(1024, "low", {"max_tokens": 1024}, id="a small budget"),
    pytest.param(4095, "low", {"max_tokens": 4095}, id="the largest small one"),
    pytest.param(4096, "medium", {"max_tokens": 4096}, id="a middling budget"),
    pytest.param(16383, "medium", {"max_tokens": 16383}, id="the largest middling one"),
    pytest.param(16384, "high", {"max_tokens": 16384}, id="a large budget"),
]


@pytest.mark.parametrize(("thinking", "effort", "reasoning"), BUDGETS)
def test_thinking_is_asked_for_in_each_server_s_way(
    thinking: Any, effort: str | None, reasoning: Json | None
) -> None:
    openai = chat(HI, thinking=thinking)
    assert (openai.get("reasoning_effort"), "reasoning" in openai) == (effort, False)
    openrouter = chat(HI, thinking=thinking, quirks=OPENROUTER)
    assert (openrouter.get("reasoning"), "reasoning_effort" in openrouter) == (reasoning, False)
    silent = chat(HI, thinking=thinking, quirks=DEEPSEEK)
    assert not {"reasoning", "reasoning_effort"} & silent.keys()
    summary = {"effort": effort, "summary": "auto"} if effort else None
    assert responses(HI, thinking=thinking).get("reasoning") == summary


ROOMS = [
    pytest.param(None, 100, 100, id="none"),
    pytest.param("adaptive", 100, 100, id="adaptive"),
    pytest.param(2048, 8192, 8192, id="within"),
    pytest.param(8192, 8192, 16384, id="as much"),
    pytest.param(9000, 100, 9100, id="more"),
]


@pytest.mark.parametrize(("thinking", "asked", "most"), ROOMS)
def test_there_is_room_for_the_answer_beside_the_thinking(
    thinking: Any, asked: int, most: int
) -> None:
    fields = {"thinking": thinking, "max_tokens": asked}
    assert chat(HI, **fields)["max_completion_tokens"] == most
    assert responses(HI, **fields)["max_output_tokens"] == most


# -- Chat: messages ----------------------------------------------------------------------------

BLANK = ["", " ", "\n\t ", "\u00a0", "\u2028"]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_text_is_not_sent(blank: str) -> None:
    messages = HI, said(Text(blank)), answered(Text(blank), Text("And?"), Text(blank))
    assert talk(*messages) == [{"role": "user", "content": "Hi\n\nAnd?"}]
    assert [item["content"][0]["text"] for item in items(*messages)] == ["Hi", "And?"]
    assert chat(HI, system=blank)["messages"] == [{"role": "user", "content": "Hi"}]
    assert "instructions" not in responses(HI, system=blank)


@pytest.mark.parametrize("blank", BLANK)
def test_beside_calls_a_blank_text_is_null(blank: str) -> None:
    spelled = talk(HI, said(Text(blank), CALL), answered(RESULT))
    assert (spelled[1]["content"], len(spelled[1]["tool_calls"])) == (None, 1)


def test_the_texts_of_an_answer_are_joined_as_they_were_said() -> None:
    (_, spelled, _) = talk(HI, said(Text("I "), CALL, Text(" see.")), answered(RESULT))
    assert (spelled["role"], spelled["content"]) == ("assistant", "I  see.")


def test_the_words_of_a_prompt_are_one_string_and_with_pictures_they_are_parts() -> None:
    (words,) = talk(answered(Text("A note."), Text("Hi")))
    assert words == {"role": "user", "content": "A note.\n\nHi"}
    (parts,) = talk(answered(Text("See:"), Image(PNG, "image/webp")))
    url = {"url": "data:image/webp;base64,iVBORw=="}
    assert parts["content"] == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": url},
    ]


@pytest.mark.parametrize("messages", [[], [answered()], [said()], [answered(Text(" "))]])
def test_a_conversation_without_words_has_no_messages(messages: list[Message]) -> None:
    assert (talk(*messages), items(*messages)) == ([], [])


def test_results_come_right_behind_their_calls_and_the_user_s_words_behind_them() -> None:
    calls = said(CALL, ToolCall("b", "look", {}))
    notes = answered(Text("first"), ToolResult("b", "B"), Text("last"), RESULT)
    assert talk(HI, calls, notes)[2:] == [
        {"role": "tool", "tool_call_id": "b", "content": "B"},
        {"role": "tool", "tool_call_id": "a", "content": "42"},
        {"role": "user", "content": "first\n\nlast"},
    ]
    kinds = [item["type"] for item in items(HI, calls, notes)]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2, "message"]


OUTPUTS = [
    pytest.param("42", False, "42", id="words"),
    pytest.param("", False, "", id="no words"),
    pytest.param("no", True, "Error: no", id="an error"),
    pytest.param((Text("a"), Text("b")), False, "a\nb", id="texts"),
    pytest.param((Text("a"), Text("b")), True, "Error: a\nb", id="an error in texts"),
    pytest.param((), False, "", id="nothing"),
    pytest.param((), True, "Error: ", id="an error of nothing"),
]


@pytest.mark.parametrize(("output", "is_error", "words"), OUTPUTS)
def test_a_result_is_words_and_says_that_it_failed(output: Any, is_error: bool, words: str) -> None:
    messages = HI, said(CALL), answered(ToolResult("a", output, is_error))
    assert talk(*messages)[-1] == {"role": "tool", "tool_call_id": "a", "content": words}
    assert items(*messages)[-1] == {
        "type": "function_call_output",
        "call_id": "a",
        "output": words,
    }


def test_what_the_user_says_in_a_row_is_one_message() -> None:
    more = Message("user", (Text("And?"),))
    assert talk(HI, more) == [{"role": "user", "content": "Hi\n\nAnd?"}]
    asked, results = called("a")
    *_, told, last = talk(HI, asked, results, more, HI)
    assert (told["role"], last) == ("tool", {"role": "user", "content": "And?\n\nHi"})


def test_the_pictures_of_results_follow_all_results_in_a_message_of_the_user() -> None:
    calls = said(CALL, ToolCall("b", "look", {}))
    results = answered(ToolResult("a", (Text("see"), PICTURE)), Text("And?"), ToolResult("b", "x"))
    first, second, user = talk(HI, calls, results)[2:]
    assert (first["content"], second["content"]) == ("see", "x")
    assert user["content"] == [
        {"type": "text", "text": "Pictures that the call a returned:"},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "And?"},
    ]


def test_the_responses_wire_takes_pictures_in_a_result() -> None:
    picture = {"type": "input_image", "image_url": URL, "detail": "auto"}
    (_, _, output) = items(HI, said(CALL), answered(ToolResult("a", (Text("see"), PICTURE))))
    assert output["output"] == [{"type": "input_text", "text": "see"}, picture]
    (prompt,) = items(answered(Text("Hi"), PICTURE))
    assert prompt["content"] == [{"type": "input_text", "text": "Hi"}, picture]


def test_arguments_go_as_text_that_is_equal_for_equal_arguments() -> None:
    calls = [ToolCall("a", "look", given) for given in ({"x": 1, "y": 2}, {"y": 2, "x": 1})]
    for make in (Chat("m", "k"), Responses("m", "k")):
        one, other = (make.request(ModelRequest("m", (HI, said(each)))).body for each in calls)
        assert one == other
        assert b'\\"x\\":1' in one


def test_equal_requests_are_equal_bytes() -> None:
    for make in (Chat("m", "k"), Responses("m", "k")):
        bodies = set[bytes]()
        for schema in ({"type": "object", "x": 1}, {"x": 1, "type": "object"}):
            tools = (ToolSpec("look", "Look.", schema),)
            bodies.add(make.request(ModelRequest("m", (HI,), tools=tools)).body)
        assert len(bodies) == 1


def test_a_request_does_not_change_as_the_talk_goes_on() -> None:
    """Caches find again what was sent before only where it is sent again the same."""
    messages = [HI, *called("a", "b"), said(Text("x")), HI, *called("a"), *called(""), HI]
    for spell in (talk, items):
        whole = spell(*messages)
        for end in range(len(messages)):
            part = spell(*messages[:end])
            assert whole[: len(part)] == part


# -- Chat: what servers want back --------------------------------------------------------------


def test_what_rides_on_a_call_goes_back_to_its_own_server_only() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    for who, expected in [("lab", extra), ("other", {})]:
        call = ToolCall("a", "look", {}, Opaque("lab", {**extra, "id": "spoiled", "x": 1}))
        (spelled,) = talk(HI, said(call), answered(RESULT), who=who)[1]["tool_calls"]
        function = {"name": "look", "arguments": "{}"}
        assert spelled == {"id": "a", "type": "function", "function": function, **expected}


THOUGHTS = [
    pytest.param([Thinking("hm", "")], "hm", id="its thoughts"),
    pytest.param([Thinking("h", ""), Thinking("m", "")], "hm", id="joined"),
    pytest.param([], "", id="none, and it wants to hear so"),
    pytest.param([Thinking("", "")], "", id="an empty one"),
    pytest.param([Thinking("hm", "signed")], "", id="not another provider's"),
    pytest.param([Thinking("hm", "", Opaque("other", {"x": 1}))], "", id="nor what rides there"),
    pytest.param([Thinking("hm", "", Opaque("lab", {"x": 1}))], "hm", id="with its own rider"),
]


@pytest.mark.parametrize(("thoughts", "echo"), THOUGHTS)
def test_deepseek_gets_its_reasoning_back_beside_calls(thoughts: list[Block], echo: str) -> None:
    messages = HI, said(*thoughts, CALL), answered(RESULT), said(*thoughts, Text("x")), HI
    spelled = talk(*messages, quirks=DEEPSEEK)
    assert [each.get("reasoning_content") for each in spelled] == [None, echo, None, None, None]
    assert not any("reasoning_content" in each for each in talk(*messages))


RIDER = Opaque("lab", DETAILS)
MORE = Opaque("lab", {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]})


def test_openrouter_gets_its_details_back_in_their_order() -> None:
    thoughts: list[Block] = [Thinking("hm", "", RIDER), Text("I see."), MORE]
    foreign: list[Block] = [Thinking("hm", "", Opaque("other", DETAILS)), Opaque("other", DETAILS)]
    details = [*DETAILS["reasoning_details"], *MORE.data["reasoning_details"]]
    messages = HI, said(*foreign, *thoughts), HI, said(*foreign, Text("x")), HI
    spelled = talk(*messages, quirks=OPENROUTER)
    assert [each.get("reasoning_details") for each in spelled] == [None, details, None, None, None]
    assert not any("reasoning_details" in each for each in talk(*messages))


def test_details_alone_are_no_message() -> None:
    assert len(talk(HI, said(Thinking("hm", "", RIDER)), HI, quirks=OPENROUTER)) == 1


def test_thoughts_and_what_only_another_understands_are_not_sent() -> None:
    blocks: list[Block] = [
        *(Thinking("hm", "signed"), Thinking("hm", ""), opaque("redacted_thinking", data="x")),
        opaque("web_search_call", "openai", id="ws"),
    ]
    assert talk(HI, said(*blocks), HI) == [{"role": "user", "content": "Hi\n\nHi"}]


# -- ids ---------------------------------------------------------------------------------------

LONG = "x" * 65
IDS = [
    pytest.param(["a", "b"], id="fine"),
    pytest.param(["", "a"], id="empty"),
    pytest.param([LONG, LONG[:-1] + "y"], id="too long, and alike at first"),
    pytest.param(["x" * 40, "x" * 41], id="as long as may be, and one more"),
    pytest.param(["toolu_01", "functions.Bash:0", "é"], id="foreign"),
]


def wire_ids(messages: Sequence[Message], quirks: Quirks = OPENAI) -> list[tuple[str, str]]:
    """Each call's id, and the result that is said to be its own."""
    spelled = talk(*messages, quirks=quirks)
    ids = [call["id"] for message in spelled for call in message.get("tool_calls", ())]
    told = [(each["tool_call_id"], each["content"]) for each in spelled if each["role"] == "tool"]
    assert [call_id for call_id, _ in told] == ids
    return told


@pytest.mark.parametrize("call_ids", IDS)
@pytest.mark.parametrize("quirks", [OPENAI, MISTRAL])
def test_calls_have_ids_that_the_server_takes(call_ids: list[str], quirks: Quirks) -> None:
    told = wire_ids([HI, *called(*call_ids)], quirks)
    assert [content for _, content in told] == [f"of {each}" for each in call_ids]
    assert len({call_id for call_id, _ in told}) == len(call_ids)
    for call_id, _ in told:
        fits = "[a-zA-Z0-9]{9}" if quirks is MISTRAL else ".{1,40}"
        assert re.fullmatch(fits, call_id)


def test_an_id_that_fits_is_left_as_it_is() -> None:
    assert wire_ids([HI, *called("a", "x" * LONGEST_ID)])[1][0] == "x" * 40
    assert wire_ids([HI, *called("abcDEF123")], MISTRAL) == [("abcDEF123", "of abcDEF123")]
    outputs = [item for item in items(HI, *called("x" * 64, LONG)) if "output" in item]
    assert outputs[0]["call_id"] == "x" * 64
    assert len(outputs[1]["call_id"]) <= 64


@pytest.mark.parametrize("quirks", [OPENAI, MISTRAL])
def test_ids_that_repeat_in_later_turns_are_told_apart(quirks: Quirks) -> None:
    told = wire_ids([HI, *called("abcdefghi", ""), *called("abcdefghi"), *called("")], quirks)
    assert len({call_id for call_id, _ in told}) == 4
    assert [content[3:] for _, content in told] == ["abcdefghi", "", "abcdefghi", ""]
    spelled = items(HI, *called("a"), *called("a"))
    ids = [item["call_id"] for item in spelled if item["type"] == "function_call"]
    assert ids == [item["call_id"] for item in spelled if item["type"] == "function_call_output"]
    assert len({*ids}) == 2


def test_an_id_that_looks_like_one_of_ours_is_told_apart_from_it() -> None:
    first = CallIds(shortened(40)).take("")
    ids = CallIds(shortened(40))
    assert ids.take(first) == first
    assert ids.take("") not in ("", first)
    assert ids.of(first) == first
    assert ids.of("never taken") == "never taken"


@given(st.lists(st.text(max_size=3) | st.just(LONG), max_size=30), st.sampled_from([40, 64]))
@settings(deadline=None, max_examples=50)
def test_no_two_calls_ever_share_an_id(call_ids: list[str], longest: int) -> None:
    for spelled in (shortened(longest), nine):
        ids = CallIds(spelled)
        taken = [ids.take(each) for each in call_ids]
        assert len(set(taken)) == len(taken)
        assert all(0 < len(each) <= longest for each in taken)


# -- Responses ---------------------------------------------------------------------------------


def test_a_responses_request_says_what_it_must_and_nothing_that_was_not_asked_for() -> None:
    assert responses(HI) == {
        "model": "m",
        "max_output_tokens": 8192,
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        ],
    }


def test_a_responses_request_says_everything_that_was_asked_for() -> None:
    search = {"type": "web_search"}
    fields: Json = {"system": "Be kind.", "tools": (SPEC,), "server_tools": (search,)}
    sent = responses(HI, max_tokens=5, **fields)
    assert sent["instructions"] == "Be kind."
    assert sent["max_output_tokens"] == 16  # fewer are refused
    look = {"name": "look", "description": "Look.", "parameters": SPEC.input_schema}
    assert sent["tools"] == [{"type": "function", **look, "strict": False}, search]


def test_more_members_are_sent_as_they_are() -> None:
    made = Responses("m", "k", extra={"include": None, "service_tier": "flex"})
    sent = json.loads(made.request(ModelRequest("m", (HI,))).body)
    assert ("include" in sent, sent["service_tier"]) == (False, "flex")


MODELS = [
    *(("gpt-5", True), ("gpt-5.1-codex", True), ("o3", True), ("openai/gpt-5", True)),
    *(("gpt-4o", False), ("gpt-4.1-mini", False), ("ft:gpt-4o:x", False), ("chatgpt-4o", False)),
    *(("openai/gpt-4o", False), ("gpt-3.5-turbo", False), ("my-gpt-4", True)),
]


@pytest.mark.parametrize(("model", "reasons"), MODELS)
def test_encrypted_reasoning_is_asked_for_where_there_is_any(model: str, reasons: bool) -> None:
    assert ("include" in responses(HI, model=model)) is reasons


def test_an_answer_goes_back_as_its_items() -> None:
    rider = {"phase": "commentary"}
    spelled = items(
        HI, said(Text("I look.", None, Opaque("openai", rider)), CALL), answered(RESULT)
    )
    text = {"type": "output_text", "text": "I look.", "annotations": []}
    assert spelled[1:] == [
        {"type": "message", "role": "assistant", "content": [text], **rider},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"n":1}'},
        {"type": "function_call_output", "call_id": "a", "output": "42"},
    ]


@pytest.mark.parametrize("who", ["anthropic", "lab"])
def test_what_another_provider_left_is_not_sent(who: str) -> None:
    blocks: list[Block] = [
        *(Opaque(who, {"type": "reasoning", "encrypted_content": "x"}), Thinking("hm", "signed")),
        *(Thinking("hm", "", Opaque(who, {"type": "reasoning"})), Thinking("hm", "")),
        *(Text("x", None, Opaque(who, {"phase": "x"})),),
        ToolCall("a", "look", {}, Opaque(who, {"caller": 1})),
    ]
    spelled = items(HI, said(*blocks), answered(RESULT))
    assert [item["type"] for item in spelled[1:]] == [
        *("message", "function_call", "function_call_output")
    ]
    assert not any({"phase", "caller"} & item.keys() for item in spelled)


REASONED = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"}
RS, BARE = Opaque("openai", REASONED), Opaque("openai", {"type": "reasoning", "id": "rs"})
SEARCH = opaque("web_search_call", "openai", id="ws", status="completed")
CUSTOM = opaque("custom_tool_call", "openai", call_id="c", name="x", input="y")
SHELL = opaque("shell_call", "openai", call_id="c", action={})
SHOWN = opaque("shell_call_output", "openai", call_id="c", output=[])
CLIENT = opaque("tool_search_call", "openai", call_id=None, id="t", execution="client")
FOLLOWERS = [
    pytest.param([RS, Text("x")], ["reasoning", "message"], id="followed by text"),
    pytest.param([Thinking("hm", "", RS), CALL], ["reasoning", "function_call"], id="by a call"),
    pytest.param([RS, SEARCH], ["reasoning", "web_search_call"], id="by what is opaque"),
    pytest.param([RS, RS, CALL], ["reasoning", "reasoning", "function_call"], id="two of them"),
    pytest.param([RS], [], id="by nothing"),
    pytest.param([Text("x"), RS], ["message"], id="by nothing more"),
    pytest.param([Text("x"), RS, RS], ["message"], id="two by nothing"),
    pytest.param([RS, Text(" ")], [], id="by blank text"),
    pytest.param([RS, Opaque("other", {"type": "x"})], [], id="by what is not sent"),
    pytest.param([BARE, Text("x")], ["message"], id="without its content"),
    pytest.param([Opaque("openai", {**REASONED, "encrypted_content": ""}), CALL],
        ["function_call"], id="with empty content"),
    pytest.param([RS, CUSTOM], [], id="by a call that nobody answered"),
    pytest.param([RS, CUSTOM, Text("x")], ["message"], id="by such a call, and then text"),
    pytest.param([RS, Text("x"), CLIENT], ["reasoning", "message"], id="before such a call"),
    pytest.param([RS, SHELL, SHOWN], ["reasoning", "shell_call", "shell_call_output"],
        id="by a call that has its output"),
    pytest.param([SHELL, CUSTOM, SHOWN], ["shell_call", "custom_tool_call", "shell_call_output"],
        id="an output stands for its id"),
    pytest.param([Opaque("openai", {"phase": "x"}), CALL], ["function_call"], id="of no type"),
]  # fmt: skip


@pytest.mark.parametrize(("blocks", "kinds"), FOLLOWERS)
def test_reasoning_goes_back_before_what_it_led_to_or_not_at_all(
    blocks: list[Block], kinds: list[str]
) -> None:
    results = [RESULT] if CALL in blocks else []
    spelled = items(HI, said(*blocks), answered(*results, Text("Go on.")))
    assert [item["type"] for item in spelled][1 : len(kinds) + 1] == kinds
    assert len(spelled) == len(kinds) + len(results) + 2


def test_what_is_opaque_goes_back_as_it_was() -> None:
    assert items(HI, said(RS, SEARCH, Text("x")), HI)[1:3] == [RS.data, SEARCH.data]


def test_thousands_of_items_are_followed_in_order() -> None:
    many: list[Json] = [{"type": "message", "n": n} for n in range(10_000)]
    assert followed([REASONED, *many, REASONED]) == [REASONED, *many]


def test_the_caller_of_a_call_is_named_on_its_output() -> None:
    caller = {"caller": {"type": "program", "caller_id": "p"}}
    call = ToolCall("a", "look", {}, Opaque("openai", {**caller, "namespace": "n"}))
    later = said(CALL), answered(RESULT)
    spelled = items(HI, said(call, ToolCall("b", "look", {})), answered(RESULT,
        ToolResult("b", "x")), *later)  # fmt: skip
    outputs = [item for item in spelled if item["type"] == "function_call_output"]
    assert [item.get("caller") for item in outputs] == [caller["caller"], None, None]
    (first, *_) = [item for item in spelled if item["type"] == "function_call"]
    assert (first["caller"], first["namespace"]) == (caller["caller"], "n")


# -- headers, keys, words that cannot be encoded -----------------------------------------------

MAKERS = [
    pytest.param(Chat, "/chat/completions", id="chat"),
    pytest.param(Responses, "/responses", id="responses"),
]


@pytest.mark.parametrize(("make", "path"), MAKERS)
def test_the_key_goes_where_the_server_wants_it(make: Any, path: str) -> None:
    plain = {"content-type", "accept", "accept-encoding"}
    asked = make("m", "sk-key").request(ModelRequest("m", (HI,)))
    assert (asked.path, asked.headers["authorization"]) == (path, "Bearer sk-key")
    assert asked.headers.keys() == plain | {"authorization"}
    none = make("m", "")
    assert none.request(ModelRequest("m", (HI,))).headers.keys() == plain
    assert none.secrets == ()


def test_azure_has_the_key_in_a_header_of_its_own() -> None:
    for made in (
        Chat("m", "key", "azure", Quirks(key_header="api-key")),
        Responses("m", "key", "azure", "api-key"),
    ):
        headers = made.request(ModelRequest("m", (HI,))).headers
        assert (headers["api-key"], headers.get("authorization")) == ("key", None)


@pytest.mark.parametrize(("make", "path"), MAKERS)
def test_no_key_is_in_a_repr_or_an_error(make: Any, path: str) -> None:
    key = "sk-0123456789abcdef0123456789"
    made = make("m", key)
    asked = made.request(ModelRequest("m", (HI,)))
    body = json.dumps({"error": {"message": f"Incorrect API key: {key}"}}).encode()
    error = made.refusal(401, {}, body)
    assert made.secrets == (key,)
    for shown in (repr(made), repr(asked), str(asked), repr(error), str(error)):
        assert key not in shown
    assert path in repr(asked)


@pytest.mark.parametrize(("make", "path"), MAKERS)
def test_a_provider_hands_out_a_decoder_for_each_answer(make: Any, path: str) -> None:
    made = make("m", "k", "lab")
    assert made.decoder() is not made.decoder()
    assert (made.provider, made.model) == ("lab", "m")
    assert made.refusal(529, {}, b"").retryable


@pytest.mark.parametrize("words", ["half \ud83e", "\udcff", "nul \0 and \ud83e"])
def test_words_that_cannot_be_encoded_are_made_so(words: str) -> None:
    call = ToolCall("a", "look", {words: [words]})
    messages = answered(Text(words)), said(Text(words), call), answered(ToolResult("a", words))
    prompt, answer, result = talk(*messages)
    given = json.loads(answer["tool_calls"][0]["function"]["arguments"])
    spelled = items(*messages)
    for text in (
        *(prompt["content"], answer["content"], result["content"], *given),
        *(spelled[0]["content"][0]["text"], spelled[1]["content"][0]["text"]),
        *(*json.loads(spelled[2]["arguments"]), spelled[3]["output"]),
    ):
        assert "\ufffd" in text
        text.encode()
    assert "\ufffd" in chat(HI, system=words)["messages"][0]["content"]
    assert "\ufffd" in responses(HI, system=words)["instructions"]


# -- any conversation that a session may hold --------------------------------------------------
#
# These two say what is wrong with a request, "" if nothing: each server's own rules, and the
# simulator's, which are OpenAI's. (Thoughts that talk.py makes up are not sealed as it seals them,
# and have one id.)


def chat_problem(asked: HttpRequest, quirks: Quirks = OPENAI) -> str:
    waiting: list[str] = []
    seen = set[str]()
    for message in json.loads(asked.body)["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "a result of no call, or not right behind it"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return "calls without results"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        if seen & {*waiting} or len({*waiting}) < len(waiting):
            return "an id twice"
        seen |= {*waiting}
        fits = "[a-zA-Z0-9]{9}" if quirks.call_ids == "nine" else "(?s:.{1,40})"
        if not all(re.fullmatch(fits, each) for each in waiting):
            return "an id of the wrong kind"
        if not message["content"] and not waiting:
            return "an empty message"
        if quirks.echo == "reasoning_content" and waiting and "reasoning_content" not in message:
            return "no reasoning beside calls"
    return "calls without results" if waiting else ""


def responses_problem(asked: HttpRequest) -> str:
    spelled = json.loads(asked.body)["input"]
    waiting, seen = dict[str, Json](), set[str]()
    for item, following in zip(spelled, [*spelled[1:], {"role": "user"}], strict=True):
        match item["type"]:
            case "function_call":
                if item["call_id"] in seen or not 0 < len(item["call_id"]) <= 64:
                    return "an id twice, or of the wrong length"
                seen.add(item["call_id"])
                waiting[item["call_id"]] = item
            case "function_call_output":
                if waiting.pop(item["call_id"], {"caller": 0}).get("caller") != item.get("caller"):
                    return "a result of no call, or of another caller"
            case "reasoning":
                if not item.get("encrypted_content"):
                    return "reasoning that is not stored"
                if following.get("role") == "user" or "output" in following:
                    return "reasoning without what it led to"
            case "message":
                if not item["content"] or not all(each["text"].strip() for each in item["content"]
                                                  if "text" in each):  # fmt: skip
                    return "an empty message"
                if item["role"] == "user" and waiting:
                    return "calls without results"
            case "web_search_call":
                pass
            case other:
                return f"what nobody answered: {other}"
    return "calls without results" if waiting else ""


def bare(asked: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in asked.headers.items()}


SERVERS = [
    pytest.param(Chat("m", "k"), OPENAI, id="OpenAI"),
    pytest.param(Chat("m", "k", "openai-chat", DEEPSEEK), DEEPSEEK, id="DeepSeek"),
    pytest.param(Chat("m", "k", "openai-chat", OPENROUTER), OPENROUTER, id="OpenRouter"),
    pytest.param(Chat("m", "k", "mistral", MISTRAL), MISTRAL, id="Mistral"),
]


@pytest.mark.parametrize(("server", "quirks"), SERVERS)
@given(conversations())
@settings(deadline=None, max_examples=100)
def test_whatever_a_session_holds_a_chat_server_accepts_the_request(
    server: Chat, quirks: Quirks, messages: list[Message]
) -> None:
    event(f"{len(messages)} messages")
    asked = server.request(ModelRequest("m", tuple(messages), tools=(SPEC,)))
    assert chat_problem(asked, quirks) == ""
    if quirks is OPENAI:
        refusal = CHAT.problem(bare(asked), asked.body)
        assert refusal is None or "extra_content" in refusal.message  # which Gemini's server takes


@given(conversations())
@settings(deadline=None, max_examples=200)
def test_whatever_a_session_holds_the_responses_api_accepts_the_request(
    messages: list[Message],
) -> None:
    event(f"{len(messages)} messages")
    asked = Responses("m", "k").request(ModelRequest("m", tuple(messages), tools=(SPEC,)))
    assert responses_problem(asked) == ""
    refusal = RESPONSES.problem(bare(asked), asked.body)
    assert refusal is None or re.search("encrypted|Duplicate item", refusal.message)


@given(conversations())
@settings(deadline=None, max_examples=100)
def test_no_call_and_no_result_is_lost_on_the_way(messages: list[Message]) -> None:
    calls = [b for m in messages for b in m.blocks if isinstance(b, ToolCall)]
    spelled, told = items(*messages), talk(*messages)
    kinds = [item["type"] for item in spelled]
    assert kinds.count("function_call") == kinds.count("function_call_output") == len(calls)
    assert sum(len(each.get("tool_calls", ())) for each in told) == len(calls)
    assert [each["role"] for each in told].count("tool") == len(calls)
    names = [item["name"] for item in spelled if item["type"] == "function_call"]
    assert names == [call.name for call in calls]
