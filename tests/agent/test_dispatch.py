"""How calls run: from the moment they are whole, side by side, and in order where it matters."""

import threading
from contextvars import ContextVar
from typing import Annotated, Any

import anyio
import pytest

from midstream import Image, ToolContext, tool
from midstream.events import (
    ApprovalGiven,
    ApprovalRequested,
    RunEvent,
    TextDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolProgress,
    ToolStarted,
    TurnEnded,
)
from tests.fakes import Do, play, provider, says, start, stop, text, tool_use

pytestmark = pytest.mark.anyio


def kinds(events: list[RunEvent], *wanted: type) -> list[str]:
    return [type(e).__name__ for e in events if isinstance(e, wanted)]


# -- when a call starts ------------------------------------------------------------------------


async def test_a_call_runs_while_the_response_still_streams() -> None:
    ran = anyio.Event()

    async def look() -> str:
        ran.set()
        return "42"

    # The answer does not end until the tool has run: a loop that waits for its end would hang.
    answer = [start(), tool_use(0, "a", "look"), text(1, "Let me see."), ran, stop("tool_use")]
    async with provider(answer, says("It is 42.")) as world:
        events = await play(world.agent([look]).run("What is it?"))

    assert world.results() == {"a": "42"}
    assert kinds(events, ToolCallStarted, ToolCallReady, ToolStarted, ToolFinished, TurnEnded) == [
        "ToolCallStarted", "ToolCallReady", "ToolStarted", "ToolFinished", "TurnEnded", "TurnEnded",
    ]  # fmt: skip


async def test_a_call_without_arguments_starts_when_the_next_block_begins() -> None:
    ran = anyio.Event()

    async def look() -> None:
        ran.set()

    answer = [start(), tool_use(0, "a", "look"), text(1, "…"), ran, stop("tool_use")]
    async with provider(answer, says("Done.")) as world:
        await world.agent([look]).run("Look")
    assert list(world.results()) == ["a"]


async def test_what_the_model_streams_is_told_fragment_by_fragment() -> None:
    async def look(at: str) -> str:
        return at

    call = tool_use(0, "a", "look", '{"at', '": "x"}')
    async with provider([start(), call, stop("tool_use")], says("Done.")) as world:
        events = await play(world.agent([look]).run("Look"))

    fragments = [e.json for e in events if isinstance(e, ToolInputDelta) and e.id == "a"]
    assert "".join(fragments) == '{"at": "x"}'
    assert [e.input for e in events if isinstance(e, ToolCallReady)] == [{"at": "x"}]


async def test_the_stream_is_read_on_whatever_a_blocking_tool_does() -> None:
    release, shown = threading.Event(), anyio.Event()

    def block() -> str:
        release.wait(10)
        return "done"

    answer = [
        start(),
        tool_use(0, "a", "block"),
        text(1, "while it blocks"),
        shown,
        stop("tool_use"),
    ]
    async with provider(answer, says("Done.")) as world, world.agent([block]).run("Go") as run:
        async for e in run:
            if isinstance(e, TextDelta) and e.text == "while it blocks":
                shown.set()  # only now does the answer end, and the tool still blocks
                release.set()
    assert world.results() == {"a": "done"}


async def test_a_call_that_is_held_waits_for_the_end_of_the_response() -> None:
    ran = anyio.Event()

    @tool(hold=True)
    async def publish() -> str:
        ran.set()
        return "published"

    gate = anyio.Event()
    answer = [start(), tool_use(0, "a", "publish"), text(1, "Almost"), gate, stop("tool_use")]
    async with provider(answer, says("Done.")) as world:
        async with world.agent([publish]).run("Go") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text == "Almost":
                    await anyio.wait_all_tasks_blocked()
                    assert not ran.is_set()
                    gate.set()
    assert world.results() == {"a": "published"}


async def test_a_call_that_was_held_never_runs_for_an_answer_that_was_lost() -> None:
    runs: list[str] = []
    held = tool(lambda: runs.append("ran"), name="publish", hold=True)
    lost = [start(), tool_use(0, "a", "publish"), text(1, "Almost"), Do.CUT]
    async with provider(lost, says("Never mind.")) as world:
        events = await play(world.agent([held]).run("Go"))
    assert runs == []
    assert kinds(events, ToolStarted, ToolFinished) == []
    assert "publish" not in str(world.said())


# -- side by side, and in order ----------------------------------------------------------------


