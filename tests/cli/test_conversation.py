"""A conversation on a real terminal, with the simulator at the other end of a real socket."""

from pathlib import Path

from midstream.simulator import Reply, say, think
from tests.cli.talking import LONG, Start, slowly, talk
from tests.cli.tmux import needs_tmux

pytestmark = needs_tmux


def test_what_is_asked_is_answered(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("It is **light**.")])])) as tmux:
        tmux.say("What is it?")
        tmux.wait_for("It is light.")
        assert "› What is it?" in tmux.screen


def test_escape_stops_an_answer_and_keeps_the_session(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say(LONG)]), Reply([say("Here again.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.press("Escape")
        tmux.wait_for("■ stopped")
        tmux.say("Still there?")
        tmux.wait_for("Here again.")
    assert len(sim.requests[1]["messages"]) == 3


def test_reasoning_is_one_line_once_the_answer_begins(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([think("First this, then that."), say("So it is.")])])
    with talk(tmp_path, sim, "--thinking", "1024") as tmux:
        tmux.say("Why?")
        tmux.wait_for("So it is.")
        assert "✻ thought for" in tmux.screen
        assert "First this" not in tmux.screen
        tmux.press("C-r")
        tmux.wait_for("First this, then that.")
