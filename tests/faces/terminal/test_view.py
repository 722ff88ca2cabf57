"""What a conversation looks like, told by events."""

import re

import pytest
from wcwidth import width

from midstream.events import (
    CompactionStarted,
    Interrupted,
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
from midstream.faces.terminal.paint import Paint
from midstream.faces.terminal.paper import Step
from midstream.faces.terminal.view import View
from midstream.messages import Message, StopReason, Usage

SGR = re.compile(r"\x1b\[[\d;]*m")


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Shown:
    """A view, and what it has written."""

    def __init__(self, width: int = 60) -> None:
        self.time = Time()
        self.view = View(Paint(), self.time, width)
        self.steps: list[str | Step] = []

    def see(self, *events: RunEvent) -> None:
        for event in events:
            self.view.see(event)
        self.steps += self.view.take()

    @property
    def lines(self) -> list[str]:
        """What stays, without its looks: what was taken back is gone."""
        lines: list[str] = []
        mark = 0
        for step in self.steps:
            match step:
                case Step.MARK:
                    mark = len(lines)
                case Step.WITHDRAW:
                    del lines[mark:]
                case line:
                    lines.append(SGR.sub("", line))
        return lines

    @property
    def live(self) -> list[str]:
        return [SGR.sub("", line) for line in self.view.live(20)]


@pytest.fixture
def shown() -> Shown:
    return Shown()


def called(call_id: str, name: str, **given: object) -> list[RunEvent]:
    return [
        ToolCallStarted(1, call_id, name),
        ToolCallReady(call_id, name, given),
        ToolStarted(call_id, name),
    ]


def done(call_id: str, name: str, output: str, *, reused: bool = False) -> ToolFinished:
    return ToolFinished(call_id, name, output, False, 0.5, reused)


def turn_ended() -> TurnEnded:
    message = Message("assistant", ())
    return TurnEnded(1, StopReason.END_TURN, Usage(1, 1), None, 0.1, 0.0, message)


def run_ended(error: RunError | None = None) -> RunEnded:
    outcome = "failed" if error else "completed"
    return RunEnded(outcome, "", Usage(), Usage(), None, None, 0.0, 1, error)  # type: ignore[arg-type]


# -- text ------------------------------------------------------------------------------------------


def test_finished_lines_stay_and_the_open_one_is_live(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), TextDelta(0, "One.\n\nTw"))
    assert shown.lines == ["", "One."]
    assert shown.live == ["", "Tw"]
    shown.see(TextDelta(0, "o.\n"), turn_ended())
    assert shown.lines == ["", "One.", "", "Two."]
    assert shown.live == []


def test_control_characters_of_the_model_are_left_out(shown: Shown) -> None:
    shown.see(TextDelta(0, "a\x1b[2Jb\x07\x9bc\u202ed\n"), turn_ended())
    assert shown.lines == ["", "a[2Jbcd"]


def test_until_the_first_token_the_time_is_told(shown: Shown) -> None:
    shown.view.prompted("Go")
    shown.see(RunStarted("s", "m"), TurnStarted(1, 1))
    shown.time.now += 1.5
    assert shown.live == ["", "✻ thinking… 1.5 s"]
    shown.see(TextDelta(0, "x"))
    assert shown.live == ["", "x"]


def test_an_answer_that_stands_still_says_so(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), TextDelta(0, "I run"))
    assert shown.live == ["", "I run"]
    assert shown.view.moves
    shown.time.now += 5
    assert shown.live == ["", "I run", "", "✻ nothing came for 5 s · Esc stops"]
    shown.see(turn_ended(), run_ended())
    assert not shown.view.moves


# -- reasoning -------------------------------------------------------------------------------------


def test_reasoning_becomes_one_line_when_the_answer_begins(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), ThinkingDelta(0, "Well, this is so."))
    shown.time.now += 2
    assert shown.live == ["", "✻ thinking… 2 s", "  Well, this is so."]
    shown.see(TextDelta(1, "So.\n\n"))
    assert shown.lines == ["", "✻ thought for 2 s · 4 words (Ctrl-R)", "", "So."]
    assert shown.view.reasoning.last == ["Well, this is so."]


