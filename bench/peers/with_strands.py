"""Strands: its agent, which holds a conversation, so that every read makes one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from strands import Agent, tool
from strands.models.anthropic import AnthropicModel
from worker import Contender, Got, Read, Tools, main


def model(url: str) -> AnthropicModel:
    client = {"api_key": "k", "base_url": url, "max_retries": 0}
    return AnthropicModel(client_args=client, model_id="claude-sonnet-4-6", max_tokens=8192)


@tool
def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


async def read_agent(asked: AnthropicModel, tools: list[Any], got: Got) -> None:
    agent = Agent(model=asked, tools=tools, callback_handler=None)
    async for event in agent.stream_async("Go."):
        if text := event.get("data") or event.get("reasoningText"):
            got(text)
        elif event.get("type") == "tool_use_stream":
            got(event["delta"]["toolUse"]["input"])


@asynccontextmanager
async def stream_async(url: str) -> AsyncGenerator[Read]:
    asked = model(url)

    async def read(got: Got) -> None:
        await read_agent(asked, [keep], got)

    yield read
    await asked.client.close()


async def play(url: str, tools: Tools, got: Got) -> None:
    @tool
    def tool_a(n: int) -> str:
        """Block."""
        return tools.a(n)

    @tool
    def tool_b(n: int) -> str:
        """Block."""
        return tools.b(n)

    await read_agent(model(url), [tool_a, tool_b], got)


CONTENDERS = {"strands, stream_async": Contender(stream_async, play)}

if __name__ == "__main__":
    main(CONTENDERS)
