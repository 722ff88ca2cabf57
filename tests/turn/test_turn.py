"""The turn: every event in every state, when a call is sealed, and what is left of a cut answer."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.errors import ProtocolError, StreamInterrupted
from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.journal.open_turn import OpenTurn
from midstream.journal.records import Wrote
from midstream.messages import Block, Opaque, StopReason, Text, Thinking, ToolCall, Usage
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    HandedOver,
    OpaqueArrived,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
    ThinkingSigned,
    UsageCounted,
)
from midstream.turn.block import Kind
from midstream.turn.turn import NEXT, SealedCall, State, Turn

Events = list[StreamEvent]
START = ResponseStarted("claude-sonnet-4-6")
END = ResponseEnded()
REST = Opaque("anthropic", {"type": "redacted_thinking", "data": "x"})


def stop(reason: StopReason = StopReason.END_TURN) -> ResponseStopped:
    return ResponseStopped(reason, reason.value)


def text(index: int, *parts: str) -> Events:
    return [BlockStarted(index), *(TextDelta(index, part) for part in parts), BlockEnded(index)]


def call(index: int, *parts: str, call_id: str = "a") -> Events:
    begun = ToolCallStarted(index, call_id, "look")
    return [begun, *(ToolInputDelta(call_id, part) for part in parts), BlockEnded(index)]


def play(events: Iterable[StreamEvent], turn: Turn | None = None) -> tuple[Turn, list[SealedCall]]:
    turn = turn or Turn()
    return turn, [sealed for event in events for sealed in turn.feed(event)]


def blocks(*events: StreamEvent) -> tuple[Block, ...]:
    turn, _ = play([START, *events, stop(), END])
    return turn.message().blocks


# -- the state machine -------------------------------------------------------------------------

EVENTS: Events = [
    *(START, UsageCounted(Usage(1)), BlockStarted(9), TextDelta(0, "x"), TextCited(0, {})),
    *(ThinkingDelta(1, "x"), ThinkingSigned(1, "s"), ToolCallStarted(9, "b", "look")),
    *(ToolInputDelta("a", "{}"), OpaqueArrived(9, REST), HandedOver(), BlockEnded(0)),
    *(stop(), END),
]


def turn_in(state: State) -> Turn:
    """A turn in the state, with a text, a thinking and a call open where blocks may be."""
    opened: Events = [START, BlockStarted(0), BlockStarted(1), ToolCallStarted(2, "a", "look")]
    before: dict[State, Sequence[StreamEvent]] = {
        State.WAITING: (),
        State.STREAMING: opened,
        # A limit cut it: open blocks do not break the end.
        State.STOPPED: [*opened, stop(StopReason.MAX_TOKENS)],
        State.ENDED: [*opened, stop(StopReason.MAX_TOKENS), END],
        State.BROKEN: opened,
    }
    turn, _ = play(before[state])
    if state is State.BROKEN:
        with pytest.raises(ProtocolError):
            turn.feed(START)
    assert turn.state is state
    return turn


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_in_every_state_moves_the_turn_or_breaks_it(
    state: State, event: StreamEvent
) -> None:
    turn = turn_in(state)
    following = NEXT.get((state, type(event)))
    if following:
        turn.feed(event)
    else:
        with pytest.raises(ProtocolError, match=f"{type(event).__name__} while {state.value}"):
            turn.feed(event)
    assert turn.state is (following or State.BROKEN)


# The table again, in the words of the grammar. Who changes one must change the other.
MAY_COME = {
    State.WAITING: "ResponseStarted BlockEnded",
    State.STREAMING: "UsageCounted BlockStarted TextDelta TextCited ThinkingDelta ThinkingSigned"
    " ToolCallStarted ToolInputDelta OpaqueArrived HandedOver BlockEnded ResponseStopped",
    State.STOPPED: "UsageCounted OpaqueArrived BlockEnded ResponseStopped ResponseEnded",
    State.ENDED: "UsageCounted ResponseEnded",
    State.BROKEN: "",
}
CHANGES = {
    (State.WAITING, ResponseStarted): State.STREAMING,
    (State.STREAMING, ResponseStopped): State.STOPPED,
    (State.STOPPED, ResponseEnded): State.ENDED,
}


def test_the_table_says_what_the_grammar_says() -> None:
    assert {
        state: {event.__name__ for before, event in NEXT if before is state} for state in State
    } == {state: set(names.split()) for state, names in MAY_COME.items()}
    assert {move: after for move, after in NEXT.items() if move[0] is not after} == CHANGES


def test_all_events_there_are_were_tried() -> None:
    assert {type(event) for event in EVENTS} == set(StreamEvent.__args__)


def test_what_follows_the_end_changes_nothing() -> None:
    turn, _ = play([START, *text(0, "Hi"), stop(), END])
    before = turn.message()
    turn.feed(END)
    turn.feed(UsageCounted(Usage(3)))
    assert turn.message() == before


WRONG = [
    pytest.param([TextDelta(0, "x")], "TextDelta while blocks are coming", id="text of no block"),
    pytest.param([TextCited(0, {})], "TextCited while", id="a citation of no block"),
    pytest.param([ThinkingDelta(0, "x")], "ThinkingDelta while", id="thinking of no block"),
    pytest.param([ThinkingSigned(0, "x")], "ThinkingSigned while", id="a signature of no block"),
    pytest.param([ToolInputDelta("a", "x")], "ToolInputDelta while", id="input of no call"),
    pytest.param([BlockStarted(0)] * 2, "block 0 began twice", id="a block twice"),
    pytest.param(
        [*text(0, "x"), ToolCallStarted(0, "a", "look")], "began twice", id="a call in its place"
    ),
    pytest.param(
        [BlockStarted(0), TextDelta(0, "x"), ThinkingDelta(0, "x")],
        "block 0 is text, not thinking",
        id="thinking in text",
    ),
    pytest.param(
        [BlockStarted(0), ThinkingDelta(0, "x"), TextDelta(0, "x")],
        "block 0 is thinking, not text",
        id="text in thinking",
    ),
    pytest.param(
        [BlockStarted(0), ThinkingDelta(0, "x"), TextCited(0, {})],
        "block 0 is thinking, not text",
        id="a citation in thinking",
    ),
    pytest.param(
        [BlockStarted(0), TextDelta(0, "x"), ThinkingSigned(0, "x")],
        "block 0 is text, not thinking",
        id="a signature in text",
    ),
    pytest.param(
        [ToolCallStarted(0, "a", "look"), TextDelta(0, "x")],
        "block 0 is a tool call, not text",
        id="text in a call",
    ),
    pytest.param(
        [BlockStarted(0), OpaqueArrived(0, REST), TextDelta(0, "x")],
        "block 0 is opaque, not text",
        id="text in an opaque block",
    ),
    pytest.param([*text(0, "x"), TextDelta(0, "y")], "block 0 had ended", id="text too late"),
    pytest.param([*call(0, "{}"), ToolInputDelta("a", "x")], "a had ended", id="input too late"),
]


@pytest.mark.parametrize(("events", "words"), WRONG)
def test_an_event_that_does_not_fit_its_block_breaks_the_turn(events: Events, words: str) -> None:
    turn = Turn()
    with pytest.raises(ProtocolError, match=words):
        play([START, *events], turn)
    assert turn.state is State.BROKEN


# -- the message -------------------------------------------------------------------------------


def test_fragments_join_without_a_separator() -> None:
    assert blocks(*text(0, "Hel", "", "lo ", "you")) == (Text("Hello you"),)


def test_blocks_stand_in_the_order_of_their_indexes() -> None:
    events = [*text(5, "third"), *call(2, "{}"), *text(0, "first")]
    assert blocks(*events) == (Text("first"), ToolCall("a", "look", {}), Text("third"))


def test_interleaved_fragments_go_to_their_own_blocks() -> None:
    turn, sealed = play(
        [
            *(START, BlockStarted(0), ToolCallStarted(1, "a", "look"), BlockStarted(2)),
            *(ToolCallStarted(3, "b", "look"), TextDelta(0, "Hel"), ToolInputDelta("b", '{"n":')),
            *(ThinkingDelta(2, "hm"), ToolInputDelta("a", '{"m":'), TextDelta(0, "lo")),
            *(ToolInputDelta("b", "2}"), ThinkingDelta(2, "m"), ToolInputDelta("a", "1}")),
            *(ThinkingSigned(2, "sig"), BlockEnded(3), BlockEnded(1), BlockEnded(0)),
            *(BlockEnded(2), stop(StopReason.TOOL_USE), END),
        ]
    )
    first, second = ToolCall("a", "look", {"m": 1}), ToolCall("b", "look", {"n": 2})
    assert turn.message().blocks == (Text("Hello"), first, Thinking("hmm", "sig"), second)
    assert sealed == [SealedCall(second), SealedCall(first)]  # each when it is whole


def test_citations_are_kept_in_order() -> None:
    cited: Events = [TextCited(0, {"n": 1}), TextDelta(0, "Hi"), TextCited(0, {"n": 2})]
    assert blocks(BlockStarted(0), *cited) == (Text("Hi", ({"n": 1}, {"n": 2})),)


def test_the_last_signature_counts() -> None:
    signed: Events = [ThinkingDelta(0, "hm"), ThinkingSigned(0, "one"), ThinkingSigned(0, "two")]
    assert blocks(BlockStarted(0), *signed) == (Thinking("hm", "two"),)


def test_a_signature_alone_is_thinking() -> None:
    assert blocks(BlockStarted(0), ThinkingSigned(0, "s")) == (Thinking("", "s"),)


def test_thinking_that_a_whole_answer_left_unsigned_is_kept() -> None:
    assert blocks(BlockStarted(0), ThinkingDelta(0, "hm")) == (Thinking("hm", ""),)


def test_a_block_that_holds_nothing_is_nothing() -> None:
    assert blocks(*text(0)) == ()


def test_an_opaque_block_is_kept_as_it_is() -> None:
    assert blocks(BlockStarted(0), OpaqueArrived(0, REST), BlockEnded(0)) == (REST,)


def test_what_rides_on_a_call_is_kept_with_it() -> None:
    rider = Opaque("anthropic", {"caller": {"type": "code_execution"}})
    begun = ToolCallStarted(0, "a", "look")
    rides: Events = [begun, OpaqueArrived(0, rider), ToolInputDelta("a", '{"n":1}'), BlockEnded(0)]
    assert blocks(*rides) == (ToolCall("a", "look", {"n": 1}, rider),)


def test_an_opaque_block_may_come_with_the_stop_reason() -> None:
    turn, _ = play([START, *text(0, "Hi"), stop(), OpaqueArrived(1, REST), END])
    assert turn.message().blocks == (Text("Hi"), REST)


def test_the_model_and_the_last_count_and_the_last_stop_reason_are_known() -> None:
    stops = [stop(StopReason.MAX_TOKENS), ResponseStopped(StopReason.REFUSAL, "refusal", "bio")]
    counts = [UsageCounted(Usage(9, 1)), UsageCounted(Usage(3, 7))]
    turn, _ = play([START, *counts, *stops, UsageCounted(Usage(3, 8)), END])
    assert (turn.model, turn.usage) == ("claude-sonnet-4-6", Usage(3, 8))
    assert (turn.stop, turn.stop_word, turn.stop_detail) == (StopReason.REFUSAL, "refusal", "bio")


def test_a_turn_that_has_not_begun_knows_nothing() -> None:
    turn = Turn()
    assert (turn.state, turn.stop) == (State.WAITING, StopReason.UNKNOWN)
    assert (turn.model, turn.stop_word, turn.stop_detail, turn.usage) == ("", "", "", Usage())
    assert turn.settled().blocks == ()


BEGINS = [
    pytest.param([], [], id="nothing"),
    pytest.param([BlockStarted(0)], [], id="an empty block"),
    pytest.param([BlockStarted(0), OpaqueArrived(0, REST)], [], id="an opaque block"),
    pytest.param([UsageCounted(Usage(1))], [], id="usage"),
    pytest.param([BlockStarted(0), TextDelta(0, "x")], [Kind.TEXT], id="text"),
    pytest.param([BlockStarted(0), ThinkingDelta(0, "x")], [Kind.THINKING], id="thinking"),
    pytest.param([ToolCallStarted(0, "a", "look")], [Kind.CALL], id="a call"),
    pytest.param([*text(0, "x", "y"), *text(1, "z")], [Kind.TEXT, Kind.TEXT], id="two texts"),
]


@pytest.mark.parametrize(("events", "begun"), BEGINS)
def test_a_turn_tells_what_begins(events: Events, begun: list[Kind]) -> None:
    told: list[Kind] = []
    turn = Turn(begins=told.append)
    for event in [START, *events]:
        turn.feed(event)
    assert told == begun


# -- whole or not ------------------------------------------------------------------------------

CUT_SHORT = [
    pytest.param([], "nothing has come", id="nothing"),
    pytest.param([START], "blocks are coming", id="a start"),
    pytest.param([START, *text(0, "Hi")], "blocks are coming", id="a block"),
    pytest.param([START, *text(0, "Hi"), stop()], "the stop reason is known", id="no end"),
]


@pytest.mark.parametrize(("events", "words"), CUT_SHORT)
def test_a_stream_that_stops_before_the_response_is_not_whole(events: Events, words: str) -> None:
    turn, _ = play(events)
    for ask in (turn.check_whole, turn.message):
        with pytest.raises(StreamInterrupted, match=words):
            ask()


def test_a_broken_turn_is_not_whole() -> None:
    turn = Turn()
    with pytest.raises(ProtocolError):
        turn.feed(END)
    with pytest.raises(StreamInterrupted, match="violated"):
        turn.check_whole()


def test_an_end_without_a_stop_reason_is_no_end() -> None:
    with pytest.raises(ProtocolError):
        play([START, *text(0, "Hi"), END])


# -- the seal ----------------------------------------------------------------------------------

SEALED = SealedCall(ToolCall("a", "look", {"n": 1}))
EMPTY = SealedCall(ToolCall("a", "look", {}))
OTHER = SealedCall(ToolCall("b", "look", {"m": 2}))


def test_a_call_is_sealed_the_moment_its_block_closes() -> None:
    turn, sealed = play([START, *call(0, '{"n"', ":1}")[:-1]])
    assert sealed == []
    assert turn.feed(BlockEnded(0)) == (SEALED,)


def test_a_block_that_closes_twice_seals_once() -> None:
    turn, sealed = play([START, *call(0, '{"n":1}'), BlockEnded(0), stop(StopReason.TOOL_USE)])
    assert sealed == [SEALED]
    assert turn.feed(BlockEnded(7)) == ()  # nor is there anything in a block that never began


def test_arguments_that_are_whole_need_a_closed_block_all_the_same() -> None:
    _, sealed = play([START, *call(0, '{"n":1}')[:-1], *text(1, "x")])
    assert sealed == []


DOUBTFUL = [pytest.param((), id="none"), pytest.param(("", " \n"), id="blanks")]


@pytest.mark.parametrize("parts", DOUBTFUL)
def test_a_call_without_arguments_is_in_doubt_until_a_later_block_begins(
    parts: tuple[str, ...],
) -> None:
    turn, sealed = play([START, *call(0, *parts)])
    assert sealed == []
    assert turn.feed(BlockStarted(1)) == (EMPTY,)
    assert turn.feed(stop(StopReason.TOOL_USE)) == ()


def test_a_later_call_settles_the_doubt_too() -> None:
    turn, _ = play([START, *call(0)])
    assert turn.feed(ToolCallStarted(1, "b", "look")) == (EMPTY,)


def test_several_calls_in_doubt_are_settled_in_order() -> None:
    begun = [ToolCallStarted(0, "a", "look"), ToolCallStarted(1, "b", "look")]
    turn, _ = play([START, *begun, BlockEnded(1), BlockEnded(0)])
    assert [each.call.id for each in turn.feed(BlockStarted(2))] == ["b", "a"]


RUNS = {StopReason.TOOL_USE}
DROPPED = {StopReason.MAX_TOKENS, StopReason.CONTEXT_WINDOW, StopReason.REFUSAL}


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_last_call_without_arguments_runs_only_if_the_model_stopped_for_tools(
    reason: StopReason,
) -> None:
    turn, sealed = play([START, *call(0), stop(reason), END])
    calls = turn.message().blocks
    if reason in DROPPED:
        assert (sealed, calls) == ([], ())
        return
    assert calls == (EMPTY.call,)
    problem = f"Not run: the response ended ({reason}) with its arguments in doubt."
    assert sealed == [EMPTY if reason in RUNS else SealedCall(EMPTY.call, problem)]


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_last_call_whose_arguments_are_no_json_is_answered_unless_it_was_cut(
    reason: StopReason,
) -> None:
    turn, sealed = play([START, *call(0, '{"n": unit}'), stop(reason), END])
    if reason in DROPPED:
        assert (sealed, turn.message().blocks) == ([], ())
        return
    assert [each.call for each in sealed] == [EMPTY.call]
    assert "Expecting value" in sealed[0].problem
    assert '{"INVALID_JSON":"{\\"n\\": unit}"}' in sealed[0].problem
    assert turn.message().blocks == (EMPTY.call,)


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_call_that_was_whole_is_kept_whatever_the_stop_reason(reason: StopReason) -> None:
    turn, sealed = play([START, *call(0, '{"n":1}'), stop(reason), END])
    assert sealed == [SEALED]
    assert turn.message().blocks == (SEALED.call,)


@pytest.mark.parametrize("arguments", ["[1]", "1", "null", '"{}"', '{"n":1', '{"n":1}}', "{}{}"])
def test_arguments_that_are_no_object_are_answered_and_not_run(arguments: str) -> None:
    _, sealed = play([START, *call(0, arguments), *text(1, "x")])
    assert [each.call for each in sealed] == [EMPTY.call]
    assert sealed[0].problem.startswith("The arguments are not JSON")


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_block_that_closes_after_the_stop_reason_is_settled_at_the_end(
    reason: StopReason,
) -> None:
    late = [START, *call(0)[:-1], *call(1, '{"m":2}', call_id="b")[:-1], stop(reason)]
    _, sealed = play([*late, BlockEnded(0), BlockEnded(1), END])
    expected = {each.call.id for each in sealed if not each.problem}
    answered = {each.call.id for each in sealed}
    assert answered == (set() if reason in DROPPED else {"a", "b"})
    assert expected == ({"a", "b"} if reason in RUNS else {"b"} if answered else set())


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_call_that_is_open_at_the_end_was_cut_by_a_limit_or_breaks_the_turn(
    reason: StopReason,
) -> None:
    turn, sealed = play([START, *text(0, "Hi"), *call(1, '{"n":1}')[:-1], stop(reason)])
    if reason in DROPPED:
        turn.feed(END)
        assert (sealed, turn.message().blocks) == ([], (Text("Hi"),))
    else:
        with pytest.raises(ProtocolError, match="the response ended inside the call look"):
            turn.feed(END)


def test_text_that_is_open_at_the_end_is_whole() -> None:
    assert blocks(BlockStarted(0), TextDelta(0, "Hi")) == (Text("Hi"),)


@pytest.mark.parametrize("reason", sorted(DROPPED))
def test_thinking_that_a_limit_left_unsigned_is_dropped(reason: StopReason) -> None:
    unsigned: Events = [
        BlockStarted(0),
        ThinkingDelta(0, "hm"),
        BlockStarted(1),
        ThinkingSigned(1, "s"),
    ]
    turn, _ = play([START, *unsigned, stop(reason), END])
    assert turn.message().blocks == (Thinking("", "s"),)


def test_arguments_may_be_as_large_as_the_limit_and_no_larger() -> None:
    turn, _ = play([START, *call(0, "x" * 6, "x" * 4)], Turn(max_arguments=10))
    with pytest.raises(ProtocolError, match="larger than 10 characters"):
        play(call(1, "x" * 6, "x" * 5), turn)
    assert turn.state is State.BROKEN


def test_eight_mebibytes_of_arguments_are_the_limit_unless_told_otherwise() -> None:
    turn, _ = play([START, *call(0, "x" * (8 << 20))[:-1]])
    with pytest.raises(ProtocolError, match="larger than 8,388,608 characters"):
        turn.feed(ToolInputDelta("a", "x"))


def test_arguments_are_safe_to_store_and_send_on() -> None:
    _, sealed = play([START, *call(0, '{"n":"\\u0000\\ud83d"}')])
    assert sealed[0].call.input == {"n": "\ufffd\ufffd"}


def test_deep_arguments_are_answered_like_any_that_are_no_json() -> None:
    _, sealed = play([START, *call(0, '{"a":' * 100_000), *text(1, "x")])
    assert "nested too deep" in sealed[0].problem


# -- another model takes over ------------------------------------------------------------------


def test_a_hand_over_takes_thinking_and_calls_with_it_and_leaves_text() -> None:
    before: Events = [
        BlockStarted(0),
        ThinkingDelta(0, "hm"),
        ThinkingSigned(0, "s"),
        BlockEnded(0),
    ]
    gone = [*before, *text(1, "I"), *call(2, '{"n":1}'), BlockStarted(3), OpaqueArrived(3, REST)]
    after = [*text(4, " can"), *call(5, '{"m":2}', call_id="b")]
    turn, sealed = play([START, *gone, HandedOver("other"), *after, stop(), END])
    assert turn.message().blocks == (Text("I"), REST, Text(" can"), OTHER.call)
    assert sealed == [SEALED, OTHER]
    assert turn.model == "other"


def test_a_call_in_doubt_when_another_model_takes_over_is_never_sealed() -> None:
    turn, sealed = play([START, *call(0), HandedOver(), *text(1, "Hi")])
    turn.feed(stop(StopReason.TOOL_USE))
    assert sealed == []
    assert turn.settled().blocks == (Text("Hi"),)
    assert turn.model == START.model


def test_a_call_that_was_open_when_another_model_took_over_may_close_in_silence() -> None:
    open_call = call(0, '{"n":')[:-1]
    _, sealed = play([START, *open_call, HandedOver(), ToolInputDelta("a", "1}"), BlockEnded(0)])
    assert sealed == []


def nothing_waits(text: str) -> int:
    return 0


def test_of_text_what_is_new_is_taken_and_of_other_blocks_the_whole_at_their_end() -> None:
    turn, _ = play([START, BlockStarted(0), TextDelta(0, "I"), TextCited(0, {"n": 1})])
    assert turn.take(nothing_waits) == [(0, Text("I", ({"n": 1},)))]
    play([TextDelta(0, " can"), TextCited(0, {"n": 2}), BlockEnded(0)], turn)
    assert turn.take(nothing_waits) == [(0, Text(" can", ({"n": 2},)))]
    play([BlockStarted(1), ThinkingDelta(1, "hm"), ThinkingSigned(1, "s")], turn)
    assert turn.take(nothing_waits) == [], "another signature may come"
    play([ThinkingSigned(1, "t"), BlockEnded(1), *call(2, '{"n":1}')], turn)
    assert turn.take(nothing_waits) == [(1, Thinking("hm", "t")), (2, SEALED.call)]
    assert turn.take(nothing_waits) == []


def test_what_was_taken_of_the_model_that_gave_up_is_taken_back() -> None:
    thinks: Events = [BlockStarted(0), ThinkingDelta(0, "hm"), ThinkingSigned(0, "s")]
    turn, _ = play([START, *thinks, BlockEnded(0), *text(1, "I")])
    assert turn.take(nothing_waits) == [(0, Thinking("hm", "s")), (1, Text("I"))]
    turn.feed(HandedOver("other"))
    assert turn.take(nothing_waits) == [(0, None)]
    assert turn.take(nothing_waits) == []


# -- a turn that was stopped -------------------------------------------------------------------

SETTLED = [
    pytest.param([], (), id="nothing"),
    pytest.param([BlockStarted(0)], (), id="an empty block"),
    pytest.param([BlockStarted(0), TextDelta(0, "Hel")], (Text("Hel"),), id="the text so far"),
    pytest.param([BlockStarted(0), ThinkingDelta(0, "hm")], (), id="no unsigned thinking"),
    pytest.param(
        [BlockStarted(0), ThinkingDelta(0, "hm"), BlockEnded(0)], (), id="not even a closed one"
    ),
    pytest.param(
        [BlockStarted(0), ThinkingDelta(0, "hm"), ThinkingSigned(0, "s")],
        (Thinking("hm", "s"),),
        id="signed thinking",
    ),
    pytest.param(call(0, '{"n":1}'), (SEALED.call,), id="a sealed call"),
    pytest.param(call(0, '{"n":1}')[:-1], (), id="no open call"),
    pytest.param(call(0), (), id="no call in doubt"),
    pytest.param(call(0, "{"), (), id="no call without JSON"),
    pytest.param([*call(0), BlockStarted(1)], (EMPTY.call,), id="a call beyond doubt"),
    pytest.param([BlockStarted(0), OpaqueArrived(0, REST)], (REST,), id="an opaque block"),
    pytest.param([*call(0), stop()], (EMPTY.call,), id="a call that was answered"),
]


@pytest.mark.parametrize(("events", "expected"), SETTLED)
def test_a_stopped_turn_keeps_what_was_shown_and_can_be_sent_back(
    events: Events, expected: tuple[Block, ...]
) -> None:
    turn, _ = play([START, *events])
    assert turn.settled().blocks == expected


# -- any response, cut anywhere ----------------------------------------------------------------

OBJECTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3)
ARGUMENTS = OBJECTS.map(lambda value: msgspec.json.encode(value).decode()) | st.sampled_from(
    ["", "", " ", "[1]", "{", '{"a": 1', "nonsense", "{}"]
)


@st.composite
def parts(draw: st.DrawFn, text: str) -> list[str]:
    places = draw(st.lists(st.integers(0, len(text)), max_size=3).map(sorted))
    edges = [0, *places, len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


@st.composite
def block_events(draw: st.DrawFn, index: int) -> Events:
    kind = draw(st.sampled_from(["text", "thinking", "call", "call", "opaque", "empty"]))
    match kind:
        case "text":
            begun, *said, end = text(index, *draw(parts(draw(st.text(max_size=9)))))
            cited = [TextCited(index, {"n": n}) for n in range(draw(st.integers(0, 2)))]
            return [begun, *said, *cited, *said, end]
        case "thinking":
            signed = [ThinkingSigned(index, "st"[n]) for n in range(draw(st.integers(0, 2)))]
            thought = [ThinkingDelta(index, part) for part in draw(parts("I wonder"))]
            return [BlockStarted(index), *thought, *signed, BlockEnded(index)]
        case "call":
            return call(index, *draw(parts(draw(ARGUMENTS))), call_id=f"call_{index}")
        case "opaque":
            return [BlockStarted(index), OpaqueArrived(index, REST), BlockEnded(index)]
        case _:
            return text(index)


@st.composite
def responses(draw: st.DrawFn) -> Events:
    """A well-formed response; the blocks' events may be interleaved."""
    waiting = [draw(block_events(index)) for index in range(draw(st.integers(0, 5)))]
    events: Events = [START]
    while waiting:
        # Only the first block has begun before others: starts keep the order of the indexes.
        open_until = draw(st.integers(1, len(waiting)))
        chosen = draw(st.integers(0, open_until - 1))
        events += [each.pop(0) for each in waiting[: chosen + 1]]
        waiting = [each for each in waiting if each]
    return [*events, stop(draw(st.sampled_from(list(StopReason)))), END]


