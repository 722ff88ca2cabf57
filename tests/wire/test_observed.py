"""What is observed of a stream: the same records, their places, and all that no record comes of."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midstream.errors import ProtocolError
from midstream.wire.observed import Seen, SseObserver
from midstream.wire.sse import SseDecoder, SseRecord

LARGEST = 40
STREAMS = st.lists(
    st.sampled_from(
        [
            *(b"data: a", b"data:", b" data: b", b"event: x", b": c", b"retry: 3", b"x"),
            *(b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"y" * LARGEST),
        ]
    ),
    max_size=14,
).map(b"".join)


def observe(chunks: Iterable[bytes]) -> tuple[list[Seen], int | None]:
    """What was seen, and where a record grew too large, if one did."""
    observer, seen = SseObserver(LARGEST), list[Seen]()
    try:
        for chunk in chunks:
            seen.extend(observer.feed(chunk))
    except ProtocolError:
        return seen, observer.open
    return [*seen, *observer.rest()], None


def decode(stream: bytes) -> list[SseRecord]:
    decoder, records = SseDecoder(LARGEST), list[SseRecord]()
    try:
        records.extend(decoder.feed(stream))
    except ProtocolError:
        return records
    rest = decoder.rest()
    return [*records, rest] if rest else records


@given(STREAMS, st.data())
@example(b"data: a\r\n\r\nevent: x\r\ndata: b\r\n\r\n", None)
@example(b"\xef\xbb\xbf: c\n\xef\xbb\xbfdata: a\n\n", None)
def test_the_records_are_the_readers_and_cuts_make_no_difference(
    stream: bytes, data: st.DataObject | None
) -> None:
    seen = observe([stream])
    assert [each.record for each in seen[0] if each.record] == decode(stream)
    assert observe(bytes([byte]) for byte in stream) == seen
    if data:
        places = st.integers(0, len(stream))
        first, last = sorted([data.draw(places), data.draw(places)])
        assert observe([stream[:first], stream[first:last], stream[last:]]) == seen


@given(STREAMS)
def test_what_is_seen_begins_where_it_says(stream: bytes) -> None:
    for each in observe([stream])[0]:
        there = stream[each.offset :]
        if not each.offset:
            there = there.removeprefix(b"\xef\xbb\xbf")
        assert there.lstrip(b" ").startswith(each.line.lstrip(b" "))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_comments_headers_and_groups_without_data_are_seen_where_they_are(end: bytes) -> None:
    lines = [
        b": one",
        b"",
        b"retry: 3",
        b": two",
        b"",
        b"event: x",
        b": three",
        b"data: 1",
        b"",
        b"id: 7",
    ]
    at = [sum(len(line) + len(end) for line in lines[:place]) for place in range(len(lines))]
    assert observe([end.join(lines)])[0] == [
        Seen(at[0], None, b": one"),
        Seen(at[3], None, b": two"),
        Seen(at[2], None, b"retry: 3"),
        Seen(at[6], None, b": three"),
        Seen(at[5], SseRecord(b"1", b"x"), b"event: x"),
        Seen(at[9], None, b"id: 7", ended=False),
    ]


LOOKS = [
    pytest.param(b"\x1f\x8b\x08", "compressed with gzip", b"\x1f\x8b\x08", id="gzip"),
    pytest.param("data: x".encode("utf-16"), "UTF-16 text", None, id="utf-16"),
    pytest.param(b" <html>", "HTML or XML", b"<html>", id="html"),
    pytest.param(b"\xef\xbb\xbf {}", "JSON", b"{}", id="json"),
    pytest.param(b"HTTP/2 529\r\nx: y\r\n\r\n{}\r\n", "JSON", b"{}", id="json behind headers"),
    pytest.param(b"HTTP/2 204", "", b"", id="headers only"),
    pytest.param(b"\x00\x01", "", b"\x00\x01", id="anything"),
]


@pytest.mark.parametrize(("stream", "looks", "body"), LOOKS)
def test_what_is_no_stream_is_told_by_its_beginning(
    stream: bytes, looks: str, body: bytes | None
) -> None:
    observer = SseObserver(1 << 20)
    for place in range(len(stream)):
        for seen in observer.feed(stream[place : place + 1]):
            assert seen.record is None
    assert observer.looks() == looks
    assert body is None or observer.body == body
    assert observer.size == len(stream)
