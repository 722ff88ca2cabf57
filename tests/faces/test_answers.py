"""What an answer to the question whether a call may run means."""

import pytest

from midstream.events import ApprovalRequested
from midstream.faces.answers import allows, answer
from midstream.tools.permissions import Rule

ASKED = ApprovalRequested("c1", "run", {"command": "make"})
NARROW = Rule("run", "make", exact=True)


class Told:
    """A run that keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def approve(self, call_id: str, allowed: bool, words: str = "") -> None:
        self.said.append((call_id, allowed, words))

    def allow(self, rule: str | Rule) -> tuple[str, ...]:
        self.said.append(rule)
        return ()


def said(words: str, narrow: Rule | None = NARROW) -> object:
    answer(told := Told(), ASKED, narrow, words)
    (only,) = told.said
    return only


@pytest.mark.parametrize("words", ["y", "Y", " yes\n", "Yes.", "ok", "sure!", "yes please"])
def test_yes_is_for_this_once(words: str) -> None:
    assert said(words) == ("c1", True, "")
    assert allows(words)


@pytest.mark.parametrize("words", ["n", "No", "no.", "nn"])
def test_no_has_no_words(words: str) -> None:
    assert said(words) == ("c1", False, "")
    assert not allows(words)


def test_always_adds_a_rule() -> None:
    assert (said("a"), said("Always"), said("p")) == (Rule("run"), Rule("run"), NARROW)
    assert allows("a")
    assert allows("p")


@pytest.mark.parametrize("words", ["use pnpm", "yes, but later", "okay then"])
def test_other_words_are_a_no_that_says_what_to_do(words: str) -> None:
    assert said(f"  {words}\n") == ("c1", False, words)
    assert not allows(words)


@pytest.mark.parametrize("words", ["", " ", "\n", "x", "v", "7", "?", "p"])
def test_a_letter_that_stands_for_nothing_is_no_answer(words: str) -> None:
    with pytest.raises(ValueError, match="stands for nothing"):
        said(words, None)
