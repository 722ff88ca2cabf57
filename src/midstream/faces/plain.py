"""The plainest faces: text as it arrives with a line for each tool, and events as JSON lines."""

import re
from textwrap import wrap
from typing import Protocol

import msgspec
from msgspec import Struct

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
from midstream.faces.failure import why_of
from midstream.faces.figures import Figures
from midstream.faces.flow import Flow

# What a model or a tool says is data. No escape sequence, no cursor movement and no reversed text
# of theirs reaches a terminal; newline and tab do.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# In JSON these are allowed as they are, but not on a terminal, nor where they end lines.
SPELLED_OUT = re.compile(f"{UNPRINTABLE.pattern[:-1]}\u2028\u2029]")
# What is told by one line beside the answer, and nothing else.
InALine = (
    ToolStarted
    | ToolProgress
    | ApprovalRequested
    | Retrying
    | Interrupted
    | Prompted
    | CompactionStarted
    | Compacted
    | CompactionFailed
)
LONGEST_PREVIEW = 60
LONGEST_ERROR = 300  # what is true of a call that failed is worth several lines


def printable(text: str) -> str:
    return UNPRINTABLE.sub("", text)


def json_line(value: object) -> str:
    """One line of JSON that may be shown on a terminal: the same value, harmlessly spelled."""
    line = msgspec.json.encode(value).decode()
    return SPELLED_OUT.sub(lambda found: f"\\u{ord(found[0]):04x}", line) + "\n"


class Piece(Struct, frozen=True):
    """What one event adds: to the answer, and to what is said beside it."""

    answer: str = ""
    beside: str = ""


NOTHING = Piece()


class Face(Protocol):
    @property
    def holds(self) -> bool:
        """Something waits for its place."""
        return False

    def show(self, event: RunEvent) -> Piece: ...

    def pause(self) -> Piece:
        """Nothing has come for a while: what only waits for its place may come."""
        return NOTHING


class JsonLines(Face):
    """`stream-json`: every event, one JSON object a line, as it happens."""

    def show(self, event: RunEvent) -> Piece:
        return Piece(json_line(event))


class JsonAtEnd(Face):
    """`json`: one object at the end, the fields of `run_ended` and the session's id."""

    def __init__(self) -> None:
        self._session = ""

    def show(self, event: RunEvent) -> Piece:
        if isinstance(event, RunStarted):
            self._session = event.session
        if not isinstance(event, RunEnded):
            return NOTHING
        fields = msgspec.to_builtins(event) | {"session": self._session}
        return Piece(json_line(fields), error_line(event))


