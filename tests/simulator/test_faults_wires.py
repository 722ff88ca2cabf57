"""Faults on OpenAI's wires: each in the form that the wire gives it."""

import json
import re
from typing import Any

import httpx2
import pytest

from midstream.simulator import Reply, Scenario, call, say, simulator, think, wires
from midstream.simulator.faults import (
    AnyFault,
    Cut,
    Delay,
    Drop,
    Error,
    Flip,
    Gzip,
    Headers,
    Insert,
    Length,
    Lines,
    Move,
    Page,
    Repeat,
    Restart,
    Split,
    Stall,
    Status,
    Stop,
    Truncate,
    struck,
)
from midstream.simulator.play import Frame, Misplaced, Play
from midstream.simulator.wires import CHAT, RESPONSES, Wire

Json = dict[str, Any]

SCRIPT = Scenario(
    replies=[Reply([think("Hm."), say("One two"), call("add", a=1), call("now")])],
    tokens_per_second=10,
)
ASKED: dict[str, Json] = {
    "chat": {
        "model": "m", "messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "low",
        "stream_options": {"include_usage": True},
    },
    "responses": {"model": "m", "input": "Hi", "reasoning": {"effort": "low", "summary": "auto"}},
}  # fmt: skip
SPOKEN: dict[str, Wire] = {"chat": CHAT, "responses": RESPONSES}
SENT = {"x-request-id": "req_1", "date": "Tue, 24 Nov 2026 12:00:00 GMT"}
BOTH = pytest.mark.parametrize("wire", SPOKEN)


def sent(wire: str, *faults: AnyFault, stream: bool = True) -> Play:
    body = {**ASKED[wire], "stream": stream}
    return struck(wires.play(SPOKEN[wire], body, SCRIPT, SENT), faults, 1)


def names(play: Play) -> list[str]:
    return [frame.name.removeprefix("response.") for frame in play.frames]


def events(play: Play) -> list[Json]:
    """What was sent; each event is read from the bytes."""
    found: list[Json] = []
    for frame in play.frames:
        if frame.event is not None:
            data = re.search(rb"^data: (.*)$", frame.data, re.MULTILINE)
            assert data
            assert json.loads(data[1]) == frame.event
            found.append(frame.event)
    return found


CHAT_NAMES = [
    "role", "reasoning", "reasoning", "content", "content",
    *["tool_calls"] * 6, *["tool_calls"] * 2, "finish", "usage", "[DONE]",
]  # fmt: skip


def test_without_a_fault_an_answer_is_itself() -> None:
    assert names(sent("chat")) == CHAT_NAMES
    assert len(names(sent("responses"))) == 29
    assert names(sent("responses"))[-1] == "completed"


# -- the kit -----------------------------------------------------------------------------------

