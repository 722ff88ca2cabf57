"""What the plain face says of each event, on a terminal and into a pipe."""

import re
from collections.abc import Sequence

import msgspec
import pytest

from midstream.events import (
    ApprovalGiven,
    ApprovalRequested,
    Compacted,
    CompactionFailed,
    CompactionStarted,
    Interrupted,
    Prompted,
    Retrying,
    RunEnded,
    RunError,
    RunEvent,
    RunStarted,
    TextDelta,
    ThinkingDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolProgress,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)
from midstream.faces.plain import JsonAtEnd, JsonLines, PlainText, printable
from midstream.messages import Message, StopReason, Usage

USAGE = Usage(input_tokens=1200, output_tokens=34, cache_read_tokens=800)


def end(outcome: str = "completed", error: RunError | None = None) -> RunEnded:
    text, cost = "Hi", 0.0123
    return RunEnded(outcome, text, USAGE, Usage(), cost, 0.5, 1.25, 2, error)  # type: ignore[arg-type]


def told(*events: RunEvent, terminal: bool) -> tuple[str, str]:
    face = PlainText(terminal, colour=False)
    pieces = [face.show(event) for event in events]
    return "".join(p.answer for p in pieces), "".join(p.beside for p in pieces)


TOOL: Sequence[RunEvent] = (
    ToolCallStarted(1, "a", "look"),
    ToolInputDelta("a", '{"at": "x"}'),
    ToolCallReady("a", "look", {"at": "x"}),
    ToolStarted("a", "look"),
)


def test_into_a_pipe_goes_the_answer_alone() -> None:
    answer, beside = told(
        RunStarted("s", "m"),
        TurnStarted(1, 1),
        ThinkingDelta(0, "Hm."),
        TextDelta(1, "Let me "),
        *TOOL,
        TextDelta(1, "see."),
        ToolFinished("a", "look", "a tree", False, 1.5, False),
        end(),
        terminal=False,
    )
    assert answer == "Let me see.\n"
    assert beside.splitlines()[:2] == [
        '  ▶ look(at="x")',
        '  ✓ look(at="x") 1.50 s → a tree',
    ]


DONE_LOOKING = ToolFinished("a", "look", "a tree", False, 1.5, False)
TOLD = '  ✓ look(at="x") 1.50 s → a tree'


def flowing(*texts: str) -> list[str]:
    """The lines of an answer, while whose first text a tool ends."""
    first, *others = (TextDelta(1, text) for text in texts)
    return told(*TOOL, first, DONE_LOOKING, *others, end(), terminal=True)[0].splitlines()[1:-1]


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (("I do not", " dare to guess. ", "A"), ["I do not dare to guess.", TOLD, "A"]),
        (("I guess", ".", " A haiku"), ["I guess.", TOLD, "A haiku"]),
        (("It is 3", ".", "5 m", "\n  high"), ["It is 3.5 m", TOLD, "  high"]),
        (("He said “no", ".”", " And"), ["He said “no.”", TOLD, "And"]),
        (("空は青", "い。雨"), ["空は青い。", TOLD, "雨"]),
        (("one", " two", " three"), ["one two three", TOLD]),
        (("one\n", "two three"), ["one", TOLD, "two three"]),
    ],
)  # fmt: skip
def test_on_a_terminal_a_tool_that_ends_cuts_no_sentence(
    texts: Sequence[str], lines: list[str]
) -> None:
    assert flowing(*texts) == lines


def test_text_that_stands_still_holds_no_line_back() -> None:
    face = PlainText(terminal=True, colour=False)
    for event in (*TOOL, TextDelta(1, "I would")):
        face.show(event)
    assert face.show(DONE_LOOKING).answer == ""
    assert face.pause().answer == f"\n{TOLD}\n"
    assert face.pause().answer == ""
    assert face.show(TextDelta(1, " not")).answer == "not"


def test_a_question_cuts_what_it_must() -> None:
    asked = ApprovalRequested("b", "pay", {"amount": 1})
    events = (*TOOL, TextDelta(1, "I would"), DONE_LOOKING, asked, TextDelta(1, " not"))
    shown = told(*events, terminal=True)[0].splitlines()[1:]
    assert shown == ["I would", TOLD, "  ? pay(amount=1) waits for approval", "not"]


def test_the_figures_break_between_words() -> None:
    face = PlainText(terminal=True, colour=False, width=30, priced_as="claude-sonnet-4-6")
    lines = face.show(end()).answer.splitlines()
    assert " ".join(lines) == PlainText(True, False).show(end()).answer.strip()
    assert all(len(line) < 30 for line in lines)


def test_on_a_terminal_a_line_beside_breaks_the_line_of_the_answer_between_two_words() -> None:
    answer, beside = told(
        TextDelta(1, "Let me"), *TOOL, TextDelta(1, " see."), end(), terminal=True
    )
    assert answer.splitlines()[:3] == ["Let me", '  ▶ look(at="x")', "see."]
    assert beside == ""


