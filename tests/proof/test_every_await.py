"""Torture: at every await of a run something happens to it.

A run that loses an answer, whose tools wait, read, write and are held, and that is compacted in its
middle, is run once for each of its awaits: those of the loop, of its calls, of the summary, of the
writing down. There a cancel, new words, words for later or an error that nobody expects comes.
Whatever it does to the run, the conversation goes on.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import midstream.agent.run
from midstream import Journal, Run, tool
from midstream.agent import attempts, compact, keeper, loop
from midstream.agent.summary import ASKED, GO_ON
from midstream.events import RunEnded
from midstream.journal.records import Committed, Ended, Prompted
from midstream.journal.session import Session
from midstream.messages import Message, Text
from midstream.simulator.server import Exchange, serve
from midstream.tools import call, calls
from tests.fakes import Do, Provider, says, start, stop, text, thinking, tool_use
from tests.proof.awaits import Count, marked, watched_group

pytestmark = pytest.mark.anyio

Record = Callable[[str, object], None]


class Unexpected(Exception):
    """What no code of ours raises or catches by name."""


# -- the run -----------------------------------------------------------------------------------


class Talk(Provider):
    """Loses its first answer to "Go", then gives it again; other words are answered with words.

    The first summary it loses, too.
    """

    summed_up = False

    async def handle(self, exchange: Exchange) -> None:
        self._answers = iter([self.answer(exchange)])
        await super().handle(exchange)

    def answer(self, exchange: Exchange) -> Any:
        said = json.loads(exchange.request.body)["messages"]
        if ASKED in (words := said[-1]["content"][-1].get("text", "")):
            done = "".join(f"\n- {name}" for name in told(said).elements())
            summary = [start(), text(0, "Done:", done), stop("end_turn")]
            self.summed_up, first = True, not self.summed_up
            return [*summary[:2], Do.CUT] if first else summary
        if words in ("Stop", "And now?", "Later", GO_ON):
            return says("Very well.")
        if len(said) > 1:
            return says("Done.")
        lost = not self.requests
        return [*asks("a"), Do.CUT] if lost else [*asks("b"), stop("tool_use")]


def asks(attempt: str) -> list[Any]:
    return [
        start(),
        thinking(0, "Hm."),
        text(1, "I pay, ", "twice."),
        tool_use(2, f"{attempt}2", "pay", '{"amount": 5}'),
        tool_use(3, f"{attempt}3", "pay", '{"amount": 5}'),
        tool_use(4, f"{attempt}4", "look", "{}"),
        tool_use(5, f"{attempt}5", "post", "{}"),
    ]


class World:
    """An agent with its provider and its tools, and what these did.

    Attributes:
        effects: in order; those of a run must be told in the conversation, none twice.
    """

    def __init__(self, provider: Talk) -> None:
        self.provider = provider
        self.effects: list[str] = []
        look = tool(self.look, effects="read", serial="s")
        tools = [tool(self.pay), look, tool(self.post, hold=True)]
        self.agent = provider.agent(tools, thinking=1024, context_window=20)

    async def pay(self, amount: int) -> str:
        self.effects.append(f"pay {amount}")
        await anyio.lowlevel.checkpoint()
        return "paid"

    def look(self) -> str:
        return "seen"

    async def post(self) -> str:
        self.effects.append("post")
        await anyio.lowlevel.checkpoint()
        return "posted"

    async def ends(self, run: Run) -> None:
        """See that a run ends as runs do."""
        self.provider.requests.clear()
        self.provider.summed_up = False
        self.effects.clear()
        with anyio.fail_after(10), suppress(Unexpected):
            async with run:
                await run
        seen = [each async for each in run.events()]
        assert seen[-1] is run.ended
        assert sum(isinstance(each, RunEnded) for each in seen) == 1

    async def goes_on(self, session: Session) -> None:
        """The next run knows what the last one did, and does none of it again."""
        before = Counter(self.effects)
        assert before["pay 5"] <= 2
        assert before["post"] <= 1
        with anyio.fail_after(10):
            ended = await self.agent.run("And now?", session)
        assert (ended.outcome, ended.error) == ("completed", None)
        assert Counter(self.effects) == before
        known = told(self.provider.said())
        assert known["pay"] >= before["pay 5"]
        assert known["post"] >= before["post"]


def told(messages: list[dict[str, Any]]) -> Counter[str]:
    """Of each tool, how many calls a conversation says to have begun."""
    blocks = [block for each in messages for block in each["content"]]
    names = {block["id"]: block["name"] for block in blocks if block["type"] == "tool_use"}
    found = Counter[str]()
    for block in blocks:
        if block["type"] == "tool_result" and "Not started" not in block["content"]:
            found[names[block["tool_use_id"]]] += 1
        for name in ("pay", "post"):
            found[name] += block.get("text", "").count(f"\n- {name}")
    return found


# -- what happens to it ------------------------------------------------------------------------

Act = Callable[[Run], object]


def error(run: Run) -> None:
    raise Unexpected


def cancel(run: Run) -> None:
    run.cancel()


def interrupt(run: Run) -> None:
    with suppress(RuntimeError):  # the run is over, and says so
        run.interrupt("Stop")


def queue(run: Run) -> None:
    with suppress(RuntimeError):
        run.queue("Later")


@contextmanager
def at_suspensions(places: Count) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(midstream.agent.run, "task_group", lambda: watched_group(places))
        yield


@contextmanager
def in_source(places: Count) -> Generator[None]:
    with marked(places, loop, attempts, compact, keeper, calls, call):
        yield


# An error where the source awaits: the inside of a lock of anyio's raises none.
WAYS: dict[Act, Any] = {
    cancel: at_suspensions,
    interrupt: at_suspensions,
    queue: at_suspensions,
    error: in_source,
}


@pytest.mark.parametrize("act", WAYS)
async def test_whatever_happens_at_an_await_the_conversation_goes_on(
    act: Act, tmp_path: Path, record_property: Record
) -> None:
    journal = Journal(tmp_path / "sessions.db")
    provider = Talk([])
    async with serve(provider.handle) as provider.url:
        world = World(provider)
        for place in itertools.count(1):
            run = world.agent.run("Go", journal.session(str(place)))
            places = Count(place, partial(act, run))
            with WAYS[act](places):
                await world.ends(run)
            await world.goes_on(journal.session(str(place)))
            assert provider.refusals == [], place
            if not places.acted:
                break
    journal.close()
    assert provider.summed_up
    record_property(f"awaits of a run with {act.__name__} at them", place - 1)


SAID = [
    Message("user", (Text("Hi"),)),
    Message("assistant", (Text("Yes?"),)),
]


@pytest.mark.parametrize("act", WAYS)
async def test_at_whatever_await_a_compaction_is_stopped_all_is_there_or_the_summary(
    act: Act, tmp_path: Path, record_property: Record
) -> None:
    journal = Journal(tmp_path / "sessions.db")
    provider = Talk([])
    async with serve(provider.handle) as provider.url:
        world = World(provider)
        for place in itertools.count(1):
            session = journal.session(str(place))
            async with session.held():
                session.record(Prompted(SAID[0]), Committed(1, SAID[1], None), Ended("completed"))
            run = world.agent.compact(session)
            places = Count(place, partial(act, run))
            with WAYS[act](places):
                await world.ends(run)
            kept = journal.session(str(place))
            kept.record(*kept.recovery())
            assert kept.messages[:2] == SAID or "Done:" in kept.messages[0].text
            await world.goes_on(kept)
            assert provider.refusals == [], place
            if not places.acted:
                break
    journal.close()
    record_property(f"awaits of a compaction with {act.__name__} at them", place - 1)
