"""However a conversation ends, the terminal is as it was, and the session is whole."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from midstream.simulator import Reply, call, say
from tests.cli.pseudo import pseudo_terminal
from tests.cli.talking import LONG, Start, known, slowly, talk
from tests.cli.tmux import PATIENCE_S, needs_tmux

pytestmark = needs_tmux

SIZE = (80, 24)
AS_BEFORE = {"echo", "icanon", "isig", "icrnl", "iexten", "cursor:1", "wraps:1"}


def sessions(folder: Path) -> str:
    """What is kept of the latest session."""
    env = {**os.environ, "MIDSTREAM_DATA": str(folder / ".data")}
    run = [sys.executable, "-m", "midstream", "sessions"]
    listed = subprocess.run([*run, "list"], cwd=folder, env=env, capture_output=True, check=True)
    name = listed.stdout.decode().split()[0]
    shown = subprocess.run(
        [*run, "show", name], cwd=folder, env=env, capture_output=True, check=True
    )
    return shown.stdout.decode()


def gone(process: int) -> bool:
    """Wait until a process has ended."""
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    with open(watched, "rb"):
        return bool(select.select([watched], [], [], PATIENCE_S)[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_settles_the_session_and_gives_the_terminal_back(
    tmp_path: Path, simulator: Start, number: signal.Signals
) -> None:
    reply = Reply([say("First this."), call("child"), say(LONG)])
    with talk(tmp_path, simulator(slowly(reply)), "--yes") as tmux:
        tmux.say("Go on.")
        tmux.wait_for("child()… 1 s")
        os.kill(tmux.program, number)
        assert tmux.wait_for_end() == 130
        assert tmux.modes >= AS_BEFORE
        assert tmux.screen.count("First this.") == 1
    assert gone(int((tmp_path / "child").read_text()))
    kept = sessions(tmp_path)
    assert "First this." in kept
    assert "child" in kept


def test_who_cannot_wait_gets_the_terminal_back_at_once(tmp_path: Path, simulator: Start) -> None:
    os.mkfifo(tmp_path / "blocked")
    sim = simulator([Reply([call("block")])])
    keys = {"ANTHROPIC_API_KEY": "any"}
    with pseudo_terminal(
        *known(tmp_path, sim), folder=tmp_path, size=SIZE, variables=keys
    ) as pseudo:
        pseudo.wait_for("\n›")
        pseudo.type("Go on.\r")
        pseudo.wait_for("block()")
        (tmp_path / "go").touch()
        (tmp_path / "blocked").read_text()  # waits for the tool
        pseudo.signal(signal.SIGTERM)  # which the tool holds up
        pseudo.signal(signal.SIGHUP)
        pseudo.read_to_the_end()
    assert pseudo.written.rstrip().endswith(b"\x1b[?25h\x1b[?2026l\x1b[?2004l")


@pytest.mark.parametrize("ending", [signal.SIGTERM, "\x04"])
def test_a_terminal_that_nobody_reads_does_not_hold_up_the_end(
    tmp_path: Path, simulator: Start, ending: signal.Signals | str
) -> None:
    os.mkfifo(tmp_path / "child")
    sim = simulator([Reply([call("child"), say("On and on.\n\n" * 30_000)])])
    options, keys = (*known(tmp_path, sim), "--yes"), {"ANTHROPIC_API_KEY": "any"}
    with pseudo_terminal(*options, folder=tmp_path, size=SIZE, variables=keys) as pseudo:
        pseudo.wait_for("\n›")
        pseudo.type("Go on.\r")
        child = int((tmp_path / "child").read_text())
        pseudo.wait_until_full()
        if isinstance(ending, str):
            pseudo.type(ending)
        else:
            pseudo.signal(ending)
        assert pseudo.wait_for_end() == (0 if isinstance(ending, str) else 130)
        assert gone(child)
        assert pseudo.echoes


def test_a_second_signal_ends_it_at_once_also_where_nobody_reads(
    tmp_path: Path, simulator: Start
) -> None:
    os.mkfifo(tmp_path / "blocked")
    os.mkfifo(tmp_path / "child")
    blocks = [call("child"), call("block"), say("On and on.\n\n" * 30_000)]
    options, keys = (
        (*known(tmp_path, simulator([Reply(blocks)])), "--yes"),
        {"ANTHROPIC_API_KEY": "any"},
    )
    with pseudo_terminal(*options, folder=tmp_path, size=SIZE, variables=keys) as pseudo:
        pseudo.wait_for("\n›")
        pseudo.type("Go on.\r")
        child = int((tmp_path / "child").read_text())
        pseudo.wait_until_full()
        (tmp_path / "go").touch()
        (tmp_path / "blocked").read_text()  # waits for the tool, which holds up the first
        pseudo.signal(signal.SIGTERM)
        pseudo.signal(signal.SIGHUP)
        assert pseudo.wait_for_end() == 130
        assert gone(child)
        assert pseudo.echoes


@pytest.mark.parametrize("deaf", [False, True])
def test_a_window_that_is_closed_is_no_bug(tmp_path: Path, simulator: Start, deaf: bool) -> None:
    options = known(tmp_path, simulator(slowly(Reply([say(LONG)]))))
    keys = {"ANTHROPIC_API_KEY": "any"}
    with pseudo_terminal(*options, folder=tmp_path, size=SIZE, variables=keys, deaf=deaf) as pseudo:
        pseudo.wait_for("\n›")
        pseudo.type("Go on.\r")
        pseudo.wait_for("On and on.")
        pseudo.close()
        assert pseudo.wait_for_end() == 130
    assert "On and on." in sessions(tmp_path)


def test_a_signal_in_the_first_moment_leaves_the_terminal_as_it_was(
    tmp_path: Path, simulator: Start
) -> None:
    options, keys = known(tmp_path, simulator([Reply([say("Yes.")])])), {"ANTHROPIC_API_KEY": "any"}
    for _ in range(5):
        with pseudo_terminal(*options, folder=tmp_path, size=SIZE, variables=keys) as pseudo:
            pseudo.wait_for_keys()
            pseudo.signal(signal.SIGTERM)
            assert pseudo.wait_for_end() == 130
            assert pseudo.echoes


@pytest.mark.skipif(sys.platform != "linux", reason="waits for processes as Linux does")
def test_a_terminal_that_is_closed_ends_the_program_and_settles_the_session(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say("First this."), call("child"), say(LONG)])))
    with talk(tmp_path, sim, "--yes") as tmux:
        tmux.say("Go on.")
        tmux.wait_for("child()… 1 s")
        program = tmux.program
        tmux.close()
        assert gone(program)
    assert gone(int((tmp_path / "child").read_text()))
    assert "First this." in sessions(tmp_path)


def test_a_tool_that_ends_programs_ends_its_call_alone(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("leave", status=3)]), Reply([say("Still here.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Leave.")
        tmux.wait_for("Still here.")
        assert "✗ leave(status=3)" in tmux.screen
        assert "SystemExit: 3" in tmux.screen
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
        assert tmux.modes >= AS_BEFORE


@pytest.mark.parametrize("part", ["view.View.see", "desk.Desk.lines", "editor.Editor.take"])
def test_a_bug_gives_the_terminal_back_and_is_told(
    tmp_path: Path, simulator: Start, part: str
) -> None:
    sim = simulator([Reply([call("spoil", part=part)]), Reply([say("Still here.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Spoil it.")
        tmux.wait_for(lambda screen: "a bug" in screen or "Still here." in screen)
        if part == "editor.Editor.take":
            tmux.press("x", "Enter")
        assert tmux.wait_for_end() == 1
        assert "midstream: a bug: " in tmux.screen
        assert tmux.modes >= AS_BEFORE


def test_where_nothing_can_be_kept_the_conversation_goes_on(
    tmp_path: Path, simulator: Start
) -> None:
    (tmp_path / "full").touch()
    elsewhere = {"MIDSTREAM_DATA": str(tmp_path / "full")}
    with talk(tmp_path, simulator([Reply([say("Yes.")])]), variables=elsewhere) as tmux:
        assert "this one is not kept" in " ".join(tmux.screen.split())
        tmux.say("Are you there?")
        tmux.wait_for("Yes.")
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0


def test_who_leaves_is_told_how_to_go_on(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("One.")]), Reply([say("Two.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("First?")
        tmux.wait_for("One.")
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
        assert "midstream -c goes on with it" in tmux.screen
    with talk(tmp_path, sim, "-c") as tmux:
        tmux.wait_for("One.")  # what was said last is seen again
        tmux.say("Second?")
        tmux.wait_for("Two.")
        tmux.press("C-d")
        tmux.wait_for_end()
    assert len(sim.requests[1]["messages"]) == 3
