"""What is measured: for each measure what to ask a worker, and the figures of its answer.

A measure gives the figures of one contender in one round; compare.py makes the rounds.
"""

import statistics
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from plays import (
    EVENTS_A_SECOND,
    MARK_EVERY,
    SEALED_S,
    characters,
    fragments,
    overlap_plan,
    overlap_reply,
    replies,
)
from schedules import Reply
from server import Server
from workers import Answer, Contender, Failed, Worker, surroundings

Figures = dict[str, float | None]

LATE_S = 0.01  # streams are held while 99 of 100 events are no later
BUSY = 0.7  # of the core
RUNGS = (1, 10, 100, 300, 1000)
BETWEEN = (20, 30, 50, 70, 130, 170, 200, 250, 400, 500, 600, 700, 850)
TOOL_S = 1.5


class Sizes(NamedTuple):
    """How much of it: a quick run has less of everything."""

    pieces: int = 100_000  # of ten bytes, in the long argument
    window_s: float = 2.5  # for which lateness is watched
    rungs: tuple[int, ...] = RUNGS  # of streams at once
    between: tuple[int, ...] = BETWEEN  # tried behind the last rung that is held
    slow_s: float = 15.0  # whoever took longer for a long argument is not asked again
    within_s: float = 150.0  # for one answer


FULL = Sizes()
QUICK = Sizes(pieces=10_000, window_s=1.0, rungs=(10, 100, 300), between=(), within_s=60.0)


class Place(NamedTuple):
    """Where a contender is measured."""

    server: Server
    worker: Worker
    sizes: Sizes

    def url(self, contender: Contender, name: str) -> str:
        return self.server.url(f"{contender.wire}-{name}")


# -- CPU ---------------------------------------------------------------------------------------


def arrived_whole(read: int, reply: Reply) -> None:
    """A loop reads "Done." too, after its tool has run."""
    if not 0 <= read - characters(reply) <= len(" Done."):
        raise Failed(f"read {read} characters of {characters(reply)}")


def cpu(contender: Contender, place: Place, name: str, times: int) -> Figures:
    """Microseconds of CPU a fragment, less what the request costs without them."""
    full, bare = replies(0)["text" if name == "paced" else name]
    answer = place.worker.ask(
        place.sizes.within_s, task="cpu", contender=contender.name, times=times,
        url=place.url(contender, name), bare=place.url(contender, f"{name}-0"),
    )  # fmt: skip
    arrived_whole(answer["characters"], full)
    spent = {key: statistics.median(each) for key, each in answer["cpu_s"].items()}
    count = fragments(full) - fragments(bare)
    return {
        "us": (spent["full"] - spent["bare"]) / count * 1e6,
        "request_ms": spent["bare"] * 1e3,
    }


def text(contender: Contender, place: Place) -> Figures:
    return cpu(contender, place, "text", 3)


def mixed(contender: Contender, place: Place) -> Figures:
    return cpu(contender, place, "mixed", 3)


def paced(contender: Contender, place: Place) -> Figures:
    return cpu(contender, place, "paced", 1)


def argument(contender: Contender, place: Place) -> Figures:
    """A call's arguments of 1 MB, in a process that has read nothing long before."""
    place.worker.stop()
    answer = place.worker.ask(
        place.sizes.within_s, task="peak", contender=contender.name,
        url=place.url(contender, "argument"), bare=place.url(contender, "argument-0"),
    )  # fmt: skip
    place.worker.stop()
    arrived_whole(answer["characters"], replies(place.sizes.pieces)["argument"][0])
    return {
        "cpu_s": answer["cpu_s"],
        "grown_mb": (answer["peak_bytes"] - answer["before_bytes"]) / 1e6,
        "peak_mb": answer["peak_bytes"] / 1e6,
    }


# -- time --------------------------------------------------------------------------------------


def ttft(contender: Contender, place: Place) -> Figures:
    """From the call to the first text, in a client that was used before."""
    url = place.url(contender, "text-0")
    answer = place.worker.ask(task="ttft", contender=contender.name, url=url, times=20)
    return {"ms": statistics.median(answer["ttft_s"]) * 1e3}


def cold(contender: Contender, place: Place) -> Figures:
    """From the start of the interpreter to its first byte on stdout, or to its end."""
    url = place.url(contender, "text-0")
    command = [str(place.worker.python), str(place.worker.script), "cold", contender.name, url]
    env = surroundings() | {"ANTHROPIC_BASE_URL": url}
    if contender.program:
        program, *rest = (part.replace("{url}", url) for part in contender.program)
        command = [str(place.worker.python.parent / program), *rest]
    began = time.monotonic()
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        took = time.monotonic() - began
        _, said = process.communicate(timeout=60)
    if process.returncode:
        raise Failed(" ".join(said.decode().split())[-300:])
    return {"ms": took * 1e3}


# -- many streams ------------------------------------------------------------------------------


