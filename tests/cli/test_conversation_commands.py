"""What begins with a slash."""

import re
from functools import partial
from pathlib import Path

import psutil
import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say, think
from midstream.simulator.faults import Status
from tests.cli.talking import LONG, Start, last_words, slowly, talk, words_of
from tests.cli.tmux import Tmux, needs_tmux

pytestmark = needs_tmux
BUSY = ": Esc stops the answer first"


def command(tmux: Tmux, words: str, answer: str) -> str:
    """Type a command, and wait for what it says; again, where the answer has not quite ended."""
    while True:
        refused = tmux.screen.count(BUSY)
        tmux.say(words)
        screen = tmux.wait_for(partial(told, answer, refused))
        if answer in screen:
            return screen


def told(answer: str, refused: int, screen: str) -> bool:
    return answer in screen or screen.count(BUSY) > refused


def session_of(tmux: Tmux) -> str:
    found = re.search(r"([0-9a-f]{8}) ", command(tmux, "/sessions", "/resume ID goes on"))
    assert found
    return found[1]


@pytest.mark.parametrize("columns", [80, 40])
def test_help_tells_every_command_and_every_key(
    tmp_path: Path, simulator: Start, columns: int
) -> None:
    with talk(tmp_path, simulator([Reply([say("x")])]), size=(columns, 60)) as tmux:
        screen = command(tmux, "/help", "what was said before")
        for name in ("help", "model", "clear", "compact", "resume", "sessions", "cost", "tools",
                     "thinking", "timeline", "export", "quit"):  # fmt: skip
            assert f"/{name} " in screen
        for key in ("Enter", "Alt-Enter", "Esc", "Ctrl-C", "Ctrl-D", "Ctrl-R", "Tab"):
            assert key in screen
        tmux.say("/quit")
        assert tmux.wait_for_end() == 0


def test_what_is_no_command_is_said_so_and_paths_are_words(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([say("It maps names.")]), Reply([say("Then not.")])])
    with talk(tmp_path, sim) as tmux:
        command(tmux, "/nonsense", "there is no command /nonsense; /help lists them")
        command(tmux, "/c", "/c: /clear, /compact, /cost?")
        command(tmux, "/t", "/t: /tools, /thinking, /timeline?")
        assert sim.requests == []
        command(tmux, "/etc/hosts is what?", "It maps names.")
        command(tmux, " /nonsense", "Then not.")
    assert last_words(sim.requests[0]).startswith("/etc/hosts is what?")
    assert "/nonsense" in last_words(sim.requests[1])


def doors(sim: Simulator) -> set[int]:
    """The ports from which connections to the simulator are open."""
    to = int(sim.url.rpartition(":")[2])
    found = [each for each in psutil.net_connections("tcp") if each.status == "ESTABLISHED"]
    return {each.laddr.port for each in found if each.raddr.port == to}


def test_one_connection_serves_until_an_answer_fails(tmp_path: Path, simulator: Start) -> None:
    replies = [Reply([say(f"{words}.")]) for words in ("One", "Two", "Three")]
    sim = simulator(Scenario(replies=replies, faults=[Status(400, request=3)]))
    with talk(tmp_path, sim) as tmux:
        command(tmux, "First?", "One.")
        first = doors(sim)
        command(tmux, "Second?", "Two.")
        assert doors(sim) == first
        command(tmux, "Third?", "The scenario says so")
        command(tmux, "Fourth?", "Three.")
        assert len(doors(sim)) == 1
        assert doors(sim) != first


def test_another_model_goes_on_with_the_session(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("One.")]), Reply([say("Two.")])])
    with talk(tmp_path, sim) as tmux:
        tmux.say("First?")
        tmux.wait_for("One.")
        command(tmux, "/model", "anthropic:claude-sonnet-4-6; /model PROVIDER:NAME")
        command(tmux, "/model nobody:knows", "nobody")
        command(tmux, "/mod anthropic:claude-haiku-4-5", "from here on: anthropic:claude-haiku-4-5")
        tmux.wait_for("claude-haiku-4-5 · 1.")
        tmux.say("Second?")
        tmux.wait_for("Two.")
    assert [each["model"] for each in sim.requests] == ["claude-sonnet-4-6", "claude-haiku-4-5"]
    said = [words_of(each) for each in sim.requests[1]["messages"]]
    assert [each.partition("\n")[0] for each in said] == ["First?", "One.", "Second?"]


def test_a_model_that_brings_tools_takes_them_along(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("One.")])]), size=(80, 60)) as tmux:
        assert "local_time" not in command(tmux, "/tools", "glance")
        command(tmux, "/model sim:demo", "from here on: sim:demo")
        command(tmux, "/tools", "local_time")
        screen = command(tmux, "Weather?", "and only one soaked")
        assert "light rain, 31 °C" in screen
        assert '✓ local_time(city="Lagos")' in screen
        command(tmux, "/model sim:hello", "from here on: sim:hello")
        tmux.say("/tools")
        screen = tmux.wait_for(lambda screen: "glance" in screen.rpartition("› /tools")[2])
        assert "local_time" not in screen.rpartition("› /tools")[2]


