"""A conversation that runs add to, kept as records and read as messages."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from midstream.errors import SessionError
from midstream.journal.context import rough_tokens
from midstream.journal.open_turn import OpenTurn
from midstream.journal.records import (
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
    Untold,
    untold,
)
from midstream.messages import Message, Opaque, Parts, Text, Usage
from midstream.secrets.secrets import Secrets

NO_TOKENS = Usage()


class Session:
    """An append-only list of records; what it knows are folds over them.

    At every instant `messages` is a conversation that a provider accepts: every call has its
    result in the next message. This one lives in memory; `Journal` has those that are on disk.

    Attributes:
        count: how many records there are.
        usage, discarded_usage: the tokens of the turns, and of the attempts that were thrown away.
        guessed_tokens: roughly, what came of answers that were stopped before they told what they
            used; it is not in `usage`.
        request_tokens: what the request of the last turn took; 0 where that was not told.
        cost_usd: what the turns cost, or None once the price of one is unknown.
        running: a run is adding to it, or its process died before it could end.
        trouble: why the last records could not be saved, or "".
        secrets: the keys that are not stored.
        stored: it outlives the process, so that it pays to write down what is half done.
    """

    stored = False

    def __init__(self, session_id: str | None = None) -> None:
        self.id = session_id or uuid.uuid4().hex
        self.count = 0
        self.messages: list[Message] = []
        self.untold: list[str] = []
        self.usage = self.discarded_usage = Usage()
        self.guessed_tokens = 0
        self.turns = 0
        self.running = False
        self.trouble = ""
        self.secrets = Secrets()
        self._held = False
        self._prompts: list[Message] = []
        self.request_tokens = 0
        self._tokens = 0  # of the messages
        self._carried = 0  # how many of the untold the prompts tell
        self._costs: list[float | None] = []
        self._instead: Parts = ()  # said by who stopped a turn, and no prompt yet
        self._since: list[Record] = []  # the last turn was committed

    # -- what it knows -------------------------------------------------------------------------

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What the next request says: the messages, and the words that wait for an answer."""
        return (*self.messages, *self._prompts)

    @property
    def asked(self) -> bool:
        """Words of the user's wait for their answer."""
        return bool(self._prompts)

    @property
    def context_tokens(self) -> int:
        """What the next request takes: the last answer told it, and what is new is estimated."""
        return self._tokens + rough_tokens(*self._prompts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the model must be told, and no prompt that waits for its answer tells."""
        return tuple(self.untold[self._carried :])

    @property
    def cost_usd(self) -> float | None:
        known = [cost for cost in self._costs if cost is not None]
        return sum(known) if known and len(known) == len(self._costs) else None

    def prompt(self, said: Parts) -> Prompted:
        """The record of what the user says, with what the model must be told along with it."""
        notes = tuple(Text(note) for note in self.notes)
        return Prompted(Message("user", (*notes, *said)))

    def recovery(self) -> list[Record]:
        """The records that settle a run whose process died in the middle of it."""
        if not self.running:
            return []
        turn = OpenTurn(self._since)
        message, results, effects = turn.settled()
        kept = [Committed(turn.number, message, results, settled=True)]
        nothing = Committed(turn.number, Message("assistant", ()), None, settled=True)
        return [
            *(kept if message.blocks or self._prompts else []),
            *([self.prompt(self._instead), nothing] if self._instead else []),
            *untold(effects),
            Ended("died"),
        ]

    # -- what is added -------------------------------------------------------------------------

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Be the only run that adds to this session.

        Raises:
            SessionError: another run is adding to it, or it cannot be read.
        """
        if self._held:
            words = "another run is adding to this session; wait for its end"
            raise SessionError(words, kind="session_busy")
        self._held = True
        try:
            yield
        finally:
            self._held = False

    async def settle(self) -> None:
        """Settle what a process that died has left in it, if one has.

        Raises:
            SessionError: as `held` does.
        """
        if self.running:
            async with self.held():
                self.record(*self.recovery())

    def record(self, *records: Record) -> None:
        """Add records. They are kept all or none, and in order, but perhaps not yet: `saved`."""
        for record in records:
            self.count += 1
            self._fold(record)

    async def saved(self) -> bool:
        """Wait until what was recorded would survive the end of the process; False if it will not.

        Why not is in `trouble`. It is tried again with the next records.
        """
        return True

    def _fold(self, record: Record) -> None:
        self.running = True
        match record:
            case Prompted():
                self._prompts.append(record.message)
                self._carried = len(self.untold)
                self._instead = ()
            case Interrupted(_, words, pictures):
                self._instead = (*([Text(words)] if words else []), *pictures)
            case Committed():
                self._commit(record)
                self._since.clear()
            case Compacted(_, _, message):
                self.messages = [message]
                self._tokens = rough_tokens(message)
                self._paid(record.usage, record.cost_usd)
                self._since.clear()
            case Ended():
                self.running, self._carried, self._instead = False, 0, ()
                self._prompts.clear()
                self._since.clear()
            case Untold():
                self.untold.append(record.note)
                self._since.clear()  # whose effects these are
            case Discarded():
                self.discarded_usage += record.usage
                self._since.append(record)
            case _:
                self._since.append(record)

    def _commit(self, turn: Committed) -> None:
        self._tokens = self._tokens_after(turn)
        self.messages += self._prompts
        self.untold = [] if turn.told else self.untold[self._carried :]
        self._carried = 0
        self._prompts.clear()
        if turn.message.blocks:
            self.messages.append(turn.message)
        if turn.results and turn.results.blocks:
            self.messages.append(turn.results)
        self.turns += 1
        self._paid(turn.usage, turn.cost_usd)
        if turn.settled:
            blocks = turn.message.blocks
            seen = tuple(each for each in blocks if not isinstance(each, Opaque))
            written = rough_tokens(Message("assistant", seen))
            self.guessed_tokens += max(0, written - turn.usage.output_tokens)

    def _paid(self, usage: Usage, cost_usd: float | None) -> None:
        self.usage += usage
        if usage != NO_TOKENS:
            self._costs.append(cost_usd)

    def _tokens_after(self, turn: Committed) -> int:
        used = turn.usage
        asked = used.read
        self.request_tokens = asked
        if not asked:
            return self.context_tokens + rough_tokens(turn.message, turn.results)
        # An answer that was stopped had not told yet how long it is.
        said = rough_tokens(turn.message) if turn.settled else used.output_tokens
        return asked + said + rough_tokens(turn.results)
