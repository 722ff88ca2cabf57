"""Responses: the order of the events, what they add up to, and when each is due."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.simulator import Reply, Scenario, call, redacted, say, think
from midstream.simulator.play import Play
from midstream.simulator.scenario import Block
from midstream.simulator.signatures import is_sealed
from midstream.simulator.wires import RESPONSES, play

Json = dict[str, Any]

ASK: Json = {"model": "m", "input": "Hi"}
THINKING = {"reasoning": {"effort": "low"}}
SUMMARY = {"reasoning": {"effort": "low", "summary": "auto"}}
SCRIPT = [think("Let me see."), say("One two. "), call("add", a=1, b="é"), call("now")]


def script(*blocks: Block, stop: str | None = None, **more: Any) -> Scenario:
    return Scenario(replies=[Reply(blocks, stop=stop)], **more)


def streamed(scenario: Scenario, **more: Any) -> Play:
    return play(RESPONSES, {**ASK, "stream": True, **more}, scenario, {})


def decoded(text: str) -> list[Json]:
    """The events as a client reads them; each one's name is checked against its type."""
    events: list[Json] = []
    for record in text.split("\n\n")[:-1]:
        name, data = record.split("\n")
        event = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def events(scenario: Scenario, **more: Any) -> list[Json]:
    return decoded(streamed(scenario, **more).body.decode())


def whole(scenario: Scenario, **more: Any) -> Json:
    return msgspec.json.decode(play(RESPONSES, {**ASK, **more}, scenario, {}).body, type=Json)


def types(scenario: Scenario, **more: Any) -> list[str]:
    """The events' types without what all begin with, each run of one type once."""
    found: list[str] = []
    for event in events(scenario, **more):
        name = event["type"].removeprefix("response.")
        if found[-1:] != [name]:
            found.append(name)
    return found


OPENING = ["created", "in_progress", "output_item.added"]
SUMMARISED = [
    "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done",
    "reasoning_summary_part.done",
]  # fmt: skip
TEXT = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
CALL = ["function_call_arguments.delta", "function_call_arguments.done"]
BETWEEN = ["output_item.done", "output_item.added"]


def test_the_order_of_events_is_the_apis() -> None:
    assert types(script(*SCRIPT), **SUMMARY) == [
        *OPENING, *SUMMARISED, *BETWEEN, *TEXT, *BETWEEN, *CALL, *BETWEEN, *CALL,
        "output_item.done", "completed",
    ]  # fmt: skip


def test_events_are_numbered_from_zero() -> None:
    numbers = [event["sequence_number"] for event in events(script(*SCRIPT), **SUMMARY)]
    assert numbers == list(range(len(numbers)))


def test_an_event_has_the_fields_of_a_real_one(captures: Path) -> None:
    real = captures / "openai-responses"
    ours = events(script(*SCRIPT), **SUMMARY, stream_options={"include_obfuscation": True})
    for name in ("reasoning-summary-function-gpt5", "text-gpt55"):
        theirs = decoded((real / f"{name}.sse").read_text("utf-8"))
        for event in theirs:
            like = next(each for each in ours if each["type"] == event["type"])
            assert set(event) == set(like), event["type"]
            assert set(event.get("response", {})) <= set(like.get("response", {}))
            assert event.get("part", {}).keys() == like.get("part", {}).keys()
            if "item" in event:
                kind = event["item"]["type"]
                items = [each["item"] for each in ours if each["type"] == event["type"]]
                like = next(each for each in items if each["type"] == kind)
                assert set(event["item"]) - {"phase"} == set(like)


def test_the_end_has_all_that_was_sent() -> None:
    sent = events(script(*SCRIPT), **SUMMARY)
    done = [event["item"] for event in sent if event["type"] == "response.output_item.done"]
    response = sent[-1]["response"]
    assert response["output"] == done
    assert response["status"] == "completed"
    assert response == whole(script(*SCRIPT), **SUMMARY)
    reasoning, message, add, now = done
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert message["content"][0]["text"] == "One two. "
    assert msgspec.json.decode(add["arguments"]) == {"a": 1, "b": "é"}
    assert now["arguments"] == "{}"
    assert {item["status"] for item in done if "status" in item} == {"completed"}


