"""The wire: the order of events, what they add up to, and when each is due."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.simulator import Reply, Scenario, call, load, redacted, say, think, wires
from midstream.simulator.answer import Answer, pieces
from midstream.simulator.caching import PromptCache
from midstream.simulator.play import Frame
from midstream.simulator.scenario import Block
from midstream.simulator.wires import MESSAGES

Json = dict[str, Any]

ASK: Json = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
THINKING = {"thinking": {"type": "adaptive"}}


def script(*blocks: Block, **more: Any) -> Scenario:
    return Scenario(replies=[Reply(blocks)], **more)


def answer(body: Json, scenario: Scenario) -> Answer:
    return wires.answered(MESSAGES, body, scenario, PromptCache())


def frames(sent: Answer, scenario: Scenario) -> list[Frame]:
    return wires.frames(MESSAGES, MESSAGES.steps(sent, {}), scenario)


def message(sent: Answer) -> Json:
    return MESSAGES.message(sent, {})


def events(scenario: Scenario, **more: Any) -> list[Json]:
    """The events as a client reads them; each one's name is checked against its type."""
    decoded: list[Json] = []
    for frame in frames(answer({**ASK, **more}, scenario), scenario):
        name, data = frame.data.decode().removesuffix("\n\n").split("\n")
        event = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        decoded.append(event)
    return decoded


def types(scenario: Scenario, **more: Any) -> list[str]:
    names: list[str] = []
    for event in events(scenario, **more):
        name = event.get("delta", {}).get("type", event["type"])
        if names[-1:] != [name]:
            names.append(name)
    return names


def test_the_order_of_events_is_the_apis() -> None:
    scenario = script(think("Let me see."), say("One two three."), call("add", a=1))
    assert types(scenario, **THINKING) == [
        "message_start",
        "content_block_start", "ping", "thinking_delta", "signature_delta", "content_block_stop",
        "content_block_start", "text_delta", "content_block_stop",
        "content_block_start", "input_json_delta", "content_block_stop",
        "message_delta",
        "message_stop",
    ]  # fmt: skip


def test_thinking_is_for_those_who_asked() -> None:
    scenario = script(think("Hm."), redacted(), say("Yes."))
    assert message(answer(ASK, scenario))["content"] == [{"type": "text", "text": "Yes."}]
    disabled = {**ASK, "thinking": {"type": "disabled"}}
    assert len(message(answer(disabled, scenario))["content"]) == 1
    asked = message(answer({**ASK, **THINKING}, scenario))
    kinds = [block["type"] for block in asked["content"]]
    assert kinds == ["thinking", "redacted_thinking", "text"]
    assert asked["usage"]["output_tokens_details"] == {"thinking_tokens": 2}


def test_thinking_may_be_hidden_and_still_signed() -> None:
    hidden = {"thinking": {"type": "adaptive", "display": "omitted"}}
    seen = types(script(think("Hm.")), **hidden)
    assert "signature_delta" in seen
    assert "thinking_delta" not in seen


def test_an_input_starts_with_an_empty_fragment() -> None:
    def fragments(block: Block) -> list[str]:
        deltas = [event["delta"] for event in events(script(block)) if "delta" in event]
        return [delta["partial_json"] for delta in deltas if "partial_json" in delta]

    assert fragments(call("now")) == [""]
    first, *rest = fragments(call("add", a=1, b='é "quoted" \n'))
    assert first == ""
    assert len(rest) > 3
    assert msgspec.json.decode("".join(rest)) == {"a": 1, "b": 'é "quoted" \n'}


def test_text_is_raw_utf8() -> None:
    scenario = script(say("Größe 東京 🙂"))
    raw = b"".join(frame.data for frame in frames(answer(ASK, scenario), scenario))
    assert "東京".encode() in raw
    assert b"\\u" not in raw


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_piece_is_about_four_characters() -> None:
    text = "It lies on the Gulf of Guinea, so I expect warm, heavy air whatever the sky does."
    assert 3 <= len(text) / len(pieces(text)) <= 5


def test_usage_is_cumulative_and_estimated() -> None:
    start, *_, end, _ = events(script(say("One two three four.")))
    assert start["message"]["usage"]["output_tokens"] == 1
    assert end["usage"]["output_tokens"] == 5
    assert end["usage"]["input_tokens"] == start["message"]["usage"]["input_tokens"] > 0


# -- time --------------------------------------------------------------------------------------


