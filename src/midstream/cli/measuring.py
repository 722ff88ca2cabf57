"""Measures a model: makes the requests, so many at a time, and hears what each of them says."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial

import anyio
from msgspec import Struct

from midstream.agent.agent import Agent
from midstream.agent.run import Run
from midstream.cli.leaving import Signals
from midstream.cli.statuses import not_let_in
from midstream.concurrency import task_group
from midstream.events import Retrying, RunEvent
from midstream.faces.bench.samples import Meter, Sample
from midstream.models.model import Model
from midstream.tools.tool import Tool, tool

TOOL_S = 0.5
MAX_TURNS = 4  # some models call one tool a turn
HOPELESS = 3  # failures at the very beginning, after which no more is asked

# Most models end their answer with their calls. So the last call is a long one: while it is
# written, the others run.
WITH_TOOLS = (
    "Why is there high water twice a day? Do all of the following in one answer, and do not wait "
    "for results in between: say in one sentence what you are about to do; call look_up with "
    '"tides"; call look_up with "the moon"; then call keep_draft with a draft of some 120 words. '
    "When you have the results, answer in two sentences."
)
WITHOUT_TOOLS = "Why is there high water twice a day? Answer in some 150 words."


@tool(effects="read")
async def look_up(topic: str) -> dict[str, str]:
    """Look a topic up."""
    await anyio.sleep(TOOL_S)
    return {"topic": topic, "found": f"nothing new on {topic}"}


@tool(effects="read")
async def keep_draft(text: str) -> str:
    """Keep a draft of the answer, of at least 100 words."""
    return f"kept: {len(text.split())} words"


class Plan(Struct, frozen=True):
    """What is to be measured."""

    requests: int
    parallel: int
    prompt: str
    max_tokens: int
    tools: tuple[Tool, ...]


class End(Enum):
    ALL = "every request was made"
    STOPPED = "a signal came"
    HOPELESS = "the first ones failed, so that the others were not made"


class Measuring:
    """Requests under way and done.

    Args:
        tell: hears of it whenever a request is done or retried, and when it is stopped.
    """

    def __init__(self, plan: Plan, tell: Callable[["Measuring"], object]) -> None:
        self.samples: list[Sample] = []  # in the order in which they ended
        self.retries = 0
        self.end = End.ALL
        self._plan = plan
        self._tell = tell
        self._numbers = iter(range(1, plan.requests + 1))
        self._runs: set[Run] = set()
        self._began_s = 0.0
        self._since_s: dict[int, float] = {}  # when each request under way began

    async def measure(self, model: Model, signals: Signals) -> None:
        """Make the requests. The first signal stops those under way, which are settled."""
        stop = partial(self.stop, End.STOPPED)
        signals.first = partial(asyncio.get_running_loop().call_soon_threadsafe, stop)
        plan = self._plan
        async with Agent(
            model, plan.tools, max_turns=MAX_TURNS, max_tokens=plan.max_tokens
        ) as agent:
            if model.provider == "local":
                await self._run(agent, None)  # which loads it
            self._began_s = anyio.current_time()
            async with task_group() as tasks:
                for _ in range(min(plan.parallel, plan.requests)):
                    tasks.start_soon(self._work, agent)

    @property
    def done(self) -> list[Sample]:
        """Those that were answered or failed: what was stopped on the way is not done."""
        return [each for each in self.samples if each.outcome != "cancelled"]

    @property
    def left_s(self) -> float:
        """About how long it goes on, if each request takes the mean of those that are done."""
        if not self.done:
            return 0.0
        mean_s = sum(each.seconds for each in self.done) / len(self.done)
        now_s = anyio.current_time()
        under_way_s = [now_s - began_s for began_s in self._since_s.values()]
        waiting = self._plan.requests - len(self.samples) - len(under_way_s)
        return left_s(mean_s, under_way_s, waiting, self._plan.parallel)

    def stop(self, end: End) -> None:
        self.end = end if self.end is End.ALL else self.end
        self._tell(self)
        for run in self._runs:
            run.cancel()

    async def _work(self, agent: Agent) -> None:
        while self.end is End.ALL and (number := next(self._numbers, None)):
            self._since_s[number] = anyio.current_time()
            meter = Meter(number, self._since_s[number] - self._began_s)
            await self._run(agent, meter)
            assert meter.sample is not None  # its run has ended
            del self._since_s[number]
            self.samples.append(meter.sample)
            if hopeless(self.samples):
                self.stop(End.HOPELESS)
            else:
                self._tell(self)

    async def _run(self, agent: Agent, meter: Meter | None) -> None:
        async with agent.run(self._plan.prompt) as run:
            self._runs.add(run)
            if self.end is not End.ALL:
                run.cancel()
            async for event in run:
                self._see(event, meter)
        self._runs.discard(run)

    def _see(self, event: RunEvent, meter: Meter | None) -> None:
        if meter:
            meter.see(event)
        if isinstance(event, Retrying):
            self.retries += 1
            self._tell(self)


def left_s(mean_s: float, under_way_s: Sequence[float], waiting: int, parallel: int) -> float:
    """Seconds until the last of so many requests ends, each of which takes `mean_s`.

    Args:
        under_way_s: for how long the others have been under way.
        waiting: how many have not begun.
        parallel: how many go on at once.
    """
    free_s = sorted(max(0.0, mean_s - each) for each in under_way_s)
    free_s = [0.0] * (parallel - len(free_s)) + free_s  # when each place takes the next one
    rounds, rest = divmod(waiting, parallel)
    return rounds * mean_s + (mean_s + free_s[rest - 1] if rest else free_s[-1])


def hopeless(samples: list[Sample]) -> bool:
    """None was answered, and there is no sense in asking on."""
    if not samples or any(each.outcome != "failed" for each in samples):
        return False
    return len(samples) >= HOPELESS or not_let_in(samples[-1].error)
