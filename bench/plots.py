"""Pictures of the figures of bench/compare.py: docs/bench-*.svg, which need nothing else.

    python bench/plots.py FILE.json [FOLDER]

Bars lie one below the other; where the largest is far more than the least, their length is that of
the logarithm, and the title says so.
"""

import json
import sys
from collections.abc import Iterator
from html import escape
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from report import Figures, number, ours

DOCS = Path(__file__).parent.parent / "docs"
WIDTH, LEFT, RIGHT, ROW, BAR, SIZE = 880, 280, 90, 24, 15, 12
FONTS = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
STYLE = f"""
svg {{ font: {SIZE}px {FONTS} }}
.page {{ fill: #ffffff }} .ink {{ fill: #1f2328 }} .dim {{ fill: #59636e }}
.rule {{ stroke: #d1d9e0 }} .ours {{ fill: #1f9d68 }} .bare {{ fill: #a7afb8 }}
.peer {{ fill: #3b82f6 }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117 }} .ink {{ fill: #e6edf3 }} .dim {{ fill: #9198a1 }}
.rule {{ stroke: #30363d }} .bare {{ fill: #59636e }}
}}
"""


class Row(NamedTuple):
    label: str
    value: float
    colour: str  # "ours", "bare" or "peer"


class Chart(NamedTuple):
    """Bars of one figure.

    Attributes:
        unit: follows each number.
        log: whether lengths are logarithms; the axis then begins at a power of ten.
    """

    title: str
    rows: list[Row]
    unit: str
    log: bool = True


class Scale:
    """Values to places on the page."""

    def __init__(self, chart: Chart) -> None:
        values = [row.value for row in chart.rows]
        self._log = chart.log
        self._least = 10.0 ** floor(log10(min(values))) if chart.log else 0.0
        self._most = max(values)
        if chart.log and min(values) < 1.3 * self._least:
            self._least /= 10  # so that the shortest bar can be seen

    def x(self, value: float) -> float:
        part = value / self._most
        if self._log:
            part = log10(value / self._least) / log10(self._most / self._least)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[float]:
        if not self._log:
            step = 10.0 ** floor(log10(self._most))
            return [step * n for n in range(int(self._most / step) + 1)]
        powers = range(round(log10(self._least)), floor(log10(self._most)) + 1)
        return [10.0**power for power in powers]


def bars(chart: Chart, top: float) -> Iterator[str]:
    """The parts of one chart, which takes `height` of it below `top`."""
    scale, bottom = Scale(chart), top + 14 + ROW * len(chart.rows)
    title = chart.title + (" (logarithmic)" if chart.log else "")
    yield f'<text x="12" y="{top:g}" class="ink" font-weight="600">{escape(title)}</text>'
    for tick in scale.ticks():
        x = scale.x(tick)
        yield f'<path d="M{x:g} {top + 12:g}V{bottom:g}" class="rule"/>'
        yield (
            f'<text x="{x:g}" y="{bottom + 14:g}" class="dim" text-anchor="middle">{tick:,g}</text>'
        )
    for number_, row in enumerate(chart.rows):
        y = top + 16 + ROW * number_
        end = scale.x(row.value)
        weight = ' font-weight="600"' if row.colour == "ours" else ""
        yield (
            f'<text x="{LEFT - 10}" y="{y + SIZE:g}" class="ink" text-anchor="end"{weight}>'
            f"{escape(row.label)}</text>"
        )
        yield (
            f'<rect x="{LEFT}" y="{y:g}" width="{end - LEFT:.1f}" height="{BAR}" rx="3" '
            f'class="{row.colour}"/>'
        )
        figure = f"{number(row.value)} {chart.unit}".strip()
        yield f'<text x="{end + 6:g}" y="{y + SIZE:g}" class="dim">{figure}</text>'


def height(chart: Chart) -> int:
    return 14 + ROW * len(chart.rows) + 44


def picture(charts: list[Chart], words: str) -> str:
    parts: list[str] = []
    top = 24
    for chart in charts:
        parts += bars(chart, top)
        top += height(chart)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - 16}" role="img" '
        f'aria-label="{escape(words)}">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{top - 16}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def rows(results: dict[str, Any], measure: str, key: str, wires: list[str]) -> list[Row]:
    """The contenders that have the figure, least first."""
    figures, contenders = Figures(results, measure), results["contenders"]
    found = [
        Row(name, value, colour(name, contenders[name]["peer"]))
        for name in figures.found
        if contenders[name]["wire"] in wires and (value := figures.get(name, key))
    ]
    return sorted(found, key=lambda row: row.value)


def colour(name: str, peer: str) -> str:
    """A bare reader's and a bare interpreter's are the same: there is nothing around them."""
    if ours(name):
        return "ours"
    return "bare" if peer in ("midstream", "sockets") else "peer"


def pictures(results: dict[str, Any]) -> dict[str, str]:
    """By the name of the file, those whose figures are there."""
    every = ["messages", "chat", "responses"]
    text = rows(results, "text", "us", every)
    paced = rows(results, "paced", "us", ["messages"])
    held = rows(results, "many", "held", ["messages", "responses"])[::-1]
    run = rows(results, "overlap", "run_s", every)
    gap = rows(results, "overlap", "gap_ms", every)
    cold = rows(results, "cold", "ms", every)
    made = {
        "bench-cpu.svg": [
            Chart("CPU a text delta, the whole stream at once", text, "µs"),
            Chart("CPU a text delta, one event a write", paced, "µs", log=False),
        ],
        "bench-streams.svg": [
            Chart("Streams of 100 events/s on one core, 99 of 100 within 10 ms", held, "")
        ],
        "bench-overlap.svg": [
            Chart(
                "A reply of 2.1 s that calls two tools of 1.5 s: the end of the run",
                run,
                "s",
                log=False,
            ),
            Chart("Longest gap for its reader; an event is written every 20 ms", gap, "ms"),
        ],
        "bench-start.svg": [
            Chart("From the start of the process to the first text", cold, "ms", log=False)
        ],
    }
    full = {name: [chart for chart in charts if chart.rows] for name, charts in made.items()}
    return {name: picture(charts, charts[0].title) for name, charts in full.items() if charts}


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else DOCS
    for name, drawn in pictures(results).items():
        (folder / name).write_text(drawn, "utf-8")
        print(name)


if __name__ == "__main__":
    main()
