"""Scenarios: which reply is next, what fills its placeholders, what is wrong with a file."""

import math
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from midstream.errors import ConfigurationError
from midstream.simulator import Reply, Scenario, call, load, redacted, say, think
from midstream.simulator.facts import read, since_prompt
from midstream.simulator.scenario import Block

Json = dict[str, Any]

ASK: Json = {"role": "user", "content": "What's up?"}
LAGOS = '{"city": "Lagos", "temp_c": 31, "conditions": "light rain", "days": [30, 29], "wet": true}'
OSLO = '{"city": "Oslo", "temp_c": -2.5, "conditions": "Clear", "days": [], "wet": false}'


def called(*results: str | list[Json], before: str = "") -> list[Json]:
    """A message that calls the weather as often as there are results, and the results."""
    uses = [
        {"type": "tool_use", "id": f"c{before}{n}", "name": "weather", "input": {}}
        for n in range(len(results))
    ]
    answers = [
        {"type": "tool_result", "tool_use_id": f"c{before}{n}", "content": content}
        for n, content in enumerate(results)
    ]
    return [{"role": "assistant", "content": uses}, {"role": "user", "content": answers}]


WEATHER = read([ASK, *called(LAGOS, OSLO)])


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{prompt}", "What's up?"),
        ("{weather.city} {weather[0].city} {weather[1].city}", "Oslo Lagos Oslo"),
        ("{weather[0].temp_c} °C, {weather.temp_c} °C", "31 °C, -2.5 °C"),
        ("{weather[0].days[1]} {weather[0].days.0}", "29 30"),
        ("{weather[0].days} {weather[0].wet}", "[30,29] true"),
        ("{weather[2].city} {weather.rain} {weather.city.x} {weather.days[0]}", "? ? ? ?"),
        ("{weather[0].days.first} {other} {prompt.x}", "? ? ?"),
        ('{"a": 1} {} {a b} {weather', '{"a": 1} {} {a b} {weather'),
    ],
)
def test_placeholders_are_filled_from_the_conversation(template: str, filled: str) -> None:
    assert WEATHER.fill(template) == filled


def test_the_prompt_is_what_was_said_last() -> None:
    texts = [{"type": "text", "text": words} for words in ("go", "go2")]
    assert read([{"role": "user", "content": texts}]).prompt == "go2"


def test_a_result_may_be_text_or_blocks_or_nothing() -> None:
    blocks = [{"type": "text", "text": '{"city": '}, {"type": "text", "text": '"Bergen"}'}]
    facts = read([ASK, *called("it rains", blocks, [])])
    assert facts.fill("{weather[0]}; {weather[1].city}; {weather[2]}; {weather[0].city}") == (
        "it rains; Bergen; ; ?"
    )


def test_a_result_nested_too_deep_is_text() -> None:
    assert read([ASK, *called("[" * 100_000)]).words("weather").startswith("[[[")


def test_a_call_keeps_the_type_of_what_fills_it() -> None:
    arguments = {"t": "{weather.temp_c}", "s": "{weather.temp_c}!", "l": ["{weather.days}", 1]}
    assert WEATHER.fill_in(arguments) == {"t": -2.5, "s": "-2.5!", "l": [[], 1]}
    assert WEATHER.fill_in("{weather.rain}") == "?"


def test_a_place_that_is_none_has_no_value() -> None:
    assert WEATHER.value("what is this") is UNSET


# -- which reply -------------------------------------------------------------------------------

SCRIPT = [Reply([say("one")]), Reply([say("two")]), Reply([say("three")])]
SAID: Json = {"role": "assistant", "content": "Hm."}


def spoken(scenario: Scenario, messages: list[Json]) -> str | None:
    return scenario.reply(scenario.facts(messages)).blocks[0].text


def test_replies_come_in_order_and_the_last_repeats() -> None:
    scenario = Scenario(replies=SCRIPT)
    talk = [ASK]
    for words in ("one", "two", "three", "three"):
        assert spoken(scenario, talk) == words
        talk += [SAID, ASK]


def test_each_prompt_may_start_the_script_again() -> None:
    scenario = Scenario(replies=SCRIPT, each_prompt=True)
    assert spoken(scenario, [ASK, SAID, ASK]) == "one"
    assert spoken(scenario, [ASK, SAID, ASK, *called(LAGOS)]) == "two"


def test_text_beside_tool_results_is_no_new_prompt() -> None:
    scenario = Scenario(replies=SCRIPT, each_prompt=True)
    use, results = called(LAGOS)
    steered = {**results, "content": [*results["content"], {"type": "text", "text": "Faster!"}]}
    assert spoken(scenario, [ASK, use, steered]) == "two"
    assert scenario.facts([ASK, use, steered]).prompt == "Faster!"


