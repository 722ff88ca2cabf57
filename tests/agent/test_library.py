"""The library as its users hold it: running, awaiting, going on, reading, limits."""

from typing import Any

import anyio
import pytest

import midstream
from midstream import Agent, ConfigurationError, Session, tool
from midstream.errors import EventsGone
from midstream.events import RunEnded, RunStarted, TextDelta, ToolFinished, TurnEnded
from midstream.messages import Message, Text, Thinking, Usage
from midstream.simulator import Reply, Scenario, call, redacted, say, simulator, think
from tests.fakes import Do, play, provider, says, start, stop, text, thinking, tool_use

pytestmark = pytest.mark.anyio


@tool(effects="read")
async def get_weather(city: str) -> dict[str, Any]:
    """Current weather for a city."""
    return {"city": city, "temp_c": 18, "conditions": "sunny"}


def scenario(*replies: Reply) -> Scenario:
    return Scenario(replies=list(replies), tokens_per_second=0, ttft=0)


WEATHER = scenario(
    Reply([say("Let me look. "), call("get_weather", city="Lagos")]),
    Reply([say("It is {get_weather.conditions}, {get_weather.temp_c} °C.")]),
)


async def test_a_run_tells_everything_in_order_and_ends_with_one_event() -> None:
    async with simulator(WEATHER) as sim:
        agent = Agent("anthropic:m", [get_weather], api_key="k", base_url=sim.url)
        events = await play(agent.run("Weather?"))

    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert [type(e) for e in events].count(RunEnded) == 1
    seqs = [e.seq for e in events]
    assert seqs == sorted(set(seqs))
    times = [e.t for e in events]
    assert times == sorted(times)
    assert len({e.run for e in events}) == 1
    assert events[-1].text == "It is sunny, 18 °C."
    assert sim.refusals == []


async def test_awaiting_a_run_gives_its_end() -> None:
    async with simulator(WEATHER) as sim:
        # Without the cache: the second run would read what the first one wrote.
        agent = Agent("anthropic:m", [get_weather], api_key="k", base_url=sim.url, cache=None)
        end = await agent.run("Weather?")
        async with agent.run("Weather?") as run:
            assert await run == run.ended
    assert (end.outcome, end.turns) == ("completed", 2)
    assert (run.text, run.outcome) == (end.text, end.outcome)
    assert run.usage == end.usage
    assert end.usage.output_tokens > 0


def test_a_script_needs_no_event_loop() -> None:
    end = Agent("sim:hello").run_sync("Hi")
    assert "simulator" in end.text
    assert end.cost_usd is None, "what is simulated has no price"


async def test_a_session_goes_on() -> None:
    async with provider(says("Hello Ada."), says("Ada.")) as world:
        agent, session = world.agent(), Session()
        await agent.run("I am Ada", session)
        end = await agent.run("Who am I?", session)
    assert end.text == "Ada."
    assert [m["role"] for m in world.said()] == ["user", "assistant", "user"]


async def test_two_runs_of_one_agent_do_not_meet() -> None:
    async with simulator(WEATHER) as sim:
        agent = Agent("anthropic:m", [get_weather], api_key="k", base_url=sim.url)
        ends: list[RunEnded] = []

        async def one() -> None:
            ends.append(await agent.run("Weather?"))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(one)
    assert {end.text for end in ends} == {"It is sunny, 18 °C."}
    assert len({end.run for end in ends}) == 10


async def test_a_session_takes_one_run_at_a_time() -> None:
    async with provider([start(), text(0, "Hi", close=False), Do.STALL]) as world:
        agent, session = world.agent(), Session()
        async with agent.run("One", session) as run:
            await world.asked.wait()
            second = await agent.run("Two", session)
            assert second.error is not None
            assert second.error.type == "session_busy"
            assert session.conversation == (Message("user", (Text("One"),)),)
    assert run.outcome == "cancelled"


async def test_thinking_goes_back_untouched_through_a_tool_loop() -> None:
    thoughtful = scenario(
        Reply([think("Which city? “Lagos”."), redacted(), call("get_weather", city="Lagos")]),
        Reply([think("Sunny."), say("Sunny.")]),
    )
    async with simulator(thoughtful) as sim:
        agent = Agent("anthropic:m", [get_weather], thinking=2048, api_key="k", base_url=sim.url)
        run = agent.run("Weather?")
        await play(run)
        await agent.run("Sure?", run.session)
    assert sim.refusals == []
    kept = run.session.messages[1].blocks[0]
    assert isinstance(kept, Thinking)
    assert kept.text == "Which city? “Lagos”."
    assert sim.requests[0]["thinking"] == {"type": "enabled", "budget_tokens": 2048}


