"""How full a conversation is: what the provider told of it, and an estimate of what is new."""

from typing import Any

import pytest

from midstream.journal.context import PICTURE, rough_tokens
from midstream.journal.records import Committed, Ended, Prompted, Record
from midstream.journal.session import Session
from midstream.messages import (
    Block,
    Image,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)

SIZES: list[Any] = [
    pytest.param(Text("a" * 40), 10, id="text"),
    pytest.param(Text("ü" * 40), 20, id="letters of two bytes"),
    pytest.param(Text("\ud800" * 40), 10, id="halves of letters"),
    pytest.param(Thinking("a" * 40, "signature"), 10, id="thinking"),
    pytest.param(ToolCall("id", "look", {"at": "a" * 21 + "\ud800"}), 10, id="a call"),
    pytest.param(ToolResult("id", "a" * 40), 10, id="a result"),
    pytest.param(
        ToolResult("id", (Text("a" * 40), Image(b"x"))), 10 + PICTURE, id="a result with a picture"
    ),
    pytest.param(Image(b"x" * 100_000), PICTURE, id="a picture"),
    pytest.param(Opaque("anthropic", {"type": "a" * 29}), 10, id="what only the provider knows"),
]


@pytest.mark.parametrize(("block", "tokens"), SIZES)
def test_four_bytes_are_a_token(block: Block, tokens: int) -> None:
    assert rough_tokens(Message("user", (block,)), None) == tokens


def user(words: str) -> Message:
    return Message("user", (Text(words),))


CALLED = Message("assistant", (ToolCall("a", "look", {}),))
RESULTS = Message("user", (ToolResult("a", "x" * 400),))
USED = Usage(10, 20, 300, 4000, reasoning_tokens=5)
QUESTION = Prompted(user("q" * 800))
GROWING: list[Any] = [
    pytest.param([], 0, id="nothing"),
    pytest.param([QUESTION], 200, id="a prompt is estimated"),
    pytest.param([QUESTION, Committed(1, user("a"), None, usage=USED)], 4330, id="a turn is told"),
    pytest.param(
        [QUESTION, Committed(1, CALLED, RESULTS, usage=USED), QUESTION], 4330 + 100 + 200,
        id="what came since is estimated",
    ),
    pytest.param(
        [QUESTION, Committed(1, user("a" * 400), None, settled=True, usage=Usage(10, 1))], 110,
        id="an answer that was stopped is estimated",
    ),
    pytest.param(
        [QUESTION, Committed(1, user("a" * 400), None)], 300, id="without usage all is estimated"
    ),
    pytest.param(
        [QUESTION, Committed(1, user("a"), None, usage=USED), QUESTION, Ended("failed")], 4330,
        id="what was withdrawn does not count",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "tokens"), GROWING)
def test_the_context_is_as_full_as_it_was_told_and_then_estimated(
    records: list[Record], tokens: int
) -> None:
    session = Session()
    session.record(*records)
    assert session.context_tokens == tokens
