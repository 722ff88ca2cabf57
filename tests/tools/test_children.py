"""The processes of a tool die with its call: real ones, of every shape, on both event loops."""

import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from midstream import tool
from midstream.agent.run import Run
from midstream.events import ToolFinished
from midstream.tools.children import Children
from tests.fakes import Do, provider, says, start, stop, tool_use
from tests.nursery import Nursery

pytestmark = pytest.mark.anyio
# Popen says so when it is dropped; the process is in good hands, or dead.
still_running = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@asynccontextmanager
async def running(fn: Callable[..., Any], *answers: Any, **options: Any) -> AsyncGenerator[Run]:
    """A run whose model calls `fn` and then says nothing until it is stopped."""
    made = tool(fn, name="act", **options)
    call = [start(), tool_use(0, "a", "act", "{}"), Do.STALL]
    async with provider(call, *answers) as world, world.agent([made]).run("Go") as run:
        yield run


# -- what a tool may start ---------------------------------------------------------------------

# How the processes are made: a shell script, how many of its processes report, Popen's options.
SHAPES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "one": ("{child}", 1, {}),
    "a pipeline and a background job": ("{child} & {child} | cat", 2, {}),
    "a session of its own": ("{child} & {child} | cat", 2, {"start_new_session": True}),
    "a group whose leader is dead": ("{child} & {child} & true", 2, {"process_group": 0}),
    "a session inside": ("setsid {child} & {child}", 2, {}),
    "a session inside a group whose leader is dead": (
        "(setsid {child} & {child} & wait) & true",
        2,
        {"process_group": 0},
    ),
    "deaf to every polite signal": ("{deaf} & {deaf}", 2, {}),
    "forking": ("for i in $(seq 300); do {child} & done; wait", 5, {}),
}
# Generations that fork and die, faster than a list of processes can be read.
CHAIN = """
import os, sys
for generation in range(20_000):
    if generation == 20:
        open(sys.argv[1], "w").write("\\n")
    if os.fork():
        os._exit(0)
os.execlp("sleep", "sleep", sys.argv[2])
"""


def shape(name: str, nursery: Nursery) -> tuple[str, int, dict[str, Any]]:
    script, count, options = SHAPES[name]
    return script.format(child=nursery.child, deaf=nursery.deaf), count, options


@pytest.mark.parametrize("name", SHAPES)
async def test_what_a_plain_function_started_is_dead_when_the_run_has_ended(
    name: str, nursery: Nursery
) -> None:
    script, count, options = shape(name, nursery)
    never = threading.Event()

    def act() -> None:
        subprocess.run(script, shell=True, **options)
        never.wait(20)

    async with running(act) as run:
        await nursery.reported(count)
        run.cancel()
        await run
        assert nursery.alive() == []
        never.set()


@pytest.mark.parametrize("name", SHAPES)
async def test_what_an_async_function_started_is_dead_when_the_run_has_ended(
    name: str, nursery: Nursery
) -> None:
    script, count, options = shape(name, nursery)
    if options.pop("process_group", None) is not None:
        options["start_new_session"] = True  # anyio knows no groups

    async def act() -> None:
        await anyio.run_process(script, **options)
        await anyio.sleep_forever()

    async with running(act) as run:
        await nursery.reported(count)
        run.cancel()
        await run
        assert nursery.alive() == []


async def test_tasks_that_kill_their_own_child_do_not_lose_the_grandchildren(
    nursery: Nursery,
) -> None:
    async def act() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.run_process, f"{nursery.child} & {nursery.child} | cat")

    async with running(act) as run:
        await nursery.reported(6)
        run.cancel()
        await run
        assert nursery.alive() == []


async def test_a_group_cannot_fork_its_way_out(nursery: Nursery) -> None:
    chain = [sys.executable, "-c", CHAIN, str(nursery.door), nursery.mark]
    never = threading.Event()

    def act() -> None:
        subprocess.run(chain, start_new_session=True)
        never.wait(20)

    async with running(act) as run:
        await nursery.reported(1)
        run.cancel()
        await run
        assert nursery.alive() == []
        never.set()


