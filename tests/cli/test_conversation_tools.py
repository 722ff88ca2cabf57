"""Tools in a conversation: how a call is seen while it runs, and what stays of it."""

import re
from pathlib import Path

from midstream.simulator import Reply, Scenario, call, say
from midstream.simulator.faults import Cut
from tests.cli.talking import Start, look_of, result_of, slowly, talk
from tests.cli.tmux import needs_tmux

pytestmark = needs_tmux


def test_a_row_moves_beside_the_text_that_streams(tmp_path: Path, simulator: Start) -> None:
    long = say("On and on. " * 60)
    sim = simulator(
        slowly(Reply([say("So: "), call("look", place="here"), long]), Reply([say("Seen.")]))
    )
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look.")
        tmux.wait_for("██████······ 50% · half of it")
        screen = tmux.wait_for("On and on. On and on.")
        assert "half of it" in screen  # below the text that goes on
        assert screen.index("On and on.") < screen.index("half of it")
        tmux.wait_for('look(place="here")… 1 s')
        (tmp_path / "go").touch()
        tmux.wait_for("Seen.")
        lines = tmux.lines
    assert sum("look(place=" in line for line in lines) == 1
    done = next(n for n, line in enumerate(lines) if line.startswith('✓ look(place="here") · '))
    assert lines[done + 1 : done + 5] == [
        "    seen 1", "    seen 2", "    seen 3", "    … 5 more lines"
    ]  # fmt: skip
    assert lines[done].endswith(" s")


def test_the_last_line_of_a_command_is_seen_while_it_runs(tmp_path: Path, simulator: Start) -> None:
    command = (
        "echo one; echo two; : "
        + "long " * 40
        + "; while ! test -e go; do sleep 0.02; done; seq 20; exit 3"
    )
    sim = simulator([Reply([call("run_command", command=command)]), Reply([say("Run.")])])
    with talk(tmp_path, sim, "--allow", "run_command", size=(120, 40)) as tmux:
        tmux.say("Run it.")
        tmux.wait_for(f"Running {command[:30]}")
        tmux.wait_for(" · two")
        tmux.wait_for("… 1 s · two")
        (tmp_path / "go").touch()
        tmux.wait_for("Run.")
        screen = tmux.screen
    assert f"✗ Ran {command[:30]}" in screen
    assert "    20\n" in screen
    assert "    1\n" not in screen  # folded
    assert "more lines" in screen


def test_an_edit_is_asked_for_and_done_and_its_difference_is_seen(
    tmp_path: Path, simulator: Start
) -> None:
    (tmp_path / "poem.txt").write_text("".join(f"line {n}\n" for n in range(1, 10)))
    edit = call("edit_file", path="poem.txt", old_text="line 5\n", new_text="line five\n")
    sim = simulator(
        [Reply([call("read_file", path="poem.txt")]), Reply([edit]), Reply([say("Edited it.")])]
    )
    with talk(tmp_path, sim, size=(80, 40)) as tmux:
        tmux.say("Edit @poem.txt, please")
        tmux.wait_for("y yes")
        screen = tmux.screen
        assert "✓ Read poem.txt · " in screen
        assert "- line 5" in screen
        assert "+ line five" in screen
        tmux.press("y", "Enter")
        tmux.wait_for("Edited it.")
        screen, coloured = tmux.screen, tmux.coloured
    assert "✓ Edited poem.txt · " in screen
    assert " s · +1 −1\n" in screen
    assert "-line 5\n" in screen
    assert "+line five\n" in screen
    assert look_of("-line 5", coloured) == {"31"}
    assert look_of("+line five", coloured) == {"32"}
    assert (tmp_path / "poem.txt").read_text().split("\n")[4] == "line five"
    assert "poem.txt" in result_of(sim.requests[2])


def test_many_calls_at_once_fit_on_the_screen(tmp_path: Path, simulator: Start) -> None:
    calls = [call("look", place=f"place {n}") for n in range(12)]
    sim = simulator([Reply(calls), Reply([say("Seen.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look.")
        tmux.wait_for("and 6 more")
        (tmp_path / "go").touch()
        tmux.wait_for("Seen.")
        assert sum("✓ look(" in line for line in tmux.lines) == 12


# -- attempts that are lost ---------------------------------------------------------------------


def test_an_answer_that_breaks_off_is_taken_back(tmp_path: Path, simulator: Start) -> None:
    reply = Reply([say("First.\n\nSecond.\n\n"), call("glance", place="here"), say("Third. " * 30)])
    sim = simulator(slowly(reply, Reply([say("Done.")]), faults=[Cut(event=-3)]))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Go on.")
        tmux.wait_for("Done.")
        screen, coloured = tmux.screen, tmux.coloured
    assert screen.count("First.") == screen.count("Second.") == 1
    (said,) = [line for line in screen.split("\n") if line.startswith("↻ asked again: ")]
    assert "what had run is kept" in said
    assert look_of(said, coloured) == {"2"}
    assert screen.index(said) < screen.index("First.")
    assert '✓ glance(place="here") · reused' in screen
    assert len(sim.requests) == 3


def test_of_an_answer_that_has_scrolled_away_it_is_said_how_much_is_void(
    tmp_path: Path, simulator: Start
) -> None:
    text = "".join(f"Paragraph {n} is here.\n\n" for n in range(60))
    script = Scenario(
        replies=[Reply([say(text + "The end.")])], faults=[Cut(event=-3)], tokens_per_second=500
    )
    with talk(tmp_path, simulator(script)) as tmux:
        tmux.say("Go on.")
        tmux.wait_for("The end.")
        tmux.wait_for("$")
        lines = tmux.lines
    told = [n for n, line in enumerate(lines) if "lines above are taken back" in line]
    assert len(told) == 1
    void = int(lines[told[0]].split()[2])
    begin = lines.index("› Go on.") + 1
    assert told[0] - begin == void
    after = [line for line in lines[told[0] :] if line.startswith("Paragraph")]
    assert after == [f"Paragraph {n} is here." for n in range(60)]


def test_of_a_child_that_prints_without_end_most_lines_are_counted_alone(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([call("babble")]), Reply([say("It is quiet.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Go on.")
        tmux.wait_for(lambda screen: re.search(r"… [\d,]+ more lines were printed", screen))
        tmux.type("keys")  # are not held up
        tmux.wait_for("› keys")
        (tmp_path / "go").touch()
        # What the child had printed by then may come behind the answer.
        tmux.wait_for(lambda _: "It is quiet." in tmux.lines)
        memory = Path(f"/proc/{tmux.program}/status").read_text().split("VmHWM:")[1].split()[0]
    assert int(memory) < 200_000  # KiB


def test_a_tool_that_reads_finds_the_end_and_takes_no_keys(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([call("ask", question="Who is there?")]), Reply([say("Nobody.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Ask.")
        tmux.wait_for("ask(question=")
        tmux.type("all of these keys")
        tmux.wait_for("› all of these keys")
        tmux.wait_for("nobody answers")
        assert "› all of these keys" in tmux.screen