EVERY: list[AnyFault] = [
    Cut(), Cut(byte=10), Cut(event=3), Cut(event="end"), Stall(event=2, ping_s=1.0), Delay(1.0),
    Delay(1.0, event=4), Drop(2), Repeat(1), Move(1, to="end"), Restart(3), Error(), Error(-1),
    Error("end"), Truncate(), Truncate(call=1, keep=0, close=False), Stop(), Stop("odd"),
    Stop(missing=True), Flip(3), Insert("x", byte=4), Insert(": x\n\n", event=2), Split(size=7),
    Lines(ends="crlf", bom=True), Gzip(), Gzip(broken=True), Status(529), Page(), Length(3),
    Headers({"a": "b"}),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("fault", EVERY, ids=repr)
def test_every_fault_is_there_on_every_wire(wire: str, fault: AnyFault) -> None:
    plain, struck_by = sent(wire), sent(wire, fault)
    assert struck_by.faults == (type(fault).__name__.lower(),)
    assert struck_by != plain
    times = [frame.at_s for frame in struck_by.frames]
    assert times == sorted(times)


@BOTH
@pytest.mark.parametrize("name", ["ping", "message_start", "message_delta"])
def test_an_event_of_another_wire_is_misplaced(wire: str, name: str) -> None:
    with pytest.raises(Misplaced, match=f"there is no event '{name}': this answer has"):
        sent(wire, Drop(name))


def test_events_are_struck_by_their_names() -> None:
    assert names(sent("chat", Drop("role"))) == CHAT_NAMES[1:]
    assert names(sent("chat", Cut(event="finish"))) == CHAT_NAMES[:-3]
    assert names(sent("chat", Drop("[DONE]"))) == CHAT_NAMES[:-1]
    assert names(sent("chat", Repeat("usage"))) == [*CHAT_NAMES[:-1], "usage", "[DONE]"]
    moved = names(sent("responses", Move("response.completed", to="response.created")))
    assert moved[:2] == ["completed", "created"]


@BOTH
@pytest.mark.parametrize("fault", [Error(), Stop(), Truncate(), Restart(1)], ids=repr)
def test_a_fault_of_the_stream_in_an_answer_that_is_none_is_misplaced(
    wire: str, fault: AnyFault
) -> None:
    with pytest.raises(Misplaced):
        sent(wire, fault, stream=False)


# -- error -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [1, 5, "finish", -1, "end"])
def test_an_error_on_chat_is_a_chunk_and_the_last(place: int | str) -> None:
    play = sent("chat", Error(place, "rate_limit_error", "Slow.", code="rate_limit_exceeded"))
    assert events(play)[-1] == {
        "error": {
            "message": "Slow.", "type": "rate_limit_error", "param": None,
            "code": "rate_limit_exceeded",
        }
    }  # fmt: skip
    assert names(play)[:-1] == CHAT_NAMES[: len(play.frames) - 1]


@pytest.mark.parametrize("place", [1, 5, "response.completed"])
def test_an_error_on_responses_is_told_twice_and_is_the_last(place: int | str) -> None:
    plain, play = sent("responses"), sent("responses", Error(place, message="Sorry."))
    *before, error, failed = events(play)
    assert before == events(plain)[: len(before)]
    assert error["type"] == "error"
    assert error["error"]["message"] == "Sorry."
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "Sorry."}
    numbers = [event["sequence_number"] for event in events(play)]
    assert numbers == list(range(len(numbers)))
    if before:
        assert failed["response"]["id"] == before[0]["response"]["id"]


# -- truncate ----------------------------------------------------------------------------------


def arguments(play: Play) -> str:
    return "".join(play.wire.fragment(event, _first(play)) or "" for event in events(play))


def _first(play: Play) -> int:
    calls = [play.wire.called(event) for event in events(play)]
    return next(each for each in calls if each is not None)


@BOTH
@pytest.mark.parametrize("keep", range(8))
def test_arguments_are_cut_at_a_character(wire: str, keep: int) -> None:
    assert arguments(sent(wire)) == '{"a": 1}'
    assert arguments(sent(wire, Truncate(keep=keep))) == '{"a": 1}'[:keep]


def test_on_chat_the_later_fragments_are_missing() -> None:
    for close in (True, False):
        play = sent("chat", Truncate(keep=2, close=close))
        assert names(play) == [*CHAT_NAMES[:7], *CHAT_NAMES[11:]]


def test_on_responses_the_cut_arguments_are_told_to_the_end() -> None:
    told = [
        event.get("arguments", event.get("item", {}).get("arguments"))
        for event in events(sent("responses", Truncate(keep=4)))
        if event["type"].endswith(".done") and event["output_index"] == 2
    ]
    assert told == ['{"a"', '{"a"']
    response = events(sent("responses", Truncate(keep=4)))[-1]["response"]
    assert [item.get("arguments") for item in response["output"]] == [None, None, '{"a"', "{}"]


def test_on_responses_a_call_without_its_end_has_neither_of_its_two() -> None:
    plain, play = sent("responses"), sent("responses", Truncate(call=2, keep=0, close=False))
    ends = {"function_call_arguments.done", "output_item.done"}
    left = [event for event in events(play) if event.get("output_index") == 3]
    assert [event["type"] for event in left] == ["response.output_item.added"]
    assert len(plain.frames) - len(play.frames) == len(ends) + 1