def test_only_results_since_the_prompt_count_if_each_prompt_starts_again() -> None:
    talk = [ASK, *called(LAGOS), SAID, ASK, *called(OSLO, before="later")]
    assert read(since_prompt(talk)).fill("{weather[0].city}") == "Oslo"
    assert read(talk).fill("{weather[0].city}") == "Lagos"


REACTING = Scenario(
    replies=[
        Reply([say("look")]),
        Reply([say("wet")], when={"weather.conditions": ["snow", "RAIN"]}),
        Reply([say("night")], when={"weather.conditions": "clear", "prompt": "tonight"}),
        Reply([say("dry")]),
        Reply([say("bye")]),
    ]
)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([ASK], "look"),
        ([ASK, *called(LAGOS)], "wet"),
        ([{"role": "user", "content": "And tonight?"}, *called(OSLO)], "night"),
        ([ASK, *called(OSLO)], "dry"),
        ([ASK, *called("no idea")], "dry"),
        ([ASK, *called(LAGOS), SAID, ASK], "bye"),
    ],
)
def test_a_scenario_reacts_to_what_tools_return(messages: list[Json], words: str) -> None:
    assert spoken(REACTING, messages) == words


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply([say("a")]), "end_turn"),
        (Reply([say("a"), call("weather", city="Lagos")]), "tool_use"),
        (Reply([call("weather")], stop="max_tokens"), "max_tokens"),
        (Reply([think("a"), redacted()]), "end_turn"),
    ],
)
def test_the_stop_reason_follows_from_the_blocks(reply: Reply, reason: str) -> None:
    assert reply.stop_reason == reason


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bench", "demo", "hello", "rough"])
def test_shipped_scenarios_load(name: str) -> None:
    scenario = load(name)
    assert scenario.about
    assert scenario.ttft > 0


def test_hello_quotes_the_prompt_and_says_what_it_is() -> None:
    scenario = load("hello")
    facts = scenario.facts([ASK])
    answer = facts.fill(scenario.reply(facts).blocks[0].text or "")
    for words in ("simulator", "scripted", "“What's up?”", "ANTHROPIC_API_KEY", "midstream demo"):
        assert words in answer


REPLY = "[[reply]]\nblocks = []"


def test_a_file_loads_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    blocks = '{ call = "add", input = { a = 1 } }, { redacted = true }'
    file.write_text(f"[[reply]]\nblocks = [{blocks}]")
    assert load(file).replies == [Reply([call("add", a=1), redacted()])]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("about = ''\n= 1", "line 2"),
        ("", "missing required field `reply`"),
        ("reply = []", "a scenario needs a reply"),
        ("speed = 3\n[[reply]]\nblocks = []", "unknown field `speed`"),
        *((f"ttft = {s}\n{REPLY}", "`ttft` is a time to wait") for s in ("-1", "nan", "inf")),
        *(
            (f"tokens_per_second = {pace}\n{REPLY}", "`tokens_per_second` is 0 (as fast as can be)")
            for pace in ("nan", "inf", "-1", "1e-300")
        ),
        (f"ttft = 1{'0' * 400}\n{REPLY}", "out of range"),
        (f"ttft = 1{'0' * 5000}\n{REPLY}", "digits"),
        (f"x = {'[' * 5000}{']' * 5000}", "nested too deep"),
        ("[[reply]]\nblocks = [{ txt = 'a' }]", "unknown field `txt` - at `$.reply[0].blocks[0]`"),
        ("[[reply]]\nblocks = [{}]", "one of text, thinking, call and redacted"),
        ("[[reply]]\nblocks = [{ text = 'a', call = 'b' }]", "$.reply[0].blocks[0]"),
        ("[[reply]]\nblocks = [{ text = 'a', input = {} }]", "`input` belongs to a call"),
        ("[[reply]]\nblocks = []\nwhen = { prompt = 'x' }", "the last reply must be one without"),
        ("[[reply]]\nblocks = []\nwhen = { 'a b' = 'x' }", "'a b' in `when` is not"),
    ],
)
def test_a_bad_file_is_one_line_with_file_and_place(tmp_path: Path, toml: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(toml)
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"ttft": math.nan}, {"tokens_per_second": 1e-300}])
def test_a_pace_that_cannot_be_kept_is_refused_in_python_too(settings: Json) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Scenario(replies=SCRIPT, **settings)


def test_a_file_that_is_not_text_is_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"about = '\xff'")
    with pytest.raises(ConfigurationError, match=r"mine\.toml: "):
        load(tmp_path / "mine.toml")


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'hullo'.*\(bench, demo, hello, rough\)"):
        load("hullo")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"none/mine\.toml: No such file"):
        load("none/mine.toml")


def test_a_block_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="one of"):
        Block()
