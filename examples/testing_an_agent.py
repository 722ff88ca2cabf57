"""Testing your own agent, without a key: .venv/bin/pytest examples/testing_an_agent.py

midstream brings the fixture `simulator`: a server on loopback that speaks the provider's wire,
answers by a script, and refuses what the provider refuses.
"""

from collections.abc import Callable

from midstream import Agent, tool
from midstream.simulator import Reply, Script, Simulator, call, say

Simulate = Callable[[Script], Simulator]


@tool(effects="read")
def look_up(order: str) -> dict[str, str]:
    """The state of an order."""
    return {"order": order, "state": "shipped"}


def support_agent(base_url: str) -> Agent:
    return Agent("anthropic:claude-sonnet-4-6", [look_up], api_key="any", base_url=base_url)


def test_the_agent_looks_the_order_up(simulator: Simulate) -> None:
    provider = simulator([Reply([call("look_up", order="A7")]), Reply([say("It is on its way.")])])
    ended = support_agent(provider.url).run_sync("Where is my order A7?")
    assert (ended.outcome, ended.text) == ("completed", "It is on its way.")
    result = provider.requests[1]["messages"][-1]["content"][0]
    assert result["content"] == '{"order":"A7","state":"shipped"}'


def test_the_model_is_told_when_the_tool_gets_wrong_arguments(simulator: Simulate) -> None:
    provider = simulator([Reply([call("look_up", id=7)]), Reply([say("Which order?")])])
    support_agent(provider.url).run_sync("Where is it?")
    result = provider.requests[1]["messages"][-1]["content"][0]
    assert result["is_error"]
    assert "order" in result["content"]
