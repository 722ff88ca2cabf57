"""What a session remembers: an append-only list of records, nothing else."""

from typing import Any

from msgspec import Struct

from midstream.messages import Message, ToolResult


class Record(Struct, frozen=True, tag_field="record", tag=str.lower):
    """Base of every record; the class name is its tag."""


class Prompted(Record, frozen=True):
    """The user said something. It becomes part of the conversation with the turn that answers."""

    message: Message


class Began(Record, frozen=True):
    """A request is about to go out."""

    turn: int
    attempt: int


class CallBegan(Record, frozen=True):
    """A tool is about to run. Written before it does: what is written may have happened."""

    turn: int
    call_id: str
    name: str
    input: dict[str, Any]
    effects: str


class CallEnded(Record, frozen=True):
    turn: int
    result: ToolResult


class Discarded(Record, frozen=True):
    """An attempt never happened. The calls that ran in it did."""

    turn: int
    attempt: int
    reason: str


class Committed(Record, frozen=True):
    """A turn is part of the conversation, with the results of its calls.

    Attributes:
        settled: the turn was stopped, and this is what was kept of it.
        told: the results message also tells of the effects that were untold.
    """

    turn: int
    message: Message
    results: Message | None
    settled: bool = False
    told: bool = False


class Untold(Record, frozen=True):
    """Effects that the conversation does not show; the model is told with the next message."""

    note: str


class Ended(Record, frozen=True):
    """A run is over. What was said and not answered is withdrawn."""

    outcome: str
