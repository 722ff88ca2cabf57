"""Each fault, as a change to an answer: what is sent, when, and how it ends. No sockets."""

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.errors import ConfigurationError
from midstream.simulator import Reply, Scenario, call, load, say, wires
from midstream.simulator.faults import (
    KINDS,
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
from midstream.simulator.play import End, Frame, Misplaced, Play

Json = dict[str, Any]

ASK: Json = {
    "model": "m", "max_tokens": 100, "stream": True,
    "messages": [{"role": "user", "content": "Hi"}],
}  # fmt: skip
SENT = {"request-id": "req_1", "date": "Tue, 24 Nov 2026 12:00:00 GMT"}
WORDS = [
    "start", "0{", "ping", "One", " two", "}0", "1{", "", '{"', "a", '":', " 1", "}", "}1",
    "why tool_use", "stop",
]  # fmt: skip


def play(*faults: AnyFault, **more: Any) -> Play:
    scenario = Scenario(replies=[Reply([say("One two"), call("add", a=1)])], tokens_per_second=10)
    return struck(wires.play(wires.MESSAGES, {**ASK, **more}, scenario, SENT), faults, 1)


def words(sent: Play) -> list[str]:
    """One word for each frame: what it says, or its bytes."""
    return [_word(frame) for frame in sent.frames]


def _word(frame: Frame) -> str:
    match frame.event:
        case {"type": "message_start", "message": {"id": str(message_id)}}:
            return "again" if message_id.endswith("_again") else "start"
        case {"type": "content_block_start", "index": int(index)}:
            return f"{index}{{"
        case {"type": "content_block_stop", "index": int(index)}:
            return f"}}{index}"
        case {"delta": {"text": str(text)} | {"partial_json": str(text)}}:
            return text
        case {"type": "message_delta", "delta": dict(delta)}:
            return f"why {delta.get('stop_reason', 'not')}"
        case {"type": "message_stop"}:
            return "stop"
        case {"type": "error", "error": {"type": str(kind)}}:
            return kind
        case {"type": str(kind)}:
            return kind
        case _:
            return frame.data.decode()


def test_without_a_fault_the_answer_is_itself() -> None:
    sent = play()
    assert words(sent) == WORDS
    assert (sent.status, sent.end, sent.length, sent.head_s) == (200, End.FINISH, None, 0.0)


# -- events ------------------------------------------------------------------------------------


def but(*changes: tuple[str, str | None]) -> list[str]:
    """The answer's words with some replaced, or left out where the new one is None."""
    changed = dict(changes)
    return [new for word in WORDS if (new := changed.get(word, word)) is not None]


EVENTS: list[tuple[AnyFault, list[str]]] = [
    (Drop("ping"), but(("ping", None))),
    (Drop(1), WORDS[1:]),
    (Drop(-1), WORDS[:-1]),
    (Drop(-2, count=2), WORDS[:-2]),
    (Drop("content_block_stop"), but(("}0", None))),
    (Repeat(1), ["start", *WORDS]),
    (Repeat("message_start", to=4), [*WORDS[:3], "start", *WORDS[3:]]),
    (Repeat(-1, to="end"), [*WORDS, "stop"]),
    (Repeat("message_stop", to=1), ["stop", *WORDS]),
    (Move(4, to=6), ["start", "0{", "ping", " two", "One", *WORDS[5:]]),
    (Move(5, to=4), ["start", "0{", "ping", " two", "One", *WORDS[5:]]),
    (Move(1, to="end"), [*WORDS[1:], "start"]),
    (Move("message_stop", to="message_delta"), [*WORDS[:-2], "stop", "why tool_use"]),
    (Restart(5), [*WORDS[:4], "again", *WORDS[1:]]),
    (Restart("end"), [*WORDS, "again", *WORDS[1:]]),
    (Error(), ["overloaded_error"]),
    (Error(5, "api_error"), [*WORDS[:4], "api_error"]),
    (Error(-1), [*WORDS[:-1], "overloaded_error"]),
    (Error("end", "odd_error"), [*WORDS, "odd_error"]),
    (Truncate(), but(('":', '"'), (" 1", None), ("}", None))),
    (Truncate(keep=0), but(('{"', None), ("a", None), ('":', None), (" 1", None), ("}", None))),
    (Truncate(keep=7, close=False), but(("}", None), ("}1", None))),
    (Stop("gone_fishing"), but(("why tool_use", "why gone_fishing"))),
    (Stop(), but(("why tool_use", "why None"))),
    (Stop(missing=True), but(("why tool_use", "why not"))),
    (Insert(": hello\n\n", event=2), ["start", ": hello\n\n", *WORDS[1:]]),
]


@pytest.mark.parametrize(("fault", "said"), EVENTS, ids=[repr(fault) for fault, _ in EVENTS])
def test_what_a_fault_makes_of_the_events(fault: AnyFault, said: list[str]) -> None:
    sent = play(fault)
    assert words(sent) == said
    assert sent.end is End.FINISH
    times = [frame.at_s for frame in sent.frames]
    assert times == sorted(times)


def test_changed_events_are_sent_as_they_are_told() -> None:
    for fault, _ in EVENTS:
        for frame in play(fault).frames:
            if frame.event:
                assert frame.data.startswith(f"event: {frame.event['type']}\ndata: ".encode())
                assert json.loads(frame.data.split(b"data: ")[1]) == frame.event


def test_an_error_in_the_stream_has_the_requests_id() -> None:
    assert play(Error(message="Busy.")).frames[0].event == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Busy."},
        "request_id": "req_1",
    }


