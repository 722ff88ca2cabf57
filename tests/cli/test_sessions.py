"""Sessions as the command's users have them: kept, gone on with, shown, taken out, forgotten."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from midstream.journal.database import Row
from midstream.journal.records import Committed, Ended, Prompted
from midstream.journal.store import Journal
from midstream.messages import Message, Text
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
        self.environment = os.environ | {
            "ANTHROPIC_API_KEY": "canary-key-1234567890",
            "ANTHROPIC_BASE_URL": url,
            "MIDSTREAM_DATA": str(self.data),
            "PYTHONUTF8": "1",
        }

    def __call__(self, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *args], cwd=cwd or self.folder, env=self.environment,
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


def test_a_conversation_that_fills_the_window_is_compacted(shell: Shell, sim: Simulator) -> None:
    assert shell("-t", "tools.py", "--no-workspace", "Pay 5").returncode == 0
    shell.environment["MIDSTREAM_CONTEXT_WINDOW"] = "200"
    done = shell("-c", "-t", "tools.py", "--no-workspace", "And?")
    assert "compacting the conversation" in done.stderr
    assert "⇲ compacted" in done.stderr
    assert [m["role"] for m in messages(sim)[:1]] == ["user"]
    told = shell("sessions", "show", shell.sessions()[0]["id"]).stdout
    assert "> Pay 5" in told
    assert "[compacted: the model goes on with this summary]\nStill here." in told


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
    assert shell("sessions", "delete", "-y", name[:8]).returncode == 0
    assert shell.sessions() == []


HOLD = """
import sys, anyio
from midstream.journal.records import Began, CallBegan, Prompted, Wrote
from midstream.journal.store import Journal
from midstream.messages import Message, Text, ToolCall
async def main():
    session = Journal().session("busy")
    async with session.held():
        session.record(Prompted(Message("user", (Text("Pay"),))), Began(1, 1))
        session.record(Wrote(1, 0, ToolCall("a", "pay", {})), CallBegan(1, "a", "pay", {}, "write"))
        await session.saved()
        print("held", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@contextmanager
def holding(shell: Shell) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, env=shell.environment, stdout=subprocess.PIPE) as run:
        try:
            yield run
        finally:
            run.kill()


def test_a_run_that_is_going_on_is_not_told_of_as_dead_nor_deleted(shell: Shell) -> None:
    shell("Hi")
    with holding(shell) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"held\n"
        for args in (["show", "busy"], ["export", "-f", "markdown", "busy"]):
            told = shell("sessions", *args)
            assert told.returncode == 0
            assert "Pay" in told.stdout
            assert "died" not in told.stdout.lower()
            assert "Outcome unknown" not in told.stdout
            assert "a run is going on" in told.stderr
        deleted = shell("sessions", "delete", "--all", "-y")
        assert deleted.returncode == 1
        assert "busy is kept: a run is adding to it" in deleted.stderr
        assert "Traceback" not in deleted.stderr
        assert [each["id"] for each in shell.sessions()] == ["busy"], "the others are gone"
    told = shell("sessions", "show", "busy")
    assert "Outcome unknown" in told.stdout
    assert "[died]" in told.stdout
    assert "going on" not in told.stderr


def begin(shell: Shell, *names: str, days_ago: int = 0) -> None:
    """Sessions of one turn."""
    at = datetime.now().timestamp() - days_ago * 86_400
    answer = Committed(1, Message("assistant", (Text("Yes? " * 40),)), None)
    records = [Prompted(Message("user", (Text("Hi"),))), answer, Ended("completed")]
    journal = Journal(shell.data / "sessions.db")
    for name in names:
        rows = [Row(n, at, record) for n, record in enumerate(records, 1)]
        journal.database.append(name, str(shell.folder), rows)
    journal.close()


def test_nothing_is_deleted_without_a_yes(shell: Shell) -> None:
    begin(shell, "abc")
    done = shell("sessions", "delete", "abc")
    assert done.returncode == 2
    assert "-y deletes without asking" in done.stderr
    assert len(shell.sessions()) == 1


def test_debug_may_stand_behind_the_command_too(shell: Shell) -> None:
    begin(shell, "abc")
    assert shell("sessions", "delete", "abc", "-y", "--debug").stderr == "deleted abc\n"


