"""The configuration: who wins, what a folder may not say, and servers of one's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.simulator import Reply, Scenario, Simulator, say

Start = Callable[[Any], Simulator]
Program = Callable[..., subprocess.CompletedProcess[str]]
LAB = """
[endpoints.lab]
base_url = "{url}"
wire = "anthropic"
keys = ["LAB_KEY"]
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command in an empty folder, with no keys and the user's file at `config.toml`."""

    (tmp_path / "config.toml").touch()

    def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MIDSTREAM_DATA": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", "midstream", "-o", "json", "--no-session", *args],
            cwd=tmp_path,
            env=bare | {"MIDSTREAM_CONFIG": str(tmp_path / "config.toml")} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    return run


@pytest.fixture
def sim(simulator: Start) -> Simulator:
    return simulator(Scenario(replies=[Reply([say("Ok.")])]))


def test_the_flag_wins_over_the_variable_over_the_folders_file_over_the_users(
    program: Program, sim: Simulator, tmp_path: Path
) -> None:
    keyed = {"LAB_KEY": "k"}
    (tmp_path / "config.toml").write_text(
        f'model = "lab:one"\nsystem = "User."\nmax_tokens = 11\n{LAB.format(url=sim.url)}'
    )
    assert program("Hi", **keyed).returncode == 0
    (tmp_path / ".midstream.toml").write_text('model = "lab:two"\nmax_tokens = 12\n')
    done = program("Hi", **keyed)
    assert ".midstream.toml is used; the model is lab:two" in done.stderr
    (tmp_path / ".midstream.toml").write_text('model = "lab:two"\nmax_tokens = 10\n')
    program("Hi", **keyed)
    program("Hi", MIDSTREAM_MODEL="lab:three", **keyed)
    program("Hi", "-m", "lab:four", "--max-tokens", "14", MIDSTREAM_MODEL="lab:three", **keyed)
    asked = [(body["model"], body["max_tokens"]) for body in sim.requests]
    # A folder may lower a limit of the user's, and not lift it.
    assert asked == [("one", 11), ("two", 11), ("two", 10), ("three", 10), ("four", 14)]
    assert [body["system"][0]["text"] for body in sim.requests] == ["User."] * 5


WRONG = [
    pytest.param("config.toml", "model = 5", "Expected `str | null`, got `int`", id="a type"),
    pytest.param("config.toml", "modle = 5", "unknown field `modle`", id="a word"),
    pytest.param("config.toml", "= 5", "config.toml: ", id="no TOML"),
    pytest.param(
        "config.toml", '[endpoints.x]\nbase_url = "x"', "must be http(s)://host", id="no address"
    ),
    pytest.param(
        "config.toml",
        '[endpoints.x]\nbase_url = "http://h"\nwire = "smtp"',
        "endpoints.x: Invalid enum value 'smtp'",
        id="no wire",
    ),
    pytest.param(
        "config.toml", '[endpoints."a:b"]\nbase_url = "http://h"', "cannot be used", id="a name"
    ),
    pytest.param(
        ".midstream.toml", '[endpoints.x]\nbase_url = "http://h"', "your own file", id="a stranger"
    ),
    pytest.param("config.toml", "max_turns = 0", ">= 1 - at `$.max_turns`", id="a limit"),
    pytest.param("config.toml", "[local]\nthreads = 0", "at least 1", id="no threads"),
    pytest.param(".midstream.toml", 'model = "sim:x.toml"', "name it with -m", id="a script"),
    pytest.param(".midstream.toml", 'model = "local:x.gguf"', "name it with -m", id="a file"),
    pytest.param(".midstream.toml", 'tools = ["x.py"]', "unknown field `tools`", id="programs"),
    pytest.param(".midstream.toml", 'base_url = "http://h"', "base_url", id="where keys go"),
]


@pytest.mark.parametrize(("file", "text", "words"), WRONG)
def test_what_cannot_be_understood_is_one_line_with_its_file(
    program: Program, tmp_path: Path, file: str, text: str, words: str
) -> None:
    (tmp_path / file).write_text(text)
    done = program("Hi", "-m", "sim:hello")
    assert (done.returncode, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert words in line
    assert file in line
    assert "a bug" not in line


def test_a_server_that_is_known_is_changed_and_not_replaced(
    program: Program, sim: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(
        f'[endpoints.mistral]\nbase_url = "{sim.url}/v1"\nquirks.asks_usage = true\n'
    )
    done = program("Hi", "-m", "mistral:m", MISTRAL_API_KEY="k")
    assert json.loads(done.stdout)["text"] == "Ok."
    assert sim.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("kind", ["device", "pipe", "large"])
def test_a_folders_file_is_a_file(program: Program, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".midstream.toml"
    match kind:
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_text("#" * 100_000)
    done = program("Hi", "-m", "sim:hello")
    assert (done.returncode, "no file of at most 65,536 bytes" in done.stderr) == (4, True)
    assert program("--help").returncode == 0


def test_a_key_in_place_of_its_variable_is_not_shown(program: Program, tmp_path: Path) -> None:
    entry = '[endpoints.lab]\nbase_url = "http://h"\nkeys = ["sk-canary-0123456789"]'
    (tmp_path / "config.toml").write_text(entry)
    done = program("Hi", "-m", "lab:m")
    assert (done.returncode, "names of variables" in done.stderr) == (4, True)
    assert "canary" not in done.stderr


def test_a_file_that_is_named_must_be_there(program: Program, tmp_path: Path) -> None:
    done = program("Hi", "-m", "sim:hello", MIDSTREAM_CONFIG=str(tmp_path / "none.toml"))
    assert (done.returncode, "which MIDSTREAM_CONFIG names" in done.stderr) == (4, True)


def test_a_server_of_ones_own_is_asked_with_its_own_key(
    program: Program, sim: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(LAB.format(url=sim.url))
    done = program("Hi", "-m", "lab:m")
    assert (done.returncode, done.stderr) == (
        4,
        "midstream: no key for lab: set LAB_KEY (midstream demo needs none)\n",
    )
    done = program("Hi", "-m", "lab:m", LAB_KEY="canary-key-1234")
    assert json.loads(done.stdout)["text"] == "Ok."


DEFAULTS = [
    ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, "anthropic"),
    ({"OPENAI_API_KEY": "k"}, "openai"),
    ({"GROQ_API_KEY": "k"}, "groq"),
    ({}, "sim"),
]


@pytest.mark.parametrize(("keys", "provider"), DEFAULTS)
def test_which_key_is_set_decides_whom_to_ask(
    keys: dict[str, str], provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midstream.cli.ask import default_model
    from midstream.models.endpoints import ENDPOINTS

    for endpoint in ENDPOINTS.values():
        for name in endpoint.keys:
            monkeypatch.delenv(name, raising=False)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    assert default_model(None).partition(":")[0] == provider
