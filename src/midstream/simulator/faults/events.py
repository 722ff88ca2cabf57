"""Faults of the stream's events: missing, doubled, in another order, or odd in what they say."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from midstream.simulator.faults.fault import Fault
from midstream.simulator.play import (
    EventPlace,
    Frame,
    Json,
    Misplaced,
    Play,
    error,
    event_frame,
)


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
        again = [replace(_renamed(frame), at_s=frame.at_s + later_s) for frame in play.frames]
        return play.rewritten([*play.frames[:place], *again])


class Error(Fault, frozen=True):
    """The provider's own error, before an event; nothing follows it, and the body ends in peace.

    Attributes:
        type: such as `api_error` or `rate_limit_error`, or one that nobody has heard of.
    """

    event: EventPlace = 1
    type: str = "overloaded_error"
    message: str = "Overloaded"

    def applied(self, play: Play) -> Play:
        place = play.place(self.event)
        said = error(self.type, self.message, play.headers.get("request-id", ""))
        last = event_frame(play.due_s(place), said)
        return play.rewritten([*play.frames[:place], last])


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
        calls = [
            frame.event["index"]
            for frame in play.frames
            if frame.event and frame.event.get("content_block", {}).get("type") == "tool_use"
        ]
        if self.call > len(calls):
            raise Misplaced(f"there is no call {self.call}: this answer has {len(calls)}")
        index = calls[self.call - 1]
        size = sum(len(_fragment(frame, index) or "") for frame in play.frames)
        room = size // 2 if self.keep is None else self.keep
        if room >= size:
            raise Misplaced(f"the arguments of call {self.call} are {size} characters: keep fewer")
        return play.rewritten(list(self._cut(play, index, room)))

    def _cut(self, play: Play, index: int, room: int) -> Iterator[Frame]:
        for frame in play.frames:
            fragment = _fragment(frame, index)
            if not fragment:
                ends = frame.event == {"type": "content_block_stop", "index": index}
                if self.close or not ends:
                    yield frame
            elif room:
                yield _changed(frame, "delta", partial_json=fragment[:room])
                room -= len(fragment[:room])


class Stop(Fault, frozen=True):
    """An odd stop reason: any word; without one it is null, or `missing`."""

    reason: str | None = None
    missing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing and self.reason is not None:
            raise ValueError("give `reason` or `missing`, not both")

    def applied(self, play: Play) -> Play:
        place = play.place_of("message_delta")
        odd = _changed(play.frames[place], "delta", stop_reason=self.reason)
        if self.missing and odd.event:
            delta = {k: v for k, v in odd.event["delta"].items() if k != "stop_reason"}
            odd = event_frame(odd.at_s, {**odd.event, "delta": delta})
        return play.rewritten([*play.frames[:place], odd, *play.frames[place + 1 :]])


def _fragment(frame: Frame, index: int) -> str | None:
    event: Json = frame.event or {}
    fragment: str | None = event.get("delta", {}).get("partial_json")
    return fragment if event.get("index") == index else None


def _renamed(frame: Frame) -> Frame:
    if not frame.event or frame.event["type"] != "message_start":
        return frame
    return _changed(frame, "message", id=f"{frame.event['message']['id']}_again")


def _changed(frame: Frame, field: str, **changes: Any) -> Frame:
    event: Json = frame.event or {}
    return event_frame(frame.at_s, {**event, field: {**event[field], **changes}})