# -- time and the end --------------------------------------------------------------------------

BODY = play().body
ENDINGS: list[tuple[AnyFault, int | None, bytes, End]] = [
    (Cut(), None, b"", End.CLOSE),
    (Cut(reset=True), None, b"", End.RESET),
    (Cut(byte=0), 200, b"", End.CLOSE),
    (Cut(byte=100), 200, BODY[:100], End.CLOSE),
    (Cut(byte=-1), 200, BODY[:-1], End.CLOSE),
    (Cut(byte=len(BODY)), 200, BODY, End.CLOSE),
    (Cut(event=1), 200, b"", End.CLOSE),
    (Cut(event=2, reset=True), 200, play().frames[0].data, End.RESET),
    (Cut(event="end"), 200, BODY, End.CLOSE),
    (Stall(), None, b"", End.STALL),
    (Stall(byte=100), 200, BODY[:100], End.STALL),
    (Stall(event="message_stop", ping_s=0.5), 200, BODY[: BODY.rindex(b"event:")], End.STALL),
]


@pytest.mark.parametrize(
    ("fault", "status", "body", "end"), ENDINGS, ids=[repr(each[0]) for each in ENDINGS]
)
def test_how_an_answer_ends(fault: AnyFault, status: int | None, body: bytes, end: End) -> None:
    sent = play(fault)
    assert (sent.status, sent.body, sent.end) == (status, body, end)
    assert sent.ping_s == (fault.ping_s if isinstance(fault, Stall) else 0.0)


def test_every_byte_can_be_the_last() -> None:
    for size in range(len(BODY) + 1):
        assert play(Cut(byte=size)).body == BODY[:size]


def test_a_delay_before_the_headers_delays_everything() -> None:
    sent, plain = play(Delay(2.0)), play()
    assert sent.head_s == 2.0
    assert [frame.at_s - 2.0 for frame in sent.frames] == pytest.approx(
        [frame.at_s for frame in plain.frames]
    )


def test_a_delay_before_an_event_delays_what_follows() -> None:
    sent, plain = play(Delay(2.0, event=5)), play()
    late = [late.at_s - due.at_s for late, due in zip(sent.frames, plain.frames, strict=True)]
    assert late == pytest.approx([0.0] * 4 + [2.0] * (len(WORDS) - 4))
    assert sent.head_s == 0.0


# -- bytes -------------------------------------------------------------------------------------


def test_a_flipped_byte_is_the_only_one_that_changes() -> None:
    for place in (0, 100, len(BODY) - 1):
        body = play(Flip(place)).body
        assert body[place] == BODY[place] ^ 0xFF
        assert (body[:place], body[place + 1 :]) == (BODY[:place], BODY[place + 1 :])
    assert play(Flip(-1)).body == play(Flip(len(BODY) - 1)).body


def test_text_can_be_inserted_at_every_byte() -> None:
    for place in range(len(BODY) + 1):
        assert play(Insert("é", byte=place)).body == BODY[:place] + "é".encode() + BODY[place:]
    assert play(Insert("x", byte=-1)).body == BODY[:-1] + b"x" + BODY[-1:]


def writes(sent: Play) -> list[bytes]:
    return [data for frame in sent.frames for data in frame.writes]


def test_a_split_adds_a_write_and_changes_no_byte() -> None:
    for place in range(len(BODY) + 1):
        sent = play(Split(byte=place))
        assert sent.body == BODY
        ends = {len(b"".join(writes(sent)[:n])) for n in range(len(writes(sent)) + 1)}
        assert place in ends
        assert b"" not in writes(sent)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 10**6])
