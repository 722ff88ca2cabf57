"""Sessions as the command's users have them: kept, gone on with, shown, taken out, forgotten."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say

PROGRAM = [sys.executable, "-m", "midstream"]
TOOLS = """
import os, signal, time
from midstream import tool

@tool(serial="till")
def pay(amount: int) -> str:
    with open("paid.log", "a") as log:
        log.write(f"{amount}\\n")
    return f"paid {amount}"

@tool(serial="till")
def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Shell:
    """The command, in a folder and with sessions of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        (folder / "tools.py").write_text(TOOLS)
        self._environment = os.environ | {
            "ANTHROPIC_API_KEY": "canary-key-1234567890",
            "ANTHROPIC_BASE_URL": url,
            "MIDSTREAM_DATA": str(self.data),
            "PYTHONUTF8": "1",
        }

    def __call__(self, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *args], cwd=cwd or self.folder, env=self._environment,
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def sessions(self) -> list[dict[str, Any]]:
        return list(map(json.loads, self("sessions", "list", "-o", "json").stdout.splitlines()))


@pytest.fixture
def sim(simulator: Callable[[Any], Simulator]) -> Simulator:
    replies = [
        Reply([say("I pay. "), call("pay", amount=5)]),
        Reply([say("Paid: {pay}")]),
        Reply([say("Still here.")]),
    ]
    return simulator(Scenario(replies=replies, ttft=0, tokens_per_second=0))


@pytest.fixture
def shell(tmp_path: Path, sim: Simulator) -> Shell:
    return Shell(tmp_path, sim.url)


def messages(sim: Simulator) -> list[dict[str, Any]]:
    body: dict[str, Any] = sim.requests[-1]
    said: list[dict[str, Any]] = body["messages"]
    return said


def test_a_conversation_goes_on_in_this_folder(shell: Shell, sim: Simulator) -> None:
    assert shell("-t", "tools.py", "Pay 5").returncode == 0
    done = shell("-c", "-t", "tools.py", "And?")
    assert (done.returncode, done.stdout.strip()) == (0, "Still here.")
    assert [m["role"] for m in messages(sim)] == ["user", "assistant", "user", "assistant", "user"]
    assert (shell.folder / "paid.log").read_text() == "5\n"


def test_another_folder_has_no_session_yet(shell: Shell, tmp_path: Path) -> None:
    assert shell("Hi").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = shell("-c", "And?", cwd=elsewhere)
    assert done.returncode == 2
    assert "no session has begun in this folder" in done.stderr


def test_a_session_is_resumed_from_anywhere_by_the_beginning_of_its_id(
    shell: Shell, tmp_path: Path, sim: Simulator
) -> None:
    first = json.loads(shell("-o", "json", "-t", "tools.py", "Pay 5").stdout)["session"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = shell("-o", "json", "-r", first[:8], "And?", cwd=elsewhere)
    assert json.loads(done.stdout)["session"] == first
    assert len(messages(sim)) == 5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-r", "nope"], "there is no session 'nope'"),
        (["-c", "-r", "x"], "not two"),
        (["-c", "--no-session"], "not two"),
    ],
)
def test_wrong_usage_is_one_line(shell: Shell, args: list[str], words: str) -> None:
    done = shell(*args, "Hi")
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_session_nothing_is_kept(shell: Shell) -> None:
    assert shell("--no-session", "-t", "tools.py", "Pay 5").returncode == 0
    assert not shell.data.exists()


def test_sessions_are_listed_shown_exported_and_deleted(shell: Shell) -> None:
    shell("-t", "tools.py", "Pay 5")
    shell("-c", "-t", "tools.py", "And?")
    (listed,) = shell.sessions()
    assert (listed["first"], listed["turns"], listed["folder"]) == ("Pay 5", 3, str(shell.folder))
    name = listed["id"]
    assert name[:8] in shell("sessions").stdout
    shown = shell("sessions", "show", name[:8]).stdout
    wanted = ["> Pay 5", '▶ pay({"amount":5})', "✓ paid 5", "[completed]", "> And?", "Still here."]
    assert sorted(wanted, key=shown.index) == wanted
    lines = list(map(json.loads, shell("sessions", "export", name).stdout.splitlines()))
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert {"prompted", "began", "call_began", "call_ended", "committed", "ended"} <= {
        line["record"] for line in lines
    }
    file = shell.folder / "out.md"
    assert shell("sessions", "export", name, "-f", "markdown", "-o", str(file)).returncode == 0
    assert file.read_text().startswith("# Pay 5\n\n## User\n\nPay 5\n\n## Assistant\n\nI pay.")
    assert shell("sessions", "delete", name[:8]).returncode == 0
    assert shell.sessions() == []


def test_an_answer_that_no_disk_can_keep_is_still_given(shell: Shell) -> None:
    shell.data.write_text("a file where a folder should be")
    done = shell("-t", "tools.py", "Pay 5")
    assert (done.returncode, done.stdout) == (0, "I pay. \nPaid: paid 5\n")
    first, *_ = done.stderr.splitlines()
    assert "sessions cannot be kept" in first
    assert "Traceback" not in done.stderr


def test_what_cannot_be_read_is_not_gone_on_with(shell: Shell) -> None:
    shell("Hi")
    (shell.data / "sessions.db").write_bytes(b"no database at all " * 100)
    for file in ("sessions.db-wal", "sessions.db-shm"):
        (shell.data / file).unlink(missing_ok=True)
    done = shell("-c", "And?")
    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_process_that_was_killed_is_gone_on_with(
    tmp_path: Path, simulator: Callable[[Any], Simulator]
) -> None:
    replies = [
        Reply([say("I pay and die."), call("pay", amount=5), call("die")]),
        Reply([say("I see.")]),
    ]
    sim = simulator(Scenario(replies=replies, ttft=0, tokens_per_second=0))
    shell = Shell(tmp_path, sim.url)
    died = shell("-t", "tools.py", "Go")
    assert died.returncode == -signal.SIGKILL
    shown = shell("sessions", "show", shell.sessions()[0]["id"]).stdout
    assert "[died]" in shown
    done = shell("-c", "-t", "tools.py", "And?")
    assert done.returncode == 0, done.stderr
    assert sim.refusals == []
    results = {b["tool_use_id"]: b["content"] for m in messages(sim) if m["role"] == "user"
               for b in m["content"] if b["type"] == "tool_result"}  # fmt: skip
    assert [str(each)[:15] for each in results.values()] == ["paid 5", "Outcome unknown"]
    assert (tmp_path / "paid.log").read_text() == "5\n"


def test_no_key_is_in_what_is_kept(shell: Shell, tmp_path: Path) -> None:
    shell("my key is canary-key-1234567890")
    kept = b"".join(f.read_bytes() for f in shell.data.rglob("*") if f.is_file())
    assert b"my key is [redacted]" in kept
    assert b"canary-key" not in kept
