"""What a hostile or broken server may send: endless, slow, packed, or poisoned.

The memory of a run is measured in a process of its own, since a peak never goes down again.
"""

import json
import os
import sys
import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream import Session
from midstream.events import RunEnded, RunEvent, TurnStarted
from midstream.faces.plain import UNPRINTABLE, Face, JsonAtEnd, JsonLines, PlainText
from midstream.models.model import Patience
from midstream.simulator.server import EVENT_STREAM, Exchange, serve
from midstream.turn.retry import Backoff
from midstream.wire.json import UNSAFE
from tests.fakes import Do, Provider, event, play, provider, says, start, stop, text, tool_use

pytestmark = pytest.mark.anyio

Attack = Callable[[Exchange], Awaitable[None]]
ONCE = Backoff(max_attempts=1)


# -- endless streams and giant lines -----------------------------------------------------------


def again_and_again(head: bytes, part: bytes) -> Attack:
    async def attack(exchange: Exchange) -> None:
        await exchange.send(head)
        while True:
            await exchange.send(part)

    return attack


def under_the_stream(head: bytes, part: bytes) -> Attack:
    """The same below HTTP's framing."""

    async def attack(exchange: Exchange) -> None:
        await exchange.send_raw(head)
        while True:
            await exchange.send_raw(part)

    return attack


def page(status: int) -> Attack:
    async def attack(exchange: Exchange) -> None:
        await exchange.start(status, {"content-type": "application/json"})
        while True:
            await exchange.send(b"x" * 65536)

    return attack


def bomb(status: int, kind: str) -> Attack:
    """200 kB that open into 200 MB."""

    async def attack(exchange: Exchange) -> None:
        headers = {**EVENT_STREAM, "content-type": kind, "content-encoding": "gzip"}
        await exchange.respond(status, headers, packed())

    return attack


@cache
def packed() -> bytes:
    gzip = zlib.compressobj(9, wbits=31)
    parts = [gzip.compress(b"data: "), *(gzip.compress(bytes(1_000_000)) for _ in range(200))]
    return b"".join((*parts, gzip.flush()))


STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = STATUS_LINE + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAGMENT = {"type": "input_json_delta", "partial_json": "x" * 50_000}
ENDLESS: dict[str, Attack] = {
    "a line": again_and_again(start() + b"data: ", b"x" * 65536),
    "a record": again_and_again(start(), b"data: " + b"x" * 65536 + b"\n"),
    "a comment": again_and_again(b":", b"x" * 65536),
    "pings": again_and_again(start(), event("ping") * 500),
    "comments": again_and_again(start(), b": x\n\n" * 10_000),
    "a header": under_the_stream(STATUS_LINE + b"x: ", b"x" * 65536),
    "headers": under_the_stream(STATUS_LINE, b"x: y\r\n" * 10_000),
    "the size of a chunk": under_the_stream(CHUNKED, b"0" * 65536),
    "trailers": under_the_stream(CHUNKED + b"0\r\n", b"x: y\r\n" * 10_000),
    "an error's explanation": page(500),
    "an answer that is no stream": page(200),
    "a bomb": bomb(200, "text/event-stream"),
    "a bomb for an error": bomb(500, "application/json"),
    "a bomb that is no stream": bomb(200, "application/json"),
    "arguments": again_and_again(
        start() + tool_use(0, "a", "pay", close=False),
        event("content_block_delta", index=0, delta=FRAGMENT),
    ),
}
# Each line of its input is a path to ask; it answers with the peak of its memory before and after.
MEASURED = """
import anyio, resource, sys
from midstream import Agent
from midstream.models.model import Patience
from midstream.turn.price import load_prices
from midstream.turn.retry import Backoff

def peak():
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // 1024 if sys.platform == "darwin" else used

def ask(path, **settings):
    agent = Agent("anthropic:m", api_key="k", base_url=sys.argv[1] + path, **settings)
    return agent.run_sync("Hi")

load_prices()
assert ask("good").outcome == "completed"
before = peak()
size, attempts = int(sys.argv[3]), int(sys.argv[4])
settings = {"patience": Patience(max_response=size), "backoff": Backoff(attempts, base_s=0)}
end = ask(sys.argv[2], **settings)
print(end.outcome, peak() - before, end.error.message, sep="|")
"""
MOST_KB = 20_000


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ENDLESS)
async def test_no_answer_takes_more_memory_than_its_limit(name: str) -> None:
    async def handle(exchange: Exchange) -> None:
        if "good" in exchange.request.path:
            await exchange.send(b"".join(map(bytes, good)))
            await exchange.finish()
        else:
            await ENDLESS[name](exchange)

    good: list[Any] = says("Hi.")
    # What comes in small pieces takes its time up to 64 MiB, and is cut earlier here. The events
    # of arguments are held for late readers: the limit is for one attempt.
    size = 1 << 20 if name in ("pings", "comments") else 64 << 20
    attempts = 1 if name == "arguments" else 5
    async with serve(handle) as url:
        done = await anyio.run_process(
            [sys.executable, "-c", MEASURED, f"{url}/", "bad", str(size), str(attempts)],
            stderr=sys.stderr,
        )
    outcome, kilobytes, message = done.stdout.decode().strip().split("|", 2)
    assert outcome == "failed"
    assert int(kilobytes) < MOST_KB, message
    assert message.isprintable()


