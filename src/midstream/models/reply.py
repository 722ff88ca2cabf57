"""A response as it streams: chunks of bytes in, batches of events out."""

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import groupby
from typing import Any

import anyio
import httpx2

from midstream.errors import (
    ConfigurationError,
    MidstreamError,
    ProtocolError,
    StreamInterrupted,
    StreamStalled,
)
from midstream.events import Delta, TextDelta, ThinkingDelta, ToolInputDelta
from midstream.models.model import Batch, Patience
from midstream.providers.provider import Decoder
from midstream.stream import ResponseEnded, StreamEvent
from midstream.wire.sse import SseDecoder

# After the wire's last event only the end of the body is due. Waiting for it lets the next turn use
# the same connection; a server that never sends it is not waited for.
LAST_BYTES_S = 0.1
# By how much of `event_timeout` a stalled stream may be noticed late. A scope of its own for each
# read, with a deadline to the point, takes 20 µs: as much as all the rest that an event costs.
LATE = 1 / 16

TLS_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": " (SSL_CERT_FILE may name a file with the certificate to trust)",
    "WRONG_VERSION_NUMBER": " (perhaps it is http:// and not https://)",
}


class Reply(AsyncIterator[Batch]):
    """A response's events, in the batches in which they arrived.

    Args:
        scope: around all that is read; its deadline moves on with the events.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        decoder: Decoder,
        patience: Patience,
        scope: anyio.CancelScope,
    ) -> None:
        self._chunks = chunks
        self._records = SseDecoder(patience.max_record)
        self._decoder = decoder
        self._patience = patience
        self._scope = scope
        self._size = 0
        self._ended = False
        self._trouble: MidstreamError | None = None
        self._move(time.monotonic())

    async def __anext__(self) -> Batch:
        while not self._ended:
            # Trouble waits until what came before it has been handed out, so that how the network
            # cut the stream makes no difference.
            if self._trouble:
                raise self._trouble
            chunk = await self._read()
            self._ended = not chunk
            if events := self._decode(chunk):
                now = time.monotonic()
                if now - self._moved_at > self._patience.event_timeout * LATE:
                    self._move(now)
                return joined(events)
        if self._trouble:
            raise self._trouble
        raise StopAsyncIteration

    def _move(self, now: float) -> None:
        """Move the deadline. Each time costs a timer, so that it is done now and then only."""
        self._moved_at = now
        self._scope.deadline = anyio.current_time() + self._patience.event_timeout * (1 + LATE)

    async def finish(self) -> None:
        """Read what follows the last event, if it comes at once."""
        if self._ended:
            with anyio.move_on_after(LAST_BYTES_S):
                try:
                    async for _ in self._chunks:
                        pass
                except httpx2.TransportError:
                    pass  # the answer is whole; how the connection ends is no matter

    async def _read(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            return b""
        except httpx2.HTTPError as error:
            raise named(error) from error
        self._size += len(chunk)
        if self._size > self._patience.max_response:
            raise ProtocolError(
                f"the response is larger than {self._patience.max_response:,} bytes"
            )
        return chunk

    def _decode(self, chunk: bytes) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        try:
            for record in self._records.feed(chunk):
                events += self._decoder.feed(record)
                if events and isinstance(events[-1], ResponseEnded):
                    self._ended = True
                    return events
            if not chunk:
                if rest := self._records.rest():
                    events += self._decoder.feed(rest)
                events += self._decoder.end()
        except MidstreamError as error:
            self._trouble = error
        return events


def joined(events: list[StreamEvent]) -> list[StreamEvent]:
    """The same, with neighbouring fragments of one block made one.

    They came together, so that nobody has to wait for it, and all that comes after has less to do.
    """
    if len(events) == 1:
        return events
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
        return StreamStalled(f"no byte came in time ({type(error).__name__})")
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
