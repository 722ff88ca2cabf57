"""HTTP/1.1 for long streams, behind httpx2's transport interface; on asyncio.

With httpx2's own transport a lone event costs 44 µs more (docs/decisions/0009-http.md);
it is still who speaks HTTP/2, through proxies, and on trio.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import anyio
import httpx2
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

from midstream.models.http1_connection import Http1Connection
from midstream.wire.http1 import request_head

# Servers close an idle connection after 60 s and more. One that closes it earlier, at the moment
# at which it is used again, is asked once more on a new one.
KEPT_IDLE_S = 55.0

Origin = tuple[str, str, int]  # scheme, host, port


class Http1Transport(httpx2.AsyncBaseTransport):
    """Opens connections, and keeps those that are idle for the next request.

    Args:
        verify: what a server's certificate is checked with; None: no `https` is asked.
    """

    def __init__(self, verify: ssl.SSLContext | None) -> None:
        self._verify = verify
        self._idle: dict[Origin, list[Http1Connection]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, return its response as soon as the head is there.

        Raises:
            httpx2.TransportError: of the kinds that its own transport raises.
        """
        patience = request.extensions.get("timeout", {})
        origin = origin_of(request.url)
        if "transfer-encoding" in request.headers:
            raise httpx2.LocalProtocolError("the length of the request's body must be known")
        try:
            head = request_head(request.method, request.url.raw_path, request.headers.raw)
        except ValueError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        while True:
            kept = self._kept(origin)
            connection = kept or await self._connect(origin, patience.get("connect"))
            try:
                stream = request.stream
                assert isinstance(stream, httpx2.AsyncByteStream)
                answer = await connection.send(request.method, head, stream, patience.get("read"))
            except BaseException as error:  # also when cancelled: nothing is left open
                connection.abort()
                # Closed while idle, most likely. To ask again has no effect but another answer.
                if kept and not connection.answered and isinstance(error, GONE):
                    continue
                raise
            return httpx2.Response(
                answer.status,
                headers=answer.fields,
                stream=ResponseBody(self, origin, connection),
                extensions={"http_version": b"HTTP/" + answer.version},
            )

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def release(self, origin: Origin, connection: Http1Connection) -> None:
        """Take back what a response was read from."""
        if connection.release():
            self._idle.setdefault(origin, []).append(connection)

    def _kept(self, origin: Origin) -> Http1Connection | None:
        waiting = self._idle.get(origin, [])
        while waiting:
            connection = waiting.pop()
            if connection.closed:
                continue
            if connection.idle_s < KEPT_IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin, patience: float | None) -> Http1Connection:
        scheme, host, _ = origin
        tls: dict[str, Any] = {}
        if scheme == "https":
            tls = {"ssl": self._verify, "server_hostname": host}
        try:
            with anyio.fail_after(patience):
                # asyncio's own way to try several addresses at once leaks sockets when cancelled.
                plain = await start_connection(await addresses(origin), happy_eyeballs_delay=0.25)
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(Http1Connection, sock=plain, **tls)
                return connection
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection within {patience:g} s") from error
        except (OSError, ValueError) as error:  # ValueError: a host name that is none
            raise httpx2.ConnectError(str(error)) from error


GONE = (httpx2.ReadError, httpx2.RemoteProtocolError)


class ResponseBody(httpx2.AsyncByteStream, AsyncIterator[bytes]):
    def __init__(
        self, transport: Http1Transport, origin: Origin, connection: Http1Connection
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._connection: Http1Connection | None = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._connection and (part := await self._connection.read()):
            return part
        raise StopAsyncIteration

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            self._transport.release(self._origin, connection)


def origin_of(url: httpx2.URL) -> Origin:
    if url.scheme not in ("http", "https"):
        raise httpx2.UnsupportedProtocol(f"no way to ask a {url.scheme!r} address")
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


async def addresses(origin: Origin) -> list[Any]:
    """Where it can be reached; raises OSError if it has no address."""
    _, host, port = origin
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:  # a name; it is asked for in a thread
        loop = asyncio.get_running_loop()
        return [*await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
