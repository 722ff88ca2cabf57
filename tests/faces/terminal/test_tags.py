"""Reasoning between tags, in text that is cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.faces.terminal.tags import ThinkingTags

TEXTS = [
    pytest.param("<think>why</think>so", "why", "so", id="at the beginning"),
    pytest.param("  <thinking>why</thinking>\nso", "why", "  \nso", id="behind blanks"),
    pytest.param("<THINKING>why</Thinking>so", "why", "so", id="in any case"),
    pytest.param("a\n<reasoning>why</reasoning>b", "why", "a\nb", id="on a line of its own"),
    pytest.param("a <think>b</think>", "", "a <think>b</think>", id="not within a line"),
    pytest.param(
        "```\n<think>\n```\n<think>x</think>", "x", "```\n<think>\n```\n", id="not in fenced code"
    ),
    pytest.param("<think>a < b </th</think>c", "a < b </th", "c", id="what is nearly the end"),
    pytest.param("<thin", "", "<thin", id="what is nearly a tag"),
    pytest.param("<think>on and on", "on and on", "", id="never closed"),
    pytest.param("<think>a</think><think>b</think>c", "ab", "c", id="twice"),
    pytest.param("plain\ntext\n", "", "plain\ntext\n", id="none at all"),
]


def told(*pieces: str) -> tuple[str, str]:
    """The reasoning, and the answer."""
    tags = ThinkingTags()
    parts = [part for piece in pieces for part in tags.feed(piece)]
    parts += tags.end()
    return tuple(
        "".join(text for kind, text in parts if kind is wanted) for wanted in (True, False)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(("text", "reasoning", "answer"), TEXTS)
def test_reasoning_is_told_from_the_answer_however_it_is_cut(
    text: str, reasoning: str, answer: str
) -> None:
    for a in range(len(text) + 1):
        for b in range(a, len(text) + 1):
            assert told(text[:a], text[a:b], text[b:]) == (reasoning, answer)
    assert told(*text) == (reasoning, answer)


@given(st.lists(st.sampled_from([*"ab<>/\n `", "<think>", "</think>", "thinking"]), max_size=25))
def test_cuts_change_nothing_and_no_word_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    reasoning, answer = told(*text)
    assert (reasoning, answer) == told(text) == told(*parts)
    if "<" not in text:
        assert answer == text
