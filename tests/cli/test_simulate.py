"""`midstream simulate` as a process, with clients that know nothing of it."""

import os
import resource
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest

from tests.cli.servers import refused, server

SCENARIO = """
[[reply]]
blocks = [{ text = "You said: {prompt}" }]
"""
HEADER = '{"format":"midstream-recording","version":1,"upstream":"https://api.openai.com"}\n'
RECORDING = (
    HEADER
    + """\
{"type":"request","n":1,"t":0.0,"method":"POST","path":"/v1/messages","headers":{}}
{"type":"response","n":1,"t":3600,"status":200,"headers":{"content-type":"text/plain"}}
{"type":"chunk","n":1,"t":3600,"text":"so it was"}
{"type":"end","n":1,"t":3600,"how":"whole"}
{"type":"request","n":2,"t":0.0,"method":"POST","path":"/v1/messages","headers":{}}
{"type":"response","n":2,"t":3600,"status":200,"headers":{"content-type":"text/plain"}}
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(SCENARIO)
    (tmp_path / "was.jsonl").write_text(RECORDING)
    (tmp_path / "broken.jsonl").write_text(HEADER + "{}\n\n")
    (tmp_path / "bare.sse").write_text("data: {}\n\n")
    (tmp_path / "broken.toml").write_text("reply = 1")
    (tmp_path / "notes.txt").write_text("Buy milk.")
    return tmp_path


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_scenario_is_there_for_any_client_until_it_is_stopped(
    folder: Path, with_signal: int
) -> None:
    with server("simulate", "mine.toml", cwd=folder) as sim:
        client = anthropic.Anthropic(api_key="any", base_url=sim.url)
        asked = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
        with client.messages.stream(**asked) as stream:  # type: ignore[arg-type]
            assert stream.get_final_text() == "You said: Hi"
        with pytest.raises(anthropic.BadRequestError):
            client.messages.create(**asked, extra_body={"temperatur": 1})  # type: ignore[call-overload]
        assert httpx2.get(f"{sim.url}/v1/models").status_code == 404
        client.close()
        assert sim.stop(with_signal) == 0
        hint, *lines = sim.said
    assert f"ANTHROPIC_BASE_URL={sim.url} or OPENAI_BASE_URL={sim.url}/v1 " in hint
    assert lines[0] == "POST /v1/messages 200"
    assert lines[1].startswith("POST /v1/messages 400 invalid_request_error: ")
    assert "temperatur" in lines[1]
    assert lines[2] == "GET /v1/models 404 not_found_error: Not Found"
    assert len(lines) == 3


def test_a_scenario_is_there_for_clients_of_openai_as_well(folder: Path) -> None:
    with server("simulate", "mine.toml", cwd=folder) as sim:
        with openai.OpenAI(api_key="any", base_url=f"{sim.url}/v1") as client:
            chat = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}]
            )
            assert chat.choices[0].message.content == "You said: Hi"
            assert client.responses.create(model="m", input="Hi").output_text == "You said: Hi"
            with pytest.raises(openai.BadRequestError):
                client.responses.create(model="m", input="")
        assert sim.stop(signal.SIGINT) == 0
        _, *lines = sim.said
    assert lines[:2] == ["POST /v1/chat/completions 200", "POST /v1/responses 200"]
    assert lines[2].startswith("POST /v1/responses 400 invalid_request_error: ")


def test_a_shipped_scenario_is_found_by_its_name(folder: Path) -> None:
    with server("simulate", "hello", cwd=folder) as sim:
        assert httpx2.get(sim.url).status_code == 404
        assert sim.said[0].startswith("midstream: hello answers at ")


def test_a_recording_is_played_and_its_end_is_told(folder: Path) -> None:
    with server("simulate", "was.jsonl", "--pace", "fast", cwd=folder) as sim:
        url = f"{sim.url}/v1/messages"
        assert httpx2.post(url).text == "so it was"
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.post(url)
        assert httpx2.post(url).status_code == 410
        assert sim.stop(signal.SIGINT) == 0
        hint, *lines = sim.said
    assert f"OPENAI_BASE_URL={sim.url}/v1" in hint
    assert lines == [
        "POST /v1/messages 200",
        "POST /v1/messages 200 cut",
        "POST /v1/messages 410 recording_ended: "
        "POST /v1/messages was recorded 2 times; this is time 3",
    ]


def test_a_bare_stream_is_every_answer(folder: Path) -> None:
    with server("simulate", "bare.sse", cwd=folder) as sim:
        for _ in range(2):
            answer = httpx2.post(f"{sim.url}/v1/messages", json={})
            assert answer.text == "data: {}\n\n"
            assert answer.headers["content-type"].startswith("text/event-stream")


def test_stopping_does_not_wait_for_an_answer_that_goes_on(folder: Path) -> None:
    with server("simulate", "was.jsonl", cwd=folder) as sim:
        host, _, port = sim.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sim.stop(signal.SIGTERM) == 0
            assert client.recv(10) == b""


WRONG = [
    (["nope"], 4, "no scenario 'nope': name a shipped one (bench, demo, "),
    (["nope.toml"], 4, "there is no file nope.toml"),
    (["nope.jsonl"], 4, "there is no file nope.jsonl"),
    (["broken.toml"], 4, "broken.toml: Expected `array`"),
    (["broken.jsonl"], 4, "broken.jsonl, line 2: "),
    (["notes.txt"], 4, "notes.txt is neither a scenario (a .toml file) nor a recording"),
    (["hello", "--pace", "fast"], 2, "--pace is for a recording"),
    (["hello", "--host", "no.such.host.invalid"], 4, "cannot listen on no.such.host.invalid:"),
    ([], 2, "Missing argument"),
]


@pytest.mark.parametrize(("args", "status", "words"), WRONG)
def test_what_cannot_be_played_is_one_line(
    folder: Path, args: list[str], status: int, words: str
) -> None:
    got, line = refused("simulate", *args, cwd=folder)
    assert (got, words in line) == (status, True), line


FAULTS = """
[[reply]]
blocks = [{ call = "add", input = { a = 1 } }]

[[fault]]
kind = "truncate"
[[fault]]
kind = "status"
status = 529
request = 2
[[fault]]
kind = "headers"
set = { a = "b" }
request = 2
[[fault]]
kind = "cut"
request = 3
[[fault]]
kind = "stall"
event = 1
request = 4
"""


def test_the_faults_that_were_played_are_named(folder: Path) -> None:
    (folder / "faulty.toml").write_text(FAULTS)
    said = [{"role": "user", "content": "Hi"}]
    body = {"model": "m", "max_tokens": 99, "stream": True, "messages": said}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with server("simulate", "faulty.toml", cwd=folder) as sim:
        with httpx2.Client(base_url=sim.url, headers=headers) as client:
            assert client.post("/v1/messages", json=body).status_code == 200
            assert client.post("/v1/messages", json=body).status_code == 529
            with pytest.raises(httpx2.RemoteProtocolError):
                client.post("/v1/messages", json=body)
            with client.stream("POST", "/v1/messages", json=body) as answer:
                assert answer.status_code == 200
            assert client.post("/v1/messages", json=body).status_code == 200
        assert sim.stop(signal.SIGINT) == 0
        _, *lines = sim.said
    assert sorted(lines) == sorted(
        [
            "POST /v1/messages 200 (fault: truncate)",
            "POST /v1/messages 529 (fault: status, headers)",
            "POST /v1/messages no answer: cut (fault: cut)",
            "POST /v1/messages 200 client left (fault: stall)",
            "POST /v1/messages 200",
        ]
    )


ROOM = 4  # connections
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit is set from outside")
@pytest.mark.parametrize(
    "command", [["simulate", "hello"], ["record", "--upstream", "http://127.0.0.1:1"]]
)
def test_with_no_file_left_for_a_connection_it_waits_and_goes_on(
    folder: Path, command: list[str]
) -> None:
    with server(*command, cwd=folder) as running, ExitStack() as open_:
        pid = running.process.pid
        limit = len(os.listdir(f"/proc/{pid}/fd")) + ROOM
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        host, _, port = running.url.removeprefix("http://").partition(":")
        clients = [
            open_.enter_context(socket.create_connection((host, int(port)), timeout=20))
            for _ in range(ROOM + 3)
        ]
        for _ in range(3):  # the last of those who got in; the next one has been tried by then
            clients[ROOM - 1].sendall(ASK)
            assert clients[ROOM - 1].recv(10_000).startswith(b"HTTP/1.1 ")
        for client in clients[:-1]:
            client.close()
        clients[-1].sendall(ASK)
        assert clients[-1].recv(10_000).startswith(b"HTTP/1.1 ")
        assert running.stop(signal.SIGINT) == 0


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, line = refused("simulate", "hello", "--port", port, cwd=folder)
    assert status == 4
    assert f"port {port} is in use" in line
