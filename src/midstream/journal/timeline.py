"""When everything in a run happened: its rows, folded to bars on one time axis."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from midstream.journal.bars import Turn, TurnEnd, TurnFold
from midstream.journal.database import Row
from midstream.journal.records import (
    Began,
    Committed,
    Compacted,
    Ended,
    Interrupted,
    Prompted,
    Record,
    Untold,
)
from midstream.messages import Message, Text


class Run(Struct, frozen=True):
    """One run of a session.

    Attributes:
        number: in its session, from 1.
        at: when it began, in seconds since 1970.
        outcome: as `Ended` has it; "" while it goes on, or until the next run settles it.
        tools_s: how long tools were at work, summed over them.
        hidden_s: how much of that lay behind the streams.
    """

    number: int
    at: float
    seconds: float
    outcome: str
    error: str
    turns: tuple[Turn, ...]
    tools_s: float
    hidden_s: float


def timeline(rows: Iterable[Row], now: float | None = None) -> list[Run]:
    """The runs of a session.

    Args:
        now: how late it is, in seconds since 1970, where the last run still goes on; without it
            what has not ended lasts until the last row.
    """
    runs: list[Run] = []
    rows_of_run: list[Row] = []
    for row in rows:
        # Rows have the clock of the wall, which may be set back in the middle.
        before = rows_of_run[-1].at if rows_of_run else row.at
        rows_of_run.append(replace(row, at=max(row.at, before)))
        if isinstance(row.record, Ended):
            runs.append(_run(len(runs) + 1, rows_of_run, row.record, None))
            rows_of_run = []
    if rows_of_run:
        runs.append(_run(len(runs) + 1, rows_of_run, Ended(""), now))
    return runs


def _run(number: int, rows: Sequence[Row], ended: Ended, now: float | None) -> Run:
    began = _began(rows)
    if ended.outcome == "died":
        rows = _while_it_lived(rows)
    last = max(now or 0.0, rows[-1].at)
    fold = _RunFold(began)
    for row in rows:
        fold.add(row.at, row.record)
    turns = fold.finished(last, ended.outcome)
    tools = [bar for turn in turns for bar in turn.tools]
    tools_s = sum((bar.seconds for bar in tools), 0.0)
    hidden_s = sum((bar.hidden_s for bar in tools), 0.0)
    outcome, error = ended.outcome, ended.error
    return Run(number, began, last - began, outcome, error, turns, tools_s, hidden_s)


def _began(rows: Sequence[Row]) -> float:
    """With the first row, but for a compaction: its row comes when it has ended."""
    compactions = (row.at - row.record.took_s for row in rows if isinstance(row.record, Compacted))
    return min([rows[0].at, *compactions])


def _while_it_lived(rows: Sequence[Row]) -> Sequence[Row]:
    """Without the rows at the end that settled it when its process had died, maybe days later."""
    end = len(rows)
    while end > 1 and _settles(rows[end - 1].record, rows[end - 2].record):
        end -= 1
    return rows[:end]


def _settles(record: Record, before: Record) -> bool:
    match record:
        case Ended() | Untold():
            return True
        case Committed(settled=True):
            return not isinstance(before, Interrupted)
        case Prompted():  # the words that had stopped a turn
            return isinstance(before, Committed)
        case _:
            return False


class _RunFold:
    """The turns of one run, as its rows come."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._words: list[str] = []
        self._turns: list[Turn] = []
        self._turn: TurnFold | None = None

    def add(self, at: float, record: Record) -> None:
        at -= self._began
        match record:
            case Prompted(message):
                self._words.append(_said(message))
            case Began(number):
                self._turn = self._turn or self._next(number)
                self._turn.asked(at)
            case Compacted(number):
                self._turn = self._turn or self._next(number)
                self._turn.compacted(at, record.took_s)
                if not number:
                    self._close("committed", at)
            case Interrupted(number):
                self._turn = self._turn or self._next(number)
                self._turn.stopped_at = at
            case Committed() if self._turn:
                self._turn.committed(at, record)
                self._close("stopped" if record.settled else "committed", at)
            case _ if self._turn:
                self._turn.add(at, record)
            case _:
                pass

    def finished(self, last: float, outcome: str) -> tuple[Turn, ...]:
        if self._turn:
            ends: dict[str, TurnEnd | None] = {"": None, "died": "died"}
            self._close(ends.get(outcome, "discarded"), last - self._began)
        return tuple(self._turns)

    def _next(self, number: int) -> TurnFold:
        words, self._words = "\n\n".join(self._words), []
        return TurnFold(number, words)

    def _close(self, end: TurnEnd | None, at: float) -> None:
        if self._turn:
            self._turns.append(self._turn.finished(end, at))
            self._turn = None


def _said(message: Message) -> str:
    """The user's own words: what the runtime has to say comes before them."""
    return next((each.text for each in reversed(message.blocks) if isinstance(each, Text)), "")