def test_pieces_are_of_one_size_but_for_the_last(size: int) -> None:
    sent = play(Split(size=size))
    *pieces, last = map(len, writes(sent))
    assert set(pieces) <= {size}
    assert 0 < last <= size
    assert sent.body == BODY


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (Lines(ends="cr"), BODY.replace(b"\n", b"\r")),
        (Lines(ends="crlf"), BODY.replace(b"\n", b"\r\n")),
        (Lines(bom=True), b"\xef\xbb\xbf" + BODY),
        (Lines(last_blank=False), BODY[:-1]),
        (
            Lines(ends="crlf", bom=True, last_blank=False),
            b"\xef\xbb\xbf" + BODY[:-1].replace(b"\n", b"\r\n"),
        ),
    ],
)
def test_lines_may_be_written_in_other_ways(fault: AnyFault, body: bytes) -> None:
    assert play(fault).body == body


def test_other_line_ends_stay_inside_the_text() -> None:
    scenario = Scenario(replies=[Reply([say("\u2028\u2029\u0085")])])
    assert "\u2028\u2029\u0085".encode() in wires.play(wires.MESSAGES, ASK, scenario, SENT).body


def test_a_compressed_body_can_be_read_event_by_event() -> None:
    sent = play(Gzip())
    assert sent.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent.body) == BODY
    reader = zlib.decompressobj(wbits=31)
    assert [reader.decompress(frame.data) for frame in sent.frames] == [
        frame.data for frame in play().frames
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_a_broken_compressed_body_cannot_be_read_to_its_end(stream: bool) -> None:
    sent = play(Gzip(broken=True), stream=stream)
    reader, read = zlib.decompressobj(wbits=31), b""
    with pytest.raises(zlib.error):  # noqa: PT012 - what could be read is looked at
        for frame in sent.frames:
            read += reader.decompress(frame.data)
    assert sent.body.startswith(b"\x1f\x8b\x08"), "it begins as gzip does"
    assert play(stream=stream).body.startswith(read)
    assert bool(read) is stream


# -- the whole answer --------------------------------------------------------------------------

STATUSES: list[tuple[Status, str, dict[str, str]]] = [
    (Status(529), "overloaded_error", {}),
    (Status(429, retry_after=2), "rate_limit_error", {"retry-after": "2"}),
    (Status(503, retry_after=0.5), "api_error", {"retry-after": "0.5"}),
    (
        Status(429, retry_after_date=90),
        "rate_limit_error",
        {"retry-after": "Tue, 24 Nov 2026 12:01:30 GMT"},
    ),
    (Status(529, retry_after_ms=250), "overloaded_error", {"retry-after-ms": "250"}),
    (Status(529, retry_after=1234567.5), "overloaded_error", {"retry-after": "1234567.5"}),
    (Status(400, should_retry=True), "invalid_request_error", {"x-should-retry": "true"}),
    (Status(500, should_retry=False), "api_error", {"x-should-retry": "false"}),
    (Status(418, type="teapot_error"), "teapot_error", {}),
    (Status(200), "api_error", {}),
]


@pytest.mark.parametrize(("fault", "kind", "advice"), STATUSES)
def test_a_status_has_its_error_and_its_advice(
    fault: Status, kind: str, advice: dict[str, str]
) -> None:
    sent = play(fault)
    said = {name: value for name, value in sent.headers.items() if "retry" in name}
    assert (sent.status, said) == (fault.status, advice)
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body)["error"] == {"type": kind, "message": fault.message}
    assert sent.length == len(sent.body)


@pytest.mark.parametrize("status", range(200, 600))
def test_there_is_every_status(status: int) -> None:
    sent = play(Status(status))
    assert sent.status == status
    assert bool(sent.body) is (status not in (204, 304))


