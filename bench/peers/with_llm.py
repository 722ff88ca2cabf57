"""llm with llm-anthropic: its asynchronous model, alone and in a chain; and its program."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from llm_anthropic import AsyncClaudeMessages
from worker import ALONE, WARM, Contender, Got, Read, Tools, main

FRAGMENTS = frozenset({"text", "reasoning", "tool_call_args"})


def model(url: str) -> AsyncClaudeMessages:
    return AsyncClaudeMessages("claude-sonnet-4-6", base_url=url, default_max_tokens=8192)


def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


async def read_chain(asked: AsyncClaudeMessages, tools: list[Any], got: Got) -> None:
    async for event in asked.chain("Go.", tools=tools, key="k").astream_events():
        if event.type in FRAGMENTS and event.chunk:
            got(event.chunk)


@asynccontextmanager
async def prompt(url: str) -> AsyncGenerator[Read]:
    asked = model(url)

    async def read(got: Got) -> None:
        async for text in asked.prompt("Go.", key="k"):
            got(text)

    yield read


@asynccontextmanager
async def chain(url: str) -> AsyncGenerator[Read]:
    asked = model(url)

    async def read(got: Got) -> None:
        await read_chain(asked, [keep], got)

    yield read


async def play(url: str, tools: Tools, got: Got) -> None:
    def tool_a(n: int) -> str:
        """Block."""
        return tools.a(n)

    def tool_b(n: int) -> str:
        """Block."""
        return tools.b(n)

    await read_chain(model(url), [tool_a, tool_b], got)


PROGRAM = ("llm", "-m", "claude-sonnet-4.6", "--no-log", "--key", "k", "Go.")
CONTENDERS = {
    "llm-anthropic, prompt": Contender(prompt, measures=ALONE - {"mixed", "argument"}),
    "llm-anthropic, chain": Contender(chain, play, WARM),
    "llm -m claude-sonnet-4.6": Contender(measures=frozenset({"cold"}), program=PROGRAM),
}

if __name__ == "__main__":
    main(CONTENDERS)
