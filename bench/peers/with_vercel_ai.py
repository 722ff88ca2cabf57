"""Vercel's `ai` for Python: its model alone, and its agent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import ai
from worker import WARM, Contender, Got, Read, Tools, main

DELTAS = (ai.events.TextDelta, ai.events.ReasoningDelta, ai.events.ToolDelta)


def model(url: str) -> ai.Model:
    provider = ai.get_provider("anthropic", base_url=url, api_key="k")
    return ai.Model(id="claude-sonnet-4-6", provider=provider)


@ai.tool
async def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


async def read_agent(asked: ai.Model, tools: list[Any], got: Got) -> None:
    agent = ai.Agent(tools=tools)
    async with agent.run(asked, [ai.user_message("Go.")]) as stream:
        async for event in stream:
            if isinstance(event, DELTAS):
                got(event.chunk)


@asynccontextmanager
async def stream(url: str) -> AsyncGenerator[Read]:
    asked = model(url)

    async def read(got: Got) -> None:
        async with ai.stream(asked, [ai.user_message("Go.")], tools=[keep.tool]) as stream:
            async for event in stream:
                if isinstance(event, DELTAS):
                    got(event.chunk)

    yield read


@asynccontextmanager
async def agent(url: str) -> AsyncGenerator[Read]:
    asked = model(url)

    async def read(got: Got) -> None:
        await read_agent(asked, [keep], got)

    yield read


async def play(url: str, tools: Tools, got: Got) -> None:
    """Tools are coroutines here: a function that blocks goes to a thread."""

    @ai.tool
    async def tool_a(n: int) -> str:
        """Block."""
        return await asyncio.to_thread(tools.a, n)

    @ai.tool
    async def tool_b(n: int) -> str:
        """Block."""
        return await asyncio.to_thread(tools.b, n)

    await read_agent(model(url), [tool_a, tool_b], got)


CONTENDERS = {
    "Vercel ai, stream": Contender(stream),
    "Vercel ai, Agent": Contender(agent, play, WARM),
}

if __name__ == "__main__":
    main(CONTENDERS)