def test_how_much_the_model_thinks_is_changed(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("One.")]), Reply([say("Two.")])])
    with talk(tmp_path, sim) as tmux:
        command(tmux, "/thinking", "thinking: off; /thinking TOKENS|adaptive|off")
        command(tmux, "/thinking much", "'much' is neither a number of tokens nor adaptive nor off")
        command(tmux, "/thinking -5", "'-5' is neither")
        command(
            tmux, "/thinking 12", "› /thinking 12\nthinking is a budget of at least 1,024 tokens"
        )
        command(tmux, "/thinking 2048", "thinking 2048")
        tmux.say("First?")
        tmux.wait_for("One.")
        command(tmux, "/thinking off", "from here on: anthropic:claude-sonnet-4-6\n")
        tmux.say("Second?")
        tmux.wait_for("Two.")
    assert sim.requests[0]["thinking"]["budget_tokens"] == 2048
    assert sim.requests[1].get("thinking", {}).get("type") != "enabled"


def test_a_session_is_left_and_gone_on_with(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(Scenario(replies=[Reply([say("Answer to {prompt}")])], each_prompt=True))
    with talk(tmp_path, sim) as tmux:
        tmux.say("number one")
        tmux.wait_for("Answer to number one")
        first = session_of(tmux)
        tmux.wait_for("TTFT")
        command(tmux, "/clear", "a new session")
        tmux.wait_for("· 0 in 0 out")
        tmux.wait_for(lambda screen: "TTFT" not in screen and "tokens/s" not in screen)
        tmux.say("number two")
        tmux.wait_for("Answer to number two")
        assert len(sim.requests[1]["messages"]) == 1
        command(tmux, "/resume zzz", "zzz")
        command(tmux, "/resume", "/resume ID goes on with one")
        command(tmux, f"/resume {first}", f"{first}: 1 turn; it goes on here")
        tmux.say("number three")
        tmux.wait_for("Answer to number three")
    assert words_of(sim.requests[2]["messages"][0]).startswith("number one")
    assert len(sim.requests[2]["messages"]) == 3


def test_a_hint_goes_with_the_next_line_and_the_reasoning_with_its_session(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([think("Well, well."), say("So it is.")])])
    with talk(tmp_path, sim, "--thinking", "1024") as tmux:
        tmux.say("Why?")
        tmux.wait_for("So it is.")
        command(tmux, "/clear", "a new session")
        tmux.press("C-r")
        tmux.wait_for("there was no reasoning so far")
        tmux.type("/cost")
        tmux.press("Enter")
        screen = tmux.wait_for("tokens written      0")
        assert "there was no reasoning so far" not in screen


def test_what_was_said_is_summed_up(tmp_path: Path, simulator: Start) -> None:
    summary = "Summary: it was about birds."
    replies = [
        Reply([say("Yes.")], when={"prompt": "still birds"}),
        Reply([say(summary)], when={"prompt": "keep the birds"}),
        Reply([say("A lot about birds.")]),
    ]
    sim = simulator(replies)
    with talk(tmp_path, sim) as tmux:
        tmux.say("Birds?")
        tmux.wait_for("A lot about birds.")
        command(tmux, "/compact keep the birds", "⧉ a summary of 5 words stands in its place")
        assert summary not in tmux.screen
        tmux.say("Still birds?")
        tmux.wait_for("Yes.")
        command(tmux, "/export all.md", "written to all.md")
    asked = sim.requests[2]["messages"]
    whole = "\n".join(words_of(each) for each in asked)
    assert summary in whole
    assert "A lot about birds." not in whole
    assert "A lot about birds." in (tmp_path / "all.md").read_text()


def test_words_said_during_a_compaction_stop_it_and_are_answered(
    tmp_path: Path, simulator: Start
) -> None:
    replies = [
        Reply([say("Well, yes."), call("pay", amount=5)], when={"prompt": "and now?"}),
        Reply([say(LONG)], when={"prompt": "summar"}),
        Reply([say("A lot.")]),
    ]
    sim = simulator(slowly(*replies))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Birds?")
        tmux.wait_for("A lot.")
        tmux.wait_for("$")
        command(tmux, "/compact", "✻ summing up… ")
        tmux.say("And now?")
        screen = tmux.wait_for("? pay")
        assert "› And now?\n\nWell, yes.\n" in screen
        assert "summing up…" not in screen
        tmux.press("Escape")
        tmux.wait_for("■ stopped")


