"""The transport for streams, against servers on real sockets that do as they please."""

import asyncio
import socket
import ssl
import struct
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx2
import psutil
import pytest
import trustme

from midstream.models.http1_connection import MOST_UNREAD, wall_clock
from midstream.models.http1_transport import KEPT_IDLE_S, Http1Transport, origin_of

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nhi"
Conduct = Callable[["Guest"], Awaitable[None]]

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Both loops it is made for."""
    return request.param


class Guest:
    """A connection, as its server sees it.

    Attributes:
        number: 1, 2, 3 … in the order in which they came.
    """

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: Any) -> None:
        self.number = number
        self.reader = reader
        self.writer: asyncio.StreamWriter = writer
        self.gone = anyio.Event()

    async def request(self) -> bytes:
        """The body of the next request; nothing once the client has left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-L"))
        return await self.reader.readexactly(size)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close by a TCP reset."""
        once = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, once)

    async def left(self) -> None:
        """Wait until the client has closed."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        self.gone.set()


class Server:
    def __init__(self, url: str) -> None:
        self.url = url
        self.guests: list[Guest] = []


@asynccontextmanager
async def serving(conduct: Conduct, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    tasks: set[asyncio.Task[Any]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        guest = Guest(len(server.guests) + 1, reader, writer)
        server.guests.append(guest)
        try:
            await conduct(guest)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = Server(f"http{'s' if tls else ''}://localhost:{port}")
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def client(
    patience: float = 20.0, verify: ssl.SSLContext | None = None
) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = Http1Transport(verify)
    async with httpx2.AsyncClient(transport=transport, timeout=patience) as made:
        yield made


async def collect(http: httpx2.AsyncClient, url: str, seen: list[bytes]) -> None:
    async with http.stream("POST", url, content=b"{}") as response:
        async for chunk in response.aiter_raw():
            seen.append(chunk)  # noqa: PERF401 - also of a stream that is cut


async def chunks(response: httpx2.Response) -> list[bytes]:
    return [chunk async for chunk in response.aiter_raw()]


# -- a stream ----------------------------------------------------------------------------------


async def test_each_chunk_is_there_as_soon_as_it_was_written() -> None:
    go_on = asyncio.Queue[None]()

    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(CHUNKED)
        for word in (b"one", b"two", b"three"):
            await guest.say(b"%x\r\n%b\r\n" % (len(word), word))
            await go_on.get()
        await guest.say(b"0\r\n\r\n")
        await guest.left()

    async with serving(conduct) as server, client() as http:
        async with http.stream("POST", server.url, content=b"{}") as response:
            seen: list[bytes] = []
            async for chunk in response.aiter_raw():
                seen.append(chunk)
                go_on.put_nowait(None)
    assert seen == [b"one", b"two", b"three"]


@pytest.mark.parametrize("close", [True, False])
async def test_a_body_that_ends_with_the_connection(close: bool) -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(OK + b"\r\nhel")
        await guest.say(b"lo")
        if not close:
            guest.reset()

    async with serving(conduct) as server, client() as http:
        async with http.stream("POST", server.url, content=b"{}") as response:
            if close:
                assert b"".join(await chunks(response)) == b"hello"
            else:
                with pytest.raises(httpx2.ReadError):
                    await chunks(response)


@pytest.mark.parametrize(
    ("said", "came"),
    [
        (b"", b""),
        (b"HTTP/1.1 2", b""),
        (b"220 smtp.example ESMTP\r\n\r\n", b""),
        (CHUNKED + b"5\r\nhel", b"hel"),
        (CHUNKED + b"5\r\nhello\r\n", b"hello"),
        (CHUNKED + b"zz\r\n", b""),
        (CHUNKED + b"5\r\nhello\r\nzz\r\n", b""),  # in one piece with what is malformed
        (OK + b"Content-Length: 9\r\n\r\nhello", b"hello"),
    ],
)
async def test_what_is_cut_or_malformed_is_an_error_behind_what_came(
    said: bytes, came: bytes
) -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(said)

    seen: list[bytes] = []
    async with serving(conduct) as server, client() as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await collect(http, server.url, seen)
        assert len(server.guests) == 1
    assert b"".join(seen) == came


async def test_a_server_that_answers_before_it_has_read_all_is_heard() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.reader.readuntil(b"\r\n\r\n")
        await guest.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await guest.left()

    async with serving(conduct) as server, client() as http:
        response = await http.post(server.url, content=b"x" * (32 << 20))
        assert (response.status_code, response.content) == (413, b"no")
        again = await http.post(server.url, content=b"{}")
        assert again.status_code == 413
        assert len(server.guests) == 2  # the first still waited for the rest of the request


async def test_who_does_not_read_holds_up_the_server_and_not_the_memory() -> None:
    sent = 0

    async def conduct(guest: Guest) -> None:
        nonlocal sent
        await guest.request()
        await guest.say(CHUNKED)
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(1000):
            await guest.say(piece)
            sent += 1
            stuck.set()
        await guest.say(b"0\r\n\r\n")

    stuck = anyio.Event()
    tracemalloc.start()
    try:
        async with serving(conduct) as server, client() as http:
            async with http.stream("POST", server.url, content=b"{}") as response:
                last = -1
                while last != sent:  # until it gets no further
                    last = sent
                    with anyio.move_on_after(0.3):
                        await anyio.sleep_forever()
                assert 0 < sent < 500
                assert tracemalloc.get_traced_memory()[1] < 16 * MOST_UNREAD
                size = 0
                async for chunk in response.aiter_raw():
                    size += len(chunk)
    finally:
        tracemalloc.stop()
    assert (sent, size) == (1000, 1000 * 0x10000)


# -- the next request --------------------------------------------------------------------------


async def answering(guest: Guest) -> None:
    while True:
        body = await guest.request()
        await guest.say(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)


async def test_requests_share_a_connection() -> None:
    async with serving(answering) as server, client() as http:
        for word in (b"one", b"two", b"three"):
            assert (await http.post(server.url, content=word)).content == word
        assert len(server.guests) == 1


async def test_what_was_not_read_is_no_burden_for_the_next_request() -> None:
    """The whole of a large body is there, and the socket paused, when the first is left."""
    whole = anyio.Event()

    async def conduct(guest: Guest) -> None:
        while True:
            await guest.request()
            size = MOST_UNREAD + 1 if guest.number == 1 else 2
            await guest.say(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
            whole.set()

    async with serving(conduct) as server, client(patience=5.0) as http:
        async with http.stream("POST", server.url, content=b"{}"):
            await whole.wait()
            await anyio.wait_all_tasks_blocked()
        assert (await http.post(server.url, content=b"{}")).content == b"xx"


async def test_streams_side_by_side_have_a_connection_each_and_leave_them_to_others() -> None:
    async with serving(answering) as server, client() as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(lambda: http.post(server.url, content=b"x"))
        await http.post(server.url, content=b"x")
        assert len(server.guests) <= 5


async def test_a_connection_that_the_server_closed_while_idle_is_not_used() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)

    async with serving(conduct) as server, client() as http:
        for _ in range(3):
            assert (await http.post(server.url, content=b"x")).content == b"hi"
        assert len(server.guests) == 3


async def test_one_that_it_closes_as_the_request_comes_is_asked_again_on_a_new_one() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)
        if guest.number == 1:
            await guest.request()
            return
        await guest.left()

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        assert (await http.post(server.url, content=b"x")).content == b"hi"
        assert len(server.guests) == 2


async def test_a_new_one_that_is_closed_is_not_asked_again() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        if guest.number == 1:
            await guest.say(WHOLE)
            await guest.request()

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        with pytest.raises(httpx2.RemoteProtocolError, match="without an answer"):
            await http.post(server.url, content=b"x")
        assert len(server.guests) == 2


async def test_what_is_no_http_is_told_by_its_first_bytes() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(b"SSH-2.0-OpenSSH_9.2\r\n")

    async with serving(conduct) as server, client() as http:
        with pytest.raises(httpx2.RemoteProtocolError, match=r"not an HTTP/1.1 response: b'SSH-2"):
            await http.post(server.url, content=b"x")


async def test_one_that_was_kept_is_not_asked_again_once_a_byte_of_its_answer_came() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)
        await guest.request()
        await guest.say(OK[:1])

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        with pytest.raises(httpx2.RemoteProtocolError, match="in the middle of the head"):
            await http.post(server.url, content=b"x")
        assert len(server.guests) == 1


