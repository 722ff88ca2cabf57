"""What a model is to the loop: something that can be asked, and streams its answer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from midstream.messages import ModelRequest
from midstream.stream import StreamEvent

# The events that arrived together. An answer is a sequence of these.
Batch = Sequence[StreamEvent]


class Connection(Protocol):
    """The way to a model, kept open between the turns of a run."""

    def ask(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Send one request. Leaving the context closes the response at once."""
        ...


class Model(Protocol):
    """Anything that can be asked. `provider` and `name` are what its price is looked up by.

    It may have `secrets`, a sequence of the keys that it asks with: those are not stored;
    `context_window`, the tokens that a conversation with it may have; and `kept`, which makes what
    it runs on outlive a run.
    """

    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str: ...

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """A way to the model. What takes long belongs into `ask`, where a run can be stopped."""
        ...


class Patience(Struct, frozen=True):
    """How long to wait, and for how much.

    Attributes:
        connect_timeout: seconds until a connection must stand.
        byte_timeout: the longest silence on the wire, in seconds.
        event_timeout: the longest time without an event, pings not counted, in seconds.
        max_record: the largest server-sent event, in bytes.
        max_response: the largest response, in bytes.
    """

    connect_timeout: float = 10.0
    byte_timeout: float = 60.0
    event_timeout: float = 300.0
    max_record: int = 16 << 20
    max_response: int = 64 << 20
