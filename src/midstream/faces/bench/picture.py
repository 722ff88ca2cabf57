"""The measured figures as a picture: an SVG file that needs nothing else."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from midstream.faces.bench.measures import Measure, measures, seconds, share
from midstream.faces.bench.summary import Report
from midstream.faces.bench.table import closing, heading, place
from midstream.faces.columns import clipped
from midstream.faces.page import SIZE, WIDTH, in_xml, page, words_at

EDGE, GAP, LEFT = 16, 40, 56  # pixels at the side, between two panels, and for the scale of shares
TALL, LOW = 190, 96  # of a panel
LINE = int((WIDTH - 2 * EDGE) / (0.6 * SIZE))  # characters
TICK = 84  # pixels from one tick to the next, at least
BINS = 48
MOST_DOTS = 200  # of a line; with more it would be nothing but dots
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

STYLE = """
.first { stroke: #3b82f6 } .later { stroke: #a371f7 }
.speed { stroke: #0e9aa7 } .share { stroke: #1f9d68 } .whole { stroke: #f59e0b }
.line { fill: none; stroke-width: 2 } .dot { fill: none; stroke-width: 5; stroke-linecap: round }
.bar { fill: none }
"""
KINDS = {
    "TTFT, first turn": "first",
    "TTFT, later turns": "later",
    "tokens/s": "speed",
    "tools hidden": "share",
    "whole request": "whole",
}


def svg(report: Report) -> str:
    """TTFT as the share of turns that had begun to answer by then; all else as bars."""
    shown = [each for each in measures(report) if each.spread]
    ttft = [each for each in shown if each.label.startswith("TTFT")]
    rest = [each for each in shown if each not in ttft]
    drawing = Drawing()
    drawing.words(heading(report, LINE), "ink")
    if ttft:
        drawing.cumulative(ttft)
    if rest:
        drawing.bars(rest)
    for words in closing(report):
        drawing.words(words, "dim")
    return page(drawing.y + 8, heading(report, LINE), STYLE, drawing.parts)


class Scale(Struct, frozen=True):
    """From values to pixels, along one axis."""

    begin: float
    length: float
    most: float

    def __call__(self, value: float) -> float:
        return round(self.begin + value / self.most * self.length, 1)

    def ticks(self) -> list[float]:
        """Round values from 0 on."""
        least = self.most * TICK / self.length
        unit = 10.0 ** (len(str(int(least))) - 1) if least >= 1 else 1.0
        while unit > least:
            unit /= 10
        step = next(unit * each for each in STEPS if unit * each >= least)
        return [round(i * step, 9) for i in range(int(self.most / step + 1e-9) + 1)]


class Drawing:
    """The parts of a picture, from the top down; `y` is where the next begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 16

    def words(self, words: str, kind: str) -> None:
        self.parts.append(words_at(EDGE, self.y + SIZE, clipped(words, LINE), kind))
        self.y += 22

    def cumulative(self, drawn: Sequence[Measure]) -> None:
        """A line for each measure: how large a share of its values is no greater."""
        words = "how many turns had begun to answer by then"
        self.parts.append(words_at(WIDTH - EDGE, self.y + SIZE, words, "dim", "end"))
        for each in drawn:
            self.sample(EDGE, KINDS[each.label], f"{each.label}: {in_short(each)}")
            self.y += 20
        top, bottom = self.y + 6, self.y + 6 + TALL
        most = max(each.spread.max for each in drawn if each.spread) * 1.04
        across = Scale(LEFT, WIDTH - LEFT - EDGE, most or 1.0)
        for part in (0.0, 0.5, 0.95, 1.0):
            y = bottom - part * TALL
            self.parts.append(f'<path class="rule" d="M{LEFT} {y:g}H{WIDTH - EDGE}"/>')
            down = {0.95: 8, 1.0: -1}.get(part, 4)  # these two are close to each other
            self.parts.append(words_at(LEFT - 8, y + down, f"{part:.0%}", "dim", "end"))
        self.axis(across, (top, bottom), drawn[0])
        for each in drawn:
            self.steps(each, across, bottom)
        self.y = bottom + 32

    def steps(self, drawn: Measure, across: Scale, bottom: float) -> None:
        values, kind = sorted(drawn.values), KINDS[drawn.label]
        up = [round(bottom - rank / len(values) * TALL, 1) for rank in range(len(values) + 1)]
        line = f"M{LEFT} {bottom:g}" + "".join(
            f"H{across(value):g}V{up[rank]:g}" for rank, value in enumerate(values, 1)
        )
        title = f"<title>{in_xml(f'{drawn.label}: {in_short(drawn)}')}</title>"
        self.parts.append(f'<path class="{kind} line" d="{line}">{title}</path>')
        if len(values) <= MOST_DOTS:
            dots = "".join(f"M{across(v):g} {up[rank]:g}h0" for rank, v in enumerate(values, 1))
            self.parts.append(f'<path class="{kind} dot" d="{dots}"/>')

    def bars(self, drawn: Sequence[Measure]) -> None:
        """A panel beside the other for each measure: how many of its values are where."""
        width = (WIDTH - 2 * EDGE - GAP * (len(drawn) - 1)) / len(drawn)
        for column, each in enumerate(drawn):
            self.histogram(each, Scale(EDGE + column * (width + GAP), width, reach(each)))
        self.y += 20 + 6 + LOW + 34

    def histogram(self, drawn: Measure, across: Scale) -> None:
        kind = KINDS[drawn.label]
        self.sample(across.begin, kind, drawn.label)
        spread, shown = drawn.spread, drawn.shown
        assert spread is not None
        words = f"{shown(spread.min)} to {shown(spread.max)}, p50 {shown(spread.p50)}"
        self.parts.append(words_at(across.begin + 24, self.y + 2 * SIZE + 4, words, "dim"))
        top, bottom = self.y + 30, self.y + 20 + 6 + LOW
        self.axis(across, (top, bottom), drawn)
        where = Counter(place(value, 0.0, across.most, BINS) for value in drawn.values)
        cell, highest = across.length / BINS, max(where.values())
        for at, count in sorted(where.items()):
            x = across.begin + (at + 0.5) * cell
            height = max(2.0, count / highest * (bottom - top - 6))
            line = f'd="M{x:.1f} {bottom:g}v-{height:.1f}" stroke-width="{cell - 1:.1f}"'
            self.parts.append(f'<path class="{kind} bar" {line}><title>{count}</title></path>')

    def axis(self, across: Scale, between: tuple[float, float], drawn: Measure) -> None:
        top, bottom = between
        end = across.begin + across.length
        self.parts.append(f'<path class="rule" d="M{across.begin:g} {bottom:g}H{end:g}"/>')
        for value in across.ticks():
            x = across(value)
            self.parts.append(f'<path class="rule" d="M{x:g} {top:g}V{bottom + 4:g}"/>')
            anchor = "end" if x > end - 24 else "middle" if x > across.begin else "start"
            self.parts.append(words_at(x, bottom + 18, at_a_tick(value, drawn), "dim", anchor))

    def sample(self, x: float, kind: str, words: str) -> None:
        """The colour of a measure, and what it is called."""
        mark = f'd="M{x:g} {self.y + 8:g}h16" stroke-width="8"'
        self.parts.append(f'<path class="{kind} bar" {mark}/>')
        self.parts.append(words_at(x + 24, self.y + SIZE, words, "ink"))


def reach(drawn: Measure) -> float:
    """The value at the right end."""
    assert drawn.spread is not None
    return 1.0 if drawn.shown is share else drawn.spread.max * 1.1 or 1.0


def in_short(drawn: Measure) -> str:
    spread, shown = drawn.spread, drawn.shown
    assert spread is not None
    return " · ".join(f"{name} {shown(getattr(spread, name))}" for name in ("p50", "p95", "p99"))


def at_a_tick(value: float, drawn: Measure) -> str:
    if drawn.shown is share:
        return f"{value:.0%}"
    if drawn.shown is seconds and value:
        return f"{value:g} s" if value >= 1 else f"{value * 1000:g} ms"
    return f"{value:,g}"
