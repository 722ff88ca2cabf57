"""Fragments are told in the call that reads them; all else waits for the run's own task."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import pairwise
from math import inf
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream import Agent, tool
from midstream.agent.loop import Loop
from midstream.errors import ProtocolError
from midstream.events import TextDelta, ThinkingDelta, ToolInputDelta
from midstream.messages import Message, ModelRequest, Text
from midstream.models.http import HttpModel
from midstream.models.http1_connection import Http1Connection
from midstream.models.http1_transport import Http1Transport, ResponseBody
from midstream.models.model import Patience, take_all
from midstream.models.reply import Reply, joined
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.anthropic_request import Anthropic
from midstream.stream import BlockEnded, BlockStarted, ResponseEnded, ResponseStopped, StreamEvent
from tests.fakes import Do, event, play, provider, says, start, stop, text, thinking, tool_use

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OPENED = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
CLOSED = event("content_block_stop", index=0)


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Both loops whose callbacks read; on trio the run's task does."""
    return request.param


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def words(said: str, index: int = 0) -> bytes:
    delta = {"type": "text_delta", "text": said}
    return event("content_block_delta", index=index, delta=delta)


class Hand(asyncio.Transport):
    """A socket whose bytes the test hands over, in place of the event loop."""

    def writelines(self, list_of_data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass


class Asked:
    """A request whose answer is on its way.

    Attributes:
        told: what the reader was told, in order.
        over: the reader has come to the end.
        error: how the reading ended, if not well.
    """

    def __init__(self, patience: Patience, refuses: Exception | None) -> None:
        self.told: list[StreamEvent] = []
        self.error: Exception | None = None
        self.over = False
        self._connection = Http1Connection()
        self._connection.connection_made(Hand())
        self._patience = patience
        self._refuses = refuses

    def take(self, batch: Sequence[StreamEvent]) -> None:
        self.told += batch
        if self._refuses and TextDelta in map(type, batch):
            raise self._refuses

    async def read(self) -> None:
        await self._connection.send("POST", b"", nothing(), None)
        body = ResponseBody(Http1Transport(None), ("http", "here", 80), self._connection)
        with anyio.CancelScope() as scope:
            reply = Reply(body, AnthropicDecoder(), self._patience, scope)
            try:
                await take_all(reply, self.take)
                await reply.finish()
                self.over = True
            except Exception as error:
                self.error = error
        await body.aclose()

    def comes(self, *parts: bytes) -> None:
        """The event loop reads these, one after another, before any task runs."""
        for part in parts:
            self._connection.data_received(part)


async def nothing() -> AsyncIterator[bytes]:
    yield b""


@asynccontextmanager
async def asked(
    *before: bytes, patience: Patience | None = None, refuses: Exception | None = None
) -> AsyncGenerator[Asked]:
    """A request of whose answer this much has been read."""
    made = Asked(patience or Patience(), refuses)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.read)
        await anyio.wait_all_tasks_blocked()
        made.comes(HEAD, *map(chunked, before))
        await anyio.wait_all_tasks_blocked()
        yield made
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


# -- what is told when -------------------------------------------------------------------------


async def test_a_fragment_is_told_in_the_call_that_reads_it() -> None:
    async with asked(start(), OPENED) as answer:
        for said in ("Hel", "lo"):
            answer.comes(chunked(words(said)))
            assert answer.told[-1] == TextDelta(0, said)


async def test_fragments_that_come_together_are_told_as_one() -> None:
    async with asked(start(), OPENED) as answer:
        answer.comes(chunked(words("Hel") + words("lo")))
        assert answer.told[-1] == TextDelta(0, "Hello")


