"""Faults on the wire: what a raw client reads from the socket, byte by byte, and how it ends."""

import gzip
import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import anyio
import httpx2
import msgspec
import pytest
from anyio import BrokenResourceError, EndOfStream

from midstream.simulator import Reply, Scenario, Simulator, call, say, simulator
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
)
from midstream.simulator.wires import MESSAGES

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

ASK: Json = {
    "model": "m", "max_tokens": 100, "stream": True,
    "messages": [{"role": "user", "content": "Hi"}],
}  # fmt: skip
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
REPLIES = [Reply([say("One two"), call("add", a=1)]), Reply([say("Done.")])]
SECOND = 1.0


class Ended(Enum):
    WHOLE = "the body came to its end; the connection stays"
    CLOSED = "the server closed the connection too early"
    RESET = "the server reset the connection"
    SILENT = "nothing more came"


class Sent(msgspec.Struct):
    """What came from the socket."""

    head: bytes
    chunks: list[bytes]
    ended: Ended

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


async def ask(sim: Simulator, body: Json = ASK, patience_s: float = 5.0) -> Sent:
    """One request by hand, read until its end, or until nothing comes for so long."""
    host, _, port = sim.url.removeprefix("http://").partition(":")
    data = msgspec.json.encode(body)
    lines = ["POST /v1/messages HTTP/1.1", "host: x", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    read, ended = b"", Ended.WHOLE
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send("\r\n".join([*lines, "", ""]).encode() + data)
        try:
            while not whole(read):
                with anyio.move_on_after(patience_s) as scope:
                    read += await stream.receive()
                if scope.cancelled_caught:
                    ended = Ended.SILENT
                    break
        except EndOfStream:
            ended = Ended.CLOSED
        except BrokenResourceError:
            ended = Ended.RESET
    head, _, rest = read.partition(b"\r\n\r\n")
    return Sent(head, dechunked(rest) if b"chunked" in head else [rest], ended)


def whole(read: bytes) -> bool:
    head, blank, rest = read.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    if length:
        return len(rest) == int(length[1])
    return bool(blank) and rest.endswith(b"0\r\n\r\n") and b"chunked" in head


def dechunked(rest: bytes) -> list[bytes]:
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return [chunk for chunk in chunks if chunk]


def script(*faults: AnyFault) -> Scenario:
    return Scenario(replies=REPLIES, faults=faults)


async def sent(*faults: AnyFault, patience_s: float = 5.0, **more: Any) -> Sent:
    async with simulator(script(*faults)) as sim:
        return await ask(sim, {**ASK, **more}, patience_s)


def kinds(answer: Sent) -> list[str]:
    """The events' names, each run of one name once."""
    names: list[str] = []
    for name in re.findall(rb"^event: (\w+)", answer.body, re.MULTILINE):
        if names[-1:] != [name.decode()]:
            names.append(name.decode())
    return names


START, BEGIN, ADD, CLOSE = (
    "message_start", "content_block_start", "content_block_delta", "content_block_stop",
)  # fmt: skip
WHOLE = [START, BEGIN, "ping", ADD, CLOSE, BEGIN, ADD, CLOSE, "message_delta", "message_stop"]


async def test_without_a_fault_every_event_is_a_chunk_of_its_own() -> None:
    answer = await sent()
    assert answer.head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream")
    assert (kinds(answer), answer.ended) == (WHOLE, Ended.WHOLE)
    assert all(chunk.startswith(b"event: ") for chunk in answer.chunks)
    assert all(chunk.endswith(b"\n\n") for chunk in answer.chunks)


# -- how it ends -------------------------------------------------------------------------------

ENDS: list[tuple[AnyFault, int, Ended]] = [
    (Cut(byte=0), 0, Ended.CLOSED),
    (Cut(byte=77), 77, Ended.CLOSED),
    (Cut(byte=77, reset=True), 77, Ended.RESET),
    (Stall(byte=77), 77, Ended.SILENT),
]


@pytest.mark.parametrize(("fault", "size", "ended"), ENDS, ids=[repr(row[0]) for row in ENDS])
async def test_a_body_ends_at_its_byte(fault: AnyFault, size: int, ended: Ended) -> None:
    plain = await sent()
    answer = await sent(fault, patience_s=0.5)
    assert answer.head.startswith(b"HTTP/1.1 200 OK\r\n") or ended is Ended.RESET
    # What has not been read yet goes with a reset.
    assert answer.body == plain.body[:size] or ended is Ended.RESET
    assert answer.ended is ended


@pytest.mark.parametrize(
    ("fault", "ended"),
    [(Cut(), Ended.CLOSED), (Cut(reset=True), Ended.RESET), (Stall(), Ended.SILENT)],
)
async def test_a_request_gets_no_answer_at_all(fault: AnyFault, ended: Ended) -> None:
    answer = await sent(fault, patience_s=0.5)
    assert (answer.head, answer.body, answer.ended) == (b"", b"", ended)


async def test_a_cut_at_an_event_leaves_the_ones_before_it_whole() -> None:
    answer = await sent(Cut(event="content_block_delta"))
    assert (kinds(answer), answer.ended) == ([START, BEGIN, "ping"], Ended.CLOSED)


async def test_a_stall_may_be_full_of_pings() -> None:
    ping = MESSAGES.ping
    async with simulator(script(Stall(event=1, ping_s=0.001))) as sim:
        async with httpx2.AsyncClient(headers=HEADERS) as client:
            with anyio.fail_after(5):
                async with client.stream("POST", f"{sim.url}/v1/messages", json=ASK) as answer:
                    chunks = answer.aiter_raw()
                    pings = [await anext(chunks) for _ in range(5)]
                    await chunks.aclose()
    assert set(pings) == {ping}


async def test_who_leaves_a_stall_ends_it_and_the_next_request_is_answered() -> None:
    async with simulator(script(Stall(event=3))) as sim:
        stalled = await ask(sim, patience_s=0.5)
        answer = await ask(sim)
    assert (kinds(stalled), stalled.ended) == ([START, BEGIN], Ended.SILENT)
    assert kinds(answer) == WHOLE


@pytest.mark.parametrize("fault", [Delay(SECOND / 4), Delay(SECOND / 4, event=5)])
async def test_a_delay_is_waited_for(fault: AnyFault) -> None:
    plain = await sent()
    began = anyio.current_time()
    answer = await sent(fault)
    assert SECOND / 4 <= anyio.current_time() - began < 5 * SECOND
    assert answer.body == plain.body


async def test_the_headers_are_late_as_well() -> None:
    began = anyio.current_time()
    answer = await sent(Delay(SECOND / 4), Cut(event=1))
    assert anyio.current_time() - began >= SECOND / 4
    assert answer.head.startswith(b"HTTP/1.1 200 OK")


# -- what it says ------------------------------------------------------------------------------

SAYS: list[tuple[AnyFault, list[str]]] = [
    (Repeat(1), WHOLE),
    (Repeat("message_start", to="message_stop"), [*WHOLE[:-1], START, WHOLE[-1]]),
    (Drop("message_start"), WHOLE[1:]),
    (Drop(-2, count=2), WHOLE[:-2]),
    (Move("message_stop", to="message_delta"), [*WHOLE[:-2], *reversed(WHOLE[-2:])]),
    (Restart("content_block_stop"), [*WHOLE[:4], *WHOLE]),
    (Error(), ["error"]),
    (Error("message_delta"), [*WHOLE[:-2], "error"]),
    (Error("end"), [*WHOLE, "error"]),
    (Truncate(), WHOLE),
    (Truncate(keep=0, close=False), [*WHOLE[:7], "message_delta", "message_stop"]),
    (Insert("event: odd\ndata: x\n\n", event=2), [START, "odd", *WHOLE[1:]]),
]


@pytest.mark.parametrize(("fault", "says"), SAYS, ids=[repr(row[0]) for row in SAYS])
async def test_the_events_come_as_the_fault_has_them(fault: AnyFault, says: list[str]) -> None:
    answer = await sent(fault)
    assert (kinds(answer), answer.ended) == (says, Ended.WHOLE)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Stop("gone_fishing"), b'"stop_reason":"gone_fishing"'),
        (Stop(), b'"delta":{"stop_reason":null'),
        (Stop(missing=True), b'"delta":{"stop_sequence"'),
        (Error(type="api_error", message="Oops."), b'"type":"api_error","message":"Oops."'),
        (Insert("\u2028", byte=5), b"event\xe2\x80\xa8: message_start"),
        (Flip(0), b"\x9avent: message_start"),
    ],
)
async def test_the_bytes_say_what_the_fault_says(fault: AnyFault, words: bytes) -> None:
    assert words in (await sent(fault)).body


