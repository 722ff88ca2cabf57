"""A run as bars on one time axis, in lines for a terminal."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from midstream.faces.columns import clipped, columns, flat, padded
from midstream.journal.bars import Bar, BarKind, Span, Turn
from midstream.journal.timeline import Run

Cell = tuple[str, str, str]  # a character, its SGR code, and what the legend calls it

LOOKS: dict[BarKind, Cell] = {
    "waiting": ("·", "2", "waiting"),
    "thinking": ("░", "35", "thinking"),
    "text": ("█", "34", "text"),
    "tool_call": ("▒", "33", "a call"),
    "lost": ("×", "31", "a lost answer"),
    "pause": ("╌", "2", "a pause"),
    "summary": ("▓", "36", "a summary"),
    "approval": ("?", "33", "an approval"),
    "tool": ("█", "32", "a tool, waited for"),
}
HIDDEN: Cell = ("━", "32", "a tool behind the stream")
REQUEST: Cell = ("├", "0", "a request")
RULE: Cell = ("┊", "2", "")
EMPTY: Cell = (" ", "0", "")
EIGHTHS = " ▏▎▍▌▋▊▉█"
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
FIGURES = 9  # columns for the seconds at the end of a row
TICK = 8  # columns from one tick to the next, at least
NARROWEST = 28
LONGEST_VALUE = 80  # characters of one argument
UNIT = re.compile(r"(?<=\d) (?=(ms|s|min|h|turns?)\b)")


def lines(run: Run, width: int, colour: bool) -> list[str]:
    """A run in lines of at most `width` columns."""
    width = max(width, NARROWEST)
    chart = Chart.of(run, width, colour)
    shown = [chart.axis()]
    for turn in run.turns:
        if turn.words:
            shown.append(clipped(f"› {flat(turn.words)}", width))
        shown += _turn(chart, turn, width)
    return [*shown, "", *_closing(run, width), *_legend(run, chart, width)]


def _turn(chart: "Chart", turn: Turn, width: int) -> Iterator[str]:
    total = sum(bar.seconds for bar in turn.stream if bar.kind not in ("waiting", "pause"))
    yield chart.row(heading(turn), chart.stream(turn.stream), seconds(total))
    for bar in turn.stream:
        if bar.kind == "lost":
            yield clipped(f"  × {flat(bar.reason)}", width)
    for bars in turn.calls:
        yield chart.row(named(bars[-1]), chart.call(bars), figure(bars))
    match turn.end:
        case "stopped":
            yield "  ■ stopped"
        case "died":
            yield "  ✗ the process died"
        case "committed" | "discarded" | None:
            pass


def heading(turn: Turn) -> str:
    """What the row of an answer is called."""
    return f"turn {turn.number}" if turn.number else "compact"


def seconds(of: float) -> str:
    """A length of time, in at most nine characters."""
    if of < 0.0995:
        return f"{of * 1000:.0f} ms"
    if of < 59.95:
        return f"{of:.1f} s"
    return f"{clock(of)} min" if of < 3600 else clock(of)


def moment(at_s: float, step_s: float) -> str:
    """What stands at a tick of the axis."""
    if at_s >= 60:
        return clock(at_s)
    return f"{at_s:g} s" if step_s >= 1 else f"{at_s:.1f} s"


def clock(of: float) -> str:
    minutes, rest = divmod(round(of), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def named(bar: Bar) -> str:
    """What the row of a tool is called, and whether it failed or nobody knows its end."""
    mark = "✗" if bar.failed else " " if bar.ended else "?"
    return f"{mark} {called(bar)}"


def figure(bars: Sequence[Bar]) -> str:
    """How long a call was at work."""
    return seconds(bars[-1].seconds) if bars[-1].kind == "tool" else "not run"


def called(bar: Bar) -> str:
    """A tool and what it was given, in a few words."""
    given = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in bar.input.values()
    )
    return flat(" ".join((bar.name, *(value[:LONGEST_VALUE] for value in given))))


def _closing(run: Run, width: int) -> list[str]:
    whole = UNIT.sub("\u00a0", summary(run))  # a number stays with its unit
    wrapped = [line.replace("\u00a0", " ") for line in textwrap.wrap(whole, width)]
    return [*wrapped, clipped(flat(run.error), width)] if run.error else wrapped


def summary(run: Run) -> str:
    """How long it took, and how much of the tools' time nobody had to wait for."""
    count = sum(turn.number > 0 for turn in run.turns)
    turns = "1 turn" if count == 1 else f"{count} turns"
    done = turns if count or not run.turns else "compacted"
    parts = [f"{done} in {seconds(run.seconds)}"]
    if run.outcome not in ("", "completed"):
        parts.append(flat(run.outcome.replace("_", " ")))
    tools, hidden = seconds(run.tools_s), seconds(run.hidden_s)
    used = any(turn.tools for turn in run.turns)
    parts.append(f"{tools} of tools, {hidden} hidden behind the stream" if used else "no tools")
    return " · ".join(parts)


