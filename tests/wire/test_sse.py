"""Server-sent events: the standard's rules, each cut in every way the network could."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream.errors import ProtocolError
from midstream.wire.sse import SseDecoder, SseRecord

BOM = b"\xef\xbb\xbf"


def decode(*chunks: bytes, max_record: int = 1 << 20) -> list[SseRecord]:
    decoder = SseDecoder(max_record)
    return [record for chunk in chunks for record in decoder.feed(chunk)]


def texts(*chunks: bytes) -> list[str]:
    return [record.text for record in decode(*chunks)]


# What the Web Platform Tests `eventsource/format-*` state, under their names.
DATA = [
    pytest.param(BOM + b"data:1\n\n\ndata:2\n\n", ["1", "2"], id="format-bom"),
    pytest.param(BOM + BOM + b"data:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"], id="format-bom-2"),
    pytest.param(
        b"data:1\r:\0\n:\r\ndata:2\n:" + b"x" * 2048 + b"\rdata:3\n:data:fail\r:y\ndata:4\n\n",
        ["1\n2\n3\n4"],
        id="format-comments",
    ),
    pytest.param(b"retry:1000\ndata:test1\n\nid:test\ndata:test2", ["test1"], id="format-data-eof"),
    pytest.param(b"\n\ndata:\n\n", [""], id="format-data-before-final-empty-line"),
    pytest.param(
        b"data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"], id="format-field-data"
    ),
    pytest.param(
        # The standard gives "\0\n 2\n1\n3\n\n4". We also read " data:32", on purpose: a gateway
        # has been seen to send " data:", and its first chunk would be lost without a word.
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\r"
        b"data:\r\n data:32\ndata:4\n\n",
        ["\0\n 2\n1\n3\n\n32\n4"],
        id="format-field-parsing",
    ),
    pytest.param(
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacomment\ndata:t\n\n",
        ["test\n\nt"],
        id="format-field-unknown",
    ),
    pytest.param(
        b"data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"], id="format-leading-space"
    ),
    pytest.param(b"data:test\r\ndata\ndata:test\r\n\r", ["test\n\ntest"], id="format-newlines"),
    pytest.param(b"data:\0\n\n\n\n", ["\0"], id="format-null-character"),
    pytest.param("data:ok…\n\n".encode(), ["ok…"], id="format-utf-8"),
    pytest.param(b"data:\xff\xfe\n\n", ["\ufffd\ufffd"], id="format-utf-8-broken"),
    # What the standard says elsewhere, or follows from it.
    pytest.param(b"data: a\n\n", ["a"], id="one line"),
    pytest.param(b"data:  a \n\n", [" a "], id="only one space is removed"),
    pytest.param(b"data: a\r\rdata: b\r\r", ["a", "b"], id="a CR ends a line at once"),
    pytest.param(b"data: a\r\ndata: b\r\n\r\n", ["a\nb"], id="CRLF is one line end, not two"),
    pytest.param(b"data: a\r\n\ndata: b\n\r\n", ["a", "b"], id="CRLF LF is two"),
    pytest.param(b"data: a\n\rdata: b\r\r", ["a", "b"], id="LF CR is two"),
    pytest.param(b"data: a:b: c\n\n", ["a:b: c"], id="the first colon divides"),
    pytest.param(b"DATA: a\n\n", [], id="names are case-sensitive"),
    pytest.param(b": ping\n\n:\n\n", [], id="a comment is nothing"),
    pytest.param(b"event: ping\n\nid: 1\n\nretry: 3000\n\n", [], id="no data, no record"),
    pytest.param(b"\n\n\r\n\r", [], id="blank lines are nothing"),
    pytest.param(
        "data: a\u2028b\u2029c\u0085d\n\n".encode(),
        ["a\u2028b\u2029c\u0085d"],
        id="what other alphabets call a line end is not one",
    ),
    pytest.param(
        b"data: a\x0bb\x0cc\x1cd\x1ee\n\n",
        ["a\x0bb\x0cc\x1cd\x1ee"],
        id="nor are the old control characters",
    ),
    pytest.param(b"data: a" + BOM + b"\n\n", ["a\ufeff"], id="a BOM inside is data"),
    pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", ["a"], id="a BOM later is part of a name"),
    pytest.param(
        b"\n" + BOM + b"data: a\n\n", [], id="a BOM behind a blank line is no first thing"
    ),
    pytest.param(b"\nd" + BOM + b"ata: a\n\n", [], id="a BOM within a name spoils it"),
    pytest.param(BOM[:2] + b"data: a\n\ndata: b\n\n", ["b"], id="two thirds of a BOM are none"),
    pytest.param("data: 🦆\n\n".encode(), ["🦆"], id="four bytes, one character"),
    pytest.param(b"\t  data: a\n\n", ["a"], id="leading blanks before data are overlooked"),
    pytest.param(b" data\n data :x\n\n", [], id="but not behind it, nor without a colon"),
]


@pytest.mark.parametrize(("stream", "expected"), DATA)
def test_the_rules_of_the_standard_hold(stream: bytes, expected: list[str]) -> None:
    assert texts(stream) == expected


@pytest.mark.parametrize(("stream", "expected"), DATA)
def test_where_the_network_cuts_changes_nothing(stream: bytes, expected: list[str]) -> None:
    step = 1 + len(stream) // 100  # the one long stream is cut at every 20th place or so
    places = range(0, len(stream) + step, step)
    for first, second in itertools.combinations_with_replacement(places, 2):
        chunks = stream[:first], stream[first:second], stream[second:]
        assert texts(*chunks) == expected, chunks


@pytest.mark.parametrize(("stream", "expected"), DATA)
def test_one_byte_at_a_time_is_the_same_stream(stream: bytes, expected: list[str]) -> None:
    assert texts(*(stream[i : i + 1] for i in range(len(stream)))) == expected


FIELDS = [
    pytest.param(
        b"event:test\ndata:x\n\ndata:x\n\n",
        [("test", ""), ("message", "")],
        id="format-field-event: a name is for one record",
    ),
    pytest.param(b"event: \ndata:data\n\n", [("message", "")], id="format-field-event-empty"),
    pytest.param(b"event\ndata\n\n", [("message", "")], id="an event without a colon is empty"),
    pytest.param(b"event: a\nevent: b\ndata\n\n", [("b", "")], id="the last name counts"),
    pytest.param(b"event: a\n\ndata\n\n", [("message", "")], id="a blank line forgets the name"),
    pytest.param(b"event: a\xff\ndata\n\n", [("a\ufffd", "")], id="a name may be broken UTF-8"),
    pytest.param(
        "id: …\ndata:1\n\ndata:2\n\n".encode(),
        [("message", "…"), ("message", "…")],
        id="format-field-id: it lasts",
    ),
    pytest.param(
        b"id\ndata\n\nid\ndata\n\n", [("message", ""), ("message", "")], id="format-field-id-2"
    ),
    pytest.param(
        b"id:1\ndata:x\n\ndata:y\n\nid\ndata:z\n\n",
        [("message", "1"), ("message", "1"), ("message", "")],
        id="format-field-id-3",
    ),
    pytest.param(
        b"id: 1\n\ndata\n\n", [("message", "1")], id="an id lasts without a record of its own"
    ),
    pytest.param(
        b"id: a\ndata\n\nid: \0b\ndata\n\nid: b\0\ndata\n\n",
        [("message", "a")] * 3,
        id="format-field-id-null",
    ),
    pytest.param(b"id: \xff\ndata\n\n", [("message", "\ufffd")], id="an id may be broken UTF-8"),
    pytest.param(
        b"retry: 3000\nretry:-5\nretry\ndata\n\n", [("message", "")], id="format-field-retry"
    ),
    pytest.param(b"retry:1000x\ndata\n\n", [("message", "")], id="format-field-retry-bogus"),
]


@pytest.mark.parametrize(("stream", "expected"), FIELDS)
def test_a_record_has_an_event_and_the_last_id(
    stream: bytes, expected: list[tuple[str, str]]
) -> None:
    assert [(record.event, record.id) for record in decode(stream)] == expected


def test_a_record_is_out_with_the_byte_that_completes_it() -> None:
    decoder = SseDecoder()
    assert list(decoder.feed(b"data: a\n")) == []
    assert [record.data for record in decoder.feed(b"\n")] == [b"a"]


def test_a_record_that_ends_in_a_cr_does_not_wait_for_an_lf() -> None:
    decoder = SseDecoder()
    assert [record.data for record in decoder.feed(b"data: a\r\r")] == [b"a"]
    assert list(decoder.feed(b"\n")) == []


def test_an_empty_chunk_between_cr_and_lf_is_no_line() -> None:
    assert texts(b"data: a\r", b"", b"\ndata: b\r\n", b"", b"\r", b"", b"\n") == ["a\nb"]


def test_data_is_handed_out_as_the_bytes_it_was() -> None:
    assert [record.data for record in decode(b"data: \xff\x00\xf0\n\n")] == [b"\xff\x00\xf0"]


# -- every chunking of anything ----------------------------------------------------------------

ALPHABET = [
    *(b"data", b"data:", b"data: ", b" data:", b"event: e", b"id: 7", b"id:\0", b"retry: 1", b":"),
    *(b"\n", b"\n", b"\r", b"\r", b"\r\n", b"\n\n", b"\r\r", b" ", b"\0", BOM, BOM[:1], BOM[:2]),
    *(
        "\u2028".encode(),
        "\u0085".encode(),
        b"\xff",
        b"\xf0\x9f\xa6",
        "🦆".encode(),
        b"x",
        b"y" * 9,
    ),
]
STREAMS = st.lists(st.sampled_from(ALPHABET), max_size=40).map(b"".join)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def outcome(chunks: Iterable[bytes], max_record: int) -> list[SseRecord | str | None]:
    """The records, then how it ended: an error's words, or the record that was left open."""
    decoder, seen = SseDecoder(max_record), list[SseRecord | str | None]()
    try:
        for chunk in chunks:
            seen += decoder.feed(chunk)
    except ProtocolError as error:
        return [*seen, str(error)]
    return [*seen, decoder.rest()]


