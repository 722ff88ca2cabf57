"""The recording proxy: what it passes on, what it writes down, and how it breaks off."""

import gzip
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from midstream import Agent, tool
from midstream.errors import ConfigurationError
from midstream.simulator import Playback, Recording, Reply, Scenario, call, load_recording, say
from midstream.simulator.proxy import proxy
from midstream.simulator.recorder import Recorder
from midstream.simulator.recording import Recorded
from midstream.simulator.server import Exchange, Handler, respond_json, serve
from midstream.simulator.stage import Simulator

KEY = "sk-ant-api03-Canary_0123456789"


class Taping:
    """A proxy before a server of the test's own; `recording` is there after the end."""

    url = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def recording(self) -> Recording:
        return load_recording(self.path)

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def exchanges(self) -> list[Recorded]:
        return list(self.recording.exchanges)


@asynccontextmanager
async def taping(upstream: Handler | str, path: Path) -> AsyncGenerator[Taping]:
    made = Taping(path)
    with anyio.fail_after(20):
        if isinstance(upstream, str):
            with Recorder(path, upstream) as recorder:
                async with proxy(upstream, recorder) as handler, serve(handler) as made.url:
                    yield made
            return
        async with serve(upstream) as url, taping(url, path) as inner:
            yield inner


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


def how(exchange: Recorded) -> str:
    assert exchange.ended is not None
    return exchange.ended.how


def body(exchange: Recorded) -> bytes:
    return b"".join(chunk.data for chunk in exchange.chunks)


async def test_an_answer_passes_as_it_comes_and_is_written_down(path: Path) -> None:
    read = anyio.Event()

    async def upstream(exchange: Exchange) -> None:
        await exchange.start(201, {"content-type": "text/plain", "request-id": "r1"})
        await exchange.send("größer ".encode())
        await read.wait()  # a proxy that waits for more would wait for ever
        await exchange.send(b"\xff\x00")
        await exchange.finish()

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        url = f"{tape.url}/v1/messages?beta=true"
        async with client.stream("POST", url, json={"a": [1, None]}) as answer:
            assert (answer.status_code, answer.headers["request-id"]) == (201, "r1")
            chunks = answer.aiter_raw()
            assert await anext(chunks) == "größer ".encode()
            read.set()
            assert [chunk async for chunk in chunks] == [b"\xff\x00"]

    [one] = tape.exchanges
    assert (one.request.method, one.request.path) == ("POST", "/v1/messages?beta=true")
    assert one.request.body == {"a": [1, None]}
    assert one.response is not None
    assert one.response.headers == {"content-type": "text/plain", "request-id": "r1"}
    assert [chunk.data for chunk in one.chunks] == ["größer ".encode(), b"\xff\x00"]
    assert (one.chunks[0].text, one.chunks[1].base64) == ("größer ", "/wA=")
    assert how(one) == "whole"
    assert one.ended is not None
    times = [one.response.t, *(chunk.t for chunk in one.chunks), one.ended.t]
    assert times == sorted(times)


async def test_what_the_provider_gets_is_what_the_client_sent(path: Path) -> None:
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def upstream(exchange: Exchange) -> None:
        request = exchange.request
        seen.append((request.method, request.path, request.headers, request.body))
        await respond_json(exchange, 200, {}, {"set-cookie": "a=b"})

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        own = {b"connection": b"x-mine", b"x-mine": b"1"}
        headers = {b"x-api-key": b"k", b"x-odd": b"caf\xe9", **own}
        for _ in range(2):
            fresh = httpx2.Request("PUT", f"{tape.url}/a?b=c", headers=headers, content=b"{ }")
            await client.send(fresh)

    method, target, got, content = seen[1]
    assert (method, target, content) == ("PUT", "/a?b=c", b"{ }")
    host = tape.recording.upstream.removeprefix("http://")
    assert got == {
        "host": host,
        "x-api-key": "k",
        "x-odd": "caf\xe9",
        "content-length": "3",
        "accept-encoding": "identity",
    }


