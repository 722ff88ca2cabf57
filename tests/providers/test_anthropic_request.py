"""What the API accepts: each rule of the Messages API by name, then any conversation at all."""

import json
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
from midstream.providers.anthropic_request import Anthropic
from midstream.simulator.signatures import sign
from midstream.simulator.strict import problem
from tests.providers.talk import CODE, PNG, conversations, opaque

Json = dict[str, Any]
SPEC = ToolSpec("look", "Look.", {"type": "object", "properties": {}})
HI = Message("user", (Text("Hi"),))


def said(*blocks: Block) -> Message:
    return Message("assistant", blocks)


def answered(*blocks: Block) -> Message:
    return Message("user", blocks)


SEARCH = opaque("server_tool_use", id="srvtoolu_1", name="web_search", input={"query": "x"})
FOUND = opaque("web_search_tool_result", tool_use_id="srvtoolu_1", content=[])
THOUGHT = Thinking("hm", sign("hm", 0))
REDACTED = opaque("redacted_thinking", data=sign("redacted", 0))
CALL = ToolCall("a", "look", {})
RESULT = ToolResult("a", "42")


def body(request: ModelRequest) -> bytes:
    return Anthropic("m", "k").request(request).body


def request(*messages: Message, **fields: Any) -> Json:
    """What is sent; without marks for the cache, which have tests of their own."""
    sent: Json = json.loads(body(ModelRequest("m", messages, **{"cache": None} | fields)))
    return sent


def wire(*messages: Message) -> list[Json]:
    sent: list[Json] = request(*messages)["messages"]
    return sent


def content(*messages: Message, at: int = -1) -> list[Json]:
    blocks: list[Json] = wire(*messages)[at]["content"]
    return blocks


def refusal(*messages: Message, version: str = "2023-06-01", **fields: Any) -> str:
    """What the simulator, which is as strict as the API, says to a request; "" if nothing."""
    asked = Anthropic("m", "key", version).request(ModelRequest("m", messages, **fields))
    refused = problem(asked.headers, asked.body)
    return refused.message if refused else ""


# -- tool results ------------------------------------------------------------------------------


def test_results_come_first_in_the_message_that_follows_the_calls() -> None:
    blocks = content(HI, said(CALL), answered(Text("first"), RESULT, Text("last")))
    assert [block["type"] for block in blocks] == ["tool_result", "text", "text"]
    assert [block["text"] for block in blocks[1:]] == ["first", "last"]


def test_results_keep_the_order_they_have() -> None:
    calls = said(*(ToolCall(each, "look", {}) for each in "abc"))
    results = answered(Text("x"), *(ToolResult(each, each) for each in "bca"))
    assert [block["tool_use_id"] for block in content(HI, calls, results)[:3]] == ["b", "c", "a"]


def test_messages_of_one_side_are_joined() -> None:
    messages = [HI, said(CALL), answered(RESULT), answered(Text("and?")), said(Text("x")), HI, HI]
    assert [(each["role"], len(each["content"])) for each in wire(*messages)] == [
        ("user", 1),
        ("assistant", 1),
        ("user", 2),
        ("assistant", 1),
        ("user", 2),
    ]


def test_a_failed_call_says_so_and_one_that_succeeded_says_nothing_of_it() -> None:
    calls = said(CALL, ToolCall("b", "look", {}))
    results = content(
        HI, calls, answered(ToolResult("a", "no", is_error=True), ToolResult("b", "x"))
    )
    assert [block.get("is_error") for block in results] == [True, None]


CONTENTS = [
    pytest.param("42", "42", id="words"),
    pytest.param("", "", id="no words"),
    pytest.param((Text("42"),), [{"type": "text", "text": "42"}], id="a text"),
    pytest.param((Text(" "), Text("42")), [{"type": "text", "text": "42"}], id="no blank texts"),
    pytest.param((), [], id="nothing"),
    pytest.param(
        (Text("see"), Image(PNG, "image/png")),
        [
            {"type": "text", "text": "see"},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
            },
        ],
        id="a picture",
    ),
]