def test_so_does_reasoning_between_tags(shown: Shown) -> None:
    pieces = ["<thi", "nking>Well, ", "this</thin", "king>\n\nSo", ".\n\n"]
    shown.see(TurnStarted(1, 1), *(TextDelta(0, piece) for piece in pieces))
    assert shown.lines == ["", "✻ thought for 0.0 s · 2 words (Ctrl-R)", "", "So."]


def test_of_long_reasoning_the_end_is_seen_and_more_when_it_is_opened(shown: Shown) -> None:
    words = "".join(f"thought {n}\n" for n in range(40))
    shown.see(TurnStarted(1, 1), ThinkingDelta(0, words))
    assert shown.live[2:] == ["  thought 37", "  thought 38", "  thought 39"]
    shown.view.reasoning.is_open = True
    assert len(shown.live) == 14


# -- tools -----------------------------------------------------------------------------------------


def test_a_call_is_a_row_until_it_has_ended(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "run_command", command="pytest -q"))
    shown.time.now += 12
    shown.see(ToolProgress("a", "31 passed\x1b[2J", 0.25))
    assert shown.live[1][1:] == " Running pytest -q… 12 s · ███········· 25% · 31 passed[2J"
    shown.see(done("a", "run_command", "one\ntwo\nthree\nfour\nfive\n[exit status 0]"))
    assert shown.live == []
    assert shown.lines == [
        "",
        "✓ Ran pytest -q · 0.50 s · 6 lines",
        "    … 3 more lines",
        "    four",
        "    five",
        "    [exit status 0]",
    ]


def test_a_call_that_must_wait_for_another_says_so(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "run_command", command="make test")[:2])
    assert shown.live[1][1:] == " Running make test"
    shown.time.now += 5
    assert shown.live[1][1:] == " Running make test · waits for its turn"


def test_how_much_of_a_long_call_was_written_is_told(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), ToolCallStarted(0, "a", "write_file"))
    shown.see(ToolInputDelta("a", "x" * 4000))
    assert shown.live[1][1:] == " Writing… · 4,000 characters so far"


def test_a_result_that_is_reused_says_so(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "pay", amount=5)[:2])
    shown.see(done("a", "pay", "paid", reused=True))
    assert shown.lines[1] == "✓ pay(amount=5) · reused"


def test_the_changes_of_an_edit_are_seen(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "edit_file", path="a.py", old_text="x", new_text="y"))
    shown.see(done("a", "edit_file", "Edited a.py:\n@@ -1 +1 @@\n-x\n+y"))
    assert shown.lines[2:] == ["    @@ -1 +1 @@", "    -x", "    +y"]
    text = "".join(step for step in shown.steps if isinstance(step, str))
    assert "\x1b[31m-x" in text
    assert "\x1b[32m+y" in text


def test_a_call_that_ends_within_a_paragraph_does_not_cut_it(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "look"), TextDelta(2, "On and "))
    shown.see(done("a", "look", "seen"))
    assert shown.lines == []
    assert shown.live == ["", "On and", "", "✓ look() · 0.50 s"]
    shown.see(TextDelta(2, "on.\n\n"))
    assert shown.lines == ["", "On and on.", "", "✓ look() · 0.50 s", "    seen"]


def test_a_call_that_has_ended_stands_where_the_paragraph_ends(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "look"), TextDelta(2, "On and "))
    shown.see(done("a", "look", "seen"), TextDelta(2, "on.\n\nAnd more"))
    assert shown.lines == ["", "On and on.", "", "✓ look() · 0.50 s", "    seen"]
    assert shown.live == ["", "And more"]


def test_many_calls_do_not_fill_the_screen(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *(each for n in range(9) for each in called(str(n), "look")))
    assert len(shown.live) == 8
    assert shown.live[-1] == "  and 3 more"


