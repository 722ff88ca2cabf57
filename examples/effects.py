"""What a tool does to the world decides how it is run: python examples/effects.py"""

import anyio

from midstream import Agent, ToolContext, tool
from midstream.events import ToolFinished, ToolProgress, ToolStarted, TurnEnded
from midstream.models.simulated import SimulatedModel
from midstream.simulator import Reply, Scenario, call, say


@tool(effects="read")
async def balance(account: str) -> int:
    """Read freely: starts as soon as its call is whole, and may be repeated."""
    await anyio.sleep(0.1)
    return 1200


@tool(effects="idempotent")
async def reserve(amount: int, context: ToolContext) -> str:
    """Repeated with the same key, so that the service on the other side can tell it is the same."""
    await context.progress("asking the bank", 0.5)
    await anyio.sleep(0.1)
    return f"reserved {amount} under key {context.idempotency_key[:6]}…"


@tool(serial="ledger")
async def pay(amount: int, to: str) -> str:
    """A write, the default: never run twice. Calls of one `serial` name run one after the other."""
    await anyio.sleep(0.1)
    return f"paid {amount} to {to}"


@tool(hold=True)
def close_account(account: str) -> str:
    """Held back until the model has said everything, since there is no way back from it."""
    return f"closed {account}"


CALLS = [
    call("balance", account="A1"),
    call("reserve", amount=300),
    call("pay", amount=100, to="Ada"),
    call("pay", amount=200, to="Bo"),
    call("close_account", account="A1"),
    say("All of that is on its way. Give the bank a moment to answer, and I will sum it up. "),
]
SCRIPT = Scenario(replies=[Reply(CALLS), Reply([say("Done.")])], tokens_per_second=60)


async def main() -> None:
    agent = Agent(SimulatedModel(SCRIPT), tools=[balance, reserve, pay, close_account])
    async with agent.run("Pay Ada and Bo, then close the account.") as run:
        async for event in run:
            match event:
                case ToolStarted(name=name, t=t):
                    print(f"{t:4.1f} s  ▶ {name}")
                case ToolProgress(message=message, t=t):
                    print(f"{t:4.1f} s  … {message}")
                case ToolFinished(output=output, t=t):
                    print(f"{t:4.1f} s  ✓ {output}")
                case TurnEnded(turn=turn, t=t, overlap=overlap):
                    print(f"{t:4.1f} s  turn {turn} ended, {overlap:.1f} s of tools hidden")
                case _:
                    pass


if __name__ == "__main__":
    anyio.run(main)
