"""A conversation on a real terminal, with the simulator at the other end of a real socket."""

from pathlib import Path

from midstream.simulator import Reply, call, say, think
from tests.cli.talking import LONG, Start, slowly, talk
from tests.cli.tmux import needs_tmux

pytestmark = needs_tmux


def test_what_is_asked_is_answered(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("It is **light**.")])])) as tmux:
        tmux.say("What is it?")
        tmux.wait_for("It is light.")
        assert "› What is it?" in tmux.screen


def test_an_answer_can_be_interrupted_by_new_words(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say(LONG)]), Reply([say("Yes, in short.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.say("In short, please")
        tmux.wait_for("Yes, in short.")
    assert [each["role"] for each in sim.requests[1]["messages"]] == ["user", "assistant", "user"]


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


def test_ctrl_d_leaves(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("x")])])) as tmux:
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0


def test_ctrl_c_twice_leaves(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.press("C-c")
        tmux.wait_for("■ stopped")
        tmux.press("C-c")
        assert tmux.wait_for_end() == 0


def test_a_tool_has_a_row_while_it_runs_and_a_line_that_stays(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([call("look", place="here")]), Reply([say("Seen.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look.")
        tmux.wait_for("50% · half of it")
        (tmp_path / "go").touch()
        tmux.wait_for("Seen.")
        assert '✓ look(place="here") · ' in tmux.screen
        assert "seen 1" in tmux.screen
        assert "… 5 more lines" in tmux.screen


def test_a_tool_that_needs_approval_is_asked_about(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("pay", amount=5)]), Reply([say("Paid.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        tmux.press("y")
        tmux.wait_for("Paid.")
        assert "paying 5" in tmux.screen


def test_reasoning_is_one_line_once_the_answer_begins(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([think("First this, then that."), say("So it is.")])])
    with talk(tmp_path, sim, "--thinking", "1024") as tmux:
        tmux.say("Why?")
        tmux.wait_for("So it is.")
        assert "✻ thought for" in tmux.screen
        assert "First this" not in tmux.screen
        tmux.press("C-r")
        tmux.wait_for("First this, then that.")