async def test_a_script_without_thoughts_can_be_played_to_those_who_want_some() -> None:
    async with simulator(WEATHER) as sim:
        agent = Agent("anthropic:m", [get_weather], thinking=2048, api_key="k", base_url=sim.url)
        assert (await agent.run("Weather?")).outcome == "completed"
    assert sim.refusals == []


async def test_a_thinking_budget_above_the_token_limit_gets_room_to_answer() -> None:
    async with provider(says("Ok.")) as world:
        await world.agent(thinking=10_000, max_tokens=4096).run("Think")
    assert world.requests[0]["max_tokens"] == 14_096


async def test_the_run_stops_at_max_turns_with_a_conversation_that_can_go_on() -> None:
    again = [start(), tool_use(0, "a", "get_weather", '{"city": "Lagos"}'), stop("tool_use")]
    async with provider(again, again, says("Fine.")) as world:
        agent = world.agent([get_weather], max_turns=2)
        run = agent.run("Loop")
        await play(run)
        end = await agent.run("Enough", run.session)
    assert (run.outcome, end.outcome) == ("max_turns", "completed")


async def test_the_turns_of_a_run_share_one_connection() -> None:
    again = [start(), tool_use(0, "a", "get_weather", '{"city": "Lagos"}'), stop("tool_use")]
    async with provider(again, again, says("Fine.")) as world:
        await world.agent([get_weather]).run("Weather?")
    assert len(world.connections) == 1


async def test_the_runs_of_an_agent_that_was_entered_share_one_connection() -> None:
    async with provider(*[says("Fine.")] * 4) as world:
        alone = world.agent()
        async with alone as agent:
            for _ in range(2):
                await agent.run("Well?")
            assert len(world.connections) == 1
            with pytest.raises(RuntimeError, match="entered already"):
                await agent.__aenter__()
        for _ in range(2):
            await alone.run("Well?")
    assert len(world.connections) == 3


async def test_runs_that_go_on_at_once_in_an_agent_that_was_entered_do_not_meet() -> None:
    async with simulator(WEATHER) as sim:
        setting: dict[str, Any] = {"api_key": "k", "base_url": sim.url}
        async with Agent("anthropic:m", [get_weather], **setting) as agent:
            texts: list[str] = []

            async def one() -> None:
                texts.append((await agent.run("Weather?")).text)

            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(one)
    assert texts == ["It is sunny, 18 °C."] * 10


async def test_a_stop_in_an_agent_that_was_entered_is_of_no_matter_to_the_next_run() -> None:
    async with provider([start(), text(0, "Hi", close=False), Do.STALL], says("Fine.")) as world:
        async with world.agent() as agent:
            async with agent.run("Well?") as run:
                async for event in run:
                    if isinstance(event, TextDelta):
                        run.cancel()
            assert (await agent.run("Well?")).text == "Fine."
            with anyio.fail_after(20):
                await world.left.wait()


async def test_runs_elsewhere_connect_for_themselves() -> None:
    """On another event loop, in another thread, and after the agent was left."""
    async with provider(*[says("Fine.")] * 4) as world:
        async with world.agent() as agent:
            await agent.run("Well?")
            later = agent.run("Well?")
            there = await anyio.to_thread.run_sync(agent.run_sync, "Well?")
            await agent.run("Well?")
            assert len(world.connections) == 2
        assert (there.text, (await later).text) == ("Fine.", "Fine.")
    assert len(world.connections) == 3


async def test_a_run_that_goes_on_when_its_agent_is_left_is_told_so() -> None:
    ask = [start(), tool_use(0, "a", "wait_a_moment", "{}"), stop("tool_use")]
    left = anyio.Event()

    @tool(effects="read")
    async def wait_a_moment() -> str:
        """Wait."""
        await left.wait()
        return "left"

    async with provider(ask) as world:
        async with world.agent([wait_a_moment]) as agent:
            context = agent.run("Well?")
            run = await context.__aenter__()
            async for event in run:
                if event.type == "tool_started":
                    break
        left.set()
        ended = await run
        await context.__aexit__(None, None, None)
    assert ended.error is not None
    assert ended.error.message == "the agent was left while its run went on"


