"""What a tool may do is asked, while the answer streams on."""

from pathlib import Path

import pytest

from midstream.simulator import Reply, Scenario, call, say
from midstream.simulator.faults import Cut
from tests.cli.talking import Start, last_words, result_of, slowly, talk
from tests.cli.tmux import needs_tmux

pytestmark = needs_tmux


def test_the_answer_streams_on_while_it_is_asked(tmp_path: Path, simulator: Start) -> None:
    long = say("On and on. " * 30 + "The end.")
    sim = simulator(slowly(Reply([call("pay", amount=5), long]), Reply([say("Paid.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        tmux.wait_for("The end.")
        screen = tmux.screen
        assert "? pay\n    amount: 5\n" in screen
        assert "  y yes · a always pay · n no · or what to do instead; Enter" in screen
        assert "pay(amount=5) · waits for you" in screen
        tmux.press("y", "Enter")
        tmux.wait_for("Paid.")
        assert "? pay" not in tmux.screen
        assert "paying 5" in tmux.screen
    assert result_of(sim.requests[1]) == "paid 5"


def test_a_tool_that_is_allowed_for_good_is_not_asked_about_again(
    tmp_path: Path, simulator: Start
) -> None:
    calls = [Reply([call("pay", amount=n)]) for n in (1, 2)]
    sim = simulator([*calls, Reply([say("Both paid.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("a always pay")
        tmux.press("a", "Enter")
        tmux.wait_for("Both paid.")
        tmux.say("/tools")
        tmux.wait_for("allow pay")


def test_commands_that_begin_alike_are_allowed_for_good(tmp_path: Path, simulator: Start) -> None:
    commands = ("git status --short", "git status -b", "git push")
    calls = [Reply([call("run_command", command=each)]) for each in commands]
    sim = simulator([*calls, Reply([say("As you like.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look at it.")
        screen = tmux.wait_for("y yes")
        assert "? run_command\n    git status --short\n" in screen
        assert "p always “git status …”" in screen
        tmux.press("p", "Enter")
        tmux.wait_for("    git push\n  y yes")
        tmux.press("n", "Enter")
        tmux.wait_for("As you like.")
    assert len(sim.requests) == 4
    assert "the user said no" in result_of(sim.requests[3])


def test_a_command_is_allowed_for_good_as_it_is(tmp_path: Path, simulator: Start) -> None:
    (tmp_path / "Makefile").write_text("test:\n\t@echo tested\n")
    commands = ("make test", "make test", "make test '--eval=$(shell touch ran)'")
    calls = [Reply([call("run_command", command=each)]) for each in commands]
    sim = simulator([*calls, Reply([say("As you like.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Test it.")
        tmux.wait_for("p always exactly “make test” ·")
        tmux.press("p", "Enter")
        tmux.wait_for("    make test '--eval=$(shell touch ran)'\n  y yes")
        tmux.press("n", "Enter")
        tmux.wait_for("As you like.")
    assert "tested" in result_of(sim.requests[2])
    assert not (tmp_path / "ran").exists()


def test_words_are_a_no_that_says_what_to_do_instead(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("pay", amount=5)]), Reply([say("As you like.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        tmux.say("please ask me in June")
        tmux.wait_for("As you like.")
        assert "paying" not in tmux.screen
    assert "please ask me in June" in result_of(sim.requests[1])


@pytest.mark.parametrize("said", ["yy", "ok", "Yes."])
def test_a_yes_may_be_said_in_several_ways(said: str, tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("pay", amount=5)]), Reply([say("Paid.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        tmux.say(said)
        tmux.wait_for("Paid.")
    assert result_of(sim.requests[1]) == "paid 5"


def test_two_questions_are_put_one_after_the_other(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(
        [Reply([call("pay", amount=1), call("pay", amount=2)]), Reply([say("Half of it.")])]
    )
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("? pay (and 1 more)\n    amount: 1\n  y yes")
        tmux.press("n", "Enter")
        tmux.wait_for("? pay\n    amount: 2\n  y yes")
        tmux.press("y", "Enter")
        tmux.wait_for("Half of it.")
        assert "paying 2" in tmux.screen
        assert "paying 1" not in tmux.screen


def test_a_question_goes_away_with_its_call(tmp_path: Path, simulator: Start) -> None:
    reply = Reply([call("pay", amount=5), say("On and on. " * 200)])
    sim = simulator(slowly(reply, faults=[Cut(event=-450)]))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        tmux.wait_for(lambda screen: "? pay" not in screen and "↻" in screen)  # it is cut
        tmux.wait_for("y yes")  # in the next attempt
        tmux.press("Escape")
        tmux.wait_for("■ stopped")
        assert "? pay" not in tmux.screen
        tmux.type("y")
        tmux.wait_for("› y")


def test_all_that_would_run_is_seen_or_it_is_said_how_much_is_not(
    tmp_path: Path, simulator: Start
) -> None:
    whole = "echo " + " ".join(f"word{n}" for n in range(60))
    long = "\n".join(f"echo line {n}" for n in range(40))
    edit = {"path": "a.txt", "old_text": f"{long}\n", "new_text": f"{long}\nmore\n"}
    calls = [
        call("run_command", command=whole),
        call("run_command", command=long),
        call("edit_file", **edit),
    ]
    (tmp_path / "a.txt").write_text(f"{long}\n")
    sim = simulator([*(Reply([each]) for each in calls), Reply([say("Well.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Run it.")
        screen = tmux.wait_for("y yes")
        assert all(f"word{n}" in screen for n in range(60))
        assert "not shown" not in screen
        tmux.press("n", "Enter")
        screen = tmux.wait_for(lambda seen: "echo line 0" in seen and "y yes" in seen)
        shown = sum(line.startswith("    echo line") for line in screen.split("\n"))
        hidden = len(long) - len("\n".join(long.split("\n")[:shown]))
        assert shown >= 10
        assert f"… {hidden} more characters; v shows them" in screen
        tmux.say("v")
        tmux.wait_for("    echo line 39")
        tmux.resize(80, 12)
        tmux.wait_for(lambda seen: "? run_command" in seen and "y yes" in seen)
        tmux.resize(80, 24)
        tmux.press("n", "Enter")
        screen = tmux.wait_for(lambda seen: "? edit_file" in seen and "y yes" in seen)
        assert "    a.txt\n" in screen
        assert screen.count("more characters; v shows them") == 2
        tmux.press("n", "Enter")
        tmux.wait_for("Well.")


def test_a_line_that_was_begun_before_the_question_is_no_answer(
    tmp_path: Path, simulator: Start
) -> None:
    reply = Reply([say("Wait. "), call("look", place="here")])
    replies = [reply, Reply([call("pay", amount=1)]), Reply([say("As you say.")])]
    sim = simulator(Scenario(replies=replies))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("half of it")
        tmux.type("y")
        tmux.wait_for("› y")
        (tmp_path / "go").touch()
        tmux.wait_for("what you have begun is no answer; Ctrl-U empties the line, then\n  y yes")
        tmux.say("es, and one more thing")
        tmux.wait_for("As you say.")
        assert "paying" not in tmux.screen
    assert sim.requests[2]["messages"][-1]["content"][-1]["text"] == "yes, and one more thing"


def test_a_letter_that_answers_nothing_stays_in_the_line(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("look", place="here")]), Reply([say("As you say.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look.")
        tmux.wait_for("half of it")
        tmux.say("y")
        tmux.wait_for("› y\nthis answers no question; Enter again says it")
        tmux.wait_for("› y\nanthropic:")  # the hint is gone
        assert "half of it" in tmux.screen
        tmux.press("Enter")
        tmux.wait_for("Enter again says it")
        tmux.press("Enter")
        tmux.wait_for("As you say.")
    assert "y" in last_words(sim.requests[1])


def test_a_letter_that_was_begun_before_the_question_does_not_stop_the_call(
    tmp_path: Path, simulator: Start
) -> None:
    replies = [Reply([call("look", place="here")]), Reply([call("pay", amount=5)])]
    sim = simulator(Scenario(replies=[*replies, Reply([say("Paid.")])]))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Look, and pay.")
        tmux.wait_for("half of it")
        tmux.type("y")
        tmux.wait_for("› y")
        (tmp_path / "go").touch()
        tmux.wait_for("? pay")
        tmux.press("Enter")
        tmux.wait_for("› y\nthis answers no question; Enter again says it")
        tmux.press("C-u")
        tmux.wait_for("  y yes")
        tmux.press("y", "Enter")
        tmux.wait_for("Paid.")


def test_a_question_stays_on_the_screen_whatever_is_queued(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([call("pay", amount=5)]), Reply([say("Paid.")])])
    with talk(tmp_path, sim, size=(60, 16)) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("y yes")
        for n in range(14):
            tmux.type(f"number {n}")
            tmux.wait_for(f"› number {n}")
            tmux.press("M-Enter")
            tmux.wait_for(lambda screen: screen.split("›")[-1].startswith("\n"))
        screen = tmux.wait_for("number 1\n… and 12 more")
        assert "? pay\n    amount: 5\n  y yes" in screen


def test_yes_is_not_taken_where_the_question_has_no_room(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([call("pay", amount=5)]), Reply([say("Paid.")])])
    with talk(tmp_path, sim, size=(60, 6)) as tmux:
        tmux.say("Pay.")
        tmux.wait_for("a larger window shows it")
        tmux.say("y")
        tmux.wait_for("› y\na larger window shows it, or v; n says no")
        tmux.press("C-u")
        tmux.resize(60, 20)
        tmux.wait_for("amount: 5\n  y yes")
        tmux.press("y", "Enter")
        tmux.wait_for("Paid.")
    assert len(sim.requests) == 2


def test_what_a_terminal_would_not_show_is_spelled_out(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(
        [Reply([call("run_command", command="echo a\x1b[8m\u202e")]), Reply([say("Well.")])]
    )
    with talk(tmp_path, sim) as tmux:
        tmux.say("Run it.")
        assert "echo a<U+001B>[8m<U+202E>" in tmux.wait_for("y yes")