@pytest.mark.parametrize(("output", "expected"), CONTENTS)
def test_a_result_is_words_or_words_and_pictures(
    output: str | tuple[Text | Image, ...], expected: Any
) -> None:
    messages = HI, said(CALL), answered(ToolResult("a", output))
    assert content(*messages) == [{"type": "tool_result", "tool_use_id": "a", "content": expected}]
    assert refusal(*messages) == ""


def test_a_prompt_may_hold_a_picture() -> None:
    (_, picture) = content(answered(Text("What is it?"), Image(PNG, "image/webp")))
    assert picture["source"] == {"type": "base64", "media_type": "image/webp", "data": "iVBORw=="}


def test_the_result_of_a_toolset_names_the_toolset() -> None:
    call = ToolCall("a", "click", {}, Opaque("anthropic", {"toolset_name": "browser"}))
    messages = HI, said(call, ToolCall("b", "look", {})), answered(RESULT, ToolResult("b", "x"))
    assert [block.get("toolset_name") for block in content(*messages)] == ["browser", None]
    assert content(*messages, at=1)[0]["toolset_name"] == "browser"
    assert refusal(*messages) == ""


def test_code_that_called_a_tool_is_given_text_only() -> None:
    call = ToolCall("a", "look", {}, Opaque("anthropic", {"caller": CODE}))
    result = ToolResult("a", (Text("see"), Image(PNG)))
    (block,) = content(HI, said(SEARCH, call), answered(result))
    assert [part["type"] for part in block["content"]] == ["text", "text"]
    (block,) = content(HI, said(SEARCH, call), answered(RESULT))
    assert block["content"] == "42"


def test_code_that_was_given_no_picture_is_not_told_of_one() -> None:
    call = ToolCall("a", "look", {}, Opaque("anthropic", {"caller": CODE}))
    (block,) = content(HI, said(SEARCH, call), answered(ToolResult("a", (Text("see"),))))
    assert block["content"] == [{"type": "text", "text": "see"}]


# -- ids ---------------------------------------------------------------------------------------

IDS = [
    pytest.param("toolu_01A-b", "toolu_01A-b", id="the API's own"),
    pytest.param("functions.Bash:0", "functions_Bash_0", id="of another provider"),
    pytest.param("é/ü", "___", id="of none"),
    pytest.param("", "call", id="empty"),
]


@pytest.mark.parametrize(("call_id", "expected"), IDS)
def test_an_id_fits_the_pattern_and_its_result_knows_it(call_id: str, expected: str) -> None:
    messages = HI, said(ToolCall(call_id, "look", {})), answered(ToolResult(call_id, "x"))
    assert content(*messages, at=1)[0]["id"] == expected
    assert content(*messages)[0]["tool_use_id"] == expected
    assert refusal(*messages) == ""


def test_ids_that_repeat_in_a_conversation_are_told_apart() -> None:
    messages = [HI]
    for number in range(3):
        messages += [said(CALL), answered(ToolResult("a", str(number)))]
    assert [block["id"] for block in blocks_of(wire(*messages), "tool_use")] == ["a", "a_2", "a_3"]
    results = blocks_of(wire(*messages), "tool_result")
    assert [block["tool_use_id"] for block in results] == ["a", "a_2", "a_3"]
    assert refusal(*messages) == ""


def test_ids_that_only_look_different_are_told_apart() -> None:
    calls = said(*(ToolCall(each, "look", {}) for each in ("a.b", "a_b", "a:b")))
    results = answered(*(ToolResult(each, each) for each in ("a:b", "a.b", "a_b")))
    assert [block["id"] for block in content(HI, calls, results, at=1)] == ["a_b", "a_b_2", "a_b_3"]
    told = {block["tool_use_id"]: block["content"] for block in content(HI, calls, results)}
    assert told == {"a_b": "a.b", "a_b_2": "a_b", "a_b_3": "a:b"}


def test_the_ids_of_earlier_turns_do_not_change_as_the_talk_goes_on() -> None:
    messages = [HI, said(CALL), answered(RESULT), said(CALL), answered(RESULT), said(Text("x")), HI]
    for end in range(1, len(messages)):
        assert wire(*messages)[: end - 1] == wire(*messages[:end])[: end - 1]


def blocks_of(messages: Sequence[Json], kind: str) -> list[Json]:
    return [b for message in messages for b in message["content"] if b["type"] == kind]


