"""A run as bars on one time axis, as a picture: an SVG file that needs nothing else."""

from collections.abc import Sequence

from midstream.faces.columns import clipped, flat
from midstream.faces.page import SIZE, WIDTH, in_xml, page, words_at
from midstream.faces.timeline import (
    STEPS_S,
    called,
    figure,
    heading,
    moment,
    named,
    seconds,
    summary,
)
from midstream.journal.bars import Bar, BarKind, Span, Turn
from midstream.journal.timeline import Run

LEFT, RIGHT, ROW, BAR, THIN = 230, 76, 26, 16, 6
LABEL = int((LEFT - 28) / (0.6 * SIZE))  # characters of what a row is called
LINE = int((WIDTH - 40) / (0.6 * SIZE))
TICK = 60  # pixels from one tick to the next, at least

STYLE = """
.request { stroke: #59636e; stroke-width: 1.5 }
.waiting, .pause { fill: none; stroke: #818b98; stroke-width: 1.5 }
.approval { fill: none; stroke: #f59e0b; stroke-width: 2.5; stroke-dasharray: 2.5 3 }
.waiting { stroke-dasharray: 1.5 4 } .pause { stroke-dasharray: 6 4 }
.thinking { fill: #a371f7 } .text { fill: #3b82f6 } .tool_call { fill: #f59e0b }
.summary { fill: #0e9aa7 } .lost { fill: #e5534b; opacity: .45 } .tool { fill: #1f9d68 }
@media (prefers-color-scheme: dark) { .request { stroke: #9198a1 } }
"""

LEGEND: dict[BarKind, str] = {
    "waiting": "waiting",
    "thinking": "thinking",
    "text": "text",
    "tool_call": "a call",
    "lost": "a lost answer",
    "pause": "a pause",
    "summary": "a summary",
    "approval": "an approval",
    "tool": "a tool, waited for",
}
LINES = ("waiting", "pause", "approval")
HIDDEN = "a tool behind the stream"


def svg(runs: Sequence[Run]) -> str:
    """The picture of one run, or of several below each other."""
    drawing = Drawing()
    for run in runs:
        drawing.run(run)
    drawing.legend(runs)
    title = "; ".join(summary(run) for run in runs)
    return page(drawing.y + 8, title, STYLE, drawing.parts)


class Drawing:
    """The parts of a picture, from the top down; `y` is where the next begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 16
        self._scale = 1.0  # pixels a second

    def run(self, run: Run) -> None:
        length = max(run.seconds, 0.001)
        self._scale = (WIDTH - LEFT - RIGHT) / length
        rules = len(self.parts)
        self.y += 22
        top = self.y
        for turn in run.turns:
            self._turn(turn)
        self.parts.insert(rules, self._rules(length, top, self.y))
        self._words(summary(run), "ink")
        if run.error:
            self._words(run.error, "dim")
        self.y += 10

    def _turn(self, turn: Turn) -> None:
        if turn.words:
            self._words(f"› {turn.words}", "ink")
        spent = sum(bar.seconds for bar in turn.stream if bar.kind not in ("waiting", "pause"))
        self._row(heading(turn), seconds(spent), "ink")
        for bar in turn.stream:
            self._bar(bar)
        self.y += ROW
        for bars in turn.calls:
            self._row(named(bars[-1]), figure(bars), "dim")
            for bar in bars:
                self._tool(bar) if bar.kind == "tool" else self._bar(bar)
            self.y += ROW
        if turn.end in ("stopped", "died"):
            self._words("■ stopped" if turn.end == "stopped" else "✗ the process died", "dim")

    # -- pieces --------------------------------------------------------------------------------

    def x(self, at_s: float) -> float:
        return round(LEFT + at_s * self._scale, 1)

    def text(self, x: float, words: str, kind: str, anchor: str = "start") -> None:
        self.parts.append(words_at(x, self.y + 12, words, kind, anchor))

    def _words(self, words: str, kind: str) -> None:
        self.text(16, clipped(flat(words), LINE), kind)
        self.y += 22

    def _row(self, label: str, figure: str, kind: str) -> None:
        self.text(16, clipped(label, LABEL), kind)
        self.text(WIDTH - 16, figure, "dim", "end")

    def _bar(self, bar: Bar) -> None:
        if bar.kind in LINES:
            line = f"M{self.x(bar.begin_s):g} {self.y + BAR / 2:g}H{self.x(bar.end_s):g}"
            self.parts.append(f'<path class="{bar.kind}" d="{line}"/>')
        else:
            self._rectangle(bar, bar.kind, BAR, bar.reason or LEGEND[bar.kind])
        if bar.kind in ("waiting", "lost"):
            mark = f"M{self.x(bar.begin_s):g} {self.y - 3}v{BAR + 6}"
            self.parts.append(f'<path class="request" d="{mark}"/>')

    def _tool(self, bar: Bar) -> None:
        """Thin where it lay behind the stream, thick where it was waited for."""
        self._rectangle(bar, "tool", THIN, called(bar))
        begin = bar.begin_s
        for span in (*bar.hidden, Span(bar.end_s, bar.end_s)):
            if span.begin_s > begin:
                self._rectangle(Span(begin, span.begin_s), "tool", BAR, called(bar))
            begin = span.end_s

    def _rectangle(self, span: Span, kind: str, height: int, title: str) -> None:
        x, width = self.x(span.begin_s), max(0.8, span.seconds * self._scale)
        y = self.y + (BAR - height) / 2
        size = f'x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height}" rx="2"'
        words = in_xml(flat(f"{title} · {seconds(span.seconds)}"))
        self.parts.append(f'<rect class="{kind}" {size}><title>{words}</title></rect>')

    def _rules(self, length: float, top: int, bottom: int) -> str:
        least = TICK / self._scale
        step = next((each for each in STEPS_S if each >= least), least)
        drawn: list[str] = []
        for tick in range(int(length / step + 1e-9) + 1):
            x = self.x(tick * step)
            words = moment(tick * step, step)
            drawn.append(f'<path class="rule" d="M{x:g} {top - 4}V{bottom - 8}"/>')
            drawn.append(f'<text class="dim" x="{x:g}" y="{top - 10}">{words}</text>')
        return "\n".join(drawn)

    def legend(self, runs: Sequence[Run]) -> None:
        bars = [bar for run in runs for turn in run.turns for bar in turn.bars]
        used = {bar.kind for bar in bars if bar.hidden_s < bar.seconds}
        x = 16.0
        samples: list[tuple[BarKind, int, str]] = [
            (kind, BAR - 4, words) for kind, words in LEGEND.items() if kind in used
        ]
        if any(bar.hidden for bar in bars):
            samples.append(("tool", THIN, HIDDEN))
        for kind, height, words in samples:
            width = 42 + 0.6 * SIZE * len(words)
            if x + width > WIDTH:
                x, self.y = 16.0, self.y + 22
            self._sample(x, kind, height, words)
            x += width
        self.y += 22

    def _sample(self, x: float, kind: BarKind, height: int, words: str) -> None:
        y = self.y + (BAR - height) / 2
        if kind in LINES:
            self.parts.append(f'<path class="{kind}" d="M{x:g} {self.y + BAR / 2:g}h18"/>')
        else:
            size = f'x="{x:g}" y="{y:g}" width="18" height="{height}" rx="2"'
            self.parts.append(f'<rect class="{kind}" {size}/>')
        self.text(x + 24, words, "dim")
