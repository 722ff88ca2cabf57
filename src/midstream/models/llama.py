"""The process that llama.cpp's server runs in, as seen from here: its start, its news, its end."""

import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile
from typing import IO

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Struct

from midstream.errors import ConfigurationError
from midstream.models.llama_server import LOADING, Start

Progress = Callable[[float | None], None]

COMMAND = (sys.executable, "-P", "-m", "midstream.models.llama_server")
LONGEST_NEWS = 1 << 20
TICK_S = 1.0  # how often progress is told while there is none
# Where llama.cpp says what is wrong, the most telling place first.
ERRORS = (
    re.compile(r"error (?:loading model|parsing grammar): (.+)"),
    re.compile(r"^[\d.]+ E (.+)", re.MULTILINE),
    re.compile(r"(.+)\s*\Z"),
)


class _Payload(Struct, frozen=True):
    value: float = 0.0


class _News(Struct, frozen=True):
    """A line of the server's: how far it is or, once it is ready, where."""

    state: str = ""
    payload: _Payload = _Payload()
    url: str = ""


class LlamaServer:
    """A server that runs, or is still loading its model."""

    def __init__(self, process: Process, log: IO[bytes], file: Path, progress: Progress) -> None:
        assert process.stdout is not None
        self._process = process
        self._log = log
        self._file = file
        self._progress = progress
        self._fraction = 0.0
        self._news = BufferedByteReceiveStream(process.stdout)
        self._hearing = anyio.Lock()
        self._url = ""

    async def url(self) -> str:
        """Where it is, once it is ready. May be cancelled, and asked again.

        Raises:
            ConfigurationError: it could not load the model, or has died since.
        """
        async with self._hearing:
            if not self._url:
                await self._ready()
        if self._process.returncode is not None:
            raise ConfigurationError(self._last_words())
        return self._url

    async def _ready(self) -> None:
        try:
            while not self._url:
                self._progress(self._fraction)
                with anyio.move_on_after(TICK_S):
                    await self._hear()
        except (anyio.IncompleteRead, anyio.EndOfStream):
            await self._process.wait()
            raise ConfigurationError(self._last_words()) from None
        finally:
            self._progress(None)

    async def _hear(self) -> None:
        line = await self._news.receive_until(b"\n", LONGEST_NEWS)
        with suppress(msgspec.MsgspecError):  # not for us
            news = msgspec.json.decode(line.removeprefix(LOADING), type=_News)
            self._url = news.url
            if news.state == "loading":
                self._fraction = news.payload.value

    def _last_words(self) -> str:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace")
        code = self._process.returncode
        if code == -signal.SIGKILL:
            why = "its process was killed: perhaps there is too little memory for it"
        else:
            why = reason(said) or f"its process ended with status {code}"
        return f"{self._file.name} cannot be run by llama.cpp: {why}"


def reason(log: str) -> str:
    found = [match[1] for each in ERRORS if (match := each.search(log))]
    return found[0].strip() if found else ""


@asynccontextmanager
async def llama_server(start: Start, progress: Progress) -> AsyncGenerator[LlamaServer]:
    """Start a server; leaving the context kills it, whatever it does."""
    with TemporaryFile() as log:
        process = await anyio.open_process(
            COMMAND, stdin=PIPE, stdout=PIPE, stderr=log, start_new_session=True
        )
        try:
            assert process.stdin is not None
            with suppress(anyio.BrokenResourceError):  # it has died: that is told when asked
                await process.stdin.send(msgspec.json.encode(start) + b"\n")
            yield LlamaServer(process, log, Path(start.path), progress)
        finally:
            with anyio.CancelScope(shield=True):
                kill(process)
                await process.aclose()


def kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
        else:
            process.kill()
