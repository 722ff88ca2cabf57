"""What is settled of a turn whose process died: a table of what was written, and what is kept."""

from typing import Any

import pytest

from midstream.journal.open_turn import NOT_STARTED, UNKNOWN
from midstream.journal.records import (
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Discarded,
    Ended,
    Prompted,
    Record,
    Untold,
    Wrote,
)
from midstream.journal.session import Session
from midstream.messages import Message, Opaque, Text, Thinking, ToolCall, ToolResult

HI = Prompted(Message("user", (Text("Hi"),)))


def call(call_id: str, amount: int = 5) -> ToolCall:
    return ToolCall(call_id, "pay", {"amount": amount})


def began(call_id: str, amount: int = 5, effects: str = "write", ordinal: int = 0) -> CallBegan:
    return CallBegan(1, call_id, "pay", {"amount": amount}, effects, ordinal)


def paid(call_id: str, output: str = "paid", is_error: bool = False) -> CallEnded:
    return CallEnded(1, ToolResult(call_id, output, is_error))


def settled(*records: Record) -> tuple[list[Any], list[Any], str]:
    """The blocks, the results and the note of a session that died after `records`."""
    session = Session()
    session.record(HI, Began(1, 1), *records)
    recovery = session.recovery()
    assert recovery[-1] == Ended("died")
    turn = next(each for each in recovery if isinstance(each, Committed))
    assert turn.settled
    note = next((each.note for each in recovery if isinstance(each, Untold)), "")
    session.record(*recovery)
    assert session.recovery() == [], "it is settled once"
    return list(turn.message.blocks), list(turn.results.blocks if turn.results else ()), note


def test_the_pieces_of_a_text_are_one_text() -> None:
    one, two = {"n": 1}, {"n": 2}
    pieces = [Wrote(1, 0, Text("Hel", (one,))), Wrote(1, 1, Text("x")), Wrote(1, 0, Text("lo"))]
    blocks, results, note = settled(*pieces, Wrote(1, 0, Text("!", (two,))))
    assert blocks == [Text("Hello!", (one, two)), Text("x")]
    assert (results, note) == ([], "")


def test_blocks_are_in_their_order_whenever_they_were_written() -> None:
    blocks, _, _ = settled(Wrote(1, 2, Text("b")), Wrote(1, 0, Thinking("a", "sig")))
    assert blocks == [Thinking("a", "sig"), Text("b")]


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ([], ToolResult("a", NOT_STARTED, True)),
        ([began("a")], ToolResult("a", UNKNOWN, True)),
        ([began("a"), paid("a")], ToolResult("a", "paid", False)),
        ([began("a"), paid("a", "no", True)], ToolResult("a", "no", True)),
    ],
)
def test_a_call_is_answered_with_what_is_known_of_it(
    written: list[Record], result: ToolResult
) -> None:
    blocks, results, note = settled(Wrote(1, 0, call("a")), *written)
    assert blocks == [call("a")]
    assert results == [result]
    assert note == ""


def test_results_are_in_the_order_of_the_calls() -> None:
    written = [Wrote(1, 1, call("b", 6)), Wrote(1, 0, call("a"))]
    _, results, _ = settled(*written, began("b", 6), paid("b"))
    assert [each.call_id for each in results] == ["a", "b"]


def test_a_retried_call_has_the_result_of_the_attempt_that_was_lost() -> None:
    lost = [Wrote(1, 0, call("a")), began("a"), paid("a", "paid once"), Discarded(1, 1, "cut")]
    blocks, results, note = settled(*lost, Began(1, 2), Wrote(1, 0, call("b")))
    assert blocks == [call("b")]
    assert results == [ToolResult("b", "paid once")]
    assert note == ""


def test_two_equal_calls_have_a_result_each() -> None:
    written = [Wrote(1, 0, call("a")), Wrote(1, 1, call("b"))]
    _, results, _ = settled(*written, began("a"), began("b", ordinal=1), paid("b", "second"))
    assert results == [ToolResult("a", UNKNOWN, True), ToolResult("b", "second")]


def test_of_two_equal_calls_the_first_is_the_one_that_was_sealed_first() -> None:
    lost = [began("x"), began("y", ordinal=1), paid("x", "first"), paid("y", "second")]
    again = [Discarded(1, 1, "cut"), Began(1, 2), Wrote(1, 1, call("b")), Wrote(1, 0, call("a"))]
    _, results, _ = settled(*lost, *again)
    assert results == [ToolResult("a", "second"), ToolResult("b", "first")]


