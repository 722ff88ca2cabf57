"""Writes a recording: what is seen goes into a queue, and a thread makes lines of it.

So nothing on the way between client and provider waits for the disk.
"""

import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import msgspec
from msgspec import Struct

from midstream.errors import ConfigurationError
from midstream.secrets.names import address, held_by, in_url
from midstream.secrets.secrets import Stream
from midstream.simulator.recording import (
    FORMAT,
    VERSION,
    Answered,
    AnyLine,
    Asked,
    Chunk,
    Ended,
    Header,
    How,
    as_text,
)
from midstream.simulator.redaction import Redactor
from midstream.simulator.server import Request


class Head(Struct, frozen=True):
    """The status and the headers of a response."""

    status: int
    headers: dict[str, str]


class Ending(Struct, frozen=True):
    how: How
    words: str = ""


Seen = Request | Head | bytes | Ending


class Recorder:
    """Writes a recording, in a thread of its own. Leaving the context writes what is left.

    Args:
        path: a file that does not exist yet: a recording is never written over.

    Attributes:
        failure: why nothing is written any more, if so.

    Raises:
        ConfigurationError: the file cannot be made.
    """

    def __init__(self, path: str | Path, upstream: str) -> None:
        try:
            # It holds conversations: for the eyes of its owner.
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}") from error
        self.failure: OSError | None = None
        self._queue = SimpleQueue[tuple[int, float, Seen] | None]()
        redactor = Redactor((*held_by(os.environ), *in_url(upstream)))
        self._script = Script(redactor)
        self._count = 0
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        header = Header(FORMAT, VERSION, redactor.text(address(upstream)), now)
        self._write(msgspec.json.encode(header) + b"\n")
        self._thread = Thread(target=self._run, name="midstream-recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._thread.join()
        os.close(self._file)

    def number(self) -> int:
        """A number for a new exchange."""
        self._count += 1
        return self._count

    def put(self, n: int, t: float, seen: Seen) -> None:
        self._queue.put((n, t, seen))

    def _run(self) -> None:
        while first := self._queue.get():
            lines = self._script.lines(*first)
            try:
                while more := self._queue.get_nowait():
                    lines += self._script.lines(*more)
            except Empty:
                more = first
            self._write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            if more is None:
                return

    def _write(self, data: bytes) -> None:
        try:
            while data and not self.failure:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.failure = error


class Script:
    """Makes the lines of a recording, without the keys."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._streams = defaultdict[int, Stream](redactor.stream)
        # When the chunks came that a stream holds: the next one might finish a key.
        self._times = defaultdict[int, list[float]](list)

    def lines(self, n: int, t: float, seen: Seen) -> list[AnyLine]:
        t = round(t, 6)
        match seen:
            case Request():
                return [self._asked(n, t, seen)]
            case Head(status, headers):
                return [Answered(n, t, status, self._redactor.headers(headers))]
            case bytes():
                self._times[n].append(t)
                return self._chunks(n, self._streams[n].feed(seen))
            case Ending(how, words):
                chunks = self._chunks(n, self._streams.pop(n, self._redactor.stream()).rest())
                self._times.pop(n, None)
                return [*chunks, Ended(n, t, how, self._redactor.text(words))]

    def _chunks(self, n: int, pieces: list[bytes]) -> list[AnyLine]:
        times, self._times[n] = self._times[n][: len(pieces)], self._times[n][len(pieces) :]
        return [Chunk(n, t, **as_text(data)) for t, data in zip(times, pieces, strict=True)]

    def _asked(self, n: int, t: float, request: Request) -> Asked:
        self._redactor.learn(request.path, request.headers, request.body)
        headers = self._redactor.headers(request.headers)
        path = self._redactor.text(request.path)
        body = self._redactor.body(request.body) if request.body else {}
        if "data" in body:
            body = as_text(body["data"])
        return Asked(n, t, request.method, path, headers, **body)
