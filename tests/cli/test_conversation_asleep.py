"""Ctrl-Z: the terminal is the shell's for a while, and is then found as it was."""

import sys
from functools import partial
from pathlib import Path

from midstream.simulator import Reply, call, say
from tests.cli.talking import Start, known
from tests.cli.tmux import command, needs_tmux, started

pytestmark = needs_tmux


def test_what_was_put_to_sleep_wakes_up_as_it_was(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("Yes.")])])
    options, keys = known(tmp_path, sim), {"ANTHROPIC_API_KEY": "any"}
    (tmp_path / "run").write_text(command(*options, folder=tmp_path, variables=keys))
    with started("PS1='$ ' sh -i", tmp_path) as tmux:
        tmux.say("sh run")
        tmux.wait_for("\n›")
        tmux.type("some words")
        tmux.wait_for("› some words")
        tmux.press("C-z", "C-z")  # once is enough
        tmux.wait_for("Stopped")
        assert "› some words" not in tmux.screen
        tmux.say("stty -a > modes")
        tmux.say("fg")
        tmux.wait_for("› some words\nanthropic:")
        tmux.paste("\nand more")  # is marked as pasted again
        tmux.wait_for("› some words\n  and more")
        assert "Stopped" in tmux.screen  # nothing of the shell's is written over
        tmux.press("Enter")
        tmux.wait_for("Yes.")
    assert not {"-echo", "-icanon"} & set((tmp_path / "modes").read_text().split())


def stopped(times: int, screen: str) -> bool:
    return screen.count("Stopped") == times


def test_what_moves_stands_once_on_the_screen_when_it_wakes_up(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([call("look", place="here")]), Reply([say("Yes.")])])
    options, keys = known(tmp_path, sim), {"ANTHROPIC_API_KEY": "any"}
    (tmp_path / "run").write_text(command(*options, folder=tmp_path, variables=keys))
    with started("PS1='$ ' sh -i", tmp_path, (80, 60)) as tmux:
        tmux.say("sh run")
        tmux.wait_for("\n›")
        tmux.say("Look.")
        for n in range(1, 6):
            tmux.wait_for("half of it")
            tmux.press("C-z")
            tmux.wait_for(partial(stopped, n))
            assert "half of it" not in tmux.screen
            tmux.say("fg")
        tmux.wait_for("half of it")
        (tmp_path / "go").touch()
        tmux.wait_for("Yes.")
        assert "half of it" not in "\n".join(tmux.lines)


SLEEPS = """
from midstream.cli.raw import raw_keys
with raw_keys(1) as lent:
    lent.awake = lambda: print("told of it", end="\\r\\n", flush=True)
    lent.sleep()
    print("goes on", end="\\r\\n", flush=True)
"""


def test_who_went_to_sleep_is_not_told_of_it(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    with started("PS1='$ ' sh -i", tmp_path, (80, 20)) as tmux:
        tmux.say(f"{sys.executable} sleeps.py")
        tmux.wait_for(partial(stopped, 1))
        tmux.say("fg")
        tmux.wait_for("goes on")
        assert "told of it" not in tmux.screen
