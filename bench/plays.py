"""What the server plays for each measure, on each wire: replies, and when their events are due."""

from itertools import cycle, islice

from schedules import WIRES, Part, Reply, Schedule, at_once, one_by_one

DELTAS, APART_S = 2000, 0.001
EVENTS_A_SECOND, MARK_EVERY = 100, 10
MARKED = "#" + "@" * 20 + " "  # the server writes the time in its place; see replay.c
STREAM_S, EVERY_S = 2.1, 0.02
SEALED_S = {"tool_a": 0.3, "tool_b": 0.6}


def words(count: int) -> list[str]:
    """Fragments of five characters; not all alike, which some take for a model gone astray."""
    return list(islice(cycle(["word ", "text "]), count))


def arguments(count: int) -> list[str]:
    return ['{"text": "', *["0123456789"] * count, '"}']


def replies(pieces: int) -> dict[str, tuple[Reply, Reply]]:
    """By measure: a reply, and the same with next to no fragments."""
    third = DELTAS // 3
    mixed = [
        Part("thinking", words(third)),
        Part("text", words(third)),
        Part("tool", arguments(third)),
    ]
    little = [Part("thinking", words(1)), Part("text", words(1)), Part("tool", arguments(1))]
    return {
        "text": ([Part("text", words(DELTAS))], [Part("text", words(1))]),
        "mixed": (mixed, little),
        "argument": ([Part("tool", arguments(pieces))], [Part("tool", arguments(1))]),
    }


def fragments(reply: Reply) -> int:
    return sum(len(part.fragments) for part in reply)


def characters(reply: Reply) -> int:
    return sum(len(fragment) for part in reply for fragment in part.fragments)


def endless(seconds: float) -> list[str]:
    """Text at 100 events a second; one in ten tells when it was written."""
    count = round(seconds * EVENTS_A_SECOND)
    return [MARKED if n % MARK_EVERY == 5 else word for n, word in enumerate(words(count))]


def overlap_reply() -> Reply:
    """As many words before, between and behind the calls as there is time for."""
    first, second = SEALED_S.values()
    texts = [first, second - first, STREAM_S - second]
    counts = [round(seconds / EVERY_S) - 1 for seconds in texts]
    parts = [Part("text", words(count)) for count in counts]
    calls = [Part("tool", ['{"n": 1}'], name) for name in SEALED_S]
    return [parts[0], calls[0], parts[1], calls[1], parts[2]]


def overlap_plan(wire: str) -> Schedule:
    """Text every 20 ms from beginning to end, and two calls between, whole at their times."""
    (opening, _, _), *sections, (_, _, ending) = WIRES[wire](overlap_reply())
    steps: Schedule = [(0.0, opening)]
    at, sealed = 0.0, list(SEALED_S.values())
    for head, deltas, tail in sections:
        if len(deltas) == 1:
            at = sealed.pop(0)
            steps += [(at - EVERY_S / 2, head + deltas[0]), (at, tail)]
            at -= EVERY_S / 2
            continue
        for delta in deltas:
            at += EVERY_S
            steps.append((at, head + delta))
            head = b""
        steps.append((at + EVERY_S / 4, tail))
    return [step for step in [*steps, (STREAM_S, ending)] if step[1]]


def schedules(pieces: int) -> dict[str, Schedule]:
    """By name: the wire, and what is played; `pieces` are those of the long argument."""
    made: dict[str, Schedule] = {}
    for wire, tell in WIRES.items():
        for name, (full, bare) in replies(pieces).items():
            if (wire, name) != ("chat", "mixed"):
                made[f"{wire}-{name}"] = at_once(tell(full))
                made[f"{wire}-{name}-0"] = at_once(tell(bare))
        full, bare = replies(0)["text"]
        made[f"{wire}-paced"] = one_by_one(tell(full), APART_S)
        made[f"{wire}-paced-0"] = one_by_one(tell(bare), APART_S)
        text = [Part("text", endless(30))]
        made[f"{wire}-many"] = one_by_one(tell(text), 1 / EVENTS_A_SECOND)
        made[f"{wire}-slow"] = one_by_one(tell([Part("text", words(100))]), 0.5)
        made[f"{wire}-overlap"] = overlap_plan(wire)
        made[f"{wire}-warm"] = at_once(tell(overlap_reply()))
    return made