async def test_an_agent_that_could_not_be_entered_can_be_entered_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = Agent("anthropic:m", api_key="k", base_url="http://127.1.2.3:1")
    with monkeypatch.context() as broken:
        broken.setenv("HTTP_PROXY", "nonsense://x")
        with pytest.raises(ConfigurationError, match="proxy"):
            await agent.__aenter__()
    async with agent:
        pass


async def test_another_reader_may_come_late() -> None:
    async with simulator(WEATHER) as sim:
        agent = Agent("anthropic:m", [get_weather], api_key="k", base_url=sim.url)
        async with agent.run("Weather?") as run:
            await run
            late = [e async for e in run.events(after=0)]
            rest = [e async for e in run.events(after=late[2].seq)]
    assert isinstance(late[0], RunStarted)
    assert isinstance(late[-1], RunEnded)
    assert rest[0].seq > late[2].seq


async def test_a_reader_that_comes_too_late_is_told() -> None:
    many = [start(), *[text(i, "x") for i in range(1500)], stop("end_turn")]
    async with provider(many) as world:
        async with world.agent().run("Go on") as run:
            await run
            with pytest.raises(EventsGone):
                run.events(after=0)


async def test_deltas_that_wait_together_arrive_together() -> None:
    gate = anyio.Event()
    answer = [start(), text(0, *"abcdefgh", close=False), gate]
    answer.append(text(1, "!"))
    answer.append(stop("end_turn"))
    async with provider(answer) as world:
        async with world.agent().run("Spell") as run:
            await world.asked.wait()
            await anyio.wait_all_tasks_blocked()
            gate.set()
            deltas = [e.text async for e in run if isinstance(e, TextDelta)]
    assert "".join(deltas) == "abcdefgh!"
    assert len(deltas) == 2


async def test_the_last_event_comes_even_if_the_runtime_itself_fails() -> None:
    class Broken:
        provider = "sim"
        name = "broken"
        secrets = ()

        def connect(self) -> Any:
            raise ZeroDivisionError("a bug")

    run = Agent(Broken()).run("Hi")
    with pytest.raises(ZeroDivisionError):
        async with run:
            events = [e async for e in run]
    assert isinstance(events[-1], RunEnded)
    assert run.outcome == "failed"


async def test_an_error_in_the_readers_code_arrives_as_itself() -> None:
    async with provider([start(), text(0, "Hi", close=False), Do.STALL]) as world:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with world.agent().run("Hi") as run:
                async for e in run:
                    if isinstance(e, TextDelta):
                        raise ZeroDivisionError
    assert run.outcome == "cancelled"


async def test_usage_and_first_token_are_told_for_each_turn() -> None:
    async with provider(
        [start(input_tokens=100), text(0, "Hi"), stop("end_turn", 20)],
    ) as world:
        events = await play(world.agent().run("Hi"))
    turn = next(e for e in events if isinstance(e, TurnEnded))
    end = events[-1]
    assert isinstance(end, RunEnded)
    assert turn.usage == end.usage == Usage(input_tokens=100, output_tokens=20)
    assert turn.ttft is not None
    assert end.ttft == turn.ttft
    assert turn.message == Message("assistant", (Text("Hi"),))
    assert end.cost_usd == pytest.approx(100 * 3e-6 + 20 * 15e-6), "claude-sonnet-4-6's price"


async def test_the_overlap_is_the_time_that_tools_ran_beside_the_stream() -> None:
    done = anyio.Event()

    async def within() -> None:
        await anyio.sleep(0.02)

    async def beyond() -> None:
        await anyio.sleep(0.3)  # the stream ends at once

    calls = tool_use(0, "a", "within"), text(1, "x"), done, tool_use(2, "b", "beyond", "{}")
    async with provider([start(), *calls, stop("tool_use")], says("Done.")) as world:
        events = []
        async with world.agent([within, beyond]).run("Go") as run:
            async for e in run:
                events.append(e)
                if isinstance(e, ToolFinished) and e.name == "within":
                    done.set()
    seconds = {e.name: e.seconds for e in events if isinstance(e, ToolFinished)}
    first = next(e for e in events if isinstance(e, TurnEnded))
    assert 0.99 * seconds["within"] <= first.overlap < seconds["within"] + seconds["beyond"] / 2
    assert run.ended is not None
    assert run.ended.overlap == first.overlap, "the second turn had none"
    assert run.ended.ttft == first.ttft