@given(STREAMS, st.lists(st.integers(0, 200), max_size=12), st.integers(8, 60))
@example(b"data: a\r\n\r\n", [8, 8, 8, 10], 60)
@example(b":" + b"y" * 20 + b"\n", [10], 12)  # a comment is too long or not, however it comes
@example(b"data:" + b"y" * 10 + b"\n", [13], 12)
@example(b"data\n" * 15, [3], 12)
@settings(deadline=None, max_examples=400)
def test_every_chunking_gives_the_same_records_and_the_same_errors(
    stream: bytes, places: list[int], max_record: int
) -> None:
    whole = outcome([stream], max_record)
    assert outcome(cut(stream, places), max_record) == whole
    assert outcome((bytes([byte]) for byte in stream), max_record) == whole


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=9))
@settings(deadline=None)
def test_no_bytes_at_all_make_it_fail(stream: bytes, places: list[int]) -> None:
    assert outcome(cut(stream, places), 1 << 20) == outcome([stream], 1 << 20)


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=50
    )
)
@settings(deadline=None)
def test_what_is_sent_as_data_arrives_as_data(text: str) -> None:
    assert texts(f"data: {text}\n\n".encode()) == [text]


# -- limits and cost ---------------------------------------------------------------------------

LIMIT = 1000
TOO_LARGE = [
    pytest.param(b"data: " + b"x" * 1200, id="a line that never ends"),
    pytest.param(b":" + b"x" * 1200 + b"\ndata: a\n\n", id="a comment"),
    pytest.param(b"id: " + b"x" * 1200 + b"\ndata: a\n\n", id="an id"),
    pytest.param(b"data: " + b"x" * 400 + b"\ndata: " + b"x" * 800 + b"\n\n", id="two lines"),
    pytest.param(b"data\n" * 1200 + b"\n", id="lines with nothing in them"),
    pytest.param(b"x" * 1200, id="no field at all"),
]


