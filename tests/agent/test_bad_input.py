"""Any bytes at all in place of a stream end in a retried or failed turn with a clear reason."""

import random
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.events import ToolStarted
from midstream.models.model import Patience
from midstream.simulator.server import EVENT_STREAM, Exchange, serve
from tests.fakes import (
    AT_ONCE,
    Do,
    Provider,
    ended,
    event,
    play,
    provider,
    reasons,
    says,
    start,
    stop,
    text,
    tool_use,
)

pytestmark = pytest.mark.anyio

WHOLE = start() + text(0, "Pay?") + tool_use(1, "a", "pay", '{"amount": 5}') + stop("tool_use")
NOT_A_STREAM: list[Any] = [
    pytest.param(b"", "ended too early", id="nothing"),
    pytest.param(b"\n\n\n", "ended too early", id="blank lines"),
    pytest.param(b"Hello, world", "ended too early", id="text"),
    pytest.param(b"data: Hello\n\n", "not an event: 'Hello'", id="a record that is not JSON"),
    pytest.param(b"data: [1, 2]\n\n", "not an event", id="an array"),
    pytest.param(b"data: 7\n\n", "not an event", id="a number"),
    pytest.param(b"data: {}\n\n", "malformed", id="an object without a type"),
    pytest.param(event("content_block_delta", index=0), "malformed", id="an event with a hole"),
    pytest.param(text(0, "early"), "while nothing has come", id="a block before the message"),
    pytest.param(start() + event("message_stop"), "while blocks", id="an end without a reason"),
    pytest.param(start() + b"data: " + b"[" * 200_000 + b"\n\n", "too deep", id="200,000 levels"),
    pytest.param(start() + b'data: {"type":"x","n":NaN}\n\n' + WHOLE, "not an event", id="NaN"),
    pytest.param(start() + b"data: \xff\xfe\n\n", "not an event", id="no UTF-8"),
    pytest.param(b"\x1f\x8b\x08" + bytes(range(256)), "ended too early", id="gzip"),
    pytest.param(
        start() + b"data: " + b"x" * 300_000, "larger than 250,000 bytes", id="a giant line"
    ),
    pytest.param(
        start() + b"data: y\n" * 300_000, "larger than 250,000 bytes", id="a giant record"
    ),
    pytest.param(start() + b": ping\n\n" * 400_000, "larger than 3,000,000", id="a giant response"),
    pytest.param(
        start() + tool_use(0, "a", "pay", *["x" * 600] * 5), "larger than 2,048", id="giant input"
    ),
]
SMALL = Patience(max_record=250_000, max_response=3_000_000)


@pytest.mark.parametrize(("body", "reason"), NOT_A_STREAM)
async def test_what_is_not_a_stream_is_discarded_with_a_reason(body: bytes, reason: str) -> None:
    async with provider([body], says("The answer.")) as world:
        agent = world.agent(patience=SMALL, max_arguments=2048)
        events = await play(agent.run("Well?"))

    assert [reason in each for each in reasons(events)] == [True], reasons(events)
    assert ended(events).text == "The answer."


async def answered(body: bytes, headers: dict[str, str], status: int = 200) -> list[str]:
    """The reasons of a run whose two attempts are both answered like this."""

    async def handle(exchange: Exchange) -> None:
        await exchange.respond(status, headers, body)

    with anyio.fail_after(20):
        async with serve(handle) as url:
            world = Provider([])
            world.url = url
            agent = world.agent(backoff=AT_ONCE, patience=Patience(byte_timeout=0.3))
            events = await play(agent.run("Well?"))
    error = ended(events).error
    assert error is not None
    return [*reasons(events)[:1], error.message]


OTHER_TYPES: list[Any] = [
    pytest.param("text/html", b"<html>Log in</html>", "text/html, not a stream", id="HTML"),
    pytest.param("application/json", b'{"ok": true}', "not a stream", id="JSON"),
    pytest.param("application/json", b"{", "not a stream", id="half JSON"),
    pytest.param("application/json", b"[" * 100_000, "not a stream", id="deep JSON"),
    pytest.param(
        "application/json",
        b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}',
        "Busy",
        id="an error with status 200",
    ),
]


@pytest.mark.parametrize(("kind", "body", "reason"), OTHER_TYPES)
async def test_an_answer_of_another_type_is_named(kind: str, body: bytes, reason: str) -> None:
    assert all(reason in each for each in await answered(body, {"content-type": kind}))


async def test_a_stream_under_a_wrong_name_is_read_all_the_same() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.respond(200, {"content-type": "text/plain"}, b"".join(map(bytes, parts)))

    parts: list[Any] = says("Hi.")
    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        end = await world.agent().run("Hi")
    assert end.text == "Hi."


async def test_an_error_counts_even_if_its_explanation_is_cut() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.start(401, {"content-type": "application/json", "content-length": "500"})
        await exchange.send(b'{"error": {"type": "authentication_error"')
        await exchange.close()

    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        events = await play(world.agent().run("Hi"))
    error = ended(events).error
    assert error is not None
    assert error.status == 401
    assert len(reasons(events)) == 1, "a wrong key is not tried again"