def test_thinking_is_shown_on_a_terminal_only() -> None:
    events = (ThinkingDelta(0, "Hm."), TextDelta(1, "Yes."), end())
    assert told(*events, terminal=True)[0].startswith("Hm.\nYes.\n")
    assert told(*events, terminal=False)[0] == "Yes.\n"


def test_an_answer_that_starts_again_says_so_where_it_cannot_be_taken_back() -> None:
    answer, beside = told(
        TextDelta(0, "Half an"),
        TurnDiscarded(1, 1, "the connection failed"),
        Retrying(2, 0.5, "the connection failed"),
        TurnStarted(1, 2),
        TextDelta(0, "The answer."),
        end(),
        terminal=False,
    )
    assert answer == "Half an\n[the answer starts again]\nThe answer.\n"
    assert beside.splitlines()[:2] == [
        "  × what came of this answer is void",
        "  ↻ attempt 2 in 0.5 s: the connection failed",
    ]


def test_an_answer_that_does_not_start_again_is_not_said_to() -> None:
    lost, failed = "it broke off", RunError("stream_error", "it broke off")
    events = (TextDelta(0, "Half an"), TurnDiscarded(1, 5, lost), end("failed", failed))
    assert told(*events, terminal=False)[0] == "Half an\n"


def test_why_an_attempt_was_lost_is_told_once() -> None:
    lost, failed = "the server is gone", RunError("stream_interrupted", "the server is gone")
    attempts: list[RunEvent] = []
    for attempt in range(1, 4):
        attempts += [TurnStarted(1, attempt), TurnDiscarded(1, attempt, lost)]
        attempts += [Retrying(attempt + 1, 0.5, lost)]
    first_and_last = "  ↻ attempt 2 in 0.5 s: the server is gone", "midstream: failed: " + lost
    for terminal in (True, False):
        shown = "".join(told(*attempts[:-1], end("failed", failed), terminal=terminal))
        assert [line for line in shown.splitlines() if lost in line] == list(first_and_last)
        assert "×" not in shown


def test_nothing_is_said_in_the_answer_when_nothing_was_shown() -> None:
    answer, _ = told(
        TurnStarted(1, 1), TurnDiscarded(1, 1, "refused"), TextDelta(0, "Hi"), terminal=False
    )
    assert answer == "Hi"


SUMMED_UP: list[RunEvent] = [
    TurnStarted(1, 1),
    TextDelta(0, "Long."),
    CompactionStarted(900, None),
    TextDelta(0, "We m"),
    TurnDiscarded(2, 1, "cut"),
    Retrying(2, 0.5, "cut"),
    TextDelta(0, "We met."),
]
DONE: list[RunEvent] = [Compacted("We met.", Usage(), None), CompactionFailed("cut")]


@pytest.mark.parametrize("done", [*DONE, TurnStarted(2, 1)])
def test_a_summary_is_no_part_of_the_answer(done: RunEvent) -> None:
    events = (*SUMMED_UP, done, TextDelta(0, "And short."), end())
    answer, _ = told(*events, terminal=False)
    assert answer == "Long.And short.\n"
    shown, _ = told(*events, terminal=True)
    assert "We met.\n" in shown


