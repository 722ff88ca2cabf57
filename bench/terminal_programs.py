"""The programs that bench/terminal.py runs under tmux; each shows the same tokens at the same pace.

    python bench/terminal_programs.py NAME RESULT.json TOKENS PER_SECOND

It writes down what it took: CPU in seconds, and how late the event loop was, in milliseconds. Peers
are used as their documentation shows it: Rich draws four frames a second, and not twenty as ours.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "stream",
    "turn",
    "token",
    "block",
    "delta",
    "tool",
    "call",
    "starts",
    "while",
    "model",
    "still",
    "talks",
    "reads",
    "writes",
    "every",
    "byte",
    "once",
    "and",
    "keeps",
    "its",
    "promise",
    "over",
    "sockets",
    "that",
    "break",
    "cut",
    "stall",
    "or",
    "repeat",
    "themselves",
    "until",
    "nothing",
    "is",
    "lost",
    "日本語",
    "文字",
    "emoji",
    "🙂",
    "🚀",
    "café",
    "naïve",
    "`code`",
    "**bold**",
    "*slanted*",
]
PROBE_S = 0.01
LATE = 1.5  # whoever takes so many times as long as the tokens is stopped, and told as it is then


def document(tokens: int) -> list[str]:
    """Markdown as models write it, in pieces of about four characters; always the same."""
    draw = random.Random(7)
    parts: list[str] = []
    size = 0
    while size < tokens * 3.65:
        part = draw.choice(KINDS)(draw)
        parts.append(part)
        size += len(part)
    text = "".join(parts)
    return [text[i * len(text) // tokens : (i + 1) * len(text) // tokens] for i in range(tokens)]


def sentence(draw: random.Random, words: int = 14) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(words)).capitalize() + "."


def paragraph(draw: random.Random) -> str:
    return " ".join(sentence(draw) for _ in range(draw.randint(2, 6))) + "\n\n"


def heading(draw: random.Random) -> str:
    return f"{'#' * draw.randint(1, 3)} {sentence(draw, 4)}\n\n{paragraph(draw)}"


def bullets(draw: random.Random) -> str:
    return "".join(f"- {sentence(draw, 9)}\n" for _ in range(draw.randint(3, 9))) + "\n"


def numbers(draw: random.Random) -> str:
    rows = (f"{n}. {sentence(draw, 9)}\n   - {sentence(draw, 5)}\n" for n in range(1, 6))
    return "".join(rows) + "\n"


def table(draw: random.Random) -> str:
    rows = ("| " + " | ".join(draw.choices(WORDS, k=4)) + " |\n" for _ in range(8))
    return "| one | two | three | four |\n|---|:-:|--:|---|\n" + "".join(rows) + "\n"


def code(draw: random.Random) -> str:
    body = "".join(
        f"    value_{n} = compute({n}, key='{draw.choice(WORDS)}')  # {draw.choice(WORDS)}\n"
        for n in range(draw.randint(8, 30))
    )
    return f"```python\ndef work() -> None:\n{body}```\n\n"


KINDS = (paragraph, paragraph, heading, bullets, numbers, table, code)


async def paced(tokens: list[str], per_second: float) -> AsyncIterator[str]:
    """The tokens at their times: late ones at once."""
    began = time.monotonic()
    for n, token in enumerate(tokens):
        late = began + n / per_second - time.monotonic()
        if late > 0:
            await asyncio.sleep(late)
        yield token


async def lag(into: list[float]) -> None:
    """How late a task is that sleeps 10 ms, until cancelled."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(PROBE_S)
        into.append((time.monotonic() - began - PROBE_S) * 1000)


async def plain(tokens: AsyncIterator[str]) -> None:
    async for token in tokens:
        sys.stdout.write(token)
        sys.stdout.flush()


async def ours(tokens: AsyncIterator[str]) -> None:
    """The face alone: events that come from nowhere, drawn as in a conversation."""
    import anyio

    from midstream.events import RunStarted, TextDelta, TurnStarted
    from midstream.feed import Feed

    desk, painter = face()
    feed = Feed("bench")
    reader = feed.reader()

    async def show() -> None:
        async for event in reader:
            desk.view.see(event)
            desk.status.see(event)
            painter.changed()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show)
        tasks.start_soon(painter.paint)
        tasks.start_soon(desk.editor.run)
        feed.emit(RunStarted("s", "m"))
        feed.emit(TurnStarted(1, 1))
        async for token in tokens:
            feed.emit(TextDelta(0, token))
        await anyio.sleep(0.2)
        tasks.cancel_scope.cancel()
    await painter.end()


def face() -> Any:
    """A desk and its painter, as a conversation has them."""
    from prompt_toolkit.completion import DummyCompleter
    from prompt_toolkit.history import InMemoryHistory
    from prompt_toolkit.input import create_input

    from midstream.cli.raw import Lent
    from midstream.faces.terminal.desk import Desk
    from midstream.faces.terminal.editor import Editor
    from midstream.faces.terminal.paint import Paint
    from midstream.faces.terminal.painter import Painter
    from midstream.faces.terminal.screen import Screen
    from midstream.faces.terminal.status import Known, Status

    terminal = Lent(0, 1)
    desk = Desk(Paint(), time.monotonic, Status(Known("bench")), terminal.size.columns - 1)
    painter = Painter(desk, Screen(terminal.size), terminal)
    keys = (Keys(), InMemoryHistory(), DummyCompleter(), create_input())
    desk.editor = Editor(*keys, painter.pressed)
    return desk, painter


class Keys:
    """A keyboard on which nothing is typed."""

    def nothing(self) -> None: ...

    enter = queue = escape = ctrl_c = ctrl_d = reasoning = sleep = nothing


async def rich(tokens: AsyncIterator[str]) -> None:
    from rich.live import Live
    from rich.markdown import Markdown

    text = ""
    with Live(vertical_overflow="visible") as live:
        async for token in tokens:
            text += token
            live.update(Markdown(text))


async def textual(tokens: AsyncIterator[str]) -> None:
    from textual.app import App, ComposeResult
    from textual.containers import VerticalScroll
    from textual.widgets import Markdown

    class Shown(App[None]):
        def compose(self) -> ComposeResult:
            with VerticalScroll() as scroll:
                scroll.anchor()
                yield Markdown()

        async def on_mount(self) -> None:
            self.run_worker(self.stream())

        async def stream(self) -> None:
            stream = Markdown.get_stream(self.query_one(Markdown))
            async for token in tokens:
                await stream.write(token)
            await stream.stop()
            self.exit()

    await Shown().run_async()


PROGRAMS: dict[str, Callable[[AsyncIterator[str]], Awaitable[None]]] = {
    "plain": plain,
    "ours": ours,
    "rich": rich,
    "textual": textual,
}


async def main(name: str, result: Path, tokens: int, per_second: float) -> None:
    delays: list[float] = []
    pieces = document(tokens)
    probe = asyncio.get_running_loop().create_task(lag(delays))
    began, cpu = time.monotonic(), time.process_time()

    def tell() -> None:
        took = {"cpu_s": time.process_time() - cpu, "seconds": time.monotonic() - began}
        print_to(result, took | {"lag_p99_ms": p99(delays)})

    def give_up() -> None:
        tell()
        os._exit(1)

    late = threading.Timer(LATE * tokens / per_second, give_up)
    late.daemon = True
    late.start()
    await PROGRAMS[name](paced(pieces, per_second))
    probe.cancel()
    late.cancel()
    tell()


def print_to(path: Path, took: dict[str, float]) -> None:
    path.write_text(json.dumps(took))


def p99(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=100)[98]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
