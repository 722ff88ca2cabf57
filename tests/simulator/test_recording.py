"""A recording read back and played: the same answers, pieces, times and endings."""

import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
import pytest

from midstream import Agent
from midstream.errors import ConfigurationError
from midstream.simulator import Playback, Recording, Reply, Scenario, load_recording, say
from midstream.simulator.proxy import proxy
from midstream.simulator.recorder import Recorder
from midstream.simulator.recording import (
    Answered,
    AnyLine,
    Asked,
    Chunk,
    Ended,
    How,
    Recorded,
    is_recording,
)
from midstream.simulator.server import serve
from midstream.simulator.stage import Simulator

HEADER = b'{"format":"midstream-recording","version":1,"upstream":"https://api.example"}\n'
PAGE = Path(__file__).parent.parent.parent / "docs" / "recording.md"


def exchange(
    n: int, *chunks: str, how: How = "whole", times: Sequence[float] = (), **headers: str
) -> Recorded:
    """An exchange whose answer is `chunks`, each at its time; the last time is the end's."""
    times = times or [0.0] * (len(chunks) + 1)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    pieces = [Chunk(n, t, text) for t, text in zip(times, chunks, strict=False)]
    asked = Asked(n, 0.0, "POST", "/v1/messages", {})
    return Recorded(asked, Answered(n, 0.0, 200, named), pieces, Ended(n, times[-1], how))


def recording(*exchanges: Recorded) -> Recording:
    return Recording("https://api.example", exchanges)


def lines(*exchanges: Recorded) -> bytes:
    parts: list[AnyLine] = []
    for each in exchanges:
        parts += [each.request, *each.chunks]
        parts[1:1] = [each.response] if each.response else []
        parts += [each.ended] if each.ended else []
    return HEADER + b"".join(msgspec.json.encode(line) + b"\n" for line in parts)


# -- the file ------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


def test_what_is_written_is_what_is_read(path: Path) -> None:
    one = exchange(1, "a", "ß", times=[0.1, 0.2, 0.3])
    one.chunks.append(Chunk(1, 0.25, base64="/wA="))
    path.write_bytes(lines(one))
    assert is_recording(path)
    loaded = load_recording(path)
    assert loaded.upstream == "https://api.example"
    assert loaded.exchanges == [one]
    assert b"".join(chunk.data for chunk in one.chunks) == "aß".encode() + b"\xff\x00"


def test_a_file_torn_anywhere_in_its_last_line_can_be_used(path: Path) -> None:
    whole = lines(exchange(1, "one", "two"))
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        [one] = load_recording(path).exchanges
        assert [chunk.text for chunk in one.chunks] == ["one", "two"]
        assert one.ended is None or end == len(whole) - 1


def test_a_file_torn_in_the_middle_cannot(path: Path) -> None:
    first, *rest = lines(exchange(1, "one")).splitlines(keepends=True)
    path.write_bytes(b"".join([first, rest[0][:-9], b"\n", *rest[1:]]))
    with pytest.raises(ConfigurationError, match="line 2"):
        load_recording(path)


ASKED = HEADER + b'{"type":"request","n":1,"t":0,"method":"GET","path":"/","headers":{}}\n'
ANSWERED = b'{"type":"response","n":1,"t":0,"status":%b,"headers":%b}\n'
NO_RECORDING: list[Any] = [
    (b"", "not a recording"),
    (b"about = 'a scenario'", "not a recording"),
    (b'{"format":"something else","version":1,"upstream":""}', "not a recording"),
    (HEADER.replace(b":1,", b":2,"), "newer"),
    (HEADER + b'{"type":"end","n":7,"t":0,"how":"cut"}\n\n', "line 2: it belongs to request 7"),
    (HEADER + b'{"type":"what","n":7,"t":0}\n\n', "line 2: Invalid value 'what'"),
    (ASKED + b'{"type":"chunk","n":1,"t":0,"base64":"!!!x"}\n', "line 3: its `base64` is none"),
    (ASKED + '{"type":"chunk","n":1,"t":0,"base64":"é"}\n'.encode(), "line 3: its `base64` is no"),
    (ASKED + ANSWERED % (b"-7", b"{}"), r"line 3: Expected `int` >= 100 - at `\$\.status`"),
    (ASKED + ANSWERED % (b"200", rb'{"x":"a\r\n\r\nb"}'), "line 3: .* header 'x' must be one line"),
    (ASKED + ANSWERED % (b"200", rb'{"x y":"a"}'), "line 3: 'x y' is no name of a header"),
    (ASKED + b'{"x":' * 5000 + b"1" + b"}" * 5000 + b"\n", "line 3: .*recursion"),
]


