"""Streams, and how they are spoiled. All of a case follows from its seed."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fakes import block, event, failure, start, stop, text, thinking, tool_use

BESIDE = Path(__file__).parent.parent.parent.parent / "shared" / "captures"
FOLDER = Path(os.environ.get("MIDSTREAM_CAPTURES", BESIDE)) / "anthropic"

LONG = 3000  # bytes; of a longer stream each case takes some blocks
DIGITS = [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
MARKS = [b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\"]
LINE_ENDS = (b"\n", b"\r\n", b"\r")
ODD = [b"\\u0000", b"\\ud83d", b"\\ude00", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\\", b'\\"', b"\xff"]
WORDS = [
    *(b"tool_use", b"text", b"thinking", b"redacted_thinking", b"fallback", b"server_tool_use"),
    *(b"message_start", b"message_delta", b"message_stop", b"ping", b"error"),
    *(b"content_block_start", b"content_block_delta", b"content_block_stop"),
    *(b"text_delta", b"thinking_delta", b"input_json_delta", b"signature_delta"),
    *(b"end_turn", b"max_tokens", b"pause_turn", b"refusal", b"null", b"true", b"input", b"id"),
]

Mutation = Callable[[Random, bytes], bytes]


class Case(NamedTuple):
    """A spoiled stream, and the pieces that the network makes of it."""

    told: str  # what was done to which stream
    stream: bytes
    chunks: list[bytes]


def case(seed: int) -> Case:
    chance = Random(seed)
    name = chance.choice(names())
    stream, done = some_blocks(chance, streams()[name]), list[str]()
    while not done or chance.random() < 0.4:
        mutation = chance.choice(MUTATIONS)
        stream = mutation(chance, stream)
        done.append(mutation.__name__)
    return Case(f"{name}: {', '.join(done)}", stream, chunked(chance, stream))


# -- the streams -------------------------------------------------------------------------------


@cache
def streams() -> dict[str, bytes]:
    """Streams made here, and the recorded ones where they are."""
    recorded = {path.stem: path.read_bytes() for path in FOLDER.glob("*.sse")}
    return made() | recorded


@cache
def names() -> list[str]:
    # Those made here are few, and each stands for a rule.
    return sorted([*streams(), *3 * list(made())])


def made() -> dict[str, bytes]:
    said = [start(), thinking(0, "Both, then."), text(1, "I pay ", "twice: é 🦆.")]
    pays = [
        tool_use(2, "toolu_1", "pay", '{"to": "Ada", "am', 'ount": 12}'),
        tool_use(3, "toolu_2", "pay", '{"to": "Ada", "amount": 12}'),
        tool_use(4, "toolu_3", "look", '{"at": ["a\\u00e9", {"b": null}, 1.5e3, "\\"}"]}'),
    ]
    given = {"type": "tool_use", "id": "toolu_4", "name": "look", "input": {"at": [1, 2]}}
    mixed = [
        start(),
        tool_use(0, "toolu_1", "look"),
        block(1, given),
        tool_use(1, "toolu_5", "pay", '{"amount": 5', close=False),
    ]
    open_ = tool_use(0, "toolu_6", "pay", '{"amount": 5}', close=False)
    reason, last = stop("max_tokens").split(b"event: message_stop")
    limit = [reason, event("content_block_stop", index=0), b"event: message_stop", last]
    return {
        "made-calls": b"".join([*said, *pays, stop("tool_use")]),
        "made-call-at-the-end": b"".join([*said, pays[0], stop("end_turn")]),
        "made-no-arguments": b"".join([*mixed[:3], stop("tool_use")]),
        "made-in-doubt": b"".join([*mixed[:2], stop("end_turn")]),
        "made-closed-after-a-limit": b"".join([start(), open_, *limit]),
        "made-overloaded": b"".join([*said, pays[0], failure("overloaded_error")]),
        "made-cut-by-a-limit": b"".join([start(), pays[0], *mixed[3:], stop("max_tokens")]),
    }


RECORDS = re.compile(rb"(?<=\n)\n+")
INDEX = re.compile(rb'"index":\s*(\d+)')


def some_blocks(chance: Random, stream: bytes) -> bytes:
    """A few neighbouring blocks of a stream that is long, with what is around the blocks."""
    if len(stream) <= LONG:
        return stream
    first, blocks, last = parts(stream)
    at = chance.randrange(len(blocks))
    kept = [thinned(each) for each in blocks[at : at + chance.randint(1, 3)]]
    return b"\n\n".join([*first, *(record for each in kept for record in each), *last, b""])


@cache
def parts(stream: bytes) -> tuple[list[bytes], list[list[bytes]], list[bytes]]:
    """The records before the blocks, those of each block, and those after."""
    grouped = [
        (index, list(group))
        for index, group in groupby(stream.replace(b"\r\n", b"\n").strip().split(b"\n\n"), index_of)
    ]
    blocks = [records for index, records in grouped if index is not None]
    return grouped[0][1], blocks, grouped[-1][1]


def index_of(record: bytes) -> bytes | None:
    found = INDEX.search(record) if b"content_block" in record else None
    return found[1] if found else None


def thinned(records: list[bytes]) -> list[bytes]:
    return records if len(records) < 20 else records[:8] + records[-4:]


def chunked(chance: Random, stream: bytes) -> list[bytes]:
    cuts = chance.choice([0, 0, 1, 2, 2, 4, 8, 8, 40])
    if chance.random() < 0.01:
        return [stream[at : at + 1] for at in range(len(stream))]
    places = sorted(somewhere(chance, stream) for _ in range(cuts))
    return [stream[a:b] for a, b in pairwise([0, *places, len(stream)])]


# -- the mutations -----------------------------------------------------------------------------


def somewhere(chance: Random, stream: bytes) -> int:
    return chance.randrange(len(stream) + 1)


def flip(chance: Random, stream: bytes) -> bytes:
    at = somewhere(chance, stream[1:])
    return (
        stream[:at]
        + bytes(byte ^ 1 << chance.randrange(8) for byte in stream[at : at + 1])
        + (stream[at + 1 :])
    )


def insert(chance: Random, stream: bytes) -> bytes:
    at = somewhere(chance, stream)
    return stream[:at] + chance.randbytes(chance.randint(1, 4)) + stream[at:]


def insert_odd(chance: Random, stream: bytes) -> bytes:
    at = somewhere(chance, stream)
    return stream[:at] + chance.choice(ODD) + stream[at:]


def delete(chance: Random, stream: bytes) -> bytes:
    at = somewhere(chance, stream)
    return stream[:at] + stream[at + chance.randint(1, 30) :]


def repeat(chance: Random, stream: bytes) -> bytes:
    at = somewhere(chance, stream)
    return stream[: at + chance.randint(1, 30)] + stream[at:]


def cut(chance: Random, stream: bytes) -> bytes:
    return stream[: somewhere(chance, stream)]


def splice(chance: Random, stream: bytes) -> bytes:
    other = some_blocks(chance, streams()[chance.choice(names())])
    return cut(chance, stream) + other[somewhere(chance, other) :]


def change_digit(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(rb"\d"), DIGITS)


def change_index(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(rb'(?<="index":)\s*\d'), DIGITS[:4])


def change_mark(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(rb'[{}\[\]:,"\\]'), MARKS)


def drop_mark(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(rb'[{}\[\]:,"\\]'), [b""])


def change_word(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(b"|".join(WORDS)), WORDS)


def replaced(chance: Random, stream: bytes, what: re.Pattern[bytes], by: Sequence[bytes]) -> bytes:
    found = what.search(stream, somewhere(chance, stream)) or what.search(stream)
    if not found:
        return stream
    return stream[: found.start()] + chance.choice(by) + stream[found.end() :]


def change_line_ends(chance: Random, stream: bytes) -> bytes:
    return stream.replace(b"\n", chance.choice(LINE_ENDS))


def change_a_line_end(chance: Random, stream: bytes) -> bytes:
    return replaced(chance, stream, re.compile(rb"\r\n|\r|\n"), [*LINE_ENDS, b"", b"\n\n"])


def of_records(change: Callable[[Random, list[bytes]], None]) -> Mutation:
    def mutation(chance: Random, stream: bytes) -> bytes:
        records = RECORDS.split(stream)
        change(chance, records)
        return b"\n".join(records)

    mutation.__name__ = change.__name__
    return mutation


@of_records
def drop_record(chance: Random, records: list[bytes]) -> None:
    del records[chance.randrange(len(records))]


@of_records
def repeat_record(chance: Random, records: list[bytes]) -> None:
    record = chance.choice(records)
    records.insert(chance.randrange(len(records)), record)


@of_records
def swap_records(chance: Random, records: list[bytes]) -> None:
    a, b = chance.randrange(len(records)), chance.randrange(len(records))
    records[a], records[b] = records[b], records[a]


@of_records
def cut_record(chance: Random, records: list[bytes]) -> None:
    at = chance.randrange(len(records))
    records[at] = cut(chance, records[at]) + b"\n"


@of_records
def borrow_record(chance: Random, records: list[bytes]) -> None:
    other = RECORDS.split(streams()[chance.choice(names())])
    records.insert(chance.randrange(len(records)), chance.choice(other))


MUTATIONS: list[Mutation] = [
    *(flip, insert, insert_odd, delete, repeat, cut, splice),
    *(change_digit, change_index, change_mark, drop_mark, change_word),
    *(change_line_ends, change_a_line_end),
    *(drop_record, repeat_record, swap_records, cut_record, borrow_record),
]