async def asyncio_exec(nursery: Nursery) -> None:
    import asyncio

    process = await asyncio.create_subprocess_exec("sh", "-c", f"{nursery.child} | cat")
    await process.wait()


async def asyncio_shell_in_a_task(nursery: Nursery) -> None:
    import asyncio

    process = await asyncio.create_subprocess_shell(f"{nursery.child} | cat")
    await asyncio.gather(process.wait())


async def asyncio_thread(nursery: Nursery) -> None:
    import asyncio

    await asyncio.to_thread(subprocess.run, f"{nursery.child} | cat", shell=True)


async def trio_process(nursery: Nursery) -> None:
    import trio

    await trio.run_process(f"{nursery.child} | cat", shell=True)


async def trio_thread(nursery: Nursery) -> None:
    import trio

    run = ["sh", "-c", f"{nursery.child} | cat"]
    await trio.to_thread.run_sync(subprocess.run, run, abandon_on_cancel=True)


async def anyio_open(nursery: Nursery) -> None:
    async with await anyio.open_process(f"{nursery.child} | cat") as process:
        await process.wait()


async def anyio_thread(nursery: Nursery) -> None:
    run = ["sh", "-c", f"{nursery.child} | cat"]
    await anyio.to_thread.run_sync(subprocess.run, run, abandon_on_cancel=True)


async def on_the_event_loop(nursery: Nursery) -> None:
    with subprocess.Popen(f"{nursery.child} | cat", shell=True):  # noqa: ASYNC220
        await anyio.sleep_forever()


WAYS = [
    pytest.param("asyncio", asyncio_exec, id="asyncio's exec"),
    pytest.param("asyncio", asyncio_shell_in_a_task, id="asyncio's shell, in a task of its own"),
    pytest.param("asyncio", asyncio_thread, id="a thread of asyncio's"),
    pytest.param("trio", trio_process, id="trio's"),
    pytest.param("trio", trio_thread, id="a thread of trio's"),
    *(
        pytest.param(backend, way, id=f"{way.__name__} on {backend}")
        for way in (anyio_open, anyio_thread, on_the_event_loop)
        for backend in ("asyncio", "trio")
    ),
]


@still_running
@pytest.mark.parametrize(("anyio_backend", "way"), WAYS, indirect=["anyio_backend"])
async def test_whichever_library_starts_them(
    way: Callable[[Nursery], Any], nursery: Nursery
) -> None:
    async def act() -> None:
        await way(nursery)

    async with running(act) as run:
        await nursery.reported(1)
        run.cancel()
        await run
        assert nursery.alive() == []


# -- what may stop it --------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("how", ["interrupted", "left", "cancelled from outside"])
async def test_however_the_run_is_stopped(how: str, plain: bool, nursery: Nursery) -> None:
    script = f"{nursery.child} & {nursery.child} | cat"

    def act() -> None:
        subprocess.run(script, shell=True)

    async def act_async() -> None:
        await anyio.run_process(script)

    with anyio.CancelScope() as scope:
        async with running(act if plain else act_async, says("Ok.")) as run:
            await nursery.reported(2)
            if how == "interrupted":
                run.interrupt("Stop")
                await run
                assert nursery.alive() == []
            elif how == "cancelled from outside":
                scope.cancel()
    assert nursery.alive() == []


