"""What a conversation looks like: events in; finished lines, and what may still change, out."""

from collections.abc import Callable, Iterator

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
from midstream.faces.plain import error_line, printable
from midstream.faces.terminal.calls import Calls
from midstream.faces.terminal.lost import Lost
from midstream.faces.terminal.markdown import Markdown
from midstream.faces.terminal.paint import PROMPT, Look, Paint, wrapped
from midstream.faces.terminal.paper import Kind, Paper, Step
from midstream.faces.terminal.reasoning import Reasoning
from midstream.faces.terminal.rows import elapsed
from midstream.faces.terminal.tags import ThinkingTags

SILENT_S = 2.0  # after this, while an answer goes on, it is said that nothing comes


class View:
    """Folds events; `take` gives the lines that stay, `live` shows the rest.

    Args:
        clock: seconds, monotonic.
        width: cells that a line may take.
    """

    def __init__(self, paint: Paint, clock: Callable[[], float], width: int) -> None:
        self.reasoning = Reasoning(paint, clock)
        self._paint = paint
        self._clock = clock
        self._paper = Paper()
        self._calls = Calls(paint, clock)
        self._markdown = Markdown(width, paint.colour)
        self._tags = ThinkingTags()
        self._block: int | None = None  # of text, which is open
        self._begun = False  # the open block has shown a line
        self._asked: float | None = None  # since when a first token is waited for
        self._came: float | None = None  # when the answer that goes on had something last
        self._lost = Lost(paint)
        self._compacting: int | None = None  # characters of the summary so far

    # -- what the program says ------------------------------------------------------------------

    def prompted(self, words: str) -> None:
        """The user said something, and an answer is waited for."""
        self.give_up()
        lines = wrapped(printable(words), self.width - len(PROMPT))
        marks = [PROMPT, *[" " * len(PROMPT)] * (len(lines) - 1)]
        yours = (self._paint(Look.YOURS, m + line) for m, line in zip(marks, lines, strict=True))
        self._paper.write(Kind.PROMPT, yours)
        self._asked = self._clock()
        self.reasoning.last.clear()

    def say(self, words: str, look: Look = Look.FAINT, *, goes_on: bool = True) -> None:
        """Write lines of the program's own."""
        painted = (self._paint(look, line) for line in wrapped(printable(words), self.width))
        self._paper.write(Kind.NOTE, painted, goes_on=goes_on)

    def failed(self, words: str) -> None:
        """What was prompted cannot be asked."""
        self._asked = None
        self.say(words, Look.BAD)

    def give_up(self) -> None:
        """What was lost is not asked for again."""
        self._paper.write(Kind.NOTE, self._lost.given_up(self.width))

    def show(self, lines: list[str]) -> None:
        """Write lines that are painted already."""
        self._paper.write(Kind.NOTE, lines)

    def go_on_from(self, lines: list[str], reasoning: list[str]) -> None:
        """Write what was said before, of which this was reasoned last."""
        self.show(lines)
        self.reasoning.last[:] = reasoning

    # -- what is seen ---------------------------------------------------------------------------

    @property
    def width(self) -> int:
        return self._markdown.width

    @width.setter
    def width(self, cells: int) -> None:
        self._markdown.width = cells

    @property
    def moves(self) -> bool:
        """What is live changes with time alone."""
        waits = not (self._asked is self._came is None)
        return waits or self._lost.is_there or self._calls.go_on or self.reasoning.goes_on

    def take(self) -> list[str | Step]:
        self._add_calls()
        return self._paper.take()

    def live(self, most: int) -> list[str]:
        """What may still change: at most so many lines, the last ones of the answer among them."""
        below = [*self.reasoning.live(self.width), *self._calls.live(self.width), *self._waiting()]
        text = self._markdown.open(max(1, most - len(below) - 2)) if self._block is not None else []
        if text and text[0] and self._paper.gap(Kind.TEXT, goes_on=self._begun):
            text = ["", *text]
        if below and (text or self._paper.gap(Kind.CALL, goes_on=True)):
            below = ["", *below]
        return [*text, *below][-most:]

    def _waiting(self) -> Iterator[str]:
        if self._lost.is_there:
            yield from self._lost.live(self._clock(), self.width)
        elif words := self._waits():
            yield self._paint(Look.FAINT, words)

    def _waits(self) -> str:
        """What is waited for; empty where that is seen anyway."""
        now = self._clock()
        if self._compacting is not None:
            return f"✻ summing up… {self._compacting:,} characters"
        if self._calls.go_on or self.reasoning.goes_on:
            return ""
        if self._asked is not None:
            return f"✻ thinking… {now - self._asked:.1f} s"
        silent = 0.0 if self._came is None else now - self._came
        return f"✻ nothing came for {elapsed(silent)} · Esc stops" if silent >= SILENT_S else ""

    # -- the events -----------------------------------------------------------------------------

    def see(self, event: RunEvent) -> None:
        self._came = self._clock()
        self._fold(event)

    def _fold(self, event: RunEvent) -> None:  # noqa: C901 - one case for each event there is
        match event:
            case TextDelta(index, text):
                self._text(index, text)
            case ThinkingDelta(_, text):
                self._think(printable(text))
            case ToolCallStarted():
                self._end_text()
                self._calls.see(event)
            case ToolInputDelta() | ToolCallReady() | ToolStarted() | ToolProgress():
                self._calls.see(event)
            case ToolFinished() | ApprovalRequested() | ApprovalGiven():
                self._calls.see(event)
            case TurnStarted():
                self._begin()
            case TurnDiscarded(_, _, reason):
                self._withdraw(reason)
            case Retrying(_, delay):
                self._lost.wait(self._clock() + delay)
            case TurnEnded():
                self._end_turn()
            case Interrupted(text):
                self._stop(text)
            case Prompted(text):
                self.prompted(text)
            case CompactionStarted() | Compacted() | CompactionFailed():
                self._compact(event)
            case RunEnded():
                self._end_run(event)
            case RunStarted():
                pass

    # -- the answer -----------------------------------------------------------------------------

    def _text(self, index: int, text: str) -> None:
        if self._compacting is not None:
            self._ask_again()
            self._compacting += len(text)
            return
        if index != self._block:
            self._end_text()
            self._block = index
        for is_reasoning, piece in self._tags.feed(printable(text)):
            self._think(piece) if is_reasoning else self._answer(piece)

    def _answer(self, piece: str) -> None:
        if self.reasoning.goes_on and not piece.strip():
            return
        self._end_reasoning()
        self._asked = None
        if self._calls.have_ended:  # they stand where the paragraph ends
            lines, newline, piece = piece.rpartition("\n")
            self._add(self._markdown.feed(lines + newline))
            self._add_calls()
        self._add(self._markdown.feed(piece))

    def _add_calls(self) -> None:
        if self._block is None or self._markdown.between_blocks:
            self._paper.write(Kind.CALL, self._calls.lines(self.width), goes_on=True)

    def _add(self, lines: list[str]) -> None:
        if lines:
            self._paper.write(Kind.TEXT, lines, goes_on=self._begun)
            self._begun = True

    def _think(self, piece: str) -> None:
        self._asked = None
        if not self.reasoning.goes_on:
            self._add(self._markdown.end())
            self._begun = False
        self.reasoning.add(piece)

    def _end_reasoning(self) -> None:
        if line := self.reasoning.end(self.width):
            self._paper.write(Kind.CALL, [line], goes_on=True)

    def _end_text(self) -> None:
        for is_reasoning, piece in self._tags.end():
            self._think(piece) if is_reasoning else self._answer(piece)
        self._add(self._markdown.end())
        self._end_reasoning()
        self._tags, self._block, self._begun = ThinkingTags(), None, False
        self._asked = None

    # -- turns ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._ask_again()
        self._asked = self._clock() if self._asked is None else self._asked
        self._paper.mark()
        self._calls.begin_attempt()

    def _withdraw(self, reason: str) -> None:
        self._markdown.end()
        self.reasoning.forget()
        self._tags, self._block, self._begun = ThinkingTags(), None, False
        self._paper.withdraw()
        self._lost.lose(reason, list(self._calls.lose_attempt(self.width)))
        self._compacting = None if self._compacting is None else 0

    def _ask_again(self) -> None:
        if self._lost.is_there:
            self._paper.write(Kind.NOTE, self._lost.made_again(self.width), goes_on=True)
            self._paper.mark()

    def _end_turn(self) -> None:
        self._end_text()
        self._add_calls()
        self._calls.end_turn()

    def _stop(self, text: str | None) -> None:
        if text is not None and self._compacting is not None:
            self.say("⧉ it stays as it is: you went on")
        self._compacting = None
        self._end_turn()
        self.give_up()
        if text is None:
            self.say("■ stopped")
        else:
            self.prompted(text)

    def _compact(self, event: CompactionStarted | Compacted | CompactionFailed) -> None:
        self._compacting = None
        match event:
            case CompactionStarted(tokens, window):
                self._compacting = 0
                of = f" of {window:,}" if window else ""
                self.say(f"⧉ the conversation takes {tokens:,}{of} tokens: it is summed up")
                self._paper.mark()
                self._calls.begin_attempt()
            case Compacted(summary):
                self._ask_again()
                count = len(summary.split())
                words = f"a summary of {count:,} word{'s' * (count != 1)} stands in its place"
                self.say(f"⧉ {words} (/export has it all)")
            case CompactionFailed(reason):
                self._lost.told()
                self.say(f"⧉ it stays as it is: {reason}", Look.BAD)

    def _end_run(self, event: RunEnded) -> None:
        self._end_turn()
        self._asked = self._compacting = self._came = None
        if event.outcome == "failed":
            self._lost.told()
        self.give_up()
        if line := error_line(event):
            self.say(line.strip().removeprefix("midstream: "), Look.BAD, goes_on=False)
