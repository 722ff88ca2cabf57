"""What is typed while the model answers, and what the keys do."""

import base64
import re
from pathlib import Path

import pytest

from midstream.simulator import Reply, Scenario, call, say
from tests.cli.talking import LONG, Start, last_words, slowly, talk, words_of
from tests.cli.tmux import Tmux, needs_tmux

pytestmark = needs_tmux

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def typed(tmux: Tmux) -> str:
    """What stands in the input, on the last lines but one."""
    return "›" + tmux.screen.rsplit("›", 1)[1].rstrip().rpartition("\n")[0].rstrip()


# -- while it streams ---------------------------------------------------------------------------


def test_enter_stops_the_answer_and_the_model_is_told_what_was_shown(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)]), Reply([say("Yes, in short.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.type("In short")
        tmux.wait_for("› In short\n")  # is there while the answer streams
        tmux.press("Enter")
        tmux.wait_for("Yes, in short.")
        shown = "\n".join(tmux.lines)
    _, answered, asked = sim.requests[1]["messages"]
    assert words_of(asked).startswith("In short")
    partial = words_of(answered)
    assert LONG.startswith(partial.rstrip())
    shown = " ".join(shown.split())  # wherever the lines break
    assert shown.count("On and on.") == partial.count("On and on.") > 0


def test_alt_enter_waits_for_the_end_of_the_turn(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("look", place="here")]), Reply([say("Both.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look.")
        tmux.wait_for("half of it")
        tmux.type("and tell me more")
        tmux.wait_for("› and tell me more")
        tmux.press("M-Enter")
        tmux.wait_for("⏎ at the end of the turn: and tell me more")
        assert typed(tmux) == "›"
        (tmp_path / "go").touch()
        tmux.wait_for("Both.")
        assert "at the end of the turn" not in tmux.screen
        assert "› and tell me more" in tmux.screen
    assert "and tell me more" in last_words(sim.requests[1])


def test_words_that_still_wait_when_the_answer_is_stopped_come_back(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.type("and more")
        tmux.wait_for("› and more")
        tmux.press("M-Enter")
        tmux.wait_for("⏎ at the end of the turn: and more")
        tmux.press("Escape")
        tmux.wait_for("■ stopped")
        tmux.wait_for("› and more")
        assert "at the end of the turn" not in tmux.screen


def test_who_leaves_is_told_what_was_not_said(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator(slowly(Reply([say(LONG)])))) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.type("and more")
        tmux.wait_for("› and more")
        tmux.press("M-Enter")
        tmux.wait_for("⏎ at the end of the turn: and more")
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
        assert "■ stopped\n\nnot said: and more\n" in tmux.screen


def test_ctrl_c_stops_then_empties_the_line_and_twice_leaves(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.type("never mind")
        tmux.wait_for("› never mind")
        tmux.press("C-c")
        tmux.wait_for(lambda screen: "never mind" not in screen)
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.press("C-c")
        tmux.wait_for("■ stopped")
        tmux.press("C-c")
        assert tmux.wait_for_end() == 0


def test_ctrl_c_while_nothing_goes_on_tells_how_to_leave(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("x")])])) as tmux:
        tmux.press("C-c")
        tmux.wait_for("Ctrl-C again leaves")
        tmux.wait_for(lambda screen: "again leaves" not in screen)
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0


def test_ctrl_d_while_it_streams_settles_and_leaves(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
        assert "■ stopped" in tmux.screen


def test_ctrl_d_while_a_tool_runs_ends_its_process(tmp_path: Path, simulator: Start) -> None:
    command = "echo $$ > running; sleep 1000"
    with talk(
        tmp_path, simulator([Reply([call("run_command", command=command)])]), "--yes"
    ) as tmux:
        tmux.say("Run it.")
        tmux.wait_for("… 1 s")
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
    assert not Path(f"/proc/{(tmp_path / 'running').read_text().strip()}").exists()


# -- the line -----------------------------------------------------------------------------------


def test_what_was_typed_is_remembered_across_a_restart(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("Yes.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("the first words")
        tmux.wait_for("Yes.")
        tmux.say("the second words")
        tmux.wait_for(lambda screen: screen.count("Yes.") == 2)
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
    with talk(tmp_path, sim) as tmux:
        tmux.press("Up")
        tmux.wait_for("› the second words")
        tmux.press("Up")
        tmux.wait_for("› the first words")
        tmux.press("Down", "Down")
        tmux.wait_for(lambda screen: "words" not in screen)
    assert (tmp_path / ".data" / "history").stat().st_mode & 0o777 == 0o600


def test_a_history_that_cannot_be_read_is_none(tmp_path: Path, simulator: Start) -> None:
    (tmp_path / ".data" / "history").mkdir(parents=True)
    with talk(tmp_path, simulator([Reply([say("Yes.")])])) as tmux:
        tmux.press("Up")
        tmux.say("some words")
        tmux.wait_for("Yes.")
        tmux.press("Up")
        tmux.wait_for("› some words\nclaude")
        assert "Error" not in tmux.screen


@pytest.mark.parametrize("keys", [["C-o"], ["M-#"], ["S-Home"]])
def test_no_key_takes_away_what_is_typed_unseen(
    keys: list[str], tmp_path: Path, simulator: Start
) -> None:
    with talk(tmp_path, simulator([Reply([say("You said {prompt}")])])) as tmux:
        tmux.type("some words")
        tmux.press(*keys)
        tmux.say(" more")
        tmux.wait_for("You said some words more")


def test_several_lines_are_typed_and_pasted_and_sent_as_they_are(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([say("Yes.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.type("one")
        tmux.press("C-j")
        tmux.type("two\\")
        tmux.press("Enter")
        tmux.wait_for("› one\n  two\n")
        tmux.paste("three\n  four\nfive")
        tmux.wait_for("› one\n  two\n  three\n    four\n  five\n")
        assert sim.requests == []
        tmux.press("Enter")
        tmux.wait_for("Yes.")
        assert "› one\n  two\n  three\n    four\n  five\n" in tmux.screen
    assert last_words(sim.requests[0]) == "one\ntwo\nthree\n  four\nfive"


def test_a_long_paste_leaves_the_answer_and_the_status_on_the_screen(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([say("Yes.")])])
    lines = "\n".join(f"pasted {n}" for n in range(200))
    with talk(tmp_path, sim) as tmux:
        tmux.paste(lines)
        screen = tmux.wait_for("pasted 199")
        first = re.search(r"^› … (\d+) more lines\n  pasted (\d+)$", screen, re.MULTILINE)
        assert first
        assert first[1] == first[2]
        assert "anthropic:claude-sonnet-4-6 · 0 in" in tmux.screen
        tmux.press("Enter")
        tmux.wait_for("Yes.")
    assert last_words(sim.requests[0]) == lines


def test_a_menu_says_how_much_it_leaves_out_and_tab_takes_the_only_one(
    tmp_path: Path, simulator: Start
) -> None:
    with talk(tmp_path, simulator([Reply([say("x")])])) as tmux:
        tmux.type("/")
        tmux.wait_for("\n  … 6 more\n")
        tmux.type("mod")
        tmux.wait_for(lambda screen: "  /model  " in screen and "more" not in screen)
        tmux.press("Tab", "Tab", "Space")
        tmux.wait_for("› /model\n  anthropic:")  # what it can be given


def test_commands_and_files_are_completed(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("Yes.")])])
    (tmp_path / "notes").mkdir()
    for name in ("alpha.txt", "beta.txt"):
        (tmp_path / "notes" / name).touch()
    with talk(tmp_path, sim) as tmux:
        tmux.type("/th")
        tmux.wait_for("/thinking  ")
        tmux.press("Tab")
        tmux.wait_for("› /thinking")
        tmux.type(" ad")
        tmux.wait_for("  adaptive")
        tmux.press("Tab")
        tmux.wait_for("› /thinking adaptive")
        tmux.press("C-c")
        tmux.type("read @notes")
        tmux.wait_for("  notes/alpha.txt")
        tmux.wait_for("  notes/beta.txt")
        tmux.press("Down", "Down")
        tmux.wait_for("▸ notes/alpha.txt")
        tmux.press("Enter")
        tmux.wait_for("› read @notes/alpha.txt")
        tmux.press("Enter")
        tmux.wait_for("Yes.")
    assert last_words(sim.requests[0]).startswith("read @notes/alpha.txt")


def test_pictures_go_with_the_words_that_name_them(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(Scenario(replies=[Reply([say("A dot.")])], each_prompt=True))
    (tmp_path / "dot.png").write_bytes(PIXEL)
    (tmp_path / "a red dot.png").write_bytes(PIXEL)
    with talk(tmp_path, sim) as tmux:
        tmux.say("What is dot.png?")
        tmux.wait_for("A dot.")
        tmux.say("And 'a red dot.png', is it the same?")
        tmux.wait_for(lambda screen: screen.count("A dot.") == 2)
        assert "with dot.png" in tmux.screen
        assert "with a red dot.png" in tmux.screen
    for request in sim.requests:
        (picture,) = [
            part for part in request["messages"][-1]["content"] if part["type"] == "image"
        ]
        assert base64.b64decode(picture["source"]["data"]) == PIXEL
