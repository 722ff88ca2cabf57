"""One tool call as it runs: from waiting for its turn to a result that is true of it."""

import hashlib
import math
import threading
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import partial
from inspect import isawaitable
from typing import Any

import anyio
from anyio import from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled, current_token
from msgspec import Struct

from midstream.concurrency import in_thread
from midstream.events import RunEvent, ToolFinished, ToolProgress, ToolStarted
from midstream.messages import ToolCall, ToolResult
from midstream.tools.approvals import Approvals
from midstream.tools.children import Children
from midstream.tools.context import ToolContext
from midstream.tools.output import to_output
from midstream.tools.tool import Tool

# What makes two calls of one turn the same: the tool, its input, the ordinal among equal calls.
Key = tuple[str, str, int]
STILL_RUNS = "It runs in a thread, which nothing can stop: it may still have its effect."


class Bench(Struct, frozen=True):
    """What the calls of every turn of a run share.

    Attributes:
        slots: how many tools run at a time.
        tell: where events go; never waits.
        approvals: says whether a call may run.
        left: the calls of serial groups that were left behind in their threads.
        began, ended: awaited before a tool starts and after it ended, so that both can be kept.
            `began` gets the ordinal and the effects too, and says why the tool must not start.
    """

    tools: Mapping[str, Tool]
    tasks: TaskGroup
    slots: anyio.CapacityLimiter
    tell: Callable[[RunEvent], None]
    approvals: Approvals
    began: Callable[[ToolCall, int, str], Awaitable[str]]
    ended: Callable[[ToolResult], Awaitable[None]]
    left: "dict[str, Call]" = {}


class State(Enum):
    WAITING = "not started"
    RUNNING = "running"
    FINISHED = "finished"


