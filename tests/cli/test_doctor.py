"""What the doctor says of a machine, by the command itself and against real sockets."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from midstream import Journal
from midstream.cli.findings import State
from midstream.cli.reach import PATIENCE_S, verdict
from midstream.models.endpoints import ENDPOINTS

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-canary-0123456789abcdef",
    "OPENAI_API_KEY": "sk-proj-canary-fedcba9876543210",
}
# Where such a server might really run; nothing listens at port 1.
HERE = ("OLLAMA_BASE_URL", "VLLM_BASE_URL", "LLAMACPP_BASE_URL")
Doctor = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "midstream", "doctor"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Neither keys nor llama.cpp: what is found instead of it cannot be imported."""
    (tmp_path / "path").mkdir()
    (tmp_path / "config.toml").touch()
    (tmp_path / "path" / "xllamacpp.py").write_text("raise ImportError('broken')")
    of_providers = ("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")
    kept = {k: v for k, v in os.environ.items() if not k.endswith(of_providers)}
    return (
        kept
        | dict.fromkeys(HERE, "http://127.0.0.1:1/v1")
        | {
            "PYTHONPATH": str(tmp_path / "path"),
            "MIDSTREAM_CONFIG": str(tmp_path / "config.toml"),
            "MIDSTREAM_DATA": str(tmp_path / "data"),
            "PYTHONUTF8": "1",
        }
    )


@pytest.fixture
def doctor(environment: dict[str, str], tmp_path: Path) -> Doctor:
    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *args],
            env=environment | env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert "canary" not in done.stdout + done.stderr
        return done

    return run


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(done.stdout)
    assert whole["usable"] is (done.returncode == 0)
    findings: dict[str, Any] = whole["findings"]
    return findings


@contextmanager
def answering(
    status: int, body: bytes = b""
) -> Generator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A server with one answer, which repeats the key it was asked with wherever it can."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.path, headers))
            said = headers.get("x-api-key", headers.get("authorization", ""))
            self.send_response(status, f"you said {said}")
            self.send_header("x-echo", said)
            self.end_headers()
            self.wfile.write(body or json.dumps({"data": [], "said": said}).encode())

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_where_nothing_is_set_up_it_says_what_to_do_and_fails(doctor: Doctor) -> None:
    done = doctor()
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert done.returncode == 4
    assert [line[:2] for line in lines] == [
        ["✓", "midstream"],
        ["–", "anthropic"],
        ["–", "openai"],
        ["✗", "ollama"],
        ["✗", "vllm"],
        ["✗", "llamacpp"],
        ["✓", "http"],
        ["✗", "local"],
        ["–", "terminal"],
        ["–", "sessions"],
        ["✓", "pytest"],
        ["✓", "config"],
        ["–", "others"],
    ]
    assert lines[1][2] == "no key: set ANTHROPIC_API_KEY to use it"
    assert lines[3][2] == "http://127.0.0.1:1/v1 cannot be reached: connection refused"
    assert lines[6][2] == "our own transport, HTTP/1.1"
    assert "install it again" in lines[7][2]
    assert lines[-1][2].startswith("not set up: openrouter, gemini, mistral, ")


def test_the_way_to_providers_is_told(doctor: Doctor) -> None:
    proxied = doctor("--json", HTTPS_PROXY="http://me:canary@proxy.example:3128")
    http = found(proxied)["http"]
    assert http["words"] == "httpx2's transport; https through http://proxy.example:3128"
    assert http["facts"]["transport"] == "httpx2"
    exempt = doctor("--json", NO_PROXY="example.org")
    assert found(exempt)["http"]["facts"] == {"transport": "own", "proxies": {}}
    wrong = found(doctor("--json", MIDSTREAM_TRANSPORT="canada"))["http"]
    assert wrong["state"] == "bad"
    assert wrong["words"].startswith('MIDSTREAM_TRANSPORT is "own" or "httpx2"')


def test_a_key_that_is_taken_is_enough(doctor: Doctor) -> None:
    with answering(200) as (url, asked):
        done = doctor("--json", **KEYS, ANTHROPIC_BASE_URL=url, OPENAI_BASE_URL=f"{url}/v1/")
    findings = found(done)
    assert done.returncode == 0
    for name, key in zip(("anthropic", "openai"), KEYS, strict=True):
        assert findings[name]["state"] == "good"
        assert f"answers and takes {key}" in findings[name]["words"]
        assert findings[name]["facts"]["status"] == 200
    headers = [headers for _, headers in asked]
    assert [path for path, _ in asked] == ["/v1/models", "/v1/models"]
    assert {each.get("x-api-key") for each in headers} == {KEYS["ANTHROPIC_API_KEY"], None}
    assert {each.get("authorization") for each in headers} == {
        f"Bearer {KEYS['OPENAI_API_KEY']}", None
    }  # fmt: skip


def test_a_token_is_sent_as_one(doctor: Doctor) -> None:
    with answering(200) as (url, asked):
        doctor(ANTHROPIC_AUTH_TOKEN="token-canary", ANTHROPIC_BASE_URL=url)
    assert asked[0][1]["authorization"] == "Bearer token-canary"


def test_a_server_that_wants_no_key_is_enough(doctor: Doctor) -> None:
    with answering(200) as (url, asked):
        done = doctor("--json", OLLAMA_BASE_URL=f"{url}/v1")
    assert done.returncode == 0
    assert found(done)["ollama"]["words"] == f"{url}/v1 answers"
    assert [(path, "authorization" in headers) for path, headers in asked] == [
        ("/v1/models", False)
    ]


