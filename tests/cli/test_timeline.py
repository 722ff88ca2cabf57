"""`midstream timeline` as its users have it: real runs, in processes of their own."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say

PROGRAM = [sys.executable, "-m", "midstream"]
TOOLS = """
import os, signal, time
from midstream import tool

@tool(effects="read")
def look(at: str) -> str:
    time.sleep(0.3)
    return "seen"

@tool  # that it begins is on disk before it does
def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)

@tool(effects="read")
def hang() -> str:
    open("hangs", "w").close()
    time.sleep(60)
"""
LOOKS = [
    Reply([say("I look twice: "), call("look", at="x"), call("look", at="y"), say("one two six.")]),
    Reply([say("Seen: {look}")]),
]


class Shell:
    """The command, in a folder and with sessions of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        (folder / "tools.py").write_text(TOOLS)
        self.environment = os.environ | {
            "ANTHROPIC_API_KEY": "k",
            "ANTHROPIC_BASE_URL": url,
            "MIDSTREAM_DATA": str(folder / "data"),
            "PYTHONUTF8": "1",
            "COLUMNS": "80",
        }

    def __call__(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*PROGRAM, *args], **self.options(**options), timeout=60)

    @contextmanager
    def running(self, *args: str) -> Generator[subprocess.Popen[str]]:
        with subprocess.Popen([*PROGRAM, *args], **self.options()) as process:
            try:
                yield process
            finally:
                process.kill()

    def options(self, **options: Any) -> dict[str, Any]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return {"cwd": self.folder, "env": self.environment, "text": True, **pipes, **options}

    def ask(self, words: str = "Look", *args: str) -> None:
        self("-t", "tools.py", *args, words)

    def runs(self, *args: str) -> list[dict[str, Any]]:
        done = self("timeline", "-o", "json", *args)
        assert done.returncode == 0, done.stderr
        return list(map(json.loads, done.stdout.splitlines()))


@pytest.fixture
def shell_of(simulator: Callable[[Any], Simulator], tmp_path: Path) -> Callable[..., Shell]:
    def made(*replies: Reply) -> Shell:
        scenario = Scenario(replies=list(replies), ttft=0, tokens_per_second=30)
        return Shell(tmp_path, simulator(scenario).url)

    return made


@pytest.fixture
def shell(shell_of: Callable[..., Shell]) -> Shell:
    made = shell_of(*LOOKS, Reply([say("Still here.")]))
    made.ask()
    return made


def test_the_latest_run_of_this_folder_is_drawn(shell: Shell) -> None:
    done = shell("timeline")
    assert (done.returncode, done.stderr) == (0, "")
    axis, words, turn, first, second, _, _, summary, *legend = done.stdout.splitlines()
    assert (axis.split()[:2], words) == (["0.0", "s"], "› Look")
    assert "█" in turn
    assert (first.split()[:2], second.split()[:2]) == (["look", "x"], ["look", "y"])
    assert ("━" in first, "━" in second) == (True, True)
    assert "2 turns in" in summary
    assert "of tools" in summary
    assert "━ a tool behind the stream" in " ".join(legend)
    assert "\x1b" not in done.stdout


def test_two_tools_in_a_stream_are_told_as_figures(shell: Shell) -> None:
    (run,) = shell.runs()
    first, second = run["turns"]
    assert [tool["input"] for tool in first["tools"]] == [{"at": "x"}, {"at": "y"}]
    assert run["tools_s"] == pytest.approx(0.6, abs=0.3)
    assert 0 < run["hidden_s"] <= run["tools_s"]
    kinds = [bar["kind"] for bar in first["stream"]]
    assert kinds == ["waiting", "text", "tool_call", "tool_call", "text"]
    assert [bar["kind"] for bar in second["stream"]] == ["waiting", "text"]


def test_any_run_of_any_session_can_be_named(shell: Shell) -> None:
    shell.ask("And?", "-c")
    assert [run["number"] for run in shell.runs("--all")] == [1, 2]
    assert [run["number"] for run in shell.runs()] == [2]
    assert [run["turns"][0]["words"] for run in shell.runs("--run", "1")] == ["Look"]
    name = json.loads(shell("sessions", "list", "-o", "json").stdout)["id"]
    assert shell.runs(name[:6], "--all") == shell.runs("--all")
    both = shell("timeline", "--all").stdout
    assert both.index("run 1 · ") < both.index("› Look") < both.index("run 2 · ")


WRONG = [
    (["nope"], "there is no session 'nope'"),
    (["--run", "2"], "there is no run 2: the session has 1 run"),
    (["--run", "1", "--all"], "one of --run and --all"),
    (["--svg", "x.svg", "-o", "json"], "one of --svg and -o json"),
    (["--svg", "run.pdf"], "what is drawn is an SVG: run.pdf should not end in .pdf"),
    (["--svg", "tools.py"], "tools.py is there already"),
    (["--svg", "no/such/folder.svg"], "cannot be written"),
]


@pytest.mark.parametrize(("args", "words"), WRONG)
def test_wrong_usage_is_one_line(shell: Shell, args: list[str], words: str) -> None:
    done = shell("timeline", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr


def test_a_folder_without_a_session_says_so(shell: Shell, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = shell("timeline", cwd=elsewhere)
    assert done.returncode == 2
    assert "no session has begun in this folder" in done.stderr


def test_a_picture_is_a_new_file_of_its_owners(shell: Shell) -> None:
    done = shell("timeline", "--svg", "run.svg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file = shell.folder / "run.svg"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = [each.text for each in ElementTree.parse(file).iter() if each.tag.endswith("}text")]
    assert "› Look" in words


def test_a_terminal_gets_colours_and_its_width(shell: Shell) -> None:
    del shell.environment["COLUMNS"]
    shell.environment["TERM"] = "xterm-256color"
    shell.environment.pop("NO_COLOR", None)
    main, terminal = pty.openpty()
    shell("timeline", stdout=terminal)
    os.close(terminal)
    shown = os.read(main, 1 << 16).decode()
    os.close(main)
    assert "\x1b[32m━" in shown


def test_a_reader_who_leaves_is_no_error(shell: Shell) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = shell("timeline", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_run_that_was_killed_is_drawn_as_far_as_it_came(shell_of: Callable[..., Shell]) -> None:
    shell = shell_of(Reply([say("I die. "), call("die"), say("never said")]))
    shell.ask()
    before = shell.runs()
    assert (before[0]["outcome"], before[0]["turns"][0]["end"]) == ("died", "died")
    assert before[0]["turns"][0]["tools"][0]["ended"] is False
    assert "✗ the process died" in shell("timeline").stdout
    shell.ask("Well?", "-c")  # which settles it
    (after,) = shell.runs("--run", "1")
    assert after["turns"] == before[0]["turns"]
    assert after["seconds"] == before[0]["seconds"]


def test_a_run_that_goes_on_and_one_that_is_cancelled(
    shell_of: Callable[..., Shell], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "hangs")
    shell = shell_of(Reply([say("I hang. "), call("hang"), say("So.")]))
    with shell.running("-t", "tools.py", "Go") as process:
        (shell.folder / "hangs").read_bytes()  # waits until the tool has opened it, too
        (run,) = shell.runs()
        assert (run["outcome"], run["turns"][0]["end"]) == ("", None)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    (run,) = shell.runs()
    assert (run["outcome"], run["turns"][0]["end"]) == ("cancelled", "stopped")
    assert "■ stopped" in shell("timeline").stdout
