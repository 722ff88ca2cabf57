"""pydantic-ai: its agent, by `run_stream` (text only) and by `run_stream_events`."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from anthropic import AsyncAnthropic
from pydantic_ai import (
    Agent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPartDelta,
)
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from worker import ALONE, WARM, Contender, Got, Open, Read, Tools, main


def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


@asynccontextmanager
async def agent(url: str, tools: list[Any]) -> AsyncGenerator[Agent]:
    async with AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as sdk:
        provider = AnthropicProvider(anthropic_client=sdk)
        yield Agent(AnthropicModel("claude-sonnet-4-6", provider=provider), tools=tools)


async def read_text(asked: Agent, got: Got) -> None:
    async with asked.run_stream("Go.") as result:
        async for text in result.stream_text(delta=True, debounce_by=None):
            got(text)


async def read_events(asked: Agent, got: Got) -> None:
    async with asked.run_stream_events("Go.") as events:
        async for event in events:
            match event:
                case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                    got(text)
                case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                    got(text)
                case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=str(text))):
                    got(text)
                case PartStartEvent(part=TextPart(content=text) | ThinkingPart(content=text)):
                    got(text)


def reader(read_run: Callable[[Agent, Got], Awaitable[None]]) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Read]:
        async with agent(url, [keep]) as asked:

            async def read(got: Got) -> None:
                await read_run(asked, got)

            yield read

    return opened


async def play(url: str, tools: Tools, got: Got) -> None:
    def tool_a(n: int) -> str:
        """Block."""
        return tools.a(n)

    def tool_b(n: int) -> str:
        """Block."""
        return tools.b(n)

    async with agent(url, [tool_a, tool_b]) as asked:
        await read_events(asked, got)


TEXT = ALONE - {"mixed", "argument"} | {"cold"}
CONTENDERS = {
    "pydantic-ai, run_stream": Contender(reader(read_text), measures=TEXT),
    "pydantic-ai, run_stream_events": Contender(reader(read_events), play, WARM),
}

if __name__ == "__main__":
    main(CONTENDERS)