async def test_calls_run_side_by_side() -> None:
    both = anyio.Event()
    running: list[str] = []

    async def meet(name: str) -> str:
        running.append(name)
        if len(running) == 2:
            both.set()
        await both.wait()  # neither can finish before the other has begun
        return name

    calls = [tool_use(i, f"c{i}", "meet", f'{{"name": "n{i}"}}') for i in range(2)]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        await world.agent([meet]).run("Meet")
    assert world.results() == {"c0": "n0", "c1": "n1"}


async def test_no_more_calls_run_at_a_time_than_allowed() -> None:
    running, most = 0, 0

    async def work(n: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.wait_all_tasks_blocked()
        running -= 1

    calls = [tool_use(i, f"c{i}", "work", f'{{"n": {i}}}') for i in range(6)]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        await world.agent([work], max_parallel_tools=2).run("Work")
    assert most == 2


async def test_results_go_back_in_the_order_of_the_calls() -> None:
    second_done = anyio.Event()

    async def work(n: int) -> str:
        if n == 0:
            await second_done.wait()
        else:
            second_done.set()
        return str(n)

    calls = [tool_use(i, f"c{i}", "work", f'{{"n": {i}}}') for i in range(2)]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        await world.agent([work]).run("Work")
    assert list(world.results().items()) == [("c0", "0"), ("c1", "1")]


async def test_calls_of_one_serial_group_run_one_after_another_in_order() -> None:
    log: list[str] = []

    async def step(n: int) -> None:
        log.append(f"begin {n}")
        await anyio.wait_all_tasks_blocked()
        log.append(f"end {n}")

    calls = [tool_use(i, f"c{i}", "step", f'{{"n": {i}}}') for i in range(3)]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        await world.agent([tool(step, serial="steps")]).run("Go")
    assert log == [f"{what} {n}" for n in range(3) for what in ("begin", "end")]


async def test_a_serial_group_keeps_its_order_over_an_answer_that_was_lost() -> None:
    log: list[str] = []
    began, go_on = anyio.Event(), anyio.Event()

    @tool(serial="steps")
    async def step(n: int) -> None:
        log.append(f"begin {n}")
        began.set()
        await go_on.wait()
        log.append(f"end {n}")

    def steps(attempt: str) -> list[bytes]:
        return [tool_use(i, f"{attempt}{i}", "step", f'{{"n": {i}}}') for i in range(2)]

    lost = [start(), *steps("a"), began, Do.CUT]
    again = [start(), *steps("b"), text(2, "…"), stop("tool_use")]
    async with provider(lost, again, says("Done.")) as world:
        async with world.agent([step]).run("Go") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text == "…":
                    await anyio.wait_all_tasks_blocked()
                    go_on.set()
    assert log == ["begin 0", "end 0", "begin 1", "end 1"]


async def test_two_edits_of_one_file_never_run_at_the_same_time() -> None:
    open_files: list[str] = []
    together: list[set[str]] = []

    @tool(serial=lambda path: path)
    async def edit(path: str, line: str) -> None:
        assert path not in open_files
        open_files.append(path)
        await anyio.wait_all_tasks_blocked()
        together.append(set(open_files))
        open_files.remove(path)

    edits = [("a", "1"), ("a", "2"), ("b", "3")]
    calls = [
        tool_use(i, f"c{i}", "edit", f'{{"path": "{path}", "line": "{line}"}}')
        for i, (path, line) in enumerate(edits)
    ]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        await world.agent([edit]).run("Edit")
        errors = [b.get("is_error") for b in world.said()[-1]["content"]]
    assert errors == [None, None, None]
    assert {"a", "b"} in together


# -- what cannot run ---------------------------------------------------------------------------


async def test_the_next_of_a_serial_group_does_not_start_beside_a_thread_that_was_left() -> None:
    go_on, gone, log = threading.Event(), threading.Event(), list[str]()

    @tool(serial="file", timeout=0.05)
    def edit(n: int) -> None:
        log.append(f"begin {n}")
        go_on.wait(10)
        log.append(f"end {n}")
        gone.set()

    def edits(n: int) -> bytes:
        return tool_use(n, f"{n}", "edit", f'{{"n": {n}}}')

    one, other = (
        [start(), edits(1), edits(2), stop("tool_use")],
        [start(), edits(3), stop("tool_use")],
    )
    async with provider(one, other, says("Ok.")) as world:
        run = world.agent([edit]).run("Go")
        async with run:
            results = [each.output async for each in run if isinstance(each, ToolFinished)]
            go_on.set()
            await anyio.to_thread.run_sync(gone.wait)
    assert "it may still have its effect" in str(results[0])
    assert [str(each)[:50] for each in results[1:]] == [
        "Not started: a call of edit before it still runs. "
    ] * 2
    assert log == ["begin 1", "end 1"]


async def test_every_problem_of_the_arguments_is_named() -> None:
    async def send(to: str, copies: int, urgent: bool = False) -> None: ...

    wrong = '{"to": 7, "copies": "three", "urgnt": true}'
    async with provider(
        [start(), tool_use(0, "a", "send", wrong), stop("tool_use")], says("Oh.")
    ) as w:
        await w.agent([send]).run("Send")
        answer = w.results()["a"]
    for name in ("to", "copies", "urgnt"):
        assert name in answer


CANNOT: list[Any] = [
    pytest.param("lok", '{"at": "x"}', "Did you mean 'look'?", id="an unknown tool"),
    pytest.param("look", "[1, 2]", "expected a JSON object", id="arguments that are no object"),
    pytest.param("look", '{"at": celsius}', "INVALID_JSON", id="arguments that are not JSON"),
    pytest.param("look", '{"at": "x"} {"at": "y"}', "INVALID_JSON", id="two documents"),
    pytest.param("look", "[" * 200_000, "nested too deep", id="200,000 levels"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), CANNOT)
async def test_a_call_that_cannot_run_is_answered_with_the_reason(
    name: str, arguments: str, words: str
) -> None:
    ran: list[str] = []

    async def look(at: str) -> None:
        ran.append(at)

    async with provider(
        [start(), tool_use(0, "a", name, arguments), stop("tool_use")], says("Oh.")
    ) as w:
        end = await w.agent([look]).run("Look")
        answer = w.results()["a"]
    assert words in answer
    assert w.said()[-1]["content"][0]["is_error"] is True
    assert (ran, end.outcome) == ([], "completed")


async def test_calls_that_share_one_id_are_two_calls() -> None:
    async def look(at: str) -> str:
        return at

    calls = [tool_use(i, "same", "look", f'{{"at": "{i}"}}') for i in range(2)]
    async with provider([start(), *calls, stop("tool_use")], says("Ok.")) as world:
        await world.agent([look]).run("Look")
        assert list(world.results().values()) == ["0", "1"]


async def test_ids_that_every_answer_repeats_are_made_unique() -> None:
    async def look() -> str:
        return "seen"

    again = [start(), tool_use(0, "call_0", "look"), stop("tool_use")]
    async with provider(again, again, says("Ok.")) as world:
        end = await world.agent([look]).run("Look twice")
    assert end.outcome == "completed"


# -- context, progress, approval ---------------------------------------------------------------


async def test_progress_is_told_from_async_tools_and_from_threads() -> None:
    @tool
    async def asynchronous(ctx: ToolContext) -> str:
        await ctx.progress("half", 0.5)
        return ctx.call_id

    @tool
    def plain(ctx: ToolContext) -> str:
        ctx.progress("most", 0.9)
        return ctx.call_id

    calls = [tool_use(0, "a", "asynchronous"), tool_use(1, "b", "plain")]
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        events = await play(world.agent([asynchronous, plain]).run("Go"))
        assert world.results() == {"a": "a", "b": "b"}

    told = {(e.id, e.message, e.fraction) for e in events if isinstance(e, ToolProgress)}
    assert told == {("a", "half", 0.5), ("b", "most", 0.9)}
    assert "ctx" not in str(world.requests[0]["tools"])


async def test_a_plain_function_can_see_that_it_was_cancelled() -> None:
    seen, began = threading.Event(), threading.Event()

    @tool
    def watch(ctx: ToolContext) -> None:
        began.set()
        while not ctx.cancelled:
            seen.wait(0.01)
        seen.set()

    async with provider([start(), tool_use(0, "a", "watch"), text(1, "x"), Do.STALL]) as world:
        async with world.agent([watch]).run("Go") as run:
            async for e in run:
                if isinstance(e, ToolStarted):
                    run.cancel()
        assert await anyio.to_thread.run_sync(seen.wait, 5)


async def test_the_idempotency_key_is_the_calls_own() -> None:
    keys: list[str] = []

    @tool(effects="idempotent")
    async def charge(amount: int, ctx: ToolContext) -> None:
        keys.append(ctx.idempotency_key)

    calls = [tool_use(i, f"c{i}", "charge", f'{{"amount": {n}}}') for i, n in enumerate((5, 5, 6))]
    answer = [start(), *calls, stop("tool_use")]
    async with provider(answer, answer, says("Done.")) as world:
        await world.agent([charge]).run("Charge")
    assert len(set(keys)) == 6, (
        "equal calls of one turn, and calls of two turns, are different ones"
    )


async def test_a_tool_runs_in_the_context_it_was_called_from() -> None:
    user = ContextVar("user", default="nobody")

    def who() -> str:
        return user.get()

    user.set("ada")
    async with provider([start(), tool_use(0, "a", "who"), stop("tool_use")], says("Ok.")) as world:
        await world.agent([who]).run("Who?")
    assert world.results() == {"a": "ada"}


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_call_that_needs_approval_waits_for_it_without_stopping_the_stream(
    allowed: bool,
) -> None:
    runs: list[str] = []

    @tool(approval=True)
    async def deploy(to: str) -> str:
        runs.append(to)
        return "deployed"

    shown = anyio.Event()
    call = tool_use(0, "a", "deploy", '{"to": "live"}')
    answer = [start(), call, text(1, "Meanwhile"), shown, stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        events = []
        async with world.agent([deploy]).run("Deploy") as run:
            async for e in run:
                events.append(e)
                if isinstance(e, TextDelta) and e.text == "Meanwhile":
                    shown.set()
                if isinstance(e, TurnEnded):
                    assert runs == (["live"] if allowed else [])
                if isinstance(e, ApprovalRequested):
                    run.approve(e.id, allowed)
                    with pytest.raises(KeyError):
                        run.approve("nobody", allowed=True)
        answer_ = world.results()["a"]
    assert answer_ == ("deployed" if allowed else "Not run: the user said no.")
    assert [e.allowed for e in events if isinstance(e, ApprovalGiven)] == [allowed]


async def test_where_nobody_can_be_asked_the_answer_is_no() -> None:
    @tool(approval=True)
    async def deploy() -> str:
        raise AssertionError("it was not allowed")

    answer = [start(), tool_use(0, "a", "deploy"), stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        await world.agent([deploy]).run("Deploy")  # awaited: no reader, so nobody to ask
    assert world.results() == {"a": "Not run: it needs an approval that nobody gave."}


async def test_a_tool_whose_time_is_up_can_see_it_and_is_not_heard_any_more() -> None:
    late, told = threading.Event(), threading.Event()
    seen: list[bool] = []

    @tool(timeout=0.05)
    def slow(ctx: ToolContext) -> None:
        late.wait(10)
        seen.append(ctx.cancelled)
        ctx.progress("still here")
        told.set()

    answer = [start(), tool_use(0, "a", "slow"), stop("tool_use")]
    async with provider(answer, says("Ok.")) as world:
        events = []
        async with world.agent([slow]).run("Go") as run:
            async for e in run:
                events.append(e)
                if isinstance(e, ToolFinished):
                    late.set()
                    assert await anyio.to_thread.run_sync(told.wait, 5)
    assert seen == [True]
    assert not any(isinstance(e, ToolProgress) for e in events)


async def test_a_tool_may_answer_with_pictures() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)

    async def draw() -> list[Any]:
        return ["A dot:", Image(png)]

    async with provider(
        [start(), tool_use(0, "a", "draw"), stop("tool_use")], says("Ok.")
    ) as world:
        await world.agent([draw]).run("Draw")
        parts = world.said()[-1]["content"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image"]


async def test_the_models_arguments_become_the_functions_types() -> None:
    import datetime

    seen: list[Any] = []

    async def book(
        day: datetime.date, seats: Annotated[int, "how many"], row: str | None = None
    ) -> str:
        seen.append((day, seats, row))
        return "booked"

    call = tool_use(0, "a", "book", '{"day": "2026-11-22", "seats": 2}')
    async with provider([start(), call, stop("tool_use")], says("Ok.")) as world:
        await world.agent([book]).run("Book")
    assert seen == [(datetime.date(2026, 11, 22), 2, None)]
    schema = world.requests[0]["tools"][0]["input_schema"]
    assert schema["properties"]["seats"]["description"] == "how many"
    assert schema["required"] == ["day", "seats"]
