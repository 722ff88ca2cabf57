"""HTTP/1.1 responses: bytes in, the head and the body out. No I/O.

Follows RFC 9112. Whatever would leave a doubt where a response ends is refused, and so is what
grows past its limits. As the RFC allows, a bare LF may end a line of the head (2.2) and a folded
line is unfolded (5.2); a length beside `chunked` is passed over, and the connection then not used
again (6.3).
"""

import re
from enum import Enum

from msgspec import Struct

from midstream.errors import ProtocolError

MAX_HEAD = 64 << 10  # bytes of heads and trailers together, the provisional ones (1xx) included
MAX_CHUNK_LINE = 1 << 10  # bytes that are held of one; in a line there may be a few less

STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
FOLD = re.compile(rb"\r?\n[ \t]+")
BLANK_LINE = re.compile(rb"\n\r?\n")
# The end of one chunk's data and the size of the next are matched at once: one search a chunk.
FIRST_SIZE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:[ \t]{0,1000}|;[\t\x20-\x7e\x80-\xff]{0,1000})\r\n"
)
NEXT_SIZE = re.compile(rb"\r\n" + FIRST_SIZE.pattern)
LENGTH = re.compile(rb"[0-9]{1,18}")

Fields = list[tuple[bytes, bytes]]


class Head(Struct, frozen=True):
    """A response without its body: `fields` in the order in which they came."""

    version: bytes
    status: int
    fields: Fields


class Body(Enum):
    """What the next bytes belong to."""

    HEAD = "the head"
    SIZED = "a body of known length"
    CHUNKED = "a chunked body"
    TRAILER = "the trailer"
    UNTIL_CLOSED = "a body that ends with the connection"
    ENDED = "nothing"


class ResponseDecoder:
    """Takes the response to one request, in pieces cut anywhere; linear in the bytes.

    Attributes:
        head: once it is whole; provisional ones are passed over.
        ended: whether the response is whole.
        reusable: whether the connection may carry another request after this one.
    """

    __slots__ = ("_bodiless", "_heads", "_held", "_left", "_seen", "_size", "_state", "ended",
                 "head", "reusable")  # fmt: skip

    def __init__(self, method: str = "POST") -> None:
        self.head: Head | None = None
        self.ended = False
        self.reusable = True
        self._bodiless = method == "HEAD"
        self._state = Body.HEAD
        self._held: bytearray = bytearray()  # of a line that is not whole yet
        self._seen = 0  # bytes of it in which there is no empty line
        self._heads = 0  # bytes of heads and trailers so far
        self._left = 0  # bytes that the body or the chunk still has
        self._size = FIRST_SIZE

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body.

        Raises:
            ProtocolError: the bytes are no response, or larger than a response may be.
        """
        if not self.head:
            data = self._read_head(data)
        match self._state:
            case Body.CHUNKED:
                return self._one_chunk(data) or self._chunks(data)
            case Body.SIZED:
                return self._sized(data)
            case Body.UNTIL_CLOSED:
                return data
            case Body.TRAILER:
                self._trailer(data)
            case Body.ENDED if data:
                self.reusable = False  # nobody asked for more: it would be taken for an answer
            case _:
                pass
        return b""

    def end(self) -> None:
        """The connection was closed.

        Raises:
            ProtocolError: the response is not whole.
        """
        self.reusable = False
        if self._state is Body.UNTIL_CLOSED:
            self._finish()
        if self.ended:
            return
        if not self.head and not self._held.startswith(b"HTTP/"[: len(self._held)]):
            raise ProtocolError(f"not an HTTP/1.1 response: {bytes(self._held[:80])!r}")
        begun = self.head or self._held
        where = f"in the middle of {self._state.value}" if begun else "without an answer"
        raise ProtocolError(f"the server closed the connection {where}")

    def _finish(self) -> None:  # a property for `ended` took 1,500 instructions a read
        self._state, self.ended = Body.ENDED, True

    # -- the head ------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> bytes:
        """Returns what follows the head."""
        block = self._up_to_blank(data)
        while block is not None:
            self._take_head(block)
            if self.head:
                rest = bytes(self._held)
                self._held.clear()
                return rest
            block = self._up_to_blank(b"")
        return b""

    def _up_to_blank(self, data: bytes) -> bytes | None:
        """The lines before an empty one, once it is there; what follows it is then held."""
        self._held += data
        found = BLANK_LINE.search(self._held, max(0, self._seen - 2))
        size = found.end() if found else len(self._held)
        if self._heads + size > MAX_HEAD:
            raise ProtocolError(f"the head of the response is larger than {MAX_HEAD:,} bytes")
        self._seen = 0 if found else size
        if not found:
            return None
        self._heads += size
        block = bytes(self._held[: found.start()])
        del self._held[:size]
        return block

    def _take_head(self, block: bytes) -> None:
        line, _, rest = block.partition(b"\n")
        found = STATUS_LINE.fullmatch(line.removesuffix(b"\r"))
        if not found:
            raise ProtocolError(f"not an HTTP/1.1 response: {line[:80]!r}")
        head = Head(found[1], int(found[2]), fields_of(rest))
        if head.status == 101:
            raise ProtocolError("the server changes to a protocol that nobody asked for")
        framing = framing_of(head.fields)  # that of provisional ones must make sense, too
        if head.status >= 200:
            self.head = head
            self._frame(head, *framing)

    def _frame(self, head: Head, codings: list[bytes], lengths: set[bytes]) -> None:
        """Find how long the body is (RFC 9112, 6.3)."""
        self.reusable = (
            head.version == b"1.1"
            and b"close" not in values(head.fields, b"connection")
            and not (codings and lengths)
        )
        if self._bodiless or head.status in (204, 304):
            self._finish()
        elif codings:
            self._state = Body.CHUNKED
        elif lengths:
            self._state, self._left = Body.SIZED, int(lengths.pop())
            if not self._left:
                self._finish()
        else:
            self._state, self.reusable = Body.UNTIL_CLOSED, False

    # -- the body ------------------------------------------------------------------------------

    def _sized(self, data: bytes) -> bytes:
        taken = data[: self._left]
        self._left -= len(taken)
        if not self._left:
            self._finish()
            self.reusable = self.reusable and len(taken) == len(data)
        return taken

    def _one_chunk(self, data: bytes) -> bytes:
        """A chunk that came whole and alone, as most servers write: 1,800 instructions less."""
        if self._held or self._size is NEXT_SIZE:  # within a chunk, or a line
            return b""
        if found := FIRST_SIZE.match(data):
            begin = found.end()
            if begin + int(found[1], 16) + 2 == len(data) and data.endswith(b"\r\n"):
                return data[begin:-2]
        return b""

    def _chunks(self, data: bytes) -> bytes:
        if self._held:
            data = bytes(self._held) + data
            self._held.clear()
        parts: list[bytes] = []
        at = 0
        while True:
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if self._left:
                    break
                if at + 2 == len(data) and data.endswith(b"\r\n") and self._size is NEXT_SIZE:
                    self._size = FIRST_SIZE  # as most servers write: a chunk whole, nothing to hold
                    break
            found = self._size.match(data, at)
            if not found:
                self._hold_size(data[at:])
                break
            at, self._size = found.end(), NEXT_SIZE
            self._left = int(found[1], 16)
            if not self._left:
                self._state = Body.TRAILER
                self._held += b"\n"  # so that no trailer at all is an empty line, too
                self._trailer(data[at:])
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold_size(self, begun: bytes) -> None:
        """Keep a chunk's first line until all of it is there."""
        line = begun
        if self._size is NEXT_SIZE:
            if not b"\r\n".startswith(begun[:2]):
                raise ProtocolError(f"a chunk is longer than it said: {begun[:20]!r}")
            line = begun[2:]
        if b"\n" in line or len(line) > MAX_CHUNK_LINE:
            raise ProtocolError(f"not the size of a chunk: {line[:80]!r}")
        self._held += begun

    def _trailer(self, data: bytes) -> None:
        block = self._up_to_blank(data)
        if block is None:
            return
        framing_of(fields_of(block[1:]))
        self._finish()
        self.reusable = self.reusable and not self._held
        self._held.clear()


