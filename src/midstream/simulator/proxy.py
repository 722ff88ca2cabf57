"""A recording reverse proxy: passes on what comes, as it comes, and has it written down."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec
import truststore

from midstream.concurrency import task_group
from midstream.secrets.names import address
from midstream.simulator.recorder import Ending, Head, Recorder, Seen
from midstream.simulator.recording import error_body, has_body
from midstream.simulator.server import ClientLeft, Exchange, Handler, Request, respond_json

# They belong to one connection, not to what is said over it.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
# The client of the other side says these itself. What is not compressed can be read in the
# recording, and searched for keys.
OURS = frozenset({"host", "content-length", "expect", "accept-encoding"})


class Proxy:
    """Passes exchanges on to a provider and its answers back."""

    def __init__(self, client: httpx2.AsyncClient, upstream: str, recorder: Recorder) -> None:
        self._client = client
        self._upstream = upstream.rstrip("/")
        self._recorder = recorder
        self._began_at: float | None = None

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request; what `serve` wants."""
        asked_at = anyio.current_time()
        self._began_at = asked_at if self._began_at is None else self._began_at
        request = msgspec.structs.replace(
            exchange.request, headers=end_to_end(exchange.request.headers, OURS)
        )
        tape = Tape(self._recorder, asked_at)
        self._recorder.put(tape.n, asked_at - self._began_at, request)
        try:
            async with task_group() as tasks:
                tasks.start_soon(_leave, exchange, tape, tasks.cancel_scope)
                tape.end(await self._ask(exchange, request, tape))
                tasks.cancel_scope.cancel()
        except ClientLeft:
            tape.end(Ending("client left"))
        finally:
            ending = tape.end(Ending("cut", "the recorder was stopped"))
            tape.put(ending)
        # The client is left as the provider left us; not before nobody listens to it any more.
        match ending.how:
            case "reset":
                await exchange.reset()
            case "cut":
                await exchange.close()
            case "client left":
                raise ClientLeft
            case "whole" | "error":
                pass

    async def _ask(self, exchange: Exchange, request: Request, tape: "Tape") -> Ending:
        try:
            response = await self._client.send(self._request(request), stream=True)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError) as error:
            return _broken_off(error)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            where = address(self._upstream)
            words = f"no answer from {where}: {str(error) or type(error).__name__}"
            await respond_json(exchange, 502, error_body("upstream_error", words))
            return Ending("error", words)
        try:
            return await _pass_on(exchange, response, tape)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    def _request(self, request: Request) -> httpx2.Request:
        # Made by hand: the client would add headers of its own, and cookies of earlier answers.
        if not request.path.startswith("/"):
            raise httpx2.InvalidURL(f"{request.path!r} is not a path")
        headers = {**request.headers, "accept-encoding": "identity"}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        url = self._upstream + request.path
        return httpx2.Request(request.method, url, headers=raw, content=request.body)


class Tape:
    """What is recorded of one exchange."""

    def __init__(self, recorder: Recorder, asked_at: float) -> None:
        self.n = recorder.number()
        self._recorder = recorder
        self._asked_at = asked_at
        self._ending: Ending | None = None

    def put(self, seen: Seen, at: float | None = None) -> None:
        at = anyio.current_time() if at is None else at
        self._recorder.put(self.n, at - self._asked_at, seen)

    def end(self, ending: Ending) -> Ending:
        """The exchange's end: the first that is told. What comes of it is not another."""
        self._ending = self._ending or ending
        return self._ending


async def _leave(exchange: Exchange, tape: Tape, scope: anyio.CancelScope) -> None:
    await exchange.client_left()
    tape.end(Ending("client left"))
    scope.cancel()


async def _pass_on(exchange: Exchange, response: httpx2.Response, tape: Tape) -> Ending:
    headers = end_to_end(joined(response.headers), frozenset())
    tape.put(Head(response.status_code, headers))
    if not has_body(exchange.request.method, response.status_code):
        await exchange.respond(response.status_code, headers, b"")
        return tape.end(Ending("whole"))
    await exchange.start(response.status_code, headers)
    length = headers.get("content-length", "")
    missing = int(length) if length.isdecimal() else None
    try:
        async with aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                came_at = anyio.current_time()
                await exchange.send(chunk)
                tape.put(chunk, came_at)
                missing = missing and missing - len(chunk)
                if missing == 0:  # the client, too, knows that this is all, and may leave
                    tape.end(Ending("whole"))
    except httpx2.TransportError as error:
        return _broken_off(error)
    await exchange.finish()
    return tape.end(Ending("whole"))


def _broken_off(error: httpx2.TransportError) -> Ending:
    words = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause and not isinstance(cause, ConnectionResetError):
        cause = cause.__cause__ or cause.__context__
    return Ending("reset" if cause else "cut", words)


def end_to_end(headers: Mapping[str, str], without: frozenset[str]) -> dict[str, str]:
    named = {each.strip().lower() for each in headers.get("connection", "").split(",")}
    dropped = HOP_BY_HOP | named | without
    return {name: value for name, value in headers.items() if name.lower() not in dropped}


def joined(headers: httpx2.Headers) -> dict[str, str]:
    """Each name once, in lower case. Cookies may not share a line: they get one each."""
    values: dict[str, list[str]] = {}
    for name, value in headers.raw:  # as bytes: httpx2 guesses what their encoding is
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    between = {"set-cookie": "\r\nset-cookie: "}
    return {name: between.get(name, ", ").join(each) for name, each in values.items()}


@asynccontextmanager
async def proxy(upstream: str, recorder: Recorder) -> AsyncGenerator[Handler]:
    """A handler for `serve` that passes everything on to `upstream`, and has it recorded."""
    client = httpx2.AsyncClient(
        timeout=None,  # the client decides how long it waits
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=urlsplit(upstream).hostname not in ("127.0.0.1", "localhost", "::1"),
    )
    async with client:
        yield Proxy(client, upstream, recorder).handle
