"""litellm: `acompletion` with an Anthropic model. It has no loop over tools."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import litellm
from worker import KEEP_SCHEMA, Contender, Got, Read, main

FUNCTION = {"name": "keep", "description": "Keep a text.", "parameters": KEEP_SCHEMA}


@asynccontextmanager
async def completion(url: str) -> AsyncGenerator[Read]:
    async def read(got: Got) -> None:
        stream = await litellm.acompletion(
            model="anthropic/claude-sonnet-4-6",
            messages=[{"role": "user", "content": "Go."}],
            tools=[{"type": "function", "function": FUNCTION}],
            api_base=url,
            api_key="k",
            stream=True,
        )
        async for chunk in stream:
            delta = chunk.choices[0].delta
            if delta.content:
                got(delta.content)
            elif delta.tool_calls:
                got(delta.tool_calls[0].function.arguments or "")
            elif thinking := getattr(delta, "reasoning_content", None):
                got(thinking)

    yield read


CONTENDERS = {"litellm": Contender(completion)}

if __name__ == "__main__":
    main(CONTENDERS)