def test_of_a_result_the_lines_are_counted_however_many_rows_they_take(shown: Shown) -> None:
    found = "\n".join(["a:1: helo", "b:1: helo", "c:1: helo", "d:1: " + "x" * 90, "e:1: helo"])
    shown.see(TurnStarted(1, 1), *called("a", "search_files", pattern="helo"))
    shown.see(done("a", "search_files", found))
    assert shown.lines[2:] == [*(f"    {n}:1: helo" for n in "abc"), "    … 2 more lines"]


@pytest.mark.parametrize("name", ["look", "run_command"])
def test_a_line_that_is_cut_is_seen_to_be(shown: Shown, name: str) -> None:
    shown.see(TurnStarted(1, 1), *called("a", name, command="make"))
    shown.see(done("a", name, "first\n" + "x" * 300 + "\nlast"))
    row = "x" * 55
    assert (
        shown.lines[2:]
        == {
            "look": ["    first", f"    {row}", f"    {row}…", "    … 1 more line"],
            "run_command": ["    … 1 more line", f"    …{row}", f"    {'x' * 25}", "    last"],
        }[name]
    )


def test_a_command_that_failed_is_seen_to_have_failed(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "run_command", command="make"))
    shown.see(done("a", "run_command", "no rule\n[exit status 2]"))
    assert shown.lines[1] == "✗ Ran make · 0.50 s · exit status 2 · 2 lines"


def test_of_a_long_command_the_beginning_is_seen_and_how_it_goes(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "run_command", command="echo " + "x" * 200))
    shown.see(ToolProgress("a", "line 8", None))
    shown.time.now += 5
    row = shown.live[1]
    assert row[1:].startswith(" Running echo xxx")
    assert row.endswith("xx… 5 s · line 8")
    assert width(row) <= 60


# -- attempts and ends -----------------------------------------------------------------------------


def lost(attempt: int, why: str, wait_s: float = 3.0) -> list[RunEvent]:
    return [TurnDiscarded(1, attempt, why), Retrying(attempt + 1, wait_s, why)]


def test_an_answer_that_was_lost_is_taken_back_and_it_is_said_that_it_was_asked_again(
    shown: Shown,
) -> None:
    shown.see(TurnStarted(1, 1), TextDelta(0, "Half an\n\nans"), *lost(1, "the connection closed"))
    assert shown.lines == []
    shown.time.now += 1
    assert shown.live == ["", "↻ again in 2.0 s: the connection closed"]
    shown.see(TurnStarted(1, 2), TextDelta(0, "A whole answer.\n\n"))
    told = "↻ asked again: the connection closed"
    assert shown.lines == [told, "", "A whole answer."]


def test_each_attempt_is_told_also_one_that_showed_nothing(shown: Shown) -> None:
    shown.view.prompted("Go")
    shown.see(TurnStarted(1, 1), *lost(1, "refused"))
    assert shown.live == ["", "↻ again in 3.0 s: refused"]
    shown.see(TurnStarted(1, 2), TextDelta(0, "Half\n\n"), *lost(2, "cut"))
    shown.see(TurnStarted(1, 3), TextDelta(0, "Whole.\n\n"))
    told = ["↻ asked again: refused", "↻ asked again: cut"]
    assert shown.lines == ["", "› Go", "", *told, "", "Whole."]


def test_the_attempt_with_which_a_run_fails_is_told_once(shown: Shown) -> None:
    shown.view.prompted("Go")
    shown.see(TurnStarted(1, 1), *lost(1, "gone"), TurnStarted(1, 2), TextDelta(0, "Half\n\n"))
    shown.see(TurnDiscarded(1, 2, "gone"), run_ended(RunError("x", "gone")))
    assert shown.lines == ["", "› Go", "", "↻ asked again: gone", "", "failed: gone"]


