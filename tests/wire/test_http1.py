"""HTTP/1.1 responses, cut in every way the network could; h11 is the judge of what they say."""

import itertools
import re
from collections.abc import Iterable
from typing import Any

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream.errors import ProtocolError
from midstream.wire.http1 import MAX_CHUNK_LINE, MAX_HEAD, ResponseDecoder, request_head

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Fields = list[tuple[bytes, bytes]]
# Status, fields, body, and whether it is whole; None: refused.
Verdict = tuple[int, Fields, bytes, bool] | None


def read(*chunks: bytes, closed: bool = False, method: str = "POST") -> Verdict:
    decoder, body = ResponseDecoder(method), b""
    try:
        for chunk in chunks:
            body += decoder.feed(chunk)
        if closed and not decoder.ended:
            decoder.end()
    except ProtocolError:
        return None
    if decoder.head is None:
        return (0, [], b"", False)
    return decoder.head.status, told(decoder.head.fields), body, decoder.ended


def told(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Without those of the framing, which h11 spells anew."""
    small = [(name.lower(), value) for name, value in fields]
    return [each for each in small if each[0] not in (b"content-length", b"transfer-encoding")]


def judged(data: bytes, *, closed: bool = False, method: str = "POST") -> Verdict:
    """What h11 makes of it. It reads what is behind a response only when asked to."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    asked = h11.Request(method=method, target="/", headers=[("Host", "h"), ("Content-Length", "0")])
    connection.send(asked)
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    if closed:
        connection.receive_data(b"")
    status, fields, body = 0, Fields(), b""
    try:
        while True:
            match connection.next_event():
                case h11.Response() as head:
                    status, fields = head.status_code, told(head.headers)
                case h11.Data(data=part):
                    body += bytes(part)
                case h11.EndOfMessage():
                    return status, fields, body, True
                case h11.InformationalResponse():
                    pass
                case _:
                    return status, fields, body, False
    except h11.RemoteProtocolError:
        return None


RESPONSES = {
    "a length": OK + b"Content-Length: 5\r\n\r\nhello",
    "a length of nothing": OK + b"Content-Length: 0\r\n\r\n",
    "a length twice": OK + b"Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nhi",
    "chunks": CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "an empty chunked body": CHUNKED + b"0\r\n\r\n",
    "chunks with extensions": CHUNKED + b'5;a=b;c="d"\r\nhello\r\n00;x\r\n\r\n',
    "a size in capitals": CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n",
    "a size with spaces behind it": CHUNKED + b"1 \t\r\nx\r\n0 \r\n\r\n",
    "line ends in the data": CHUNKED + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nhi\r\n0\r\nExpires: never\r\nX: 1\r\n\r\n",
    "until closed": OK + b"Content-Type: text/event-stream\r\n\r\ndata: 1\n\n",
    "nothing until closed": OK + b"\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/1.0 in chunks": CHUNKED.replace(b"1.1", b"1.0") + b"1\r\nx\r\n0\r\n\r\n",
    "provisional ones": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    + OK
    + b"Content-Length: 1\r\n\r\nx",
    "no content": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "both framings": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    "mixed line ends": b"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 2\r\n\nhi",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "an empty reason": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "a reason in latin-1": b"HTTP/1.1 200 D'accord \xe9\r\nContent-Length: 0\r\n\r\n",
    "folded": OK + b"A: b\r\n \t c\r\n d\r\nContent-Length: 0\r\n\r\n",
    "odd fields": OK + b"a!#$%&'*+.^_`|~9: \t b:c \t\r\nEmpty:\r\nContent-Length: 0\r\n\r\n",
    "names twice": OK + b"Set-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n",
    "an odd status": b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n",
}
REFUSED = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    "an old version": b"HTTP/0.9 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a protocol nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "another coding of a provisional one": b"HTTP/1.1 103 Early Hints\r\n"
    + b"Transfer-Encoding: gzip\r\n\r\n"
    + OK
    + b"Content-Length: 0\r\n\r\n",
    "another coding of a trailer": CHUNKED + b"0\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 1\r\n\r\nx",
    "no colon": OK + b"Content-Length\r\n\r\nx",
    "no name": OK + b": x\r\n\r\n",
    "folded at the start": OK + b" a: b\r\n\r\n",
    "NUL in a value": OK + b"a: b\0c\r\n\r\n",
    "a bare CR in a value": OK + b"a: b\rc: d\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "two lengths in one": OK + b"Content-Length: 1, 2\r\n\r\nxx",
    "a negative length": OK + b"Content-Length: -1\r\n\r\nx",
    "a signed length": OK + b"Content-Length: +1\r\n\r\nx",
    "an empty length": OK + b"Content-Length:\r\n\r\nx",
    "a length in words": OK + b"Content-Length: 0x1\r\n\r\nx",
    "a huge length": OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nx",
    "another coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an empty coding": OK + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-1\r\nx\r\n0\r\n\r\n",
    "a size with a space before its extension": CHUNKED + b"1 ;a=b\r\nx\r\n0\r\n\r\n",
    "a bare CR in an extension": CHUNKED + b"1;a\rb\r\nx\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n",
    "a size with an underscore": CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\nx\r\n0\r\n\r\n",
    "a size with a space before it": CHUNKED + b" 1\r\nx\r\n0\r\n\r\n",
    "a huge size": CHUNKED + b"f" * 30 + b"\r\nx",
    "a size that ends in LF": CHUNKED + b"1\nx\r\n0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    "a chunk that ends in LF": CHUNKED + b"1\r\nx\n0\r\n\r\n",
    "a bad trailer": CHUNKED + b"0\r\nbad trailer\r\n\r\n",
}
BOTH = [pytest.param(data, id=name) for name, data in (RESPONSES | REFUSED).items()]


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("data", BOTH)
def test_it_reads_what_h11_reads(data: bytes, closed: bool) -> None:
    if not stricter(data):
        assert read(data, closed=closed) == judged(data, closed=closed)