def test_a_call_that_waits_does_not_take_the_result_of_one_that_is_equal_on_disk() -> None:
    """They differed in a key; the first still waited for an approval."""
    written = [Wrote(1, 0, call("a")), Wrote(1, 1, call("b")), began("b"), paid("b")]
    _, results, note = settled(*written)
    assert results == [ToolResult("a", NOT_STARTED, True), ToolResult("b", "paid")]
    assert note == ""


def test_a_read_that_was_made_anew_has_its_new_result() -> None:
    lost = [began("a", effects="read"), paid("a", "stale"), Discarded(1, 1, "cut"), Began(1, 2)]
    anew = [Wrote(1, 0, call("b")), began("b", effects="read"), paid("b", "fresh")]
    assert settled(*lost, *anew)[1] == [ToolResult("b", "fresh")]


def test_an_id_that_an_attempt_repeats_is_not_the_other_call() -> None:
    lost = [began("a"), paid("a"), Discarded(1, 1, "cut"), Began(1, 2)]
    _, results, note = settled(*lost, Wrote(1, 0, call("a", amount=7)))
    assert results == [ToolResult("a", NOT_STARTED, True)]
    assert 'pay({"amount":5}): done: paid' in note


def test_two_calls_that_differed_in_a_key_have_a_result_each() -> None:
    """Their inputs are equal on disk, and each was the first of its kind."""
    written = [Wrote(1, 0, call("a")), Wrote(1, 1, call("b"))]
    ran = [began("a"), paid("a", "first"), began("b"), paid("b", "second")]
    _, results, note = settled(*written, *ran)
    assert results == [ToolResult("a", "first"), ToolResult("b", "second")]
    assert note == ""


@pytest.mark.parametrize("effects", ["idempotent", "write"])
def test_what_the_retry_did_not_ask_for_again_is_told(effects: str) -> None:
    begun = began("a", effects=effects)
    lost = [Wrote(1, 0, call("a")), begun, paid("a"), Discarded(1, 1, "cut")]
    _, results, note = settled(*lost, Began(1, 2), Wrote(1, 0, call("b", 6)))
    assert results == [ToolResult("b", NOT_STARTED, True)]
    assert 'pay({"amount":5}): done: paid' in note


def test_a_call_that_ran_before_it_was_written_down_in_the_answer_is_told() -> None:
    _, _, note = settled(Discarded(1, 1, "cut"), began("a"))
    assert 'pay({"amount":5}): failed: Outcome unknown' in note


def test_what_was_told_before_the_process_died_is_not_told_again() -> None:
    session = Session()
    session.record(HI, Began(1, 1), began("a"), paid("a"), Discarded(1, 1, "refusal"), Untold("x"))
    assert not any(isinstance(each, Untold) for each in session.recovery())


def test_a_read_that_is_not_asked_for_again_is_not_told() -> None:
    _, _, note = settled(began("a", effects="read"), Discarded(1, 1, "cut"))
    assert note == ""


def test_a_block_that_was_handed_over_is_not_kept() -> None:
    blocks, _, _ = settled(
        Wrote(1, 0, Thinking("a", "s")), Wrote(1, 0, None), Wrote(1, 1, Text("b"))
    )
    assert blocks == [Text("b")]


def test_what_only_the_provider_understands_is_kept() -> None:
    opaque = Opaque("anthropic", {"type": "redacted_thinking", "data": "x"})
    assert settled(Wrote(1, 0, opaque))[0] == [opaque]


def test_words_that_nobody_answered_stay() -> None:
    session = Session()
    session.record(HI)
    session.record(*session.recovery())
    assert session.messages == [HI.message]


def test_a_run_that_died_between_two_turns_has_nothing_to_settle() -> None:
    session = Session()
    session.record(HI, Began(1, 1), Committed(1, Message("assistant", (Text("x"),)), None))
    assert session.recovery() == [Ended("died")]


def test_a_run_that_ended_has_nothing_to_settle() -> None:
    session = Session()
    session.record(HI, Began(1, 1), began("a"), Ended("failed"))
    assert session.recovery() == []
