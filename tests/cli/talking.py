"""A conversation for tests: `midstream` in a terminal, with the simulator as its model."""

import random
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from midstream.simulator import Reply, Scenario, Simulator
from tests.cli.tmux import Tmux, terminal

Start = Callable[[Any], Simulator]

# `look` and `dig` end when there is a file of that name: "go".
TOOLS = '''
import importlib
import subprocess
import sys
import time
import anyio
from midstream import ToolContext, tool

async def gate(name="go"):
    while not await anyio.Path(name).exists():
        await anyio.sleep(0.02)

@tool(effects="read")
async def look(place: str, ctx: ToolContext) -> str:
    """Look around."""
    await ctx.progress("half of it", 0.5)
    await gate()
    return "\\n".join(f"seen {n}" for n in range(1, 9))

@tool(effects="read")
async def glance(place: str) -> str:
    """Look quickly."""
    return f"{place} is there"

@tool(approval=True)
def pay(amount: int) -> str:
    """Pay."""
    print(f"paying {amount}")
    return f"paid {amount}"

@tool(approval=True)
async def slow_pay(amount: int) -> str:
    """Pay, once one may."""
    await gate()
    return f"slowly paid {amount}"

@tool(effects="read")
def ask(question: str) -> str:
    """Ask whoever sits there."""
    try:
        said = input()
    except EOFError:
        said = "nobody"
    child = subprocess.run("cat; sleep 1", shell=True, stdout=subprocess.PIPE, text=True)
    return f"{said} answers{child.stdout}"

@tool(effects="read")
def leave(status: int) -> str:
    """End the program."""
    sys.exit(status)

@tool(effects="read")
def spoil(part: str) -> str:
    """Break a part of the program: a bug, for whoever looks at it."""
    def broken(*args, **kwargs):
        raise RuntimeError("spoilt")
    module, name, method = part.split(".")
    found = importlib.import_module(f"midstream.faces.terminal.{module}")
    setattr(getattr(found, name), method, broken)
    return "spoilt"

@tool(effects="read")
async def block() -> str:
    """Hold up everything."""
    await gate()
    open("blocked", "w").close()  # a pipe that somebody reads
    while True:
        time.sleep(0.01)

@tool(effects="read")
async def babble() -> str:
    """Have a child that prints without end."""
    async with await anyio.open_process(["yes", "I say"], stdout=None) as process:
        await gate()
        process.kill()
    return "enough was said"

@tool(effects="read")
def child() -> str:
    """Run something that goes on."""
    process = subprocess.Popen(["sleep", "1000"])
    with open("child", "w") as file:
        file.write(str(process.pid))
    process.wait()
    return "it has ended"
'''
COLOURS = {str(number) for number in (*range(30, 38), *range(90, 98))}
LONG = "On and on. " * 400


def slowly(*replies: Reply, **settings: Any) -> Scenario:
    return Scenario(replies=list(replies), tokens_per_second=100, **settings)


def known(folder: Path, sim: Simulator) -> tuple[str, ...]:
    """The options of a conversation with a simulator, and with the tools above."""
    (folder / "tools.py").write_text(TOOLS)
    return ("-m", "anthropic:claude-sonnet-4-6", "--base-url", sim.url, "-t", "tools.py")


@contextmanager
def talk(
    folder: Path,
    sim: Simulator,
    *options: str,
    size: tuple[int, int] = (80, 24),
    variables: Mapping[str, str] = {},
) -> Generator[Tmux]:
    keys = {"ANTHROPIC_API_KEY": "any", **variables}
    with terminal(*known(folder, sim), *options, folder=folder, size=size, variables=keys) as tmux:
        tmux.wait_for("\n›")
        yield tmux


def look_of(text: str, coloured: str) -> set[str]:
    """The attributes and the colour of a text on the screen, as numbers of SGR."""
    plain, looks, look = "", list[set[str]](), set[str]()
    for part in re.split("(\x1b\\[[0-9;]*m)", coloured):
        if part.startswith("\x1b"):
            for number in part[2:-1].split(";"):
                look = look - COLOURS if number in COLOURS | {"39"} else look
                look = look | {number} if number not in {"", "0", "39", "49"} else look
                look = set() if number in {"", "0"} else look
        else:
            plain += part
            looks += [look] * len(part)
    return looks[plain.index(text)]


def words_of(message: dict[str, Any]) -> str:
    """The text of a message as it was sent."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def last_words(request: dict[str, Any]) -> str:
    return words_of(request["messages"][-1])


def result_of(request: dict[str, Any]) -> str:
    """What the model was told of the last call."""
    (part,) = [
        part
        for message in request["messages"]
        if not isinstance(message["content"], str)
        for part in message["content"]
        if part["type"] == "tool_result"
    ][-1:]
    content = part["content"]
    return content if isinstance(content, str) else "".join(each["text"] for each in content)


# -- long answers ----------------------------------------------------------------------------------

SAYING = """\
the stream turn token block delta tool call starts while model still talks reads every byte once
and keeps its promise over sockets that break or repeat until nothing is lost 日本語 文字 emoji 🙂
🚀 café naïve `code` **bold** *slanted*"""
WORDS = SAYING.split()


def document(tokens: int, *, tables: bool = True) -> str:
    """Markdown as models write it, always the same."""
    draw = random.Random(7)
    parts: list[str] = []
    while sum(map(len, parts)) < tokens * 3.65:
        parts.append(block(draw, draw.choice("ppphblc" + "t" * tables)))
    return "".join(parts).rstrip()


def block(draw: random.Random, kind: str) -> str:
    words = " ".join(draw.choices(WORDS, k=14)).capitalize() + "."
    match kind:
        case "h":
            return f"{'#' * draw.randint(1, 3)} {words[:30].strip(' *`')}\n\n"
        case "b":
            return "".join(f"- {words} {n}\n" for n in range(draw.randint(3, 9))) + "\n"
        case "l":
            return "".join(f"{n}. {words}\n   - {words[:20]}\n" for n in range(1, 6)) + "\n"
        case "t":
            rows = ("| " + " | ".join(draw.choices(WORDS, k=4)) + " |\n" for _ in range(8))
            return "| one | two | three | four |\n|---|:-:|--:|---|\n" + "".join(rows) + "\n"
        case "c":
            body = (f"    x_{n} = compute({n}, '🙂')  # {draw.choice(WORDS)}\n" for n in range(20))
            return "```python\ndef work() -> None:\n" + "".join(body) + "```\n\n"
        case _:
            return f"{words} {words}\n\n"