def test_a_page_stands_in_for_the_answer() -> None:
    sent = play(Page())
    assert (sent.status, sent.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert sent.body.startswith(b"<!doctype html>")
    sent = play(Page(502, "text/plain", "Bad gateway"))
    assert (sent.status, sent.headers["content-type"]) == (502, "text/plain")
    assert sent.body == b"Bad gateway"


def test_headers_are_replaced_added_and_left_out() -> None:
    sent = play(Headers({"Content-Type": "text/plain", "x-odd": "1", "request-id": ""}))
    assert sent.headers["content-type"] == "text/plain"
    assert sent.headers["x-odd"] == "1"
    assert "request-id" not in sent.headers
    assert sent.body == BODY


@pytest.mark.parametrize("by", [-1, 1, 100, -len(BODY)])
def test_a_length_may_be_a_lie(by: int) -> None:
    sent = play(Length(by))
    assert (sent.length, sent.body, sent.end) == (len(BODY) + by, BODY, End.CLOSE)


# -- together ----------------------------------------------------------------------------------

TOGETHER: list[tuple[Sequence[AnyFault], bytes]] = [
    ([Insert("x", byte=0), Cut(byte=10)], b"x" + BODY[:9]),
    ([Cut(byte=10), Insert("x", byte=0)], b"x" + BODY[:10]),
    ([Split(size=1), Cut(byte=10)], BODY[:10]),
    ([Split(size=1), Cut(event=2)], play().frames[0].data),
    ([Drop(1), Drop(1)], b"".join(frame.data for frame in play().frames[2:])),
    ([Lines(bom=True), Flip(0)], b"\x10\xbb\xbf" + BODY),
]


@pytest.mark.parametrize(("faults", "body"), TOGETHER)
def test_faults_act_in_the_order_in_which_they_stand(
    faults: Sequence[AnyFault], body: bytes
) -> None:
    assert play(*faults).body == body


def test_a_changed_body_keeps_a_true_length_true_and_a_cut_one_does_not() -> None:
    whole = play(stream=False)
    assert whole.length == len(whole.body)
    for fault in (Insert("  ", byte=0), Gzip(), Status(529)):
        sent = play(fault, stream=False)
        assert sent.length == len(sent.body)
    assert play(Cut(byte=10), stream=False).length == whole.length
    assert play(Length(5), Insert("xx", byte=0)).length == len(BODY) + 7


def test_what_is_struck_is_counted_in_requests() -> None:
    struck_by = {
        Drop(1): [1],
        Drop(1, request=3): [3],
        Drop(1, every=1): [1, 2, 3, 4, 5, 6, 7, 8, 9],
        Drop(1, request=2, every=3): [2, 5, 8],
    }
    for fault, requests in struck_by.items():
        assert [n for n in range(1, 10) if fault.strikes(n)] == requests


# -- mistakes ----------------------------------------------------------------------------------

MISPLACED: list[tuple[AnyFault, Json, str]] = [
    (Cut(event=17), {}, "cut: there is no event 17: this answer has 16, so take 1 to 16, -16 to"),
    (Cut(event=-17), {}, "there is no event -17"),
    (Cut(byte=99999), {}, f"cut: there is no byte 99999: this answer has {len(BODY)}"),
    (Cut(byte=-99999), {}, "there is no byte -99999"),
    (Flip(len(BODY)), {}, f"flip: there is no byte {len(BODY)}"),
    (Drop("end"), {}, 'drop: there is no event at the "end": take -1'),
    (Delay(1.0, event="end"), {}, "delay: there is no event at"),
    (Truncate(call=2), {}, "truncate: there is no call 2: this answer has 1"),
    (Truncate(keep=8), {}, "truncate: the arguments of call 1 are 8 characters: keep fewer"),
    (Length(-99999), {}, "length: the answer has only"),
    (Error(), {"stream": False}, "error: there is no event 1: this answer is no stream"),
    (Stop(), {"stream": False}, "there is no event 'message_delta': this answer is no stream"),
]


@pytest.mark.parametrize(
    ("fault", "more", "said"), MISPLACED, ids=[repr(each[0]) for each in MISPLACED]
)
def test_a_fault_where_the_answer_has_nothing_is_named(
    fault: AnyFault, more: Json, said: str
) -> None:
    with pytest.raises(Misplaced) as caught:
        play(Repeat(1, request=9), fault, **more)
    assert said in str(caught.value)
    assert str(caught.value).endswith(" - at `$.fault[1]`")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("event = 1", "missing required field `kind` - at `$.fault[0]` (kinds are cut, delay, "),
        ("kind = 'cutt'", "Invalid value 'cutt' - at `$.fault[0].kind` (kinds are cut, delay, "),
        ("kind = 'cut'\nbite = 3", "unknown field `bite` - at `$.fault[0]`"),
        ("kind = 'cut'\nbyte = 3\nevent = 1", "give `byte` or `event`, not both - at `$.fault[0]`"),
        ("kind = 'cut'\nbyte = 'x'", "Expected `int | null`, got `str` - at `$.fault[0].byte`"),
        ("kind = 'cut'\nrequest = 0", "`request` counts from 1 - at `$.fault[0]`"),
        ("kind = 'cut'\nevery = -1", "`every` is a number of requests"),
        ("kind = 'cut'\nevent = 0", "events count from 1"),
        ("kind = 'cut'\nevent = 'stop'", "no 'stop' events: known are message_start, content_bl"),
        ("kind = 'repeat'\nevent = 1\nto = 0", "events count from 1"),
        ("kind = 'delay'", "missing required field `seconds`"),
        *(
            (f"kind = 'delay'\nseconds = {odd}", "`seconds` is a time to wait, in seconds: 0 to 8")
            for odd in ("-1", "nan", "inf", "86401")
        ),
        ("kind = 'stall'\nping_s = 1", "give `event` or `byte` as well"),
        ("kind = 'stall'\nping_s = -1", "`ping_s` is a time to wait"),
        ("kind = 'stall'\nevent = 3\nping_s = nan", "`ping_s` is a time to wait"),
        *(
            (f"kind = 'status'\nstatus = 529\n{key} = {odd}", f"`{key}` is a number from -100")
            for key in ("retry_after", "retry_after_date", "retry_after_ms")
            for odd in ("nan", "-inf", "1e20")
        ),
        ("kind = 'headers'\nset = { 'x y' = '' }", "'x y' is no name of a header"),
        ("kind = 'headers'\nset = { '' = 'a' }", "'' is no name of a header"),
        ('kind = "headers"\nset = { x = "a\\r\\nb: c" }', "the header 'x' must be one line"),
        ('kind = "headers"\nset = { x = "☃" }', "the header 'x' must be one line of Latin-1"),
        ('kind = "page"\ntype = "a\\r\\nb: c"', "the header 'content-type' must be one line"),
        ("kind = 'drop'\nevent = 1\ncount = 0", "`count` is how many events"),
        ("kind = 'truncate'\ncall = 0", "`call` counts from 1"),
        ("kind = 'truncate'\nkeep = -1", "`keep` is a number of characters"),
        ("kind = 'stop'\nreason = 'x'\nmissing = true", "give `reason` or `missing`"),
        ("kind = 'insert'\ntext = 'x'", "give `byte` or `event`: where to insert"),
        ("kind = 'split'", "give `byte` or `size`"),
        ("kind = 'split'\nsize = 0", "`size` is a number of bytes"),
        ("kind = 'lines'\nends = 'lfcr'", "at `$.fault[0].ends`"),
        ("kind = 'status'\nstatus = 100", "200 to 599"),
        ("kind = 'page'\nstatus = 999", "200 to 599"),
        ("kind = 'status'\nstatus = 429\nretry_after = 1\nretry_after_date = 1", "not both"),
    ],
)
def test_a_bad_fault_is_one_line_with_file_and_number(
    tmp_path: Path, fields: str, said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[[reply]]\nblocks = []\n[[fault]]\n{fields}")
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make", [partial(Delay, math.nan), partial(Stall, ping_s=math.inf), partial(Headers, {"": "a"})]
)
def test_a_bad_fault_is_refused_in_python_too(make: Callable[[], AnyFault]) -> None:
    with pytest.raises(ValueError, match=r"time to wait|name of a header"):
        make()