@pytest.mark.parametrize("stream", TOO_LARGE)
@pytest.mark.parametrize("size", [1, 7, 999, 5000])
def test_a_record_larger_than_the_limit_is_refused(stream: bytes, size: int) -> None:
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    with pytest.raises(ProtocolError, match="larger than 1,000 bytes"):
        decode(*chunks, max_record=LIMIT)


def test_records_before_the_one_that_is_too_large_are_handed_out() -> None:
    decoder, seen = SseDecoder(10), list[bytes]()
    records = decoder.feed(b"data: a\n\ndata: " + b"x" * 20)
    with pytest.raises(ProtocolError):
        seen.extend(record.data for record in records)
    assert seen == [b"a"]


def test_the_limit_is_the_same_for_a_record_that_comes_alone() -> None:
    assert len(decode(b"data: 1\n\n", b"data: 12345\n\n", max_record=11)) == 2
    with pytest.raises(ProtocolError):
        decode(b"data: 1\n\n", b"data: 12345\n\n", max_record=10)


def test_a_cr_ends_a_line_of_a_record_that_comes_alone() -> None:
    assert [each.data for each in decode(b"data: 1\n\n", b"data: 2\rdata: 3\n\n")] == [
        b"1",
        b"2\n3",
    ]


def test_the_limit_is_for_each_record_not_for_the_stream() -> None:
    assert len(decode(b"data: 12345\n\n" * 1000, max_record=11)) == 1000
    assert len(decode(*[b"data: 12345\n", b"\n"] * 1000, max_record=12)) == 1000