# -- text --------------------------------------------------------------------------------------

BLANK = ["", " ", "\n\t ", "\u00a0", "\u2028"]


@pytest.mark.parametrize("blank", BLANK)
def test_blank_text_is_not_sent_back(blank: str) -> None:
    messages = HI, said(Text(blank), Text("x"), Text(blank, ({"n": 1},))), HI
    assert content(*messages, at=1) == [{"type": "text", "text": "x"}]
    assert refusal(*messages) == ""


@pytest.mark.parametrize("blank", BLANK)
def test_a_message_that_holds_nothing_else_is_not_sent(blank: str) -> None:
    messages = HI, said(Text(blank)), HI
    (joined,) = wire(*messages)
    assert (joined["role"], len(joined["content"])) == ("user", 2)
    assert refusal(*messages) == ""


def test_text_keeps_its_blanks_and_its_citations() -> None:
    cited = Text(" x ", ({"type": "char_location", "n": 1},))
    assert content(HI, said(cited), HI, at=1) == [
        {"type": "text", "text": " x ", "citations": [{"type": "char_location", "n": 1}]}
    ]


@pytest.mark.parametrize("words", ["half \ud83e", "\udcff", "nul \0 and \ud83e"])
def test_words_that_cannot_be_encoded_are_made_so(words: str) -> None:
    messages = answered(Text(words)), said(CALL), answered(ToolResult("a", words))
    assert "\ufffd" in content(*messages, at=0)[0]["text"]
    assert "\ufffd" in content(*messages)[0]["content"]


# -- thinking ----------------------------------------------------------------------------------


def test_signed_thinking_goes_back_as_it_was() -> None:
    empty = Thinking("", sign("", 1))
    blocks = content(HI, said(THOUGHT, empty, CALL), answered(RESULT), at=1)
    assert blocks[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": THOUGHT.signature},
        {"type": "thinking", "thinking": "", "signature": empty.signature},
    ]


def test_redacted_thinking_goes_back_as_it_was() -> None:
    assert content(HI, said(REDACTED, Text("x")), HI, at=1)[0] == REDACTED.data


def test_thinking_before_a_server_tool_goes_back_with_it() -> None:
    blocks = content(HI, said(THOUGHT, REDACTED_1, SEARCH, FOUND, Text("x")), HI, at=1)
    assert [each["type"] for each in blocks[:3]] == [
        "thinking",
        "redacted_thinking",
        "server_tool_use",
    ]


REDACTED_1 = opaque("redacted_thinking", data=sign("redacted", 1))


def test_unsigned_thinking_is_not_sent_back() -> None:
    assert content(HI, said(Thinking("hm", ""), Text("x")), HI, at=1) == [
        {"type": "text", "text": "x"}
    ]


@pytest.mark.parametrize("thought", [THOUGHT, REDACTED], ids=["thinking", "redacted"])
def test_a_message_does_not_end_in_thinking(thought: Block) -> None:
    later = Thinking("x", sign("x", 1))
    for messages in (
        [HI, said(Text("x"), thought, later), HI],
        [HI, said(CALL, thought), answered(RESULT)],
        [HI, said(SEARCH, FOUND, thought)],
        [HI, said(thought), HI],
        [HI, said(Text("x"), thought, Text(" ")), HI],
    ):
        assert blocks_of(wire(*messages), "thinking") == []
        assert blocks_of(wire(*messages), "redacted_thinking") == []
        assert refusal(*messages) == ""


def test_thinking_that_a_pause_divides_from_what_follows_is_kept() -> None:
    messages = HI, said(SEARCH, FOUND, THOUGHT), said(Text("x")), HI
    assert [block["type"] for block in content(*messages, at=1)][2:] == ["thinking", "text"]
    assert refusal(*messages) == ""


# -- what only a provider understands ----------------------------------------------------------


