"""The question whether a tool may run."""

import re
from typing import Any

import pytest

from midstream.events import ApprovalRequested
from midstream.faces.terminal.asking import GONE, NO_QUESTION, UNSEEN, Asking
from midstream.faces.terminal.paint import Paint
from midstream.tools.permissions import Rule
from tests.faces.terminal.lines import SGR


class Waiting:
    """A run in which one call waits for an answer."""

    def __init__(self, event: ApprovalRequested) -> None:
        self.waiting = {event.id: event}

    def approve(self, call_id: str, allowed: bool, words: str = "") -> None:
        del self.waiting[call_id]

    def allow(self, rule: str | Rule) -> tuple[str, ...]:
        return ()


def asked(**given: Any) -> Asking:
    asking = Asking(Paint())
    asking.run = Waiting(ApprovalRequested("c1", "run_command", given))
    return asking


def panel(asking: Asking, most: int = 20, width: int = 60, typed: str = "") -> list[str]:
    return [SGR.sub("", line) for line in asking.panel(width, most, typed)]


def test_what_can_be_answered_is_told() -> None:
    assert panel(asked(command="git status -s"), width=100) == [
        "? run_command",
        "    git status -s",
        "  y yes · a always run_command · p always “git status …” · n no"
        " · or what to do instead; Enter",
    ]


def test_a_line_that_was_begun_before_is_no_answer_until_it_is_empty() -> None:
    asking = asked(command="make")
    for typed in ("and", "and then"):
        assert panel(asking, typed=typed, width=80)[2:] == [
            "  what you have begun is no answer; Ctrl-U empties the line, then",
            "  y yes · a always run_command · p always exactly “make” · n no",
        ]
    assert "y yes" in panel(asking)[2]
    assert "y yes" in panel(asking, typed="y")[2]


def test_a_letter_is_no_answer_where_nothing_is_asked() -> None:
    asking = asked(command="make")
    assert asking.trouble("y") == NO_QUESTION  # which was typed before it was seen what is asked
    panel(asking)
    assert [each for each in "yapnv" if asking.trouble(each)] == []
    panel(asked_anew := asked(command="make"), typed="y")
    assert (asked_anew.trouble("y"), asked_anew.trouble("yes, and more")) == (NO_QUESTION, "")
    asking.answer("y")
    assert [asking.trouble(each) for each in (" Y ", "yes", "use pnpm")] == [GONE] * 3
    assert asking.trouble("/help") == ""
    panel(asking)  # now it is seen that nothing is asked
    assert [asking.trouble(each) for each in (" Y ", "why")] == [NO_QUESTION, ""]
    asking.run = None
    assert asking.trouble("y") == ""


def test_all_of_it_can_be_read() -> None:
    text = "\n".join(f"echo {n}" for n in range(1000))
    asking = asked(command=text)
    panel(asking)
    whole = [SGR.sub("", line).strip() for line in asking.whole(60)]
    assert whole == text.split("\n")


def test_of_what_is_hidden_the_size_is_told_however_small_the_screen_is() -> None:
    text = "\n".join(f"echo {n}" for n in range(1000))
    for most in range(5, 20):
        shown = panel(asked(command=text), most)
        assert len(shown) <= most
        (note,) = [line for line in shown if "more characters" in line]
        hidden = int(re.sub(r"\D", "", note))
        seen = "\n".join(line.strip() for line in shown if line.strip().startswith("echo"))
        assert hidden == len(text) - len(seen)


@pytest.mark.parametrize(("most", "width"), [(-3, 60), (0, 60), (2, 60), (20, 5), (20, 12)])
def test_yes_is_not_taken_to_what_the_screen_does_not_hold(most: int, width: int) -> None:
    asking = asked(command="make")
    assert panel(asking, most, width) == ["? run_command", f"  {UNSEEN}"]
    for said in ("y", "Yes.", "ok", "a", "always", "p"):
        assert asking.trouble(said) == UNSEEN
    for said in ("n", "no", "use pnpm", "v"):
        assert asking.trouble(said) == ""
    asking.whole(60)
    assert asking.trouble("y") == ""
    assert asking.answer("n")


def test_what_was_seen_once_may_be_answered() -> None:
    asking = asked(command="make")
    panel(asking)
    panel(asking, 1)
    assert asking.trouble("y") == ""


def test_arguments_that_find_no_room_are_counted() -> None:
    shown = panel(asked(**{f"member_{n}": n for n in range(30)}), 10)
    assert len(shown) <= 10
    (note,) = [line for line in shown if "not shown" in line]
    left = int(re.sub(r"\D", "", note))
    assert sum("member_" in line for line in shown) + left == 30