@pytest.mark.parametrize(
    "kind", ["output_text", "function_call_arguments", "reasoning_summary_text"]
)
def test_what_is_done_is_what_the_deltas_add_up_to(kind: str) -> None:
    texts: dict[int, str] = {}
    for event in events(script(*SCRIPT), **SUMMARY):
        at = event.get("output_index", -1)
        if event["type"] == f"response.{kind}.delta":
            texts[at] = texts.get(at, "") + event["delta"]
        elif event["type"] == f"response.{kind}.done":
            assert texts.pop(at) == event.get("text", event.get("arguments"))
    assert texts == {}


def test_thinking_is_for_those_who_asked_and_its_words_for_those_who_asked_for_a_summary() -> None:
    scenario = script(think("Hm."), redacted(), say("Yes."))
    kinds = [item["type"] for item in whole(scenario)["output"]]
    assert kinds == ["message"]
    assert len(whole(scenario, reasoning={"effort": "none"})["output"]) == 1
    first, second, _ = whole(scenario, **THINKING)["output"]
    assert first["type"] == second["type"] == "reasoning"
    assert first["summary"] == second["summary"] == []
    first, second, _ = whole(scenario, **SUMMARY)["output"]
    assert first["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert second["summary"] == []


def test_a_sealed_thought_is_whole_only_when_it_is_done() -> None:
    sent = events(script(*SCRIPT), **THINKING)
    begun, done = [each["item"] for each in sent if each.get("item", {}).get("type") == "reasoning"]
    assert not is_sealed(begun["encrypted_content"])
    assert is_sealed(done["encrypted_content"])


def test_a_thought_that_is_not_shown_takes_its_time_all_the_same() -> None:
    sent = streamed(script(think("a b c"), say("d"), tokens_per_second=10), **THINKING)
    due = {frame.name: frame.at_s for frame in reversed(sent.frames)}
    assert due["response.output_item.added"] == 0.0
    assert due["response.output_item.done"] == pytest.approx(0.3)
    usage = (sent.frames[-1].event or {})["response"]["usage"]
    assert usage["output_tokens_details"]["reasoning_tokens"] == 3


def test_usage_has_its_details() -> None:
    usage = whole(script(*SCRIPT), **THINKING)["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"] == {"reasoning_tokens": 4}
    assert usage["input_tokens_details"]["cached_tokens"] == 0


ENDS: list[tuple[str | None, str, str | None]] = [
    (None, "completed", None),
    ("refusal", "completed", None),
    ("gone_fishing", "completed", None),
    ("max_tokens", "incomplete", "max_output_tokens"),
    ("content_filter", "incomplete", "content_filter"),
]


@pytest.mark.parametrize(("stop", "status", "reason"), ENDS)
def test_a_stop_is_said_in_the_words_of_the_wire(
    stop: str | None, status: str, reason: str | None
) -> None:
    last = events(script(say("a"), stop=stop))[-1]
    details = {"reason": reason} if reason else None
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == details


def test_a_refusal_is_a_part_of_its_own() -> None:
    scenario = script(say("I cannot."), stop="refusal")
    refusal = ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    assert types(scenario) == [*OPENING, *refusal, "output_item.done", "completed"]
    (item,) = whole(scenario)["output"]
    assert item["content"] == [{"type": "refusal", "refusal": "I cannot."}]


def test_a_limit_leaves_the_last_item_incomplete() -> None:
    scenario = script(say("a " * 9), call("add", a="b " * 9))
    full = whole(scenario)["usage"]["output_tokens"]
    sent = whole(scenario, max_output_tokens=16)
    assert sent["usage"]["output_tokens"] == 16 < full
    assert sent["status"] == "incomplete"
    assert [item["status"] for item in sent["output"]] == ["completed", "incomplete"]
    last = events(scenario, max_output_tokens=16)[-1]
    assert last == {**last, "type": "response.incomplete", "response": sent}


def test_ids_say_which_thought_they_need() -> None:
    output = whole(script(think("a"), redacted(), say("b"), call("c")), **THINKING)["output"]
    ids = [item["id"] for item in output]
    assert len(set(ids)) == 4
    assert [each.rpartition("_r")[2] for each in ids[1:3]] == ["0", "1"]
    assert all(len(each) <= 64 for each in ids)


def test_what_was_asked_for_is_repeated() -> None:
    asked = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "store": False,
        "metadata": {"a": "b"},
    }
    response = whole(script(say("a")), **asked)
    assert {name: response[name] for name in asked} == asked


def test_the_same_request_gets_the_same_bytes() -> None:
    assert streamed(script(*SCRIPT)).body == streamed(script(*SCRIPT)).body
