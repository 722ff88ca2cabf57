"""Models on this machine: a real model, in llama.cpp's real server."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import psutil
import pytest

from midstream import Agent, ConfigurationError, Run, tool
from midstream.events import TextDelta, ToolCallStarted, ToolInputDelta, ToolStarted
from midstream.models.llama import reason
from midstream.models.llama_server import Settings
from midstream.models.local import WIRES, InOrder, LocalModel, LocalWire
from midstream.models.model import Patience
from midstream.models.resolve import resolve
from midstream.stream import BlockEnded, BlockStarted, ResponseEnded, StreamEvent
from midstream.turn.retry import Backoff
from midstream.wire.sse import SseRecord

# One thread: on a machine that does other things as well, two would wait for each other.
SMALL: dict[str, Any] = {"context": 1024, "threads": 1, "temperature": 0.0}
ENDLESS = 'root ::= "a" root'
# The words of each wire for: call a tool, whatever you think.
FORCED: dict[LocalWire, Any] = {
    "anthropic": {"type": "any"}, "openai-chat": "required", "openai": "required",
}  # fmt: skip
# Where calls are written so, llama.cpp's grammar leaves the model no other first word than one.
CALLS = """
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{%- if message.content %}{{ '>>>all\\n' + message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
{{- '>>>' + call.function.name + '\\n' }}{{ call.function.arguments | tojson }}
{%- endfor %}
{%- else %}{{ message.content }}{% endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n>>>' }}{% endif %}
"""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert servers() == []


def servers(parent: int | None = None) -> list[psutil.Process]:
    """The servers that a process has started and that are not dead."""
    children = psutil.Process(parent).children()
    return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]


async def first_words(run: Run) -> None:
    with anyio.fail_after(20):
        async for event in run:
            if isinstance(event, TextDelta):
                return


async def test_a_file_answers(gguf: Path) -> None:
    told: list[float | None] = []
    model = LocalModel(gguf, Settings(**SMALL))
    model.progress = told.append
    async with Agent(model, max_tokens=12).run("Say hello.") as run:
        events = [event async for event in run]
    assert run.ended is not None
    assert (run.ended.outcome, run.ended.cost_usd) == ("max_tokens", None)
    assert run.usage.output_tokens == 12
    assert run.text.startswith("Hello")
    assert sum(isinstance(each, TextDelta) for each in events) > 2
    assert told[0] == 0
    assert told[-1] is None
    assert 1 in told


def test_its_path_is_enough(gguf: Path) -> None:
    model = resolve(f"local:{gguf}", None, None, Patience())
    assert (model.provider, model.name) == ("local", gguf.stem)


class Script:
    """A decoder that hands out what it was given."""

    def __init__(self, *events: StreamEvent) -> None:
        self._events = events

    def feed(self, record: SseRecord) -> tuple[StreamEvent, ...]:
        return self._events

    def end(self) -> tuple[StreamEvent, ...]:
        return ()


def test_a_block_ends_when_the_next_begins() -> None:
    text, call = BlockStarted(0), ToolCallStarted(1, "c", "act")
    words, more = TextDelta(0, "So."), ToolInputDelta("c", "{}")
    late = BlockEnded(0), BlockEnded(1), ResponseEnded()
    decoder = InOrder(Script(text, words, call, more, *late))
    assert [*decoder.feed(SseRecord(b""))] == [
        text, words, BlockEnded(0), call, more, BlockEnded(1), ResponseEnded()
    ]  # fmt: skip


@pytest.mark.parametrize("wire", WIRES)
async def test_calls_start_while_the_model_still_talks(wire: LocalWire, gguf: Path) -> None:
    asked: list[str] = []

    @tool(effects="read")
    def local_time(city: Literal["Lagos", "Oslo"]) -> str:
        """The time in a city."""
        asked.append(city)
        return "9 o'clock"

    model = LocalModel(
        gguf,
        Settings(**SMALL, template=CALLS),
        wire=wire,
        extra={"tool_choice": FORCED[wire]},
    )
    agent = Agent(model, [local_time], max_tokens=60, max_turns=1)
    async with agent.run("The time in Lagos?") as run:
        events = [event async for event in run]
    order = [type(each) for each in events if isinstance(each, ToolCallStarted | ToolStarted)]
    last_call = len(order) - order[::-1].index(ToolCallStarted) - 1
    assert order.index(ToolStarted) < last_call
    assert order.count(ToolStarted) == len(asked) >= 2
    assert {*asked} <= {"Lagos", "Oslo"}


VERDICT = {
    "type": "object",
    "properties": {"sure": {"type": "boolean"}, "city": {"enum": ["Lagos", "Oslo"]}},
    "required": ["sure", "city"],
    "additionalProperties": False,
}
FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"schema": VERDICT}}}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("wire", "settings", "extra"),
    [
        ("anthropic", {"json_schema": VERDICT}, {}),
        ("openai-chat", {"json_schema": VERDICT}, {}),
        ("openai", {"json_schema": VERDICT}, {}),
        ("openai-chat", {}, FORMAT),
    ],
)
async def test_an_answer_follows_a_schema(
    wire: LocalWire, settings: dict[str, Any], extra: dict[str, Any], gguf: Path
) -> None:
    model = LocalModel(gguf, Settings(**SMALL, **settings), wire=wire, extra=extra)
    ended = await Agent(model, max_tokens=60).run("Where?")
    answer = json.loads(ended.text)
    assert ended.outcome == "completed"
    assert answer.keys() == {"sure", "city"}
    assert answer["city"] in ("Lagos", "Oslo")


async def test_a_grammar_and_tools_are_refused_together(gguf: Path) -> None:
    @tool
    def act() -> None: ...

    model = LocalModel(gguf, Settings(**SMALL, grammar=ENDLESS))
    ended = await Agent(model, [act]).run("Go.")
    assert ended.error is not None
    assert ended.error.message == "a local model takes a grammar or tools, not both"


async def test_a_cancelled_run_frees_its_place_at_once(gguf: Path) -> None:
    settings = Settings(**SMALL | {"context": 8192}, grammar=ENDLESS)
    async with Agent(LocalModel(gguf, settings), max_tokens=8000) as agent:
        async with agent.run("Begin.") as run:
            await first_words(run)
            run.cancel()
            ended = await run
        assert ended.outcome == "cancelled"
        with anyio.fail_after(5):  # to its end the first one would have taken a minute
            async with agent.run("Begin again.") as run:
                await first_words(run)


@pytest.mark.parametrize(("context", "window"), [(4096, 4096), (0, None)])
async def test_what_a_conversation_may_have_is_what_each_place_has(
    context: int, window: int | None, tmp_path: Path
) -> None:
    (file := tmp_path / "model.gguf").write_bytes(b"GGUF")
    model = LocalModel(file, Settings(**SMALL | {"context": context}, parallel=2))
    assert await Agent(model).context_window() == window
    async with Agent(model) as agent:
        assert await agent.context_window() == window


async def test_conversations_side_by_side_take_a_place_each(gguf: Path) -> None:
    settings = Settings(**SMALL | {"context": 4096}, grammar=ENDLESS, parallel=2)
    async with Agent(LocalModel(gguf, settings), max_tokens=4000) as agent:
        async with agent.run("Begin.") as one, agent.run("Begin.") as other:
            await first_words(one)
            await first_words(other)
            assert one.ended is None
            assert len(servers()) == 1


async def test_a_run_can_be_cancelled_while_the_model_loads(gguf: Path) -> None:
    loading = anyio.Event()
    model = LocalModel(gguf, Settings(**SMALL))
    model.progress = lambda fraction: loading.set()
    with anyio.fail_after(10):
        async with Agent(model).run("Say hello.") as run:
            await loading.wait()
            run.cancel()
            ended = await run
    assert (ended.outcome, ended.text) == ("cancelled", "")


async def test_a_server_that_dies_ends_the_run_with_a_reason(gguf: Path) -> None:
    model = LocalModel(gguf, Settings(**SMALL, grammar=ENDLESS))
    agent = Agent(model, backoff=Backoff(base_s=0.2))
    async with agent.run("Begin.") as run:
        await first_words(run)
        servers()[0].kill()
        ended = await run
    assert ended.error is not None
    assert ended.error.type == "configuration_error"
    assert ended.error.message.endswith("perhaps there is too little memory for it")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_only_who_has_the_key_is_answered_and_only_from_here(gguf: Path) -> None:
    model = LocalModel(gguf, Settings(**SMALL))
    async with Agent(model, max_tokens=1) as agent:
        await agent.run("Say hello.")
        [server] = servers()
        (key,) = model.secrets
        assert key not in " ".join(server.cmdline())
        assert key not in " ".join(server.environ().values())
        [door] = [each for each in server.net_connections() if each.status == "LISTEN"]
        assert door.laddr.ip == "127.0.0.1"
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{door.laddr.port}") as client:
            statuses = [
                (await client.post("/v1/messages", headers=headers, json={})).status_code
                for headers in ({}, {"x-api-key": "k"}, {"x-api-key": key})
            ]
    assert statuses == [401, 401, 500]  # the last one's question is none


@pytest.mark.parametrize("moment", ["loading", "answering"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_whoever_is_killed_leaves_no_server(moment: str, gguf: Path) -> None:
    program = f"""
import anyio
from midstream import Agent
from midstream.models.local import LocalModel, Settings

async def main():
    model = LocalModel({str(gguf)!r}, Settings(context=8192, threads=1, grammar={ENDLESS!r}))
    model.progress = lambda fraction: fraction and print("loading", flush=True)
    async with Agent(model).run("Begin.") as run:
        async for event in run:
            if event.type == "text_delta":
                print("answering", flush=True)

anyio.run(main)
"""
    command = [sys.executable, "-c", program]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout is not None
        heard = ""
        while moment not in heard:
            heard += (await process.stdout.receive()).decode()
        started = servers(process.pid)
        process.kill()
        await process.wait()
        assert len(started) == 1
        _, alive = await anyio.to_thread.run_sync(psutil.wait_procs, started, 10)
    assert alive == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is noticed after loading")
@pytest.mark.parametrize("kind", ["a pipe", "a socket"])
def test_the_end_of_its_parent_reaches_a_server_that_holds_pythons_lock(kind: str) -> None:
    program = """
import ctypes
from midstream.models.llama_server import die_with_parent

die_with_parent()
print("holding", flush=True)
ctypes.PyDLL(None).sleep(1000)
"""
    ours, its = socket.socketpair()
    with ours, its:
        stdin = subprocess.PIPE if kind == "a pipe" else its.fileno()
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"holding\n"
            its.close()
            ours.close()
            if process.stdin:
                process.stdin.close()
            assert process.wait(10) == -signal.SIGIO


# -- what cannot be run ------------------------------------------------------------------------


def test_a_file_that_cannot_be_is_named_at_once(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("Not a model.")
    for path, words in {
        tmp_path / "none.gguf": "there is no file",
        tmp_path: "there is no file",
        other: "is not a GGUF file",
    }.items():
        with pytest.raises(ConfigurationError, match=words):
            LocalModel(path)


def test_without_llama_cpp_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match="pip install xllamacpp"):
        LocalModel(model)


async def test_half_a_file_is_called_that(gguf: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.gguf"
    with gguf.open("rb") as whole:
        half.write_bytes(whole.read(8 << 20))
    ended = await Agent(LocalModel(half)).run("Say hello.")
    assert ended.error is not None
    assert ended.error.type == "configuration_error"
    assert ended.error.message.startswith("half.gguf cannot be run by llama.cpp: tensor ")
    assert ended.error.message.endswith("model is corrupted or incomplete")


async def test_a_grammar_that_is_none_is_refused(gguf: Path) -> None:
    ended = await Agent(LocalModel(gguf, Settings(**SMALL, grammar="root ::= nothing"))).run("Go.")
    assert ended.error is not None
    assert ended.error.message.endswith("Undefined rule identifier 'nothing'")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_conversation_that_is_too_long_is_refused_with_its_length(gguf: Path) -> None:
    ended = await Agent(LocalModel(gguf, Settings(**SMALL))).run("word " * 2000)
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert (ended.error.status, "1024" in ended.error.message) == (400, True)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("Traceback:\n  a line\nKilled: it was\n", "Killed: it was"),
        ("before\n0.00.0 E a: first\nmore\n0.00.1 E b: second", "a: first"),
        ("parse: error parsing grammar: no root\n0.1 E a\nAborted", "no root"),
        ("0.0 E a: no\n0.1 E llama_model_load: error loading model: too new\n0.2 E c", "too new"),
    ],
)
def test_of_a_log_the_error_counts_that_the_others_follow_from(log: str, words: str) -> None:
    assert reason(log) == words


DOCS = Path(__file__).parent.parent.parent / "docs" / "local.md"


@pytest.mark.parametrize("block", re.findall(r"```py\n(.*?)```", DOCS.read_text(), re.DOTALL))
def test_the_examples_of_the_documentation_run(block: str, gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").symlink_to(gguf)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


# -- the command -------------------------------------------------------------------------------


def command(gguf: Path, *options: str) -> list[str]:
    question = ["Say hello.", "-m", f"local:{gguf}", "--no-session", *options]
    return [sys.executable, "-m", "midstream", *question]


def test_the_command_says_on_a_terminal_how_far_loading_is(gguf: Path) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        command(gguf, "--max-tokens", "1"), stdin=slave, stdout=subprocess.PIPE, stderr=slave,
        env=os.environ | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(slave)
        answer = process.communicate(timeout=50)[0].decode()
    screen = b""
    with suppress(OSError):  # Linux's word for the end
        while shown := os.read(master, 1 << 16):
            screen += shown
    os.close(master)
    lines = screen.decode().split("\r\x1b[K")
    assert "loading" not in answer
    assert lines[1] == f"loading {gguf.stem} 0 % · 0 s"
    assert any(each.startswith(f"loading {gguf.stem} 100 % · ") for each in lines)
    assert "loading" not in lines[-1]


def test_the_command_leaves_no_server_when_it_is_told_to_end(gguf: Path) -> None:
    with subprocess.Popen(
        command(gguf, "-o", "stream-json", "--max-tokens", "900"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["type"] == "turn_started":
                break
        started = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=20)[0]
    assert process.returncode == 130
    assert '"outcome":"cancelled"' in rest
    assert len(started) == 1
    assert not any(each.is_running() for each in started)
