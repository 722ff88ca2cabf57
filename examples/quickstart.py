"""The library in a few lines: python examples/quickstart.py

Without a key a script answers in the model's place, over a real socket.
"""

import os
import time

import anyio

from midstream import Agent, tool
from midstream.events import TextDelta, ToolFinished

MODEL = "anthropic:claude-sonnet-4-6" if os.environ.get("ANTHROPIC_API_KEY") else "sim:demo"


@tool(effects="read")
async def get_weather(city: str) -> dict[str, object]:
    """Current weather for a city."""
    await anyio.sleep(0.5)
    return {"city": city, "temp_c": 31, "conditions": "light rain", "wind_kmh": 12}


@tool(effects="read")
def local_time(city: str) -> dict[str, str]:
    """The time on the clocks of a city."""
    time.sleep(0.5)  # a plain function may block: the text goes on
    return {"city": city, "time": "14:05"}


async def main() -> None:
    agent = Agent(MODEL, tools=[get_weather, local_time])
    async with agent.run("What's the weather in Lagos and in Oslo? Then write a haiku.") as run:
        async for event in run:
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case ToolFinished(name=name, seconds=seconds):
                    print(f"\n[{name}: {seconds:.1f} s]")
                case _:
                    pass
    print(f"\n{run.outcome}: {run.usage.output_tokens} tokens")


if __name__ == "__main__":
    anyio.run(main)
