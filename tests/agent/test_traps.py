"""What broke agents in the field, shape by shape, over real sockets; docs/traps.md is the table."""

import ast
import asyncio
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

import midstream
from midstream import Run
from midstream.events import (
    Event,
    RunEvent,
    TextDelta,
    ToolFinished,
    ToolInputDelta,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
)
from midstream.faces.plain import PlainText
from midstream.feed import Feed
from midstream.messages import Message, Text, ToolCall
from midstream.providers.anthropic import AnthropicDecoder
from midstream.simulator.server import Exchange, serve
from midstream.simulator.signatures import sign
from midstream.turn.retry import Backoff
from midstream.turn.turn import Turn
from midstream.wire.sse import SseDecoder
from tests.fakes import (
    Answer,
    Do,
    Provider,
    block,
    event,
    failure,
    play,
    provider,
    reasons,
    says,
    start,
    stop,
    text,
    thinking,
    tool_use,
)

pytestmark = pytest.mark.anyio


class Till:
    """A tool with an effect, and the account of it."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    async def pay(self, amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        return f"paid {amount}"


def pays(call_id: str, amount: int, index: int = 0) -> bytes:
    return tool_use(index, call_id, "pay", f'{{"amount": {amount}}}')


def roles(world: Provider, request: int = -1) -> list[str]:
    return [message["role"] for message in world.said(request)]


# -- A: a history that nobody accepts any more -------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
async def test_stopped_at_any_event_the_next_request_is_accepted(how: str) -> None:
    """The provider refuses a call without its result, one result too many, unsigned thinking."""
    for at in range(40):
        if not await stopped_at(at, how):
            assert at > 10, "the events were tried, and not only the first of them"
            return
    raise AssertionError("the run has more events than were tried")


async def stopped_at(at: int, how: str) -> bool:
    """Stop a run at its `at`-th event; False if it has fewer."""
    till = Till()

    async def forever() -> None:
        await anyio.sleep_forever()

    open_call = tool_use(5, "c", "pay", '{"am', close=False)
    answer = [start(), thinking(0, "Hm."), text(1, "So."), pays("a", 5, 2),
              tool_use(3, "b", "forever", "{}"), thinking(4, "Hm?", signed=False), open_call,
              Do.STALL]  # fmt: skip
    seen = 0
    world = Agreeable([answer])
    async with serve(world.handle) as world.url:
        agent = world.agent([till.pay, forever])
        async with agent.run("Go") as run:
            async for e in run:
                last = isinstance(e, ToolInputDelta) and e.id == "c"
                if seen == at or last:
                    run.cancel() if how == "cancel" else run.interrupt("Stop")
                    break
                seen += 1
            await run
        end = await agent.run("Go on", run.session)
        assert end.outcome == "completed"
        assert world.said()[-1]["content"][-1]["text"] == "Go on"
    assert world.refusals == [], at
    assert till.paid in ([], [5]), at
    return seen == at


class Agreeable(Provider):
    """A provider that answers new words with words."""

    async def handle(self, exchange: Exchange) -> None:
        last = json.loads(exchange.request.body)["messages"][-1]["content"][-1]
        if last.get("text") in ("Stop", "Go on"):
            self._answers = iter([says("Very well.")])
        await super().handle(exchange)


async def test_the_answer_to_new_words_is_a_message_of_its_own() -> None:
    answer = [start(), text(0, "Long", close=False), Do.STALL]
    calls = [start(), tool_use(0, "a", "pay", '{"amount": 5}'), text(1, "Paying"), Do.STALL]
    async with provider(answer, calls, says("Stopped."), says("Yes.")) as world:
        agent = world.agent([Till().pay])
        async with agent.run("Tell") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text in ("Long", "Paying"):
                    run.interrupt("Pay")
        await world.left.wait()  # the long answer is not read to its end
        await agent.run("Sure?", run.session)

    assert roles(world) == ["user", "assistant"] * 3 + ["user"]
    assert [b["type"] for b in world.said()[3]["content"]] == ["tool_use", "text"]
    assert [b["type"] for b in world.said()[4]["content"]] == ["tool_result", "text"]
    assert world.said()[5]["content"] == [{"type": "text", "text": "Stopped."}]


async def test_results_stay_though_the_request_that_brings_them_is_refused() -> None:
    till = Till()
    refused: Answer = (400, {"error": {"type": "invalid_request_error", "message": "no"}}, {})
    async with provider([start(), pays("a", 5), stop("tool_use")], refused, says("Ok.")) as world:
        agent = world.agent([till.pay])
        run = agent.run("Pay")
        await play(run)
        await agent.run("And?", run.session)

    assert run.outcome == "failed"
    assert world.results() == {"a": "paid 5"}
    assert world.notes() == "And?"
    assert till.paid == [5]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_error_of_the_tools_own_making_is_a_failed_call() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError("not ours")

    answer = [start(), tool_use(0, "a", "gives_up"), stop("tool_use")]
    async with provider(answer, says("Oh.")) as world:
        end = await world.agent([gives_up]).run("Try")
    assert world.results() == {"a": "CancelledError: not ours"}
    assert end.outcome == "completed"


async def test_a_result_that_comes_after_the_stop_is_no_second_result() -> None:
    release = threading.Event()

    def slow() -> str:
        release.wait(10)
        return "too late"

    before = set(threading.enumerate())
    answer = [start(), tool_use(0, "a", "slow"), text(1, "x"), Do.STALL]
    async with provider(answer, says("Ok.")) as world:
        agent = world.agent([slow])
        async with agent.run("Go") as run:
            async for e in run:
                if isinstance(e, ToolStarted):
                    run.cancel()
            kept = list(run.session.messages)
            left = [t for t in set(threading.enumerate()) - before if t.name == "midstream-tool"]
            assert len(left) == 1, "the thread that cannot be stopped"
            release.set()
            await anyio.to_thread.run_sync(left[0].join, 10)
            await anyio.wait_all_tasks_blocked()
            assert run.session.messages == kept
        await agent.run("Go on", run.session)
        results = [b for b in world.said()[-1]["content"] if b["type"] == "tool_result"]
    assert len(results) == 1
    assert results[0]["content"].startswith("Stopped while it was running")


# -- B: calls that are lost, cut or mixed up ---------------------------------------------------

BESIDE: list[Any] = [
    pytest.param(b"", b"", id="nothing"),
    pytest.param(text(0, "I'll pay."), b"", id="text before"),
    pytest.param(text(0), b"", id="an empty part before"),
    pytest.param(text(0, "\n\n"), b"", id="blank text before"),
    pytest.param(thinking(0, "Hm."), b"", id="thinking before"),
    pytest.param(event("ping"), event("ping"), id="pings"),
    pytest.param(b"", text(2, "Paying."), id="text behind"),
    pytest.param(text(0, "I'll pay."), text(2), id="an empty part behind"),
]


@pytest.mark.parametrize("reason", ["tool_use", "end_turn"])
@pytest.mark.parametrize(("before", "behind"), BESIDE)
async def test_what_stands_beside_a_call_does_not_keep_it_from_running(
    before: bytes, behind: bytes, reason: str
) -> None:
    till = Till()
    answer = [start(), before, pays("a", 5, 1), behind, stop(reason)]
    async with provider([each for each in answer if each], says("Done.")) as world:
        end = await world.agent([till.pay]).run("Pay")
    assert (till.paid, end.text) == ([5], "Done.")
    assert world.results() == {"a": "paid 5"}


@pytest.mark.parametrize("reason", ["tool_use", "end_turn", "stop_sequence"])
@pytest.mark.parametrize("arguments", ['{"amount": 5', '{"amount": 5, "to": }', '{"amount": 5}}'])
async def test_a_cut_that_the_provider_does_not_admit_runs_nothing(
    arguments: str, reason: str
) -> None:
    till = Till()
    cut = [start(), tool_use(0, "a", "pay", arguments), stop(reason)]
    async with provider(cut, says("I see.")) as world:
        end = await world.agent([till.pay]).run("Pay")
    assert till.paid == []
    assert arguments.replace('"', '\\"') in world.results()["a"], "it can see what it wrote"
    assert world.said()[1]["content"][0]["input"] == {}, "the history stays valid"
    assert end.text == "I see."


async def test_arguments_that_arrive_interleaved_go_to_their_own_calls() -> None:
    till = Till()

    def opened(index: int) -> bytes:
        return tool_use(index, f"c{index}", "pay", close=False)

    def part(index: int, fragment: str) -> bytes:
        delta = {"type": "input_json_delta", "partial_json": fragment}
        return event("content_block_delta", index=index, delta=delta)

    answer = [start(), *map(opened, range(3))]
    answer += [part(index, '{"amo') for index in (2, 0, 1)]
    answer += [part(index, f'unt": {index}}}') for index in (1, 2, 0)]
    answer += [event("content_block_stop", index=index) for index in range(3)]
    async with provider([*answer, stop("tool_use")], says("Done.")) as world:
        await world.agent([till.pay]).run("Pay")
    assert world.results() == {"c0": "paid 0", "c1": "paid 1", "c2": "paid 2"}


PART = {"type": "input_json_delta", "partial_json": '{"amount": 7}'}
NOBODYS: list[Any] = [
    pytest.param(event("content_block_delta", delta=PART), "malformed", id="no index"),
    pytest.param(event("content_block_delta", index=9, delta=PART), "not a call", id="no such"),
    pytest.param(pays("b", 7, 1), "began twice", id="an index that is taken"),
    pytest.param(
        event("content_block_stop", index=1) + event("content_block_delta", index=1, delta=PART),
        "had ended",
        id="an index that has ended",
    ),
]


@pytest.mark.parametrize(("record", "reason"), NOBODYS)
async def test_arguments_that_name_no_open_call_are_given_to_none(
    record: bytes, reason: str
) -> None:
    till = Till()
    mixed = [start(), pays("a", 5), tool_use(1, "b", "pay", '{"amount": 6}', close=False), record]
    again = [start(), pays("c", 5), pays("d", 6, 1), stop("tool_use")]
    async with provider([*mixed, stop("tool_use")], again, says("Done.")) as world:
        events = await play(world.agent([till.pay]).run("Pay"))
    assert [reason in each for each in reasons(events)] == [True], reasons(events)
    assert till.paid == [5, 6]


async def test_an_answer_that_falls_silent_inside_a_call_is_never_a_finished_one() -> None:
    till = Till()
    silent = [start(), text(0, "Paying. "), tool_use(1, "a", "pay", '{"am', close=False), Do.STALL]
    whole = [start(), text(0, "Paying. "), pays("b", 5, 1), stop("tool_use")]
    async with provider(silent, whole, says("Paid."), silent, silent) as world:
        agent = world.agent([till.pay], byte_timeout=0.2, backoff=Backoff(max_attempts=2, base_s=0))
        first = await agent.run("Pay")
        second = await agent.run("Pay again")
    assert (first.outcome, first.text, till.paid) == ("completed", "Paid.", [5])
    assert second.outcome == "failed"
    assert second.error is not None
    assert second.error.type == "stream_stalled"


# -- C: interrupted streams, asked again -------------------------------------------------------


async def test_nothing_of_a_lost_attempt_is_left_in_the_next() -> None:
    till = Till()
    half = tool_use(1, "a", "pay", '{"amount": 5, "to": "An', close=False)
    lost = [start(), text(0, "I will pay "), half, Do.CUT]
    whole = [start(), text(0, "I will pay six."), pays("a", 6, 1), stop("tool_use")]
    async with provider(lost, whole, says("Done.")) as world:
        run = world.agent([till.pay]).run("Pay")
        await play(run)
    assert till.paid == [6]
    assert run.session.messages[1] == Message(
        "assistant", (Text("I will pay six."), ToolCall("a", "pay", {"amount": 6}))
    )


async def test_a_stream_that_always_breaks_behind_its_call_is_given_up_and_the_call_ran_once() -> (
    None
):
    till = Till()
    lost = [[start(), pays(f"id_{n}", 5), text(1, "x"), Do.CUT] for n in range(5)]
    async with provider(*lost, says("I see.")) as world:
        agent = world.agent([till.pay])
        run = agent.run("Pay")
        await play(run)
        assert (run.outcome, len(world.requests)) == ("failed", 5)
        assert till.paid == [5]
        await agent.run("And?", run.session)
    assert 'pay({"amount":5}): done: paid 5' in world.notes()


LOST: list[Any] = [
    pytest.param([Do.CUT], id="cut"),
    pytest.param([Do.RESET], id="reset"),
    pytest.param([start(), Do.CUT], id="cut after a word"),
    pytest.param((529, {"error": {"type": "overloaded_error", "message": "m"}}, {}), id="busy"),
    pytest.param([failure("overloaded_error")], id="busy, in the stream"),
]


@pytest.mark.parametrize("trouble", LOST)
async def test_results_that_did_not_arrive_are_sent_again_and_nothing_runs_again(
    trouble: Answer,
) -> None:
    till = Till()
    calls = [start(), pays("a", 5), stop("tool_use")]
    async with provider(calls, *[trouble] * 4, says("Done.")) as world:
        end = await world.agent([till.pay]).run("Pay")
        sent = [world.results(request) for request in range(1, 6)]
    assert (till.paid, end.text) == ([5], "Done.")
    assert sent == [{"a": "paid 5"}] * 5


# -- D and E: hangs, and cancels that do not cancel --------------------------------------------


@pytest.mark.parametrize("answer", [[Do.STALL], [Do.PING], [start(), Do.PING]])
async def test_cancel_is_obeyed_while_nothing_or_only_pings_come(answer: Answer) -> None:
    async with provider(answer) as world, world.agent().run("Hi") as run:
        await world.asked.wait()
        with anyio.fail_after(5):
            run.cancel()
            await run
    assert run.outcome == "cancelled"


async def test_a_cancel_reaches_the_tool_that_waits() -> None:
    reached = anyio.Event()

    async def wait() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            reached.set()

    async with provider([start(), tool_use(0, "a", "wait", "{}"), Do.STALL]) as world:
        async with world.agent([wait]).run("Wait") as run:
            async for e in run:
                if isinstance(e, ToolStarted):
                    run.cancel()
    assert reached.is_set()
    assert run.outcome == "cancelled"


async def test_stopping_a_hundred_answers_leaves_the_connections_free() -> None:
    """The pool of one run has a hundred places; a place that is lost is lost for good."""
    answer = [start(), text(0, "x", close=False), Do.STALL]
    async with provider(*[answer] * 110, says("At last.")) as world:
        async with world.agent().run("Hi") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text == "x":
                    run.interrupt("Again")
    assert (run.outcome, run.text) == ("completed", "At last.")


async def test_runs_that_are_cancelled_twice_leave_no_socket_open() -> None:
    answer = [start(), text(0, "x", close=False), Do.STALL]
    async with provider(*[answer] * 12) as world:
        agent = world.agent()
        await cancelled_twice(agent.run("Hi"))
        await anyio.wait_all_tasks_blocked()
        before = len(os.listdir("/dev/fd"))
        for _ in range(11):
            await cancelled_twice(agent.run("Hi"))
        await anyio.wait_all_tasks_blocked()
        assert len(os.listdir("/dev/fd")) <= before


async def cancelled_twice(run: Run) -> None:
    with anyio.CancelScope() as scope:
        async with run:
            async for e in run:
                if isinstance(e, TextDelta):
                    run.cancel()
                    scope.cancel()
    assert run.outcome == "cancelled"


async def test_a_run_may_be_read_by_any_task_and_put_down_anywhere() -> None:
    """An async generator that owns a cancel scope breaks when another task closes it."""
    answer = [start(), *[text(i, "word ") for i in range(6)], Do.STALL]
    seen: list[list[RunEvent]] = [[], [], []]

    async def some(reader: Any, place: int) -> None:
        async for e in reader:
            seen[place].append(e)
            if isinstance(e, TextDelta):
                return  # and the reader is dropped as it is

    async with provider(answer) as world:
        async with world.agent().run("Talk") as run:
            for place, reader in enumerate([run, run.events(), run]):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(some, reader, place)
    assert run.outcome == "cancelled"
    assert all(events and isinstance(events[-1], TextDelta) for events in seen)


# -- F and G: thinking and bytes ---------------------------------------------------------------

ODD = 'é e\u0301 \u2028 \u0085 🦆 \\u0041 \\ " </x> \t\r\n \u200b\ufeff trailing '


async def test_signed_thinking_goes_back_to_the_last_character() -> None:
    till = Till()
    answer = start() + thinking(0, ODD) + pays("a", 5, 1) + stop("tool_use")
    drip = [answer[i : i + 1] for i in range(len(answer))]
    async with provider(drip, says("Done.")) as world:
        await world.agent([till.pay], thinking=1024).run("Pay")
    assert world.said()[1]["content"][0] == {
        "type": "thinking", "thinking": ODD, "signature": sign(ODD, 0),
    }  # fmt: skip


async def test_characters_need_no_charset_and_survive_every_cut() -> None:
    body = start() + text(0, "Ünï 世界 🎉 ", ODD) + stop("end_turn")

    async def handle(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        for place in range(len(body)):
            await exchange.send(body[place : place + 1])
        await exchange.finish()

    async with serve(handle) as url:
        world = Provider([])
        world.url = url
        end = await world.agent().run("Hi")
    assert end.text == "Ünï 世界 🎉 " + ODD


async def test_a_record_of_megabytes_is_read_like_any_other() -> None:
    words = "0123456789" * 300_000
    async with provider([start(), text(0, words), stop("end_turn")], says("Ok.")) as world:
        agent = world.agent()
        run = agent.run("Talk")
        await play(run)
        assert (run.outcome, run.text == words) == ("completed", True)
        assert (await agent.run("And?", run.session)).text == "Ok."


# -- H: work that grows with what came before --------------------------------------------------


def work_s(begun: dict[str, Any], delta: dict[str, Any], deltas: int) -> float:
    """CPU seconds from the bytes of one block to a face's text, a record at a time."""
    records = [start(), event("content_block_start", index=0, content_block=begun)]
    records += [event("content_block_delta", index=0, delta=delta)] * deltas
    if begun["type"] == "tool_use":
        opening = {"type": "input_json_delta", "partial_json": '{"words": "'}
        closing = {"type": "input_json_delta", "partial_json": '"}'}
        records.insert(2, event("content_block_delta", index=0, delta=opening))
        records.append(event("content_block_delta", index=0, delta=closing))
    records += [event("content_block_stop", index=0), stop("tool_use")]
    sse, decoder, turn, feed = SseDecoder(), AnthropicDecoder(), Turn(), Feed("r")
    reader, face = feed.reader(), PlainText(terminal=True, colour=True, width=80)
    began = time.process_time()
    for data in records:
        for record in sse.feed(data):
            for each in decoder.feed(record):
                turn.feed(each)
                if isinstance(each, Event):
                    feed.emit(each)
                    face.show(each)
    shown = turn.message().blocks
    took = time.process_time() - began
    assert len(str(shown)) > 100 * deltas
    assert reader.behind <= 2
    return took


