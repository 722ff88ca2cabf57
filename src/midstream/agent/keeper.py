"""What a run writes down, and when it waits for that.

One rule: what changes the world is on disk before it begins, and what faces are told has ended (a
call, a turn, the run) is on disk before they are told. All else is recorded in its order and gets
there soon: while an answer streams, what was shown is at most a second from the disk.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import astuple

from midstream.agent.tally import Figures, answer_to
from midstream.events import RunError
from midstream.journal.records import (
    Approved,
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Record,
    Wrote,
    untold,
)
from midstream.journal.session import Session
from midstream.messages import Image, Message, Parts, Text, ToolCall, ToolResult, Usage
from midstream.tools.approvals import Answer
from midstream.turn.turn import Turn

WRITE_EVERY_S = 1.0


class Keeper:
    """The journal's side of one run."""

    def __init__(self, session: Session, tasks: TaskGroup) -> None:
        self._session = session
        self._tasks = tasks
        self.number = 0  # of the turn
        self._turn: Turn | None = None  # while its answer streams

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """Hold the session; settle first what a process that died has left in it.

        Raises:
            SessionError: another run is adding to it, or it cannot be read.
        """
        async with self._session.held():
            self._session.record(*self._session.recovery())
            scope = anyio.CancelScope()
            if self._session.stored:
                self._tasks.start_soon(self._write_regularly, scope)
            try:
                yield
            finally:
                scope.cancel()

    @property
    def trouble(self) -> RunError | None:
        """What is wrong if not all of the run is on disk."""
        words = self._session.trouble
        return RunError("session_not_saved", words) if words else None

    # -- what is recorded ----------------------------------------------------------------------

    def prompted(self, said: Parts) -> None:
        self._soon(self._session.prompt(said))

    def began(self, attempt: int, turn: Turn, model: str) -> None:
        self._turn = turn
        self._soon(Began(self.number, attempt, model))

    def wrote(self) -> None:
        """Record what the answer has so far that would be kept if the process ended now.

        What may be the beginning of a key waits for its end: in two pieces it would not be known.
        """
        if self._turn:
            pieces = self._turn.take(self._session.secrets.open_end)
            self._session.record(*(Wrote(self.number, index, block) for index, block in pieces))

    def approved(self, call: ToolCall, answer: Answer) -> None:
        """Recorded in front of the call's beginning, and so no later on disk than that."""
        self._soon(Approved(self.number, call.id, call.name, *astuple(answer)))

    async def call_began(self, call: ToolCall, ordinal: int, effects: str) -> str:
        """Returns why the call must not start, or ""."""
        began = CallBegan(self.number, call.id, call.name, call.input, effects, ordinal)
        if effects == "read":
            self._soon(began)
        elif not await self._now(began):
            return f"what has effects must be written down first, and {self._session.trouble}"
        return ""

    async def call_ended(self, result: ToolResult) -> None:
        await self._now(CallEnded(self.number, result))

    def discarded(self, attempt: int, reason: str, usage: Usage) -> None:
        self._turn = None
        self._soon(Discarded(self.number, attempt, reason, usage))

    async def refused(self, usage: Usage, effects: Sequence[str]) -> None:
        """Of an answer that was refused nothing is kept but what its calls did."""
        self._turn = None
        await self._now(Discarded(self.number, 0, "refusal", usage), *untold(effects))

    def interrupted(self, said: Parts) -> None:
        """Recorded together with the turn that it settles, which follows."""
        words = [part.text for part in said if isinstance(part, Text)]
        pictures = tuple(part for part in said if isinstance(part, Image))
        instead = "\n\n".join(words) if said else None
        self._session.record(Interrupted(self.number, instead, pictures))

    async def committed(
        self,
        message: Message,
        results: Sequence[ToolResult],
        effects: Sequence[str],
        figures: Figures,
        stop: str = "",
    ) -> None:
        """Add a turn to the conversation.

        Args:
            effects: what calls did that are not in the message, a line each.
            stop: why the model stopped; without it the turn was stopped, and is settled.
        """
        self._turn = None
        told_of = untold(effects)
        notes = (*self._session.notes, *(each.note for each in told_of)) if stop else ()
        answer, told = answer_to(message, results, notes)
        costs = astuple(figures)
        turn = Committed(self.number, message, answer, not stop, told, stop, *costs)
        await self._now(turn, *([] if told else told_of))

    async def compacted(
        self, summary: str, message: Message, usage: Usage, cost_usd: float | None, took_s: float
    ) -> None:
        """Have a message stand for all that was said before."""
        await self._now(Compacted(self.number, summary, message, usage, cost_usd, took_s))

    async def ended(self, outcome: str, error: RunError | None, effects: Sequence[str]) -> None:
        """Record the end of the run, and what its calls did that is not in the conversation."""
        self._turn = None
        if self._session.count:  # else nothing was said, and there is no session to tell of
            await self._now(*untold(effects), Ended(outcome, error.message if error else ""))

    # -- how -----------------------------------------------------------------------------------

    def _soon(self, record: Record) -> None:
        self._session.record(record)
        if self._session.stored:
            self._tasks.start_soon(self._session.saved)

    async def _now(self, *records: Record) -> bool:
        self._session.record(*records)
        return await self._session.saved()

    async def _write_regularly(self, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                await anyio.sleep(WRITE_EVERY_S)
                self.wrote()
                await self._session.saved()
