"""The question whether a tool may run, on a real terminal."""

import os
import pty
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


@pytest.mark.parametrize(("typed", "said"), [("y\n", "wiped /a"), ("\n", "an approval that")])
def test_while_it_is_asked_nothing_else_is_shown(typed: str, said: str, terminal: Terminal) -> None:
    terminal.read_until("[y/N] ")
    terminal.wait_until_all_was_streamed()
    terminal.type(typed)
    terminal.read_until("tokens/s")
    asked, answered = terminal.screen.split("[y/N] ")
    assert '? wipe(path="/a") waits for approval\n  allow wipe? ' in asked
    assert "please." not in asked
    assert "please." in answered
    assert f"It says: {said[:9]}" in answered or said in answered
    assert terminal.process.wait(20) == 0


def test_what_was_typed_before_the_question_is_no_answer(terminal: Terminal) -> None:
    terminal.type("y\ny\n")
    terminal.read_until("[y/N] ")
    terminal.wait_until_all_was_streamed()
    terminal.type("n\n")
    terminal.read_until("tokens/s")
    assert "wiped" not in terminal.screen


def test_a_question_whose_call_is_lost_is_withdrawn(tmp_path: Path, simulator: Start) -> None:
    with asked(tmp_path, simulator, Cut(event=-1)) as terminal:
        terminal.read_until("[y/N] ")
        terminal.wait_until_all_was_streamed()
        terminal.read_until("attempt 2")
        terminal.read_until("allow wipe? [y/N] \n")
        terminal.read_until("[y/N] ", times=2)
        terminal.type("y\n")
        terminal.read_until("tokens/s")
    assert terminal.screen.count("→ wiped /a") == 1


def test_ctrl_c_is_an_answer_too(terminal: Terminal) -> None:
    terminal.read_until("[y/N] ")
    terminal.wait_until_all_was_streamed()
    terminal.type("\x03")
    terminal.read_until("■ stopped")
    assert "[y/N] ^C\n" in terminal.screen
    assert terminal.process.wait(20) == 130
