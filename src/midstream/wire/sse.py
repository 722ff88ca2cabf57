"""Server-sent events: bytes in, records out. No I/O.

Follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream", with one deliberate
difference: a record that the end of the stream leaves open can be had by asking (`rest`), since
real servers forget the last blank line.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from midstream.errors import ProtocolError

BOM = b"\xef\xbb\xbf"
# A whole record as providers write it. Reading it at once takes half of what its lines take.
USUAL = re.compile(rb"(?:event: (.*)\n)?data: (.*)\n\n")


class SseRecord(Struct, frozen=True, gc=False):
    """One dispatched record. `event` is "message" when the server named none."""

    data: bytes
    name: bytes = b"message"
    id: str = ""

    @property
    def event(self) -> str:
        return self.name.decode(errors="replace")

    @property
    def text(self) -> str:
        """The data as the standard reads it: what is not UTF-8 is replaced, never refused."""
        return self.data.decode(errors="replace")


class SseDecoder:
    """Turns chunks of bytes, cut anywhere, into records.

    A record is out as soon as the byte that completes it is in. The work is linear in the bytes,
    whatever the chunking: an unfinished line is kept in pieces and joined once.

    Args:
        max_record: largest record held in memory, in bytes.
    """

    def __init__(self, max_record: int = 16 << 20) -> None:
        self._max_record = max_record
        self._line: list[bytes] = []  # the pieces of the line that is still open
        self._line_size = 0
        self._at_start = True
        self._begun = True  # whether the next byte is not the first of a record's first line
        self._after_cr = False
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = b""
        self._id = ""

    def feed(self, chunk: bytes) -> Iterable[SseRecord]:
        """The records that `chunk` completes; they must be read to the end.

        Raises:
            ProtocolError: a record grew past `max_record`.
        """
        # One record and nothing else, as most servers write: the generator took 5,000 instructions
        # more, where an event takes 77,000 from the socket to its reader.
        usual = None if self._begun or chunk.find(b"\r") >= 0 else USUAL.fullmatch(chunk)
        if not usual or len(chunk) > self._max_record:
            return self._records(chunk)
        name, data = usual.groups()
        return (SseRecord(data, name or b"message", self._id),)

    def _records(self, chunk: bytes) -> Iterator[SseRecord]:
        chunk = self._with_lf(chunk)
        at = 0
        if begun := self._begun:
            end = chunk.find(b"\n\n")
            at = end + 2 if end >= 0 else len(chunk)
            yield from self._by_line(chunk[:at])
            begun = self._begun
        if not begun and len(chunk) <= self._max_record:
            while found := USUAL.match(chunk, at):
                name, data = found.groups()
                at = found.end()
                yield SseRecord(data, name or b"message", self._id)
        if at < len(chunk):
            yield from self._by_line(chunk[at:])

    def _by_line(self, chunk: bytes) -> Iterator[SseRecord]:
        for line in self._lines(chunk):
            if line:
                self._check_size(len(line))
                self._field(line)
            elif record := self._dispatch():
                yield record
        self._begun = bool(self._line or self._data or self._event) or self._at_start
        self._check_size(self._line_size)

    def rest(self) -> SseRecord | None:
        """The record that the end of the stream left open, or None."""
        if self._line:
            self._field(b"".join(self._line))
            self._line.clear()
        return self._dispatch()

    def _with_lf(self, chunk: bytes) -> bytes:
        # A CR ends a line at once; an LF right behind it, even in the next chunk, is part of it.
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _lines(self, chunk: bytes) -> list[bytes]:
        if self._at_start:
            chunk = self._without_bom(chunk)
        first, *lines = chunk.split(b"\n")
        if first:
            self._line.append(first)
            self._line_size += len(first)
        if lines:
            lines.insert(0, b"".join(self._line))
            last = lines.pop()
            self._line, self._line_size = [last] if last else [], len(last)
        return lines

    def _without_bom(self, chunk: bytes) -> bytes:
        begun = b"".join((*self._line, chunk))
        if BOM.startswith(begun) and len(begun) < len(BOM):
            return chunk  # not enough yet to tell a BOM from text
        self._line, self._line_size, self._at_start = [], 0, False
        return begun.removeprefix(BOM)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        match name:
            case b"data":
                self._add(value)
            case b"event":
                self._event = value
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"error":
                # Not in the standard: how llama.cpp told of errors, and what is built on it does.
                self._event = b"error"
                self._add(value)
            case _ if line.lstrip().startswith(b"data:"):
                # Not in the standard: a gateway has been seen to send " data:". Left alone, its
                # first chunk would be lost without a word.
                self._field(line.lstrip())
            case _:
                pass

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._data_size += len(data) + 1  # the line end that joins it to the next

    def _dispatch(self) -> SseRecord | None:
        data, event = self._data, self._event
        self._data, self._event, self._data_size = [], b"", 0
        if not data:
            return None
        joined = data[0] if len(data) == 1 else b"\n".join(data)
        return SseRecord(joined, event or b"message", self._id)

    def _check_size(self, line: int) -> None:
        # The same sum whether the line came whole or in pieces: chunking makes no difference.
        if self._data_size + line > self._max_record:
            self._line, self._data = [], []  # who keeps the error must not keep the bytes
            raise ProtocolError(f"a server-sent event is larger than {self._max_record:,} bytes")