def watched(contender: Contender, place: Place, streams: int) -> Answer:
    """One trial. Streams begin at times of their own, so that their events are spread."""
    place.server.log()
    answer = place.worker.ask(
        place.sizes.within_s, task="many", contender=contender.name, streams=streams,
        url=place.url(contender, "many"), apart_s=0.0057, seconds=place.sizes.window_s,
    )  # fmt: skip
    marks = streams * EVENTS_A_SECOND / MARK_EVERY * place.sizes.window_s
    answer["whole"] = answer["marks"] >= 0.9 * marks
    answer["server_late_s"] = place.server.log()["latest_s"]
    return answer


def holds(answer: Answer) -> bool:
    return answer["whole"] and answer["p99_s"] is not None and answer["p99_s"] <= LATE_S


def held(contender: Contender, place: Place, streams: int, found: Figures) -> bool:
    """Whether so many streams are held; what a rung came to is added to `found`.

    What is not held is tried again, since anything else on the machine can spoil a trial; oftener
    where its core was not busy, so that it can hardly have been the reader.
    """
    for trial in range(4):
        try:
            answer = watched(contender, place, streams)
        except Failed:  # too many for it; but the first rung must go
            if streams == place.sizes.rungs[0]:
                raise
            return False
        if streams in RUNGS:
            late = answer["p99_s"] if answer["whole"] else None
            found[f"p99_ms_{streams}"] = late and late * 1e3
            found[f"cpu_{streams}"] = answer["cpu"]
            found[f"server_late_ms_{streams}"] = answer["server_late_s"] * 1e3
        if holds(answer):
            return True
        if trial and answer["cpu"] > BUSY:
            return False
    return False


def many(contender: Contender, place: Place) -> Figures:
    """Lateness at each rung, up to the first that is not held; then the most that is held."""
    found: Figures = {}
    best, fails = 0, RUNGS[-1] + 1
    for rung in place.sizes.rungs:
        if not held(contender, place, rung, found):
            fails = rung
            break
        best = rung
    while between := [step for step in place.sizes.between if best < step < fails]:
        step = between[len(between) // 2]
        holding = held(contender, place, step, found)
        best, fails = (step, fails) if holding else (best, step)
    return found | {"held": float(best)}


def memory(contender: Contender, place: Place) -> Figures:
    """What a stream takes while 100 are read at a pace that nobody falls behind."""
    place.worker.stop()
    answer = place.worker.ask(
        task="memory", contender=contender.name, streams=100,
        url=place.url(contender, "slow"), bare=place.url(contender, "text-0"),
    )  # fmt: skip
    place.worker.stop()
    return {"kb": answer["bytes_a_stream"] / 1e3}


# -- overlap -----------------------------------------------------------------------------------


def overlap(contender: Contender, place: Place) -> Figures:
    """The tools' start, the end of the run, and the longest gap while the model wrote."""
    command: dict[str, Any] = {"task": "overlap", "contender": contender.name}
    place.worker.ask(**command, url=place.url(contender, "warm"), seconds=0.0)
    place.server.log()
    answer = place.worker.ask(**command, url=place.url(contender, "overlap"), seconds=TOOL_S)
    log = place.server.log()
    asked = log["requests"][0]["t"]
    ours = [step["t"] for step in log["steps"] if step["request"] == log["requests"][0]["request"]]
    plan = zip(overlap_plan(contender.wire), ours, strict=True)
    sealed = [written for (at, _), written in plan if at in SEALED_S.values()]
    began, ended = answer["began"], answer["ended"]
    return {
        "first_tool_s": began["a"] - asked,
        "start_a_ms": (began["a"] - sealed[0]) * 1e3,
        "start_b_ms": (began["b"] - sealed[1]) * 1e3,
        "run_s": answer["end"] - asked,
        "gap_ms": longest_gap_s(answer["read"]) * 1e3,
        "next_request_ms": (log["requests"][1]["t"] - max(ours[-1], *ended.values())) * 1e3,
    }


def longest_gap_s(read: list[tuple[float, int]]) -> float:
    """Between two fragments of the first reply: what comes after it waits for the tools."""
    first, times = characters(overlap_reply()), list[float]()
    for at, length in read:
        if first > 0:
            times.append(at)
        first -= length
    return max(b - a for a, b in pairwise(times))


class Measure(NamedTuple):
    """What is measured, and in how many rounds: more where figures differ most between them."""

    take: Callable[[Contender, Place], Figures]
    rounds: int
    quick_rounds: int
    about: str


MEASURES = {  # in the order of running
    "text": Measure(text, 7, 3, "CPU a text delta, 2,000 of them in one write"),
    "mixed": Measure(mixed, 5, 1, "the same, of thinking, text and a call's arguments"),
    "paced": Measure(paced, 9, 3, "CPU a text delta, one event a write, 1 ms apart"),
    "argument": Measure(argument, 3, 1, "CPU and memory of a call's long arguments"),
    "ttft": Measure(ttft, 5, 3, "time to the first text, in a client that was used before"),
    "cold": Measure(cold, 7, 1, "time to the first text, from the start of the process"),
    "overlap": Measure(overlap, 3, 1, "a reply with two tools: when they start, when the run ends"),
    "memory": Measure(memory, 3, 1, "memory of one more stream, of a hundred"),
    "many": Measure(many, 1, 1, "the most streams of 100 events/s that one core holds"),
}
