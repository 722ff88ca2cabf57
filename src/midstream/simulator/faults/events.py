"""Faults of the stream's events: missing, doubled, in another order, or odd in what they say."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from midstream.simulator.faults.fault import Fault, worded
from midstream.simulator.play import EventPlace, Frame, Grammar, Misplaced, Play
from midstream.simulator.shape import Json


class Drop(Fault, frozen=True):
    """Events do not come: `count` of them, from `event` on."""

    event: EventPlace
    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1:
            raise ValueError("`count` is how many events to drop")

    def applied(self, play: Play) -> Play:
        first = play.place_of(self.event)
        return play.rewritten([*play.frames[:first], *play.frames[first + self.count :]])


class Repeat(Fault, frozen=True):
    """An event comes again: at once, or before the event `to`."""

    event: EventPlace
    to: EventPlace | None = None

    def applied(self, play: Play) -> Play:
        first = play.place_of(self.event)
        to = first + 1 if self.to is None else play.place(self.to)
        again = replace(play.frames[first], at_s=play.due_s(to))
        return play.rewritten([*play.frames[:to], again, *play.frames[to:]])


class Move(Fault, frozen=True):
    """An event comes out of order: before the event `to`."""

    event: EventPlace
    to: EventPlace

    def applied(self, play: Play) -> Play:
        origin, to = play.place_of(self.event), play.place(self.to)
        moved = replace(play.frames[origin], at_s=play.due_s(to))
        frames: list[Frame | None] = [*play.frames]
        frames[origin] = None
        frames.insert(to, moved)
        return play.rewritten([frame for frame in frames if frame])


class Restart(Fault, frozen=True):
    """Before an event the message begins again, with another id: a gateway asked anew."""

    event: EventPlace

    def applied(self, play: Play) -> Play:
        place = play.place(self.event)
        later_s = play.due_s(place) - play.frames[0].at_s
        again = [
            replace(_changed(play.wire, frame, play.wire.renamed), at_s=frame.at_s + later_s)
            for frame in play.frames
        ]
        return play.rewritten([*play.frames[:place], *again])


class Error(Fault, frozen=True):
    """The provider's own error, before an event; nothing follows it, and the body ends in peace.

    Attributes:
        type: such as `api_error` or `rate_limit_error`, or one that nobody has heard of; without
            it, what the API says when it is overloaded.
        code: what OpenAI's wires say beside the type.
    """

    event: EventPlace = 1
    type: str | None = None
    message: str | None = None
    code: str | None = None

    def applied(self, play: Play) -> Play:
        place = play.place(self.event)
        usual = play.wire.overloaded()
        said = worded(usual, self.type, self.code)
        said = replace(said, message=self.message or usual.message)
        before = [frame.event for frame in play.frames[:place] if frame.event]
        events = play.wire.failure(said, play.request_id, before)
        last = [play.wire.frame(play.due_s(place), event) for event in events]
        return play.rewritten([*play.frames[:place], *last])


class Truncate(Fault, frozen=True):
    """A call's arguments are cut; the rest of the stream comes as if nothing had happened.

    Attributes:
        call: which call of the answer; the first is 1.
        keep: how many characters of the arguments come; without it, half.
        close: whether the block's end comes.
    """

    call: int = 1
    keep: int | None = None
    close: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.call < 1:
            raise ValueError("`call` counts from 1")
        if self.keep is not None and self.keep < 0:
            raise ValueError("`keep` is a number of characters")

    def applied(self, play: Play) -> Play:
        events = [frame.event for frame in play.frames if frame.event]
        calls = [call for each in events if (call := play.wire.called(each)) is not None]
        if self.call > len(calls):
            raise Misplaced(f"there is no call {self.call}: this answer has {len(calls)}")
        call = calls[self.call - 1]
        arguments = "".join(play.wire.fragment(each, call) or "" for each in events)
        room = len(arguments) // 2 if self.keep is None else self.keep
        if room >= len(arguments):
            raise Misplaced(
                f"the arguments of call {self.call} are {len(arguments)} characters: keep fewer"
            )
        return play.rewritten(list(self._cut(play, call, arguments[:room])))

    def _cut(self, play: Play, call: int, arguments: str) -> Iterator[Frame]:
        room = len(arguments)
        wire = play.wire
        for frame in play.frames:
            event = frame.event
            fragment = wire.fragment(event, call) if event else None
            if not event:
                yield frame
            elif fragment and room:
                yield wire.frame(frame.at_s, wire.with_fragment(event, fragment[:room]))
                room -= len(fragment[:room])
            elif not fragment and (self.close or not wire.closes(event, call)):
                yield _changed(wire, frame, lambda e: wire.retold(e, call, arguments))


class Stop(Fault, frozen=True):
    """An odd stop reason: any word; without one it is null, or `missing`."""

    reason: str | None = None
    missing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing and self.reason is not None:
            raise ValueError("give `reason` or `missing`, not both")

    def applied(self, play: Play) -> Play:
        wire, names = play.wire, [frame.name for frame in play.frames]
        stop = next((name for name in wire.stops if name in names), wire.stops[0])
        place = play.place_of(stop)
        frame = play.frames[place]
        odd = _changed(wire, frame, lambda e: wire.stopped(e, self.reason, self.missing))
        return play.rewritten([*play.frames[:place], odd, *play.frames[place + 1 :]])


def _changed(wire: Grammar, frame: Frame, change: Callable[[Json], Json]) -> Frame:
    """The frame with another event in it; what says the same keeps its bytes."""
    event = change(frame.event) if frame.event else frame.event
    return frame if event is None or event == frame.event else wire.frame(frame.at_s, event)
