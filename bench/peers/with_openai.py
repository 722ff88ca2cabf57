"""The OpenAI SDK on its two wires: the raw stream and the helper; and its loop over tools."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
from openai.lib.responses_tool_runner import AsyncRegisteredFunction, AsyncResponsesToolRunner
from worker import ALONE, KEEP_SCHEMA, NUMBER_SCHEMA, Contender, Got, Open, Play, Read, Tools, main

QUESTION: list[Any] = [{"role": "user", "content": "Go."}]
FUNCTION = {"name": "keep", "description": "Keep a text.", "parameters": KEEP_SCHEMA}
CHAT_TOOLS: list[Any] = [{"type": "function", "function": FUNCTION}]
RESPONSES_TOOLS: list[Any] = [{"type": "function", "strict": False, **FUNCTION}]
DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
    }
)


def reader(ask: Callable[[openai.AsyncOpenAI, Got], Awaitable[None]]) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Read]:
        async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as sdk:

            async def read(got: Got) -> None:
                await ask(sdk, got)

            yield read

    return opened


async def chat_raw(sdk: openai.AsyncOpenAI, got: Got) -> None:
    stream = await sdk.chat.completions.create(
        model="gpt-5", messages=QUESTION, tools=CHAT_TOOLS, stream=True
    )
    async for chunk in stream:
        delta = chunk.choices[0].delta
        if delta.content:
            got(delta.content)
        elif delta.tool_calls and delta.tool_calls[0].function:
            got(delta.tool_calls[0].function.arguments or "")


async def chat_helper(sdk: openai.AsyncOpenAI, got: Got) -> None:
    async with sdk.chat.completions.stream(
        model="gpt-5", messages=QUESTION, tools=CHAT_TOOLS
    ) as stream:
        async for event in stream:
            if event.type == "content.delta":
                got(event.delta)
            elif event.type == "tool_calls.function.arguments.delta":
                got(event.arguments_delta)


async def responses_raw(sdk: openai.AsyncOpenAI, got: Got) -> None:
    stream = await sdk.responses.create(
        model="gpt-5", input="Go.", tools=RESPONSES_TOOLS, stream=True
    )
    async for event in stream:
        if event.type in DELTAS:
            got(event.delta)


async def responses_helper(sdk: openai.AsyncOpenAI, got: Got) -> None:
    async with sdk.responses.stream(model="gpt-5", input="Go.", tools=RESPONSES_TOOLS) as stream:
        async for event in stream:
            if event.type in DELTAS:
                got(event.delta)


def registered(name: str, function: Callable[[int], str]) -> AsyncRegisteredFunction:
    async def execute(arguments: dict[str, Any]) -> str:
        return await asyncio.to_thread(function, **arguments)

    tool: Any = {
        "type": "function",
        "name": name,
        "description": "Block.",
        "parameters": NUMBER_SCHEMA,
        "strict": False,
    }
    return AsyncRegisteredFunction(tool, execute, independent=True)


def player(eagerly: bool) -> Play:
    async def play(url: str, tools: Tools, got: Got) -> None:
        async def on_event(event: Any) -> None:
            if event.type in DELTAS:
                got(event.delta)

        loop = AsyncResponsesToolRunner(
            functions=[registered("tool_a", tools.a), registered("tool_b", tools.b)]
        )
        asked: Any = {"model": "gpt-5", "input": "Go."}
        async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as sdk:
            # Its limit of two calls at a time would hold the stream while both run.
            await loop.run(
                sdk, asked, max_steps=5, stream=True, eager=eagerly, max_concurrent_calls=16,
                on_event=on_event,
            )  # fmt: skip

    return play


CHAT = frozenset({"text", "argument", "ttft"})
CONTENDERS = {
    "openai SDK, Chat, stream=True": Contender(reader(chat_raw), measures=CHAT, wire="chat"),
    "openai SDK, Chat, helper": Contender(reader(chat_helper), measures=CHAT, wire="chat"),
    "openai SDK, Responses, stream=True": Contender(reader(responses_raw), wire="responses"),
    "openai SDK, Responses, helper": Contender(
        reader(responses_helper), measures=ALONE, wire="responses"
    ),
    "openai SDK, ResponsesToolRunner": Contender(play=player(False), wire="responses"),
    "openai SDK, ResponsesToolRunner, eager": Contender(play=player(True), wire="responses"),
}

if __name__ == "__main__":
    main(CONTENDERS)