def test_what_another_provider_left_is_not_sent() -> None:
    foreign = opaque("reasoning", provider="openai", encrypted_content="x")
    call = ToolCall("a", "look", {}, Opaque("openai", {"item": "fc_1"}))
    assert content(HI, said(foreign, call), answered(RESULT), at=1) == [
        {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    ]


def test_what_rides_on_a_call_goes_back_with_it() -> None:
    call = ToolCall("a", "look", {}, Opaque("anthropic", {"caller": CODE}))
    assert content(HI, said(SEARCH, call), answered(RESULT), at=1)[1]["caller"] == CODE


def test_a_server_tool_and_its_result_go_back_as_they_were() -> None:
    assert content(HI, said(SEARCH, FOUND, Text("x")), HI, at=1)[:2] == [SEARCH.data, FOUND.data]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([HI, said(SEARCH)], id="after a pause"),
        pytest.param([HI, said(SEARCH, CALL), answered(RESULT)], id="while other tools answer"),
        pytest.param([HI, said(SEARCH), said(FOUND, Text("x")), HI], id="answered in the next"),
    ],
)
def test_a_server_tool_without_its_result_goes_back_while_it_may_come(
    messages: list[Message],
) -> None:
    assert SEARCH.data in content(*messages, at=1)
    assert refusal(*messages) == ""


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
@pytest.mark.parametrize(
    "after",
    [
        pytest.param([answered(Text("Stop."))], id="the user spoke"),
        pytest.param([answered(RESULT, Text("Stop."))], id="the user spoke besides"),
        pytest.param([answered(RESULT), said(Text("x")), HI], id="the talk went on"),
    ],
)
def test_a_server_tool_without_its_result_does_not_go_back_once_it_cannot_come(
    kind: str, after: list[Message]
) -> None:
    lost = opaque(kind, id="srvtoolu_1", name="x", input={}, **MCP.get(kind, {}))
    calls = [CALL] if RESULT in after[0].blocks else []
    messages = HI, said(lost, *calls), *after
    assert lost.data not in (wire(*messages)[1:] and content(*messages, at=1))
    assert refusal(*messages) == ""


def test_a_result_of_a_server_tool_does_not_go_back_without_its_call() -> None:
    messages = HI, said(FOUND, Text("I looked.")), HI
    assert content(*messages, at=1) == [{"type": "text", "text": "I looked."}]
    assert refusal(*messages) == ""


def test_a_result_of_a_server_tool_before_its_call_is_no_result_of_it() -> None:
    messages = HI, said(FOUND, SEARCH, Text("I looked.")), HI
    assert content(*messages, at=1) == [{"type": "text", "text": "I looked."}]
    assert refusal(*messages) == ""


def test_ids_of_server_tools_that_are_none_do_no_harm() -> None:
    spoiled = opaque("server_tool_use", id=[1]), opaque("web_search_tool_result", tool_use_id=[1])
    assert content(HI, said(*spoiled), HI, at=1) == [each.data for each in spoiled]


MCP = {"mcp_tool_use": {"server_name": "x"}}


def test_code_that_still_runs_goes_back_though_it_asked_for_tools_before() -> None:
    call = ToolCall("a", "look", {}, Opaque("anthropic", {"caller": CODE}))
    again = ToolCall("b", "look", {}, Opaque("anthropic", {"caller": CODE}))
    loop = HI, said(SEARCH, call), answered(RESULT), said(again), answered(ToolResult("b", "x"))
    assert content(*loop, at=1)[0] == SEARCH.data
    assert content(*loop, HI, at=1)[0]["type"] == "tool_use"  # the user spoke: it will not end


BOX = opaque("container", id="box")


def test_the_container_of_the_last_answer_is_named_and_is_no_block() -> None:
    sent = request(HI, said(Text("x"), BOX), HI)
    assert sent["container"] == "box"
    assert sent["messages"][1]["content"] == [{"type": "text", "text": "x"}]


def test_the_container_of_an_older_answer_is_not() -> None:
    assert "container" not in request(HI, said(Text("x"), BOX), HI, said(Text("y")), HI)


@pytest.mark.parametrize(
    "box", [opaque("container", provider="openai", id="box"), opaque("container", id=7)]
)
def test_what_is_no_container_of_ours_is_not_named(box: Opaque) -> None:
    assert "container" not in request(HI, said(Text("x"), box), HI)


# -- a hand-over in the middle -----------------------------------------------------------------