class Call:
    """A call and what has become of it. Times are those of the event loop's clock.

    Attributes:
        before: by serial group, the call that must be done first.
        why: what cancelled it, such as "interrupted by the user"; empty if nothing did.
        reused: its result is that of an equal call of a discarded attempt.
        written: that it begins is written down, so that its end must be too.
        in_thread: a thread runs its code, which nothing can stop.
        shown: faces know of it, and are told how it ends.
    """

    def __init__(self, asked: ToolCall, key: Key, tool: Tool | None) -> None:
        self.asked = asked
        self.key = key
        self.tool = tool
        self.state = State.WAITING
        self.result: ToolResult | None = None
        self.done = anyio.Event()
        self.before: dict[str, Call | None] = {}
        self.began = self.ended = math.inf
        self.why = ""
        self.reused = False
        self.written = False
        self.in_thread = False
        self.shown = True
        # It is stopped through these scopes alone, so that every call ends with a result.
        self.scope = anyio.CancelScope(shield=True)
        self._heirs: list[Call] = []  # of later attempts, which adopt its result
        self._running = anyio.CancelScope()  # around the tool's own code
        self._children = Children()
        self._halt = anyio.Event()
        self._settled = anyio.Event()

    def cancel(self, why: str) -> None:
        if self.state is State.FINISHED:
            return
        self.why = why
        self._children.stop()
        self._halt.set()
        if not self._children.any:
            self.scope.cancel()

    async def run(
        self, tool: Tool, arguments: dict[str, Any], bench: Bench, place: str
    ) -> ToolResult:
        """Run the tool; whatever it does comes back as a result.

        Args:
            place: names the turn within its session; part of the idempotency key.
        """
        self.written, problem = True, ""
        with anyio.CancelScope(shield=True):
            problem = await bench.began(self.asked, self.key[2], tool.effects)
        await checkpoint_if_cancelled()
        if problem:
            return self._answer(f"Not started: {problem}", is_error=True)
        self.state, self.began = State.RUNNING, anyio.current_time()
        bench.tell(ToolStarted(self.asked.id, self.asked.name))
        bench.tasks.start_soon(self._watch, tool.timeout)
        try:
            with self._running, self._children.noted():
                value = await self._invoke(tool, arguments, bench, place)
                return self._answer(to_output(value, tool.max_output))
            if self.why:
                return self.stopped()
            left = f". {STILL_RUNS}" if self.in_thread else ""
            raise TimeoutError(f"stopped: it ran longer than its {tool.timeout:g} s{left}")
        except BaseException as error:
            # A stranger's code ran, and whatever it raises is the model's to read: SystemExit and
            # KeyboardInterrupt (a signal arrives elsewhere) too, and a CancelledError of its own
            # making. Ours is raised again by the checkpoint.
            if isinstance(error, anyio.get_cancelled_exc_class()):
                await checkpoint_if_cancelled()
            words = to_output(in_words(error), tool.max_output)
            return self._answer(words, is_error=True)
        finally:
            if self._children.stopped:
                with anyio.CancelScope(shield=True):
                    await self._settled.wait()
            self._halt.set()

    async def _watch(self, limit_s: float | None) -> None:
        """Stop the tool once it is cancelled or late.

        Its processes are halted before its own code hears of it, and killed then: a tool that
        kills its child by itself would cut the tree, and the grandchildren could not be found.
        """
        try:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(limit_s):
                    await self._halt.wait()
                    if not self._children.stopped:
                        return
                self._children.stop()
                await self._children.freeze()
                self._running.cancel()
                await self._children.kill()
        finally:  # its tool waits for this, whatever went wrong here
            self._running.cancel()
            self._settled.set()

    def finish(self, result: ToolResult | None, seconds: float, bench: Bench) -> None:
        result = result or self.stopped()
        output, is_error = result.output, result.is_error
        self.state, self.result = State.FINISHED, self._answer(output, is_error=is_error)
        self.done.set()
        if self.shown:
            call_id, name = self.asked.id, self.asked.name
            bench.tell(ToolFinished(call_id, name, output, is_error, seconds, self.reused))
        for call in self._heirs:
            call.finish(self.result, seconds, bench)

    def hand_on(self, heir: "Call", bench: Bench) -> None:
        """Give this call's result to another that asks for the same: now, or once it is there."""
        if self.result:
            heir.finish(self.result, self.seconds, bench)
        else:
            self._heirs.append(heir)

    def refuse(self, words: str, bench: Bench) -> None:
        self.finish(self._answer(words, is_error=True), 0.0, bench)

    def stopped(self) -> ToolResult:
        """The result of a call that was cancelled: what is true of it, and no more."""
        why = self.why or "midstream failed"
        if self.state is State.WAITING:
            return self._answer(f"Not started: {why}.", is_error=True)
        then = STILL_RUNS if self.in_thread else "What it did until then is unknown."
        words = f"Stopped while it was running: {why}. {then}"
        return self._answer(words, is_error=True)

    @property
    def seconds(self) -> float:
        return self.ended - self.began if self.ended < math.inf else 0.0

    async def _invoke(
        self, tool: Tool, arguments: dict[str, Any], bench: Bench, place: str
    ) -> object:
        if tool.context_parameter:
            arguments = arguments | {tool.context_parameter: self._context(bench, place)}
        call = partial(tool.fn, **arguments)
        self.in_thread = not tool.is_async
        value = call() if tool.is_async else await in_thread(partial(self._work, call))
        return await value if isawaitable(value) else value

    def _work(self, call: Callable[[], object]) -> object:
        try:
            return call()
        finally:
            self.in_thread = False

    def _context(self, bench: Bench, place: str) -> ToolContext:
        token, loop_thread = current_token(), threading.get_ident()

        def tell(message: str, fraction: float | None) -> None:
            if self.state is not State.RUNNING:
                return  # a thread that was left behind still talks
            event = ToolProgress(self.asked.id, message, fraction)
            if threading.get_ident() == loop_thread:
                bench.tell(event)
            else:
                from_thread.run_sync(bench.tell, event, token=token)

        words = "\0".join((place, *map(str, self.key)))
        return ToolContext(
            self.asked.id,
            hashlib.sha256(words.encode()).hexdigest()[:32],
            tell=tell,
            cancelled=lambda: self._children.stopped,
        )

    def _answer(self, output: Any, *, is_error: bool = False) -> ToolResult:
        return ToolResult(self.asked.id, output, is_error)


def in_words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # a stranger's __str__
        return type(error).__name__
