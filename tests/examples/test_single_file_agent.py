"""The agent in one file keeps every promise of its comments, over a real socket."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.examples.conftest import EXAMPLES, load, run_beside
from tests.fakes import (
    Answer,
    Do,
    Provider,
    block,
    event,
    failure,
    provider,
    says,
    start,
    stop,
    text,
    thinking,
    tool_use,
)

pytestmark = pytest.mark.anyio


class Till:
    """A tool with an effect, and the account of it."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.began = anyio.Event()
        self.gate = anyio.Event()

    async def pay(self, amount: int = 0, to: str = "") -> str:
        self.paid.append(amount)
        self.began.set()
        await self.gate.wait()
        return f"paid {amount}"


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def agent(till: Till) -> Any:
    """The example, with a till among its tools and no time to lose."""
    example = load("single_file_agent")
    example.BACKOFF_S = 0.0
    example.TOOLS["pay"] = till.pay
    example.SPECS.append(example.spec(till.pay, "amount"))
    return example


async def ask(agent: Any, asked: Provider) -> str:
    """Ask; returns why it ended badly, or nothing."""
    why: str = await agent.answer("Hi", asked.url, "k")
    return why


def pays(call_id: str, amount: int = 5, index: int = 0) -> bytes:
    return tool_use(index, call_id, "pay", '{"amo', f'unt": {amount}}}')


# -- it streams --------------------------------------------------------------------------------


async def test_a_tool_runs_while_the_text_still_streams(agent: Any, till: Till) -> None:
    till.gate.set()
    # The reply does not go on until the tool has begun: an agent that waits would hang.
    streams = [start(), pays("c1"), till.began, text(1, "Meanwhile."), stop("tool_use")]
    async with provider(streams, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.results() == {"c1": "paid 5"}


async def test_a_tool_that_blocks_does_not_stop_the_text(
    agent: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = threading.Event()
    agent.TOOLS["wait"] = lambda: shown.wait(10)
    streams = [start(), tool_use(0, "c1", "wait", "{}"), text(1, "Meanwhile."), stop("tool_use")]
    async with provider(streams, says("Done.")) as asked, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, agent, asked)
        out = ""
        while "Meanwhile" not in out:
            await anyio.sleep(0.001)
            out += capsys.readouterr().out
        shown.set()
    assert asked.results() == {"c1": "True"}


# -- lines -------------------------------------------------------------------------------------

ODD = "a\u2028b\u2029c\u0085d\x0be"


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
async def test_lines_end_at_cr_and_lf_only(agent: Any, line_end: bytes) -> None:
    stream = b"".join([start(), text(0, ODD), pays("c1", 1, index=1), stop("tool_use")])
    stream = stream.replace(b"\n", line_end)
    agent.TOOLS["pay"] = lambda amount: amount
    single_bytes = [stream[i : i + 1] for i in range(len(stream))]
    async with provider(single_bytes, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.said()[1]["content"][0]["text"] == ODD
    assert asked.results() == {"c1": "1"}


def test_where_the_network_cuts_changes_nothing(agent: Any) -> None:
    stream = b'data: {"a": "\xc3\xbc"}\r\n\r\n: ping\r\n\r\ndata: {"b":\r\ndata: 1}\r\n\r\n'
    for cut in range(len(stream) + 1):
        reader = agent.EventReader()
        events = [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])]
        assert events == [{"a": "ü"}, {"b": 1}], cut


# -- calls that were cut -----------------------------------------------------------------------