FALLBACK = Opaque("anthropic", {"type": "fallback", "from": {}, "to": {"model": "b"}})


def test_what_the_first_model_had_begun_is_not_sent_and_its_text_is() -> None:
    before = REDACTED, Text("I"), SEARCH
    sent = content(HI, said(*before, FALLBACK, REDACTED, Text("can")), HI, at=1)
    assert [each["type"] for each in sent] == ["text", "fallback", "redacted_thinking", "text"]


def test_a_server_tool_of_the_first_model_goes_back_with_its_result_only() -> None:
    before = SEARCH, FOUND, opaque("server_tool_use", id="srvtoolu_2", name="x", input={})
    sent = content(HI, said(*before, FALLBACK, CALL), answered(RESULT), at=1)
    assert sent[:3] == [SEARCH.data, FOUND.data, FALLBACK.data]


def test_a_server_tool_of_the_second_model_may_still_be_at_work() -> None:
    assert SEARCH.data in content(HI, said(Text("I"), FALLBACK, SEARCH), at=1)


# -- the rest of the request -------------------------------------------------------------------


def test_a_request_says_what_it_must_and_nothing_that_was_not_asked_for() -> None:
    assert request(HI) == {
        "model": "m",
        "max_tokens": 8192,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_a_request_says_everything_that_was_asked_for() -> None:
    server_tool = {"type": "web_search_20250305", "name": "web_search"}
    sent = request(HI, system="Be kind.", tools=(SPEC,), server_tools=(server_tool,), max_tokens=9)
    assert (sent["system"], sent["max_tokens"]) == ("Be kind.", 9)
    schema = {"type": "object", "properties": {}}
    assert sent["tools"] == [
        {"name": "look", "description": "Look.", "input_schema": schema},
        server_tool,
    ]


@pytest.mark.parametrize("messages", [[], [answered()], [said()], [answered(Text(" "))]])
def test_a_conversation_without_words_has_no_messages(messages: list[Message]) -> None:
    assert wire(*messages) == []


@pytest.mark.parametrize("system", ["", " \n", None])
def test_a_blank_system_prompt_is_none(system: str | None) -> None:
    assert "system" not in request(HI, system=system)


THINKING = [
    pytest.param(None, 8192, 8192, None, id="none"),
    pytest.param("adaptive", 8192, 8192, {"type": "adaptive"}, id="adaptive"),
    pytest.param(2048, 8192, 8192, {"type": "enabled", "budget_tokens": 2048}, id="within"),
    pytest.param(8192, 8192, 16384, {"type": "enabled", "budget_tokens": 8192}, id="as much"),
    pytest.param(9000, 100, 9100, {"type": "enabled", "budget_tokens": 9000}, id="more"),
]


@pytest.mark.parametrize(("thinking", "asked", "max_tokens", "expected"), THINKING)
def test_there_is_room_for_the_answer_beside_the_thinking(
    thinking: Any, asked: int, max_tokens: int, expected: Json | None
) -> None:
    sent = request(HI, thinking=thinking, max_tokens=asked)
    assert (sent["max_tokens"], sent.get("thinking")) == (max_tokens, expected)
    assert refusal(HI, thinking=thinking, max_tokens=asked) == ""


def test_equal_requests_are_equal_bytes() -> None:
    one = said(ToolCall("a", "look", {"x": 1, "y": 2})), answered(RESULT)
    other = said(ToolCall("a", "look", {"y": 2, "x": 1})), answered(RESULT)
    assert body(ModelRequest("m", (HI, *one))) == body(ModelRequest("m", (HI, *other)))


def test_the_key_goes_where_the_version_wants_it() -> None:
    old = Anthropic("m", "key").request(ModelRequest("m", (HI,)))
    new = Anthropic("m", "key", "2026-10-21").request(ModelRequest("m", (HI,)))
    assert (old.headers["x-api-key"], old.headers.get("authorization")) == ("key", None)
    assert (new.headers.get("x-api-key"), new.headers["authorization"]) == (None, "Bearer key")
    assert refusal(HI, version="2026-10-21") == ""


def test_the_headers_ask_for_a_plain_stream_and_for_betas() -> None:
    asked = Anthropic("m", "key", betas=["one", "two"]).request(ModelRequest("m", (HI,)))
    assert asked.path == "/v1/messages"
    assert asked.headers == {
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "x-api-key": "key",
        "anthropic-beta": "one,two",
    }


def test_a_provider_hands_out_a_decoder_for_each_answer() -> None:
    provider = Anthropic("m", "key")
    assert provider.decoder() is not provider.decoder()
    assert (provider.provider, provider.model) == ("anthropic", "m")
    assert provider.refusal(529, {}, b"").retryable


# -- any conversation that the loop can commit -------------------------------------------------


@given(
    conversations(),
    st.sampled_from([None, "adaptive"]),
    st.sampled_from(["2023-06-01", "2026-10-21"]),
    st.sampled_from([None, "", " ", "Be kind."]),
)
@settings(deadline=None, max_examples=300)
def test_the_api_takes_any_conversation_that_the_loop_can_commit(
    messages: list[Message], thinking: Any, version: str, system: str | None
) -> None:
    event(f"{len(messages)} messages")
    fields = {"thinking": thinking, "system": system, "tools": (SPEC,)}
    assert refusal(*messages, version=version, **fields) == ""


@given(conversations())
@settings(deadline=None)
def test_no_result_and_no_thought_is_lost_on_the_way(messages: list[Message]) -> None:
    results = [b for m in messages for b in m.blocks if isinstance(b, ToolResult)]
    assert len(blocks_of(wire(*messages), "tool_result")) == len(results)
    assert len(blocks_of(wire(*messages), "tool_use")) == len(results)
    signed = [b for m in messages for b in m.blocks if isinstance(b, Thinking) and b.signature]
    sent = [block["signature"] for block in blocks_of(wire(*messages), "thinking")]
    assert len(sent) <= len(signed)


# -- marks for the cache -----------------------------------------------------------------------


def marked(sent: Json) -> list[str]:
    """Where the marks are: in the system prompt, on tools, in messages."""
    places = [f"tool {n}" for n, each in enumerate(sent["tools"]) if "cache_control" in each]
    if "cache_control" in (sent.get("system") or [{}])[-1]:
        places.append("system")
    for number, message in enumerate(sent["messages"]):
        for place, block in enumerate(message["content"]):
            if "cache_control" in block:
                places.append(f"message {number}.{place}")
    return places


TALK = (HI, said(CALL), answered(RESULT), said(Text("So.")), answered(Text("And?")))
PLAIN = {"name": "search", "type": "web_search_20250305"}
DEFERRED = PLAIN | {"name": "later", "defer_loading": True}
KEPT = PLAIN | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
MARKS = [
    pytest.param({"system": "Be kind."}, ["system", "message 2.0", "message 4.0"], id="a prompt"),
    pytest.param({}, ["tool 0", "message 2.0", "message 4.0"], id="no prompt: the last tool"),
    pytest.param(
        {"server_tools": (DEFERRED,)}, ["tool 0", "message 2.0", "message 4.0"], id="deferred"
    ),
    pytest.param(
        {"server_tools": (KEPT,)}, ["tool 1", "message 2.0", "message 4.0"], id="one's own"
    ),
    pytest.param(
        {"server_tools": (KEPT, KEPT, KEPT), "system": "Be kind."},
        ["tool 1", "tool 2", "tool 3", "message 4.0"],
        id="three of one's own: four is the most",
    ),
    pytest.param({"cache": None}, [], id="not wanted"),
]


@pytest.mark.parametrize(("settings_", "places"), MARKS)
def test_what_the_next_request_repeats_is_marked(settings_: Json, places: list[str]) -> None:
    sent = request(*TALK, tools=(SPEC,), **{"cache": "5m"} | settings_)
    assert marked(sent) == places
    kept = [each["cache_control"] for each in sent["tools"] if each.get("name") == "search"
            and "cache_control" in each]  # fmt: skip
    assert all(each == {"type": "ephemeral", "ttl": "1h"} for each in kept)


def test_an_hour_is_asked_for_where_it_is_wanted() -> None:
    sent = request(HI, system="Be kind.", cache="1h")
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert wire(HI)[0]["content"] == [{"type": "text", "text": "Hi"}], "the talk is left as it was"
