"""What a run may cost: it ends cleanly once the limit is reached, and not before."""

import pytest

from midstream import Agent, ConfigurationError
from tests.fakes import AT_ONCE, Do, Provider, play, provider, says, start, stop, text, tool_use

# What claude-sonnet-4-6 costs: $3 a million tokens in, $15 out. These turns cost $0.15 each.
DEAR = 10_000


def looks(number: int) -> list[object]:
    return [start(input_tokens=0), tool_use(0, f"c{number}", "look"), stop("tool_use", DEAR)]


def agent(world: Provider, limit: float) -> Agent:
    def look() -> str:
        return "seen"

    return Agent(
        "anthropic:claude-sonnet-4-6", [look], api_key="k", base_url=world.url,
        max_cost=limit, backoff=AT_ONCE,
    )  # fmt: skip


async def test_no_turn_begins_once_the_limit_is_reached() -> None:
    async with provider(looks(1), looks(2), says("Never asked for.")) as world:
        ended = await agent(world, 0.29).run("Look")
        assert len(world.requests) == 2
    assert (ended.outcome, ended.turns, ended.error) == ("max_cost", 2, None)
    assert ended.cost_usd == pytest.approx(0.30)


async def test_a_run_that_is_done_by_then_is_completed() -> None:
    async with provider([start(), text(0, "Dear."), stop("end_turn", DEAR)]) as world:
        ended = await agent(world, 0.01).run("Hi")
    assert (ended.outcome, ended.text) == ("completed", "Dear.")


async def test_the_conversation_goes_on_after_that() -> None:
    async with provider(looks(1), says("Going on.")) as world:
        run = agent(world, 0.1).run("Look")
        assert (await run).outcome == "max_cost"
        again = await agent(world, 0.1).run("Go on", session=run.session)
    assert (again.outcome, again.text) == ("completed", "Going on.")


async def test_what_was_thrown_away_counts_as_well() -> None:
    lost = [start(output_tokens=DEAR, input_tokens=0), text(0, "Lost"), Do.CUT]
    async with provider(lost, looks(1), says("Never asked for.")) as world:
        ended = await agent(world, 0.29).run("Look")
        assert len(world.requests) == 2
    assert ended.outcome == "max_cost"
    assert ended.cost_usd == pytest.approx(0.15)
    assert ended.discarded_usage.output_tokens == DEAR


async def test_no_attempt_is_made_once_the_limit_is_reached() -> None:
    lost = [start(output_tokens=DEAR, input_tokens=0), text(0, "Lost"), Do.CUT]
    async with provider(lost, says("Never asked for.")) as world:
        run = agent(world, 0.1).run("Look")
        ended = await run
        assert len(world.requests) == 1
    assert (ended.outcome, ended.text) == ("max_cost", "")


async def test_an_answer_costs_what_the_model_costs_that_gave_it() -> None:
    dear = start(input_tokens=0).replace(b"claude-sonnet-4-6", b"claude-opus-4-1")  # $75 a million
    answer = [dear, tool_use(0, "a", "look"), stop("tool_use", DEAR)]
    async with provider(answer, says("Never asked for.")) as world:
        ended = await agent(world, 0.5).run("Look")
    assert ended.outcome == "max_cost"
    assert ended.cost_usd == pytest.approx(0.75)


async def test_where_no_usage_is_told_no_limit_can_be_kept() -> None:
    silent = [start(input_tokens=0, output_tokens=0), tool_use(0, "a", "look"), stop("tool_use", 0)]
    async with provider(silent) as world:
        ended = await agent(world, 0.1).run("Look")
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert "does not tell what an answer used" in ended.error.message


async def test_a_limit_that_cannot_be_kept_is_an_error_before_anything_is_sent() -> None:
    async with provider() as world:
        unknown = Agent("anthropic:no-such-model", api_key="k", base_url=world.url, max_cost=1)
        ended = await unknown.run("Hi")
        assert world.requests == []
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert ended.error.type == "configuration_error"
    assert "price of anthropic:no-such-model is unknown" in ended.error.message


async def test_what_costs_nothing_has_no_limit() -> None:
    events = await play(Agent("sim:hello", max_cost=0.01).run("Hi"))
    assert events[-1].type == "run_ended"
    assert getattr(events[-1], "outcome", "") == "completed"


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_is_more_than_nothing(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="max_cost is in US dollars"):
        Agent("sim:hello", max_cost=limit)