WORDS = "0123456 89" * 10  # a copy of what came before must cost more than all else
GROWING: list[Any] = [
    pytest.param({"type": "text", "text": ""}, {"type": "text_delta", "text": WORDS},
                 id="text"),
    pytest.param({"type": "thinking", "thinking": ""},
                 {"type": "thinking_delta", "thinking": WORDS}, id="thinking"),
    pytest.param({"type": "tool_use", "id": "a", "name": "write", "input": {}},
                 {"type": "input_json_delta", "partial_json": WORDS}, id="arguments"),
]  # fmt: skip


@pytest.mark.parametrize(("begun", "delta"), GROWING)
def test_a_delta_costs_the_same_however_many_came_before(
    begun: dict[str, Any], delta: dict[str, Any]
) -> None:
    few = min(work_s(begun, delta, 10_000) for _ in range(2))
    many = min(work_s(begun, delta, 40_000) for _ in range(2))
    assert many < 8 * few, "four times the deltas; what is quadratic takes sixteen times as long"


def test_no_generator_of_ours_owns_a_task_or_a_scope() -> None:
    """Who closes such a generator late, or in another task, closes the scope in the wrong one."""
    loose: list[str] = []
    for path in Path(midstream.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            yields = any(isinstance(each, ast.Yield) for each in ast.walk(node))
            names = [ast.unparse(each) for each in node.decorator_list]
            if yields and "asynccontextmanager" not in names:
                loose.append(f"{path.name}:{node.name}")
    assert loose == []


# -- I and J, and the tutorial way -------------------------------------------------------------


async def test_a_call_is_told_as_finished_while_others_still_run() -> None:
    gate = anyio.Event()

    async def fails() -> None:
        raise OSError("disk on fire")

    async def waits() -> str:
        await gate.wait()
        return "waited"

    calls = [tool_use(0, "a", "waits", "{}"), tool_use(1, "b", "fails", "{}")]
    async with provider([start(), *calls, stop("tool_use")], says("Ok.")) as world:
        finished: list[str] = []
        async with world.agent([fails, waits]).run("Go") as run:
            async for e in run:
                if isinstance(e, ToolFinished):
                    finished.append(e.name)
                    gate.set()  # the other one only ends after this one was told
    assert finished == ["fails", "waits"]
    assert world.results() == {"a": "waited", "b": "OSError: disk on fire"}


async def test_a_validator_sees_whole_arguments_or_none() -> None:
    import dataclasses

    seen: list[Any] = []

    @dataclasses.dataclass
    class Order:
        item: str
        copies: int

        def __post_init__(self) -> None:
            seen.append((self.item, self.copies))

    async def buy(order: Order) -> str:
        return f"bought {order.copies}"

    spelled = '{"order": {"item": "a longish name", "copies": 12}}'
    call = tool_use(0, "a", "buy", *spelled)  # a fragment for each character
    buy.__annotations__["order"] = Order
    async with provider([start(), call, stop("tool_use")], says("Ok.")) as world:
        await world.agent([buy]).run("Buy")
    assert seen == [("a longish name", 12)]
    assert world.results() == {"a": "bought 12"}


async def test_blocks_go_back_in_the_order_they_came() -> None:
    till = Till()
    redacted = block(3, {"type": "redacted_thinking", "data": "x" * 20})
    answer = [start(), thinking(0, "Hm."), text(1, "First. "), pays("a", 1, 2), redacted,
              text(4, "Then. "), pays("b", 2, 5), text(6, "Done?"), stop("tool_use")]  # fmt: skip
    async with provider(answer, says("Done.")) as world:
        await world.agent([till.pay], thinking=1024).run("Pay twice")
        world.refusals.clear()  # the redacted thinking is not of the simulator's making
    kinds = [b["type"] for b in world.said()[1]["content"]]
    assert kinds == ["thinking", "text", "tool_use", "redacted_thinking", "text", "tool_use",
                     "text"]  # fmt: skip
    assert list(world.results().values()) == ["paid 1", "paid 2"]


ENDS: list[Any] = [
    ("end_turn", "completed"),
    ("stop_sequence", "completed"),
    ("tool_use", "completed"),  # although no tool is
    ("max_tokens", "max_tokens"),
    ("model_context_window_exceeded", "max_tokens"),
    ("refusal", "refusal"),
    ("on_strike", "failed"),
]


@pytest.mark.parametrize(("reason", "outcome"), ENDS)
async def test_every_stop_reason_has_its_end(reason: str, outcome: str) -> None:
    async with provider([start(), text(0, "Hm"), stop(reason)], says("Ok.")) as world:
        agent = world.agent()
        run = agent.run("Work")
        await play(run)
        assert run.outcome == outcome
        assert (await agent.run("Go on", run.session)).outcome == "completed"


async def test_a_compaction_is_no_end() -> None:
    compaction = block(
        0, {"type": "compaction", "content": None},
        {"type": "compaction_delta", "content": "So far: nothing."},
    )  # fmt: skip
    async with provider([start(), compaction, stop("compaction")], says("Going on.")) as world:
        end = await world.agent().run("Work")
        world.refusals.clear()  # the simulator wants the beta header for it
    assert (end.outcome, end.text) == ("completed", "Going on.")
    assert world.said()[-1]["content"][0]["content"] == "So far: nothing."


async def test_a_face_that_takes_back_what_was_discarded_shows_the_answer_once() -> None:
    lost = [start(), text(0, "Half"), Do.CUT]
    async with provider(lost, says("The whole.")) as world:
        events = await play(world.agent().run("Hi"))
    shown = ""
    for e in events:
        if isinstance(e, TurnDiscarded):
            shown = ""
        if isinstance(e, TextDelta):
            shown += e.text
    assert shown == "The whole."
    assert [e.message.text for e in events if isinstance(e, TurnEnded)] == ["The whole."]
