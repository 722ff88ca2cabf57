"""What every wire format offers: how to ask, how to read the answer, what a refusal means."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from midstream.errors import ProviderError
from midstream.messages import ModelRequest
from midstream.stream import StreamEvent
from midstream.wire.sse import SseRecord


class HttpRequest(Struct, frozen=True):
    """A POST, ready to be sent; `path` is relative to the provider's base URL."""

    path: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<HttpRequest {self.path}>"  # the headers hold the key


class Decoder(Protocol):
    """One response's records, decoded."""

    def feed(self, record: SseRecord) -> Iterable[StreamEvent]: ...

    def end(self) -> Iterable[StreamEvent]:
        """What it means that the stream has ended; on some wires that ends the response."""
        ...


class Provider(Protocol):
    """A wire format: pure functions and nothing else."""

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def secrets(self) -> Sequence[str]: ...

    def request(self, request: ModelRequest) -> HttpRequest: ...

    def decoder(self) -> Decoder: ...

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError: ...