def test_what_is_stopped_before_it_was_asked_again_is_not_said_to_be(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), TextDelta(0, "Half\n\n"), *lost(1, "cut"), Interrupted(None))
    assert shown.lines == ["", "× cut", "■ stopped"]
    shown.see(TurnStarted(2, 1), *lost(1, "refused"), Interrupted("Now?"))
    assert shown.lines[3:] == ["", "× refused", "", "› Now?"]


def test_what_ran_in_an_answer_that_was_lost_is_still_told(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "pay", amount=5), done("a", "pay", "paid"))
    shown.see(*lost(1, "cut"))
    paid = "  ✓ pay(amount=5) · 0.50 s"
    assert shown.live == ["", "↻ again in 3.0 s: cut; what had run is kept:", paid]
    shown.see(TurnStarted(1, 2))
    assert shown.lines == ["↻ asked again: cut; what had run is kept:", paid]


def test_what_ran_is_told_also_where_the_run_fails_with_it(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "pay", amount=5), done("a", "pay", "paid"))
    shown.see(TurnDiscarded(1, 1, "cut"), run_ended(RunError("x", "cut")))
    paid = "  ✓ pay(amount=5) · 0.50 s"
    assert shown.lines == ["", "× cut; what had run is kept:", paid, "", "failed: cut"]


def test_a_summary_that_is_lost_takes_nothing_of_the_answer_before_back(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "pay", amount=5), done("a", "pay", "paid"))
    shown.see(TextDelta(2, "Paid."), turn_ended())
    before = shown.lines
    shown.see(CompactionStarted(154, None), TextDelta(0, "A summ"), *lost(1, "cut"))
    assert shown.live == ["", "↻ again in 3.0 s: cut"]
    shown.see(TextDelta(0, "A summary"))
    assert shown.live == ["", "✻ summing up… 9 characters"]
    shown.see(*lost(2, "gone"), TextDelta(0, "A summary of it"))
    told = ["↻ asked again: cut", "↻ asked again: gone"]
    announced = "⧉ the conversation takes 154 tokens: it is summed up"
    assert shown.lines == [*before, "", announced, *told]


def test_a_call_that_still_runs_stays_when_its_answer_is_lost(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), *called("a", "pay", amount=5))
    shown.see(*lost(1, "cut"))
    assert shown.live[-2].endswith("pay(amount=5) · asked for in the answer that was lost")


def test_who_interrupts_sees_the_new_words_below_what_was_shown(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), TextDelta(0, "On and on"), Interrupted("Stop"))
    assert shown.lines == ["", "On and on", "", "› Stop"]
    shown.see(TextDelta(0, "Yes.\n\n"), Interrupted(None))
    assert shown.lines[4:] == ["", "Yes.", "", "■ stopped"]


def test_words_that_stop_a_compaction_are_answered(shown: Shown) -> None:
    shown.see(CompactionStarted(154, None), TextDelta(0, "A summary "))
    assert shown.live[-1] == "✻ summing up… 10 characters"
    shown.see(Interrupted("And?"))
    assert shown.lines[-3:] == ["⧉ it stays as it is: you went on", "", "› And?"]
    shown.see(TurnStarted(1, 1), TextDelta(0, "Yes."))
    assert shown.live == ["", "Yes."]


def test_why_a_run_failed_is_told(shown: Shown) -> None:
    shown.see(TurnStarted(1, 1), run_ended(RunError("x", "no\x1b[2J way", 404, "req_1")))
    assert shown.lines == ["", "failed: no[2J way (status 404), request req_1"]


def test_no_line_is_wider_than_it_may_be() -> None:
    shown = Shown(30)
    shown.view.prompted("日本語 " * 20)
    shown.view.say("words " * 20)
    shown.see(
        TurnStarted(1, 1), TextDelta(0, "words " * 20 + "\n\n"), ThinkingDelta(1, "why " * 40)
    )
    shown.see(*called("a", "read_file", path="x" * 50), done("a", "look", "y" * 100), turn_ended())
    assert [line for line in shown.lines if width(line) > 30] == []
