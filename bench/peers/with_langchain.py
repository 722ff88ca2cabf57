"""langchain-anthropic: the chat model's `astream`, and langchain's agent around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from worker import Contender, Got, Read, Tools, main


def model(url: str) -> ChatAnthropic:
    return ChatAnthropic(
        model_name="claude-sonnet-4-6", api_key="k", base_url=url, max_retries=0, max_tokens=8192
    )


@tool
def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


def fragments(chunk: Any, got: Got) -> None:
    """With tools bound, content comes as blocks; a text alone comes as a string."""
    if isinstance(chunk.content, str):
        if chunk.content:
            got(chunk.content)
        return
    for block in chunk.content:
        if text := block.get("text") or block.get("thinking") or block.get("partial_json"):
            got(text)


@asynccontextmanager
async def astream(url: str) -> AsyncGenerator[Read]:
    asked = model(url).bind_tools([keep])

    async def read(got: Got) -> None:
        async for chunk in asked.astream("Go."):
            fragments(chunk, got)

    yield read


async def play(url: str, tools: Tools, got: Got) -> None:
    @tool
    def tool_a(n: int) -> str:
        """Block."""
        return tools.a(n)

    @tool
    def tool_b(n: int) -> str:
        """Block."""
        return tools.b(n)

    agent = create_agent(model(url), [tool_a, tool_b])
    question: Any = {"messages": [{"role": "user", "content": "Go."}]}
    async for chunk, _ in agent.astream(question, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            fragments(chunk, got)


CONTENDERS = {
    "langchain-anthropic, astream": Contender(astream),
    "langchain, create_agent": Contender(play=play),
}

if __name__ == "__main__":
    main(CONTENDERS)