@pytest.mark.parametrize("plain", [True, False])
async def test_what_a_late_tool_started_is_dead_when_its_result_is_there(
    plain: bool, nursery: Nursery
) -> None:
    script = f"{nursery.child} & {nursery.child} | cat"
    left: list[list[str]] = []

    def act() -> None:
        subprocess.run(script, shell=True)

    async def act_async() -> None:
        await anyio.run_process(script)

    made = tool(act if plain else act_async, name="act", timeout=1.5)
    call = [start(), tool_use(0, "a", "act", "{}"), stop("tool_use")]
    async with provider(call, says("Ok.")) as world, world.agent([made]).run("Go") as run:
        async for event in run:
            if isinstance(event, ToolFinished):
                left.append(nursery.alive())
                assert "TimeoutError: stopped: it ran longer than its 1.5 s" in event.output
    await nursery.reported(2)  # they did run
    assert left == [[]]


async def test_a_thread_that_is_left_behind_starts_no_more_processes(nursery: Nursery) -> None:
    refused: list[BaseException] = []
    tried = anyio.Event()

    async def act() -> None:
        def work() -> None:
            subprocess.run(nursery.child, shell=True)
            try:
                subprocess.run(nursery.child, shell=True)
            except OSError as error:
                refused.append(error)
            anyio.from_thread.run_sync(tried.set)

        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)

    async with running(act) as run:
        await nursery.reported(1)
        run.cancel()
        await run
        with anyio.fail_after(10):
            await tried.wait()
        assert nursery.alive() == []
    assert "the tool's call was stopped" in str(refused[0])


async def test_a_process_that_was_just_starting_dies_as_soon_as_it_has_started(
    nursery: Nursery, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    over = threading.Event()

    def wait_at_the_gate() -> None:  # in the child, before it becomes another program
        nursery.door.write_text("\n")
        gate.read_text()

    def act() -> None:
        try:
            subprocess.run(["sleep", nursery.mark], preexec_fn=wait_at_the_gate)
        finally:
            over.set()

    async with running(act) as run:
        await nursery.reported(1)
        run.cancel()
        await run
        await anyio.to_thread.run_sync(gate.write_text, "\n")
        assert await anyio.to_thread.run_sync(over.wait, 10)
        assert nursery.alive() == []


async def test_os_system_is_a_process_of_the_call_too(nursery: Nursery) -> None:
    codes: list[int] = []
    go_on, over = threading.Event(), threading.Event()

    def act() -> None:
        codes.extend(os.system(command) for command in ("exit 3", "kill -9 $$", nursery.child))
        go_on.set()
        over.wait(20)

    async with running(act) as run:
        await nursery.reported(1)
        run.cancel()
        await run
        assert nursery.alive() == []
        assert await anyio.to_thread.run_sync(go_on.wait, 10)
        over.set()
    assert [os.waitstatus_to_exitcode(code) for code in codes] == [3, -9, -9]
    elsewhere = os.system("exit 4")  # noqa: ASYNC221
    assert os.waitstatus_to_exitcode(elsewhere) == 4


# -- what is left alone ------------------------------------------------------------------------


@still_running
async def test_what_a_finished_call_has_started_goes_on_when_the_run_is_cancelled(
    nursery: Nursery,
) -> None:
    def act() -> str:
        subprocess.Popen(nursery.child, shell=True, start_new_session=True)
        return "it serves"

    async with running(act) as run:
        async for event in run:
            if isinstance(event, ToolFinished):
                run.cancel()
    await nursery.reported(1)
    assert nursery.alive()


async def test_other_processes_of_the_program_are_not_touched(nursery: Nursery) -> None:
    with subprocess.Popen(["sleep", nursery.mark]) as bystander:  # noqa: ASYNC220

        def act() -> None:
            subprocess.run(f"{nursery.child}; {nursery.child}", shell=True)

        async with running(act) as run:
            await nursery.reported(1)
            run.cancel()
            await run
            assert nursery.alive() == [f"sleep {nursery.mark}"]
            assert bystander.poll() is None
        bystander.kill()


def test_a_program_that_does_not_exist_is_noted_nowhere() -> None:
    children = Children()
    with children.noted(), pytest.raises(FileNotFoundError):
        subprocess.Popen(["/no/such/program"])
    assert not children.any
