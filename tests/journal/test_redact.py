"""What is stored holds no key, and what is loaded is a conversation as valid as it was."""

from pathlib import Path

import pytest

from midstream import Agent
from midstream.journal.database import Row
from midstream.journal.records import (
    AnyRecord,
    Approved,
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Untold,
    Wrote,
)
from midstream.journal.redact import Redactor
from midstream.journal.store import Journal
from midstream.messages import Block, Image, Message, Opaque, Text, Thinking, ToolCall, ToolResult
from midstream.secrets.secrets import Secrets
from midstream.simulator import Reply, Scenario, call, say, simulator, think

KEY = "sk-ant-api03-" + "Canary01" * 4
HELD = "Canary-held-1"
TOLD = "[redacted]"


def said(*blocks: Block) -> Message:
    return Message("assistant", blocks)


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


RECORDS: list[tuple[AnyRecord, AnyRecord]] = [
    (Prompted(said(Text(f"\n{KEY}"))), Prompted(said(Text(f"\n{TOLD}")))),
    (Wrote(1, 0, Text(HELD)), Wrote(1, 0, Text(TOLD))),
    (Wrote(1, 0, None), Wrote(1, 0, None)),
    (Began(1, 1, HELD), Began(1, 1, HELD)),
    (
        CallBegan(1, HELD, HELD, {HELD: [HELD, 12345678]}, "read"),
        CallBegan(1, HELD, HELD, {TOLD: [TOLD, 12345678]}, "read"),
    ),
    (
        Approved(1, "a", "pay", False, f"rule pay:x {HELD}", f"not with {KEY}"),
        Approved(1, "a", "pay", False, f"rule pay:x {TOLD}", f"not with {TOLD}"),
    ),
    (CallEnded(1, ToolResult("a", KEY)), CallEnded(1, ToolResult("a", TOLD))),
    (
        CallEnded(1, ToolResult("a", (Text(HELD), Image(HELD.encode())))),
        CallEnded(1, ToolResult("a", (Text(TOLD), Image(HELD.encode())))),
    ),
    (
        Compacted(1, KEY, said(Text(HELD), Image(HELD.encode()))),
        Compacted(1, TOLD, said(Text(TOLD), Image(HELD.encode()))),
    ),
    (Discarded(1, 1, HELD), Discarded(1, 1, TOLD)),
    (Interrupted(1, HELD), Interrupted(1, TOLD)),
    (Interrupted(1), Interrupted(1)),
    (
        Interrupted(1, HELD, (Image(HELD.encode()),)),
        Interrupted(1, TOLD, (Image(HELD.encode()),)),
    ),
    (
        Prompted(said(Text(HELD), Image(HELD.encode()))),
        Prompted(said(Text(TOLD), Image(HELD.encode()))),
    ),
    (Untold(f'pay({{"to": "\\n{KEY}"}})'), Untold(f'pay({{"to": "\\n{TOLD}"}})')),
    (Ended("failed", HELD), Ended("failed", TOLD)),
    (
        Committed(1, said(ToolCall("a", "t", {"x": HELD})), said(ToolResult("a", HELD))),
        Committed(1, said(ToolCall("a", "t", {"x": TOLD})), said(ToolResult("a", TOLD))),
    ),
    # What a provider wants back as it was.
    *((same, same) for same in (
        Wrote(1, 0, Thinking(HELD, "signature")),
        Wrote(1, 0, Opaque("anthropic", {"type": "x", "data": HELD})),
        Wrote(1, 0, Text("x", ({"cited_text": HELD},))),
        Wrote(1, 0, ToolCall("a", "t", {}, Opaque("anthropic", {"caller": HELD}))),
    )),
    (Wrote(1, 0, Thinking(HELD, "")), Wrote(1, 0, Thinking(TOLD, ""))),
]  # fmt: skip


@pytest.mark.parametrize(("record", "stored"), RECORDS)
def test_what_is_stored_of_a_record(record: AnyRecord, stored: AnyRecord, tmp_path: Path) -> None:
    assert Redactor(Secrets([HELD])).record(record) == stored
    journal = Journal(tmp_path / "s.db")
    journal.database.secrets.learn(HELD)
    journal.database.append("s", "/", [Row(1, 0.0, record)])
    assert [row.record for row in journal.rows("s")] == [stored]


@pytest.mark.parametrize("value", ["12345678", "assistant", "tool_call", "committed", "write-me"])
async def test_no_key_makes_a_session_unreadable(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers, roles, tags and ids are no words."""
    monkeypatch.setenv("DB_PASSWORD", value)

    def pay(account: int, note: str) -> str:
        return f"paid to {account}"

    replies = [Reply([call("pay", account=12345678, note=value)]), Reply([say(f"So: {value}.")])]
    async with simulator(Scenario(replies=[*replies, Reply([say("Yes.")])])) as sim:
        agent = Agent("anthropic:any", [pay], api_key="k", base_url=sim.url)
        first = await agent.run("go", Journal(tmp_path / "s.db").session("s"))
        again = Journal(tmp_path / "s.db").session("s")
        assert (first.outcome, len(again.messages)) == ("completed", 4)
        [made] = [each for each in again.messages[1].blocks if isinstance(each, ToolCall)]
        assert made.input["account"] == 12345678
        assert (await agent.run("Sure?", again)).outcome == "completed"
    assert sim.refusals == []


@pytest.mark.parametrize("calls", [True, False])
async def test_signed_thinking_about_a_key_can_be_gone_on_with(calls: bool, tmp_path: Path) -> None:
    """A signature is over every letter, and a turn with calls must begin with its thinking."""

    def look() -> str:
        return "seen"

    first = [think(f"The key is {KEY}, odd."), *([call("look")] if calls else []), say("Hm.")]
    replies = [Reply(first), *([Reply([say("So.")])] if calls else []), Reply([say("Yes.")])]
    async with simulator(Scenario(replies=replies)) as sim:
        agent = Agent("anthropic:m", [look], api_key="k", base_url=sim.url, thinking=1024)
        await agent.run("go", Journal(tmp_path / "s.db").session("s"))
        ended = await agent.run("again", Journal(tmp_path / "s.db").session("s"))
    assert (ended.outcome, ended.text, sim.refusals) == ("completed", "Yes.", [])


async def test_the_keys_a_run_asks_with_are_not_stored(tmp_path: Path) -> None:
    """Neither the one it was given, nor the one that its URL holds."""
    key, password = "my-own-key-123", "Pass-word-1"

    def leak() -> str:
        return f"env:\nKEY={key}\n{password}\n{KEY}"

    async with simulator(Scenario(replies=[Reply([call("leak")]), Reply([say(key)])])) as sim:
        url = sim.url.replace("://", f"://ada:{password}@")
        agent = Agent("anthropic:m", [leak], api_key=key, base_url=url)
        ended = await agent.run(f"I am {key}", Journal(tmp_path / "s.db").session("s"))
    assert ended.outcome == "completed"
    stored = on_disk(tmp_path)
    assert b"env:\\nKEY=[redacted]\\n[redacted]\\n[redacted]" in stored
    for secret in (key, password, KEY):
        assert secret.encode() not in stored
