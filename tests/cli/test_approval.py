"""The question whether a tool may run, on a real terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say
from midstream.simulator.faults import Cut

Start = Callable[[Any], Simulator]
ASKED = "or say why not: "
TOOLS = """
from pathlib import Path
from midstream import tool

@tool(approval=True)
def wipe(path: str) -> str:
    return f"wiped {path}"

@tool(effects="read")
def arrive(path: str) -> None:
    open(path, "w").close()  # a pipe: somebody waits for it
"""


class Terminal:
    """The command on a terminal, where a model asks for `wipe` and goes on talking."""

    def __init__(self, process: "subprocess.Popen[bytes]", end: int, arrived: Path) -> None:
        self.process = process
        self._end = end
        self._arrived = arrived
        self.screen = ""

    def read_until(self, words: str, times: int = 1) -> None:
        while self.screen.count(words) < times:
            self.screen += os.read(self._end, 65536).decode().replace("\r\n", "\n")

    def wait_until_all_was_streamed(self) -> None:
        self._arrived.read_bytes()

    def type(self, words: str) -> None:
        os.write(self._end, words.encode())


@pytest.fixture
def terminal(tmp_path: Path, simulator: Start) -> Generator[Terminal]:
    with asked(tmp_path, simulator) as terminal:
        yield terminal


@contextmanager
def asked(tmp_path: Path, simulator: Start, *faults: Cut) -> Generator[Terminal]:
    tools, arrived = tmp_path / "wiping.py", tmp_path / "arrived"
    tools.write_text(TOOLS)
    os.mkfifo(arrived)
    asks = Reply([say("One "), call("wipe", path="/a"), say("moment, " * 9 + "please."),
                  call("arrive", path=str(arrived))])  # fmt: skip
    replies = [asks, Reply([say("It says: {wipe}")])]
    url = simulator(
        Scenario(replies=replies, faults=list(faults), ttft=0, tokens_per_second=30)
    ).url
    with running(["Go", "-t", str(tools), "--base-url", url]) as (process, end):
        yield Terminal(process, end, arrived)


@contextmanager
def running(args: list[str]) -> Generator[tuple["subprocess.Popen[bytes]", int]]:
    end, slave = pty.openpty()
    environment = os.environ | {"ANTHROPIC_API_KEY": "k", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "midstream", *args], env=environment, stdin=slave, stdout=slave,
        stderr=slave, preexec_fn=lambda: os.login_tty(slave),
    ) as process:  # fmt: skip
        os.close(slave)
        yield process, end
        process.kill()
    os.close(end)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("y\n", "wiped /a"), ("n\n", "the user said no"), ("\x04", "the user said no")],
)
def test_while_it_is_asked_nothing_else_is_shown(typed: str, said: str, terminal: Terminal) -> None:
    terminal.read_until(ASKED)
    terminal.wait_until_all_was_streamed()
    terminal.type(typed)
    terminal.read_until("tokens/s")
    asked, answered = terminal.screen.split(ASKED)
    assert '? wipe(path="/a") waits for approval\n' in asked
    assert asked.endswith("\n  allow wipe? y once, a always, n no, ")
    assert "please." not in asked
    assert "please." in answered
    assert f"It says: {said[:9]}" in answered or said in answered
    assert terminal.process.wait(20) == 0


def test_what_was_typed_before_the_question_is_no_answer(terminal: Terminal) -> None:
    terminal.type("y\ny\n")
    terminal.read_until(ASKED)
    terminal.wait_until_all_was_streamed()
    terminal.type("n\n")
    terminal.read_until("tokens/s")
    assert "wiped" not in terminal.screen


def test_a_question_whose_call_is_lost_is_withdrawn(tmp_path: Path, simulator: Start) -> None:
    with asked(tmp_path, simulator, Cut(event=-1)) as terminal:
        terminal.read_until(ASKED)
        terminal.wait_until_all_was_streamed()
        terminal.read_until("attempt 2")
        terminal.read_until(f"{ASKED}\n")
        terminal.read_until(ASKED, times=2)
        terminal.type("y\n")
        terminal.read_until("tokens/s")
    assert terminal.screen.count("→ wiped /a") == 1


def test_ctrl_c_is_an_answer_too(terminal: Terminal) -> None:
    terminal.read_until(ASKED)
    terminal.wait_until_all_was_streamed()
    terminal.type("\x03")
    terminal.read_until("■ stopped")
    assert f"{ASKED}^C\n" in terminal.screen
    assert terminal.process.wait(20) == 130


# -- answers that last, and words --------------------------------------------------------------

LONG = "echo one" + " " * 300 + "; echo two\necho three"
RUNNER = """
from midstream import tool