async def test_silence_on_one_that_was_kept_is_an_error_and_no_other_one_is_trusted() -> None:
    """Of connections that died without a word (a network that changed) each would take as long."""
    asked = list[int]()
    together = anyio.Event()

    async def conduct(guest: Guest) -> None:
        while await guest.request():
            asked.append(guest.number)
            if len(asked) == 3:
                together.set()
            if len(asked) <= 3:
                await together.wait()  # so that each has a connection of its own
            elif guest.number <= 3:
                await guest.left()
            await guest.say(WHOLE)

    async with serving(conduct) as server, client(patience=0.3) as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: http.post(server.url, content=b"x"))
        with pytest.raises(httpx2.ReadTimeout):
            await http.post(server.url, content=b"x")
        assert (await http.post(server.url, content=b"x")).content == b"hi"
        assert len(asked) == 5


async def test_one_that_worked_on_the_request_and_then_died_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("midstream.models.http1_transport.ROUND_TRIP_S", 0.05)
    asked = 0

    async def conduct(guest: Guest) -> None:
        nonlocal asked
        await guest.request()
        await guest.say(WHOLE)
        await guest.request()
        asked += 1
        await anyio.sleep(0.2)  # what it works

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        with pytest.raises(httpx2.RemoteProtocolError, match="without an answer"):
            await http.post(server.url, content=b"x")
    assert asked == 1


