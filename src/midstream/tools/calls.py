"""The calls of one turn: started while the response still streams, and never run twice.

A turn may take several attempts. A call that an attempt made stays here when the attempt is
discarded; when the next attempt asks for the same again, it *adopts* that one: a result is reused,
a running call is awaited. Which calls are the same is a matter of the tool, its input and the
ordinal among equal calls (two equal payments in one turn are two payments); ids are no help, since
the provider makes new ones.
"""

import difflib
import hashlib
import math
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
from midstream.events import (
    ApprovalGiven,
    ApprovalRequested,
    RunEvent,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from midstream.messages import ToolCall, ToolResult
from midstream.tools.arguments import BadArguments
from midstream.tools.context import ToolContext
from midstream.tools.output import to_output
from midstream.tools.tool import Tool
from midstream.wire.json import canonical

READ_KEEPS_S = 60.0  # an older result of a tool that only reads is not adopted

Key = tuple[str, str, int]


class State(Enum):
    WAITING = "not started"
    RUNNING = "running"
    FINISHED = "finished"


class Bench(Struct, frozen=True):
    """What the calls of every turn of a run share.

    Attributes:
        tell: where events go; never waits.
        began, ended: awaited before a tool starts and after it ended, so that both can be kept.
        slots: how many tools run at a time.
    """

    tools: Mapping[str, Tool]
    tasks: TaskGroup
    slots: anyio.CapacityLimiter
    tell: Callable[[RunEvent], None]
    began: Callable[[ToolCall, str], Awaitable[None]]
    ended: Callable[[ToolResult], Awaitable[None]]


class Entry:
    """One call, from being asked for to its result."""

    def __init__(self, call: ToolCall, key: Key, tool: Tool | None) -> None:
        self.call = call
        self.key = key
        self.tool = tool
        self.state = State.WAITING
        self.result: ToolResult | None = None
        self.done = anyio.Event()
        # Stopped through this scope alone, so that every call ends with a result.
        self.scope = anyio.CancelScope(shield=True)
        self.began = self.ended = math.inf
        self.reused = False
        self.why = ""  # it was cancelled, and this is why
        self.late = False  # its time is up

    @property
    def cancelled(self) -> bool:
        return bool(self.why) or self.late

    @property
    def seconds(self) -> float:
        return self.ended - self.began if self.began < math.inf else 0.0


class ToolCalls:
    """The calls of one turn over all its attempts.

    Args:
        place: names the turn within its session; part of every idempotency key.
    """

    def __init__(self, bench: Bench, place: str) -> None:
        self._bench = bench
        self._place = place
        self._ledger: dict[Key, Entry] = {}
        self._asked: dict[str, Entry] = {}  # by id: the calls of the current attempt
        self._equal: Counter[tuple[str, str]] = Counter()
        self._queues: dict[str, Entry] = {}  # the last call of each serial group
        self._approvals: dict[str, tuple[anyio.Event, list[bool]]] = {}
        self._whole = anyio.Event()
        self._stopped = ""

    # -- while the response streams ------------------------------------------------------------

    def start(self, call: ToolCall, problem: str = "") -> None:
        """Run a sealed call, or adopt the one that an earlier attempt made.

        Args:
            problem: why the call cannot run; the model is told that instead.
        """
        tool = self._bench.tools.get(call.name)
        same = (call.name, canonical(call.input))
        entry = Entry(call, (*same, self._equal[same]), tool)
        self._asked[call.id] = entry
        if self._stopped:
            self._refuse(entry, f"Not started: {self._stopped}.")
        elif problem or tool is None:
            self._refuse(entry, problem or self._unknown(call.name))
        else:
            self._equal[same] += 1
            self._dispatch(entry, tool)

    def _dispatch(self, entry: Entry, tool: Tool) -> None:
        if (earlier := self._ledger.get(entry.key)) and self._may_adopt(earlier):
            entry.reused = True
            self._bench.tasks.start_soon(self._adopt, entry, earlier)
            return
        try:
            arguments = tool.arguments(entry.call.input)
            queue = tool.serial_key(arguments)
        except BadArguments as error:
            self._refuse(entry, str(error))
            return
        except Exception as error:  # the user's function of the input raised
            self._refuse(entry, f"{type(error).__name__}: {error}")
            return
        self._ledger[entry.key] = entry
        before = None
        if queue is not None:
            before, self._queues[queue] = self._queues.get(queue), entry
        self._bench.tasks.start_soon(self._run, entry, tool, arguments, before)

    def release(self) -> None:
        """The response is whole: calls that were held until then may start."""
        self._whole.set()

    def discard(self) -> None:
        """The attempt is thrown away: what has not started never will, what runs goes on."""
        for entry in self._ledger.copy().values():
            if entry.state is State.WAITING:
                entry.why = "the response that asked for it was lost"
                entry.scope.cancel()
                del self._ledger[entry.key]
        self._asked.clear()
        self._equal.clear()
        self._queues = {k: e for k, e in self._queues.items() if e.state is not State.WAITING}

    # -- at the end ----------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """Cancel every call; from here on none starts. `why` completes "interrupted by …"."""
        self._stopped = self._stopped or why
        for entry in (*self._ledger.values(), *self._asked.values()):
            if entry.state is not State.FINISHED and not entry.reused:
                entry.why = why
                entry.scope.cancel()

    async def results(self, calls: Iterable[ToolCall]) -> tuple[ToolResult, ...]:
        """Wait for `calls` and give their results, in the order of the calls."""
        results: list[ToolResult] = []
        for call in calls:
            entry = self._asked[call.id]
            await entry.done.wait()
            if entry.result:
                results.append(entry.result)
        return tuple(results)

    async def leftovers(self, calls: Iterable[ToolCall]) -> str:
        """What the model must be told of calls that had effects and are not among `calls`.

        Waits for those that still run. Reads among them are cancelled: nobody asks any more.
        """
        kept = {self._asked[call.id].key for call in calls if call.id in self._asked}
        lines: list[str] = []
        for entry in self._ledger.values():
            if entry.key in kept or not entry.tool or entry.began == math.inf:
                continue
            if entry.tool.effects == "read":
                entry.why = entry.why or "no longer asked for"
                entry.scope.cancel()
                continue
            await entry.done.wait()
            if entry.result:
                arguments, told = canonical(entry.call.input), entry.result.output
                outcome = "failed" if entry.result.is_error else "done"
                lines.append(f"- {entry.call.name}({arguments}): {outcome}: {told!s:.2000}")
        return NOTE + "\n".join(lines) if lines else ""

    def overlap(self, begin: float, end: float) -> float:
        """Seconds of tool time between two moments, summed over the calls of this attempt."""
        entries = [self._ledger.get(entry.key, entry) for entry in self._asked.values()]
        times = (min(each.ended, end) - max(each.began, begin) for each in entries)
        return sum(max(0.0, seconds) for seconds in times)

    def approve(self, call_id: str, allowed: bool) -> None:
        """Answer a call that asked for approval; an unknown id raises KeyError."""
        asked, answer = self._approvals[call_id]
        answer.append(allowed)
        asked.set()

    # -- one call ------------------------------------------------------------------------------

    def _may_adopt(self, earlier: Entry) -> bool:
        read = earlier.tool is not None and earlier.tool.effects == "read"
        return not read or anyio.current_time() - earlier.ended < READ_KEEPS_S

    async def _adopt(self, entry: Entry, earlier: Entry) -> None:
        with entry.scope:
            await earlier.done.wait()
        assert earlier.result is not None  # a call in the ledger ends with a result
        result = ToolResult(entry.call.id, earlier.result.output, earlier.result.is_error)
        self._finish(entry, result, earlier.seconds)

    async def _run(
        self, entry: Entry, tool: Tool, arguments: dict[str, Any], before: Entry | None
    ) -> None:
        result = None
        with entry.scope:
            if before:
                await before.done.wait()
            if tool.hold:
                await self._whole.wait()
            if tool.approval and not await self._approved(entry):
                result = ToolResult(entry.call.id, "Not run: the user did not allow it.", True)
            else:
                async with self._bench.slots:
                    result = await self._start(entry, tool, arguments)
        result = result or ToolResult(entry.call.id, self._why(entry), is_error=True)
        if entry.state is State.RUNNING:
            entry.ended = anyio.current_time()
            with anyio.CancelScope(shield=True):
                await self._bench.ended(result)
        self._finish(entry, result, entry.seconds)

    async def _start(self, entry: Entry, tool: Tool, arguments: dict[str, Any]) -> ToolResult:
        with anyio.CancelScope(shield=True):
            await self._bench.began(entry.call, tool.effects)
        await checkpoint_if_cancelled()
        entry.state, entry.began = State.RUNNING, anyio.current_time()
        self._bench.tell(ToolStarted(entry.call.id, entry.call.name))
        try:
            with anyio.move_on_after(tool.timeout) as time:
                value = await self._invoke(entry, tool, arguments)
            if time.cancelled_caught:
                entry.late = True
                raise TimeoutError(f"stopped: it ran longer than its {tool.timeout:g} s")
            return ToolResult(entry.call.id, to_output(value, tool.max_output))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A stranger's code ran, and whatever it raises is the model's to read: SystemExit too,
            # and a CancelledError of its own making. Ours is raised again by the checkpoint.
            if isinstance(error, anyio.get_cancelled_exc_class()):
                await checkpoint_if_cancelled()
            return ToolResult(entry.call.id, f"{type(error).__name__}: {error}", is_error=True)

    async def _invoke(self, entry: Entry, tool: Tool, arguments: dict[str, Any]) -> object:
        if tool.context_parameter:
            arguments = arguments | {tool.context_parameter: self._context(entry)}
        call = partial(tool.fn, **arguments)
        value = call() if tool.is_async else await in_thread(call)
        return await value if isawaitable(value) else value

    def _context(self, entry: Entry) -> ToolContext:
        token, loop_thread = current_token(), threading.get_ident()

        def tell(message: str, fraction: float | None) -> None:
            if entry.state is not State.RUNNING:
                return  # a thread that was left behind still talks
            event = ToolProgress(entry.call.id, message, fraction)
            if threading.get_ident() == loop_thread:
                self._bench.tell(event)
            else:
                from_thread.run_sync(self._bench.tell, event, token=token)

        key = hashlib.sha256("\0".join((self._place, *map(str, entry.key))).encode()).hexdigest()
        return ToolContext(
            call_id=entry.call.id,
            idempotency_key=key[:32],
            tell=tell,
            cancelled=lambda: entry.cancelled,
        )

    async def _approved(self, entry: Entry) -> bool:
        asked, answer = self._approvals[entry.call.id] = anyio.Event(), list[bool]()
        self._bench.tell(ApprovalRequested(entry.call.id, entry.call.name, entry.call.input))
        try:
            await asked.wait()
        finally:
            del self._approvals[entry.call.id]
        self._bench.tell(ApprovalGiven(entry.call.id, answer[0]))
        return answer[0]

    # -- words ---------------------------------------------------------------------------------

    def _refuse(self, entry: Entry, words: str) -> None:
        self._finish(entry, ToolResult(entry.call.id, words, is_error=True), 0.0)

    def _finish(self, entry: Entry, result: ToolResult, seconds: float) -> None:
        entry.state, entry.result = State.FINISHED, result
        entry.done.set()
        call = entry.call
        if entry.began < math.inf or self._asked.get(call.id) is entry:
            self._bench.tell(
                ToolFinished(
                    call.id, call.name, result.output, result.is_error, seconds, entry.reused
                )
            )

    def _why(self, entry: Entry) -> str:
        if entry.state is State.WAITING:
            return f"Not started: {entry.why}."
        return f"Stopped while it was running: {entry.why}. What it did until then is unknown."

    def _unknown(self, name: str) -> str:
        names = sorted(self._bench.tools)
        close = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"There is no tool named {name!r}.{hint} Tools: {', '.join(names) or 'none'}."


NOTE = (
    "[Note from the runtime, not from the user. The stream of an answer broke and was asked for "
    "again. Before it broke, these calls had been made and had run; the conversation does not show "
    "them, and they must not be repeated by mistake:\n"
)
