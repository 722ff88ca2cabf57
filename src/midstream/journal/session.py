"""A conversation that runs add to, kept as records and read as messages."""

import uuid

from midstream.journal.records import Committed, Ended, Prompted, Record, Untold
from midstream.messages import Message, Text


class Session:
    """An append-only list of records; `messages` is the fold over it.

    At every instant `messages` is a conversation that a provider accepts: every call has its
    result in the next message. This one lives in memory; `record` is awaited at each point where
    a session on disk must have written before things go on.
    """

    def __init__(self, session_id: str | None = None) -> None:
        self.id = session_id or uuid.uuid4().hex
        self.records: list[Record] = []
        self.messages: list[Message] = []
        self.untold: list[str] = []
        self.busy = False  # a run is adding to it
        self._prompts: list[Message] = []

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What the next request says: the messages, and the words that wait for an answer."""
        return (*self.messages, *self._prompts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the model must be told with the next results; a prompt that waits carries them."""
        return () if self._prompts else tuple(self.untold)

    async def record(self, record: Record) -> None:
        """Add one record. When this returns, it is kept."""
        self.records.append(record)
        self._fold(record)

    def prompt(self, words: str) -> Prompted:
        """The record of the user's words, with what the model must be told along with them."""
        notes = tuple(Text(note) for note in self.untold)
        return Prompted(Message("user", (*notes, Text(words))))

    def _fold(self, record: Record) -> None:
        match record:
            case Prompted(message):
                self._prompts.append(message)
            case Committed(_, message, results, _, told):
                self.messages += self._prompts
                self._tell(told or bool(self._prompts))
                self._prompts = []
                self.messages += [each for each in (message, results) if each and each.blocks]
            case Untold(note):
                self.untold.append(note)
            case Ended():
                self._prompts = []
            case _:
                pass

    def _tell(self, told: bool) -> None:
        if told:
            self.untold = []