async def test_who_takes_no_fragments_iterates_them() -> None:
    gate, told = anyio.Event(), list[StreamEvent]()
    answer = [start() + OPENED, words("Hel"), gate, words("lo"), CLOSED + stop("end_turn")]
    async with provider(answer) as world:
        model = HttpModel(Anthropic("m", "k"), world.url)
        request = ModelRequest("m", (Message("user", (Text("Hi"),)),))
        async with model.connect() as connection, connection.ask(request) as batches:
            async for batch in batches:
                told += batch
                if batch[-1] == TextDelta(0, "Hel"):
                    gate.set()
    assert [each.text for each in joined(told) if isinstance(each, TextDelta)] == ["Hello"]


@pytest.mark.parametrize(
    ("part", "last"),
    [
        pytest.param(CLOSED, BlockEnded(0), id="the end of a block"),
        pytest.param(words("Hi") + CLOSED, BlockEnded(0), id="a fragment and such an end"),
        pytest.param(CLOSED + tool_use(1, "a", "pay", "{}"), BlockEnded(1), id="a call"),
        pytest.param(CLOSED + stop("end_turn"), ResponseEnded(), id="the end of the answer"),
    ],
)
async def test_what_is_more_than_a_fragment_waits_for_the_task(
    part: bytes, last: StreamEvent
) -> None:
    async with asked(start(), OPENED) as answer:
        before = list(answer.told)
        answer.comes(chunked(part))
        assert answer.told == before
        await anyio.wait_all_tasks_blocked()
        assert answer.told[-1] == last


async def test_a_fragment_does_not_overtake_what_waits_for_the_task() -> None:
    parts = [CLOSED, event("content_block_start", index=1, content_block={"type": "text"})]
    async with asked(start(), OPENED) as answer:
        answer.comes(*map(chunked, [*parts, words("Hi", 1)]))
        await anyio.wait_all_tasks_blocked()
        assert answer.told[-3:] == [BlockEnded(0), BlockStarted(1), TextDelta(1, "Hi")]
        answer.comes(chunked(words("!", 1)))
        assert answer.told[-1] == TextDelta(1, "!")


async def test_the_end_of_the_body_is_noticed_behind_a_fragment() -> None:
    async with asked(start(), OPENED) as answer:
        answer.comes(chunked(words("Hi")) + b"0\r\n\r\n")
        await anyio.wait_all_tasks_blocked()
        assert answer.told[-1] == TextDelta(0, "Hi")
        assert answer.over


async def test_nothing_is_told_once_the_reader_was_stopped() -> None:
    made = Asked(Patience(), None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.read)
        await anyio.wait_all_tasks_blocked()
        made.comes(HEAD, chunked(start() + OPENED))
        await anyio.wait_all_tasks_blocked()
        before = list(made.told)
        tasks.cancel_scope.cancel()
        made.comes(chunked(words("Hi")))
    assert made.told == before


# -- however it is cut -------------------------------------------------------------------------

ANSWER = b"".join([
    start(),
    thinking(0, "Hm. Ä"),
    text(1, "Hel", "lo, ", "wörld"),
    tool_use(2, "a", "pay", '{"n', 'o": ', "1}"),
    event("ping"),
    text(3, "Done", "."),
    stop("end_turn"),
])  # fmt: skip
RECORDS = [record + b"\n\n" for record in ANSWER.split(b"\n\n")[:-1]]
BYTES = HEAD + b"".join(map(chunked, RECORDS)) + b"0\r\n\r\n"


async def told(parts: Sequence[bytes], pauses: Sequence[bool]) -> list[StreamEvent]:
    """What is told of an answer that comes in parts; where there is a pause the task runs."""
    made = Asked(Patience(), None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.read)
        await anyio.lowlevel.checkpoint()
        for part, pause in zip(parts, pauses, strict=True):
            made.comes(part)
            if pause:
                await anyio.wait_all_tasks_blocked()
    assert made.error is None
    return joined(made.told)


async def test_it_makes_no_difference_where_it_is_cut() -> None:
    whole = await told([BYTES], [True])
    assert [type(each) for each in whole].count(BlockEnded) == 4
    for at in range(1, len(BYTES)):
        for pause in (False, True):
            assert await told([BYTES[:at], BYTES[at:]], [pause, True]) == whole


