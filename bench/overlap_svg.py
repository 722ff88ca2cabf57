"""Draws docs/overlap.svg from the events of a run: when the model wrote, and when the tools ran.

    python bench/overlap_svg.py [FILE]

The model is the simulator, at a human pace over a real socket; sockets, tools and times are real.
Below, in grey, stands what the same calls would take if tools began only after the stream.
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple

import anyio

from midstream import Agent, RunEvent, tool
from midstream.events import (
    TextDelta,
    ToolFinished,
    ToolInputDelta,
    ToolStarted,
    TurnEnded,
)
from midstream.models.simulated import SimulatedModel
from midstream.simulator import Reply, Scenario, call, say

FILE = Path(__file__).parent.parent / "docs" / "overlap.svg"

PLAN = Scenario(
    replies=[
        Reply(
            [
                say("A weekend in Lagos: I look for flights first, since seats are few. "),
                call("search_flights", to="LOS"),
                say("While that runs: November is the end of the rains, so I ask. "),
                call("get_weather", city="Lagos"),
                say(
                    "You will want a room near the lagoon, on the island side, where the evening "
                    "breeze comes in and the market is a short walk away. Two nights are enough "
                    "for the beach, the museum and a long dinner; three are better."
                ),
            ]
        ),
        Reply([say("There is a seat on Friday at 21:40, and it will be 31 °C with light rain.")]),
    ],
    ttft=0.25,
    tokens_per_second=42,
)


@tool(effects="read")
def search_flights(to: str) -> str:
    """Flights to an airport."""
    time.sleep(1.6)
    return "Friday 21:40"


@tool(effects="read")
async def get_weather(city: str) -> str:
    """Current weather for a city."""
    await anyio.sleep(1.1)
    return "31 °C, light rain"


class Bar(NamedTuple):
    begin: float
    end: float


class Timeline(NamedTuple):
    """Seconds from the first token. `tokens` are the model's, `calls` those that are arguments."""

    tokens: list[float]
    calls: list[float]
    writes: Bar
    tools: dict[str, Bar]
    answers: Bar

    def after_the_stream(self) -> "Timeline":
        """The same, with every tool beginning when the model has said everything."""
        tools = {
            name: Bar(self.writes.end, self.writes.end + bar.end - bar.begin)
            for name, bar in self.tools.items()
        }
        ready = max(self.writes.end, *(bar.end for bar in self.tools.values()))
        late = max(bar.end for bar in tools.values()) - ready
        answers = Bar(self.answers.begin + late, self.answers.end + late)
        moved = [t + late if t > self.writes.end else t for t in self.tokens]
        return Timeline(moved, self.calls, self.writes, tools, answers)


# -- the run -----------------------------------------------------------------------------------


async def events() -> list[RunEvent]:
    async with Agent(SimulatedModel(PLAN), [search_flights, get_weather]).run("Lagos?") as run:
        return [event async for event in run]


def timeline(told: list[RunEvent]) -> Timeline:
    written = [e.t for e in told if isinstance(e, TextDelta | ToolInputDelta)]
    turn_ended = next(e.t for e in told if isinstance(e, TurnEnded))
    zero = written[0]
    first = [t - zero for t in written if t < turn_ended]
    second = [t - zero for t in written if t > turn_ended]
    began = {e.id: e.t - zero for e in told if isinstance(e, ToolStarted)}
    tools = {
        e.name: Bar(began[e.id], began[e.id] + e.seconds)
        for e in told
        if isinstance(e, ToolFinished)
    }
    calls = [e.t - zero for e in told if isinstance(e, ToolInputDelta)]
    return Timeline(
        first + second,
        calls,
        Bar(0.0, first[-1]),
        dict(sorted(tools.items(), key=lambda item: item[1].begin)),
        Bar(second[0], second[-1]),
    )


