"""Change your mind while the answer streams: python examples/steering.py

The turn is stopped, what was shown of it stays in the conversation, and the model goes on with the
new words.
"""

import anyio

from midstream import Agent
from midstream.events import Interrupted, TextDelta
from midstream.models.simulated import SimulatedModel
from midstream.simulator import Reply, Scenario, say

LONG = "Lisbon has seven hills, two bridges, and trams that are older than most of its cafés. " * 9
SCRIPT = Scenario(
    replies=[Reply([say(LONG)]), Reply([say("Porto, then: six bridges and a river of wine.")])],
    tokens_per_second=60,
)


async def main() -> None:
    agent = Agent(SimulatedModel(SCRIPT))
    async with agent.run("Tell me about Lisbon.") as run:
        shown, changed = 0, False
        async for event in run:
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                    shown += len(text)
                    if shown > 150 and not changed:
                        run.interrupt("No, about Porto.")  # as a person would, from any task
                        changed = True
                case Interrupted(text=text):
                    print(f" …\n> {text}")
                case _:
                    pass
    print(f"\n{run.outcome}")


if __name__ == "__main__":
    anyio.run(main)
