"""The question whether a tool may run, put to the person at the terminal."""

import os
import sys
from contextlib import suppress
from functools import partial

import anyio
from anyio import CancelScope

from midstream.agent.run import Run
from midstream.concurrency import in_thread, task_group
from midstream.events import ApprovalRequested
from midstream.faces.plain import printable


async def ask(run: Run, event: ApprovalRequested, terminal: int, before: str) -> None:
    """Ask the person at the terminal; where there is none, the answer is no.

    Meanwhile nothing else is shown, though the answer streams on.

    Args:
        terminal: the number of the file that the question is written to.
        before: ends the line that is open.
    """
    said, closed = "", run.question(event.id)
    if closed.is_set():
        return  # while the events before it were shown
    if os.isatty(terminal) and sys.stdin is not None and sys.stdin.isatty():
        async with task_group() as tasks:
            tasks.start_soon(until_closed, closed, tasks.cancel_scope)
            forget_what_was_typed()
            question = f"{before}  allow {printable(event.name)}? [y/N] "
            await in_thread(partial(os.write, terminal, question.encode()))
            said = await typed_line()
            tasks.cancel_scope.cancel()
        if not said:
            await in_thread(partial(os.write, terminal, b"\n"))
    with suppress(KeyError):  # the call was stopped in the meantime
        run.approve(event.id, said.strip().lower() in ("y", "yes"))


def forget_what_was_typed() -> None:
    """It was no answer to what is about to be asked."""
    with suppress(ImportError):  # Windows
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


async def typed_line() -> str:
    """What is typed next; who gives up waiting for it leaves it to be read."""
    if sys.platform != "win32":  # there a terminal cannot be waited for
        await anyio.wait_readable(sys.stdin)
    return await in_thread(sys.stdin.readline)


async def until_closed(question: anyio.Event, scope: CancelScope) -> None:
    await question.wait()
    scope.cancel()
