"""Reads streams as a run does: from bytes to a turn and the calls that it sealed."""

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from midstream.errors import MidstreamError
from midstream.messages import Block
from midstream.providers.provider import Decoder
from midstream.stream import StreamEvent
from midstream.turn.turn import SealedCall, Turn
from midstream.wire.sse import SseDecoder, SseRecord

BESIDE = Path(__file__).parent.parent.parent.parent / "shared" / "captures"
CAPTURES = Path(os.environ.get("MIDSTREAM_CAPTURES", BESIDE))


def names(wire: str) -> list[str]:
    """The recorded streams of a wire; where there are none, one that is then skipped."""
    return sorted(path.stem for path in (CAPTURES / wire).glob("*.sse")) or ["none"]


def read(chunks: Iterable[bytes], decoder: Decoder) -> tuple[Turn, list[SealedCall]]:
    turn, sealed = Turn(), list[SealedCall]()
    read_into(turn, sealed, chunks, decoder)
    return turn, sealed


def read_into(
    turn: Turn, sealed: list[SealedCall], chunks: Iterable[bytes], decoder: Decoder
) -> None:
    records = SseDecoder()
    for chunk in chunks:
        for record in records.feed(chunk):
            for event in decoder.feed(record):
                sealed += turn.feed(event)
    if rest := records.rest():
        for event in decoder.feed(rest):
            sealed += turn.feed(event)
    for event in decoder.end():
        sealed += turn.feed(event)


def read_whole(turn: Turn, sealed: list[SealedCall], stream: bytes, decoder: Decoder) -> None:
    """Read a stream that should be whole; raises what a run would be told."""
    read_into(turn, sealed, [stream], decoder)
    turn.check_whole()


def chunkings(stream: bytes, seed: str) -> Iterator[Iterable[bytes]]:
    """The stream a byte at a time, and in pieces of twenty random kinds."""
    yield cut(stream, [1] * len(stream))
    chance = random.Random(seed)
    for _ in range(20):
        yield cut(stream, (chance.choice([1, 2, 7, 40, 300, 1400, 9000]) for _ in stream))


def cut(stream: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    place = 0
    for size in sizes:
        if place >= len(stream):
            return
        yield stream[place : place + size]
        place += size


def places(seed: str, end: int, count: int = 50) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(end) for _ in range(count)]


# -- records by hand ---------------------------------------------------------------------------


def present(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


class Named:
    """A record with an `event:` line."""

    def __init__(self, event: str, payload: Any) -> None:
        self.event = event
        self.payload = payload


def record(payload: Any) -> SseRecord:
    """A record of these bytes, or of this as JSON."""
    if isinstance(payload, Named):
        return SseRecord(record(payload.payload).data, payload.event.encode())
    return SseRecord(payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def as_bytes(*payloads: Any) -> bytes:
    """The records as a server sends them."""
    made = map(record, payloads)
    return b"".join(b"event: %b\ndata: %b\n\n" % (r.event.encode(), r.data) for r in made)


class Played:
    """What became of records: the turn, each sealed call with the number of its record (from 1).

    A call that the end of the stream sealed has the number that the next record would have had.
    """

    def __init__(self, decoder: Decoder, *payloads: Any, ends: bool = True) -> None:
        self.turn = Turn()
        self.sealed: list[tuple[int, SealedCall]] = []
        self.error: MidstreamError | None = None
        self.events: list[StreamEvent] = []
        try:
            for payload in payloads:
                self._take(decoder.feed(record(payload)), self._number)
                self._number += 1
            if ends:
                self._take(decoder.end(), self._number)
                self.turn.check_whole()
        except MidstreamError as error:
            self.error = error

    _number = 1

    def _take(self, events: Iterable[StreamEvent], number: int) -> None:
        for event in events:
            self.events.append(event)
            self.sealed += [(number, sealed) for sealed in self.turn.feed(event)]

    @property
    def whole(self) -> "Played":
        """Itself, if nothing went wrong; else what did is raised."""
        if self.error:
            raise self.error
        return self

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.whole.turn.message().blocks

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        """Of each sealed call its id, its name, and its input, or what is wrong with it."""
        whole = self.whole.sealed
        return [(s.call.id, s.call.name, s.problem or s.call.input) for _, s in whole]

    @property
    def when(self) -> list[tuple[str, int]]:
        """Which record sealed each call."""
        return [(sealed.call.id, number) for number, sealed in self.sealed]


MakeDecoder = Callable[[], Decoder]