class PlainText(Face):
    """`text`: the answer as it streams; tools, trouble and figures as lines beside it.

    Args:
        terminal: the answer and the lines beside it go to the same place. These lines then
            stand between the lines and the sentences of the answer, and thinking among them.
        colour: dim what is not the answer.
        width: columns that a line beside the answer may take.
        priced_as: a model whose price stands in for that of a simulated one.
    """

    def __init__(
        self,
        terminal: bool,
        colour: bool,
        width: int | None = None,
        priced_as: str | None = None,
    ) -> None:
        self._terminal = terminal
        self._colour = colour
        self._width = width
        self._figures = Figures(priced_as)
        self._inputs: dict[str, str] = {}
        self._flow = Flow()
        self._thinking = False
        self._compacting = False  # what is written is no answer, but a summary
        self._shown = False  # this attempt has shown a part of the answer
        self._why = ""  # the last one was lost, as it was told

    def show(self, event: RunEvent) -> Piece:
        self._figures.see(event)
        match event:
            case TextDelta(_, text) if not self._compacting:
                return self._answer(printable(text))
            case TextDelta(_, text) | ThinkingDelta(_, text):
                return self._think(printable(text)) if self._terminal else NOTHING
            case ToolCallReady(call_id, _, given):
                self._inputs[call_id] = arguments(given)
                return NOTHING
            case ToolFinished():
                line = finished(event, self._inputs.get(event.id, ""))
                return self._beside(line, whole=event.is_error)
            case ToolStarted() | ToolProgress():
                return self._beside(self._line(event))
            case ToolCallStarted():  # where a block of text has ended
                return self.pause()
            case TurnDiscarded():
                return self._withdraw()
            case Retrying():
                return self._again(event)
            case RunEnded():
                return self._end(event)
            case TurnStarted():
                self._shown = self._compacting = False
                return NOTHING
            case TurnEnded():
                self._why = ""
                return Piece(self._break())
            case RunStarted() | ToolInputDelta() | ApprovalGiven():
                return NOTHING
            case CompactionStarted() | Compacted() | CompactionFailed():
                self._compacting, self._shown = isinstance(event, CompactionStarted), False
                return self._at_once(self._line(event))
            case _:
                return self._at_once(self._line(event), whole=isinstance(event, ApprovalRequested))

    @property
    def holds(self) -> bool:
        return self._flow.holds

    def pause(self) -> Piece:
        return Piece(self._flow.pause())

    def _line(self, event: InALine) -> str:
        match event:
            case ToolStarted(call_id, name):
                return f"▶ {name}({self._inputs.get(call_id, '')})"
            case ToolProgress(_, message, fraction):
                done = "" if fraction is None else f"{fraction:4.0%} "
                return f"… {done}{message}"
            case ApprovalRequested(_, name, given):
                return f"? {name}({arguments(given)}) waits for approval"
            case Retrying(attempt, delay, why):
                told = "" if why == self._why else f": {why}"
                return f"↻ attempt {attempt} in {delay:.1f} s{told}"
            case Interrupted(text):
                return "■ stopped" if text is None else f"■ {text}"
            case Prompted(text):
                return f"> {text}"
            case CompactionStarted(tokens, window):
                of = f" of {window:,}" if window else ""
                return f"⇲ compacting the conversation: about {tokens:,}{of} tokens"
            case Compacted():
                return "⇲ compacted"
            case CompactionFailed(reason):
                return f"⇲ not compacted: {reason}"

    def _answer(self, text: str) -> Piece:
        if not text:
            return NOTHING
        before = self._break() if self._thinking else ""
        self._shown = True
        return Piece(before + self._flow.text(text))

    def _think(self, text: str) -> Piece:
        before = "" if self._thinking else self._break()
        self._thinking = True
        return Piece(before + self._flow.text(text, self._dim))

    def _break(self) -> str:
        """End the line that is open, so that something else can stand on the next."""
        self._thinking = False
        return self._flow.end()

    def _beside(self, line: str, *, whole: bool = False) -> Piece:
        flat = "  " + printable(line).replace("\n", " ")
        if self._width and not whole and len(flat) >= self._width:
            flat = flat[: max(8, self._width - 2)] + "…"
        dim = self._dim(flat) + "\n"
        return Piece(self._flow.line(dim)) if self._terminal else Piece(beside=dim)

    def _at_once(self, line: str, *, whole: bool = False) -> Piece:
        before = self.pause().answer
        piece = self._beside(line, whole=whole)
        return Piece(before + piece.answer, piece.beside)

    def _withdraw(self) -> Piece:
        """Why is told with what follows: that it is tried again, or that the run has failed."""
        # What was shown cannot be taken back here, so whoever reads it must be able to tell.
        return self._at_once("× what came of this answer is void") if self._shown else NOTHING

    def _again(self, event: Retrying) -> Piece:
        line = self._at_once(self._line(event))
        self._why = event.reason
        if not self._shown:
            return line
        again = "" if self._terminal else "[the answer starts again]\n"
        return Piece(line.answer + self._break() + again, line.beside)

    def _end(self, event: RunEnded) -> Piece:
        figures = self._figures.line(event)
        if self._width and self._terminal:
            figures = "\n".join(wrap(figures, self._width - 1, break_on_hyphens=False))
        lines = (self._dim(figures) + "\n" if figures else "") + error_line(event)
        broken = self._break()
        return Piece(broken + lines) if self._terminal else Piece(broken, lines)

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._colour and text.strip() else text


def arguments(given: dict[str, object]) -> str:
    return preview(all_arguments(given))


def all_arguments(given: dict[str, object]) -> str:
    return ", ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in given.items())


def finished(event: ToolFinished, given: str) -> str:
    said = event.output if isinstance(event.output, str) else f"{len(event.output)} parts"
    mark = "✗" if event.is_error else "✓"
    how = "reused" if event.reused else f"{event.seconds:.2f} s"
    shown = preview(said, LONGEST_ERROR if event.is_error else LONGEST_PREVIEW)
    return f"{mark} {event.name}({given}) {how} → {shown}"


def preview(text: str, longest: int = LONGEST_PREVIEW) -> str:
    flat = " ".join(text[: 4 * longest].split())
    fits = len(flat) <= longest and len(text) <= 4 * longest
    return flat if fits else flat[: longest - 1] + "…"


def error_line(event: RunEnded) -> str:
    """The one line that says why a run did not complete, or was not saved; or nothing."""
    ended_well = event.outcome in ("completed", "cancelled")
    why = why_of(event)
    word = "not saved" if ended_well else event.outcome
    return printable(f"midstream: {word}: {why}").replace("\n", " ") + "\n" if why else ""