def test_a_fault_reads_from_toml_as_it_is_written_in_python(tmp_path: Path) -> None:
    tables = (EVENTS, ENDINGS, STATUSES)
    faults: list[Any] = [row[0] for table in tables for row in table]
    faults += [Delay(1.0), Flip(3), Split(size=3), Lines(bom=True), Gzip(broken=True)]
    faults += [Page(), Headers({"a": "b"}), Length(-3)]
    file = tmp_path / "mine.toml"
    file.write_text("[[reply]]\nblocks = []\n" + "".join(map(toml, faults)))
    assert list(load(file).faults) == faults
    assert {type(fault) for fault in faults} == set(KINDS.values())


def toml(fault: AnyFault) -> str:
    """A fault as a table. Simple values look the same in JSON."""
    fields = msgspec.to_builtins(fault).items()
    lines = [f"{k} = {json.dumps(v)}" for k, v in fields if v is not None]
    return "\n".join(["[[fault]]", *lines, ""]).replace('{"a": "b"}', '{ a = "b" }')


# -- the documentation -------------------------------------------------------------------------

PAGE_OF_FAULTS = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_documentation_has_every_key_of_every_kind(kind: str) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \|.*$", PAGE_OF_FAULTS, re.MULTILINE)
    keys = set(KINDS[kind].__struct_fields__) - {"request", "every"}
    assert {key for key in keys if not re.search(rf"`{key}\b", row)} == set()


def test_the_documented_scenarios_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE_OF_FAULTS, re.DOTALL)
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, "utf-8")
        assert load(file).replies
    assert len(blocks) == 2
