"""`midstream record` as a process, before a simulator that is another one."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, load_recording, say
from tests.cli.servers import PROGRAM, refused, server

Start = Callable[[Any], Simulator]
KEY = "sk-ant-api03-Canary_0123456789"
SCRIPT = Scenario(
    replies=[
        Reply([say("Let me look. "), call("get_weather", city="Lagos")]),
        Reply([say("It is {get_weather.temp_c} °C.")]),
    ]
)
TOOLS = """
def get_weather(city: str) -> dict:
    "Current weather for a city."
    return {"temp_c": 31}
"""


def test_a_run_is_recorded_and_played_again(simulator: Start, tmp_path: Path) -> None:
    """midstream's own command, through the recorder, and then with the provider gone."""
    (tmp_path / "tools.py").write_text(TOOLS)
    sim = simulator(SCRIPT)
    ask = ["-t", "tools.py:get_weather", "-m", "anthropic:m", "Weather?", "--base-url"]
    environment = {**os.environ, "ANTHROPIC_API_KEY": KEY}

    def run(url: str) -> str:
        done = subprocess.run(
            [*PROGRAM, *ask, url],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=40,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    with server("record", "--upstream", sim.url, "-o", "r.jsonl", cwd=tmp_path) as recorder:
        assert run(recorder.url) == "Let me look. \nIt is 31 °C.\n"
        assert recorder.stop(signal.SIGINT) == 0
        hint, *lines = recorder.said
    both = f"ANTHROPIC_BASE_URL={recorder.url} or OPENAI_BASE_URL={recorder.url}/v1"
    assert f"{both} reaches {sim.url}" in hint
    assert lines == ["POST /v1/messages 200", "POST /v1/messages 200"]
    assert sim.refusals == []
    assert "Canary" not in (tmp_path / "r.jsonl").read_text()

    with server("simulate", "r.jsonl", "--pace", "fast", cwd=tmp_path) as player:
        assert run(player.url) == "Let me look. \nIt is 31 °C.\n"


def test_an_sdk_works_through_it(simulator: Start, tmp_path: Path) -> None:
    sim = simulator([Reply([say("Hello. " * 50)])])
    messages: Any = [{"role": "user", "content": "Hi"}]
    with server("record", "--upstream", sim.url, cwd=tmp_path) as recorder:
        with anthropic.Anthropic(api_key=KEY, base_url=recorder.url) as client:
            with client.messages.stream(model="m", max_tokens=999, messages=messages) as stream:
                assert stream.get_final_text() == "Hello. " * 50
            answer = client.messages.create(model="m", max_tokens=999, messages=messages)
            assert answer.content[0].type == "text"
        assert recorder.stop(signal.SIGTERM) == 0
    [file] = tmp_path.glob("recording-*.jsonl")
    assert KEY not in file.read_text()
    streamed, whole = load_recording(file).exchanges
    assert [each.ended.how for each in (streamed, whole) if each.ended] == ["whole", "whole"]
    assert streamed.request.body["stream"] is True
    assert len(whole.chunks) == 1


def test_what_was_recorded_before_a_kill_is_there(simulator: Start, tmp_path: Path) -> None:
    """Nothing is flushed, closed or said: the file is what the writing left."""
    sim = simulator(Scenario(replies=[Reply([say("word " * 2000)])], tokens_per_second=100))
    path = tmp_path / "r.jsonl"
    messages: Any = [{"role": "user", "content": "Hi"}]
    with server("record", "--upstream", sim.url, "-o", path.name, cwd=tmp_path) as recorder:
        with anthropic.Anthropic(api_key=KEY, base_url=recorder.url, max_retries=0) as client:
            with client.messages.stream(model="m", max_tokens=9999, messages=messages) as stream:
                words = stream.text_stream
                got = "".join(next(words) for _ in range(50))
                recorder.stop(signal.SIGKILL)
    [one] = load_recording(path).exchanges
    kept = b"".join(chunk.data for chunk in one.chunks).decode()
    # Of the fifty that the client had, only the newest may be missing.
    assert kept.count("text_delta") >= 45, got
    assert one.ended is None


def test_a_provider_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with server("record", "--upstream", url, cwd=tmp_path) as recorder:
        answer = httpx2.post(f"{recorder.url}/v1/messages?key=Canary-1234")
        assert answer.status_code == 502
        assert recorder.stop(signal.SIGINT) == 0
        line = recorder.said[-1]
    assert line.startswith(f"POST /v1/messages 502 upstream_error: no answer from {url}: ")


def test_the_keys_of_an_address_are_not_told(simulator: Start, tmp_path: Path) -> None:
    sim = simulator(SCRIPT)
    url = f"{sim.url}/?api_key=Canary-1234".replace("://", "://ada:Canary-5678@")
    with server("record", "--upstream", url, "-o", "r.jsonl", cwd=tmp_path) as recorder:
        words = b"Canary-1234 Canary-5678"
        httpx2.post(f"{recorder.url}/v1/messages?api_key=Canary-1234", content=words)
        assert recorder.stop(signal.SIGINT) == 0
        assert "Canary" not in str(recorder.said)
    assert "Canary" not in (tmp_path / "r.jsonl").read_text()


def test_a_client_that_leaves_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        url = f"http://127.0.0.1:{upstream.getsockname()[1]}"
        with server("record", "--upstream", url, "-o", "r.jsonl", cwd=tmp_path) as recorder:
            host, _, port = recorder.url.removeprefix("http://").partition(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                taken, _ = upstream.accept()
                with taken:
                    assert taken.recv(10) == b"GET /x HTT"
                    client.close()
                    while taken.recv(1000):
                        pass  # until the recorder closes, too
            assert recorder.stop(signal.SIGINT) == 0
            assert recorder.said[-1] == "GET /x no answer: client left"
    [one] = load_recording(tmp_path / "r.jsonl").exchanges
    assert one.ended is not None
    assert one.ended.how == "client left"


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["--upstream", "api.anthropic.com"], 4, "must be http(s)://host"),
        (["--upstream", "ftp://u:canary@x"], 4, "the base URL must be http(s)://host"),
        (["-o", "mine.jsonl"], 4, "mine.jsonl: File exists"),
        (["-o", "nowhere/r.jsonl"], 4, "nowhere/r.jsonl: No such file or directory"),
        (["--port", "99999"], 2, "--port"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(
    tmp_path: Path, args: list[str], status: int, words: str
) -> None:
    (tmp_path / "mine.jsonl").write_text("mine")
    got, line = refused("record", *args, cwd=tmp_path)
    assert (got, words in line) == (status, True), line
    assert (tmp_path / "mine.jsonl").read_text() == "mine"


def test_a_port_in_use_leaves_no_empty_recording(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, line = refused("record", "--port", port, "-o", "r.jsonl", cwd=tmp_path)
    assert status == 4
    assert f"port {port} is in use" in line
    assert not (tmp_path / "r.jsonl").exists()