CALL = {"type": "tool_use", "id": "c1", "name": "pay", "input": {}}
CUTS = {
    "inside its arguments": tool_use(1, "c1", "pay", '{"amount": 1', close=False),
    "inside its arguments, closed": tool_use(1, "c1", "pay", '{"amount": 1'),
    "before its first fragment": block(1, CALL, close=False),
    "before its first fragment, closed": block(1, CALL),
    "after an empty fragment, closed": tool_use(1, "c1", "pay"),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
async def test_a_call_that_was_cut_never_runs(
    agent: Any, till: Till, cut: bytes, reason: str
) -> None:
    async with provider([start(), text(0, "So."), cut, stop(reason)]) as asked:
        assert await ask(agent, asked) == agent.ENDS[reason]
    assert till.paid == []


async def test_a_whole_call_of_a_cut_reply_is_answered_and_the_cut_one_left_out(
    agent: Any, till: Till
) -> None:
    till.gate.set()
    cut = [start(), pays("c1"), tool_use(1, "c2", "pay", '{"amount": 1'), stop("max_tokens")]
    async with provider(cut, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert [each["id"] for each in asked.said()[1]["content"]] == ["c1"]
    assert asked.results() == {"c1": "paid 5"}
    assert till.paid == [5]


async def test_no_arguments_are_certain_when_another_block_begins(agent: Any, till: Till) -> None:
    till.gate.set()
    streams = [start(), block(0, CALL), text(1, "So"), till.began, stop("tool_use")]
    async with provider(streams, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.results() == {"c1": "paid 0"}


async def test_no_arguments_are_certain_when_the_stop_reason_says_so(
    agent: Any, till: Till
) -> None:
    till.gate.set()
    async with provider([start(), block(0, CALL), stop("tool_use")], says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert till.paid == [0]


@pytest.mark.parametrize("arguments", ['{"amount": 1', "[1]", "null", '{"amount": NaN}', "{} {}"])
async def test_arguments_that_are_no_json_object_are_told_to_the_model(
    agent: Any, till: Till, arguments: str
) -> None:
    streams = [start(), tool_use(0, "c1", "pay", arguments), stop("tool_use")]
    async with provider(streams, says("Sorry.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.results()["c1"].startswith("Not run: the arguments are not a JSON object")
    assert till.paid == []


USED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
QUERY = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
SEARCH = [start(), block(0, USED, QUERY), block(1, FOUND), stop("pause_turn")]
SEARCHED = [{**USED, "input": {"query": "x"}}, FOUND]


# -- what goes back ----------------------------------------------------------------------------


async def test_blocks_keep_their_order_and_thinking_its_signature(agent: Any, till: Till) -> None:
    till.gate.set()
    agent.SPECS.clear()
    blocks = [thinking(0, "Hm."), text(1, "A"), pays("c1", 1, 2), text(3, "B"), pays("c2", 2, 4)]
    async with provider([start(), *blocks, stop("tool_use")], says("Done.")) as asked:
        await ask(agent, asked)
    asked.refusals.clear()  # of the tools that were not offered
    back = asked.said()[1]["content"]
    assert [each["type"] for each in back] == ["thinking", "text", "tool_use", "text", "tool_use"]
    assert (back[0]["thinking"], len(back[0]["signature"]) > 0) == ("Hm.", True)
    assert [b["tool_use_id"] for b in asked.said()[2]["content"]] == ["c1", "c2"]


async def test_what_the_api_would_refuse_stays_out(agent: Any, till: Till) -> None:
    till.gate.set()
    blank, unsigned = text(0, " "), thinking(1, "Hm", signed=False)
    streams = [start(), blank, unsigned, pays("c1", 5, 2), text(3, "cu", close=False)]
    async with provider([*streams, stop("max_tokens")], says("Done.")) as asked:
        await ask(agent, asked)
    assert [each.get("text", each["type"]) for each in asked.said()[1]["content"]] == [
        "tool_use",
        "cu",
    ]


async def test_server_tools_pass_through_and_are_not_run(agent: Any) -> None:
    async with provider(SEARCH, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.said()[-1] == {"role": "assistant", "content": SEARCHED}


async def test_kinds_never_heard_of_pass_in_silence(agent: Any) -> None:
    odd = event("content_block_delta", index=0, delta={"type": "odd_delta", "text": "x"})
    sent = block(
        0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi."}, close=False
    )
    closed = event("content_block_stop", index=0)
    async with provider([start(), event("ping"), sent, odd, event("odd", x=1), closed, END]) as to:
        assert await ask(agent, to) == ""


# -- trouble in the stream ---------------------------------------------------------------------

END = stop("end_turn")
BROKEN: dict[str, list[Any]] = {
    "an error event": [start(), text(0, "Hal", close=False), failure("overloaded_error")],
    "an error event at once": [failure("api_error")],
    "the end without message_stop": [start(), text(0, "Half.")],
    "the end without a stop reason": [start(), text(0, "Half."), event("message_stop")],
    "nothing": [],
    "a cut": [start(), text(0, "Hal", close=False), Do.CUT],
    "a reset": [start(), Do.RESET],
    "not JSON": [start(), b"data: {\n\n"],
    "a block that never began": [
        start(),
        event("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"}),
    ],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_broken_reply_is_never_taken_for_a_short_one(
    agent: Any, broken: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    async with provider(broken, says("Whole.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.said(0) == asked.said(1)
    assert "the reply starts again" in capsys.readouterr().out


async def test_an_error_that_asking_again_does_not_change_ends_the_run(agent: Any) -> None:
    async with provider([start(), failure("invalid_request_error", "no")]) as asked:
        assert await ask(agent, asked) == "invalid_request_error: no"
    refused: Answer = (401, {"error": {"type": "authentication_error", "message": "bad key"}}, {})
    async with provider(refused) as asked:
        assert await ask(agent, asked) == "authentication_error: bad key"


async def test_usage_is_replaced_not_added(agent: Any) -> None:
    reader = agent.EventReader()
    deltas = [event("message_delta", delta={}, usage={"output_tokens": n}) for n in (40, 25)]
    async with asyncio.TaskGroup() as tasks:
        reply = agent.Reply(tasks, {})
        for each in reader.feed(b"".join([start(input_tokens=9), *deltas])):
            reply.feed(each)
    assert reply.usage == {"input_tokens": 9, "output_tokens": 25}


# -- asking again ------------------------------------------------------------------------------


async def test_what_ran_for_a_lost_reply_does_not_run_again(agent: Any, till: Till) -> None:
    till.gate.set()
    first = tool_use(0, "c1", "pay", '{"amount": 5, "to": "Ada"}')
    again = tool_use(0, "c9", "pay", '{"to":"Ada",', '"amount":5}')  # the same, written otherwise
    lost = [start(), first, till.began, Do.CUT]
    async with provider(lost, [start(), again, stop("tool_use")], says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert till.paid == [5]
    assert asked.results() == {"c9": "paid 5"}


async def test_what_still_runs_for_a_lost_reply_is_waited_for(agent: Any, till: Till) -> None:
    async def unlock() -> None:
        till.gate.set()

    agent.TOOLS["unlock"] = unlock
    lost = [start(), pays("c1"), till.began, Do.CUT]
    again = [start(), pays("c2"), tool_use(1, "c3", "unlock", "{}"), stop("tool_use")]
    async with provider(lost, again, says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert till.paid == [5]
    assert asked.results()["c2"] == "paid 5"


async def test_two_equal_payments_are_two_payments(agent: Any, till: Till) -> None:
    till.gate.set()
    lost = [start(), pays("c1"), pays("c2", index=1), till.began, Do.CUT]
    again = [start(), *(pays(f"c{i + 5}", index=i) for i in range(3)), stop("tool_use")]
    async with provider(lost, again, says("Done.")) as asked:
        await ask(agent, asked)
    assert till.paid == [5, 5, 5]
    assert len(asked.results()) == 3


async def test_a_call_of_another_turn_is_another_call(agent: Any, till: Till) -> None:
    till.gate.set()
    turn = [start(), pays("c1"), stop("tool_use")]
    async with provider(turn, [start(), pays("c2"), stop("tool_use")], says("Done.")) as asked:
        await ask(agent, asked)
    assert till.paid == [5, 5]


async def test_it_waits_as_long_as_the_server_says_and_gives_up_in_the_end(
    agent: Any,
) -> None:
    busy = {"error": {"type": "rate_limit_error", "message": "busy"}}
    agent.MAX_ATTEMPTS = 3
    answers = [(429, busy, {"retry-after": "1"}), (529, busy, {}), (500, busy, {})]
    async with provider(*answers) as asked:
        assert await ask(agent, asked) == "rate_limit_error: busy (attempt 3)"
    first, second, third = asked.asked_at
    assert 1 <= second - first < 2
    assert third - second < 1


# -- stop reasons ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("end_turn", ""),
        ("stop_sequence", ""),
        ("tool_use", ""),
        ("max_tokens", "the reply was cut at max_tokens"),
        ("model_context_window_exceeded", "the conversation fills the context window"),
        ("refusal", "the model refused to answer"),
        ("brand_new", "unknown stop reason: brand_new"),
    ],
)
async def test_every_stop_reason_has_its_end(agent: Any, reason: str, why: str) -> None:
    async with provider([start(), text(0, "So."), stop(reason)]) as asked:
        assert await ask(agent, asked) == why


@pytest.mark.parametrize("reason", ["pause_turn", "compaction"])
async def test_a_pause_is_sent_back_to_be_continued(agent: Any, reason: str) -> None:
    async with provider([*SEARCH[:-1], stop(reason)], says("Done.")) as asked:
        assert await ask(agent, asked) == ""
    assert asked.said()[-1] == {"role": "assistant", "content": SEARCHED}


async def test_a_refusal_ends_the_run_whatever_was_called(agent: Any, till: Till) -> None:
    till.gate.set()
    async with provider([start(), pays("c1"), stop("refusal")]) as asked:
        assert await ask(agent, asked) == "the model refused to answer"
    assert len(asked.requests) == 1


async def test_a_model_that_never_ends_is_ended(agent: Any, till: Till) -> None:
    till.gate.set()
    agent.MAX_TURNS = 2
    turns = [[start(), pays(f"c{i}"), stop("tool_use")] for i in range(2)]
    async with provider(*turns) as asked:
        assert await ask(agent, asked) == "still not done after 2 turns"


# -- the program -------------------------------------------------------------------------------


async def test_it_is_a_program(tmp_path: Path) -> None:
    note = tool_use(1, "c1", "save_note", '{"text": "Lagos: 31 °C"}')
    noted = [start(), text(0, "I note it."), note, stop("tool_use")]
    file = str(EXAMPLES / "single_file_agent.py")
    async with provider(noted, says("Noted.")) as asked:
        env = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": asked.url}
        status, out, _ = await run_beside(file, "Note", "it.", cwd=tmp_path, **env)
    assert (status, asked.said(0)[0]["content"]) == (0, "Note it.")
    assert "I note it." in out
    assert "Noted." in out
    assert (tmp_path / "notes.txt").read_text("utf-8") == "Lagos: 31 °C\n"


async def test_without_a_key_it_says_what_to_do(tmp_path: Path) -> None:
    file = str(EXAMPLES / "single_file_agent.py")
    status, _, errors = await run_beside(file, "Hi", cwd=tmp_path)
    assert (status, errors.startswith("usage: ANTHROPIC_API_KEY=")) == (1, True)