@tool(approval=True)
def run(command: str, why: str = "") -> str:
    return f"ran {command!r}"

@tool(approval=True)
def wipe(path: str) -> str:
    return f"wiped {path}"
"""


@contextmanager
def conversation(
    folder: Path, simulator: Start, *replies: Reply, args: tuple[str, ...] = ()
) -> Generator[tuple[Terminal, Simulator]]:
    tools = folder / "runner.py"
    tools.write_text(RUNNER)
    sim = simulator(Scenario(replies=[*replies, Reply([say("That was all.")])], ttft=0))
    options = ["-t", str(tools), "--no-workspace", "--base-url", sim.url, *args]
    with running(["Go", *options]) as (process, end):
        yield Terminal(process, end, folder), sim


def told(sim: Simulator, request: int) -> list[str]:
    """What the model was told of the calls that it had made before."""
    blocks = sim.requests[request]["messages"][-1]["content"]
    return [each["content"] for each in blocks if each["type"] == "tool_result"]


def runs(*commands: str) -> Reply:
    return Reply([call("run", command=command) for command in commands])


@pytest.mark.parametrize(("typed", "asked"), [("y", 3), ("a", 1), ("Always", 1)])
def test_always_is_for_all_calls_of_the_tool_also_those_that_wait(
    typed: str, asked: int, tmp_path: Path, simulator: Start
) -> None:
    replies = (runs("ls", "sudo ls"), runs("ls -a"))
    with conversation(tmp_path, simulator, *replies) as (terminal, sim):
        for times in range(asked):
            terminal.read_until(ASKED, times=times + 1)
            terminal.type(f"{typed}\n")
        terminal.read_until("tokens/s")
    assert terminal.screen.count(ASKED) == asked
    assert (told(sim, 1), told(sim, 2)) == (["ran 'ls'", "ran 'sudo ls'"], ["ran 'ls -a'"])


def test_always_for_a_tool_is_not_for_another(tmp_path: Path, simulator: Start) -> None:
    replies = (runs("ls"), Reply([call("wipe", path="/")]))
    with conversation(tmp_path, simulator, *replies) as (terminal, sim):
        terminal.read_until(ASKED)
        terminal.type("a\n")
        terminal.read_until("allow wipe? y once, a always, n no, or say why not: ")
        terminal.type("n\n")
        terminal.read_until("tokens/s")
    assert told(sim, 2) == ["Not run: the user said no."]


def test_always_for_a_beginning_is_for_commands_that_begin_so(
    tmp_path: Path, simulator: Start
) -> None:
    replies = (runs("git status"), runs("git status -s", "git status; rm x"))
    with conversation(tmp_path, simulator, *replies) as (terminal, sim):
        terminal.read_until("a always, p always “git status …”, n no, or say why not: ")
        terminal.type("p\n")
        terminal.read_until("p always exactly “git status; rm x”, n no, or say why not: ")
        terminal.type("no\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == ["ran 'git status'"]
    assert told(sim, 2) == ["ran 'git status -s'", "Not run: the user said no."]


def test_always_for_a_command_as_it_is_is_for_no_other(tmp_path: Path, simulator: Start) -> None:
    replies = (runs("make test"), runs("make test", "make test '--eval=$(shell x)'"))
    with conversation(tmp_path, simulator, *replies) as (terminal, sim):
        terminal.read_until("a always, p always exactly “make test”, n no, or say why not: ")
        terminal.type("p\n")
        terminal.read_until("p always exactly “make test '--eval=$(shell x)'”")
        terminal.type("no\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == ["ran 'make test'"]
    assert told(sim, 2) == ["ran 'make test'", "Not run: the user said no."]


def test_words_are_a_no_that_the_model_is_told(tmp_path: Path, simulator: Start) -> None:
    with conversation(tmp_path, simulator, runs("npm install x")) as (terminal, sim):
        terminal.read_until(ASKED)
        terminal.type("  take pnpm for that\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == ["Not run: the user said no: take pnpm for that"]


def test_enter_alone_is_no_answer(tmp_path: Path, simulator: Start) -> None:
    with conversation(tmp_path, simulator, runs("sudo ls")) as (terminal, sim):
        terminal.read_until(ASKED)
        terminal.type("\n")
        terminal.read_until(ASKED, times=2)
        terminal.type("y\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == ["ran 'sudo ls'"]


def test_an_edit_is_asked_about_as_a_difference(tmp_path: Path, simulator: Start) -> None:
    (tmp_path / "app.py").write_text("Helo you\n")
    edit = call("edit_file", path="app.py", old_text="Helo ", new_text="Hello \n")
    url = simulator(Scenario(replies=[Reply([edit]), Reply([say("Done.")])], ttft=0)).url
    with running(["Go", "--add-dir", str(tmp_path), "--base-url", url]) as (process, end):
        terminal = Terminal(process, end, tmp_path)
        terminal.read_until(ASKED)
        terminal.type("n\n")
        terminal.read_until("tokens/s")
    shown = terminal.screen.split("waits for approval\n")[1].split("  allow ")[0]
    assert shown == "  path:\n    app.py\n  - Helo \n  + Hello \n"


def test_what_was_not_shown_is_shown_to_who_asks(tmp_path: Path, simulator: Start) -> None:
    long = "\n".join(f"echo {n}" for n in range(100))
    with conversation(tmp_path, simulator, runs(long)) as (terminal, sim):
        terminal.read_until("a always, v all of it, n no, or say why not: ")
        assert "echo 99" not in terminal.screen
        terminal.type("v\n")
        terminal.read_until("\n    echo 99\n")
        terminal.type("y\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == [f"ran {long!r}"]


def test_a_letter_that_stands_for_nothing_is_asked_about_again(
    tmp_path: Path, simulator: Start
) -> None:
    with conversation(tmp_path, simulator, runs("ls\nls")) as (terminal, sim):
        for times, letter in enumerate("upk"):  # p is not offered here
            terminal.read_until(ASKED, times=times + 1)
            terminal.type(f"{letter}\n")
        terminal.read_until(ASKED, times=4)
        terminal.type("y\n")
        terminal.read_until("tokens/s")
    assert told(sim, 1) == [r"ran 'ls\nls'"]


def test_nobody_is_asked_about_what_was_not_shown_whole(tmp_path: Path, simulator: Start) -> None:
    with conversation(tmp_path, simulator, runs(LONG)) as (terminal, sim):
        terminal.read_until(ASKED)
        terminal.type("n\n")
        terminal.read_until("tokens/s")
    shown = " ".join(terminal.screen.split("waits for approval")[1].split())
    assert shown.startswith("command: echo one ; echo two echo three allow run? y once")
    assert len(told(sim, 1)) == 1


def test_of_what_no_screen_can_show_the_rest_is_counted(tmp_path: Path, simulator: Start) -> None:
    long = "\n".join(f"echo {n}" for n in range(100)) + "x" * 10_000
    with conversation(tmp_path, simulator, runs(long)) as (terminal, _):
        terminal.read_until(ASKED)
        assert re.search(r"\n    echo 49\n    … and 10,\d+ more characters, which are not shown\n",
                         terminal.screen)  # fmt: skip
        terminal.type("n\n")
        terminal.read_until("tokens/s")


def test_no_escape_of_a_command_reaches_the_terminal(tmp_path: Path, simulator: Start) -> None:
    hidden = "rm x # \x1b[2K\x1b]52;c;AAAA\x07\u202e" + "y" * 100
    with conversation(tmp_path, simulator, runs(hidden)) as (terminal, _):
        terminal.read_until(ASKED)
        terminal.type("n\n")
        terminal.read_until("tokens/s")
    assert "rm x" in terminal.screen
    assert not {"\x1b", "\x07", "\u202e"}.intersection(terminal.screen)


def test_with_yes_nobody_is_asked(tmp_path: Path, simulator: Start) -> None:
    with conversation(tmp_path, simulator, runs("ls"), args=("-y",)) as (terminal, sim):
        terminal.read_until("tokens/s")
    assert ASKED not in terminal.screen
    assert told(sim, 1) == ["ran 'ls'"]