async def test_cookies_stay_apart_and_the_recording_has_none(path: Path) -> None:
    async def upstream(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=Canary1\r\nSet-Cookie: b=Canary2\r\n"
        await exchange.send_raw(head + b"X: 1\r\nX: 2\r\nContent-Length: 2\r\n\r\n{}")
        await exchange.client_left()

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        answer = await client.get(tape.url)
        assert answer.headers.get_list("set-cookie") == ["a=Canary1", "b=Canary2"]
        assert answer.headers["x"] == "1, 2"
    assert "Canary" not in tape.text


async def test_the_bytes_of_an_answers_headers_pass_and_play_as_they_are(path: Path) -> None:
    odd = [(b"x-latin", b"caf\xe9"), (b"x-utf", b"caf\xc3\xa9")]

    async def upstream(exchange: Exchange) -> None:
        lines = b"".join(b"%b: %b\r\n" % each for each in odd)
        await exchange.send_raw(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n{}" % lines)
        await exchange.client_left()

    async with httpx2.AsyncClient() as client:
        async with taping(upstream, path) as tape:  # the recording is whole when it is left
            live = await client.get(tape.url)
        async with serve(Playback(tape.recording).handle) as url:
            played = await client.get(url)
    for answer in (live, played):
        assert [each for each in answer.headers.raw if each[0].startswith(b"x-")] == odd


async def test_no_key_is_in_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys as headers, in the query, in JSON and in the answer, even if they come in pieces."""
    monkeypatch.setenv("MY_AUTH_TOKEN", "Canary-environment")

    async def upstream(exchange: Exchange) -> None:
        assert KEY in exchange.request.headers["x-api-key"]
        await exchange.start()
        words = f"no: {KEY}, Canary-environment, Canary-header, {KEY}"
        for at in range(0, len(words), 5):
            await exchange.send(words[at : at + 5].encode())
        await exchange.finish()

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        answer = await client.post(
            f"{tape.url}/v1?key=Canary-query",
            headers={"x-api-key": KEY, "authorization": "Bearer Canary-header"},
            json={"prompt": f"my key:\n{KEY}", "servers": [{"authorization_token": "Canary-j"}]},
        )
        assert answer.text.count("anary") == 4

    [one] = tape.exchanges
    assert "anary" not in tape.text
    assert one.request.body["prompt"] == "my key:\n[redacted]"
    assert body(one) == b"no: " + b", ".join([b"[redacted]"] * 4)
    assert how(one) == "whole"


async def test_what_an_exchange_calls_secret_is_not_in_the_file(path: Path) -> None:
    """However JSON spells it, in whichever of its places, and in what comes back."""
    tokens = {"access_token": "Canary-a1", "refresh_token": "Canary-a2"}

    async def upstream(exchange: Exchange) -> None:
        headers = {"location": "/x?token=Canary-l1", "set-cookie": "c=Canary-c1; Path=/"}
        body = json.dumps(tokens).encode() + exchange.request.body.replace(rb"\u0073", b"s")
        await exchange.respond(200, headers, body)

    bodies = [
        rb'{"t": "Canary\/of+h1==", "\u0073k-ant-api03-Canary0123456789": 1}',
        b'{"p": {"API-KEY": "Canary-n1", "Authorization": ["Canary-n2"]}, "e": "Canary-n1"}',
        b"grant_type=x&client_secret=Canary-f1",
        b"Canary-c1 Canary-q1",
    ]
    keys = {"x-api-key": "Canary/of+h1==", "cookie": "sid=Canary-q1; b=Canary-q2"}
    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        for body_ in bodies:
            answer = await client.post(f"{tape.url}/o", headers=keys, content=body_)
            assert answer.text.count("Canary") == 2 + body_.count(b"Canary")
    assert "anary" not in tape.text
    assert [how(each) for each in tape.exchanges] == ["whole"] * 4


async def test_compressed_bytes_pass_as_they_are(path: Path) -> None:
    packed = gzip.compress(b"hello")

    async def upstream(exchange: Exchange) -> None:
        await exchange.respond(200, {"content-encoding": "gzip"}, packed)

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        assert (await client.get(tape.url)).text == "hello"
    assert body(tape.exchanges[0]) == packed


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_without_a_body_leaves_the_connection_usable(
    path: Path, method: str, status: int
) -> None:
    async def upstream(exchange: Exchange) -> None:
        await exchange.respond(status, {}, b"")

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        for _ in range(2):
            assert (await client.request(method, tape.url)).status_code == status
    assert [how(each) for each in tape.exchanges] == ["whole", "whole"]


Act = Callable[[Exchange], Any]


async def cut(exchange: Exchange) -> None:
    await exchange.close()


async def reset(exchange: Exchange) -> None:
    await exchange.reset()


@pytest.mark.parametrize(("act", "ending"), [(cut, "cut"), (reset, "reset")])
@pytest.mark.parametrize("length", [None, "100"])
async def test_an_answer_that_breaks_off_breaks_off_in_the_same_way(
    path: Path, act: Act, ending: str, length: str | None
) -> None:
    read = anyio.Event()

    async def upstream(exchange: Exchange) -> None:
        await exchange.start(200, {"content-length": length} if length else {})
        await exchange.send(b"half")
        await read.wait()
        await act(exchange)

    async with taping(upstream, path) as tape:
        host, _, port = tape.url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            got = b""
            while not got.endswith((b"half", b"half\r\n")):
                got += await stream.receive()
            read.set()
            # A well-finished body would have its last chunk here.
            with pytest.raises(anyio.BrokenResourceError if act is reset else anyio.EndOfStream):
                await stream.receive()

    [one] = tape.exchanges
    assert (body(one), how(one)) == (b"half", ending)
    assert one.ended is not None
    assert one.ended.words


@pytest.mark.parametrize(("act", "ending"), [(cut, "cut"), (reset, "reset")])
async def test_no_answer_is_no_answer(path: Path, act: Act, ending: str) -> None:
    async with taping(act, path) as tape, httpx2.AsyncClient() as client:
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await client.get(tape.url)
    [one] = tape.exchanges
    assert (one.response, how(one)) == (None, ending)


async def test_nobody_there_is_502_and_says_so(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with taping(f"http://u:Canary@127.0.0.1:{port}", path) as tape:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(tape.url)
    assert answer.status_code == 502
    words = answer.json()["error"]["message"]
    assert words.startswith(f"no answer from http://127.0.0.1:{port}: ")
    [one] = tape.exchanges
    assert one.ended is not None
    assert (one.ended.how, one.ended.words) == ("error", words)
    assert tape.recording.upstream == f"http://127.0.0.1:{port}"
    assert "Canary" not in tape.text


@pytest.mark.parametrize(
    "target", [b"@evil.example/", b"evil.example:443", b"http://evil.example/"]
)
async def test_a_target_that_is_no_path_leads_nowhere(path: Path, target: bytes) -> None:
    async with taping(failing, path) as tape:
        host, _, port = tape.url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
            assert b" 502 " in await stream.receive()


async def failing(exchange: Exchange) -> None:
    raise AssertionError("never asked")


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_closes_the_connection_to_the_provider(
    path: Path, begun: bool
) -> None:
    asked, left = anyio.Event(), anyio.Event()

    async def upstream(exchange: Exchange) -> None:
        if begun:
            await exchange.send(b"half")
        asked.set()
        await exchange.client_left()
        left.set()

    async with taping(upstream, path) as tape:
        host, _, port = tape.url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asked.wait()
            if begun:
                await stream.receive()
        await left.wait()
    [one] = tape.exchanges
    assert (how(one), one.response is not None) == ("client left", begun)


async def test_exchanges_that_overlap_are_told_apart(path: Path) -> None:
    both, turns = anyio.Event(), 0

    async def upstream(exchange: Exchange) -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            both.set()
        await exchange.send(exchange.request.body)
        await both.wait()
        await exchange.send(exchange.request.body)
        await exchange.finish()

    async def ask(word: str) -> None:
        assert (await client.post(tape.url, content=word)).text == word * 2

    async with taping(upstream, path) as tape, httpx2.AsyncClient() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "one")
            tasks.start_soon(ask, "two")
    said = [(str(one.request.text), body(one).decode()) for one in tape.exchanges]
    assert sorted(said) == [("one", "oneone"), ("two", "twotwo")]
    numbers = [json.loads(line).get("n") for line in tape.text.splitlines()[1:]]
    assert numbers != sorted(numbers)


async def test_stopping_the_recorder_in_the_middle_keeps_what_came(path: Path) -> None:
    async def upstream(exchange: Exchange) -> None:
        await exchange.send(b"half")
        await anyio.sleep_forever()

    async with taping(upstream, path) as tape:
        host, _, port = tape.url.removeprefix("http://").partition(":")
        stream = await anyio.connect_tcp(host, int(port))
        await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"half" not in await stream.receive():
            pass
    await stream.aclose()
    [one] = tape.exchanges
    assert (body(one), how(one)) == (b"half", "cut")


def test_a_recording_is_never_written_over(path: Path) -> None:
    with Recorder(path, "http://x"):
        assert path.stat().st_mode & 0o077 == 0  # nor read by others
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists"):
        Recorder(path, "http://x")
    assert path.read_text() == "mine"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only some systems have a full disk")
async def test_a_full_disk_ends_the_recording_and_not_the_conversation(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def upstream(exchange: Exchange) -> None:
        await respond_json(exchange, 200, {})

    async with serve(upstream) as url:
        with Recorder(path, url) as recorder:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, recorder._file)
            os.close(full)
            async with proxy(url, recorder) as handler, serve(handler) as front:
                async with httpx2.AsyncClient() as client:
                    for _ in range(2):
                        assert (await client.get(front)).status_code == 200
    assert recorder.failure is not None
    assert load_recording(path).exchanges == []


async def test_an_agent_does_not_notice(path: Path) -> None:
    @tool(effects="read")
    def get_weather(city: str) -> dict[str, int]:
        """Current weather for a city."""
        return {"temp_c": len(city)}

    script = Scenario(
        replies=[
            Reply([say("Let me look. "), call("get_weather", city="Lagos")]),
            Reply([say("It is {get_weather.temp_c} °C.")]),
        ]
    )
    sim = Simulator(script)
    async with taping(sim.handle, path) as tape:
        agent = Agent("anthropic:m", [get_weather], api_key=KEY, base_url=tape.url)
        assert (await agent.run("Weather?")).text == "It is 5 °C."
    assert sim.refusals == []
    assert [one.request.body for one in tape.exchanges] == sim.requests
    assert [how(one) for one in tape.exchanges] == ["whole", "whole"]
