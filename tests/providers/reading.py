"""Reads streams as a run does: from bytes to a turn and the calls that it sealed."""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from midstream.providers.provider import Decoder
from midstream.turn.turn import SealedCall, Turn
from midstream.wire.sse import SseDecoder

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


MakeDecoder = Callable[[], Decoder]
