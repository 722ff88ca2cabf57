"""The tool calls of a conversation, from the first sign of one to its result."""

from collections.abc import Callable, Iterator
from typing import Any

from midstream.events import (
    ApprovalGiven,
    ApprovalRequested,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolProgress,
    ToolStarted,
)
from midstream.faces.terminal.paint import Look, Paint
from midstream.faces.terminal.rows import Row, finished, preview, running

CallEvent = (
    ToolCallStarted
    | ToolInputDelta
    | ToolCallReady
    | ApprovalRequested
    | ApprovalGiven
    | ToolStarted
    | ToolProgress
    | ToolFinished
)
MOST = 6  # rows that are shown at a time


class Calls:
    """The calls that go on, and those that have ended and wait to be written down."""

    def __init__(self, paint: Paint, clock: Callable[[], float]) -> None:
        self._paint = paint
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._given: dict[str, dict[str, Any]] = {}
        self._ended: list[ToolFinished] = []
        self._of_attempt: list[ToolFinished] = []

    @property
    def go_on(self) -> bool:
        return bool(self._rows)

    @property
    def have_ended(self) -> bool:
        """Some wait to be written down."""
        return bool(self._ended)

    def see(self, event: CallEvent) -> None:
        match event:
            case ToolCallStarted(_, call_id, name):
                self._rows[call_id] = Row(name, self._clock())
            case ToolCallReady(call_id, name, given):
                known = self._rows.setdefault(call_id, Row(name, self._clock()))
                known.given = self._given[call_id] = given
            case ToolFinished(call_id):
                self._rows.pop(call_id, None)
                self._ended.append(event)
                self._of_attempt.append(event)
            case _:
                if row := self._rows.get(event.id):
                    self._move(row, event)

    def _move(self, row: Row, event: CallEvent) -> None:
        match event:
            case ToolInputDelta(_, fragment):
                row.written += len(fragment)
            case ToolStarted():
                row.state, row.began = "", self._clock()
            case ToolProgress(_, message, fraction):
                row.message, row.fraction = message, fraction
            case ApprovalRequested():
                row.state = "waits for you"
            case ApprovalGiven(_, allowed):
                row.state = "" if allowed else "refused"
            case _:
                pass

    def begin_attempt(self) -> None:
        self._of_attempt.clear()

    def lose_attempt(self, width: int) -> Iterator[str]:
        """The attempt is taken back. Calls that run go on; those that ran are told, a line each."""
        ran = [event for event in self._of_attempt if event.seconds > 0]
        self._rows = {key: row for key, row in self._rows.items() if row.began is not None}
        for row in self._rows.values():
            row.message = "asked for in the answer that was lost"
        self._ended.clear()
        for event in ran:
            yield "  " + finished(event, self._given.get(event.id), width - 2, self._paint)

    def end_turn(self) -> None:
        self._rows.clear()
        self._given.clear()

    def lines(self, width: int) -> list[str]:
        """What stays of the calls that have ended."""
        ended, self._ended = self._ended, []
        return [line for event in ended for line in self._told(event, width)]

    def _told(self, event: ToolFinished, width: int) -> Iterator[str]:
        yield finished(event, self._given.get(event.id), width, self._paint)
        yield from preview(event, width, self._paint)

    def live(self, width: int) -> Iterator[str]:
        now = self._clock()
        for event in self._ended:
            yield finished(event, self._given.get(event.id), width, self._paint)
        for row in list(self._rows.values())[:MOST]:
            yield running(row, now, width, self._paint)
        if len(self._rows) > MOST:
            yield self._paint(Look.FAINT, f"  and {len(self._rows) - MOST} more")