def test_a_conversation_that_is_nearly_full_is_summed_up_and_it_is_said(
    tmp_path: Path, simulator: Start
) -> None:
    replies = [
        Reply([say("Yes.")], when={"prompt": "and more?"}),
        Reply([say("A summary.")], when={"prompt": "summar"}),
        Reply([say("word " * 3000)]),
    ]
    with talk(tmp_path, simulator(replies), "--context-window", "6000", size=(80, 30)) as tmux:
        tmux.say("Write a lot.")
        tmux.wait_for("$")
        tmux.say("And more?")
        tmux.wait_for("Yes.")
        screen = tmux.screen
        assert re.search(
            r"⧉ the conversation takes [\d,]+ of 6,000 tokens: it is summed up", screen
        )
        assert "⧉ a summary of 2 words stands in its place" in screen


def test_what_a_session_costs_and_what_the_model_may_do(tmp_path: Path, simulator: Start) -> None:
    sim = simulator([Reply([say("One.")])])
    with talk(tmp_path, sim, "--deny", "run_command", size=(100, 40)) as tmux:
        command(tmux, "/cost", "tokens written      0")
        tmux.say("First?")
        tmux.wait_for("One.")
        tmux.wait_for("TTFT")  # the turn is whole
        screen = command(tmux, "/cost", "turns               1")
        assert re.search(r"cost                \$0\.0\d+", screen)
        screen = command(tmux, "/tools", "deny run_command")
        assert re.search(r"look +read +runs +Look around\.", screen)
        assert re.search(r"pay +write +is asked +Pay\.", screen)
        assert re.search(r"run_command +write +is denied", screen)


def test_of_an_answer_that_was_stopped_the_tokens_are_a_guess(
    tmp_path: Path, simulator: Start
) -> None:
    with talk(tmp_path, simulator(slowly(Reply([say(LONG)]))), size=(100, 40)) as tmux:
        tmux.say("Go on.")
        tmux.wait_for(lambda screen: re.search(r" in [1-9]\d out ", screen))
        tmux.press("Escape")
        tmux.wait_for("■ stopped")
        tmux.wait_for(lambda screen: re.search(r" in ~[1-9]\d+ out ", screen))
        screen = command(tmux, "/cost", "tokens written")
        assert re.search(r"tokens read         at least [1-9]", screen)
        assert re.search(r"tokens written      about [1-9]\d+\n", screen)


def test_a_rule_about_some_commands_is_no_rule_about_the_tool(
    tmp_path: Path, simulator: Start
) -> None:
    rules = ("--deny", "run_command:git push", "--allow", "run_command:git status")
    with talk(tmp_path, simulator([Reply([say("x")])]), *rules, size=(60, 40)) as tmux:
        screen = command(tmux, "/tools", "deny run_command:git push")
        assert re.search(r"^run_command +write +is asked +\S.*…$", screen, re.MULTILINE)
        rows = screen.partition("/tools\n")[2].partition("allow ")[0].splitlines()
        assert len(rows) > 6
        assert [row for row in rows if not re.search("  (runs|is asked) ", row)] == []


def test_the_last_run_is_drawn_and_what_was_said_is_written_down(
    tmp_path: Path, simulator: Start
) -> None:
    looked = Reply([call("glance", place="here")])
    sim = simulator([Reply([say("Hello.")]), looked, Reply([say("It is **here**.")])])
    with talk(tmp_path, sim, size=(100, 40)) as tmux:
        command(tmux, "/timeline", "› /timeline\nnothing has been said so far")
        command(tmux, "/export", "› /export\nnothing has been said so far")
        tmux.say("Hi")
        tmux.wait_for("Hello.")
        tmux.say("Where?")
        tmux.wait_for("It is here.")
        command(tmux, "/timeline", "glance")
        command(tmux, "/timeline run.svg", "drawn into run.svg")
        command(tmux, "/timeline run.svg", "run.svg is there already")
        command(tmux, "/export", "written to midstream-")
        command(tmux, "/export said.md", "written to said.md")
        command(tmux, "/export said.md", "said.md is there already")
        command(tmux, "/export no/such/folder.md", "No such file or directory")
    drawn = (tmp_path / "run.svg").read_text()
    assert drawn.startswith("<svg")
    assert ("› Where?" in drawn, "› Hi" in drawn) == (True, False)
    assert "It is **here**." in (tmp_path / "said.md").read_text()
    assert list(tmp_path.glob("midstream-*.md"))


def test_while_the_model_answers_commands_that_change_it_wait(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Tell me.")
        tmux.wait_for("On and on")
        command(tmux, "/clear", "/clear: Esc stops the answer first")
        command(tmux, "/cost", "tokens written")
        command(tmux, "/quit", "■ stopped")
        assert tmux.wait_for_end() == 0


def test_without_a_session_there_is_nothing_to_go_on_with(tmp_path: Path, simulator: Start) -> None:
    with talk(tmp_path, simulator([Reply([say("One.")])]), "--no-session") as tmux:
        for name in ("sessions", "resume", "export", "timeline"):
            command(tmux, f"/{name}", f"› /{name}\nnothing is kept of this session")
        command(tmux, "/clear", "a new session")