async def test_nothing_after_the_last_event_is_read() -> None:
    late = event("message_delta", delta={}, usage={"output_tokens": 999}) + b"data: nonsense\n\n"
    async with provider([start(), text(0, "Hi"), stop("end_turn") + late, Do.PING]) as world:
        end = await world.agent().run("Hi")
    assert (end.outcome, end.usage.output_tokens) == ("completed", 7)


async def test_a_slow_stream_is_not_a_stuck_one() -> None:
    gates = [anyio.Event() for _ in range(4)]
    answer: list[object] = [start()]
    for index, gate in enumerate(gates):
        answer += [text(index, "word"), gate]
    async with provider([*answer, stop("end_turn")]) as world:
        async with world.agent(event_timeout=0.4, max_attempts=1).run("Hi") as run:
            for gate in gates:
                with anyio.move_on_after(0.2):  # each pause is shorter, all together are longer
                    await anyio.sleep_forever()
                gate.set()
            await run
    assert run.outcome == "completed"


async def test_a_malformed_record_that_the_end_leaves_open_is_named() -> None:
    async with provider([start() + b"data: [1, 2]"], says("Ok.")) as world:
        events = await play(world.agent().run("Hi"))
    assert "not an event" in reasons(events)[0]


@pytest.mark.parametrize("encoding", ["Identity", "", " identity "])
async def test_an_encoding_that_is_none_is_none(encoding: str) -> None:
    body = b"".join([start(), text(0, "Hi"), stop("end_turn")])

    async def handle(exchange: Exchange) -> None:
        await exchange.respond(200, {**EVENT_STREAM, "content-encoding": encoding}, body)

    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        assert (await world.agent().run("Hi")).text == "Hi"


async def test_a_compressed_answer_is_refused_unopened() -> None:
    headers = {**EVENT_STREAM, "content-encoding": "gzip"}
    assert "compressed (gzip)" in (await answered(b"\x1f\x8b", headers))[0]


async def test_a_body_shorter_than_its_length_is_a_broken_one() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.start(200, {**EVENT_STREAM, "content-length": "5000"})
        await exchange.send(start())
        await exchange.close()

    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        events = await play(world.agent(backoff=AT_ONCE).run("Hi"))
    assert ended(events).outcome == "failed"
    assert "failed" in reasons(events)[0]


async def test_an_error_page_that_never_ends_does_not_hang_the_run() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.start(500, {"content-type": "text/html"})
        await exchange.send(b"<html>")
        await exchange.client_left()

    with anyio.fail_after(20):
        async with serve(handle) as url:
            world = Provider([])
            world.url = url
            agent = world.agent(patience=Patience(byte_timeout=0.1), max_attempts=1)
            end = await agent.run("Hi")
    assert end.outcome == "failed"


async def test_not_http_at_all_is_a_failed_connection() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.send_raw(b"SSH-2.0-OpenSSH_9.2\r\n")
        await exchange.close()

    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        events = await play(world.agent(backoff=AT_ONCE).run("Hi"))
    assert "failed" in reasons(events)[0]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stream_cut_at_any_byte_runs_the_call_once_and_only_when_it_was_whole() -> None:
    """Every byte of a turn with a call: cut there, then asked for again."""
    sealed_at = WHOLE.index(
        b'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 1}'
    )
    for cut in range(0, len(WHOLE), 3):
        paid: list[int] = []

        async def pay(amount: int, paid: list[int] = paid) -> str:
            paid.append(amount)
            return "paid"

        async with provider([WHOLE[:cut], Do.CUT], [WHOLE], says("Done.")) as world:
            events = await play(world.agent([_tool(pay)]).run("Pay"))
        assert ended(events).outcome == "completed", cut
        assert paid == [5], cut
        before = events[: [type(e).__name__ for e in events].index("TurnDiscarded")]
        assert cut > sealed_at or not any(isinstance(e, ToolStarted) for e in before), cut


def _tool(pay: Any) -> Any:
    from midstream import tool

    async def once(amount: int) -> str:
        result: str = await pay(amount)
        return result

    return tool(once, name="pay")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stream_with_flipped_bytes_never_makes_a_wrong_call() -> None:
    draw = random.Random(2026)
    for _ in range(150):
        body = bytearray(WHOLE)
        for _ in range(draw.randint(1, 4)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        paid: list[Any] = []

        async def pay(amount: int, paid: list[Any] = paid) -> str:
            paid.append(amount)
            return "paid"

        made = Provider([[bytes(body)], says("Done."), says("Done.")])
        with anyio.fail_after(20):
            async with serve(made.handle) as made.url:
                end = await made.agent([_tool(pay)]).run("Pay")
        assert end.outcome in ("completed", "failed", "max_tokens", "refusal")
        assert len(paid) <= 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_the_run_and_nothing_else(body: bytes) -> None:
    async def run() -> str:
        async def handle(exchange: Exchange) -> None:
            await exchange.send(body)
            await exchange.finish()

        with anyio.fail_after(10):
            async with serve(handle) as url:
                world = Provider([])
                world.url = url
                end = await world.agent(max_attempts=1, backoff=None).run("Hi")
        return end.outcome

    assert anyio.run(run) == "failed"
