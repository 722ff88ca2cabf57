"""The loopback server: keep-alive, cuts, resets, clients that leave."""

import anyio
import httpx2
import pytest
from anyio import EndOfStream, create_task_group, fail_after

from midstream.simulator.server import Exchange, respond_json, serve

REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


async def raw(url: str, data: bytes) -> bytes:
    """Everything the server says to `data`, until it closes."""
    host, _, port = url.removeprefix("http://").partition(":")
    answer = b""
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(data)
        try:
            while True:
                answer += await stream.receive()
        except EndOfStream:
            return answer


async def test_a_chunked_answer_arrives_whole_and_the_connection_is_used_again() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(exchange.request.body)
        await exchange.send(b" and ")
        await exchange.send(exchange.request.path.encode())
        await exchange.finish()

    async with serve(handler) as url, httpx2.AsyncClient() as client:
        for n in range(3):
            answer = await client.post(f"{url}/{n}", content=b"ping")
            assert answer.text == f"ping and /{n}"
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_requests_sent_in_one_breath_are_answered_in_order() -> None:
    async def handler(exchange: Exchange) -> None:
        await respond_json(exchange, 200, exchange.request.path)

    first = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serve(handler) as url:
        answer = await raw(url, first + last)
    assert answer.count(b"200 OK") == 2
    assert answer.index(b'"/1"') < answer.index(b'"/2"')


async def test_json_has_its_status_its_headers_and_its_length() -> None:
    async def handler(exchange: Exchange) -> None:
        await respond_json(exchange, 529, {"type": "error"}, {"retry-after": "2"})

    async with serve(handler) as url, httpx2.AsyncClient() as client:
        answer = await client.get(url)
    assert (answer.status_code, answer.json()) == (529, {"type": "error"})
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-length"] == "16"


async def test_an_answer_that_is_not_finished_is_cut() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(b"half")

    async with serve(handler) as url:
        answer = await raw(url, REQUEST)
    assert answer.endswith(b"\r\n\r\n4\r\nhalf\r\n")


async def test_raw_bytes_pass_unframed() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send_raw(b"HTP/9 what?\r\n")
        await exchange.close()

    async with serve(handler) as url:
        assert await raw(url, REQUEST) == b"HTP/9 what?\r\n"


async def test_a_reset_is_a_reset() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(b"half")
        await exchange.reset()

    async with serve(handler) as url:
        with pytest.raises((httpx2.ReadError, ConnectionResetError)):
            async with httpx2.AsyncClient() as client:
                await client.post(url)


async def test_a_handler_learns_that_the_client_left() -> None:
    left = anyio.Event()

    async def handler(exchange: Exchange) -> None:
        await exchange.start()
        await exchange.client_left()
        left.set()

    async with serve(handler) as url:
        async with httpx2.AsyncClient() as client, client.stream("GET", url) as answer:
            assert answer.status_code == 200
        with fail_after(5):
            await left.wait()


async def test_a_client_that_leaves_in_the_middle_disturbs_nobody() -> None:
    async def handler(exchange: Exchange) -> None:
        if exchange.request.path == "/endless":
            while True:
                await exchange.send(b"x" * 65536)
        await exchange.finish()

    async with serve(handler) as url, httpx2.AsyncClient() as client:
        host, _, port = url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive()
        assert (await client.get(url)).status_code == 200


async def test_leaving_closes_every_connection_at_once() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start()
        await anyio.sleep_forever()

    async def ask(url: str) -> None:
        assert b"200 OK" in await raw(url, REQUEST)
        answers.append(url)

    answers: list[str] = []
    with fail_after(5):
        async with create_task_group() as clients, serve(handler) as url:
            for _ in range(3):
                clients.start_soon(ask, url)
            await anyio.wait_all_tasks_blocked()
    assert len(answers) == 3


@pytest.mark.parametrize("bad", [b"what?\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", REQUEST[:-1]])
async def test_what_is_not_http_gets_400(bad: bytes) -> None:
    async def handler(exchange: Exchange) -> None:
        raise AssertionError("never asked")

    async with serve(handler) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(bad)
            await stream.send_eof()
            assert (await stream.receive()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_client_that_asks_first_may_send_its_body() -> None:
    async def handler(exchange: Exchange) -> None:
        await respond_json(exchange, 200, exchange.request.body.decode())

    head = REQUEST.removesuffix(b"\r\n\r\n{}") + b"\r\nExpect: 100-continue\r\n\r\n"
    async with serve(handler) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(head)
            assert await stream.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await stream.send(b"{}")
            assert (await stream.receive()).endswith(b'"{}"')


async def test_what_a_handler_raises_comes_out_as_itself() -> None:
    async def handler(exchange: Exchange) -> None:
        raise KeyError("a bug in the handler")

    with pytest.raises(KeyError):  # noqa: PT012 - the context is what raises
        async with serve(handler) as url:
            await raw(url, REQUEST)
            await anyio.sleep_forever()


async def test_what_the_body_raises_comes_out_as_itself() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.finish()

    with pytest.raises(LookupError):
        async with serve(handler):
            raise LookupError
