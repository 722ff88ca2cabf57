"""An answer as it is to be sent: what faults change, and what the stage performs."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from midstream.simulator.shape import Json, Refusal

# An event, and how many tokens the model writes for it.
Step = tuple[Json, int]

# Where in a stream: the first event is 1, the last is -1; a name is the first event of that name;
# "end" is after the last one.
EventPlace = int | str


class Misplaced(ValueError):
    """A fault is to strike where this answer has nothing."""


class End(Enum):
    FINISH = "the body is whole: the connection can be used again"
    CLOSE = "the connection closes, whatever is missing"
    RESET = "the connection is closed by a TCP reset"
    STALL = "nothing more is said until the client leaves"


class Frame(Struct, frozen=True):
    """One event of a stream, or the whole body of an answer that is none.

    Attributes:
        at_s: when it is due, in seconds from the request.
        writes: its bytes; each piece is one write, and one chunk where the body is chunked.
        event: what it says; None if it is no event.
        name: what faults call it; none if it is no event.
    """

    at_s: float
    writes: tuple[bytes, ...]
    event: Json | None = None
    name: str = ""

    @property
    def data(self) -> bytes:
        return b"".join(self.writes)


class Spot(Struct, frozen=True):
    """A place in the body: so many bytes into a write of a frame."""

    frame: int
    write: int
    offset: int


class Grammar(Protocol):
    """What faults must know of a wire.

    Attributes:
        request_id: the header that says which request this was.
        ping: what is sent to keep a connection open.
        stops: the names of the events that say why the answer stopped; it has one of them.
    """

    request_id: str
    ping: bytes
    stops: tuple[str, ...]

    def frame(self, at_s: float, event: Json) -> Frame:
        """An event in the form in which servers send it."""
        ...

    def usual(self, status: int) -> Refusal:
        """What the API says with a status."""
        ...

    def overloaded(self) -> Refusal:
        """What the API says when it has too much to do."""
        ...

    def error(self, refusal: Refusal, request_id: str) -> Json:
        """An error as the body of an answer."""
        ...

    def failure(self, refusal: Refusal, request_id: str, before: Sequence[Json]) -> list[Json]:
        """An error as the last events of a stream, behind those `before`."""
        ...

    def renamed(self, event: Json) -> Json:
        """The event as one of another message."""
        ...

    def called(self, event: Json) -> int | None:
        """The number of the call that begins with the event, as this wire counts."""
        ...

    def fragment(self, event: Json, call: int) -> str | None:
        """What the event adds to the arguments of a call."""
        ...

    def with_fragment(self, event: Json, fragment: str) -> Json:
        """Such an event with something else to add."""
        ...

    def closes(self, event: Json, call: int) -> bool:
        """Whether the event says that the call is whole."""
        ...

    def retold(self, event: Json, call: int, arguments: str) -> Json:
        """An event that repeats the arguments of a call, with others in their place."""
        ...

    def stopped(self, event: Json, reason: str | None, missing: bool) -> Json:
        """The event that says why the answer stopped, with another reason, or without one."""
        ...


class Play(Struct, frozen=True):
    """One answer.

    Attributes:
        wire: the language that it is in.
        status: None: not even a status line is sent.
        head_s: when status and headers are due, in seconds from the request.
        length: what `content-length` says; None: the body is chunked.
        ping_s: at a stall, the seconds between pings; 0: silence.
        faults: the kinds of those that made it what it is.
    """

    wire: Grammar
    frames: Sequence[Frame]
    headers: Mapping[str, str]
    status: int | None = 200
    head_s: float = 0.0
    length: int | None = None
    end: End = End.FINISH
    ping_s: float = 0.0
    faults: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        return b"".join(frame.data for frame in self.frames)

    @property
    def request_id(self) -> str:
        return self.headers.get(self.wire.request_id, "")

    def rewritten(self, frames: Sequence[Frame]) -> "Play":
        """The answer with another body; its length is as true or as wrong as it was."""
        if self.length is None:
            return replace(self, frames=frames)
        grown = sum(len(frame.data) for frame in frames) - len(self.body)
        return replace(self, frames=frames, length=max(0, self.length + grown))

    # -- events --------------------------------------------------------------------------------

    def place(self, event: EventPlace) -> int:
        """The place of an event in `frames`, where "end" is behind the last.

        Raises:
            Misplaced: there is no such event.
        """
        names = [frame.name for frame in self.frames]
        count = len(names)
        if not any(names):
            raise Misplaced(f"there is no event {event!r}: this answer is no stream")
        if event == "end":
            return count
        if isinstance(event, int) and 1 <= abs(event) <= count:
            return event - 1 if event > 0 else count + event
        if event in names:
            return names.index(str(event))
        raise Misplaced(
            f"there is no event {event!r}: this answer has {count}, so take 1 to {count},"
            f" -{count} to -1, or the name of one"
        )

    def place_of(self, event: EventPlace) -> int:
        """As `place`, for what needs an event and not only the gap before it."""
        place = self.place(event)
        if place == len(self.frames):
            raise Misplaced('there is no event at the "end": take -1 for the last one')
        return place

    def due_s(self, place: int) -> float:
        """When the event at a place is due; behind the last, when that is."""
        return self.frames[min(place, len(self.frames) - 1)].at_s

    # -- bytes ---------------------------------------------------------------------------------

    def spot(self, byte: int) -> Spot:
        """Where the body is, so many bytes on; behind a write rather than before the next.

        Args:
            byte: how many bytes go before; a negative one counts from the end.

        Raises:
            Misplaced: the body is shorter.
        """
        size = len(self.body)
        offset = byte if byte >= 0 else size + byte
        if not 0 <= offset <= size or not size:
            raise Misplaced(f"there is no byte {byte}: this answer has {size}")
        for place, frame in enumerate(self.frames):
            for number, data in enumerate(frame.writes):
                if offset <= len(data):
                    return Spot(place, number, offset)
                offset -= len(data)
        raise AssertionError("a place inside the body is inside a frame")

    def halves(self, spot: Spot) -> tuple[bytes, bytes]:
        """The write that a spot is in, before and behind it."""
        data = self.frames[spot.frame].writes[spot.write]
        return data[: spot.offset], data[spot.offset :]

    def with_writes(self, spot: Spot, *writes: bytes) -> "Play":
        """The answer with other writes in place of the one that a spot is in."""
        frame = self.frames[spot.frame]
        new = (*frame.writes[: spot.write], *filter(None, writes), *frame.writes[spot.write + 1 :])
        others = self.frames[: spot.frame], self.frames[spot.frame + 1 :]
        return self.rewritten([*others[0], replace(frame, writes=new), *others[1]])

    def until(self, spot: Spot) -> list[Frame]:
        """The frames up to a spot."""
        frame = self.frames[spot.frame]
        before, _ = self.halves(spot)
        writes = (*frame.writes[: spot.write], *filter(None, [before]))
        return [*self.frames[: spot.frame], replace(frame, writes=writes)]


def event_frame(at_s: float, event: Json) -> Frame:
    """An event whose type is its name as well."""
    name, data = event["type"], msgspec.json.encode(event)
    return Frame(at_s, (b"event: %b\ndata: %b\n\n" % (name.encode(), data),), event, name)
