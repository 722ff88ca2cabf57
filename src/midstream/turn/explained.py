"""What is told of a stream that is explained: its records, its calls, and how it ended."""

from collections.abc import Callable

from msgspec import Struct

from midstream.messages import Message, StopReason, Usage
from midstream.providers.provider import Decoder
from midstream.stream import StreamEvent
from midstream.turn.turn import SealedCall
from midstream.wire.sse import SseRecord


class Dialect(Struct, frozen=True):
    """A wire format, as far as explaining needs it.

    Attributes:
        passed_over: says why a record became no event.
        last: the name of the wire's terminal marker.
    """

    decoder: Callable[[], Decoder]
    passed_over: Callable[[SseRecord], str]
    last: str


class Place(Struct, frozen=True):
    """A record's number, from 1, and the offset of its first byte."""

    record: int
    offset: int


class Trouble(Struct, frozen=True):
    """Why a stream is not whole: the fields of a run's error, and where.

    Attributes:
        record: the number of the record that it is about, if it is about one.
        offset: of that record's first byte, else the number of bytes that were read.
    """

    type: str
    message: str
    status: int | None
    request_id: str | None
    record: int | None
    offset: int


class Doubt(Struct, frozen=True):
    """A call's block has ended, and whether its arguments are whole is not known yet."""

    name: str
    why: str


class Explained(Struct, frozen=True):
    """One thing that came, and what became of it.

    Attributes:
        number: 1, 2, 3 … for records; None for what is none, such as a comment.
        offset: of its first byte.
        note: what there is to say beside the events, or why there are none.
    """

    number: int | None
    offset: int
    event: str
    data: str
    became: tuple[StreamEvent | SealedCall | Doubt, ...] = ()
    note: str = ""
    trouble: Trouble | None = None


class CallStory(Struct, frozen=True):
    """A call that began. Without a `problem` it was free to run from `sealed` on."""

    id: str
    name: str
    sealed: Place | None
    problem: str


class Verdict(Struct, frozen=True):
    """How the stream ended. `message` has what can be kept of a turn that is not whole, too."""

    message: Message
    stop_reason: StopReason | None
    usage: Usage
    whole: bool
    error: Trouble | None
    model: str
    stop_word: str
    stop_detail: str
    calls: tuple[CallStory, ...]
    unread: int
