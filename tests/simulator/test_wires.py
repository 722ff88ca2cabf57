"""One scenario, three wires: what is said follows from the conversation, however it is spelled."""

from typing import Any

import httpx2
import pytest

from midstream.simulator import Reply, Scenario, call, load, redacted, say, simulator, think
from midstream.simulator.faults.fault import EVENTS
from midstream.simulator.wires import WIRES, play
from tests.simulator.talks import HEADERS, TALKS, Talk, answered, finished


@pytest.fixture(params=TALKS, ids=lambda kind: kind.__name__)
def talk(request: pytest.FixtureRequest) -> Talk:
    made: Talk = request.param()
    return made


def weather() -> dict[str, list[Any]]:
    return {
        "get_weather": [
            {"city": "Lagos", "temp_c": 31, "conditions": "rain", "wind_kmh": 12},
            {"city": "Oslo", "temp_c": 8, "conditions": "clear", "wind_kmh": 20},
        ],
        "local_time": [{"time": "14:05"}, {"time": "15:05"}],
    }


def test_the_demo_speaks_of_what_the_tools_returned(talk: Talk) -> None:
    talk.ask("What's the weather?")
    said = finished(talk, load("demo"), weather())
    assert "14:05: rain, 31 °C, wind 12 km/h" in said
    assert "15:05: clear, 8 °C, wind 20 km/h" in said
    assert "Warm rain on tin roofs" in said


def test_each_prompt_may_start_the_script_again(talk: Talk) -> None:
    for _ in range(2):
        talk.ask("What's the weather?")
        assert finished(talk, load("demo"), weather()).startswith("I'll ask for both cities")


def test_else_it_goes_on_and_its_end_repeats(talk: Talk) -> None:
    script = Scenario(replies=[Reply([say("one")]), Reply([say("two: {prompt}")])])
    for words in ("one", "two: b", "two: c"):
        talk.ask(words[-1])
        assert finished(talk, script, {}) == words


def test_words_behind_the_results_are_no_new_prompt(talk: Talk) -> None:
    script = Scenario(
        replies=[Reply([call("look", at="{prompt}")]), Reply([say("{look.seen} {prompt}")])],
        each_prompt=True,
    )
    talk.ask("Look.")
    ((call_id, _, arguments),) = talk.calls(answered(talk, script))
    assert arguments == {"at": "Look."}
    talk.result(call_id, {"seen": 3})
    if isinstance(talk, TALKS[0]):  # where they are blocks of one message
        talk.body["messages"][-1]["content"].append({"type": "text", "text": "Faster!"})
    else:
        talk.ask("Faster!")
    assert talk.text(answered(talk, script)) == "3 Faster!"


def test_several_calls_are_answered_in_their_order(talk: Talk) -> None:
    script = Scenario(
        replies=[Reply([say("a"), call("look"), call("look")]), Reply([say("{look[0]}{look[1]}")])]
    )
    talk.ask("Look.")
    assert finished(talk, script, {"look": [1, 2]}) == "a12"


def test_what_was_thought_comes_back_and_is_accepted(talk: Talk) -> None:
    script = Scenario(
        replies=[
            Reply([think("Hm."), redacted(), say("a"), think("So."), call("look"), call("look")]),
            Reply([think("Yes."), say("{look[0]}{look[1]}")]),
        ]
    )
    asked = {"thinking": {"type": "adaptive"}, "reasoning_effort": "low", "reasoning": {}}
    known = ("thinking", "reasoning_effort", "reasoning")
    name = known[TALKS.index(type(talk))]  # type: ignore[arg-type]
    talk.body[name] = asked[name]
    talk.ask("Look.")
    assert finished(talk, script, {"look": [1, 2]}) == "a12"


def test_every_event_has_a_name_that_faults_know() -> None:
    blocks = [think("Hm."), redacted(), say("a"), call("look")]
    bodies: dict[str, dict[str, Any]] = {
        "/v1/messages": {"max_tokens": 99, "thinking": {"type": "adaptive"}, "messages": []},
        "/v1/chat/completions": {
            "messages": [], "reasoning_effort": "low", "stream_options": {"include_usage": True},
        },
        "/v1/responses": {"input": [], "reasoning": {"summary": "auto"}},
    }  # fmt: skip
    names: set[str] = {"end"}
    for path, body in bodies.items():
        for stop in (None, "refusal", "max_tokens"):
            script = Scenario(replies=[Reply(blocks, stop=stop)])
            asked = {"model": "m", "stream": True, **body}
            names |= {frame.name for frame in play(WIRES[path], asked, script, {}).frames}
    assert names == set(EVENTS)


PATHS = ["/v1/messages", "/v1/chat/completions", "/v1/responses"]


@pytest.mark.anyio
async def test_a_simulator_speaks_all_of_them_at_once() -> None:
    async with simulator("hello") as sim, httpx2.AsyncClient(headers=HEADERS) as client:
        asked: list[dict[str, Any]] = []
        for path, make in zip(
            ("/v1/messages", "/v1/chat/completions", "/v1/responses"), TALKS, strict=True
        ):
            talk: Talk = make()
            talk.ask("Hi")
            asked.append(talk.body)
            answer = await client.post(sim.url + path, json=talk.body)
            assert "You said: “Hi”" in talk.text(answer.json())
    assert sim.requests == asked
    assert sim.paths == PATHS


REFUSALS: list[tuple[str, str, dict[str, str], Any, int, str, str]] = [
    ("POST", "/v1/chat/completions", {}, {}, 401, "invalid_request_error", "x-request-id"),
    ("POST", "/v1/chat/completions", HEADERS, {}, 400, "invalid_request_error", "x-request-id"),
    ("GET", "/v1/chat/completions", HEADERS, None, 405, "invalid_request_error", "x-request-id"),
    ("POST", "/v1/responses?a=b", {}, {}, 401, "invalid_request_error", "x-request-id"),
    ("POST", "/v1/responses", HEADERS, {}, 400, "invalid_request_error", "x-request-id"),
    ("POST", "/v1/embeddings", HEADERS, {}, 404, "not_found_error", "request-id"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "kind", "named"), REFUSALS)
async def test_a_refusal_has_the_form_of_its_wire(
    method: str, path: str, headers: dict[str, str], body: Any, status: int, kind: str, named: str
) -> None:
    async with simulator("hello") as sim, httpx2.AsyncClient() as client:
        answer = await client.request(method, sim.url + path, headers=headers, json=body)
    assert answer.status_code == status
    assert answer.headers[named] == "req_sim_000001"
    error = answer.json()["error"]
    assert error["type"] == kind
    assert ({"message", "type", "param", "code"} == set(error)) is (named == "x-request-id")
    assert [refusal.status for refusal in sim.refusals] == [status]