def test_many_are_deleted_at_once(shell: Shell) -> None:
    begin(shell, "old", days_ago=31)
    begin(shell, "older", days_ago=300)
    begin(shell, "new", "newer", "newest")
    done = shell("sessions", "delete", "--older-than", "30", "-y")
    assert (done.returncode, done.stderr) == (0, "deleted old\ndeleted older\n")
    assert shell("sessions", "delete", "newe", "-y").returncode == 2
    assert shell("sessions", "delete", "newer", "newest", "newer", "-y").returncode == 0
    assert [each["id"] for each in shell.sessions()] == ["new"]
    assert shell("sessions", "delete", "--all", "-y").stderr == "deleted new\n"
    done = shell("sessions", "delete", "--all", "-y")
    assert (done.returncode, done.stderr) == (0, "no session to delete\n")


@pytest.mark.parametrize("args", [[], ["--all", "abc"], ["--all", "--older-than", "0"]])
def test_what_to_delete_is_said_in_one_way(shell: Shell, args: list[str]) -> None:
    begin(shell, "abc")
    done = shell("sessions", "delete", "-y", *args)
    assert done.returncode == 2
    assert "one of ID..., --all and --older-than" in done.stderr
    assert len(shell.sessions()) == 1


def test_what_a_reader_kept_in_the_file_is_overwritten_by_deleting_again(shell: Shell) -> None:
    begin(shell, "abc")
    with closing(sqlite3.connect(shell.data / "sessions.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        done = shell("sessions", "delete", "abc", "-y")
        assert done.returncode == 1
        assert "forgotten, but another process is reading" in done.stderr
        reader.execute("COMMIT")
        assert shell("sessions", "delete", "abc", "-y").returncode == 2, "there is none any more"
        kept = b"".join(file.read_bytes() for file in shell.data.glob("sessions.db*")
                        if file.is_file())  # fmt: skip
        assert b"Yes? Yes?" not in kept


@pytest.mark.parametrize("command", ["show", "export", "delete"])
def test_an_id_that_might_mean_two_names_them_and_an_empty_one_none(
    shell: Shell, command: str
) -> None:
    begin(shell, "abc", "abd")
    done = shell("sessions", command, "ab")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "2 sessions begin with 'ab': abd, abc" in done.stderr
    done = shell("sessions", command, "")
    assert done.returncode == 2
    assert "an empty id names no session" in done.stderr


def test_an_export_is_for_its_owner_and_never_over_another_file(shell: Shell) -> None:
    begin(shell, "abc")
    file = shell.folder / "out.jsonl"
    assert shell("sessions", "export", "abc", "-o", str(file)).returncode == 0
    text = file.read_text()
    assert [json.loads(line)["n"] for line in text.splitlines()] == [1, 2, 3]
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = shell("sessions", "export", "abc", "-f", "markdown", "-o", str(file))
    assert done.returncode == 2
    assert "is there already: name another file" in done.stderr
    assert file.read_text() == text
    done = shell("sessions", "export", "abc", "-o", str(shell.folder / "none" / "x"))
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("args", [[], ["list", "-o", "json"], ["show", "abc"], ["export", "abc"]])
def test_a_reader_that_goes_away_is_no_failure(shell: Shell, args: list[str]) -> None:
    begin(shell, "abc")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "sessions", *args], env=shell.environment, cwd=shell.folder,
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_one_turn_is_no_turns(shell: Shell) -> None:
    begin(shell, "abc")
    assert "abc · 1 turn · " in shell("sessions", "show", "abc").stderr


def test_a_folder_that_is_a_file_is_said_to_be_one(shell: Shell) -> None:
    shell.data.touch()
    done = shell("sessions")
    assert done.returncode == 1
    assert f"{shell.data} is no folder" in done.stderr
    assert "cannot be read" in done.stderr
    assert "MIDSTREAM_DATA" in done.stderr


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
    assert done.stderr.startswith(
        "midstream: the last run of this session died, and is settled first\n"
        "  ✗ die(): Outcome unknown: the process ended while it ran."
    )
    assert "died" not in shell("-c", "And now?").stderr
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


def test_where_there_is_no_stdin_nothing_is_deleted(shell: Shell) -> None:
    shell("Hello")
    words = f'exec "{sys.executable}" -m midstream sessions delete --all <&-'
    done = subprocess.run(
        ["sh", "-c", words], env=shell.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "-y deletes without asking" in done.stderr
    assert len(shell.sessions()) == 1