def test_a_call_that_is_not_there_cannot_be_cut() -> None:
    for wire in SPOKEN:
        with pytest.raises(Misplaced, match="there is no call 3: this answer has 2"):
            sent(wire, Truncate(call=3))


# -- stop and restart --------------------------------------------------------------------------


def finish(play: Play) -> Json:
    last = next(frame for frame in play.frames if frame.name == "finish").event or {}
    return dict(last["choices"][0])


def test_a_stop_on_chat_is_another_finish_reason() -> None:
    assert finish(sent("chat", Stop("gone_fishing")))["finish_reason"] == "gone_fishing"
    assert finish(sent("chat", Stop()))["finish_reason"] is None
    assert "finish_reason" not in finish(sent("chat", Stop(missing=True)))


@pytest.mark.parametrize(
    ("fault", "details"),
    [
        (Stop("gone_fishing"), {"reason": "gone_fishing"}),
        (Stop(), {"reason": None}),
        (Stop(missing=True), {}),
    ],
)
def test_a_stop_on_responses_is_a_reason_to_be_incomplete(fault: Stop, details: Json) -> None:
    last = events(sent("responses", fault))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == details


@BOTH
def test_a_restart_has_another_id(wire: str) -> None:
    plain, play = sent(wire), sent(wire, Restart(5))
    assert names(play) == names(plain)[:4] + names(plain)
    ids = [event.get("id") or event.get("response", {}).get("id") for event in events(play)]
    first = ids[0]
    assert first
    assert set(ids[:4]) - {None} == {first}
    assert set(ids[4:]) - {None} == {f"{first}_again"}


# -- the whole answer --------------------------------------------------------------------------

STATUSES: list[tuple[Status, str, str | None]] = [
    (Status(400), "invalid_request_error", None),
    (Status(401), "invalid_request_error", "invalid_api_key"),
    (Status(429), "requests", "rate_limit_exceeded"),
    (Status(429, type="insufficient_quota", code="insufficient_quota"), "insufficient_quota",
     "insufficient_quota"),
    (Status(429, code="slow_down"), "requests", "slow_down"),
    (Status(500), "server_error", None),
    (Status(503, type="odd"), "odd", None),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("fault", "kind", "code"), STATUSES)
def test_a_status_has_the_error_of_its_wire(
    wire: str, fault: Status, kind: str, code: str | None
) -> None:
    play = sent(wire, fault)
    assert play.status == fault.status
    error = {"message": "The scenario says so.", "type": kind, "param": None, "code": code}
    assert json.loads(play.body) == {"error": error}


@BOTH
def test_bytes_are_struck_as_anywhere(wire: str) -> None:
    body = sent(wire).body
    assert sent(wire, Cut(byte=100)).body == body[:100]
    assert sent(wire, Split(size=1)).body == body
    assert sent(wire, Lines(ends="cr")).body == body.replace(b"\n", b"\r")
    assert sent(wire, Flip(0)).body[:1] == bytes([body[0] ^ 0xFF])


@BOTH
def test_every_frame_of_the_stream_is_a_record(wire: str) -> None:
    frames: list[Frame] = list(sent(wire).frames)
    assert all(frame.data.endswith(b"\n\n") for frame in frames)
    assert all(frame.data.count(b"\n\n") == 1 for frame in frames)
    assert all(frame.data.startswith(b"event: ") is (wire == "responses") for frame in frames)


@pytest.mark.anyio
@BOTH
async def test_a_stall_is_full_of_comments(wire: str) -> None:
    paths = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
    script = Scenario(replies=SCRIPT.replies, faults=[Stall(event=1, ping_s=0.001)])
    async with simulator(script) as sim, httpx2.AsyncClient() as client:
        async with client.stream(
            "POST", sim.url + paths[wire], json={**ASKED[wire], "stream": True},
            headers={"authorization": "Bearer k"}, timeout=5,
        ) as answer:  # fmt: skip
            chunks = answer.aiter_raw()
            pings = [await anext(chunks) for _ in range(3)]
            await chunks.aclose()
    assert set(pings) == {b": keep-alive\n\n"}
