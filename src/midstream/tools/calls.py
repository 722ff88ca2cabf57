"""The calls of one turn: started while the response still streams, and never run twice.

A turn may take several attempts. A call that an attempt made stays here when the attempt is
discarded; when the next attempt asks for the same again, it *adopts* that one: a result is reused,
a running call is awaited. Which calls are the same is a matter of the tool, its input and the
ordinal among equal calls (two equal payments in one turn are two payments); ids are no help, since
the provider makes new ones.
"""

import difflib
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import anyio

from midstream.messages import ToolCall, ToolResult
from midstream.tools.arguments import BadArguments
from midstream.tools.call import STILL_RUNS, Bench, Call, Key, State, in_words
from midstream.tools.tool import Tool
from midstream.wire.json import canonical

READ_KEEPS_S = 60.0  # an older result of a tool that only reads is not adopted


class ToolCalls:
    """The calls of one turn over all its attempts.

    Args:
        place: names the turn within its session; part of every idempotency key.
    """

    def __init__(self, bench: Bench, place: str) -> None:
        self._bench = bench
        self._place = place
        self._ledger: dict[Key, Call] = {}
        self._asked: dict[str, Call] = {}  # by id: the calls of the current attempt
        self._equal: Counter[tuple[str, str]] = Counter()
        self._queues: dict[str, Call] = {}  # the last call of each serial group
        self._all: list[Call] = []  # of every attempt
        self._whole = anyio.Event()
        self._stopped = ""

    # -- while the response streams ------------------------------------------------------------

    def start(self, asked: ToolCall, problem: str = "") -> None:
        """Run a sealed call, or adopt the one that an earlier attempt made.

        Args:
            problem: why the call cannot run; the model is told that instead.
        """
        tool = self._bench.tools.get(asked.name)
        same = (asked.name, canonical(asked.input))
        call = Call(asked, (*same, self._equal[same]), tool)
        self._asked[asked.id] = call
        self._all.append(call)
        if problem or tool is None:
            call.refuse(problem or self._unknown(asked.name), self._bench)
        else:
            self._equal[same] += 1
            self._dispatch(call, tool)

    def _dispatch(self, call: Call, tool: Tool) -> None:
        if (earlier := self._ledger.get(call.key)) and self._may_adopt(earlier, tool):
            call.reused = True
            earlier.hand_on(call, self._bench)
            return
        try:
            arguments = tool.arguments(call.asked.input)
            lanes = () if self._stopped else tool.lanes(arguments)
        except BadArguments as error:
            call.refuse(str(error), self._bench)
            return
        except BaseException as error:  # the user's function of the input raised, whatever it was
            call.refuse(in_words(error), self._bench)
            return
        if self._stopped:  # while it was on its way, or by that function
            call.refuse(f"Not started: {self._stopped}.", self._bench)
            return
        self._ledger[call.key] = call
        call.before = {lane: self._queues.get(lane) for lane in lanes}
        self._queues |= dict.fromkeys(lanes, call)
        self._bench.tasks.start_soon(self._run, call, tool, arguments)

    def release(self, kept: Iterable[ToolCall]) -> None:
        """The response is whole: calls that were held until then may start, if they are `kept`.

        The others (of an answer that was refused, or handed over) never will.
        """
        ids = {asked.id for asked in kept}
        for call in self._asked.values():
            if call.state is State.WAITING and call.asked.id not in ids:
                call.cancel("the answer that asked for it was withdrawn")
        self._whole.set()

    def discard(self) -> None:
        """The attempt is thrown away: what has not begun never will, what has goes on."""
        for call in self._asked.values():
            if call.state is State.WAITING and not call.written:
                call.shown = False
                call.cancel("the response that asked for it was lost")
                if self._ledger.get(call.key) is call:
                    del self._ledger[call.key]
        self._asked.clear()
        self._equal.clear()
        # The next in a queue waits for the last that really runs, not for one that never will.
        for lane, last in self._queues.items():
            while last.state is State.WAITING and not last.written:
                if (earlier := last.before[lane]) is None:
                    break
                last = earlier
            self._queues[lane] = last

    # -- at the end ----------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """Cancel every call; from here on none starts."""
        self._stopped = why
        for call in self._all:
            call.cancel(why)

    async def results(self, calls: Iterable[ToolCall]) -> tuple[ToolResult, ...]:
        """Wait for `calls` and give their results, in the order of the calls."""
        results: list[ToolResult] = []
        for asked in calls:
            call = self._asked[asked.id]
            await call.done.wait()
            assert call.result is not None  # done
            results.append(call.result)
        return tuple(results)

    async def leftovers(self, calls: Iterable[ToolCall]) -> list[str]:
        """A line for each call that had effects and is not among `calls`, to tell the model.

        Waits until no call of the turn runs any more, so that nothing of it is told later. Reads
        that nobody asks for any more are cancelled.
        """
        kept = {self._asked[asked.id].key for asked in calls}
        lost = [call for call in self._ledger.values() if call.key not in kept]
        for call in lost:
            if call.tool is not None and call.tool.effects == "read":
                call.cancel("no longer asked for")
        for call in self._all:
            await call.done.wait()
        lines: list[str] = []
        for call in lost:
            if call.began == math.inf or call.tool is None or call.tool.effects == "read":
                continue
            assert call.result is not None  # done
            lines.append(call.result.in_a_line(*call.key[:2]))
        return lines

    def overlap(self, begin: float, end: float) -> float:
        """Seconds of tool time between two moments, summed over the calls of this attempt."""
        calls = self._asked.values()
        times = (min(call.ended, end) - max(call.began, begin) for call in calls)
        return sum(max(0.0, seconds) for seconds in times)

    # -- one call ------------------------------------------------------------------------------

    def _may_adopt(self, earlier: Call, tool: Tool) -> bool:
        if tool.effects != "read":
            return True
        # What changes the same is asked for in front of it this time: it must have been then, too.
        changes = filter(None, (self._ledger.get(call.key) for call in self._asked.values()))
        overtaken = any(
            each.tool and each.tool.effects != "read" and each.began > earlier.began
            for each in changes
            if each.before.keys() & earlier.before.keys()
        )
        return not overtaken and anyio.current_time() - earlier.ended < READ_KEEPS_S

    async def _run(self, call: Call, tool: Tool, arguments: dict[str, Any]) -> None:
        result: ToolResult | None = None
        try:
            with call.scope:
                result = await self._result(call, tool, arguments)
            result = result or call.stopped()
            if call.state is State.RUNNING:
                call.ended = anyio.current_time()
            if call.in_thread:
                self._bench.left.update(dict.fromkeys(call.before, call))
            if call.written:
                with anyio.CancelScope(shield=True):
                    await self._bench.ended(result)
        finally:  # others wait for it, whatever went wrong here
            call.finish(result, call.seconds, self._bench)

    async def _result(self, call: Call, tool: Tool, arguments: dict[str, Any]) -> ToolResult:
        for earlier in filter(None, call.before.values()):
            await earlier.done.wait()
        if tool.hold:
            await self._whole.wait()
        if words := await self._bench.approvals.refusal(call.asked, tool, call.scope):
            return ToolResult(call.asked.id, words, is_error=True)
        for left in filter(None, map(self._bench.left.get, call.before)):
            if left.in_thread:
                words = f"Not started: a call of {left.asked.name} before it still runs."
                return ToolResult(call.asked.id, f"{words} {STILL_RUNS}", is_error=True)
        async with self._bench.slots:
            return await call.run(tool, arguments, self._bench, self._place)

    def _unknown(self, name: str) -> str:
        names = sorted(self._bench.tools)
        close = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"There is no tool named {name!r}.{hint} Tools: {', '.join(names) or 'none'}."
