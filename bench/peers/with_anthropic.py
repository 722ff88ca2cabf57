"""The Anthropic SDK: the raw stream, the helper, and its loop over tools, plain and eager.

The loop also runs with tools started by hand as soon as their block has ended, which is the best
that a user can do with the helper.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
from worker import ALONE, KEEP_SCHEMA, NUMBER_SCHEMA, WARM, Contender, Got, Open, Read, Tools, main

ASKED: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 8192}
QUESTION: list[Any] = [{"role": "user", "content": "Go."}]
KEEP = {"name": "keep", "description": "Keep a text.", "input_schema": KEEP_SCHEMA}


def client(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)


def fragment(delta: Any) -> str:
    match delta.type:
        case "text_delta":
            return str(delta.text)
        case "input_json_delta":
            return str(delta.partial_json)
        case "thinking_delta":
            return str(delta.thinking)
    return ""


@asynccontextmanager
async def raw(url: str) -> AsyncGenerator[Read]:
    async with client(url) as sdk:

        async def read(got: Got) -> None:
            stream = await sdk.messages.create(
                **ASKED, messages=QUESTION, tools=[KEEP], stream=True
            )
            async for event in stream:
                if event.type == "content_block_delta":
                    got(fragment(event.delta))

        yield read


@asynccontextmanager
async def helper(url: str) -> AsyncGenerator[Read]:
    async with client(url) as sdk:

        async def read(got: Got) -> None:
            async with sdk.messages.stream(**ASKED, messages=QUESTION, tools=[KEEP]) as stream:
                async for event in stream:
                    if event.type == "content_block_delta":
                        got(fragment(event.delta))

        yield read


@anthropic.beta_async_tool
async def keep(text: str) -> str:
    """Keep a text."""
    return "kept"


async def run(sdk: anthropic.AsyncAnthropic, tools: list[Any], eagerly: bool, got: Got) -> None:
    runner = sdk.beta.messages.tool_runner(
        **ASKED, messages=QUESTION, tools=tools, stream=True, run_tools_eagerly=eagerly
    )
    async for stream in runner:
        async for event in stream:
            if event.type == "content_block_delta":
                got(fragment(event.delta))


def runner(eagerly: bool) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Read]:
        async with client(url) as sdk:

            async def read(got: Got) -> None:
                await run(sdk, [keep], eagerly, got)

            yield read

    return opened


def in_threads(tools: Tools) -> list[Any]:
    """The asynchronous loop takes coroutines only: a function that blocks goes to a thread."""

    @anthropic.beta_async_tool
    async def tool_a(n: int) -> str:
        """Block."""
        return await asyncio.to_thread(tools.a, n)

    @anthropic.beta_async_tool
    async def tool_b(n: int) -> str:
        """Block."""
        return await asyncio.to_thread(tools.b, n)

    return [tool_a, tool_b]


async def play_plain(url: str, tools: Tools, got: Got) -> None:
    async with client(url) as sdk:
        await run(sdk, in_threads(tools), False, got)


async def play_eager(url: str, tools: Tools, got: Got) -> None:
    async with client(url) as sdk:
        await run(sdk, in_threads(tools), True, got)


async def play_by_hand(url: str, tools: Tools, got: Got) -> None:
    """The helper, a task for each call at the end of its block, and the next request."""
    functions = {"tool_a": tools.a, "tool_b": tools.b}
    specs = [{"name": n, "description": "Block.", "input_schema": NUMBER_SCHEMA} for n in functions]
    history, calls = list(QUESTION), dict[str, asyncio.Task[str]]()

    def take(event: Any, group: asyncio.TaskGroup) -> None:
        if event.type == "content_block_delta":
            got(fragment(event.delta))
        elif event.type == "content_block_stop" and event.content_block.type == "tool_use":
            block = event.content_block
            work = asyncio.to_thread(functions[block.name], **block.input)
            calls[block.id] = group.create_task(work)

    async with client(url) as sdk, asyncio.TaskGroup() as group:
        while history[-1]["content"]:
            calls.clear()
            async with sdk.messages.stream(**ASKED, messages=history, tools=specs) as stream:
                async for event in stream:
                    take(event, group)
                answer = await stream.get_final_message()
            history.append({"role": "assistant", "content": answer.content})
            results = [
                {"type": "tool_result", "tool_use_id": call, "content": await task}
                for call, task in calls.items()
            ]
            history.append({"role": "user", "content": results})


CONTENDERS = {
    "anthropic SDK, stream=True": Contender(raw),
    "anthropic SDK, messages.stream": Contender(helper, measures=WARM),
    "anthropic SDK, tool_runner": Contender(runner(False), play_plain, ALONE),
    "anthropic SDK, tool_runner, eager": Contender(runner(True), play_eager, ALONE),
    "anthropic SDK, tasks by hand": Contender(play=play_by_hand),
}

if __name__ == "__main__":
    main(CONTENDERS)