# -- the drawing -------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT, ROW, BAR = 880, 138, 20, 30, 18
# Mid tones, readable on white and on black, since a picture cannot know the page it stands on.
INK, RULE, GREY = "#6e7781", "#6e778140", "#8b949e"
TEXT, CALL, TOOL = "#3b82f6", "#f59e0b", "#1f9d68"


class Drawing:
    def __init__(self, seconds: float) -> None:
        self.parts: list[str] = []
        self._scale = (WIDTH - LEFT - RIGHT) / seconds

    def x(self, seconds: float) -> float:
        return round(LEFT + seconds * self._scale, 1)

    def text(self, x: float, y: float, words: str, **attributes: str) -> None:
        given = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items())
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{given}>{words}</text>')

    def bar(self, bar: Bar, y: float, colour: str, label: str = "") -> None:
        x, width = self.x(bar.begin), self.x(bar.end) - self.x(bar.begin)
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="{BAR}" rx="4" fill="{colour}"/>'
        )
        if label:
            self.text(x + width / 2, y + 13, label, fill="#fff", text_anchor="middle")

    def tokens(self, moments: list[float], y: float, colour: str) -> None:
        path = "".join(f"M{self.x(t):g} {y:g}v{BAR}" for t in moments)
        self.parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="2.5"/>')

    def rules(self, seconds: float, top: float, bottom: float) -> None:
        path = "".join(f"M{self.x(s):g} {top:g}V{bottom:g}" for s in range(int(seconds) + 1))
        self.parts.append(f'<path d="{path}" stroke="{RULE}"/>')

    def legend(self, y: float) -> None:
        x = float(LEFT)
        for colour, words in ((TEXT, "text"), (CALL, "a call"), (TOOL, "a tool at work")):
            self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="9" height="9" fill="{colour}"/>')
            self.text(x + 14, y + 9, words)
            x += 32 + 7 * len(words)


def draw(run: Timeline) -> str:
    later = run.after_the_stream()
    seconds = later.answers.end + 0.45
    drawing = Drawing(seconds)
    rows = ROW * (1 + len(run.tools))
    first, second = 40, 40 + rows + 34
    arrow_y = first + BAR / 2
    for y in (first, second):
        drawing.rules(seconds, y - 6, y + rows - 6)
    section(drawing, run, first, "midstream", greyed=False)
    section(drawing, later, second, "tools after the stream", greyed=True)
    drawing.legend(first - 27)
    saved = later.answers.end - run.answers.end
    x, end = drawing.x(run.answers.end), drawing.x(later.answers.end)
    drawing.parts.append(
        f'<path d="M{end:g} {arrow_y:g}H{x + 6:g}m5 -4l-5 4l5 4" fill="none" stroke="{INK}"/>'
    )
    drawing.text(x + 14, arrow_y - 6, f"{saved:.1f} s sooner")
    bottom = second + rows + 8
    for tick in range(int(seconds) + 1):
        drawing.text(drawing.x(tick), bottom, f"{tick} s", text_anchor="middle")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 10}" role="img" '
        f'aria-label="Tools that start while the model writes end {saved:.1f} s sooner" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" '
        f'font-size="12" fill="{INK}">\n' + "\n".join(drawing.parts) + "\n</svg>\n"
    )


def section(drawing: Drawing, run: Timeline, y: float, title: str, *, greyed: bool) -> None:
    text, call_, tool_ = (GREY, GREY, GREY) if greyed else (TEXT, CALL, TOOL)
    drawing.text(8, y - 18, title, font_weight="600")
    drawing.text(LEFT - 12, y + 13, "model writes", text_anchor="end")
    drawing.tokens([t for t in run.tokens if t not in run.calls], y, text)
    drawing.tokens(run.calls, y, call_)
    for name, bar in run.tools.items():
        y += ROW
        drawing.text(LEFT - 12, y + 13, name, text_anchor="end")
        drawing.bar(bar, y, tool_, f"{bar.end - bar.begin:.1f} s")


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    file.write_text(draw(timeline(anyio.run(events))), "utf-8")
    print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