@given(st.lists(st.tuples(st.integers(1, len(BYTES) - 1), st.booleans()), max_size=40))
def test_it_makes_no_difference_how_often(cuts: list[tuple[int, bool]]) -> None:
    places = [0, *sorted({at for at, _ in cuts}), len(BYTES)]
    parts = [BYTES[begin:end] for begin, end in pairwise(places)]
    pauses = [*(pause for _, pause in cuts), True, *[True] * len(parts)][: len(parts)]
    assert asyncio.run(told(parts, pauses)) == asyncio.run(told([BYTES], [True]))


# -- when something is wrong -------------------------------------------------------------------


@pytest.mark.parametrize("refused", [ProtocolError("block 0 had ended"), ValueError("a bug")])
async def test_what_the_reader_raises_is_raised_in_its_task(refused: Exception) -> None:
    async with asked(start(), OPENED, refuses=refused) as answer:
        before = list(answer.told)
        answer.comes(*map(chunked, [words("Hi"), words("Ho")]))
        await anyio.wait_all_tasks_blocked()
        assert answer.error is refused
        assert answer.told == [*before, TextDelta(0, "Hi")]


@pytest.mark.parametrize("more", [[], [words("Ho")]], ids=["nothing", "more"])
async def test_trouble_waits_until_what_came_before_it_was_told(more: list[bytes]) -> None:
    async with asked(start(), OPENED) as answer:
        before = list(answer.told)
        answer.comes(*map(chunked, [words("Hi") + b"data: {not JSON\n\n", *more]))
        await anyio.wait_all_tasks_blocked()
        assert answer.told == [*before, TextDelta(0, "Hi")]
        assert isinstance(answer.error, ProtocolError)


async def test_a_response_that_grows_too_large_is_given_up() -> None:
    most = len(start() + OPENED + words("x") * 2)
    async with asked(start(), OPENED, patience=Patience(max_response=most)) as answer:
        for _ in range(3):
            answer.comes(chunked(words("x")))
        await anyio.wait_all_tasks_blocked()
        assert answer.told[-2:] == [TextDelta(0, "x")] * 2
        assert str(answer.error) == f"the response is larger than {most:,} bytes"


async def test_what_follows_the_end_of_the_answer_is_not_told() -> None:
    async with asked(start(), OPENED) as answer:
        answer.comes(*map(chunked, [CLOSED + stop("end_turn"), words("more")]))
        await anyio.wait_all_tasks_blocked()
        answer.comes(chunked(words("more")))
        assert answer.told[-1] == ResponseEnded()
        assert ResponseStopped in map(type, answer.told)


