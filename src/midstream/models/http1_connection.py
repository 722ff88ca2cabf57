"""One HTTP/1.1 connection on a bare `asyncio.Protocol`: bytes go from the socket to the decoder.

What is between the two costs more than the decoding, when a stream sends one event a write: so
there is no task, no lock and no timer for each read here.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable
from typing import cast

import httpx2

from midstream.errors import ProtocolError
from midstream.wire.http1 import Head, ResponseDecoder

Push = Callable[[bytes, float], bool]
MOST_UNREAD = 256 << 10  # bytes that wait for their reader before the server has to
# Other clocks stand still while a laptop sleeps, and what was open before is of no use after.
wall_clock = time.time  # noqa: TID251


class Http1Connection(asyncio.Protocol):
    """Carries one request at a time, for one task.

    Errors are httpx2's: ReadTimeout, ReadError, RemoteProtocolError. What earlier reads of the
    socket brought is read first.

    Attributes:
        push: takes a part of the body, and the time, in the callback that has read it, if the task
            waits for one, and returns whether to wake that task; `read` then returns no bytes.
            To wake it for each would take half as much again (36,000 instructions).
    """

    __slots__ = ("_decoder", "_heard", "_loop", "_parts", "_patience", "_released", "_stuck",
                 "_transport", "_trouble", "_unread", "_unsent", "_waiter", "_watch", "answered",
                 "closed", "push")  # fmt: skip

    def __init__(self) -> None:
        self.closed = False
        self.answered = False  # a byte came for the request under way
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._decoder: ResponseDecoder | None = None  # none while nothing was asked
        self._parts: list[bytes] = []  # of the body, not read yet
        self._unread = 0
        self._released = 0.0
        self._trouble: httpx2.TransportError | None = None
        self._stuck = False  # the socket takes no more for now
        self._unsent = 0  # bytes, when that was looked at last
        self._waiter: asyncio.Future[None] | None = None
        self.push: Push | None = None
        self._patience: float | None = None
        self._heard = 0.0
        self._watch: asyncio.TimerHandle | None = None

    # -- its user ------------------------------------------------------------------------------

    async def send(
        self, method: str, head: bytes, body: AsyncIterable[bytes], patience: float | None
    ) -> Head:
        """Send a request; return the head of its response, which may come before all was sent.

        Args:
            patience: seconds without a byte, to or fro, after which to give up, here and in `read`.
        """
        self._decoder = decoder = ResponseDecoder(method)
        self._patience, self.answered = patience, False
        async for part in body:
            self._transport.writelines((head, part))
            head, self._unsent = b"", self._transport.get_write_buffer_size()
            while self._stuck and not (decoder.head or self._trouble):
                await self._change()
            if decoder.head or self._trouble:
                break
        if head:
            self._transport.write(head)
        while decoder.head is None:
            if self._trouble:
                raise self._trouble
            await self._change()
        return decoder.head

    async def read(self) -> bytes | None:
        """What has come of the body since the last time; None at its end."""
        assert self._decoder is not None
        while not self._parts:
            if self._decoder.ended:
                return None
            if self._trouble:
                raise self._trouble
            await self._change()
        parts, self._parts = self._parts, []
        if self._unread > MOST_UNREAD and not self.closed:
            self._transport.resume_reading()
        self._unread = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def release(self) -> bool:
        """Be done with the request. Returns whether the connection can take another one."""
        decoder, self._decoder, self.push = self._decoder, None, None
        self._rest()
        whole = decoder is not None and decoder.ended and decoder.reusable
        if not whole or self._parts or self._trouble or self._transport.get_write_buffer_size():
            self.abort()  # with parts unread the socket may be paused, for the next request as well
        self._released = wall_clock()
        return not self.closed

    def usable(self, idle_s: float) -> bool:
        """Whether it is open, and was released no more than so many seconds ago."""
        idle = abs(wall_clock() - self._released)  # somebody may have set the clock
        return not self.closed and idle < idle_s

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.closed = True
        self._rest()
        self._transport.abort()

    def _rest(self) -> None:
        """Keep no watch: its timer would hold the connection for as long as it runs."""
        if self._watch:
            self._watch.cancel()
            self._watch = None

    # -- waiting -------------------------------------------------------------------------------

    async def _change(self) -> None:
        """Wait until something has happened, or nothing for too long."""
        self._waiter = self._loop.create_future()
        self._heard = self._loop.time()
        if self._watch is None and self._patience is not None:
            self._watch = self._loop.call_later(self._patience, self._look, self._patience)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look(self, patience: float) -> None:
        """Give up if the time has come. One timer that looks again is cheaper than one a read."""
        self._watch = None
        if self._waiter is None or self._waiter.done():  # done: a byte has come just now
            return
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if self._unsent < unsent:  # the server takes the request, slowly as that may be
            self._heard = self._loop.time()
        left = self._heard + patience - self._loop.time()
        if left <= 0:
            self._fail(httpx2.ReadTimeout(f"no byte for {patience:g} s"))
        else:
            self._watch = self._loop.call_later(left, self._look, patience)

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, trouble: httpx2.TransportError) -> None:
        self._trouble = self._trouble or trouble
        self.abort()
        self._wake()

    # -- asyncio calls these -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        if self._decoder is None:
            self.abort()  # nobody asked: it would be taken for the next answer
            return
        self.answered = True
        try:
            part = self._decoder.feed(data)
        except ProtocolError as error:
            self._fail(httpx2.RemoteProtocolError(str(error)))
            return
        if part:
            if self.push and self._waiter and not self._waiter.done():
                self._heard = self._loop.time()
                if not (self.push(part, self._heard) or self._decoder.ended):
                    return
                part = b""
            self._parts.append(part)
            unread, self._unread = self._unread, self._unread + len(part)
            if unread <= MOST_UNREAD < self._unread:
                self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._rest()
        if self._decoder and not self._decoder.ended and not self._trouble:
            if exc:
                self._trouble = httpx2.ReadError(str(exc))
            else:
                self._end()
        self._wake()

    def _end(self) -> None:
        assert self._decoder is not None
        try:
            self._decoder.end()
        except ProtocolError as error:
            self._trouble = httpx2.RemoteProtocolError(str(error))

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        self._wake()