def test_a_server_of_the_configuration_is_asked(doctor: Doctor, tmp_path: Path) -> None:
    with answering(200) as (url, asked):
        config = f'[endpoints.lab]\nbase_url = "{url}/v1"\nkeys = ["LAB_API_KEY"]\n'
        (tmp_path / "config.toml").write_text(config)
        done = doctor("--json", LAB_API_KEY="key-canary")
    findings = found(done)
    assert done.returncode == 0
    assert findings["lab"]["words"] == f"{url}/v1 answers and takes LAB_API_KEY"
    assert asked[0][1]["authorization"] == "Bearer key-canary"
    assert findings["config"]["facts"]["files"] == [str(tmp_path / "config.toml")]


def test_a_configuration_that_cannot_be_read_is_a_finding(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / ".midstream.toml").write_text("modle = 3")
    config = found(doctor("--json"))["config"]
    assert config["state"] == "bad"
    assert "modle" in config["words"]


@pytest.mark.parametrize("body", [b"<html>A shop</html>", b"[]", b'"data": []'])
def test_what_lists_no_models_is_no_provider(doctor: Doctor, body: bytes) -> None:
    with answering(200, body) as (url, _):
        done = doctor("--json", **KEYS, ANTHROPIC_BASE_URL=url, OPENAI_BASE_URL=url)
    assert done.returncode == 4
    assert "with no list of models" in found(done)["anthropic"]["words"]


@pytest.mark.parametrize("text", ["modle = 3", 'model = "opena:x"', "model = 5"])
def test_where_the_configuration_is_broken_nothing_can_be_asked(
    doctor: Doctor, tmp_path: Path, text: str
) -> None:
    (tmp_path / "config.toml").write_text(text)
    with answering(200) as (url, _):
        done = doctor("--json", **KEYS, ANTHROPIC_BASE_URL=url)
    assert (done.returncode, found(done)["config"]["state"]) == (4, "bad")


def test_a_key_that_is_refused_is_to_be_set_again(doctor: Doctor) -> None:
    with answering(401) as (url, _):
        done = doctor(**KEYS, ANTHROPIC_BASE_URL=url, OPENAI_BASE_URL=url)
    assert done.returncode == 4
    assert "answers, but refuses ANTHROPIC_API_KEY (401): set another key" in done.stdout


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, State.GOOD),
        (403, State.BAD),
        (302, State.BAD),
        (404, State.ABSENT),
        (429, State.GOOD),
        (529, State.BAD),
    ],
)
def test_what_a_status_says(status: int, state: State) -> None:
    assert verdict(status, "ANTHROPIC_API_KEY", ENDPOINTS["anthropic"])[0] is state
    assert verdict(status, "", ENDPOINTS["anthropic"])[0] is State.ABSENT
    assert verdict(status, "", ENDPOINTS["ollama"])[0] is state


def test_a_silent_server_and_a_closed_port_are_given_up_on_together(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        urls = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, closed)]
        began = monotonic()
        done = doctor("--json", **KEYS, ANTHROPIC_BASE_URL=urls[0], OPENAI_BASE_URL=urls[1])
        took = monotonic() - began
    findings = found(done)
    assert PATIENCE_S <= took < PATIENCE_S + 6
    assert findings["anthropic"]["state"] == findings["openai"]["state"] == "bad"
    assert "does not answer within 3 s" in findings["anthropic"]["words"]
    assert findings["openai"]["words"].endswith("cannot be reached: connection refused")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ANTHROPIC_API_KEY": "ключ"}, "ANTHROPIC_API_KEY has characters that no key has"),
        ({"ANTHROPIC_BASE_URL": "canary.example"}, "ANTHROPIC_BASE_URL must be http(s)://host"),
        ({"ANTHROPIC_BASE_URL": "http://canary@127.0.0.1:9/?key=canary"}, "http://127.0.0.1:9/ c"),
    ],
)
def test_what_is_set_wrongly_is_named_and_not_shown(
    variables: dict[str, str], words: str, doctor: Doctor
) -> None:
    assert words in doctor(**variables).stdout


def test_one_bad_address_hides_nothing_else(doctor: Doctor, tmp_path: Path) -> None:
    entry = '[endpoints.groq]\nbase_url = "http://localhost.example:1/v1"\nkeys = []\n'
    (tmp_path / "config.toml").write_text(entry)
    findings = found(doctor("--json", OLLAMA_BASE_URL="http://[bad"))
    assert findings["ollama"]["state"] == "bad"
    assert "OLLAMA_BASE_URL must be http(s)://host" in findings["ollama"]["words"]
    assert findings["groq"]["state"] == "absent"


def test_the_sessions_are_counted_and_none_is_made(doctor: Doctor, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert found(doctor("--json"))["sessions"]["facts"]["writable"] is True
    assert not data.exists()

    with closing(Journal(data / "sessions.db")) as journal:
        journal.session()
    kept = found(doctor("--json"))["sessions"]
    assert (kept["state"], kept["facts"]["sessions"], kept["facts"]["version"]) == ("good", 0, 2)

    (data / "sessions.db").write_text("Not a database." * 100)
    broken = found(doctor("--json"))["sessions"]
    assert broken["state"] == "bad"
    assert "move the file away" in broken["words"]


def test_llama_cpp_is_found_with_what_it_computes_on(doctor: Doctor) -> None:
    local = found(doctor("--json", PYTHONPATH=""))["local"]
    assert (local["state"], local["usable"]) == ("good", True)
    assert local["facts"]["devices"]


def test_a_terminal_is_described(environment: dict[str, str]) -> None:
    master, slave = pty.openpty()
    env = environment | {"TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(COMMAND, env=env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        process.wait(40)
    screen = os.read(master, 1 << 16).decode()
    os.close(master)
    assert "✓ terminal   90×30, xterm-256color, colours, " in screen