# -- slow drips --------------------------------------------------------------------------------

IMPATIENT = Patience(byte_timeout=0.4, event_timeout=1.6)
EVERY_S = 0.1
NOTHING_SAID = event("content_block_delta", index=0, delta={"type": "text_delta", "text": ""})
DRIPS: list[Any] = [
    pytest.param(b"", STATUS_LINE + b"x-padding: " + b"x" * 1000, 1.6, id="headers"),
    pytest.param(CHUNKED, b"0" * 1000, 1.6, id="the size of a chunk"),
    pytest.param(CHUNKED, b"", 0.4, id="nothing"),
    pytest.param(None, b"data: " + b"x" * 1000, 1.6, id="a record"),
    pytest.param(None, b": x\n" * 1000, 1.6, id="comments"),
    pytest.param(None, [event("ping")] * 1000, 1.6, id="pings"),
    pytest.param(None, [NOTHING_SAID] * 1000, 1.6, id="deltas without text"),
    pytest.param(None, [event("never_heard_of")] * 1000, 1.6, id="events never heard of"),
    pytest.param(500, b"x" * 1000, 0.4, id="an error's explanation"),
    pytest.param(200, b"x" * 1000, 0.4, id="an answer that is no stream"),
]


@pytest.mark.parametrize(("head", "drops", "seconds"), DRIPS)
async def test_a_drip_is_cut_on_time(head: Any, drops: Any, seconds: float) -> None:
    """A byte, or a sign of life, now and then: no byte timeout ever fires."""

    async def handle(exchange: Exchange) -> None:
        write = exchange.send
        if isinstance(head, bytes):
            write = exchange.send_raw
            await write(head)
        elif isinstance(head, int):
            await exchange.start(head, {"content-type": "application/json"})
        else:
            await exchange.send(start() + text(0, close=False))
        for drop in drops:
            await write(drop if isinstance(drop, bytes) else bytes([drop]))
            await anyio.sleep(EVERY_S)
        await exchange.client_left()

    async with serve(handle) as url:
        agent = answering(url).agent(patience=IMPATIENT, backoff=ONCE)
        began = anyio.current_time()
        end = await agent.run("Hi")
        took = anyio.current_time() - began
    assert end.outcome == "failed"
    assert seconds - 0.1 < took < seconds + 1.0


async def test_a_drip_behind_the_last_event_holds_up_nobody() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.send(start() + text(0, "Hi.") + stop("end_turn"))
        while True:
            await exchange.send(b":")
            await anyio.sleep(0.02)

    async with serve(handle) as url:
        with anyio.fail_after(1):
            assert (await answering(url).agent().run("Hi")).text == "Hi."


