"""What the user says: words, pictures, or both, on every wire and on disk."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from midstream import Image, Journal, Session
from midstream.agent.prompt import joined, parts_of
from midstream.events import TextDelta
from midstream.faces.transcript import markdown, plain
from midstream.messages import Message, Text
from midstream.simulator import Reply, Scenario, Simulator, say, simulator
from midstream.tools.output import MAX_IMAGE
from tests.agent.test_moving import PNG, WIRES, Wire, agent
from tests.fakes import Do, provider, says, start, text

pytestmark = pytest.mark.anyio

PICTURE = Image(PNG)
SCRIPT = Scenario(replies=[Reply([say("Seen.")])])


def pictures(sim: Simulator) -> int:
    """How often the last request shows the picture."""
    return str(sim.requests[-1]).count(b64encode(PNG).decode())


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("words", [["What is this?"], []], ids=["with words", "alone"])
async def test_a_picture_is_shown_to_the_model(wire: Wire, words: list[str]) -> None:
    session = Session()
    async with simulator(SCRIPT) as sim:
        ended = await agent(wire, sim).run([*words, PICTURE, PICTURE], session)
        assert pictures(sim) == 2
        assert (ended.outcome, ended.text, ended.error) == ("completed", "Seen.", None)
        await agent(wire, sim).run("And now?", session)
        assert pictures(sim) == 2, "it stays in the conversation"
    assert sim.refusals == []
    assert session.messages[0] == Message("user", (*map(Text, words), PICTURE, PICTURE))


async def test_a_turn_may_be_interrupted_with_a_picture() -> None:
    async with provider([start(), text(0, "Well", close=False), Do.STALL], says("Ah.")) as world:
        async with world.agent().run("Go") as run:
            async for event in run:
                if isinstance(event, TextDelta) and event.text == "Well":
                    run.interrupt("No, ")
                    run.interrupt(["like this:", PICTURE, "see?"])
        assert [block["type"] for block in world.said()[-1]["content"]] == ["text", "image", "text"]
    assert run.session.messages[2] == Message(
        "user", (Text("No, \n\nlike this:"), PICTURE, Text("see?"))
    )


async def test_a_picture_is_kept_whole_on_disk_and_named_where_it_cannot_be_shown(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "sessions.db")
    key = "sk-ant-api03-" + "Canary01" * 4
    async with simulator(SCRIPT) as sim:
        session = journal.session("s")
        await agent("anthropic", sim).run([PICTURE, f"What is this, {key}?"], session)
    kept = Journal(tmp_path / "sessions.db").session("s")
    assert kept.messages[0] == Message("user", (PICTURE, Text("What is this, [redacted]?")))
    assert journal.summaries()[0].first.startswith("[picture]\n\nWhat is this")
    records = [row.record for row in journal.rows("s")]
    for shown in (plain(records), markdown("s", records)):
        assert any("[picture]\n\nWhat is this" in paragraph for paragraph in shown)


BAD: list[Any] = [
    pytest.param([], "empty", id="nothing"),
    pytest.param([" ", Text("\n")], "empty", id="blanks"),
    pytest.param([Image(b"")], "without bytes", id="no bytes"),
    pytest.param(["See:", Image(b"%PDF-1.7")], "none of image/png", id="no picture"),
    pytest.param([Image(PNG + bytes(MAX_IMAGE))], "at most 3,932,160", id="too large"),
    pytest.param([3], "text and Images, not int", id="a number"),
]


@pytest.mark.parametrize(("prompt", "words"), BAD)
async def test_what_no_provider_takes_is_refused_with_what_to_do(prompt: Any, words: str) -> None:
    async with simulator(SCRIPT) as sim:
        with pytest.raises(ValueError, match=words):
            agent("anthropic", sim).run(prompt)


def test_a_picture_is_what_its_bytes_say_and_words_can_be_sent_on() -> None:
    said = parts_of(["a\ud800", Image(PNG, "image/jpeg"), Text("b", citations=({"x": 1},))])
    assert said == (Text("a\ufffd"), PICTURE, Text("b"))


def test_words_that_follow_each_other_are_joined_by_a_blank_line() -> None:
    prompts = [(Text("a"), PICTURE), (Text("b"),), (Text("c"), PICTURE)]
    assert joined(prompts) == (Text("a"), PICTURE, Text("b\n\nc"), PICTURE)