async def test_of_many_that_are_closed_at_once_only_one_is_asked() -> None:
    asked = list[int]()
    together = anyio.Event()

    async def conduct(guest: Guest) -> None:
        while await guest.request():
            asked.append(guest.number)
            if len(asked) == 5:
                together.set()
            if len(asked) <= 5:
                await together.wait()
            elif guest.number <= 5:
                return
            await guest.say(WHOLE)

    async with serving(conduct) as server, client() as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(lambda: http.post(server.url, content=b"x"))
        assert (await http.post(server.url, content=b"x")).content == b"hi"
        assert asked[5:] == [asked[5], 6]


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midstream.models.http1_transport.MOST_IDLE", 2)
    asked, together = 0, anyio.Event()

    async def conduct(guest: Guest) -> None:
        nonlocal asked
        await guest.request()
        asked += 1
        if asked == 6:
            together.set()
        await together.wait()
        await guest.say(WHOLE)
        await guest.left()

    async with serving(conduct) as server, client() as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(lambda: http.post(server.url, content=b"x"))
        assert connections_to(server.url) == 2


async def test_what_is_still_read_when_the_client_is_closed_is_closed_behind_it() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)
        await guest.left()

    async with serving(conduct) as server:
        async with client() as http:
            stream = http.stream("POST", server.url, content=b"x")
            response = await stream.__aenter__()
        await response.aread()
        await stream.__aexit__(None, None, None)
        with anyio.fail_after(20):
            await server.guests[0].gone.wait()


async def test_bytes_on_an_idle_connection_close_it() -> None:
    answered = anyio.Event()

    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)
        await answered.wait()
        await guest.say(b"x")
        await guest.left()

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        answered.set()
        with anyio.fail_after(20):
            await server.guests[0].gone.wait()


