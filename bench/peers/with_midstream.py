"""midstream, on each of the three wires; and its program, from the shell."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from worker import ALONE, READING, Contender, Got, Open, Read, Tools, main

from midstream import Agent, tool
from midstream.events import TextDelta, ThinkingDelta, ToolInputDelta


@tool(effects="read")
async def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


async def read_run(agent: Agent, got: Got) -> None:
    async with agent.run("Go.") as run:
        async for event in run:
            match event:
                case TextDelta(text=text) | ThinkingDelta(text=text):
                    got(text)
                case ToolInputDelta(json=fragment):
                    got(fragment)


def reader(model: str) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Read]:
        async with Agent(model, [keep], api_key="k", base_url=url) as agent:

            async def read(got: Got) -> None:
                await read_run(agent, got)

            yield read

    return opened


async def play(url: str, tools: Tools, got: Got) -> None:
    @tool(effects="read")
    def tool_a(n: int) -> str:
        """Block."""
        return tools.a(n)

    @tool(effects="read")
    def tool_b(n: int) -> str:
        """Block."""
        return tools.b(n)

    await read_run(Agent(MESSAGES, [tool_a, tool_b], api_key="k", base_url=url), got)


MESSAGES = "anthropic:claude-sonnet-4-6"
COLD = frozenset({"cold"})
ASK = ("-m", "midstream", "-p", "Go.", "-m", MESSAGES, "--no-session", "--base-url", "{url}")
CONTENDERS = {
    "midstream": Contender(reader(MESSAGES), play),
    "midstream, Chat": Contender(
        reader("openai-chat:gpt-5"), measures=frozenset({"text", "argument", "ttft"}), wire="chat"
    ),
    "midstream, Responses": Contender(reader("openai:gpt-5"), measures=ALONE, wire="responses"),
    "python -c pass": Contender(measures=COLD, program=(sys.executable, "-c", "pass")),
    "midstream --version": Contender(
        measures=COLD, program=(sys.executable, "-m", "midstream", "--version")
    ),
    "from midstream import Agent, tool": Contender(
        measures=COLD, program=(sys.executable, "-c", "from midstream import Agent, tool")
    ),
    "midstream -p": Contender(measures=COLD, program=(sys.executable, *ASK)),
    "midstream -p -o stream-json": Contender(
        measures=COLD, program=(sys.executable, *ASK, "-o", "stream-json")
    ),
}
if find_spec("uvloop"):
    CONTENDERS["midstream, uvloop"] = Contender(
        reader(MESSAGES), measures=READING & {"paced", "many", "memory"}, uvloop=True
    )

if __name__ == "__main__":
    main(CONTENDERS)