async def test_a_callers_deadline_is_kept_whatever_goes_on_talking() -> None:
    """A model may talk for as long as it has something to say; how long is the caller's to say."""

    async def handle(exchange: Exchange) -> None:
        await exchange.send(start() + text(0, close=False))
        delta = {"type": "text_delta", "text": "word "}
        while True:
            await exchange.send(event("content_block_delta", index=0, delta=delta))
            await anyio.sleep(0.02)

    async with serve(handle) as url:
        run = answering(url).agent(patience=IMPATIENT).run("Hi")
        began = anyio.current_time()
        with anyio.move_on_after(2.0):
            await run
        took = anyio.current_time() - began
    assert took < 3.5
    assert run.outcome == "cancelled"
    assert run.text.startswith("word word "), "longer than the event timeout, and kept"


def answering(url: str) -> Provider:
    world = Provider([])
    world.url = url
    return world


# -- packed answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x-odd"])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_packed_answer_is_neither_asked_for_nor_opened(encoding: str, status: int) -> None:
    asked: list[str] = []

    async def handle(exchange: Exchange) -> None:
        asked.append(exchange.request.headers["accept-encoding"])
        headers = {"content-type": "text/event-stream", "content-encoding": encoding}
        await exchange.respond(status, headers, b"\x1f\x8b\x08\x00\x1b[2J")

    async with serve(handle) as url:
        end = await answering(url).agent(backoff=ONCE).run("Hi")
    assert asked == ["identity"]
    assert end.error is not None
    expected = "HTTP status 500" if status == 500 else f"the answer is compressed ({encoding})"
    assert end.error.message.startswith(expected)
    assert end.error.message.isprintable()


# -- poisoned JSON -----------------------------------------------------------------------------

POISON = ["\0", "\ud83e", "\udd86", "\ud800\udc00", "\x1b[2J", "\x9b2J", "\r", "\n", "\u2028",
          "\u202e", "\ufeff", "\x7f", "\uffff", "🦆", '"', "\\", "\\u0000", "a", " "]  # fmt: skip
STRINGS = st.lists(st.sampled_from(POISON) | st.characters(), max_size=6).map("".join)


@st.composite
def spelled(draw: st.DrawFn, strings: st.SearchStrategy[str] = STRINGS) -> str:
    """A string as JSON: escaped, or as it is (halves of characters are then no UTF-8)."""
    return json.dumps(draw(strings), ensure_ascii=draw(st.booleans()))


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + "1" + closing * levels


