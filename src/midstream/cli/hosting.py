"""A server for as long as the command runs: where it is, what it is asked, and its end."""

import errno
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress

import anyio
import msgspec

from midstream.errors import ConfigurationError
from midstream.simulator.server import (
    EVENT_STREAM,
    ClientLeft,
    Exchange,
    Handler,
    Progress,
    serve,
)


async def host(handler: Handler, address: tuple[str, int], hint: Callable[[str], str]) -> None:
    """Serve until Ctrl-C. The base URL, a line for scripts, is all there is on stdout.

    Raises:
        ConfigurationError: it is not possible to listen there.
    """
    async with AsyncExitStack() as stack:
        # Before the URL is out: whoever reads it may stop us at once.
        stopped: Callable[[], Awaitable[object]] = anyio.sleep_forever
        with suppress(NotImplementedError):  # on Windows, where Ctrl-C is a KeyboardInterrupt
            signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
            stopped = signals.__anext__
        try:
            url = await stack.enter_async_context(serve(reported(handler), *address))
        except OSError as error:
            raise ConfigurationError(_words(error, *address)) from error
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        note(f"midstream: {hint(url)}; Ctrl-C ends it")
        await stopped()


def point(url: str, upstream: str = "") -> str:
    """How a client is pointed at the server: as one of the provider's behind it, if it is known."""
    anthropic, openai = f"ANTHROPIC_BASE_URL={url}", f"OPENAI_BASE_URL={url}/v1"
    if "openai" in upstream:
        return openai
    return anthropic if "anthropic" in upstream else f"{anthropic} or {openai}"


def note(line: str) -> None:
    """A line on stderr; what a stranger sent cannot move the cursor."""
    plain = "".join(each if each.isprintable() else " " for each in line)
    with suppress(OSError):  # nobody reads it
        sys.stderr.write(f"{plain}\n")
        sys.stderr.flush()


def reported(handler: Handler) -> Handler:
    """The handler, with a line on stderr for each request: what was asked, and what came of it."""

    async def handle(exchange: Exchange) -> None:
        watched = Watched(exchange)
        words = "stopped"
        try:
            await handler(watched)
            words = watched.outcome
        except ClientLeft:
            words = "client left"
            raise
        finally:
            exchange.progress = watched.progress
            request = exchange.request
            path = request.path.partition("?")[0]
            faults = f"(fault: {', '.join(watched.faults)})" if watched.faults else ""
            line = f"{request.method} {path} {watched.status} {words} {faults}"
            note(" ".join(line.split()))

    return handle


class Watched(Exchange):
    """An exchange that remembers how it was answered."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange.request, exchange._connection)
        self.status: int | str = "no answer:"
        self._error = ""

    @property
    def outcome(self) -> str:
        return self._error if self.progress is Progress.FINISHED else "cut"

    async def start(self, status: int = 200, headers: Mapping[str, str] = EVENT_STREAM) -> None:
        self.status = status
        await super().start(status, headers)

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        if status >= 400:
            self._error = _said(body)
        await super().respond(status, headers, body)


class _Problem(msgspec.Struct):
    type: str
    message: str


class _ErrorBody(msgspec.Struct):
    error: _Problem


def _said(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_ErrorBody).error
    except msgspec.DecodeError:
        return ""
    return f"{problem.type}: {problem.message}"


def _words(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: --port takes another, --port 0 a free one"
    reason = (error.strerror or str(error)).partition(" (while")[0]
    return f"cannot listen on {host}:{port}: {reason}"
