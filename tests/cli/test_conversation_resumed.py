"""What was said before is seen again as it looked, also when the program has died."""

import os
import re
import signal
from pathlib import Path

from midstream.journal.records import Wrote
from midstream.journal.store import Journal
from midstream.simulator import Reply, Scenario, call, say, think
from midstream.simulator.faults import Cut, Status
from tests.cli.talking import LONG, Start, slowly, talk
from tests.cli.tmux import Tmux, needs_tmux

pytestmark = needs_tmux

ANSWER = """\
# A heading

It is **light**, as `code` is:

| one | two |
|---|---|
| 1 | 2 |

```python
print("hi")
```
"""


def conversation(tmux: Tmux, prompt: str) -> list[str]:
    """What stands from a prompt on, without the seconds, up to what the program says at an end."""
    lines = tmux.lines
    begin = lines.index(f"› {prompt}")
    end = next(n for n, line in enumerate(lines) if n > begin and "goes on" in line)
    return [re.sub(r"\d+\.\d+ s", "n s", line) for line in lines[begin:end]]


def written(folder: Path) -> bool:
    """A part of the answer is on disk."""
    journal = Journal(folder / ".data" / "sessions.db")
    rows = (row for each in journal.summaries() for row in journal.rows(each.id))
    return any(isinstance(row.record, Wrote) for row in rows)


def leave(tmux: Tmux) -> None:
    tmux.press("C-d")
    assert tmux.wait_for_end() == 0


def test_what_was_said_looks_as_it_did(tmp_path: Path, simulator: Start) -> None:
    command = "for n in 1 2 3 4 5 6; do echo line $n; done; exit 3"
    replies = [
        Reply([think("Well, well."), say(ANSWER), call("run_command", command=command)]),
        Reply([say("It failed.\n\n- one\n- two"), call("glance", place="here")]),
        Reply([say("That is all.")]),
    ]
    (tmp_path / "go").touch()
    sim = simulator(Scenario(replies=replies, each_prompt=True))
    with talk(tmp_path, sim, "--yes", "--thinking", "1024", size=(80, 50)) as tmux:
        tmux.say("What is it?")
        tmux.wait_for("That is all.")
        leave(tmux)
        live = conversation(tmux, "What is it?")
    assert "✗ Ran " in "\n".join(live)
    with talk(tmp_path, sim, "-c", size=(80, 50)) as tmux:
        tmux.wait_for("it goes on here")
        assert conversation(tmux, "What is it?") == live
        tmux.press("C-r")
        tmux.wait_for("  Well, well.")


def test_what_was_asked_again_is_told_as_it_was(tmp_path: Path, simulator: Start) -> None:
    replies = [Reply([say("Well. "), call("glance", place="here"), say("Well? " * 30)])]
    faults = [Status(529, retry_after_ms=10), Cut(request=2, event=-3)]
    sim = simulator(slowly(*replies, Reply([say("Done.")]), faults=faults))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Go on.")
        tmux.wait_for("Done.")
        leave(tmux)
        live = conversation(tmux, "Go on.")
    assert live[2] == "↻ asked again: The scenario says so. (status 529)"
    assert live[3].startswith("↻ asked again: the connection failed")
    with talk(tmp_path, sim, "-c") as tmux:
        tmux.wait_for("it goes on here")
        assert conversation(tmux, "Go on.") == live


def test_a_stop_is_told_once_and_the_words_that_stopped_are_a_prompt(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)]), Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        tmux.say("In short?")
        tmux.wait_for(lambda screen: "On and" in screen.partition("› In short?\n\n")[2])
        tmux.press("Escape")
        tmux.wait_for("■ stopped")
        leave(tmux)
        live = conversation(tmux, "Tell me.")
    with talk(tmp_path, sim, "-c") as tmux:
        tmux.wait_for("it goes on here")
        assert conversation(tmux, "Tell me.") == live


def test_of_many_prompts_the_last_are_seen_and_the_others_counted(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(Scenario(replies=[Reply([say("Answer to {prompt}")])], each_prompt=True))
    with talk(tmp_path, sim, size=(80, 40)) as tmux:
        for n in range(7):
            tmux.say(f"number {n}")
            tmux.wait_for(f"Answer to number {n}")
        leave(tmux)
    with talk(tmp_path, sim, "-c", size=(80, 40)) as tmux:
        screen = tmux.wait_for("7 turns; it goes on here")
        assert "\n… 2 prompts before (/export has it all)\n\n› number 2\n" in screen
        assert "number 1" not in screen


def test_after_a_kill_what_was_there_of_the_answer_is_seen_at_once(
    tmp_path: Path, simulator: Start
) -> None:
    replies = [Reply([say("I run it."), call("run_command", command="sleep 1000")])]
    with talk(tmp_path, simulator(replies), "--yes") as tmux:
        tmux.say("Run it.")
        tmux.wait_for("Running sleep 1000… 1 s")
        os.kill(tmux.program, signal.SIGKILL)
        tmux.wait_for_end()
    with talk(tmp_path, simulator(replies), "-c", size=(120, 40)) as tmux:
        screen = tmux.wait_for("1 turn; it goes on here")
        assert '  ✗ run_command(command="sleep 1000"): Outcome unknown' in screen
        assert "› Run it.\n\nI run it.\n\n✗ Run sleep 1000\n    Outcome unknown" in screen
        assert "■ the program died" in screen


def test_a_session_whose_program_died_is_resumed_as_it_is_then(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)]), Reply([say("Yes.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for(lambda _: written(tmp_path))
        os.kill(tmux.program, signal.SIGKILL)
        tmux.wait_for_end()
    with talk(tmp_path, sim) as tmux:
        tmux.say("/sessions")
        found = re.search(r"([0-9a-f]{8})  ", tmux.wait_for("/resume ID goes on"))
        assert found
        tmux.say(f"/resume {found[1]}")
        screen = tmux.wait_for(f"{found[1]}: 1 turn; it goes on here")
        assert "› Tell me.\n\nOn and on." in screen
        tmux.say("Well?")
        tmux.wait_for("Yes.")