def framing_of(fields: Fields) -> tuple[list[bytes], set[bytes]]:
    """The transfer codings and the lengths that a head names."""
    codings, lengths = values(fields, b"transfer-encoding"), set(values(fields, b"content-length"))
    if codings not in ([], [b"chunked"]):
        raise ProtocolError(f"an unknown transfer coding: {b', '.join(codings)!r:.80}")
    if len(lengths) > 1 or not all(map(LENGTH.fullmatch, lengths)):
        raise ProtocolError(f"a content length that is none: {b', '.join(lengths)!r:.80}")
    return codings, lengths


def values(fields: Fields, name: bytes) -> list[bytes]:
    """The members of a field whose value is a list, in small letters; none without it."""
    found = [value.lower() for field, value in fields if field.lower() == name]
    return [each.strip(b" \t") for value in found for each in value.split(b",")]


def fields_of(block: bytes) -> Fields:
    """The fields of a head or a trailer (RFC 9112, 5)."""
    if block[:1] in (b" ", b"\t"):
        raise ProtocolError("a header that goes on before one began")
    fields: Fields = []
    for line in FOLD.sub(b" ", block).split(b"\n") if block else ():
        found = FIELD.fullmatch(line.removesuffix(b"\r"))
        if not found:
            raise ProtocolError(f"not a header: {line[:80]!r}")
        fields.append((found[1], found[2].strip(b" \t")))
    return fields


TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TARGET = re.compile(rb"[\x21-\x7e]+")


def request_head(method: str, target: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """What goes before a request's body.

    Raises:
        ValueError: something in it would end a line, and so say more than was meant.
    """
    verb = method.encode("ascii")
    if not TOKEN.fullmatch(verb) or not TARGET.fullmatch(target):
        raise ValueError(f"illegal request line: {method} {target[:80]!r}")
    lines = [b"%b: %b\r\n" % field for field in fields]
    for (name, _), line in zip(fields, lines, strict=True):
        if not FIELD.fullmatch(line, 0, len(line) - 2):
            raise ValueError(f"illegal value in the header {name!r}")  # it may hold a key
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (verb, target, b"".join(lines))
