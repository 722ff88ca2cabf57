"""What reading a stream costs with nothing around it.

The raw readers take a socket's bytes from `loop.sock_recv`, from asyncio's streams or from a bare
`asyncio.Protocol`, decode the chunks themselves, and the records by msgspec. Which of them is the
cheapest depends on what is measured; that one is the floor. Beside them is an HTTP client alone
with msgspec: httpx2 (which midstream uses) and aiohttp.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import cast
from urllib.parse import urlsplit

from bare import WIRES, Chunks, Events
from worker import ALONE, READING, WARM, Contender, Got, Open, Read, main

BODY = b'{"model": "claude-sonnet-4-6", "stream": true}'


# -- sockets -----------------------------------------------------------------------------------


def request(url: str, path: str) -> tuple[str, int, bytes]:
    place = urlsplit(url)
    head = f"POST {place.path}/{path} HTTP/1.1\r\nhost: {place.netloc}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
    return place.hostname or "", place.port or 80, head.encode() + BODY


def over_sock_recv(wire: str) -> Open:
    path, reader = WIRES[wire]

    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Read]:
        host, port, asked = request(url, path)
        loop = asyncio.get_running_loop()
        idle: list[socket.socket] = []

        async def connected() -> socket.socket:
            connection = socket.socket()
            connection.setblocking(False)
            await loop.sock_connect(connection, (host, port))
            return connection

        async def read(got: Got) -> None:
            chunks = Chunks(Events(reader(got)).feed)
            connection = idle.pop() if idle else await connected()
            try:
                await loop.sock_sendall(connection, asked)
                while not chunks.ended:
                    chunks.feed(await loop.sock_recv(connection, 1 << 18))
            except BaseException:  # cancelled: its answer is still on the way
                connection.close()
                raise
            idle.append(connection)

        yield read
        for connection in idle:
            connection.close()

    return opened


@asynccontextmanager
async def over_streams(url: str) -> AsyncGenerator[Read]:
    path, reader = WIRES["messages"]
    host, port, asked = request(url, path)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def read(got: Got) -> None:
        chunks = Chunks(Events(reader(got)).feed)
        incoming, outgoing = idle.pop() if idle else await asyncio.open_connection(host, port)
        try:
            outgoing.write(asked)
            while not chunks.ended:
                chunks.feed(await incoming.read(1 << 18))
        except BaseException:
            outgoing.close()
            raise
        idle.append((incoming, outgoing))

    yield read
    for _, outgoing in idle:
        outgoing.close()


class Fed(asyncio.Protocol):
    """Hands bytes on in the callback of the event loop; no task wakes up for them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def ask(self, asked: bytes, chunks: Chunks) -> asyncio.Event:
        """What is set when the answer has ended."""
        self._chunks = chunks
        self._ended = asyncio.Event()
        self._transport.write(asked)
        return self._ended

    def data_received(self, data: bytes) -> None:
        self._chunks.feed(data)
        if self._chunks.ended:
            self._ended.set()

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def over_protocol(url: str) -> AsyncGenerator[Read]:
    path, reader = WIRES["messages"]
    host, port, asked = request(url, path)
    loop = asyncio.get_running_loop()
    idle: list[Fed] = []

    async def read(got: Got) -> None:
        chunks = Chunks(Events(reader(got)).feed)
        fed = idle.pop() if idle else (await loop.create_connection(Fed, host, port))[1]
        try:
            await fed.ask(asked, chunks).wait()
        except BaseException:
            fed.close()
            raise
        idle.append(fed)

    yield read
    for fed in idle:
        fed.close()


# -- HTTP clients ------------------------------------------------------------------------------


@asynccontextmanager
async def over_httpx2(url: str) -> AsyncGenerator[Read]:
    import httpx2

    path, reader = WIRES["messages"]
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:

        async def read(got: Got) -> None:
            events = Events(reader(got))
            async with client.stream("POST", f"{url}/{path}", content=BODY) as response:
                async for data in response.aiter_raw():
                    events.feed(data)

        yield read


@asynccontextmanager
async def over_aiohttp(url: str) -> AsyncGenerator[Read]:
    import aiohttp

    path, reader = WIRES["messages"]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 18) as client:

        async def read(got: Got) -> None:
            events = Events(reader(got))
            async with client.post(f"{url}/{path}", data=BODY) as response:
                async for data in response.content.iter_any():
                    events.feed(data)

        yield read


OF_WIRES = frozenset({"text", "mixed", "argument", "ttft"})
CONTENDERS = {
    "sock_recv and msgspec": Contender(over_sock_recv("messages"), raw=True),
    "sock_recv and msgspec, Chat": Contender(
        over_sock_recv("chat"), measures=OF_WIRES - {"mixed"}, wire="chat", raw=True
    ),
    "sock_recv and msgspec, Responses": Contender(
        over_sock_recv("responses"), measures=OF_WIRES, wire="responses", raw=True
    ),
    "asyncio streams and msgspec": Contender(over_streams, measures=ALONE, raw=True),
    "asyncio.Protocol and msgspec": Contender(over_protocol, measures=WARM, raw=True),
    "httpx2 and msgspec": Contender(over_httpx2),
    "aiohttp and msgspec": Contender(over_aiohttp),
}
if find_spec("uvloop"):
    BUSY = READING & {"paced", "many", "memory"}
    CONTENDERS["sock_recv and msgspec, uvloop"] = Contender(
        over_sock_recv("messages"), measures=BUSY, uvloop=True
    )
    CONTENDERS["asyncio.Protocol and msgspec, uvloop"] = Contender(
        over_protocol, measures=BUSY, uvloop=True
    )

if __name__ == "__main__":
    main(CONTENDERS)
