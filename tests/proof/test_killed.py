"""kill -9, at every record of the journal and between them.

The journal of a whole run, which is compacted in its middle, is cut after each of its records: that
is what a dead process leaves. Then the conversation goes on from there.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from midstream import tool
from midstream.journal.database import Row
from midstream.journal.open_turn import UNKNOWN
from midstream.journal.records import CallBegan, CallEnded, Compacted
from midstream.journal.store import Journal
from tests.fakes import Do, provider, says, start, stop, text, thinking, tool_use

pytestmark = pytest.mark.anyio


def calls(attempt: str) -> list[Any]:
    return [
        start(),
        thinking(0, "Hm."),
        text(1, "I pay, ", "twice."),
        tool_use(2, f"{attempt}2", "pay", '{"amount": 5}'),
        tool_use(3, f"{attempt}3", "pay", '{"amount": 5}'),
        tool_use(4, f"{attempt}4", "look", "{}"),
        tool_use(5, f"{attempt}5", "post", "{}"),
    ]


SUMMARY = says("Done: paid 5, paid 5, posted.")
ANSWERS = [[*calls("a"), Do.CUT], [*calls("b"), stop("tool_use")], SUMMARY, says("Done.")]
WINDOW = 20  # tokens, which the first turn fills


async def whole_run(folder: Path) -> list[Row]:
    """The records of a run that loses an answer, calls tools, is compacted, and ends well."""

    @tool
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    @tool(effects="read")
    def look() -> str:
        return "seen"

    @tool(hold=True)
    async def post() -> str:
        return "posted"

    journal = Journal(folder / "whole.db")
    async with provider(*ANSWERS) as world:
        agent = world.agent([pay, look, post], thinking=1024, context_window=WINDOW)
        ended = await agent.run("Go", journal.session("s"))
    assert ended.outcome == "completed"
    assert ended.error is None
    assert any(isinstance(row.record, Compacted) for row in journal.rows("s"))
    return journal.rows("s")


async def test_wherever_the_journal_ends_the_conversation_goes_on(tmp_path: Path) -> None:
    rows = await whole_run(tmp_path)
    assert len(rows) > 15
    ran: list[str] = []

    @tool
    async def pay(amount: int) -> str:
        ran.append("pay")
        return "again!"

    for end in range(1, len(rows) + 1):
        journal = Journal(tmp_path / f"{end}.db")
        journal.database.append("s", "/", rows[:end])
        async with provider(says("Very well.")) as world:  # which checks every request
            ended = await world.agent([pay], thinking=1024).run("And now?", journal.session("s"))
            asked = str(world.said(0))
        assert (ended.outcome, ended.error) == ("completed", None), end
        assert ran == []
        check_told(rows[:end], asked)
        assert journal.session("s").recovery() == []
        journal.close()


def check_told(rows: list[Row], asked: str) -> None:
    """Every effect that may have happened is in the next request: its result, or that in doubt."""
    begun = [row.record for row in rows if isinstance(row.record, CallBegan)]
    done = {row.record.result.call_id for row in rows if isinstance(row.record, CallEnded)}
    effects = [each for each in begun if each.effects != "read"]
    paid = [each for each in effects if each.name == "pay" and each.call_id in done]
    assert asked.count("paid 5") == len(paid), [row.record for row in rows]
    assert asked.count(UNKNOWN) >= len([each for each in effects if each.call_id not in done])


# -- a real process, really killed -------------------------------------------------------------

VICTIM = """
import os, signal, sys
from midstream import Agent, tool
from midstream.journal.database import Database
from midstream.journal.store import Journal
from midstream.turn.retry import Backoff

database, url, log, last, when = sys.argv[1:]
append, left = Database.append, int(last)

def append_and_die(self, session, folder, rows):
    global left
    left -= 1
    if left < 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, session, folder, rows)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

Database.append = append_and_die

def note(word):
    with open(log, "a") as file:
        file.write(word + "\\n")

@tool
async def pay(amount: int) -> str:
    note("pay")
    return f"paid {amount}"

@tool(effects="read")
def look() -> str:
    return "seen"

@tool(hold=True)
async def post() -> str:
    note("post")
    return "posted"

agent = Agent("anthropic:m", [pay, look, post], api_key="k", base_url=url, thinking=1024,
              backoff=Backoff(base_s=0.0), context_window=20)
print(agent.run_sync("Go", Journal(database).session("s")).outcome)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the victim's, whatever runs the test
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_killed_at_any_write_has_run_no_effect_that_is_not_told(
    when: str, tmp_path: Path
) -> None:
    killed = 0
    for last in range(100):
        log = tmp_path / f"{last}.log"
        journal = Journal(tmp_path / f"{last}.db")
        async with provider(*ANSWERS, says("x")) as world:
            command = [sys.executable, "-c", VICTIM, str(journal.path), world.url, str(log)]
            died = await anyio.run_process([*command, str(last), when], check=False)
        if died.returncode == 0:
            break
        assert died.returncode == -signal.SIGKILL, died.stderr
        killed += 1
        async with provider(says("Very well.")) as world:
            ended = await world.agent().run("And now?", journal.session("s"))
            asked = str(world.said(0))
        assert (ended.outcome, ended.error) == ("completed", None)
        done = log.read_text().split() if log.exists() else []
        assert done.count("pay") <= 2
        assert done.count("post") <= 1
        assert asked.count("paid 5") + asked.count(UNKNOWN) >= done.count("pay"), last
    assert killed >= 8


INTERRUPTED = """
import os, signal, sys
import anyio
from midstream import Agent
from midstream.events import TextDelta
from midstream.journal.database import Database
from midstream.journal.records import Interrupted
from midstream.journal.store import Journal

append = Database.append

def append_and_die(self, session, folder, rows):
    append(self, session, folder, rows)
    if any(isinstance(row.record, Interrupted) for row in rows):
        os.kill(os.getpid(), signal.SIGKILL)

Database.append = append_and_die

async def main():
    agent = Agent("anthropic:m", api_key="k", base_url=sys.argv[2])
    async with agent.run("Go", Journal(sys.argv[1]).session("s")) as run:
        async for event in run:
            if isinstance(event, TextDelta):
                run.interrupt("No, this instead.")

anyio.run(main)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_words_that_stopped_a_turn_outlive_the_process_that_heard_them(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "sessions.db")
    async with provider([start(), text(0, "Well", close=False), Do.STALL]) as world:
        command = [sys.executable, "-c", INTERRUPTED, str(journal.path), world.url]
        died = await anyio.run_process(command, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    async with provider(says("Very well.")) as world:
        ended = await world.agent().run("And now?", journal.session("s"))
        asked = str(world.said(0))
    assert (ended.outcome, ended.error) == ("completed", None)
    words = ["Go", "Well", "No, this instead.", "And now?"]
    assert sorted(words, key=asked.index) == words
    assert asked.count("No, this instead.") == 1
    texts = [message.text for message in journal.session("s").messages]
    assert texts == [*words, "Very well."]