@pytest.mark.parametrize("data", [pytest.param(d, id=n) for n, d in REFUSED.items()])
def test_what_leaves_a_doubt_is_refused(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("rest", [b"y", b"yz", b"\ry", b"5\r\nhello"])
def test_a_chunk_that_is_longer_than_it_said_is_refused_at_once(rest: bytes) -> None:
    assert read(CHUNKED + b"1\r\nx" + rest) is None


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        pytest.param([b"2\r\nhi\r\n", b"3\r\nabc\r\n"], b"hiabc", id="behind a whole one"),
        pytest.param([b"d\r\nhello", b"3\r\nabc\r\n"], b"hello3\r\nabc\r\n", id="within another"),
        pytest.param([b"1", b"3\r\nabc\r\n"], b"abc\r\n", id="behind half a size"),
        pytest.param([b"2\r\nhi", b"3\r\nabc\r\n"], None, id="where a line end is due"),
        pytest.param([b"2\r\nhi\r", b"\n3\r\nabc\r\n"], b"hiabc", id="behind half a line end"),
    ],
)
def test_what_looks_like_a_chunk_is_one_only_where_one_begins(
    parts: list[bytes], body: bytes | None
) -> None:
    decoder = ResponseDecoder()
    decoder.feed(CHUNKED)
    if body is None:
        with pytest.raises(ProtocolError):
            b"".join(map(decoder.feed, parts))
    else:
        assert b"".join(map(decoder.feed, parts)) == body
        assert not decoder.ended


@pytest.mark.parametrize("data", BOTH)
def test_every_cut_gives_the_same(data: bytes) -> None:
    whole = read(data)
    for cut in range(len(data) + 1):
        assert read(data[:cut], data[cut:]) == whole, cut
    assert read(*(data[at : at + 1] for at in range(len(data)))) == whole


@pytest.mark.parametrize("data", BOTH)
def test_a_stream_that_ends_anywhere_ends_as_with_h11(data: bytes) -> None:
    for size in range(len(data)):
        begun = data[:size]
        assert read(begun, closed=True) == judged(begun, closed=True), size


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_answer_to_head_has_no_body(method: str) -> None:
    data = OK + b"Content-Length: 5\r\n\r\n"
    assert read(data, method=method) == judged(data, method=method)


# -- found by chance ---------------------------------------------------------------------------