def _legend(run: Run, chart: "Chart", width: int) -> list[str]:
    """What was drawn, and what it means."""
    rows = [row for turn in run.turns for row in chart.rows(turn)]
    used = {words for cells in rows for _, _, words in cells}
    shown: list[str] = []
    room = 0
    for look in (REQUEST, *LOOKS.values(), HIDDEN):
        words = look[2]
        if words not in used:
            continue
        if len(words) + 2 > room:
            shown.append("")
            room = width
        shown[-1] += painted([look], chart.colour) + f" {words}  "
        room -= len(words) + 4
    return [line.rstrip() for line in shown]


# -- the chart ---------------------------------------------------------------------------------


class Chart(Struct, frozen=True):
    """Where a second is, in columns.

    Attributes:
        label: columns for what a row is called.
        cells: columns for the bars.
    """

    label: int
    cells: int
    seconds: float
    colour: bool

    @classmethod
    def of(cls, run: Run, width: int, colour: bool) -> "Chart":
        names = [named(bar) for turn in run.turns for *_, bar in turn.calls]
        label = min(max(map(columns, ["turn 99", *names])) + 1, width * 3 // 8)
        return cls(label, width - label - FIGURES, max(run.seconds, 0.001), colour)

    def place(self, at_s: float) -> float:
        return at_s / self.seconds * self.cells

    @property
    def step_s(self) -> float:
        """Seconds from tick to tick."""
        least = self.seconds / self.cells * TICK
        return next((step for step in STEPS_S if step >= least), least)

    def ticks(self) -> dict[int, float]:
        """Seconds by the cell that they begin in."""
        count = int(self.seconds / self.step_s + 1e-9)
        found = {int(self.place(i * self.step_s)): i * self.step_s for i in range(count + 1)}
        return {cell: at_s for cell, at_s in found.items() if cell < self.cells}

    def axis(self) -> str:
        line = ""
        for cell, at_s in self.ticks().items():
            line = line.ljust(cell) + moment(at_s, self.step_s)
        words = clipped(" " * self.label + line, self.label + self.cells + FIGURES)
        return f"\x1b[2m{words}\x1b[0m" if self.colour else words

    def row(self, label: str, cells: Sequence[Cell], figure: str) -> str:
        name = padded(clipped(label, self.label - 1), self.label)
        return name + painted(cells, self.colour) + figure.rjust(FIGURES)

    def rows(self, turn: Turn) -> list[list[Cell]]:
        return [self.stream(turn.stream), *map(self.call, turn.calls)]

    def _empty(self) -> list[Cell]:
        cells = [EMPTY] * self.cells
        for cell in self.ticks():
            cells[cell] = RULE
        return cells

    def stream(self, bars: Sequence[Bar]) -> list[Cell]:
        cells = self._empty()
        for place in range(self.cells):
            best = max(bars, key=lambda bar: self._covered(bar, place), default=None)
            if best and self._covered(best, place) > 0:
                cells[place] = LOOKS[best.kind]
        if bars and bars[-1].kind == "text":
            self._cut(cells, bars[-1])
        for bar in bars:
            if bar.kind in ("waiting", "lost"):
                cells[min(int(self.place(bar.begin_s)), self.cells - 1)] = REQUEST
        return cells

    def call(self, bars: Sequence[Bar]) -> list[Cell]:
        *waits, last = bars
        cells = self.stream(waits)
        return self._tool(cells, last) if last.kind == "tool" else self.stream(bars)

    def _tool(self, cells: list[Cell], bar: Bar) -> list[Cell]:
        for place in range(self.cells):
            whole = self._covered(bar, place)
            hidden = sum(self._covered(span, place) for span in bar.hidden)
            if whole > 0:
                cells[place] = HIDDEN if hidden >= whole / 2 else LOOKS["tool"]
        if not bar.hidden or bar.hidden[-1].end_s < bar.end_s:
            self._cut(cells, bar)
        return cells

    def _covered(self, span: Span, place: int) -> float:
        """How much of a cell a span covers; the shortest still covers a little."""
        begin, end = self.place(span.begin_s), self.place(span.end_s)
        end = max(end, begin + 0.01)
        return max(0.0, min(end, place + 1) - max(begin, place))

    def _cut(self, cells: list[Cell], bar: Bar) -> None:
        """End a solid bar within its last cell."""
        place = min(int(self.place(bar.end_s)), self.cells - 1)
        _, code, words = cells[place]
        if (code, words) == LOOKS[bar.kind][1:]:
            eighths = round(8 * (self.place(bar.end_s) - place))
            cells[place] = (EIGHTHS[max(1, min(eighths, 8))], code, words)


def painted(cells: Iterable[Cell], colour: bool) -> str:
    if not colour:
        return "".join(char for char, _, _ in cells)
    parts: list[str] = []
    for code, group in groupby(cells, key=lambda cell: cell[1]):
        chars = "".join(char for char, _, _ in group)
        parts.append(chars if code == "0" else f"\x1b[{code}m{chars}\x1b[0m")
    return "".join(parts)
