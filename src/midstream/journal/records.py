"""What a session remembers: an append-only list of records, nothing else."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from midstream.events import snake
from midstream.messages import Block, Image, Message, ToolResult, Usage

PartKind = Literal["text", "thinking", "tool_call"]
NOTE = (
    "[Note from the runtime, not from the user. An answer was lost or withdrawn after it had made "
    "these calls. They have run; the conversation does not show them, and they must not be "
    "repeated by mistake:\n"
)


class Record(Struct, frozen=True, gc=False, tag_field="record", tag=snake, omit_defaults=True):
    """Base of every record; the class name, in snake case, is its tag."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Prompted(Record, frozen=True):
    """The user said something. It becomes part of the conversation with the turn that answers."""

    message: Message


class Began(Record, frozen=True):
    """A request is about to go out."""

    turn: int
    attempt: int
    model: str = ""


class Wrote(Record, frozen=True):
    """A part of the answer that would be kept if the process ended now.

    Attributes:
        index: the block's. Pieces of text with one index belong together.
        block: None when another model took over and the block is no longer part of the message.
    """

    turn: int
    index: int
    block: Block | None


class Approved(Record, frozen=True):
    """It is decided whether a call may run, which wanted an approval or which a rule covered.

    Attributes:
        by: "user", "nobody" (who could be asked), "everything", or the rule.
        words: what the user said with it.
        asked: somebody was asked first; a rule that was made meanwhile may have decided it.
        waited_s: how long before it was decided they were asked, in seconds; before that the call
            waited for others. None where nobody was asked, or where an older version kept it.
    """

    turn: int
    call_id: str
    name: str
    allowed: bool
    by: str
    words: str = ""
    asked: bool = False
    waited_s: float | None = None


class CallBegan(Record, frozen=True):
    """A tool is about to run. Written before it does: what is written may have happened.

    Attributes:
        ordinal: which one it is among equal calls of the turn, from 0.
    """

    turn: int
    call_id: str
    name: str
    input: dict[str, Any]
    effects: str
    ordinal: int = 0


class CallEnded(Record, frozen=True):
    turn: int
    result: ToolResult


class Discarded(Record, frozen=True):
    """An attempt never happened. The calls that ran in it did."""

    turn: int
    attempt: int
    reason: str
    usage: Usage = Usage()


class Interrupted(Record, frozen=True):
    """The user stopped the turn; `words` and `pictures` are what they said instead, if they did."""

    turn: int
    words: str | None = None
    pictures: tuple[Image, ...] = ()


class Part(Struct, frozen=True, gc=False):
    """When a block of the answer began to come, in seconds since the request."""

    kind: PartKind
    began_s: float


class Committed(Record, frozen=True):
    """A turn is part of the conversation, with the results of its calls.

    Attributes:
        settled: the turn was stopped, and this is what was kept of it.
        told: the results message also tells of the effects that were untold.
        cost_usd: None where the price is unknown.
        ttft: seconds to the first token, or None if none came.
        overlap: seconds of tool time hidden behind the stream.
        streamed: seconds from the request to the end of the stream, or to when it was left.
        parts: in the order in which they began. Each lasts until the next begins.
    """

    turn: int
    message: Message
    results: Message | None
    settled: bool = False
    told: bool = False
    stop: str = ""
    usage: Usage = Usage()
    cost_usd: float | None = None
    ttft: float | None = None
    overlap: float = 0.0
    streamed: float | None = None
    parts: tuple[Part, ...] = ()


class Compacted(Record, frozen=True):
    """A summary stands for what was said until here, of which no record is gone.

    Attributes:
        turn: the one before which it was done; 0 where no turn was asked for.
        message: what the conversation is from here on.
        cost_usd: None where the price is unknown.
        took_s: seconds until the summary was whole.
    """

    turn: int
    summary: str
    message: Message
    usage: Usage = Usage()
    cost_usd: float | None = None
    took_s: float = 0.0


class Untold(Record, frozen=True):
    """Effects that the conversation does not show; the model is told with the next message."""

    note: str


class Ended(Record, frozen=True):
    """A run is over. What was said and not answered is withdrawn.

    Attributes:
        outcome: the run's, or "died" for one that its process did not live to end.
    """

    outcome: str
    error: str = ""


AnyRecord = (
    Prompted
    | Began
    | Wrote
    | Approved
    | CallBegan
    | CallEnded
    | Discarded
    | Interrupted
    | Committed
    | Compacted
    | Untold
    | Ended
)


def untold(effects: Iterable[str]) -> list[Untold]:
    """The record, if any, that tells of effects: a line each."""
    lines = "\n".join(f"- {effect}" for effect in effects)
    return [Untold(f"{NOTE}{lines}]")] if lines else []