@pytest.mark.parametrize(("data", "words"), NO_RECORDING)
def test_what_is_no_recording_is_refused(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=words):
        load_recording(path)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.jsonl: No such file"):
        load_recording("nowhere.jsonl")


# -- its replay ----------------------------------------------------------------------------------


@asynccontextmanager
async def playing(played: Recording, pace: Any = "fast") -> Any:
    with anyio.fail_after(20):
        async with serve(Playback(played, pace).handle) as url:
            async with httpx2.AsyncClient(base_url=url) as client:
                yield client


async def test_the_nth_request_gets_the_nth_answer() -> None:
    played = recording(exchange(1, "one"), exchange(2, "two", request_id="r2"))
    async with playing(played) as client:
        answers = [await client.post("/v1/messages", content=b"any") for _ in range(3)]
    assert [answer.text for answer in answers[:2]] == ["one", "two"]
    assert answers[1].headers["request-id"] == "r2"
    assert answers[2].status_code == 410
    assert answers[2].json() == {
        "type": "error",
        "error": {
            "type": "recording_ended",
            "message": "POST /v1/messages was recorded 2 times; this is time 3",
        },
    }


async def test_addresses_are_counted_apart() -> None:
    """A client that first asks whether anybody is there does not get another's answer."""
    async with playing(recording(exchange(1, "one"))) as client:
        probe = await client.get("/")
        answer = await client.post("/v1/messages?beta=true")
    assert probe.status_code == 404
    assert "GET / was not recorded; what was: POST /v1/messages" in probe.text
    assert answer.text == "one"


async def test_pieces_and_times_are_the_recordings() -> None:
    times = [0.1, 0.15, 0.4, 0.5]
    played = recording(exchange(1, "a", "b", "c", times=times))
    async with playing(played, "recorded") as client:
        began_at = anyio.current_time()
        async with client.stream("POST", "/v1/messages") as answer:
            got = [(anyio.current_time() - began_at, c) async for c in answer.aiter_raw()]
        took = anyio.current_time() - began_at
    assert [chunk for _, chunk in got] == [b"a", b"b", b"c"]
    for (at, _), due in zip(got, times, strict=False):
        assert due <= at + 0.005
        assert at < due + 0.25
    assert took >= 0.495


async def test_a_slow_reader_does_not_shift_the_times_that_follow() -> None:
    """Deadlines count from the request: what was late makes nothing later."""
    times = [0.02 * n for n in range(1, 22)]
    played = recording(exchange(1, *"abcdefghijklmnopqrst", times=times))
    async with playing(played, "recorded") as client:
        began_at = anyio.current_time()
        async with client.stream("POST", "/v1/messages") as answer:
            async for chunk in answer.aiter_raw():
                if chunk == b"a":
                    await anyio.sleep(0.2)
        took = anyio.current_time() - began_at
    assert 0.41 <= took < 0.6


async def test_fast_is_without_waiting() -> None:
    hours = [3600.0, 7200.0, 7200.0]
    async with playing(recording(exchange(1, "a", "b", times=hours))) as client:
        assert (await client.post("/v1/messages")).text == "ab"


