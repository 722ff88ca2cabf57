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

from midstream.models.http1_connection import Http1Connection, Push
from midstream.wire.http1 import request_head

# Providers keep an idle connection for a minute and more, servers of one's own often for 5 s.
KEPT_IDLE_S = 55.0
MOST_IDLE = 100
# A server that closed it before it had heard of the request: that shows within a round trip. The
# request is then made once more, on a new connection; later, the server may have worked on it.
ROUND_TRIP_S = 0.5

Origin = tuple[str, str, int]  # scheme, host, port


class Http1Transport(httpx2.AsyncBaseTransport):
    """Opens connections, and keeps those that are idle for the next request.

    Args:
        verify: what a server's certificate is checked with; None: no `https` is asked.
    """

    def __init__(self, verify: ssl.SSLContext | None) -> None:
        self._verify = verify
        self._idle: dict[Origin, list[Http1Connection]] = {}
        self._closed = False

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
        if kept := self._kept(origin):
            began = asyncio.get_running_loop().time()
            try:
                return await self._ask(kept, request, head)
            except httpx2.TransportError as error:
                self._drop(origin)  # what has happened to one has happened to all, most likely
                late = asyncio.get_running_loop().time() - began > ROUND_TRIP_S
                if late or kept.answered or not isinstance(error, GONE):
                    raise
        return await self._ask(await self._connect(origin, patience.get("connect")), request, head)

    async def _ask(
        self, connection: Http1Connection, request: httpx2.Request, head: bytes
    ) -> httpx2.Response:
        stream, patience = request.stream, request.extensions.get("timeout", {})
        assert isinstance(stream, httpx2.AsyncByteStream)
        try:
            answer = await connection.send(request.method, head, stream, patience.get("read"))
        except BaseException:  # also when cancelled: nothing is left open
            connection.abort()
            raise
        body = ResponseBody(self, origin_of(request.url), connection)
        extensions = {"http_version": b"HTTP/" + answer.version, "midstream_body": body}
        return httpx2.Response(
            answer.status, headers=answer.fields, stream=body, extensions=extensions
        )

    async def aclose(self) -> None:
        self._closed = True
        for origin in [*self._idle]:
            self._drop(origin)

    def release(self, origin: Origin, connection: Http1Connection) -> None:
        """Take back what a response was read from."""
        if self._closed:
            connection.abort()
        elif connection.release():
            idle = self._idle.setdefault(origin, [])
            while idle and (len(idle) >= MOST_IDLE or not idle[0].usable(KEPT_IDLE_S)):
                idle.pop(0).abort()
            idle.append(connection)

    def _kept(self, origin: Origin) -> Http1Connection | None:
        """The one that was used last, of those that can be used."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if connection.usable(KEPT_IDLE_S):
                return connection
            connection.abort()
        return None

    def _drop(self, origin: Origin) -> None:
        for connection in self._idle.pop(origin, ()):
            connection.abort()

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

    def push_to(self, push: Push) -> None:
        """Have parts taken as they are read; see `Http1Connection`."""
        assert self._connection is not None
        self._connection.push = push

    async def __anext__(self) -> bytes:
        if self._connection and (part := await self._connection.read()) is not None:
            return part
        raise StopAsyncIteration

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            self._transport.release(self._origin, connection)


def origin_of(url: httpx2.URL) -> Origin:
    if url.scheme not in ("http", "https"):
        raise httpx2.UnsupportedProtocol(f"no way to ask a {url.scheme!r} address")
    # Not `url.host`, which is decoded: encoded anew, "ß" would be "ss", which is another's host.
    host = url.raw_host.decode("ascii")
    return url.scheme, host, url.port or (443 if url.scheme == "https" else 80)


async def addresses(origin: Origin) -> list[Any]:
    """Where it can be reached; raises OSError if it has no address."""
    _, host, port = origin
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:  # a name; it is asked for in a thread
        loop = asyncio.get_running_loop()
        return [*await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
