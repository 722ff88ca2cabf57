"""The floors: what reading a stream costs with nothing around it.

"floor" is a socket read by `loop.sock_recv`, its chunks decoded here, and msgspec. Beside it are
the same over asyncio's streams and over a bare `asyncio.Protocol`; then an HTTP client alone with
msgspec: httpx2 (which midstream uses) and aiohttp.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import cast
from urllib.parse import urlsplit

import msgspec
from worker import ALONE, READING, WARM, Contender, Got, Open, Read, main

BODY = b'{"model": "claude-sonnet-4-6", "stream": true}'


# -- records -----------------------------------------------------------------------------------


class MessagesDelta(msgspec.Struct):
    text: str = ""
    partial_json: str = ""
    thinking: str = ""


class MessagesEvent(msgspec.Struct):
    delta: MessagesDelta | None = None


class ChatFunction(msgspec.Struct):
    arguments: str = ""


class ChatCall(msgspec.Struct):
    function: ChatFunction


class ChatDelta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[ChatCall] | None = None


class ChatChoice(msgspec.Struct):
    delta: ChatDelta


class ChatChunk(msgspec.Struct):
    choices: list[ChatChoice]


class ResponsesEvent(msgspec.Struct):
    delta: str = ""


Records = Callable[[bytes], None]


def messages_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(MessagesEvent).decode

    def take(record: bytes) -> None:
        delta = decode(record[record.index(b"data: ") + 6 :]).delta
        if delta and (fragment := delta.text or delta.partial_json or delta.thinking):
            got(fragment)

    return take


def chat_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(ChatChunk).decode

    def take(record: bytes) -> None:
        if record == b"data: [DONE]":
            return
        delta = decode(record[6:]).choices[0].delta
        if delta.content:
            got(delta.content)
        elif delta.tool_calls:
            got(delta.tool_calls[0].function.arguments)

    return take


def responses_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(ResponsesEvent).decode

    def take(record: bytes) -> None:
        if fragment := decode(record[record.index(b"data: ") + 6 :]).delta:
            got(fragment)

    return take


WIRES: dict[str, tuple[str, Callable[[Got], Records]]] = {
    "messages": ("v1/messages", messages_reader),
    "chat": ("chat/completions", chat_reader),
    "responses": ("responses", responses_reader),
}


class Events:
    """Bytes of a body to records, wherever they were cut."""

    def __init__(self, take: Records) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *records, self._rest = (self._rest + data).split(b"\n\n")
        for record in records:
            self._take(record)


class Chunks:
    """An HTTP/1.1 answer in chunks, wherever it was cut, to the bytes of its body."""

    def __init__(self, body: Callable[[bytes], None]) -> None:
        self._body = body
        self._line = b""  # of the head, or with a chunk's size, not ended yet
        self._in_head = True
        self._left = 0  # of a chunk, with the two bytes that end it
        self.ended = False

    def feed(self, data: bytes) -> None:
        data, place = self._line + data, 0
        if self._in_head:
            place = data.find(b"\r\n\r\n") + 4
            self._in_head = place == 3
        while not self._in_head and place < len(data):
            if self._left > 2:
                part = data[place : place + self._left - 2]
                self._body(part)
            elif self._left:
                part = data[place : place + self._left]
            elif (line := data.find(b"\r\n", place)) >= 0:
                size = int(data[place:line], 16)
                self._left, self.ended = size + 2, not size
                place = line + 2
                continue
            else:
                break
            self._left -= len(part)
            place += len(part)
        self._line = data if self._in_head else data[place:]


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

        async def read(got: Got) -> None:
            chunks = Chunks(Events(reader(got)).feed)
            with socket.socket() as connection:
                connection.setblocking(False)
                await loop.sock_connect(connection, (host, port))
                await loop.sock_sendall(connection, asked)
                while not chunks.ended:
                    chunks.feed(await loop.sock_recv(connection, 1 << 18))

        yield read

    return opened


@asynccontextmanager
async def over_streams(url: str) -> AsyncGenerator[Read]:
    path, reader = WIRES["messages"]
    host, port, asked = request(url, path)

    async def read(got: Got) -> None:
        chunks = Chunks(Events(reader(got)).feed)
        incoming, outgoing = await asyncio.open_connection(host, port)
        try:
            outgoing.write(asked)
            while not chunks.ended:
                chunks.feed(await incoming.read(1 << 18))
        finally:
            outgoing.close()

    yield read


class Fed(asyncio.Protocol):
    """Hands bytes on in the callback of the event loop; no task wakes up for them."""

    def __init__(self, chunks: Chunks, asked: bytes) -> None:
        self._chunks = chunks
        self._asked = asked
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._asked)

    def data_received(self, data: bytes) -> None:
        self._chunks.feed(data)
        if self._chunks.ended:
            self.ended.set()


@asynccontextmanager
async def over_protocol(url: str) -> AsyncGenerator[Read]:
    path, reader = WIRES["messages"]
    host, port, asked = request(url, path)
    loop = asyncio.get_running_loop()

    async def read(got: Got) -> None:
        chunks = Chunks(Events(reader(got)).feed)
        transport, protocol = await loop.create_connection(lambda: Fed(chunks, asked), host, port)
        try:
            await protocol.ended.wait()
        finally:
            transport.close()

    yield read


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


OF_WIRES = frozenset({"text", "mixed", "argument"})
CONTENDERS = {
    "floor": Contender(over_sock_recv("messages")),
    "floor, Chat": Contender(over_sock_recv("chat"), measures=OF_WIRES - {"mixed"}, wire="chat"),
    "floor, Responses": Contender(over_sock_recv("responses"), measures=OF_WIRES, wire="responses"),
    "asyncio streams and msgspec": Contender(over_streams, measures=ALONE),
    "asyncio.Protocol and msgspec": Contender(over_protocol, measures=WARM),
    "httpx2 and msgspec": Contender(over_httpx2),
    "aiohttp and msgspec": Contender(over_aiohttp),
}
if find_spec("uvloop"):
    BUSY = READING & {"paced", "many", "memory"}
    CONTENDERS["floor, uvloop"] = Contender(over_sock_recv("messages"), measures=BUSY, uvloop=True)
    CONTENDERS["asyncio.Protocol and msgspec, uvloop"] = Contender(
        over_protocol, measures=BUSY, uvloop=True
    )

if __name__ == "__main__":
    main(CONTENDERS)
