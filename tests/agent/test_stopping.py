"""No call starts once the run was stopped, whatever it was waiting for."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from midstream import tool
from midstream.agent.run import Run
from midstream.events import ApprovalRequested, TextDelta, ToolFinished, ToolStarted
from tests.fakes import Do, provider, says, start, text, tool_use

pytestmark = pytest.mark.anyio

# What the second call waits for: options of the tool, and of the agent.
WAITING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a slot": ({}, {"max_parallel_tools": 1}),
    "the one before it": ({"serial": "lane"}, {}),
    "the end of the response": ({"hold": True}, {}),
    "an approval": ({"approval": True}, {}),
}


async def cancel(run: Run) -> None:
    run.cancel()
    await run


async def interrupt(run: Run) -> None:
    run.interrupt("Stop")
    await run


async def leave(run: Run) -> None:
    pass  # its context ends with the test's


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("how", [cancel, interrupt, leave])
@pytest.mark.parametrize("waiting", WAITING)
async def test_a_call_that_waits_never_starts(
    waiting: str, how: Callable[[Run], Awaitable[None]], plain: bool
) -> None:
    started: list[str] = []
    began, freed = anyio.Event(), anyio.Event()
    options, settings = WAITING[waiting]

    async def first() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            freed.set()  # what the second one waits for is there now

    tools = [
        tool(first, serial=options.get("serial")),
        tool(notes(started, plain=plain), name="second", **options),
    ]
    calls = [tool_use(0, "a", "first", "{}"), began, tool_use(1, "b", "second", "{}")]
    async with provider([start(), *calls, text(2, "Hm"), Do.STALL], says("Ok.")) as world:
        async with world.agent(tools, **settings).run("Go") as run:
            wanted = {TextDelta, ToolStarted}
            if "approval" in options:
                wanted.add(ApprovalRequested)
            async for event in run:
                wanted.discard(type(event))
                if not wanted:
                    break
            await anyio.wait_all_tasks_blocked()
            await how(run)
        assert freed.is_set()
    await anyio.wait_all_tasks_blocked()
    assert started == []
    results = {result.call_id: str(result.output) for result in answers(run)}
    assert results["b"].startswith("Not started")


def notes(started: list[str], *, plain: bool) -> Callable[[], Any]:
    def act() -> None:
        started.append("plain")

    async def act_async() -> None:
        started.append("async")

    return act if plain else act_async


def answers(run: Run) -> list[Any]:
    blocks = [block for message in run.session.messages for block in message.blocks]
    return [block for block in blocks if type(block).__name__ == "ToolResult"]


async def test_a_call_that_was_on_its_way_when_the_run_was_stopped_never_starts() -> None:
    started: list[str] = []
    run: Run

    def lane() -> None:  # called when the first call arrives; the second is in the same write
        run.cancel()

    first = tool(notes(started, plain=False), name="first", serial=lane)
    other = notes(started, plain=True)  # whose place in a queue is not asked for either
    second = tool(notes(started, plain=False), name="second", serial=other)
    calls = tool_use(0, "a", "first", "{}") + tool_use(1, "b", "second", "{}")
    async with provider([start() + calls, Do.STALL]) as world:
        async with world.agent([first, second]).run("Go") as run:
            await run
    assert started == []
    assert [str(each.output)[:11] for each in answers(run)] == ["Not started"] * 2


async def test_what_a_lost_answer_paid_is_not_told_as_not_started() -> None:
    run: Run

    async def pay() -> str:
        return "paid"

    def lane() -> None:
        run.cancel()

    halt = tool(notes([], plain=False), name="halt", serial=lane)
    lost = [start(), tool_use(0, "a", "pay", "{}"), paid := anyio.Event(), Do.CUT]
    again = [start() + tool_use(0, "b", "halt", "{}") + tool_use(1, "c", "pay", "{}"), Do.STALL]
    async with provider(lost, again) as world:
        async with world.agent([pay, halt]).run("Go") as run:
            async for event in run:
                if isinstance(event, ToolFinished):
                    paid.set()
    assert [str(each.output)[:11] for each in answers(run)] == ["Not started", "paid"]
