"""Keys that arrive together do what they would have done one by one."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from midstream.journal.store import Journal
from midstream.simulator import Reply, Scenario, Simulator, call, say
from tests.cli.pseudo import Pseudo, pseudo_terminal
from tests.cli.talking import LONG, Start, known, slowly, words_of

SIZE = (80, 24)


@contextmanager
def hasty(folder: Path, sim: Simulator) -> Generator[Pseudo]:
    keys = {"ANTHROPIC_API_KEY": "any"}
    with pseudo_terminal(*known(folder, sim), folder=folder, size=SIZE, variables=keys) as pseudo:
        pseudo.wait_for("\n›")
        yield pseudo


@pytest.mark.parametrize("keys", ["\x04x\r", "hello\r\x04", "/quit\rhello\r", "\x03\x03hello\r"])
def test_who_leaves_has_said_nothing_that_had_not_begun(
    keys: str, tmp_path: Path, simulator: Start
) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with hasty(tmp_path, sim) as pseudo:
        pseudo.type(keys)
        assert pseudo.wait_for_end() == 0
        pseudo.read_to_the_end()
    assert b"a bug" not in pseudo.written
    assert sim.requests == []


def test_one_answer_is_for_one_question(tmp_path: Path, simulator: Start) -> None:
    calls = [call("pay", amount=1), call("pay", amount=2)]
    sim = simulator([Reply(calls), Reply([say("Half of it.")])])
    with hasty(tmp_path, sim) as pseudo:
        pseudo.type("Pay.\r")
        pseudo.wait_for("and 1 more")
        pseudo.type("y\ry\r")  # the second one was not asked yet
        pseudo.wait_for("amount: 2\n  what you have begun is no answer")
        assert "› y\n" in pseudo.text
        pseudo.type("\x15")
        pseudo.wait_for("amount: 2\n  y yes")
        pseudo.type("n\r")
        pseudo.wait_for("Half of it.")
        assert "paid 1" in pseudo.text
    assert len(sim.requests) == 2


def test_a_signal_after_enter_ends_what_had_not_begun(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say(LONG)])))
    with hasty(tmp_path, sim) as pseudo:
        pseudo.type("hello\r")
        pseudo.signal(signal.SIGTERM)
        assert pseudo.wait_for_end() == 130


def test_words_that_are_stopped_before_they_are_said_come_back(
    tmp_path: Path, simulator: Start
) -> None:
    sim = simulator([Reply([say("Answer to {prompt}")])])
    with hasty(tmp_path, sim) as pseudo:
        pseudo.type("hello\r\x03")
        pseudo.wait_for("› hello")
        assert sim.requests == []
        pseudo.type(" there\r")
        pseudo.wait_for("Answer to hello there")
    assert len(sim.requests) == 1


def test_what_is_typed_behind_a_command_waits_for_it(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(Scenario(replies=[Reply([say("Answer to {prompt}")])], each_prompt=True))
    for words in ("number one", "number two"):
        with hasty(tmp_path, sim) as pseudo:
            pseudo.type(f"{words}\r")
            pseudo.wait_for(f"Answer to {words}")
            pseudo.type("\x04")
            assert pseudo.wait_for_end() == 0
    _, first = Journal(tmp_path / ".data" / "sessions.db").summaries()
    with hasty(tmp_path, sim) as pseudo:
        pseudo.type(f"/resume {first.id[:8]}\rnumber three\r")
        pseudo.wait_for("Answer to number three")
        assert pseudo.text.index("it goes on here") < pseudo.text.index("› number three")
    told = sim.requests[2]["messages"]
    assert [words_of(each) for each in told] == [
        "number one", "Answer to number one", "number three",
    ]  # fmt: skip
