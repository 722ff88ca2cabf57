"""A loopback HTTP/1.1 server whose answers are bytes of the handler's own making.

Requests are read by h11. Answers are not written by it, because a server for tests must be able
to write wrong ones: a chunk that ends too early, a reset, a status line that is none.
"""

import errno
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from http import HTTPStatus

import anyio
import anyio.abc
import anyio.lowlevel
import h11
import msgspec
from msgspec import Struct

EVENT_STREAM: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
}

# There is no file for another connection, which waits until there is.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Request(Struct, frozen=True):
    """What the client asked. Header names are in lower case; `path` includes the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Progress(Enum):
    WAITING = "nothing is written yet"
    STARTED = "the status line and the headers are written"
    FINISHED = "the answer is whole: the connection can be used again"
    CLOSED = "the connection is closed"


class ClientLeft(anyio.BrokenResourceError):
    """There is nobody to write to; a handler may let it pass."""


class Exchange:
    """One request and the means to answer it.

    An answer that the handler does not finish is cut: the connection closes when the handler
    returns. Every method that writes raises `ClientLeft` once the connection is gone.

    Attributes:
        faults: what is wrong with the answer on purpose, for those who watch.
    """

    def __init__(self, request: Request, connection: "Connection") -> None:
        self.request = request
        self.progress = Progress.WAITING
        self.faults: tuple[str, ...] = ()
        self._connection = connection
        self._chunked = True

    async def start(self, status: int = 200, headers: Mapping[str, str] = EVENT_STREAM) -> None:
        """Write the status line and the headers; chunked, unless they give a length."""
        await self._connection.write(self._head(status, headers))

    async def send(self, data: bytes) -> None:
        """Write a piece of the body, one chunk in one write; an answer starts by itself."""
        if self.progress is Progress.WAITING:
            await self.start()
        if data:  # an empty chunk would be the last one
            await self._connection.write(self._frame(data))

    async def send_raw(self, data: bytes) -> None:
        """Write to the socket, with no framing of any kind."""
        await self._connection.write(data)

    async def finish(self) -> None:
        if self.progress is Progress.WAITING:
            await self.start()
        if self._chunked:
            await self._connection.write(b"0\r\n\r\n")
        self.progress = Progress.FINISHED

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Write a whole answer that knows its length, in one write."""
        head = self._head(status, {**headers, "content-length": str(len(body))})
        await self._connection.write(head + body)
        self.progress = Progress.FINISHED

    async def close(self) -> None:
        """Close the connection in peace; a body without its last chunk is a cut."""
        self.progress = Progress.CLOSED
        self._connection.close()
        await anyio.lowlevel.checkpoint()

    async def reset(self) -> None:
        """Close the connection by a TCP reset; the client may lose what it has not yet read."""
        self.progress = Progress.CLOSED
        self._connection.reset()
        await anyio.lowlevel.checkpoint()

    async def client_left(self) -> None:
        """Wait until the client closes its side."""
        await self._connection.closed_by_peer()

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        self.progress = Progress.STARTED
        names = {name.lower() for name in headers}
        self._chunked = names.isdisjoint({"content-length", "transfer-encoding"})
        framing = {"transfer-encoding": "chunked"} if self._chunked else {}
        lines = [f"{name}: {value}" for name, value in {**headers, **framing}.items()]
        head = [f"HTTP/1.1 {status} {phrase(status)}", *lines, "", ""]
        return "\r\n".join(head).encode("latin-1")  # as requests are read: each byte a character

    def _frame(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data


Handler = Callable[[Exchange], Awaitable[None]]


async def respond_json(
    exchange: Exchange, status: int, value: object, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with `value` as JSON and finish."""
    all_headers = {"content-type": "application/json", **(headers or {})}
    await exchange.respond(status, all_headers, msgspec.json.encode(value))


@asynccontextmanager
async def serve(handler: Handler, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Serve until the context is left, which closes every connection at once.

    Yields the base URL, such as `http://127.0.0.1:49152`. What a handler raises is raised here:
    a failed assertion in a handler fails the test.
    """
    with socket.create_server((host, port), backlog=128) as listener:
        listener.setblocking(False)
        bound: int = listener.getsockname()[1]
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_accept, listener, handler, tasks)
                yield f"http://{host}:{bound}"
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # A lone error comes out as itself, so that the caller can catch it by its type.
            error, *others = group.exceptions
            if others:
                raise
            raise error from error.__cause__


async def _accept(listener: socket.socket, handler: Handler, tasks: anyio.abc.TaskGroup) -> None:
    while True:
        await anyio.wait_readable(listener)
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionError):  # it left before it was taken
            continue
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            await anyio.sleep(0.1)  # nothing tells when there is one again
            continue
        tasks.start_soon(_converse, Connection(accepted), handler)


async def _converse(connection: "Connection", handler: Handler) -> None:
    try:
        while request := await connection.next_request():
            exchange = Exchange(request, connection)
            await handler(exchange)
            if exchange.progress is not Progress.FINISHED:
                return
            if request.headers.get("connection", "").lower() == "close":
                return
    except ClientLeft:
        pass  # which is its right
    except h11.RemoteProtocolError as error:
        await _refuse(connection, error)
    finally:
        connection.close()


async def _refuse(connection: "Connection", error: h11.RemoteProtocolError) -> None:
    exchange = Exchange(Request("", "", {}, b""), connection)
    try:
        plain = {"content-type": "text/plain", "connection": "close"}
        await exchange.respond(error.error_status_hint, plain, str(error).encode())
    except ClientLeft:
        pass


class Connection:
    """A socket of our own: a stream class would send FIN where a reset is asked for."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = accepted
        self._unread = b""

    async def next_request(self) -> Request | None:
        """The next request, or None when the client has closed the connection between two.

        Raises:
            h11.RemoteProtocolError: what arrived is not HTTP/1.1.
        """
        # h11 would only begin another cycle if it had written the answer, so each request gets
        # a parser of its own, which inherits what was read too far.
        parser = h11.Connection(h11.SERVER)
        if self._unread:
            parser.receive_data(self._unread)
        head: h11.Request | None = None
        body = bytearray()
        while True:
            match parser.next_event():
                case h11.NEED_DATA:
                    if parser.they_are_waiting_for_100_continue:
                        await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    parser.receive_data(await self.read())
                case h11.Request() as head:
                    pass
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage() if head:
                    self._unread = parser.trailing_data[0]
                    return _request(head, bytes(body))
                case _:
                    return None

    async def read(self) -> bytes:
        """What has arrived, or b"" at the end."""
        while True:
            try:
                return self._socket.recv(65536)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise ClientLeft from error

    async def write(self, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()  # so that a reader in the same loop gets its turn
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise ClientLeft from error

    async def closed_by_peer(self) -> None:
        try:
            while data := await self.read():
                self._unread += data
        except ClientLeft:
            pass

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


def _request(head: h11.Request, body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode(), head.target.decode("latin-1"), headers, body)


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
