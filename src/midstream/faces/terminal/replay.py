"""What was said before, drawn as it was when it was said."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from midstream import events
from midstream.events import TextDelta, ThinkingDelta, ToolCallReady, ToolCallStarted, ToolFinished
from midstream.faces.terminal.paint import Look, Paint
from midstream.faces.terminal.view import View
from midstream.journal.database import Row
from midstream.journal.records import (
    NOTE,
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Prompted,
    Untold,
)
from midstream.messages import (
    Block,
    Image,
    Message,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    words_of,
)

SHOWN = 5  # prompts, with all that came of them


class Replayed(Struct, frozen=True):
    """The lines, and what was reasoned since the last prompt."""

    lines: list[str]
    reasoning: list[str]


def replayed(rows: Sequence[Row], paint: Paint, width: int) -> Replayed:
    """The last prompts of a session and their answers, as a view shows them."""
    begins = [n for n, row in enumerate(rows) if isinstance(row.record, Prompted)]
    replay = Replay(paint, width)
    if left := len(begins[:-SHOWN]):
        prompts = "1 prompt" if left == 1 else f"{left:,} prompts"
        replay.view.say(f"… {prompts} before (/export has it all)", goes_on=False)
    for row in rows[begins[left] :] if begins else rows:
        replay.see(row)
    lines = [step for step in replay.view.take() if isinstance(step, str)]
    return Replayed(lines, replay.view.reasoning.last)


class Replay:
    """Tells a view what records say, as the events of a run would.

    Attributes:
        view: has the time of the records.
    """

    def __init__(self, paint: Paint, width: int) -> None:
        self._now = 0.0
        self.view = View(paint, lambda: self._now, width)
        self._began: dict[str, tuple[float, CallBegan]] = {}  # of the attempt, by the calls' ids
        self._took: dict[str, float] = {}  # seconds
        self._lost: list[ToolFinished] = []  # what has ended of it, should it be discarded
        self._untold: list[str] = []  # effects of a turn, a line each
        self._turn = 0

    def see(self, row: Row) -> None:
        match row.record:
            case Prompted(message):
                self._prompted(message)
            case Began(turn, attempt):
                self.view.see(events.TurnStarted(turn, attempt))
            case CallBegan() as began:
                self._began[began.call_id] = row.at, began
            case CallEnded(_, result) if result.call_id in self._began:
                at, began = self._began[result.call_id]
                self._took[result.call_id] = row.at - at
                self._lost.append(self._finished(began.name, result))
            case Discarded(turn, attempt, reason) if attempt:
                self._discarded(turn, attempt, reason)
            case Committed() as turn:
                self._committed(turn)
            case Compacted(_, summary, _, usage, cost):
                self.view.see(events.Compacted(summary, usage, cost))
            case Untold(note):
                self._untold = note.removeprefix(NOTE).removesuffix("]").splitlines()
            case Ended() as ended:
                self._ended(ended)
            case _:
                pass

    def _prompted(self, message: Message) -> None:
        said = [each for each in message.blocks if not is_note(each)]
        self.view.prompted(words_of(said))
        if pictures := sum(isinstance(each, Image) for each in said):
            self.view.say("with a picture" if pictures == 1 else f"with {pictures} pictures")

    def _discarded(self, turn: int, attempt: int, reason: str) -> None:
        self.view.see(events.TurnStarted(turn, attempt))  # that of a compaction has no record
        for each in self._lost:
            given = self._began[each.id][1].input
            self.view.see(ToolCallReady(each.id, each.name, given))
            self.view.see(each)
        self.view.see(events.TurnDiscarded(turn, attempt, reason))
        self._forget()

    def _committed(self, turn: Committed) -> None:
        answers = turn.results.blocks if turn.results else ()
        results = {each.call_id: each for each in answers if isinstance(each, ToolResult)}
        thought = thought_s(turn)
        for index, block in enumerate(turn.message.blocks):
            match block:
                case Text(text):
                    self.view.see(TextDelta(index, text))
                case Thinking(text):
                    self.view.see(ThinkingDelta(index, text))
                    self._now += next(thought, 0.0)
                case ToolCall(call_id, name, given):
                    self.view.see(ToolCallStarted(index, call_id, name))
                    self.view.see(ToolCallReady(call_id, name, given))
                    if result := results.get(call_id):
                        self.view.see(self._finished(name, result))
                case _:
                    pass
        self.view.see(turn_ended(turn))
        self._turn = turn.turn
        self._forget()

    def _finished(self, name: str, result: ToolResult) -> ToolFinished:
        call_id = result.call_id
        took, ran = self._took.get(call_id, 0.0), call_id in self._began
        return ToolFinished(
            call_id, name, result.output, result.is_error, took, not ran and not result.is_error
        )

    def _ended(self, ended: Ended) -> None:
        if ended.outcome == "died":
            self.view.give_up()
            self.view.say("■ the program died; what it had of the answer is kept")
            for effect in self._untold:  # which the answer does not show
                self.view.say(f"✗ {effect.removeprefix('- ')}", Look.BAD)
        if ended.outcome == "cancelled":
            self.view.see(events.Interrupted(None))
        if ended.outcome != "died":
            self.view.see(run_ended(ended, self._turn))
        self._forget()

    def _forget(self) -> None:
        self._began.clear()
        self._took.clear()
        self._lost.clear()
        self._untold.clear()


def is_note(block: Block) -> bool:
    """It is the runtime's, though it stands among the user's words."""
    return isinstance(block, Text) and block.text.startswith(NOTE)


def thought_s(turn: Committed) -> Iterator[float]:
    """How long each piece of reasoning took, in seconds."""
    ends = [part.began_s for part in turn.parts[1:]] + [turn.streamed or 0.0]
    for part, end in zip(turn.parts, ends, strict=False):
        if part.kind == "thinking":
            yield max(0.0, end - part.began_s)


def turn_ended(turn: Committed) -> events.TurnEnded:
    figures = (turn.usage, turn.cost_usd, turn.ttft, turn.overlap)
    return events.TurnEnded(turn.turn, StopReason.END_TURN, *figures, turn.message)


def run_ended(ended: Ended, turns: int) -> events.RunEnded:
    outcome = msgspec.convert(ended.outcome, events.Outcome)
    error = events.RunError("", ended.error) if ended.error else None
    return events.RunEnded(outcome, "", Usage(), Usage(), None, None, 0.0, turns, error)
