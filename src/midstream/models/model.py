"""What a model is to the loop: something that can be asked, and streams its answer."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from anyio.lowlevel import current_token
from msgspec import Struct

from midstream.messages import ModelRequest
from midstream.stream import StreamEvent

# The events that arrived together. An answer is a sequence of these.
Batch = Sequence[StreamEvent]
Take = Callable[[Batch], None]


class EagerBatches(AsyncIterator[Batch]):
    """Batches that need not all be waited for: to wake a task for each costs as much as to read it.

    Attributes:
        take: is called with a batch of one fragment and nothing else as soon as that is read, in a
            callback of the event loop, while the task that iterates goes on waiting. All other
            batches are iterated, so that what they begin has that task's context. What `take`
            raises is raised there as well.
    """

    __slots__ = ("take",)

    def __init__(self) -> None:
        self.take: Take | None = None


async def take_all(batches: AsyncIterator[Batch], take: Take) -> None:
    """Have `take` called with every batch, in their order."""
    if isinstance(batches, EagerBatches):
        batches.take = take
    try:
        async for batch in batches:
            take(batch)
    finally:
        if isinstance(batches, EagerBatches):
            batches.take = None  # who keeps the error must not keep the run


class Connection(Protocol):
    """The way to a model, open from turn to turn, and for any number of runs at once."""

    def ask(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Send one request. Leaving the context closes the response at once."""
        ...


class Model(Protocol):
    """Anything that can be asked. `provider` and `name` are what its price is looked up by.

    It may have `secrets`, a sequence of the keys that it asks with: those are not stored; and
    `context_window`, the tokens that a conversation with it may have.
    """

    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str: ...

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """A way to the model. What takes long belongs into `ask`, where a run can be stopped."""
        ...


class KeptModel:
    """A model whose connection is open already, for who runs on the event loop that opened it."""

    def __init__(self, model: Model, connection: Connection) -> None:
        self.provider, self.name = model.provider, model.name
        self.secrets: Sequence[str] = getattr(model, "secrets", ())
        self.context_window: int | None = getattr(model, "context_window", None)
        self.connection: Connection | None = connection  # while it is open
        self._model = model
        self._loop = current_token().native_token

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection]:
        if self.connection and current_token().native_token is self._loop:
            yield self.connection
        else:  # in `run_sync`, for one
            async with self._model.connect() as connection:
                yield connection


@asynccontextmanager
async def kept(model: Model) -> AsyncGenerator[Model]:
    """The same model, with one connection for all runs in this context, of any agents.

        async with kept(LocalModel("model.gguf")) as model:
            poet, critic = Agent(model, system="…"), Agent(model, system="…")

    For one agent alone, `async with Agent(…)` does the same. Runs on other event loops, and later
    ones, connect for themselves.
    """
    async with model.connect() as connection:
        same = KeptModel(model, connection)
        try:
            yield same
        finally:
            same.connection = None


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