async def test_an_answer_that_nobody_asked_for_is_no_answer_to_the_next_request() -> None:
    async def conduct(guest: Guest) -> None:
        while True:
            await guest.request()
            await guest.say(WHOLE)
            await guest.say(OK + b"Content-Length: 4\r\n\r\nevil")

    async with serving(conduct) as server, client() as http:
        for _ in range(5):
            assert (await http.post(server.url, content=b"x")).content == b"hi"


async def test_one_that_was_open_while_the_machine_slept_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that shows it is the clock on the wall: others stood still."""

    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(WHOLE)
        await guest.left()

    async with serving(conduct) as server, client() as http:
        await http.post(server.url, content=b"x")
        woke = wall_clock() + KEPT_IDLE_S
        monkeypatch.setattr("midstream.models.http1_connection.wall_clock", lambda: woke)
        await http.post(server.url, content=b"x")
        with anyio.fail_after(20):
            await server.guests[0].gone.wait()
        assert len(server.guests) == 2


# -- being left --------------------------------------------------------------------------------

HALF_READ: list[Any] = [
    pytest.param(b"", id="before the head"),
    pytest.param(OK + b"Transfer", id="in the head"),
    pytest.param(CHUNKED, id="before the body"),
    pytest.param(CHUNKED + b"5\r\nhel", id="in a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", id="between chunks"),
]


@pytest.mark.parametrize("said", HALF_READ)
@pytest.mark.parametrize("how", ["cancelled", "left"])
async def test_a_stream_that_is_left_is_closed_at_once(said: bytes, how: str) -> None:
    began = anyio.Event()

    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(said)
        began.set()
        await guest.left()

    async def ask() -> None:
        async with http.stream("POST", server.url, content=b"{}") as response:
            async with aclosing(response.aiter_raw()) as stream:
                async for _ in stream:
                    if how == "left":
                        return
            raise AssertionError("it ended")

    async with serving(conduct) as server, client() as http:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await began.wait()
            if how == "cancelled" or b"5\r\nh" not in said:
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            await server.guests[0].gone.wait()
        assert connections_to(server.url) == 0


async def test_a_connection_that_is_given_up_while_it_is_made_is_closed() -> None:
    """Wherever in the making: the scope is cancelled after each number of steps."""
    async with serving(answering) as server, client() as http:
        for steps in range(30):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: http.post(server.url, content=b"x"))
                    for _ in range(steps):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
        assert connections_to(server.url) <= 1  # one may wait for the next request
    assert connections_to(server.url) == 0


def connections_to(url: str) -> int:
    """How many this process has open, as a client."""
    port = int(url.rpartition(":")[2])
    ours = psutil.Process().net_connections("tcp")
    return sum(1 for each in ours if each.raddr and each.raddr.port == port)


# -- waiting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", HALF_READ)
async def test_silence_is_an_error(said: bytes) -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(said)
        await guest.left()

    async with serving(conduct) as server, client(patience=0.3) as http:
        with pytest.raises(httpx2.ReadTimeout, match=r"no byte for 0\.3 s"):
            async with http.stream("POST", server.url, content=b"{}") as response:
                await chunks(response)
        with anyio.fail_after(20):
            await server.guests[0].gone.wait()


async def test_a_stream_that_is_slow_is_not_silent() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(CHUNKED)
        for _ in range(5):
            with anyio.move_on_after(0.2):  # shorter than the limit, all together longer
                await anyio.sleep_forever()
            await guest.say(b"1\r\nx\r\n")
        await guest.say(b"0\r\n\r\n")

    async with serving(conduct) as server, client(patience=0.5) as http:
        async with http.stream("POST", server.url, content=b"{}") as response:
            assert b"".join(await chunks(response)) == b"xxxxx"


async def test_a_request_that_is_not_taken_is_an_error() -> None:
    async def conduct(guest: Guest) -> None:
        await anyio.sleep_forever()

    async with serving(conduct) as server, client(patience=0.3) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.post(server.url, content=b"x" * (32 << 20))


async def test_a_request_that_is_taken_slowly_is_no_silence() -> None:
    took = 0

    async def conduct(guest: Guest) -> None:
        nonlocal took
        began = anyio.current_time()
        while await guest.reader.readexactly(1 << 20) and took < 24:
            took += 1
            await anyio.sleep(0.05)
        assert anyio.current_time() - began > 1.0
        await guest.say(WHOLE)
        await guest.left()

    async with serving(conduct) as server, client(patience=0.4) as http:
        answer = await http.post(server.url, content=b"x" * (32 << 20))
    assert (answer.content, took) == (b"hi", 24)


async def test_a_reader_that_takes_its_time_is_not_the_servers_silence() -> None:
    async def conduct(guest: Guest) -> None:
        await guest.request()
        await guest.say(CHUNKED + b"1\r\nx\r\n0\r\n\r\n")
        await guest.left()

    async with serving(conduct) as server, client(patience=0.1) as http:
        async with http.stream("POST", server.url, content=b"{}") as response:
            with anyio.move_on_after(0.4):
                await anyio.sleep_forever()
            assert await chunks(response) == [b"x"]


async def test_a_server_that_accepts_nobody_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # more than it lets wait
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        async with client(patience=0.3) as http:
            with pytest.raises(httpx2.ConnectTimeout, match=r"no connection within 0\.3 s"):
                await http.post(f"http://127.0.0.1:{port}", content=b"x")
        for each in waiting:
            each.close()


async def test_nobody_at_the_address_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with client() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.post(f"http://127.0.0.1:{port}", content=b"x")


# -- who it is ---------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def of_server(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_is_spoken_and_kept_for_the_next_request(authority: trustme.CA) -> None:
    tls = of_server(authority, "localhost")
    async with serving(answering, tls) as server, client(verify=trusting(authority)) as http:
        for size in (1, 1 << 20):
            assert len((await http.post(server.url, content=b"x" * size)).content) == size
        assert len(server.guests) == 1


@pytest.mark.parametrize("wrong", ["the name", "the authority"])
async def test_a_server_that_is_another_is_told_nothing(wrong: str, authority: trustme.CA) -> None:
    tls = of_server(authority, "elsewhere.example" if wrong == "the name" else "localhost")
    trusted = trustme.CA() if wrong == "the authority" else authority
    async with serving(answering, tls) as server, client(verify=trusting(trusted)) as http:
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await http.post(server.url, content=b"secret")
        assert not server.guests


async def test_where_the_first_address_is_dead_the_second_is_asked() -> None:
    """`localhost` may be ::1 as well, where nobody listens."""
    async with serving(answering) as server, client() as http:
        assert (await http.post(server.url, content=b"x")).content == b"x"


def test_a_host_is_asked_by_the_name_that_it_has_in_the_dns() -> None:
    """Encoded anew it would be another's: "straße" is "strasse" by the older rules."""
    assert origin_of(httpx2.URL("https://xn--strae-oqa.example/v1"))[1] == "xn--strae-oqa.example"
    assert origin_of(httpx2.URL("https://straße.example/v1"))[1] == "xn--strae-oqa.example"
    assert origin_of(httpx2.URL("http://[::1]:80/v1"))[1] == "::1"


@pytest.mark.parametrize("url", ["ftp://localhost/", "ws://localhost/"])
async def test_other_schemes_are_refused(url: str) -> None:
    async with client() as http:
        with pytest.raises(httpx2.UnsupportedProtocol):
            await http.post(url, content=b"x")


async def test_a_header_that_would_be_two_is_not_sent() -> None:
    async with serving(answering) as server, client() as http:
        with pytest.raises(httpx2.LocalProtocolError, match="header b'x-key'"):
            await http.post(server.url, content=b"x", headers={"x-key": "a\r\nb: c"})
        assert not server.guests


async def test_a_body_of_unknown_length_is_refused() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"x"

    async with serving(answering) as server, client() as http:
        with pytest.raises(httpx2.LocalProtocolError, match="length"):
            await http.post(server.url, content=parts())
        assert not server.guests