def test_comments_between_records_do_not_add_up() -> None:
    assert decode(b": ping\n" * 1000, max_record=20) == []


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert texts_of(b"data:12345\n\n", 10) == ["12345"]
    with pytest.raises(ProtocolError):
        texts_of(b"data:123456\n\n", 10)


def test_lines_before_count_with_their_line_ends_and_without_their_names() -> None:
    assert texts_of(b"data:12\ndata:3456\n\n", 12) == ["12\n3456"]
    with pytest.raises(ProtocolError):
        texts_of(b"data:12\ndata:34567\n\n", 12)


def test_who_keeps_the_error_does_not_keep_what_was_too_large() -> None:
    import tracemalloc

    decoder = SseDecoder(1 << 20)
    tracemalloc.start()
    try:
        for _ in range(32):
            list(decoder.feed(bytes(1 << 15)))
        with pytest.raises(ProtocolError) as refused:
            list(decoder.feed(b"x"))
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most > 1 << 20
    assert held < 1 << 18, refused.value


def test_sixteen_mebibytes_are_the_limit_unless_told_otherwise() -> None:
    decoder = SseDecoder()
    assert list(decoder.feed(b"x" * (16 << 20))) == []
    with pytest.raises(ProtocolError, match="larger than 16,777,216 bytes"):
        list(decoder.feed(b"x"))


def texts_of(stream: bytes, max_record: int) -> list[str]:
    return [record.text for record in decode(stream, max_record=max_record)]


@pytest.mark.timeout(20)
def test_a_megabyte_in_chunks_of_one_byte_is_no_trouble() -> None:
    # Quadratic work would be some 10^12 bytes copied; linear work takes about a second.
    line = b"data: " + b"x" * (1 << 20) + b"\n\n"
    decoder = SseDecoder()
    records = [record for byte in line for record in decoder.feed(bytes([byte]))]
    assert [len(record.data) for record in records] == [1 << 20]


@pytest.mark.timeout(20)
def test_many_lines_in_one_chunk_are_no_trouble() -> None:
    (record,) = decode(b"data: x\n" * 200_000 + b"\n", max_record=1 << 23)
    assert len(record.data) == 399_999


# -- what the end of the stream leaves open ----------------------------------------------------

LEFT_OPEN = [
    pytest.param(b"data: a\n\n", None, id="nothing"),
    pytest.param(b"data: a", "a", id="an open line"),
    pytest.param(b"data: a\n", "a", id="a line without a blank one"),
    pytest.param(b"data: a\ndata: b", "a\nb", id="both"),
    pytest.param(b"data: a\r", "a", id="a CR"),
    pytest.param(b"data: a\n\nevent: b", None, id="a name and no data"),
    pytest.param(b"data: a\n\n: bye", None, id="a comment"),
    pytest.param(BOM[:2], None, id="a piece of a BOM"),
    pytest.param(b"", None, id="an empty stream"),
]


@pytest.mark.parametrize(("stream", "expected"), LEFT_OPEN)
def test_what_the_end_leaves_open_can_be_asked_for(stream: bytes, expected: str | None) -> None:
    decoder = SseDecoder()
    for byte in stream:
        list(decoder.feed(bytes([byte])))
    rest = decoder.rest()
    assert (rest.text if rest else None) == expected


def test_what_was_left_open_is_handed_out_once() -> None:
    decoder = SseDecoder()
    list(decoder.feed(b"id: 7\nevent: e\ndata: a"))
    assert decoder.rest() == SseRecord(b"a", b"e", "7")
    assert decoder.rest() is None


def test_a_field_named_error_is_an_error_though_the_standard_does_not_know_it() -> None:
    decoder = SseDecoder()
    (record,) = decoder.feed(b'error: {"message": "no slot"}\n\n')
    assert (record.event, record.text) == ("error", '{"message": "no slot"}')
