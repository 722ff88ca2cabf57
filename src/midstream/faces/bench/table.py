"""The measured figures as a table in text."""

import textwrap
from collections.abc import Iterable, Sequence

from midstream.agent.tally import FREE
from midstream.events import RunError
from midstream.faces.bench.measures import Measure, measures, rate, seconds, share
from midstream.faces.bench.samples import Sample
from midstream.faces.bench.summary import Report, Summary, errors
from midstream.faces.columns import clipped, columns, flat
from midstream.faces.failure import failure
from midstream.messages import Usage

LABEL, FIGURE = 17, 9  # columns
LEVELS = "▁▂▃▄▅▆▇█"
FEWEST_CELLS, MOST_CELLS = 6, 24  # of a distribution
HEADS = ("min", "p50", "p95", "p99", "max")
LEAVING = ("max", "min", "p99")  # where there is no room, in this order
TABLE = LABEL + FIGURE * len(HEADS)
NARROWEST = 40
LEGEND = "bars: how many were where, in each row from its own min to its max"


def table(report: Report, width: int) -> list[str]:
    """The table in lines; they have at most `width` columns, or 40 if that is fewer.

    Where it is narrow the bars go first, and then columns.
    """
    room = max(width, NARROWEST)
    cells = min(MOST_CELLS, room - TABLE - 2)
    lines, words = [heading(report, room), ""], closing(report)
    if report.summary.answered:
        heads = columns_in(room)
        lines.append(" " * LABEL + "".join(each.rjust(FIGURE) for each in heads))
        lines += [*(row(each, heads, cells).rstrip() for each in measures(report)), ""]
        words += [LEGEND] if cells >= FEWEST_CELLS else []
    for each in words:
        lines += textwrap.wrap(each, room, subsequent_indent="  ")
    return lines


def columns_in(room: int) -> tuple[str, ...]:
    """The figures of a row for which there is room."""
    gone = LEAVING[: max(0, len(HEADS) - (room - LABEL) // FIGURE)]
    return tuple(each for each in HEADS if each not in gone)


def heading(report: Report, room: int) -> str:
    """Who was asked, and how often; if it is too long, the former is cut."""
    where = f" at {flat(report.base_url)}" if report.base_url else ""
    count = "1 request" if report.requests == 1 else f"{report.requests:,} requests"
    how = f" · {count}, {report.parallel} at a time"
    return clipped(flat(report.model) + where, room - columns(how)) + how


def row(measure: Measure, heads: Sequence[str], cells: int) -> str:
    spread = measure.spread
    if spread is None:
        return f"{measure.label.ljust(LABEL)}{'n/a'.rjust(FIGURE)}"
    said = {each for each in heads if measure.tails or each not in ("p95", "p99")}
    figures = (measure.shown(getattr(spread, each)) if each in said else "" for each in heads)
    bars = f"  {distribution(measure.values, cells)}" if cells >= FEWEST_CELLS else ""
    return f"{measure.label.ljust(LABEL)}{''.join(each.rjust(FIGURE) for each in figures)}{bars}"


def distribution(values: Sequence[float], cells: int) -> str:
    """How many of the values are where between the least and the greatest, as bars."""
    least, most = min(values), max(values)
    most = max(most, least * 1.1)  # what is nearly the same shall look so
    counts = [0] * cells
    for value in values:
        counts[place(value, least, most, cells)] += 1
    highest = max(counts)
    return "".join(
        LEVELS[max(0, -(-count * len(LEVELS) // highest) - 1)] if count else " " for count in counts
    )


def place(value: float, least: float, most: float, cells: int) -> int:
    """The cell that a value is in; where all are the same, the first."""
    return min(int((value - least) / (most - least) * cells), cells - 1) if most > least else 0


# -- lines below it ------------------------------------------------------------------------------


def closing(report: Report) -> list[str]:
    """What the table does not say, a line each."""
    said = (counts(report), totals(report), hidden(report), rank(report.summary.answered))
    return [*filter(None, said), *failures(report.samples)]


def counts(report: Report) -> str:
    whole = report.summary
    parts = [f"{whole.answered:,} answered"]
    if whole.ended_short:
        ends = {each.outcome for each in report.samples if each.answered} - {"completed"}
        parts.append(f"{whole.ended_short:,} of them not to the end ({', '.join(sorted(ends))})")
    failed, *others = unanswered(whole)
    retries = "1 retry" if whole.retries == 1 else f"{whole.retries:,} retries"
    return ", ".join([*parts, failed, retries, *others])


def unanswered(whole: Summary) -> list[str]:
    """What became of all requests that were not answered: how many failed, and the others."""
    ends = [(whole.unfinished, "stopped on the way"), (whole.not_made, "not made")]
    others = [f"{count:,} {words}" for count, words in ends if count]
    return [f"{whole.failed:,} failed", *others]


def rank(answered: int) -> str:
    """What the percentiles are, and what they are of few values."""
    words = "percentiles are by nearest rank"
    if not 0 < answered < 100:
        return words if answered else ""
    few, which = (20, "p95 and p99 are") if answered < 20 else (100, "p99 is")
    return f"{words}: of fewer than {few} requests {which} the slowest"


def totals(report: Report) -> str:
    whole = report.summary
    used, lost = whole.usage, whole.discarded_usage
    turns = "1 turn" if whole.turns == 1 else f"{whole.turns:,} turns"
    parts = [f"{turns} in {seconds(whole.seconds)}"]
    if used == Usage():
        parts.append("tokens n/a")
    else:
        together = used.output_tokens / whole.seconds if whole.seconds else 0.0
        speed = f"{rate(together)}/s in all"
        parts.append(f"{used.read:,} tokens in, {used.output_tokens:,} out ({speed})")
    if lost != Usage():
        parts.append(f"{lost.input_tokens + lost.output_tokens:,} more in lost answers")
    if whole.cost_usd is not None:
        parts.append(f"${whole.cost_usd:.4f}")
    elif report.model.partition(":")[0] not in FREE:
        parts.append("cost n/a")
    return " · ".join(parts)


def hidden(report: Report) -> str:
    whole = report.summary
    if whole.hidden_share is None:
        asked = report.tools and whole.answered
        return "no tool was called: there was nothing to hide" if asked else ""
    tools, behind = seconds(whole.tools_s), seconds(whole.hidden_s)
    return f"{tools} of tools, {behind} ({share(whole.hidden_share)}) hidden behind the stream"


def failures(samples: Iterable[Sample]) -> list[str]:
    return [f"{count:,} failed: {in_words(error)}" for error, count in errors(samples)]


def in_words(error: RunError) -> str:
    return flat(failure(error))