@pytest.mark.parametrize("transport", ["own", "httpx2"])
async def test_fragments_are_no_silence(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both limits are shorter than the answer, and longer than what is between two fragments."""
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", transport)
    gates = [anyio.Event() for _ in range(15)]
    steps = [step for gate in gates for step in (gate, words("x"))]
    async with provider([start() + OPENED, *steps, CLOSED + stop("end_turn")]) as world:
        model = HttpModel(Anthropic("m", "k"), world.url, Patience(5.0, 1.0, 1.0))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_in_turn, gates)
            ended = await Agent(model).run("Hi")
    assert (ended.outcome, ended.text, len(world.requests)) == ("completed", "x" * 15, 1)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(words("Hi"), id="a fragment"),
        pytest.param(words("H") + words("i"), id="two"),
        pytest.param(words("Hi") + CLOSED, id="a fragment and the end of its block"),
    ],
)
async def test_what_came_while_the_event_loop_stood_still_was_in_time(part: bytes) -> None:
    """The part is read, and the limit passes, in one turn of the event loop."""
    loop, read = asyncio.get_running_loop(), anyio.Event()
    async with asked(start(), OPENED, patience=Patience(event_timeout=0.2)) as answer:
        loop.call_later(0.01, answer.comes, chunked(part))
        loop.call_later(0.01, read.set)
        time.sleep(0.4)  # noqa: ASYNC251 - it is what stands still
        await read.wait()
        await anyio.wait_all_tasks_blocked()
        answer.comes(chunked(CLOSED + stop("end_turn")), b"0\r\n\r\n")
        await anyio.wait_all_tasks_blocked()
        assert TextDelta(0, "Hi") in answer.told
        assert answer.over


async def open_in_turn(gates: Sequence[anyio.Event]) -> None:
    """One each tenth of a second."""
    for gate in gates:
        with anyio.move_on_after(0.1):
            await anyio.sleep(inf)
        gate.set()


# -- in a run ----------------------------------------------------------------------------------

WHOSE = ContextVar("WHOSE", default="nobody's")


async def test_a_tool_has_the_context_of_its_run_and_not_that_of_the_connection() -> None:
    @tool
    async def whose() -> str:
        """Say in whose context it runs."""
        return WHOSE.get()

    call = tool_use(1, "a", "whose", "{", "}")
    asking = [start(), text(0, "I", " ", "look"), call, stop("tool_use")]
    async with provider(says("First."), asking, says("So.")) as world:
        WHOSE.set("the connection's")
        async with world.agent([whose]) as agent:
            await play(agent.run("Hi"))
            WHOSE.set("the run's")
            await play(agent.run("Whose?"))
    assert world.results() == {"a": "the run's"}
    assert len(world.connections) == 1


async def test_a_run_tells_fragments_of_every_kind_as_they_come() -> None:
    gates = [anyio.Event() for _ in range(3)]
    parts: list[Any] = [
        start() + event("content_block_start", index=0, content_block={"type": "thinking"}),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"}),
        gates[0],
        CLOSED + text(1, close=False),
        words("Hi", 1),
        gates[1],
        event("content_block_stop", index=1) + tool_use(2, "a", "pay", close=False),
        event("content_block_delta", index=2,
              delta={"type": "input_json_delta", "partial_json": "{"}),
        gates[2],
    ]  # fmt: skip
    rest = event("content_block_delta", index=2,
                 delta={"type": "input_json_delta", "partial_json": "}"})  # fmt: skip
    parts += [rest, event("content_block_stop", index=2), stop("tool_use")]
    seen: list[object] = []
    async with provider(parts, says("So.")) as world, world.agent().run("Hi") as run:
        async for each in run:
            if isinstance(each, TextDelta | ThinkingDelta | ToolInputDelta) and gates:
                seen.append(each.json if isinstance(each, ToolInputDelta) else each.text)
                gates.pop(0).set()  # what comes next is written once this was read
    assert seen == ["Hm", "Hi", "{"]


# -- what is left of it ------------------------------------------------------------------------

UNKNOWN_BLOCK = [start(), words("Hi", 7)]  # the turn refuses it, in the callback
REFUSED: dict[str, list[Any]] = {
    "an unknown block": UNKNOWN_BLOCK,
    "not JSON": [start() + OPENED, words("Hi"), b"data: {not JSON\n\n"],
    "a reset": [start() + OPENED, words("Hi"), Do.RESET],
    "a cut": [start() + OPENED, words("Hi"), Do.CUT],
}


@pytest.mark.parametrize("steps", [pytest.param(s, id=n) for n, s in REFUSED.items()])
async def test_an_attempt_that_failed_does_not_keep_its_run(steps: list[Any]) -> None:
    gc.collect()
    gc.disable()  # what is not in a circle is gone at once
    try:
        async with provider(steps, says("So.")) as world:
            ended = await world.agent().run("Hi")
        assert (ended.outcome, ended.text) == ("completed", "So.")
        await anyio.wait_all_tasks_blocked()
        assert [each for each in gc.get_objects() if isinstance(each, Loop)] == []
    finally:
        gc.enable()