def calls_of(blocks: Iterable[Block]) -> list[ToolCall]:
    return [block for block in blocks if isinstance(block, ToolCall)]


@given(responses())
@settings(deadline=None, max_examples=300)
def test_no_cut_seals_a_call_that_the_whole_does_not_have(events: Events) -> None:
    turn, whole = play(events)
    assert calls_of(turn.message().blocks) == sorted(
        (sealed.call for sealed in whole), key=lambda each: int(each.id.removeprefix("call_"))
    )
    seen: list[SealedCall] = []
    turn = Turn()
    for event in events:
        seen += turn.feed(event)
        assert seen == whole[: len(seen)]
        kept = turn.settled()
        assert {each.id for each in calls_of(kept.blocks)} == {each.call.id for each in seen}
        assert all(block.signature for block in kept.blocks if isinstance(block, Thinking))


@given(responses(), st.data())
@settings(deadline=None, max_examples=300)
def test_what_is_taken_bit_by_bit_is_what_is_settled(events: Events, data: st.DataObject) -> None:
    turn, written = Turn(), OpenTurn()
    for event in events:
        turn.feed(event)
        if event is END or data.draw(st.booleans()):
            for index, block in turn.take(lambda text: data.draw(st.integers(0, len(text)))):
                written.fold(Wrote(1, index, block))
    assert written.settled()[0] == turn.settled()


@given(st.lists(st.sampled_from(EVENTS + call(0, "{}") + text(1, "x")), max_size=25), st.data())
@settings(deadline=None, max_examples=300)
def test_any_sequence_of_events_is_taken_or_breaks_the_turn_for_good(
    events: Events, data: st.DataObject
) -> None:
    turn = Turn()
    for event in events:
        try:
            turn.feed(event)
        except ProtocolError:
            assert turn.state is State.BROKEN
            with pytest.raises(ProtocolError):
                turn.feed(data.draw(st.sampled_from(EVENTS)))
            break
    turn.settled()


def test_a_hundred_thousand_fragments_are_no_trouble() -> None:
    many: list[Any] = [ToolInputDelta("a", "x")] * 100_000
    _, sealed = play(
        [START, *call(0)[:1], ToolInputDelta("a", '{"n":"'), *many, *call(0, '"}')[1:]]
    )
    assert len(sealed[0].call.input["n"]) == 100_000
