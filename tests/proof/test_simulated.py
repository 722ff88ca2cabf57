"""Thousands of small worlds, each made from a seed, in which everything goes wrong that can.

MIDSTREAM_SEED=1234 pytest tests/proof/test_simulated.py     # one world again
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest
import trio.testing

from midstream import Run
from midstream.events import (
    Compacted,
    CompactionFailed,
    Interrupted,
    Prompted,
    RunEnded,
    RunEvent,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
)
from midstream.journal import records
from midstream.journal.session import Session
from midstream.providers.anthropic_spelling import wire_messages
from tests.proof.scale import at_scale
from tests.proof.simulation import TOOLS, Json, Process, World, laws

# httpx2 leaves a generator of its own to the garbage collector when a body is not read to its end.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx2:ResourceWarning")

Record = Callable[[str, object], None]

SEEDS = range(at_scale(400, 20_000))
RUNS = 4  # of one world, before a last one in which nothing goes wrong
LONGEST_S = 24 * 3600.0  # of the world's time: a run that takes longer hangs


def simulated(seed: int) -> World:
    world = World(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        with laws(world):
            anyio.run(live, world, backend="trio", backend_options={"clock": clock})
    except BaseException as error:
        error.add_note(f"MIDSTREAM_SEED={seed}")
        raise
    assert world.broken == [], "\n".join([f"MIDSTREAM_SEED={seed}", *world.trace, *world.broken])
    return world


async def live(world: World) -> None:
    process = Process(world)
    for number in range(RUNS):
        world.full = world.happens(0.05)
        if not process.alive or world.happens(0.1):
            process = Process(world)
        await one_run(process, None if world.happens(0.1) else f"Question {number}")
    world.calm, world.full = True, False
    process = process if process.alive else Process(world)
    ended = await one_run(process, "And now?")
    world.require(ended.outcome == "completed", f"the conversation goes on: {ended}")
    check_effects(world)
    kept = Session()
    kept.record(*(row.record for row in world.rows))
    world.require(kept.messages == process.session.messages, "the journal is the conversation")


# -- the user ----------------------------------------------------------------------------------


async def one_run(process: Process, words: str | None) -> RunEnded:
    """Ask, or compact if nothing is said."""
    world, agent, session = process.world, process.agent, process.session
    run = agent.run(words, session) if words else agent.compact(session)
    seen: list[RunEvent] = []
    with anyio.move_on_after(LONGEST_S) as patience:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(act, process, run, tasks.cancel_scope)
            async with run:
                async for event in run:
                    seen.append(event)
                    world.note(event.type)
            tasks.cancel_scope.cancel()
    world.require(not patience.cancelled_caught, "no run hangs")
    process.cancelled = False
    assert run.ended is not None
    if process.alive:
        check_events(world, [each async for each in run.events()])
        said = [event.text for event in seen if isinstance(event, Prompted)]
        left = ["And this"] * process.queued
        world.require([*said, *run.queued] == left, "what is queued is said, or still there")
    process.queued = False
    return run.ended


async def act(process: Process, run: Run, scope: anyio.CancelScope) -> None:
    """What the user does in the middle of a run: mostly nothing."""
    world = process.world
    doing = world.chance.choice(["nothing", "cancel", "interrupt", "queue", "leave", "kill -9"])
    events, patience = run.events(), world.chance.randrange(60)
    async for _ in events:
        if (patience := patience - 1) < 0:
            break
    await world.passes(1.0)
    if world.calm or run.ended:
        return
    world.note(f"the user does: {doing}")
    match doing:
        case "cancel":
            run.cancel()
            process.cancelled = True
        case "interrupt":
            with suppress(RuntimeError):  # the run is over, and says so
                run.interrupt("Something else")
        case "queue":
            with suppress(RuntimeError):
                run.queue("And this")
                process.queued = True
        case "leave":
            scope.cancel()
        case "kill -9":
            process.dies()
            scope.cancel()
        case _:
            pass


# -- the promises ------------------------------------------------------------------------------


def check_events(world: World, events: list[RunEvent]) -> None:
    """A run tells its end once, and last; what it shows of a turn is what the turn then is."""
    world.require([e.type for e in events].count("run_ended") == 1, "a run ends once")
    world.require(events[-1].type == "run_ended", "and that is the last it tells")
    began = Counter(e.id for e in events if isinstance(e, ToolStarted))
    done = Counter(e.id for e in events if isinstance(e, ToolFinished))
    world.require(began <= done, "what is told to start is told to end")
    shown = ""
    for event in events:
        match event:
            case TextDelta():
                shown += event.text
            case TurnDiscarded() | Interrupted() | TurnEnded(stop_reason="refusal"):
                shown = ""
            case Compacted(summary):
                world.require(summary == shown, "what was shown is the summary")
                world.compacted += 1
                shown = ""
            case CompactionFailed():
                shown = ""
            case TurnEnded():
                world.require(event.message.text == shown, "what was shown is what was said")
                shown = ""
            case _:
                pass


def check_effects(world: World) -> None:
    """Nothing happened more often than it was asked for, and the model knows of all that did.

    What was compacted it knew when it summed it up.
    """
    told, session = told_in(world.said), Session()
    for row in world.rows:
        if isinstance(row.record, records.Compacted):
            told += told_in(wire_messages(session.messages)[0])
        session.record(row.record)
    for call, times in world.effects.items():
        if not call.startswith("look"):
            world.require(times <= world.asked[call], f"{call} happens as often as it was asked")
            world.require(times <= told[call], f"{call} is told: {times}, {told[call]}")


def told_in(messages: list[Json]) -> Counter[str]:
    """How often a conversation says that each call has happened."""
    told = Counter[str]()
    blocks = [block for message in messages for block in message["content"]]
    calls = {b["id"]: f"{b['name']} {b['input']['n']}" for b in blocks if b["type"] == "tool_use"}
    for block in blocks:
        if block["type"] == "tool_result" and not block["content"].startswith("Not started"):
            told[calls[block["tool_use_id"]]] += 1
        for line in block.get("text", "").splitlines():
            for name in TOOLS:
                if line.startswith(f'- {name}({{"n":'):
                    told[f"{name} {line.partition(':')[2].partition('}')[0]}"] += 1
    return told


# -- the worlds --------------------------------------------------------------------------------


def test_in_no_world_a_promise_is_broken(record_property: Record) -> None:
    chosen = os.environ.get("MIDSTREAM_SEED")
    effects = compacted = 0
    for seed in [int(chosen)] if chosen else SEEDS:
        world = simulated(seed)
        effects += world.effects.total()
        compacted += world.compacted
    record_property("worlds from a seed, no promise broken in any", len(SEEDS))
    record_property("calls of tools in them", effects)
    record_property("compactions in them", compacted)


def test_a_seed_is_a_world_that_can_be_had_again() -> None:
    assert simulated(7).trace == simulated(7).trace