async def test_the_price_of_a_model_nobody_knows_is_not_zero() -> None:
    begun = start().replace(b"claude-sonnet-4-6", b"my-own-model")
    async with provider([begun, text(0, "Hi"), stop("end_turn")]) as world:
        end = await world.agent().run("Hi")
    assert end.cost_usd is None


@pytest.mark.parametrize("version", ["x-api-key", "bearer"])
async def test_both_ways_of_sending_a_key_are_spoken(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv(
        "ANTHROPIC_API_KEY" if version == "x-api-key" else "ANTHROPIC_AUTH_TOKEN", "secret"
    )
    async with simulator(WEATHER) as sim:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", sim.url)
        end = await Agent("anthropic:m", [get_weather]).run("Weather?")
    assert end.outcome == "completed"


WRONG: list[Any] = [
    pytest.param({"model": "gpt"}, "unknown model 'gpt'", id="no provider"),
    pytest.param({"model": "anthropic:"}, "unknown model", id="no name"),
    pytest.param({"model": "anthropic:m"}, "set ANTHROPIC_API_KEY", id="no key"),
    pytest.param({"model": "sim:nowhere"}, "nowhere", id="no such scenario"),
    pytest.param({"model": "sim:", "max_turns": 0}, "at least 1", id="no turns"),
    pytest.param({"model": "sim:", "max_parallel_tools": 0}, "at least 1", id="no tools"),
    pytest.param({"model": "sim:", "byte_timeout": 0}, "more than 0", id="no time"),
    pytest.param({"model": "sim:", "thinking": "lots"}, "adaptive", id="thinking in words"),
    pytest.param(
        {"model": "anthropic:m", "api_key": "sk-\u2026"},
        "characters that no key has",
        id="a bad key",
    ),
    pytest.param(
        {"model": "anthropic:m", "api_key": "k", "base_url": "http://x:99999"},
        "port",
        id="a bad port",
    ),
    pytest.param(
        {"model": "anthropic:m", "api_key": "k", "base_url": "http://[::1"},
        "host",
        id="half an address",
    ),
    pytest.param({"model": "sim:", "thinking": 10}, "1,024", id="too little thinking"),
    pytest.param(
        {"model": "sim:", "tools": [get_weather, get_weather]}, "two tools", id="a name twice"
    ),
    pytest.param(
        {"model": "anthropic:m", "api_key": "k", "base_url": "localhost"},
        "http(s)://",
        id="no scheme",
    ),
]


@pytest.mark.parametrize(("settings", "words"), WRONG)
def test_a_setting_that_cannot_be_is_refused_with_what_to_do(
    settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        Agent(**settings)
    assert words in str(caught.value)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Agent("sim:").run("  \n")


async def test_a_key_may_have_a_line_end_behind_it() -> None:
    async with provider(says("Ok.")) as world:
        agent = Agent("anthropic:m", api_key="k\n", base_url=world.url)
        assert (await agent.run("Hi")).outcome == "completed"


async def test_signed_thinking_alone_is_not_left_at_the_end_of_a_message() -> None:
    async with provider(
        [start(), thinking(0, "Hm"), text(1, " ", close=False), Do.STALL], says("Ok.")
    ) as world:
        async with world.agent().run("Think") as run:
            async for e in run:
                if isinstance(e, TextDelta) and e.text == " ":
                    run.interrupt("And?")
    assert run.outcome == "completed"


async def test_the_tools_of_the_provider_are_passed_on_as_they_are() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    async with provider(says("Found.")) as world:
        await world.agent([get_weather, search], cache=None).run("Search")
    assert world.requests[0]["tools"][1] == search


def test_the_public_door_opens_on_everything_it_names() -> None:
    assert len(midstream.__all__) <= 30
    assert {*midstream.__all__} == {*midstream._HOMES, "__version__"}
    for name in midstream.__all__:
        assert getattr(midstream, name) is not None
    with pytest.raises(AttributeError):
        _ = midstream.nothing_of_the_kind