SMALL = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b"0", b"1", b"5", b"a", b"f", b"\0"]
LARGE = [b"Content-Length", b"Transfer-Encoding: chunked", b"Connection: close", b"chunked"]
HEADS = [b"HTTP/1.1 200 OK", b"HTTP/1.1 100 \r\n\r\n", b"\xff", b"x" * 20]
PIECES = st.sampled_from([*SMALL, *LARGE, *HEADS])


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A response with a few things put in, left out, or in the place of others."""
    data = draw(st.sampled_from([*RESPONSES.values()]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(PIECES) + data[at + draw(st.integers(0, 4)) :]
    return data


def stricter(data: bytes) -> bool:
    """Where we refuse what h11 takes: control characters, other versions than 1.x."""
    control = any((byte < 32 and byte not in b"\t\r\n") or byte == 127 for byte in data)
    bare_in_extension = re.search(rb";[^\n]*\r[^\n]", data)
    other = re.search(rb"HTTP/(?!1\.[01] )", data) or not data.startswith(b"HTTP/")
    return control or bool(bare_in_extension or other)


@settings(max_examples=400, deadline=None)
@given(spoiled())
@example(OK + b"\r\n\r\n")
def test_what_is_spoiled_is_read_or_refused_as_by_h11(data: bytes) -> None:
    if not stricter(data):
        assert read(data, closed=True) == judged(data, closed=True)


@settings(max_examples=200, deadline=None)
@given(spoiled(), st.lists(st.integers(0, 200), max_size=8))
def test_what_is_spoiled_is_the_same_in_every_chunking(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(data)]
    assert read(*(data[a:b] for a, b in itertools.pairwise(places))) == read(data)


# -- what follows, and how much ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (RESPONSES["a length"], True),
        (RESPONSES["chunks"], True),
        (RESPONSES["trailers"], True),
        (RESPONSES["no content"], True),
        (RESPONSES["until closed"], False),
        (RESPONSES["HTTP/1.0 in chunks"], False),
        (RESPONSES["both framings"], False),
        (OK + b"Connection: keep-alive, Close\r\nContent-Length: 0\r\n\r\n", False),
        (RESPONSES["a length"] + b"H", False),
        (RESPONSES["chunks"] + b"HTTP/1.1 200 OK\r\n\r\n", False),
        (RESPONSES["no content"] + b"0\r\n\r\n", False),
    ],
)
def test_a_connection_is_used_again_only_where_nothing_is_in_doubt(
    data: bytes, reusable: bool
) -> None:
    for cut in range(len(data) + 1):
        decoder = ResponseDecoder()
        decoder.feed(data[:cut])
        decoder.feed(data[cut:])
        assert decoder.reusable is reusable, cut


def taken(first: bytes, more: bytes) -> int:
    """How many bytes are taken before they are refused, if `more` comes again and again."""
    decoder = ResponseDecoder()
    decoder.feed(first)
    for size in range(0, 2 * MAX_HEAD, len(more)):
        try:
            decoder.feed(more)
        except ProtocolError:
            return size
    return 2 * MAX_HEAD


@pytest.mark.parametrize(
    ("first", "more", "limit"),
    [
        pytest.param(b"HTTP/1.1 200 ", b"O" * 100, MAX_HEAD, id="a status line"),
        pytest.param(OK, b"a: b\r\n" * 16, MAX_HEAD, id="headers"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4, MAX_HEAD, id="provisional ones"),
        pytest.param(CHUNKED + b"0\r\n", b"a: b\r\n" * 16, MAX_HEAD, id="trailers"),
        pytest.param(CHUNKED + b"1", b"0" * 10, MAX_CHUNK_LINE, id="a size"),
        pytest.param(CHUNKED + b"1;", b"x" * 100, MAX_CHUNK_LINE, id="an extension"),
    ],
)
def test_nothing_grows_without_end(first: bytes, more: bytes, limit: int) -> None:
    assert taken(first, more) <= limit


@pytest.mark.parametrize("size", [b"1", b"0" * 14 + b"1"])
@pytest.mark.parametrize("length", [990, 1000, 1002, 1010, 1024, 1500])
@pytest.mark.parametrize("fill", [b";" + b"x" * 1999, b" " * 2000])
def test_how_long_a_size_may_be_does_not_depend_on_the_cuts(
    size: bytes, length: int, fill: bytes
) -> None:
    data = CHUNKED + size + fill[:length] + b"\r\nx\r\n0\r\n\r\n"
    whole = read(data)
    for cut in range(len(CHUNKED), len(CHUNKED) + length + 20):
        assert read(data[:cut], data[cut:]) == whole, cut
    assert (whole is None) == (length > 1000)


# -- what is sent ------------------------------------------------------------------------------


def test_a_request_is_what_h11_reads() -> None:
    fields = [(b"Host", b"h:1"), (b"Content-Length", b"0"), (b"x-key", b"a b\xff")]
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(request_head("POST", b"/v1/x?y=z", fields))
    asked: Any = connection.next_event()
    assert (asked.method, asked.target) == (b"POST", b"/v1/x?y=z")
    assert [*asked.headers.raw_items()] == fields


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        ("PO ST", b"/", (b"a", b"b")),
        ("POST\r\n", b"/", (b"a", b"b")),
        ("POST", b"/ HTTP/1.1\r\nX: y", (b"a", b"b")),
        ("POST", b"", (b"a", b"b")),
        ("POST", b"/", (b"a b", b"b")),
        ("POST", b"/", (b"", b"b")),
        ("POST", b"/", (b"a", b"b\r\nc: d")),
        ("POST", b"/", (b"a", b"b\n")),
        ("POST", b"/", (b"a", b"\0")),
    ],
)
def test_a_request_that_would_say_more_is_not_sent(
    method: str, target: bytes, field: tuple[bytes, bytes]
) -> None:
    with pytest.raises(ValueError, match="illegal"):
        request_head(method, target, [field])
