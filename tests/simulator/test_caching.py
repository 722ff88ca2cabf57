"""Prompt caching: what is read again, what is written, and what is neither."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from midstream.simulator import Reply, Scenario, say, simulator
from midstream.simulator.caching import LEAST, LOOKBACK, STEP
from midstream.simulator.faults import AnyFault, Cut, Status
from tests.simulator.requests import CACHE, HEADERS, TOOL, Json, assistant, request, text, user
from tests.simulator.test_strict import verdict

pytestmark = pytest.mark.anyio

LONG = "A sentence that is read again and again. " * 20
HOUR = {"type": "ephemeral", "ttl": "1h"}
MARKED = text(LONG, cache_control=CACHE)

Count = tuple[int, int, int]  # read anew, from the cache, and written to it
Ask = Callable[..., Awaitable[Count]]


@asynccontextmanager
async def asking(*faults: AnyFault) -> AsyncGenerator[Ask]:
    """Ask, and hear how the prompt was counted."""
    script = Scenario(replies=[Reply([say("Yes.")])], faults=faults)
    async with simulator(script) as sim, httpx2.AsyncClient(headers=HEADERS) as client:

        async def ask(*messages: Json, **more: Any) -> Count:
            body = request(*messages, **more)
            try:
                answer = await client.post(f"{sim.url}/v1/messages", json=body)
            except httpx2.RemoteProtocolError:
                return (0, 0, 0)
            usage = answer.json().get("usage")
            if not usage:
                return (0, 0, 0)
            written = usage["cache_creation_input_tokens"]
            assert written == sum(usage["cache_creation"].values())
            return usage["input_tokens"], usage["cache_read_input_tokens"], written

        yield ask


async def test_without_a_breakpoint_nothing_is_kept() -> None:
    async with asking() as ask:
        first, second = await ask(user(text(LONG))), await ask(user(text(LONG)))
    assert first == second
    assert first[1:] == (0, 0)


async def test_what_was_written_is_read_and_only_the_rest_is_new() -> None:
    async with asking() as ask:
        first = await ask(user(MARKED, text("One.")))
        second = await ask(user(MARKED, text("Two.")))
    assert first[2] > len(LONG) / 4
    assert first[1] == 0
    assert second == (first[0], first[2], 0)


async def test_a_conversation_that_grows_writes_what_it_grew_by() -> None:
    async with asking() as ask:
        first = await ask(user(MARKED))
        grown = [
            user(text(LONG)),
            assistant(text("Yes.")),
            user(text("Go on.", cache_control=CACHE)),
        ]
        second = await ask(*grown)
        third = await ask(*grown)
    assert second[1] == first[2]
    assert second[2] > 0
    assert third == (second[0], second[1] + second[2], 0)


@pytest.mark.parametrize(
    ("more", "again"),
    [
        ({"model": "other"}, {}),
        ({"tools": [{**TOOL, "description": "Look."}]}, {}),
        ({"system": "Be brief."}, {}),
        ({"tool_choice": {"type": "any"}}, {}),
        ({}, {"thinking": {"type": "adaptive"}}),
    ],
    ids=lambda each: "".join(each),
)
async def test_what_comes_before_the_breakpoint_must_be_the_same(more: Json, again: Json) -> None:
    async with asking() as ask:
        first = await ask(user(MARKED), **more)
        second = await ask(user(MARKED), **again)
    assert first[1] == second[1] == 0
    assert second[2] > 0


async def test_tools_and_system_are_kept_apart_from_what_is_asked() -> None:
    system = [text(LONG, cache_control=CACHE)]
    async with asking() as ask:
        first = await ask(user(text("One.")), system=system)
        second = await ask(user(text("Two.")), system=system, tool_choice={"type": "any"})
    assert second[1] == first[2] > len(LONG) / 4


@pytest.mark.parametrize(("between", "found"), [(LOOKBACK - 1, True), (LOOKBACK, False)])
async def test_a_breakpoint_looks_back_at_twenty_blocks(between: int, found: bool) -> None:
    blocks = [text(f"Block {n}.") for n in range(between - 1)]
    async with asking() as ask:
        first = await ask(user(MARKED))
        second = await ask(user(text(LONG), *blocks, text("End.", cache_control=CACHE)))
    assert second[1] == (first[2] if found else 0)


async def test_a_second_breakpoint_finds_what_the_last_one_cannot_see() -> None:
    blocks = [text(f"Block {n}.") for n in range(LOOKBACK)]
    async with asking() as ask:
        first = await ask(user(MARKED))
        second = await ask(user(MARKED, *blocks, text("End.", cache_control=CACHE)))
    assert second[1] == first[2]


async def test_a_breakpoint_of_the_request_is_one_on_its_last_block() -> None:
    async with asking() as ask:
        first = await ask(user(text(LONG)), cache_control=CACHE)
        second = await ask(user(MARKED))
    assert second[1] == first[2] > 0


async def test_an_hour_is_counted_by_itself() -> None:
    body = request(user(text(LONG, cache_control=HOUR), text(LONG, cache_control=CACHE)))
    async with (
        simulator([Reply([say("Yes.")])]) as sim,
        httpx2.AsyncClient(headers=HEADERS) as client,
    ):
        answer = await client.post(f"{sim.url}/v1/messages", json=body)
    written = answer.json()["usage"]["cache_creation"]
    assert written["ephemeral_1h_input_tokens"] == pytest.approx(
        written["ephemeral_5m_input_tokens"], abs=20
    )


@pytest.mark.parametrize(
    ("fault", "kept"), [(Status(529), False), (Cut(), False), (Cut(byte=9), True)]
)
async def test_only_what_the_model_read_is_kept(fault: AnyFault, kept: bool) -> None:
    async with asking(fault) as ask:
        await ask(user(MARKED))
        second = await ask(user(MARKED))
    assert (second[1] > 0) is kept


async def test_the_parts_of_a_prompt_add_up() -> None:
    async with asking() as ask:
        plain = await ask(user(text(LONG), text("One.")))
        for _ in range(2):
            assert sum(await ask(user(MARKED, text("One.")))) == pytest.approx(sum(plain), abs=20)


def test_a_breakpoint_of_the_request_is_one_of_the_four() -> None:
    body = request(user(*[text(cache_control=CACHE)] * 4), cache_control=CACHE)
    refusal = verdict(body)
    assert refusal
    assert "Found 5." in refusal[2]


# -- on OpenAI's wires, unasked ----------------------------------------------------------------

BEARER = {"authorization": "Bearer k"}
LONGER = LONG * 8


def chat(*prompts: str, **more: Any) -> Json:
    messages = [{"role": "user", "content": prompt} for prompt in prompts]
    return {"model": "m", "messages": messages, **more}


def responses(*prompts: str, **more: Any) -> Json:
    items = [{"role": "user", "content": prompt} for prompt in prompts]
    return {"model": "m", "input": items, **more}


UNASKED: dict[str, Callable[..., Json]] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
}


async def cached(path: str, *bodies: Json) -> list[tuple[int, int]]:
    """How many tokens each prompt has, and how many of them were read from the cache."""
    found: list[tuple[int, int]] = []
    async with simulator([Reply([say("Yes.")])]) as sim:
        async with httpx2.AsyncClient(headers=BEARER, base_url=sim.url) as client:
            for body in bodies:
                usage = (await client.post(path, json=body)).json()["usage"]
                read = usage.get("prompt_tokens") or usage["input_tokens"]
                details = usage.get("prompt_tokens_details") or usage["input_tokens_details"]
                found.append((read, details["cached_tokens"]))
    return found


@pytest.mark.parametrize("path", UNASKED)
async def test_a_long_prompt_is_read_again_in_steps_and_counted_as_part_of_the_whole(
    path: str,
) -> None:
    body = UNASKED[path]
    first, second = await cached(path, body(LONGER, "One."), body(LONGER, "Two."))
    assert first[1] == 0
    assert first[0] == second[0]
    assert LEAST <= second[1] <= first[0]
    assert second[1] % STEP == 0


@pytest.mark.parametrize("path", UNASKED)
async def test_a_short_prompt_and_another_one_are_not(path: str) -> None:
    body = UNASKED[path]
    others = [body(LONG), body(LONG), body(LONGER), body("Else.", LONGER)]
    others.append(body(LONGER, model="n"))
    assert {counted for _, counted in await cached(path, *others)} == {0}