def due(scenario: Scenario) -> list[float]:
    return [frame.at_s for frame in frames(answer(ASK, scenario), scenario)]


def test_tokens_are_due_at_their_pace() -> None:
    scenario = script(say("a b c d"), ttft=0.5, tokens_per_second=10)
    start_and_pings, tokens, end = due(scenario)[:3], due(scenario)[3:7], due(scenario)[7:]
    assert start_and_pings == [0.5] * 3
    assert tokens == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert end == pytest.approx([0.9] * 3)


def test_without_a_pace_everything_is_due_at_once() -> None:
    assert set(due(script(say("a b c d")))) == {0.0}


def test_the_demo_talks_for_about_three_seconds_while_its_tools_run() -> None:
    scenario = load("demo")
    starts = [
        frame.at_s
        for frame in frames(answer(ASK, scenario), scenario)
        if b'"tool_use"' in frame.data and b"block_start" in frame.data
    ]
    assert 2.5 < due(scenario)[-1] < 3.5
    assert len(starts) == 4
    assert starts[0] < 1.0


# -- the demo's second answer ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lagos", "oslo", "words"),
    [
        ("light rain", "snow", "Wet at both ends now"),
        ("light rain", "clear", "Warm rain on tin roofs"),
        ("hot", "sleet", "Wet roofs by the fjord"),
        ("hot", "clear", "No rain, north or south"),
    ],
)
def test_the_demo_speaks_of_what_the_tools_returned(lagos: str, oslo: str, words: str) -> None:
    scenario = load("demo")
    first = message(answer(ASK, scenario))["content"]
    uses = [block for block in first if block["type"] == "tool_use"]
    outputs: dict[str, list[Json]] = {
        "get_weather": [
            {"city": "Lagos", "temp_c": 31, "conditions": lagos, "wind_kmh": 12},
            {"city": "Oslo", "temp_c": 8, "conditions": oslo, "wind_kmh": 20},
        ],
        "local_time": [{"time": "14:05"}, {"time": "15:05"}],
    }
    results = [
        {
            "type": "tool_result",
            "tool_use_id": use["id"],
            "content": msgspec.json.encode(outputs[use["name"]].pop(0)).decode(),
        }
        for use in uses
    ]
    talk = [
        *ASK["messages"],
        {"role": "assistant", "content": first},
        {"role": "user", "content": results},
    ]
    second = message(answer({**ASK, "messages": talk}, scenario))["content"]
    text = "".join(block["text"] for block in second)
    assert words in text
    assert f"14:05: {lagos}, 31 °C, wind 12 km/h" in text
    assert f"15:05: {oslo}, 8 °C, wind 20 km/h" in text
    assert "?" not in text


# -- ids and limits ----------------------------------------------------------------------------


def test_the_same_request_gets_the_same_answer() -> None:
    scenario = script(say("a"), call("b"), call("b"))
    assert answer(ASK, scenario) == answer(ASK, scenario)


def test_ids_differ_within_an_answer_and_between_conversations() -> None:
    scenario = script(call("a"), call("a"))
    other = {**ASK, "messages": [{"role": "user", "content": "Ho"}]}
    answers = answer(ASK, scenario), answer(other, scenario)
    ids = [block["id"] for sent in answers for block in message(sent)["content"]]
    assert len(set(ids)) == 4
    assert all(tool_id.startswith("toolu_sim_") for tool_id in ids)


@pytest.mark.parametrize("limit", range(12))
def test_max_tokens_cuts_the_answer(limit: int) -> None:
    scenario = script(say("a b c"), call("add", a=1), say("d"))
    whole = message(answer(ASK, scenario))
    sent = answer({**ASK, "max_tokens": limit}, scenario)
    cut = limit < whole["usage"]["output_tokens"]
    assert sent.output_tokens == min(limit, whole["usage"]["output_tokens"])
    assert sent.stop == ("max_tokens" if cut else "tool_use")
    assert (message(sent) == whole) is not cut


def test_the_model_is_what_was_asked_for_unless_the_script_says_otherwise() -> None:
    assert answer(ASK, script(say("a"))).model == "m"
    assert answer(ASK, script(say("a"), model="n")).model == "n"


def test_a_refusal_says_so() -> None:
    scenario = Scenario(replies=[Reply([], stop="refusal")])
    assert message(answer(ASK, scenario))["stop_details"]["type"] == "refusal"
