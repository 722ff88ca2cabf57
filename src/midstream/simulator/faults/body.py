"""Faults of the bytes: damaged, added, compressed, or cut into other pieces."""

import zlib
from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace

from midstream.simulator.faults.fault import Fault, Placed
from midstream.simulator.play import Frame, Misplaced, Play

LINE_ENDS = {"lf": b"\n", "cr": b"\r", "crlf": b"\r\n"}


class Flip(Fault, frozen=True):
    """A byte has all its bits turned over; the first of the body is 0, the last is -1."""

    byte: int

    def applied(self, play: Play) -> Play:
        size = len(play.body)
        place = self.byte if self.byte >= 0 else size + self.byte
        if not 0 <= place < size:
            raise Misplaced(f"there is no byte {self.byte}: this answer has {size}")
        spot = play.spot(place + 1)
        before, behind = play.halves(spot)
        return play.with_writes(spot, before[:-1] + bytes([before[-1] ^ 0xFF]) + behind)


class Insert(Placed, frozen=True):
    """Text that belongs to nothing is sent as well: after so many bytes, or before an event."""

    text: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.byte is None and self.event is None:
            raise ValueError("give `byte` or `event`: where to insert")

    def applied(self, play: Play) -> Play:
        data = self.text.encode()
        if self.event is None:
            spot = play.spot(self.byte or 0)
            before, behind = play.halves(spot)
            return play.with_writes(spot, before + data + behind)
        place = play.place(self.event)
        frame = Frame(play.due_s(place), (data,))
        return play.rewritten([*play.frames[:place], frame, *play.frames[place:]])


class Split(Fault, frozen=True):
    """The body is cut into other writes: in two at a byte, or into pieces of `size` bytes.

    A piece of several events is sent when its last byte is due.
    """

    byte: int | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.byte is None) == (self.size is None):
            raise ValueError("give `byte` or `size`: where to split, or into pieces of which size")
        if self.size is not None and self.size < 1:
            raise ValueError("`size` is a number of bytes")

    def applied(self, play: Play) -> Play:
        if self.size is not None:
            return replace(play, frames=list(_in_pieces(play, self.size)))
        spot = play.spot(self.byte or 0)
        return play.with_writes(spot, *play.halves(spot))


class Lines(Fault, frozen=True):
    """The lines of the stream are written in an unusual way, which the standard allows.

    Attributes:
        ends: what ends them.
        bom: whether a byte order mark goes first.
        last_blank: whether the blank line behind the last event comes.
    """

    ends: Literal["lf", "cr", "crlf"] = "lf"
    bom: bool = False
    last_blank: bool = True

    def applied(self, play: Play) -> Play:
        if not play.frames:
            return play
        frames = list(play.frames)
        if self.bom:
            frames[0] = replace(frames[0], writes=(b"\xef\xbb\xbf", *frames[0].writes))
        if not self.last_blank:
            last = frames[-1].data.removesuffix(b"\n")
            frames[-1] = replace(frames[-1], writes=(last,))
        return play.rewritten([_ending(frame, LINE_ENDS[self.ends]) for frame in frames])


class Gzip(Fault, frozen=True):
    """The body is compressed, each event by itself, and its headers say so.

    Attributes:
        broken: from its middle on it cannot be read.
    """

    broken: bool = False

    def applied(self, play: Play) -> Play:
        pieces = [data for frame in play.frames for data in frame.writes]
        packer = zlib.compressobj(wbits=31)  # 31: with gzip's own header
        packed = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in pieces]
        if packed:
            packed[-1] += packer.flush()
        if packed and self.broken:
            middle = len(packed) // 2
            # No deflate block begins with this byte; the first comes behind ten bytes of header.
            at = 0 if middle else 10
            packed[middle] = packed[middle][:at] + b"\xff" + packed[middle][at + 1 :]
        rest = iter(packed)
        frames = [
            replace(frame, writes=tuple(next(rest) for _ in frame.writes)) for frame in play.frames
        ]
        headers = {**play.headers, "content-encoding": "gzip"}
        return replace(play.rewritten(frames), headers=headers)


def _in_pieces(play: Play, size: int) -> Iterator[Frame]:
    held = b""
    for number, frame in enumerate(play.frames, start=1):
        held += frame.data
        whole = len(held) if number == len(play.frames) else len(held) // size * size
        pieces = tuple(held[at : at + size] for at in range(0, whole, size))
        held = held[whole:]
        yield replace(frame, writes=pieces)


def _ending(frame: Frame, end: bytes) -> Frame:
    return replace(frame, writes=tuple(data.replace(b"\n", end) for data in frame.writes))