@pytest.mark.parametrize("how", ["cut", "reset", "client left"])
@pytest.mark.parametrize("length", [None, "9"])
async def test_a_recorded_cut_is_a_cut(how: How, length: str | None) -> None:
    headers = {"content-length": length} if length else {}
    half = Recorded(exchange(1).request, Answered(1, 0.0, 200, headers), [Chunk(1, 0.0, "half")])
    half.ended = Ended(1, 0.0, how)
    async with playing(recording(half)) as client:
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await client.post("/v1/messages")


async def test_an_exchange_without_an_end_is_a_cut() -> None:
    torn = exchange(1, "half")
    torn.ended = None
    async with playing(recording(torn)) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/v1/messages")


async def test_a_provider_that_was_not_there_is_502_again() -> None:
    gone = Recorded(
        Asked(1, 0.0, "GET", "/", {}), ended=Ended(1, 0.0, "error", "no answer from there")
    )
    async with playing(recording(gone)) as client:
        answer = await client.get("/")
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "no answer from there"


async def test_where_a_key_was_taken_out_the_length_fits_again() -> None:
    short = exchange(1, "[redacted]", content_length="99", set_cookie="[redacted]")
    async with playing(recording(short, exchange(2, "two"))) as client:
        answer = await client.post("/v1/messages")
        assert (answer.text, answer.headers["content-length"]) == ("[redacted]", "10")
        assert "set-cookie" not in answer.headers
        assert (await client.post("/v1/messages")).text == "two"


async def test_answers_without_a_body_are_played() -> None:
    head = Recorded(
        Asked(1, 0.0, "HEAD", "/", {}), Answered(1, 0.0, 200, {}), [], Ended(1, 0, "whole")
    )
    async with playing(recording(head, msgspec.structs.replace(head))) as client:
        for _ in range(2):
            assert (await client.head("/")).status_code == 200


async def test_what_was_recorded_plays_back_to_the_same_bytes(path: Path) -> None:
    """Through a proxy before a scenario, then from the file."""
    script = Scenario(replies=[Reply([say("How are you today? " * 9)])], tokens_per_second=1000)
    body = {
        "model": "m",
        "max_tokens": 999,
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}

    async def chunks(client: httpx2.AsyncClient) -> tuple[dict[str, str], list[bytes]]:
        async with client.stream("POST", "/v1/messages", json=body, headers=headers) as answer:
            return dict(answer.headers), [chunk async for chunk in answer.aiter_raw()]

    async with serve(Simulator(script).handle) as upstream:
        with Recorder(path, upstream) as recorder:
            async with proxy(upstream, recorder) as handler, serve(handler) as url:
                async with httpx2.AsyncClient(base_url=url) as client:
                    live = await chunks(client)
    async with playing(load_recording(path)) as client:
        replayed = await chunks(client)
    assert replayed[0] == live[0]
    assert b"".join(replayed[1]) == b"".join(live[1])
    sent = [chunk.data for chunk in load_recording(path).exchanges[0].chunks]
    assert b"".join(sent) == b"".join(live[1])
    assert len(sent) > 20


async def test_an_agent_can_be_tested_against_it() -> None:
    error = '{"type":"error","error":{"type":"overloaded_error","message":"m"}}'
    one = exchange(1, f"event: error\ndata: {error}\n\n", content_type="text/event-stream")
    playback = Playback(recording(one))
    async with serve(playback.handle) as url:
        ended = await Agent("anthropic:m", api_key="k", base_url=url).run("Hi")
    # The overload is tried again, and for that there is no answer: which is not tried again.
    assert len(playback.requests) == 2
    assert ended.error is not None
    assert ended.error.status == 410
    assert "recorded 1 times" in ended.error.message


# -- the documentation ---------------------------------------------------------------------------


def test_the_page_shows_a_recording_that_plays_in_its_test(tmp_path: Path) -> None:
    page = PAGE.read_text()
    blocks = dict(re.findall(r"```(jsonl|py)\n(.*?)```", page, re.DOTALL))
    (tmp_path / "lagos.jsonl").write_text(blocks["jsonl"])
    (tmp_path / "test_page.py").write_text(blocks["py"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
