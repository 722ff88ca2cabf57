"""The question whether a tool may run."""

import re
from typing import Any

from midstream.events import ApprovalRequested
from midstream.faces.terminal.asking import STILL_S, Asking
from midstream.faces.terminal.paint import Paint
from tests.faces.terminal.lines import SGR


class Time:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def asked(time: Time, **given: Any) -> Asking:
    asking = Asking(Paint(), time)
    asking.ask(ApprovalRequested("c1", "run_command", given))
    return asking


def panel(asking: Asking, most: int = 20, width: int = 60) -> list[str]:
    return [SGR.sub("", line) for line in asking.panel(width, most)]


def test_a_key_that_was_on_its_way_when_the_question_came_is_no_answer() -> None:
    time = Time()
    asking = asked(time, command="pytest -q")
    assert asking.takes("y") is None  # it has not been seen
    panel(asking)
    time.now += STILL_S * 0.9
    assert asking.takes("y") is None
    time.now += STILL_S * 0.2
    assert [key for key in "yanpxYs" if asking.takes(key)] == ["y", "a", "n", "p", "Y"]


def test_the_keys_are_told_once_they_work_and_nothing_moves_then() -> None:
    time = Time()
    asking = asked(time, command="pytest -q")
    before = panel(asking)
    time.now += STILL_S
    after = panel(asking)
    assert len(before) == len(after)
    assert "y yes" in after[2]
    assert "y yes" not in before[2]


def test_of_what_is_hidden_the_size_is_told_however_small_the_screen_is() -> None:
    text = "\n".join(f"echo {n}" for n in range(1000))
    for most in range(1, 20):
        shown = panel(asked(Time(), command=text), most)
        assert len(shown) <= max(most, 5)
        (note,) = [line for line in shown if "not shown" in line]
        hidden = int(re.sub(r"\D", "", note))
        seen = "\n".join(line.strip() for line in shown if line.strip().startswith("echo"))
        assert hidden == len(text) - len(seen)


def test_arguments_that_find_no_room_are_counted() -> None:
    shown = panel(asked(Time(), **{f"member_{n}": n for n in range(30)}), 10)
    assert len(shown) <= 10
    (note,) = [line for line in shown if "not shown" in line]
    left = int(re.sub(r"\D", "", note))
    assert sum("member_" in line for line in shown) + left == 30