# -- in which pieces ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_body_comes_in_chunks_of_one_size(size: int) -> None:
    plain = await sent()
    answer = await sent(Split(size=size))
    assert answer.body == plain.body
    assert {len(chunk) for chunk in answer.chunks[:-1]} == {size}


async def test_the_body_is_split_at_a_byte() -> None:
    plain = await sent()
    answer = await sent(Split(byte=3))
    assert answer.chunks == [b"eve", plain.chunks[0][3:], *plain.chunks[1:]]


@pytest.mark.parametrize(
    ("fault", "begins", "ends"),
    [
        (Lines(ends="cr"), b"event: message_start\rdata: ", b"}\r\r"),
        (Lines(ends="crlf"), b"event: message_start\r\ndata: ", b"}\r\n\r\n"),
        (Lines(bom=True), b"\xef\xbb\xbfevent: message_start\n", b"}\n\n"),
        (Lines(last_blank=False), b"event: message_start\n", b"}\n"),
    ],
)
async def test_lines_end_in_their_way(fault: AnyFault, begins: bytes, ends: bytes) -> None:
    body = (await sent(fault)).body
    assert body.startswith(begins)
    assert body.endswith(b'data: {"type":"message_stop"' + ends)


async def test_a_compressed_answer_says_so_and_is() -> None:
    plain, answer = await sent(), await sent(Gzip())
    assert b"\r\ncontent-encoding: gzip" in answer.head
    assert gzip.decompress(answer.body) == plain.body


