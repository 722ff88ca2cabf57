"""Server-sent events as `sse` reads them, with their places and with what no record comes of."""

import re
from collections.abc import Iterator

from msgspec import Struct

from midstream.wire.sse import BOM, SseDecoder, SseRecord

# Cut behind each byte that ends a line, so that what a line completes is out before the next.
PIECES = re.compile(rb"[^\r\n]*[\r\n]|[^\r\n]+")
HEAD = 1 << 16  # bytes from the start that are kept, to tell what came in place of records
LOOKS = (
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"<", "HTML or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)


class Seen(Struct, frozen=True):
    """A record, a comment, or a group of lines without data.

    Attributes:
        offset: of its first byte.
        line: its first line, comments within a record not counted.
        ended: whether the blank line that ends it came.
    """

    offset: int
    record: SseRecord | None
    line: bytes
    ended: bool = True


class Lines(SseDecoder):
    """The reader itself, telling what it made of the one line that it was given."""

    line: bytes = b""
    blank = False

    def take(self, piece: bytes | None) -> SseRecord | None:
        """Read at most one line's end; None is the end of the stream."""
        self.line, self.blank = b"", False
        return self.rest() if piece is None else next(iter([*self.feed(piece)]), None)

    def _field(self, line: bytes) -> None:
        self.line = line
        super()._field(line)

    def _dispatch(self) -> SseRecord | None:
        self.blank = True
        return super()._dispatch()


class SseObserver:
    """Feed it chunks like an `SseDecoder`.

    Attributes:
        size: bytes that were read.
        head: the first of them.
    """

    def __init__(self, max_record: int) -> None:
        self.size = 0
        self.head = b""
        self._lines = Lines(max_record)
        self._line_at = 0  # where the open line began
        self._group: tuple[int, bytes] | None = None  # …and the open group, and its first line

    def feed(self, chunk: bytes) -> Iterator[Seen]:
        """Yield what `chunk` completes; the iterator must be read to its end.

        Raises:
            ProtocolError: a record grew too large; nothing can be read after that.
        """
        self.head += chunk[: HEAD - len(self.head)]
        for piece in PIECES.findall(chunk):
            yield from self._take(piece)

    def rest(self) -> Iterator[Seen]:
        """What the end of the stream left open."""
        return self._take(None)

    @property
    def open(self) -> int:
        """The offset of what has begun and not ended."""
        return self._group[0] if self._group else self._line_at

    def _take(self, piece: bytes | None) -> Iterator[Seen]:
        record = self._lines.take(piece)
        began, line = self._line_at, self._lines.line
        self.size += len(piece or b"")
        if piece and piece.endswith((b"\r", b"\n")):
            self._line_at = self.size
        if line.startswith(b":"):
            yield Seen(began, None, line)
        elif line and not self._group:
            self._group = began, line
        if self._lines.blank and self._group:
            (began, line), self._group = self._group, None
            yield Seen(began, record, line, ended=piece is not None)

    def looks(self) -> str:
        """What the input seems to be, where it is no event stream; "" if nobody knows."""
        return next((words for start, words in LOOKS if self.body.startswith(start)), "")

    @property
    def body(self) -> bytes:
        """The beginning, without the headers that `curl -i` puts before it."""
        body = self.head
        if body.startswith(b"HTTP/"):
            body = body.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        return body.removeprefix(BOM).strip()