SCALARS = st.one_of(
    spelled(),
    st.sampled_from([20, 310, 400, 4300, 4301, 5000]).map(lambda digits: "9" * digits),
    st.sampled_from(
        *[["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "0.1", "1E+2"]]
    ),
    st.sampled_from([1, 60, 63, 64, 65, 1000, 100_000]).map(deep),
    st.sampled_from([60, 64, 65, 5000]).map(lambda n: deep(n, '{"a":', "}")),
    st.sampled_from(["tru", "01", "'x'", "{", "[1,]", "", '{"a":1,"a":2}', "null", "true"]),
)
MEMBERS = st.lists(st.tuples(spelled(), SCALARS), max_size=3)
OBJECTS = MEMBERS.map(lambda pairs: "{" + ",".join(f"{k}:{v}" for k, v in pairs) + "}")
OUTPUTS: list[Any] = [float("nan"), 10**5000, {"\ud800": "\0"}, OSError("\ud83e\0")]
ODD_COUNTS = st.sampled_from(["7", "-5", "9" * 30, "9" * 400, "9" * 4300, "1e3", "null", '"x"'])


class Poisoned(msgspec.Struct, frozen=True):
    """One answer, every string of it in the hands of the server, and what a tool returns."""

    words: str = '"Hi"'
    thought: str = '"Hm"'
    arguments: str = "{}"
    name: str = '"look"'
    call_id: str = '"a"'
    model: str = '"m"'
    count: str = "7"
    extra: str = "{}"
    error: str | None = None
    output: Any = "seen"

    def wire(self) -> bytes:
        usage = f'{{"input_tokens":{self.count},"output_tokens":{self.count}}}'
        records = [
            f'"message_start","message":{{"id":"x","model":{self.model},"usage":{usage}}}',
            '"content_block_start","index":0,"content_block":{"type":"thinking"}',
            f'"content_block_delta","index":0,"delta":{{"type":"thinking_delta",'
            f'"thinking":{self.thought}}}',
            '"content_block_stop","index":0',
            f'"content_block_start","index":1,"content_block":{{"type":"text","text":{self.words},'
            f'"citations":[{self.extra}]}}',
            '"content_block_delta","index":1,"delta":{"type":"text_delta","text":"."}',
            '"content_block_stop","index":1',
            f'"content_block_start","index":2,"content_block":{{"type":"tool_use",'
            f'"id":{self.call_id},"name":{self.name},"input":{{}}}}',
            f'"content_block_delta","index":2,"delta":{{"type":"input_json_delta",'
            f'"partial_json":{json.dumps(self.arguments)}}}',
            '"content_block_stop","index":2',
            f'"message_delta","delta":{{"stop_reason":"tool_use"}},"usage":{usage}',
            '"message_stop"',
        ]
        if self.error is not None:
            records[-2:] = [f'"error","error":{{"type":"x","message":{self.error}}}']
        # A line end within a string would end the record, as it would on the real wire.
        lines = [f'data: {{"type":{each}}}\n\n' for each in records]
        return "".join(lines).encode(errors="surrogatepass")


POISONED = st.builds(
    Poisoned,
    words=spelled(),
    thought=spelled(),
    arguments=OBJECTS | SCALARS,
    name=st.just('"look"') | spelled(),
    call_id=spelled(),
    model=spelled(),
    count=st.just("7") | ODD_COUNTS,
    extra=st.just("{}") | OBJECTS,
    error=st.none() | st.none() | SCALARS,
    output=STRINGS
    | st.sampled_from([float("nan"), 10**5000, {"\ud800": "\0"}, OSError("\ud83e\0")]),
)


class Poisoner(Provider):
    """Answers a prompt with poison until it is answered, and everything else with words."""

    def __init__(self, poison: Poisoned) -> None:
        super().__init__([])
        self._poison = poison
        self.bodies: list[bytes] = []

    async def handle(self, exchange: Exchange) -> None:
        self.bodies.append(exchange.request.body)
        messages = json.loads(exchange.request.body)["messages"]
        first = len(messages) == 1 and len(self.bodies) <= 5
        self._answers = iter([[self._poison.wire()] if first else says("Ok.")])
        await super().handle(exchange)


async def poisoned(poison: Poisoned) -> tuple[Poisoner, Session, list[RunEvent]]:
    """Two runs of a session: the first is poisoned, the second goes on with what is left of it."""

    async def answer() -> Any:
        if isinstance(poison.output, Exception):
            raise poison.output
        return poison.output

    world, session = Poisoner(poison), Session()
    with anyio.fail_after(20):
        async with serve(world.handle) as world.url:
            agent = world.agent([anything(answer)])
            events = await play(agent.run("Hi", session))
            again = await play(agent.run("And?", session))
    end = again[-1]
    assert isinstance(end, RunEnded)
    assert end.outcome == "completed", end.error
    return world, session, [*events, *again]


def anything(answer: Callable[[], Awaitable[Any]]) -> Any:
    """A tool that takes whatever the model sends, as those from elsewhere do."""
    from midstream.messages import ToolSpec
    from midstream.tools.tool import Tool

    async def look(**_: Any) -> Any:
        return await answer()

    return Tool(look, ToolSpec("look", "Look.", {"type": "object"}))


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [each for pair in value.items() for part in pair for each in strings(part)]
        case list():
            return [each for item in value for each in strings(item)]
        case _:
            return []


def check_json(data: bytes) -> None:
    """Strict JSON in UTF-8, with nothing in its strings that cannot be stored or sent on."""
    value = json.loads(data.decode(), parse_constant=no_constant)
    assert not any(UNSAFE.search(each) for each in strings(value))


@settings(max_examples=120, deadline=None)
@given(POISONED, st.sampled_from(["asyncio", "trio"]))
@example(Poisoned(count="9" * 400), "asyncio")
@example(Poisoned(arguments='{"n":' + "9" * 4300 + "}"), "asyncio")
@example(Poisoned(arguments='{"a":{"b":[NaN]}}', output={"\ud800": "\0"}), "trio")
@example(Poisoned(error='"\\u0000\\ud83e\\u001b[2J"'), "trio")
def test_poisoned_json_reaches_no_sink(poison: Poisoned, backend: str) -> None:
    world, session, events = anyio.run(poisoned, poison, backend=backend)

    faces: list[Face] = [
        PlainText(True, False, 80),
        PlainText(False, False),
        PlainText(True, False),
    ]
    for face in faces:
        for each in events:
            piece = face.show(each)
            assert not UNPRINTABLE.search(piece.answer + piece.beside)
            (piece.answer + piece.beside).encode()
    for each in events:
        (line,) = JsonLines().show(each).answer.splitlines(keepends=True)[-1:]
        assert line.endswith("\n")
        assert line == JsonLines().show(each).answer, "one event, one line"
        check_json(line.encode())
    at_end = JsonAtEnd()
    for each in events:
        if shown := at_end.show(each).answer:
            check_json(shown.encode())
    for body in world.bodies:
        check_json(body)
    check_json(msgspec.json.encode(session.messages))
    assert world.refusals == []


async def test_half_characters_of_the_user_reach_no_sink() -> None:
    async with provider([Do.STALL], says("Ok.")) as world:
        events = []
        async with world.agent().run("half \ud83e \0") as run:
            async for e in run:
                events.append(e)
                if isinstance(e, TurnStarted) and e.turn == 1:
                    await world.asked.wait()
                    run.interrupt("\udd86 half")
    assert world.notes() == "half \ufffd \ufffd\n\ufffd half"
    for each in events:
        check_json(JsonLines().show(each).answer.encode())
    check_json(msgspec.json.encode(run.session.messages))


LINES: list[Any] = [
    pytest.param("text", id="text"),
    pytest.param("json", id="json"),
    pytest.param("stream-json", id="stream-json"),
]
WORST = Poisoned(
    words='"a\\u0000b\\ud83ec\\u001b[2Jd\u2028\u202ee\x7f\\u009b"',
    thought='"\\ud800"',
    arguments='{"n":' + "9" * 4300 + ',"s":"\\u0000\\udd86","d":' + deep(50) + "}",
    count="9" * 400,
    model='"\\u0000m\\ud800"',
)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("output_format", LINES)
async def test_poison_leaves_the_command_as_clean_text(output_format: str) -> None:
    world = Poisoner(WORST)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    async with serve(world.handle) as url:
        done = await anyio.run_process(
            [sys.executable, "-m", "midstream", "Hi", "-o", output_format, "--base-url", url],
            stdin=-3,
            env=kept | {"ANTHROPIC_API_KEY": "k", "LC_ALL": "C"},
            check=False,
        )
    assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0)
    assert not UNPRINTABLE.search(done.stdout.decode() + done.stderr.decode())
    if output_format == "text":
        assert done.stdout.decode() == "a\ufffdb\ufffdc[2Jd\u2028e.\nOk.\n"
    else:
        for line in done.stdout.splitlines():
            check_json(line)


def test_there_is_something_to_open_in_the_bomb() -> None:
    assert len(packed()) < 300_000
    assert zlib.decompressobj(wbits=31).decompress(packed(), 1 << 20)[:7] == b"data: \0"
