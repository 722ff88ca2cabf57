"""All requests in figures. What failed is counted, and is in no percentile."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from msgspec import Struct

from midstream.events import RunError
from midstream.faces.bench.samples import Sample
from midstream.messages import Usage


class Spread(Struct, frozen=True):
    """Values by rank. A percentile is the nearest rank: a value that was measured.

    The p99 of n values is the smallest one that at least 99 % of them do not exceed; of fewer than
    100 values that is the greatest, as the p95 is of fewer than 20.
    """

    count: int
    min: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class Summary(Struct, frozen=True):
    """Figures of all requests; the spreads are over those that were answered.

    Attributes:
        answered: how many the model answered; `ended_short` of them not to the end.
        failed: how many were given up, after their retries.
        unfinished: how many were under way when it was stopped.
        not_made: how many were never begun; with the three others, all that were asked for.
        seconds: from the first one's beginning to the last one's end.
        ttft_s: first turns, one a request.
        later_ttft_s: every other turn.
        request_s: whole requests.
        hidden_share: of the time of all tools.
        usage, cost_usd: of answers that were kept; None where the price is unknown.
    """

    answered: int
    ended_short: int
    failed: int
    unfinished: int
    not_made: int
    retries: int
    turns: int
    seconds: float
    ttft_s: Spread | None
    later_ttft_s: Spread | None
    tokens_per_second: Spread | None
    hidden_per_request: Spread | None
    request_s: Spread | None
    tools_s: float
    hidden_s: float
    hidden_share: float | None
    usage: Usage
    discarded_usage: Usage
    cost_usd: float | None


class Report(Struct, frozen=True):
    """What was asked for, and what came of it: all that the table, the picture and JSON show.

    Attributes:
        base_url: where the model was asked, if that was said; without what may be a key in it.
        requests: how many were asked for.
        end: "all" were made, it was "stopped", or "hopeless" since the first ones failed.
        samples: each request that was made, in the order in which they began.
    """

    version: str
    model: str
    base_url: str | None
    requests: int
    parallel: int
    tools: bool
    max_tokens: int
    prompt: str
    end: str
    summary: Summary
    samples: tuple[Sample, ...]


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of those that are there; None if none is."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    p50, p95, p99 = (nearest(known, percent) for percent in (50, 95, 99))
    mean = sum(known) / len(known)
    return Spread(len(known), known[0], mean, p50, p95, p99, known[-1])


def nearest(ordered: Sequence[float], percent: int) -> float:
    """The value at the nearest rank, the first of the ordered ones being at 1."""
    return ordered[max(1, -(-percent * len(ordered) // 100)) - 1]


def summary(samples: Sequence[Sample], requests: int) -> Summary:
    """The figures of those that were made, of so many that were asked for."""
    good = [each for each in samples if each.answered]
    turns = [turn for each in good for turn in each.turns]
    tools_s = sum((each.tools_s for each in good), 0.0)
    hidden_s = sum((each.hidden_s for each in good), 0.0)
    later = chain.from_iterable(each.turns[1:] for each in good)
    outcomes = Counter(each.outcome for each in samples)
    return Summary(
        answered=len(good),
        ended_short=len(good) - outcomes["completed"],
        failed=outcomes["failed"],
        unfinished=outcomes["cancelled"],
        not_made=requests - len(samples),
        retries=sum(each.retries for each in samples),
        turns=len(turns),
        seconds=max((each.began_s + each.seconds for each in samples), default=0.0),
        ttft_s=spread(each.ttft_s for each in good),
        later_ttft_s=spread(turn.ttft_s for turn in later),
        tokens_per_second=spread(each.tokens_per_second for each in good),
        hidden_per_request=spread(each.hidden_share for each in good),
        request_s=spread(each.seconds for each in good),
        tools_s=tools_s,
        hidden_s=hidden_s,
        hidden_share=hidden_s / tools_s if tools_s else None,
        usage=sum((each.usage for each in samples), Usage()),
        discarded_usage=sum((each.discarded_usage for each in samples), Usage()),
        cost_usd=cost(samples),
    )


def cost(samples: Iterable[Sample]) -> float | None:
    """None as soon as one price is unknown. Of what was stopped half-way nobody has told it."""
    costs = [
        each.cost_usd
        for each in samples
        if each.usage != Usage() and (each.outcome != "cancelled" or each.cost_usd is not None)
    ]
    known = [each for each in costs if each is not None]
    return sum(known) if known and len(known) == len(costs) else None


def errors(samples: Iterable[Sample]) -> list[tuple[RunError, int]]:
    """What went wrong, each kind once, and how often."""
    first: dict[tuple[str, str, int | None], RunError] = {}
    counts = Counter[tuple[str, str, int | None]]()
    for each in samples:
        if each.error and each.outcome == "failed":
            kind = (each.error.type, each.error.message, each.error.status)
            first.setdefault(kind, each.error)
            counts[kind] += 1
    return [(first[kind], count) for kind, count in counts.most_common()]
