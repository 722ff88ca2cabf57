"""A response as it streams: chunks of bytes in, batches of events out."""

import ssl
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import anyio
import httpx2

from midstream.concurrency import clock
from midstream.errors import (
    ConfigurationError,
    MidstreamError,
    ProtocolError,
    StreamInterrupted,
    StreamStalled,
)
from midstream.events import Delta, TextDelta, ThinkingDelta, ToolInputDelta
from midstream.feed import DELTAS
from midstream.models.model import Batch, EagerBatches, Patience
from midstream.providers.provider import Decoder
from midstream.stream import ResponseEnded, StreamEvent
from midstream.wire.sse import SseDecoder

# After the wire's last event only the end of the body is due. Waiting for it lets the next turn use
# the same connection; a server that never sends it is not waited for.
LAST_BYTES_S = 0.1
# By how much of `event_timeout` a stalled stream may be noticed late. A scope of its own for each
# read, with a deadline to the point, took 20 µs an event.
LATE = 1 / 16

TLS_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": " (SSL_CERT_FILE may name a file with the certificate to trust)",
    "WRONG_VERSION_NUMBER": " (perhaps it is http:// and not https://)",
}


class Reply(EagerBatches):
    """A response's events, in the batches in which they arrived.

    Args:
        scope: around all that is read; its deadline moves on with the events.
    """

    __slots__ = ("_chunks", "_decoder", "_due", "_ended", "_now", "_patience", "_ready",
                 "_records", "_scope", "_size", "_trouble")  # fmt: skip

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        decoder: Decoder,
        patience: Patience,
        scope: anyio.CancelScope,
    ) -> None:
        super().__init__()
        self._chunks = chunks
        self._records = SseDecoder(patience.max_record)
        self._decoder = decoder
        self._patience = patience
        self._scope = scope
        self._size = 0
        self._ready: list[StreamEvent] = []
        self._ended = False
        self._trouble: Exception | None = None
        self._now = clock()
        self._move(self._now())
        if push_to := getattr(chunks, "push_to", None):
            push_to(self.feed)

    async def __anext__(self) -> Batch:
        while not (self._ready or self._ended or self._trouble):
            await self._read()
        if self._ready:
            # Trouble waits until what came before it has been handed out, so that how the network
            # cut the stream makes no difference.
            if (now := self._now()) > self._due:
                self._move(now)
            ready, self._ready = self._ready, []
            return joined(ready) if len(ready) > 1 else ready
        trouble, self._trouble, self._ended = self._trouble, None, True
        try:
            raise trouble or StopAsyncIteration
        finally:
            del trouble  # who keeps the error must not keep this reply

    def feed(self, part: bytes, now: float) -> bool:
        """Decode a part in the call that has read it, while `__anext__` waits for the next one.

        Args:
            now: by the event loop's clock.

        Returns:
            Whether it must go on: there is something that `take` has not been told.
        """
        try:
            self._decode(part)
            ready = self._ready
            if not ready:
                return self._trouble is not None
            if now > self._due:  # before the task is woken: it may have passed meanwhile
                self._move(now)
            if len(ready) > 1:
                ready = self._ready = joined(ready)
            if len(ready) > 1 or type(ready[0]) not in DELTAS or self._trouble or not self.take:
                return True
            self._ready = []
            self.take(ready)
        except Exception as error:  # it belongs to the task that reads, not to the event loop
            self._trouble = error
            return True
        return False

    def _move(self, now: float) -> None:
        """Move the deadline. Each time costs a timer: to be called when it is `_due`."""
        patience_s = self._patience.event_timeout
        self._due = now + patience_s * LATE
        self._scope.deadline = now + patience_s * (1 + LATE)

    async def finish(self) -> None:
        """Read what follows the last event, if it comes at once."""
        if self._ended:
            with anyio.move_on_after(LAST_BYTES_S):
                try:
                    async for _ in self._chunks:
                        pass
                except httpx2.TransportError:
                    pass  # the answer is whole; how the connection ends is no matter

    async def _read(self) -> None:
        try:
            self._decode(await self._chunks.__anext__())
        except StopAsyncIteration:
            self._end()
        except httpx2.HTTPError as error:
            raise named(error) from error

    def _decode(self, chunk: bytes) -> None:
        """What a chunk completes is ready then; what comes after the end, or trouble, is not."""
        if self._ended or self._trouble:
            return
        self._size += len(chunk)
        try:
            if self._size > self._patience.max_response:
                most = f"{self._patience.max_response:,} bytes"
                raise ProtocolError(f"the response is larger than {most}")
            for record in self._records.feed(chunk):
                self._ready += self._decoder.feed(record)
                if self._ready and type(self._ready[-1]) is ResponseEnded:
                    self._ended = True
                    return
        except MidstreamError as error:
            self._trouble = error

    def _end(self) -> None:
        self._ended = True
        try:
            if rest := self._records.rest():
                self._ready += self._decoder.feed(rest)
            self._ready += self._decoder.end()
        except MidstreamError as error:
            self._trouble = error


def joined(events: list[StreamEvent]) -> list[StreamEvent]:
    """The same, with neighbouring fragments of one block made one.

    They came together, so that nobody has to wait for it, and all that comes after has less to do.
    """
    made: list[StreamEvent] = []
    for place, neighbours in groupby(events, place_of):
        if place is None:
            made += neighbours
            continue
        (kind, block), deltas = place, list[Any](neighbours)
        if kind is ToolInputDelta:
            made.append(ToolInputDelta(block, "".join([each.json for each in deltas])))
        else:
            made.append(kind(block, "".join([each.text for each in deltas])))
    return made


def place_of(event: StreamEvent) -> tuple[type[Delta], Any] | None:
    """What kind of fragment of what block an event is, or None."""
    if type(event) is TextDelta or type(event) is ThinkingDelta:
        return type(event), event.index
    return (ToolInputDelta, event.id) if type(event) is ToolInputDelta else None


def named(error: Exception, where: str = "") -> MidstreamError:
    """What the HTTP client raised, under our names.

    Args:
        where: what was asked, such as " to http://host".
    """
    words = str(error) or type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        return StreamStalled(f"no byte came in time ({words})")
    if isinstance(error, httpx2.ConnectError) and (tls := tls_error(error)):
        hints = [hint for sign, hint in TLS_HINTS.items() if sign in str(tls)]
        return ConfigurationError("".join((f"no secure connection{where}: {tls}", *hints)))
    local = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL)
    if isinstance(error, local):
        return ConfigurationError(f"the request cannot be sent: {words}")
    return StreamInterrupted(f"the connection{where} failed: {words}")


def tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What of certificates or versions does not fit, which asking again does not change."""
    while error:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