LINES = [
    (ToolProgress("a", "step 2", 0.5), "…  50% step 2"),
    (ToolProgress("a", "step 2", None), "… step 2"),
    (ToolFinished("a", "look", "no", True, 0.1, False), "✗ look() 0.10 s → no"),
    (ToolFinished("a", "look", "a\nb", False, 0.1, True), "✓ look() reused → a b"),
    (ApprovalRequested("a", "pay", {"n": 1}), "? pay(n=1) waits for approval"),
    (Interrupted(None), "■ stopped"),
    (Interrupted("In French!"), "■ In French!"),
    (Prompted("And then?"), "> And then?"),
    (CompactionStarted(900, 1000), "⇲ compacting the conversation: about 900 of 1,000 tokens"),
    (CompactionStarted(900, None), "⇲ compacting the conversation: about 900 tokens"),
    (Compacted("We met.", Usage(), None), "⇲ compacted"),
    (CompactionFailed("no summary"), "⇲ not compacted: no summary"),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_what_stands_beside_the_answer(event: RunEvent, line: str) -> None:
    assert told(event, terminal=False) == ("", f"  {line}\n")


def test_the_figures_close_the_run() -> None:
    _, beside = told(
        TurnStarted(1, 1, t=0.0),
        TextDelta(0, "H", t=0.5),
        TextDelta(0, "i", t=2.5),
        ApprovalGiven("a", True),
        TurnEnded(
            1, StopReason.END_TURN, USAGE, 0.0123, 0.5, 1.25, Message("assistant", ()), t=2.6
        ),
        end(),
        terminal=False,
    )
    assert beside == (
        "TTFT 0.50 s · 17 tokens/s · 2,000 tokens in (800 cached), 34 out · $0.0123 · "
        "1.2 s of tools hidden behind the stream\n"
    )


ENDS = [
    ("failed", RunError("api_error", "Oh\nno", 500, "req_1"), "Oh no (status 500), request req_1"),
    ("failed", RunError("stream_stalled", "no byte came"), "midstream: failed: no byte came"),
    ("refusal", RunError("refusal", "bio: I won't"), "refusal: bio: I won't"),
    ("max_turns", None, "--max-turns allows more"),
    ("completed", RunError("session_not_saved", "the disk is full"), "not saved: the disk is full"),
    ("max_tokens", None, "--max-tokens allows more"),
]


@pytest.mark.parametrize(("outcome", "error", "words"), ENDS)
def test_a_run_that_did_not_complete_says_why_in_one_line(
    outcome: str, error: RunError | None, words: str
) -> None:
    _, beside = told(end(outcome, error), terminal=False)
    assert words in beside.splitlines()[-1]
    at_end = JsonAtEnd().show(end(outcome, error))
    assert words in at_end.beside
    assert len(at_end.beside.splitlines()) == 1


def test_a_line_beside_the_answer_fits_the_terminal() -> None:
    face = PlainText(terminal=True, colour=False, width=40)
    line = face.show(ToolProgress("a", "word " * 30, None)).answer
    assert len(line.rstrip("\n")) == 39


def test_what_is_true_of_a_call_that_failed_is_not_cut() -> None:
    face = PlainText(terminal=True, colour=False, width=40)
    words = (
        "Stopped while it was running: cancelled by the user. What it did until then is unknown."
    )
    line = face.show(ToolFinished("a", "pay", words, True, 1.0, False)).answer
    assert line.endswith(f"→ {words}\n")


def test_a_run_in_which_nothing_came_has_no_figures() -> None:
    nothing = RunEnded("failed", "", Usage(), Usage(), None, None, 0.0, 1, RunError("x", "no"))
    assert told(nothing, terminal=False)[1] == "midstream: failed: no\n"


def test_json_lines_are_the_events() -> None:
    event = TextDelta(0, "Hi", run="r", seq=1, t=0.5)
    assert (
        JsonLines().show(event).answer
        == '{"type":"text_delta","index":0,"text":"Hi","run":"r","seq":1,"t":0.5}\n'
    )
    assert msgspec.json.decode(JsonLines().show(end()).answer)["outcome"] == "completed"


def test_a_json_line_is_one_line_for_every_reader_and_commands_no_terminal() -> None:
    text = "a\u2028b\u2029c\u0085d\x1b[2J\x7f\u009b2J\u202ee\n\r\0 Ünï 🎉"
    line = JsonLines().show(TextDelta(0, text)).answer
    assert len(line.splitlines()) == 1
    assert printable(line) == line
    assert msgspec.json.decode(line)["text"] == text
    assert "Ünï 🎉" in line


HOSTILE = [
    ("\x1b]52;c;aGk=\x07", "]52;c;aGk="),
    ("\x9b2J", "2J"),
    ("a\rb", "ab"),
    ("\u202eevil\u2069", "evil"),
    ("tab\tand\nnewline", "tab\tand\nnewline"),
    ("Ünï 世界 🎉", "Ünï 世界 🎉"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_what_a_model_says_cannot_command_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_tools_words_cannot_either() -> None:
    hostile = "\x1b[2J\x07"
    for event in (
        ToolFinished("a", f"look{hostile}", hostile, False, 0.1, False),
        ToolProgress("a", hostile, None),
        ToolStarted("a", hostile),
        TurnDiscarded(1, 1, hostile),
        end("failed", RunError("x", hostile)),
    ):
        for terminal in (True, False):
            assert "\x1b" not in "".join(told(event, terminal=terminal))


def test_what_was_written_is_never_painted_over() -> None:
    """Rows that are counted wrong (wide characters, a resize) cannot harm what only appends."""
    events: list[RunEvent] = [
        TurnStarted(1, 1),
        ThinkingDelta(0, "世界 " * 100),
        TextDelta(1, "🎉 日本語\n\twide " * 100),
        ToolStarted("a", "look"),
        TextDelta(1, "more"),
        ToolProgress("a", "half " * 50, 0.5),
        ToolFinished("a", "look", "seen", False, 0.1, False),
        TurnDiscarded(1, 1, "cut"),
        TextDelta(1, "again"),
        end(),
    ]
    face = PlainText(terminal=True, colour=True, width=40)
    shown = "".join(face.show(event).answer for event in events)
    assert set(re.findall("\x1b[^m]*m?", shown)) == {"\x1b[2m", "\x1b[0m"}
    assert "\r" not in shown
    assert "\b" not in shown
    assert shown.count("🎉 日本語\n\twide ") == 100
