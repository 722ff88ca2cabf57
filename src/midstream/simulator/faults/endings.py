"""Faults of time: an answer that comes late, stops, or never comes."""

from msgspec.structs import replace

from midstream.simulator.faults.fault import Fault, Placed
from midstream.simulator.limits import check_time
from midstream.simulator.play import End, EventPlace, Frame, Play


class Cut(Placed, frozen=True, kw_only=True):
    """The connection closes: at a byte, before an event, or in place of any answer.

    Attributes:
        reset: by a TCP reset; the client may then lose what it has not yet read.
    """

    reset: bool = False

    def applied(self, play: Play) -> Play:
        return _ended(play, self, End.RESET if self.reset else End.CLOSE)


class Stall(Placed, frozen=True, kw_only=True):
    """The server stops talking, and keeps the connection: from a byte or an event on, or at once.

    Attributes:
        ping_s: the seconds between pings, which are all that comes; 0: nothing comes.
    """

    ping_s: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_time("ping_s", self.ping_s)
        if self.ping_s and self.byte is None and self.event is None:
            raise ValueError("pings are part of a stream: give `event` or `byte` as well")

    def applied(self, play: Play) -> Play:
        return replace(_ended(play, self, End.STALL), ping_s=self.ping_s)


class Delay(Fault, frozen=True):
    """Everything from an event on, or the answer with its headers, comes later."""

    seconds: float
    event: EventPlace | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_time("seconds", self.seconds)

    def applied(self, play: Play) -> Play:
        first = 0 if self.event is None else play.place_of(self.event)
        late = [replace(each, at_s=each.at_s + self.seconds) for each in play.frames[first:]]
        head_s = play.head_s + (self.seconds if self.event is None else 0.0)
        return replace(play, frames=[*play.frames[:first], *late], head_s=head_s)


def _ended(play: Play, fault: Placed, end: End) -> Play:
    frames: list[Frame] = []
    if fault.byte is not None:
        frames = play.until(play.spot(fault.byte))
    elif fault.event is not None:
        frames = list(play.frames[: play.place(fault.event)])
    else:
        return replace(play, status=None, frames=frames, end=end)
    return replace(play, frames=frames, end=end)
