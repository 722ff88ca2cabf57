"""How the command ends by real signals, and that no process of a tool is left when it has ended."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say
from tests.nursery import Nursery

Start = Callable[[Any], Simulator]
Process = subprocess.Popen[str]
TOOLS = """
import asyncio, os, subprocess, threading, time
import anyio
from midstream import ToolContext

def popen(script, **options):
    return subprocess.Popen(script, shell=True, stdin=subprocess.DEVNULL, **options)

def daemon(script):  # the classical one: forked twice, in a session of its own
    if (child := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sh", ["sh", "-c", script])
        os._exit(0)
    os.waitpid(child, 0)

"""
# What a tool does with the shell commands CHILD and DEAF, and how many processes that makes.
BUSY = {
    "a plain function": (
        1,
        """
def act():
    subprocess.run(["sh", "-c", CHILD])
""",
    ),
    "a pipeline with a background job": (
        3,
        """
def act():
    subprocess.run(f"{CHILD} & {CHILD} | {CHILD}", shell=True)
""",
    ),
    "a deaf session of its own": (
        3,
        """
def act():
    subprocess.run(f"{DEAF} & {DEAF} | {DEAF}", shell=True, start_new_session=True)
""",
    ),
    "an async function": (
        3,
        """
async def act():
    await anyio.run_process(f"{CHILD} & {CHILD} | {CHILD}")
""",
    ),
    "asyncio": (
        2,
        """
async def act():
    process = await asyncio.create_subprocess_exec("sh", "-c", f"{CHILD} | {CHILD}")
    await process.wait()
""",
    ),
    "daemons": (
        2,
        """
def act():
    daemon(CHILD)
    daemon(DEAF)
    time.sleep(1000)
""",
    ),
    "os.system without end": (
        1,
        """
def act():
    while True:
        os.system(CHILD)
""",
    ),
    "threads that know of no call": (
        3,
        """
def without_end():
    while True:
        subprocess.run(["sh", "-c", CHILD])

def act():
    for _ in range(3):
        threading.Thread(target=without_end, daemon=True).start()
    time.sleep(1000)
""",
    ),
    "a thread whose end Python would wait for": (
        1,
        """
async def act():
    popen(CHILD)
    await asyncio.to_thread(time.sleep, 1000)
""",
    ),
}
# What ignores the first signal.
STUBBORN = {
    "it blocks the event loop": """
async def act():
    popen(CHILD)
    time.sleep(1000)
""",
    "it waits for a thread": """
async def act():
    popen(CHILD)
    await anyio.to_thread.run_sync(time.sleep, 1000)
""",
    "it catches its cancellation": """
async def act():
    popen(CHILD)
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass
""",
}
# What a finished call leaves behind.
DONE = {
    "servers": """
def act():
    popen(CHILD)
    popen(DEAF, start_new_session=True)
""",
    "a daemon": """
def act():
    daemon(f"{CHILD} & {CHILD}")
""",
    "a fork": """
def act():
    if os.fork() == 0:
        os.execvp("sh", ["sh", "-c", CHILD])
""",
}


class World:
    """The command with one tool, `act`, which the model calls at once."""

    def __init__(self, folder: Path, nursery: Nursery, simulator: Start) -> None:
        self._tools = folder / "acting.py"
        self._nursery = nursery
        replies = [Reply([say("So. "), call("act")]), Reply([say("Done.")])]
        self._url = simulator(Scenario(replies=replies, ttft=0, tokens_per_second=0)).url

    def popen(self, act: str, *args: str, before: str = "", **options: Any) -> Process:
        names = f"CHILD, DEAF = {self._nursery.child!r}, {self._nursery.deaf!r}\n"
        self._tools.write_text(names + TOOLS + act.strip())
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
        tools = ["-t", f"{self._tools}:act", "--base-url", self._url]
        command = [sys.executable, "-m", "midstream", "Go", *tools, *args]
        if before:
            command = ["sh", "-c", f'{before} & exec "$@"', "sh", *command]
        return subprocess.Popen(
            command,
            env=kept | {"ANTHROPIC_API_KEY": "k", "PYTHONUTF8": "1"},
            text=True,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    @contextmanager
    def terminal(self, act: str) -> Generator[tuple[Process, int]]:
        """The command on a terminal of its own, and the other end of that."""
        master, slave = pty.openpty()
        own: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
        with self.popen(act, preexec_fn=lambda: os.login_tty(slave), **own) as process:
            os.close(slave)
            yield process, master


@pytest.fixture
def world(tmp_path: Path, nursery: Nursery, simulator: Start) -> World:
    return World(tmp_path, nursery, simulator)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("act", BUSY)
def test_one_signal_settles_and_leaves_no_process(
    act: str, name: str, world: World, nursery: Nursery
) -> None:
    count, source = BUSY[act]
    with world.popen(source, "-o", "stream-json", stdout=subprocess.PIPE) as process:
        nursery.wait_reported(count)
        process.send_signal(getattr(signal, name))
        lines = process.communicate(timeout=20)[0].splitlines()
    assert nursery.alive() == []
    assert process.returncode == 130
    last = json.loads(lines[-1])
    assert (last["type"], last["outcome"]) == ("run_ended", "cancelled")


@pytest.mark.parametrize("act", STUBBORN)
def test_a_second_ctrl_c_leaves_at_once_whatever_a_tool_does(
    act: str, world: World, nursery: Nursery
) -> None:
    with world.popen(STUBBORN[act], stdout=subprocess.DEVNULL) as process:
        nursery.wait_reported(1)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # the first one changes nothing
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
    assert nursery.alive() == []


@pytest.mark.parametrize("act", ["a plain function", "a pipeline with a background job",
                                 "an async function"])  # fmt: skip
def test_ctrl_c_on_a_terminal(act: str, world: World, nursery: Nursery) -> None:
    """It reaches the program alone: the tool does not take its child's death for an end."""
    count, source = BUSY[act]
    with world.terminal(source) as (process, terminal):
        nursery.wait_reported(count)
        os.write(terminal, b"\x03")
        screen = drain(terminal)
        assert process.wait(20) == 130
    assert nursery.alive() == []
    assert "✗ act() " in screen()
    assert "Stopped while it was running" in screen()


def test_one_signal_is_enough_in_the_end(world: World, nursery: Nursery) -> None:
    with world.terminal(STUBBORN["it catches its cancellation"]) as (process, terminal):
        nursery.wait_reported(1)
        process.send_signal(signal.SIGTERM)
        screen = drain(terminal)
        assert process.wait(20) == 130
    assert nursery.alive() == []
    assert "Ctrl-C leaves at once" in screen()


def test_a_terminal_that_nobody_reads_does_not_hold_up_the_end(
    world: World, nursery: Nursery
) -> None:
    act = "from midstream import ToolContext\ndef act(context: ToolContext):\n    popen(CHILD)\n"
    act += "    while not context.cancelled:\n        context.progress('word ' * 200)\n"
    with world.terminal(act) as (process, terminal):
        nursery.wait_reported(1)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
        os.close(terminal)
    assert nursery.alive() == []


def test_a_thread_that_was_left_behind_holds_up_the_end_for_seconds_only(world: World) -> None:
    source = """
from midstream import tool

@tool(timeout=0.2)
async def act():
    await asyncio.to_thread(time.sleep, 1000)
"""
    with world.popen(source, stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=20)[0].endswith("Done.\n")
    assert process.returncode == 0


def test_processes_that_were_there_before_are_spared(world: World, nursery: Nursery) -> None:
    """A shell that starts a job and then becomes the program."""
    source = "def act():\n    popen(CHILD)"
    with world.popen(source, before=nursery.child) as process:
        assert process.wait(20) == 0
    assert len(nursery.alive()) == 1


def test_a_terminal_that_is_closed_leaves_no_process(world: World, nursery: Nursery) -> None:
    count, source = BUSY["a deaf session of its own"]
    with world.terminal(source) as (process, terminal):
        nursery.wait_reported(count)
        os.close(terminal)
        assert process.wait(20) == 130
    assert nursery.alive() == []


def test_a_reader_of_stdout_that_goes_away_leaves_no_process(
    world: World, nursery: Nursery
) -> None:
    act = """
def act(ctx: ToolContext):
    popen(CHILD)
    while True:
        ctx.progress("still at it")
        time.sleep(0.01)
"""
    pipe = subprocess.PIPE
    with world.popen(act, "-o", "stream-json", stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        nursery.wait_reported(1)
        process.stdout.close()
        assert process.wait(20) == 141
    assert nursery.alive() == []


@pytest.mark.parametrize("act", DONE)
def test_what_finished_calls_have_left_behind_ends_with_the_program(
    act: str, world: World, nursery: Nursery
) -> None:
    with world.popen(DONE[act], stdout=subprocess.PIPE) as process:
        out = process.communicate(timeout=20)[0]
    assert nursery.alive() == []
    assert (process.returncode, out) == (0, "So. \nDone.\n")


def test_nohup_goes_on_when_the_terminal_is_gone(
    world: World, nursery: Nursery, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    act = f"def act():\n    popen(CHILD)\n    open({str(gate)!r}).read()"
    nohup: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with world.popen(act, stdout=subprocess.PIPE, **nohup) as process:
        nursery.wait_reported(1)
        process.send_signal(signal.SIGHUP)
        gate.write_text("go on")
        out = process.communicate(timeout=20)[0]
    assert (process.returncode, out) == (0, "So. \nDone.\n")


def drain(terminal: int) -> Callable[[], str]:
    """Read what is written there, so that the writer does not wait; the call gives all of it."""
    screen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(terminal, 65536):
                screen.append(data)
        except OSError:  # the other side has closed
            os.close(terminal)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def text() -> str:
        reader.join(10)
        return b"".join(screen).decode()

    return text
