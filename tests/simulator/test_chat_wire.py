"""Chat Completions: the order of the chunks, what they add up to, and when each is due."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.simulator import Reply, Scenario, call, redacted, say, think
from midstream.simulator.play import Play
from midstream.simulator.scenario import Block
from midstream.simulator.wires import CHAT, play

Json = dict[str, Any]

ASK: Json = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
THINKING = {"reasoning_effort": "low"}
COUNTED = {"stream_options": {"include_usage": True}}
SCRIPT = [think("Let me see."), say("One two. "), call("add", a=1, b="é"), call("now")]


def script(*blocks: Block, stop: str | None = None, **more: Any) -> Scenario:
    return Scenario(replies=[Reply(blocks, stop=stop)], **more)


def streamed(scenario: Scenario, **more: Any) -> Play:
    return play(CHAT, {**ASK, "stream": True, **more}, scenario, {})


def chunks(scenario: Scenario, **more: Any) -> list[Json]:
    """The chunks as a client reads them; the last record is `[DONE]`."""
    *records, last = streamed(scenario, **more).body.decode().split("\n\n")[:-1]
    assert last == "data: [DONE]"
    return [msgspec.json.decode(record.removeprefix("data: ")) for record in records]


def deltas(scenario: Scenario, **more: Any) -> list[Json]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(scenario, **more)]


def whole(scenario: Scenario, **more: Any) -> Json:
    return msgspec.json.decode(play(CHAT, {**ASK, **more}, scenario, {}).body, type=Json)


def choice(scenario: Scenario, **more: Any) -> Json:
    (only,) = whole(scenario, **more)["choices"]
    return dict(only)


def names(scenario: Scenario, **more: Any) -> list[str]:
    """What faults call the chunks, each run of one name once."""
    found: list[str] = []
    for frame in streamed(scenario, **more).frames:
        if found[-1:] != [frame.name]:
            found.append(frame.name)
    return found


def test_the_order_of_chunks_is_the_apis() -> None:
    order = ["role", "reasoning", "content", "tool_calls", "finish", "usage", "[DONE]"]
    assert names(script(*SCRIPT), **THINKING, **COUNTED) == order
    assert names(script(*SCRIPT)) == ["role", "content", "tool_calls", "finish", "[DONE]"]


def test_a_chunk_has_the_fields_of_a_real_one(captures: Path) -> None:
    real = (captures / "openai-chat" / "openai-gpt4omini-parallel-tools.sse").read_text("utf-8")
    theirs = [
        msgspec.json.decode(each[6:]) for each in real.split("\n\n")[:-1] if "[DO" not in each
    ]
    ours = chunks(script(call("a", b=1), call("c")), **COUNTED)
    for their, our in ((theirs[0], ours[0]), (theirs[1], ours[1]), (theirs[-2], ours[-2])):
        assert set(their) == set(our)
        assert {*their["choices"][0]} == {*our["choices"][0]}
    assert theirs[1]["choices"][0]["delta"].keys() == ours[1]["choices"][0]["delta"].keys()
    assert set(theirs[-1]) == set(ours[-1])
    assert theirs[-1]["usage"].keys() == ours[-1]["usage"].keys()


def test_the_first_chunk_says_who_speaks_and_only_it() -> None:
    first, *rest = deltas(script(*SCRIPT))
    assert first == {"role": "assistant", "content": "", "refusal": None}
    assert not any("role" in delta for delta in rest)
    first, *_ = deltas(script(call("now")))
    assert first["content"] is None


def test_a_call_begins_with_its_name_and_goes_on_with_fragments() -> None:
    found = [delta["tool_calls"] for delta in deltas(script(*SCRIPT)) if "tool_calls" in delta]
    fragments = [fragment for (fragment,) in found]
    begun = [each for each in fragments if "id" in each]
    assert [each["index"] for each in begun] == [0, 1]
    assert [each["function"] for each in begun] == [
        {"name": "add", "arguments": ""},
        {"name": "now", "arguments": ""},
    ]
    assert all(set(each) == {"index", "function"} for each in fragments if each not in begun)
    for index, value in ((0, {"a": 1, "b": "é"}), (1, {})):
        parts = [each["function"]["arguments"] for each in fragments if each["index"] == index]
        assert msgspec.json.decode("".join(parts)) == value


def test_ids_are_short_and_differ() -> None:
    ids = [each["id"] for each in choice(script(*SCRIPT))["message"]["tool_calls"]]
    assert len(set(ids)) == 2
    assert all(len(each) <= 40 for each in ids)


def test_thinking_is_for_those_who_asked() -> None:
    scenario = script(think("Hm. Well."), redacted(), say("Yes."))
    for effort in ({}, {"reasoning_effort": None}, {"reasoning_effort": "none"}):
        assert "reasoning_content" not in choice(scenario, **effort)["message"]
        assert names(scenario, **effort) == ["role", "content", "finish", "[DONE]"]
    assert choice(scenario, **THINKING)["message"]["reasoning_content"] == "Hm. Well."
    thoughts = [delta.get("reasoning_content", "") for delta in deltas(scenario, **THINKING)]
    assert "".join(thoughts) == "Hm. Well."


def test_usage_is_for_those_who_asked_and_null_before() -> None:
    *before, last = chunks(script(*SCRIPT), **THINKING, **COUNTED)
    assert all(chunk["usage"] is None for chunk in before)
    usage = last["usage"]
    assert last["choices"] == []
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 4
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage == whole(script(*SCRIPT), **THINKING)["usage"]
    assert not any("usage" in chunk for chunk in chunks(script(*SCRIPT)))


def test_padding_hides_the_size_of_a_chunk_unless_it_is_not_wanted() -> None:
    plain = {"stream_options": {"include_obfuscation": False}}
    assert not any("obfuscation" in chunk for chunk in chunks(script(*SCRIPT), **plain))
    padded = chunks(script(say("a bc def")))
    assert len({len(msgspec.json.encode(chunk)) % 16 for chunk in padded[1:-1]}) == 1


FINISHES = [
    (script(say("a")), "stop"),
    (script(say("a"), call("b")), "tool_calls"),
    (script(say("a"), stop="max_tokens"), "length"),
    (script(say("a"), stop="content_filter"), "content_filter"),
    (script(say("a"), stop="stop_sequence"), "stop"),
    (script(say("a"), stop="refusal"), "stop"),
    (script(say("a"), stop="gone_fishing"), "gone_fishing"),
]


@pytest.mark.parametrize(("scenario", "finish"), FINISHES)
def test_a_stop_is_said_in_the_words_of_the_wire(scenario: Scenario, finish: str) -> None:
    *before, last = chunks(scenario)
    assert last["choices"][0]["finish_reason"] == finish
    assert {chunk["choices"][0]["finish_reason"] for chunk in before} == {None}
    assert choice(scenario)["finish_reason"] == finish


def test_a_refusal_is_no_content() -> None:
    scenario = script(say("I cannot do that."), stop="refusal")
    assert deltas(scenario)[0] == {"role": "assistant", "content": None, "refusal": ""}
    assert "".join(each.get("refusal") or "" for each in deltas(scenario)) == "I cannot do that."
    message = choice(scenario)["message"]
    assert (message["content"], message["refusal"]) == (None, "I cannot do that.")


@pytest.mark.parametrize("limit", range(1, 9))
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer(name: str, limit: int) -> None:
    scenario = script(say("a b c"), call("add", a=1))
    full = whole(scenario)["usage"]["completion_tokens"]
    sent = whole(scenario, **{name: limit})
    assert sent["usage"]["completion_tokens"] == min(limit, full)
    assert sent["choices"][0]["finish_reason"] == ("length" if limit < full else "tool_calls")


def test_tokens_are_due_at_their_pace() -> None:
    sent = streamed(script(say("a b c"), ttft=0.5, tokens_per_second=10))
    due = [frame.at_s for frame in sent.frames]
    assert due == pytest.approx([0.5, 0.5, 0.6, 0.7, 0.8, 0.8])


def test_the_same_request_gets_the_same_bytes() -> None:
    assert streamed(script(*SCRIPT)).body == streamed(script(*SCRIPT)).body


def test_the_model_is_what_was_asked_for_unless_the_script_says_otherwise() -> None:
    assert whole(script(say("a")))["model"] == "m"
    assert whole(script(say("a"), model="n"))["model"] == "n"
