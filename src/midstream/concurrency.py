"""The one place where tasks are grouped, and where plain functions run beside the event loop."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

import anyio
from anyio import from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncGenerator[TaskGroup]:
    """anyio's task group, except that a lone error leaves as itself, not as a group of one."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        error = group.exceptions[0]
        raise error from error.__cause__


async def in_thread(function: Callable[[], T]) -> T:
    """Run a plain function in a thread of its own; cancelling leaves the thread behind.

    Unlike anyio's pool the threads are daemons: one that was left behind, asleep for an hour, must
    not hold up the end of the program.
    """
    token, done, outcome = current_token(), anyio.Event(), list[T]()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # a stranger's code: it is raised again where it is awaited
            failure.append(error)
        with suppress(anyio.RunFinishedError):  # nobody waits any more
            from_thread.run_sync(done.set, token=token)

    Thread(target=copy_context().run, args=(work,), daemon=True, name="midstream-tool").start()
    await done.wait()
    if failure:
        raise failure[0]
    return outcome[0]
