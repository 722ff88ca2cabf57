"""What is shown of a report, row by row, and how its figures are written."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from midstream.faces.bench.summary import Report, Spread, spread


class Measure(Struct, frozen=True):
    """One kind of figure.

    Attributes:
        shown: how a value is written.
        tails: its p95 and p99 tell something; where more is better, they are of the good side.
    """

    label: str
    values: tuple[float, ...]
    spread: Spread | None
    shown: Callable[[float], str]
    tails: bool


def measures(report: Report) -> list[Measure]:
    good = [each for each in report.samples if each.answered]
    later = [turn.ttft_s for each in good for turn in each.turns[1:]]
    shares = [each.hidden_share for each in good]
    found = [_measure("TTFT, first turn", (each.ttft_s for each in good), seconds)]
    if later:
        found.append(_measure("TTFT, later turns", later, seconds))
    speeds = (each.tokens_per_second for each in good)
    found.append(_measure("tokens/s", speeds, rate, tails=False))
    if report.tools:
        found.append(_measure("tools hidden", shares, share, tails=False))
    return [*found, _measure("whole request", (each.seconds for each in good), seconds)]


def _measure(
    label: str, values: Iterable[float | None], shown: Callable[[float], str], tails: bool = True
) -> Measure:
    known = tuple(value for value in values if value is not None)
    return Measure(label, known, spread(known), shown, tails)


def seconds(of: float) -> str:
    """A length of time in three digits, or minutes."""
    if of < 0.9995:
        return f"{of * 1000:.0f} ms"
    if of < 599.5:
        return f"{of:.2f} s" if of < 9.995 else f"{of:.1f} s" if of < 99.95 else f"{of:.0f} s"
    return f"{of / 60:,.0f} min"


def rate(of: float) -> str:
    return f"{of:.1f}" if of < 9.95 else f"{of:,.0f}"


def share(of: float) -> str:
    """Nothing and all are said only where it is so: what is missing is not rounded away."""
    rounded = round(of, 6)  # what is summed in another order differs a little
    return f"{of:.0%}" if rounded in (0, 1) else f"{min(max(of, 0.001), 0.999):.1%}"
