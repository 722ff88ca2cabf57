"""A model on this machine: a GGUF file, run by llama.cpp and asked like any other."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from midstream.errors import ConfigurationError, ProviderError
from midstream.events import ToolCallStarted
from midstream.messages import ModelRequest
from midstream.models.http import HttpConnection, HttpModel
from midstream.models.llama import LlamaServer, Progress, llama_server
from midstream.models.llama_server import Settings as Settings
from midstream.models.llama_server import Start
from midstream.models.model import Batch, Connection, Patience
from midstream.providers.anthropic_request import Anthropic
from midstream.providers.openai_chat_request import Chat, Quirks
from midstream.providers.openai_responses_request import Responses
from midstream.providers.provider import Decoder, HttpRequest, Provider
from midstream.stream import BlockEnded, BlockStarted, StreamEvent
from midstream.wire.sse import SseRecord

HERE = "local"
LocalWire = Literal["openai-chat", "openai", "anthropic"]
QUIRKS = Quirks(echo="reasoning_content")
# How to speak each wire, and where llama.cpp serves it.
WIRES: dict[LocalWire, tuple[Callable[[str, str], Provider], str]] = {
    "openai-chat": (lambda name, key: Chat(name, key, HERE, QUIRKS), "/v1"),
    "openai": (lambda name, key: Responses(name, key, HERE), "/v1"),
    "anthropic": (lambda name, key: Anthropic(name, key, provider=HERE), ""),
}


class LocalModel:
    """Runs a GGUF file. Each run loads it, unless its agent was entered: `async with Agent(…)`.

    Of runs that go on at once, some wait: see `Settings.parallel`.

    Args:
        path: the file; of a model in several files the first one.
        wire: which API of llama.cpp's is spoken. `openai-chat` takes the most settings.
        extra: members of every request's body, in llama.cpp's words, such as `{"top_k": 1}`.

    Attributes:
        progress: hears how far loading is, from 0 to 1, at least once a second, and None when it is
            over.

    Raises:
        ConfigurationError: there is no such file, it is none that llama.cpp reads, or llama.cpp is
            not installed.
    """

    provider = HERE

    def __init__(
        self,
        path: str | Path,
        settings: Settings | None = None,
        *,
        wire: LocalWire = "openai-chat",
        extra: Mapping[str, Any] | None = None,
        patience: Patience | None = None,
    ) -> None:
        file = Path(path).expanduser().absolute()
        check(file)
        self.name = file.stem
        self.progress: Progress = lambda fraction: None
        self._start = Start(str(file), token_hex(16), settings or Settings())
        self._wire: LocalWire = wire
        self._extra = dict(extra or {})
        self._patience = patience

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._start.key,)

    @property
    def context_window(self) -> int | None:
        return self._start.settings.context or None  # 0: what it was trained for

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection]:
        make, where = WIRES[self._wire]
        provider = LlamaProvider(make(self.name, self._start.key), self._start, self._extra)
        async with llama_server(self._start, self.progress) as server, AsyncExitStack() as stack:

            async def connected(url: str) -> HttpConnection:
                model = HttpModel(provider, url + where, self._patience)
                return await stack.enter_async_context(model.connect())

            yield RunningConnection(server, connected)


class RunningConnection:
    """Waits for the server when it is first asked: there a run can be cancelled."""

    def __init__(
        self, server: LlamaServer, connected: Callable[[str], Awaitable[HttpConnection]]
    ) -> None:
        self._server = server
        self._connected = connected
        self._connection: HttpConnection | None = None

    @asynccontextmanager
    async def ask(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Batch]]:
        url = await self._server.url()  # asked each time: it raises once the server has died
        connection = self._connection = self._connection or await self._connected(url)
        async with connection.ask(request) as reply:
            yield reply


class LlamaProvider:
    """A wire as llama.cpp speaks it."""

    provider = HERE

    def __init__(self, wire: Provider, start: Start, extra: Mapping[str, Any]) -> None:
        self.model = wire.model
        self.secrets = wire.secrets
        self._wire = wire
        self._extra = extra
        self._ruled = start.settings.grammar is not None or start.settings.json_schema is not None

    def request(self, request: ModelRequest) -> HttpRequest:
        if self._ruled and request.tools:
            # llama.cpp would forget the grammar: it makes one of the tools.
            raise ConfigurationError("a local model takes a grammar or tools, not both")
        made = self._wire.request(request)
        if not self._extra:
            return made
        body = msgspec.json.encode(msgspec.json.decode(made.body) | self._extra)
        return replace(made, body=body)

    def decoder(self) -> Decoder:
        return InOrder(self._wire.decoder())

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return self._wire.refusal(status, headers, body)


class InOrder:
    """Ends each block when the next one begins, so that calls start while the model still talks.

    llama.cpp ends them all at the end of the answer. But it never goes back to one: its models
    write one block after the other.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._open: int | None = None

    def feed(self, record: SseRecord) -> Iterable[StreamEvent]:
        return self._in_order(self._decoder.feed(record))

    def end(self) -> Iterable[StreamEvent]:
        return self._in_order(self._decoder.end())

    def _in_order(self, events: Iterable[StreamEvent]) -> Iterable[StreamEvent]:
        for event in events:
            match event:
                case BlockStarted(index=index) | ToolCallStarted(index=index):
                    if self._open is not None:
                        yield BlockEnded(self._open)
                    self._open = index
                case BlockEnded(index=index):
                    if index != self._open:
                        continue
                    self._open = None
                case _:
                    pass
            yield event


def check(file: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(f"there is no file {file}")
    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        raise ConfigurationError(f"{file} is not a GGUF file, which is what llama.cpp reads")
    if find_spec("xllamacpp") is None:
        raise ConfigurationError("local models need llama.cpp: pip install xllamacpp")