# -- another answer ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        (Status(529), ["HTTP/1.1 529 "]),
        (Status(429, retry_after=2), ["HTTP/1.1 429 Too Many Requests", "retry-after: 2"]),
        (Status(503, retry_after_ms=5), ["HTTP/1.1 503 Service Unavailable", "retry-after-ms: 5"]),
        (Status(500, should_retry=False), ["x-should-retry: false"]),
        (Page(), ["HTTP/1.1 200 OK", "content-type: text/html; charset=utf-8"]),
        (Headers({"content-type": "text/plain"}), ["content-type: text/plain"]),
    ],
)
async def test_the_head_says_what_the_fault_says(fault: AnyFault, lines: Sequence[str]) -> None:
    answer = await sent(fault)
    assert set(lines) <= set(answer.head.decode().split("\r\n"))
    assert answer.ended is Ended.WHOLE


async def test_a_date_to_retry_at_is_counted_from_the_answers_own() -> None:
    head = (await sent(Status(429, retry_after_date=60))).head.decode()
    date, until = (re.search(rf"\r\n{name}: .*:(\d\d):\d\d GMT", head) for name in
                   ("date", "retry-after"))  # fmt: skip
    assert date
    assert until
    assert (int(until[1]) - int(date[1])) % 60 == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_leaves_the_connection_usable(status: int) -> None:
    async with simulator(script(Status(status))) as sim:
        async with httpx2.AsyncClient(headers=HEADERS) as client:
            answers = [await client.post(f"{sim.url}/v1/messages", json=ASK) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, 200]


@pytest.mark.parametrize("by", [5, -5])
async def test_a_wrong_length_is_followed_by_the_end(by: int) -> None:
    plain, answer = await sent(), await sent(Length(by))
    assert f"content-length: {len(plain.body) + by}".encode() in answer.head
    assert (answer.body, answer.ended) == (plain.body, Ended.CLOSED)


# -- which request -----------------------------------------------------------------------------


async def test_a_retry_gets_the_same_reply_without_the_fault() -> None:
    async with simulator(script(Status(529), Cut(event=3, request=2))) as sim:
        answers = [await ask(sim) for _ in range(3)]
    plain = await sent()
    assert answers[0].head.startswith(b"HTTP/1.1 529 ")
    assert plain.body.startswith(answers[1].body)
    assert answers[2].body == plain.body


async def test_requests_are_counted_as_they_are_recorded_refused_ones_too() -> None:
    refused = {**ASK, "messages": []}
    async with simulator(script(Status(529, request=2), Status(500, request=3))) as sim:
        heads = [(await ask(sim, body)).head for body in (ASK, refused, ASK, ASK)]
    assert [head.split()[1] for head in heads] == [b"200", b"400", b"500", b"200"]
    assert sim.requests[1] == refused


async def test_what_is_no_request_to_the_model_is_not_counted() -> None:
    async with simulator(script(Status(529, request=1))) as sim:
        async with httpx2.AsyncClient(headers=HEADERS) as client:
            assert (await client.get(f"{sim.url}/v1/models")).status_code == 404
        assert (await ask(sim)).head.startswith(b"HTTP/1.1 529 ")


async def test_an_answer_that_is_not_streamed_has_faults_as_well() -> None:
    plain = await sent(stream=False)
    assert json.loads(plain.body)["type"] == "message"
    cut = await sent(Cut(byte=10), stream=False)
    assert (cut.body, cut.ended) == (plain.body[:10], Ended.CLOSED)


async def test_a_fault_where_there_is_nothing_is_refused_and_says_so() -> None:
    async with simulator(script(Cut(event=99))) as sim:
        answer = await ask(sim)
    assert answer.head.startswith(b"HTTP/1.1 400 ")
    assert b"x-should-retry: false" in answer.head
    error = json.loads(answer.body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("the scenario: cut: there is no event 99: ")
    assert [refusal.message for refusal in sim.refusals] == [error["message"]]


async def test_the_file_of_such_a_fault_is_named(tmp_path: Any) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[[reply]]\nblocks = [{ text = 'Hi' }]\n[[fault]]\nkind = 'flip'\nbyte = 9999")
    async with simulator(file) as sim:
        await ask(sim)
    assert sim.refusals[0].message.startswith(f"{file}: flip: there is no byte 9999: ")
    assert sim.refusals[0].message.endswith(" - at `$.fault[0]`")
