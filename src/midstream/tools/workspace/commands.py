"""Running a command in a shell, while its output is read and told."""

import os
import signal
from collections.abc import Sequence
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Annotated

import anyio
from anyio.abc import Process
from msgspec import Meta

from midstream.concurrency import in_thread, task_group
from midstream.tools.context import ToolContext
from midstream.tools.workspace.environment import environment, program
from midstream.tools.workspace.folders import Folders
from midstream.tools.workspace.printed import Kept, Printed

LONGEST_S = 3600
TELLS_EVERY_S = 0.1
LISTENS_S = 0.5  # to what a command has left in the background, and what holds its output open

Timeout = Annotated[float, Meta(gt=0, le=LONGEST_S), "in seconds; what still runs then is killed"]


class Commands:
    """The tool `run_command`.

    Args:
        more: names of variables that commands may see, beside the usual ones.
    """

    def __init__(self, folders: Folders, more: Sequence[str]) -> None:
        self._folders = folders
        self._more = tuple(more)

    async def run_command(
        self,
        command: Annotated[str, "what the shell is to run"],
        timeout: Timeout = 120,  # noqa: ASYNC109  # the model's, who is told of it in words
        ctx: ToolContext | None = None,
    ) -> str:
        """Run a command with bash (sh where there is none), in the working folder.

        You get stdout and stderr as they came, and the exit status. Each command has a shell of its
        own, without input and without a terminal. Commands and changes of files that you ask for
        in one answer run one after the other, in that order. A server goes to the background with
        its output in a file: `server >log 2>&1 &`.
        """
        output = _Output()
        # Of what is given up while it starts, asyncio would end the shell and nothing else.
        with anyio.CancelScope(shield=True) as starting:
            async with await self._start(command) as process:
                starting.shield = False
                try:
                    with anyio.move_on_after(timeout):
                        await _follow(process, output, ctx)
                        return output.told() + _status(process, output.over.is_set())
                finally:
                    await _end(process)
        raise TimeoutError(
            f"stopped after its {timeout:g} s, with all that it had started. Its output until "
            f"then:\n{output.told() or '(none)'}"
        )

    async def _start(self, command: str) -> Process:
        if "\0" in command:
            raise ValueError("a command cannot hold a NUL")
        shell = program("bash", self._folders.roots) or "/bin/sh"
        try:
            return await anyio.open_process(
                [shell, "-c", "--", command],
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,  # one pipe, so that the order is kept
                cwd=self._folders.first,
                env=environment(os.environ, self._more),
                start_new_session=True,
            )
        except OSError as error:
            raise OSError(f"the command cannot be started: {error.strerror or error}") from error


class _Output:
    """What the command has printed so far.

    Attributes:
        news: set when there is something new.
        over: set when nobody can print any more.
    """

    def __init__(self) -> None:
        self._printed = Printed()
        self._kept = Kept()
        self.news = anyio.Event()
        self.over = anyio.Event()

    async def read(self, process: Process) -> None:
        assert process.stdout is not None  # a pipe
        async for data in process.stdout:
            self._kept.add(self._printed.feed(data))
            self.news.set()
        self.over.set()

    async def tell(self, ctx: ToolContext) -> None:
        """Tell the last line when there is another, but not more often than people can read."""
        told = ""
        while True:
            await self.news.wait()
            self.news = anyio.Event()
            if (line := self._printed.last) != told:
                ctx.progress(line)
                told = line
            await anyio.sleep(TELLS_EVERY_S)

    def told(self) -> str:
        """All of it, or its two ends; what ends here ends with its line."""
        self._kept.add(self._printed.end())
        text = self._kept.text()
        return text if text.endswith("\n") or not text else f"{text}\n"


async def _follow(process: Process, output: _Output, ctx: ToolContext | None) -> None:
    async with task_group() as tasks:
        tasks.start_soon(output.read, process)
        if ctx:
            tasks.start_soon(output.tell, ctx)
        await process.wait()
        with anyio.move_on_after(LISTENS_S):
            await output.over.wait()
        tasks.cancel_scope.cancel()


def _status(process: Process, over: bool) -> str:
    """A failure is no error of the tool: what a search or a test has found is worth reading."""
    code = process.returncode or 0
    how = f"exit status {code}" if code >= 0 else f"ended by a signal: {signal.strsignal(-code)}"
    return f"[{how}{'' if over else '; something that it started still runs'}]"


async def _end(process: Process) -> None:
    """Kill it, unless it is dead, with all that it has started."""
    if process.returncode is None:
        with anyio.CancelScope(shield=True):
            await in_thread(lambda: _kill_tree(process.pid))
            await process.wait()  # else asyncio may log that its status is lost


def _kill_tree(pid: int) -> None:
    from midstream.tools.processes import Trees, processes  # here: psutil takes 25 ms to import

    Trees(processes(pid)).kill()
