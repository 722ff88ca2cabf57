"""Tool calls as rows: one that moves while a call runs, and lines that stay when it has ended."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from wcwidth import clip
from wcwidth import width as cells

from midstream.events import ToolFinished
from midstream.faces.columns import flat
from midstream.faces.plain import arguments, printable
from midstream.faces.terminal.paint import Look, Paint, wrapped

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_A_SECOND = 8
BAR = 12  # cells
SOON_S = 0.3  # a call that is whole begins within this, unless another one must end first
EIGHTHS = " ▏▎▍▌▋▊▉█"
SHOWN, SHOWN_OF_TROUBLE, SHOWN_OF_DIFF = 3, 6, 24  # lines of a result
# What each of the workspace's tools does: now, when it is done, and when it could not; and which
# argument says to what.
WORDS = {
    "read_file": ("Reading", "Read", "Read", "path"),
    "list_files": ("Listing", "Listed", "List", "path"),
    "search_files": ("Searching for", "Searched for", "Search for", "pattern"),
    "write_file": ("Writing", "Wrote", "Write", "path"),
    "edit_file": ("Editing", "Edited", "Edit", "path"),
    "run_command": ("Running", "Ran", "Run", "command"),
}
NOW, DONE, FAILED, WHAT = range(4)
AT_THE_END = ("run_command",)  # whose last lines say most
UNWELL = re.compile(r"\[(exit status [1-9]\d*|ended by [^\]]+?)(?:;[^\]]*)?\]$")  # of a command


class Row(Struct):
    """A call that has not ended. Times are seconds of one clock.

    Attributes:
        state: what to say of it when it does not run yet: "…", "waits for approval".
        written: characters of its arguments that have come.
    """

    name: str
    asked: float
    state: str = ""
    given: dict[str, Any] | None = None
    written: int = 0
    began: float | None = None
    message: str = ""
    fraction: float | None = None


def title(name: str, given: dict[str, Any] | None, when: int = NOW) -> str:
    """A call in words, on one line."""
    words = WORDS.get(name)
    if given is None:
        return f"{words[when] if words else flat(name)}…"
    if words is None:
        return flat(f"{name}({arguments(given)})")
    what = given.get(words[WHAT], given.get("path", ""))
    text = flat(str(what)) or "."
    return f"{words[when]} {text}"


def running(row: Row, now: float, width: int, paint: Paint) -> str:
    """The row of a call that has not ended; of a long title its beginning, and how it goes."""
    since = now - (row.asked if row.began is None else row.began)
    turning = SPINNER[int(now * FRAMES_A_SECOND) % len(SPINNER)]
    parts = [""]
    if row.state:
        parts.append(row.state)
    elif row.began is None and row.given is not None:
        parts += ["waits for its turn"] * (since >= SOON_S)
    elif row.began is None and row.written > 200:
        parts.append(f"{row.written:,} characters so far")
    elif since >= 1:
        parts[0] = f"… {elapsed(since)}"
    if row.fraction is not None:
        parts.append(f"{bar(row.fraction)} {row.fraction:.0%}")
    words = title(row.name, row.given)
    room = max(width // 2, width - 2 - cells(words))
    tail = shortened(" · ".join([*parts, *filter(None, [flat(row.message)])]), room)
    words = shortened(words, width - 2 - cells(tail))
    words = words.removesuffix("…") if tail.startswith("…") else words
    return f"{paint(Look.NAME, turning)} {words}{paint(Look.FAINT, tail)}"


def finished(event: ToolFinished, given: dict[str, Any] | None, width: int, paint: Paint) -> str:
    """The line that stays; of a long title its beginning."""
    status = UNWELL.search(event.output) if isinstance(event.output, str) else None
    mark = paint(Look.BAD, "✗") if event.is_error or status else paint(Look.GOOD, "✓")
    how = "reused" if event.reused else f"{event.seconds:.2f} s"
    size = "" if event.is_error or event.name not in WORDS else measured(event, given)
    figures = " · ".join(["", how, *filter(None, [status and status[1], size])])
    figures = "" if event.is_error and not event.seconds else figures  # it did not run
    words = title(event.name, given, FAILED if event.is_error else DONE)
    return f"{mark} {shortened(words, width - len(figures) - 2)}{paint(Look.FAINT, figures)}"


def shortened(text: str, width: int) -> str:
    """A text of one line in so many cells, one at least."""
    return text if cells(text) <= width else clip(text, 0, max(0, width - 1)) + "…"


def preview(event: ToolFinished, width: int, paint: Paint) -> Iterator[str]:
    """The first lines of what a call came to, or the last ones where these say more."""
    if not isinstance(event.output, str):
        return
    lines = printable(event.output).rstrip().split("\n")
    room = width - 5  # of which the last cell is for an ellipsis
    if event.name == "edit_file" and not event.is_error:
        # The first line says what the title says.
        difference = [coloured(each, room, paint) for each in lines[1:]]
        yield from folded(difference, SHOWN_OF_DIFF, paint)
    elif event.is_error:
        yield from folded(in_rows(lines, room, Look.BAD, paint), SHOWN_OF_TROUBLE, paint)
    elif event.name in WORDS and event.name not in (*AT_THE_END, "search_files", "list_files"):
        return  # what was read or written needs no showing
    else:
        faint = in_rows(lines, room, Look.FAINT, paint)
        yield from folded(faint, SHOWN, paint, from_end=event.name in AT_THE_END)


def in_rows(lines: list[str], width: int, look: Look, paint: Paint) -> list[list[str]]:
    """Each line in as many rows as it needs."""
    return [[paint(look, row) for row in wrapped(line, width)] for line in lines]


def folded(
    lines: list[list[str]], most: int, paint: Paint, *, from_end: bool = False
) -> Iterator[str]:
    """So many rows of the lines, an ellipsis where one is cut, and how many are not seen at all."""
    rows = [(n, row) for n, line in enumerate(lines) for row in line]
    whole = len(rows) <= most + 1
    shown = rows if whole else rows[-most:] if from_end else rows[:most]
    numbers = [n for n, _ in shown]
    edge = numbers[0 if from_end else -1]
    cut = paint(Look.FAINT, "…") if numbers.count(edge) < len(lines[edge]) else ""
    texts = [row for _, row in shown]
    if from_end:
        texts[0] = cut + texts[0]
    else:
        texts[-1] += cut
    hidden = len(lines) - len(set(numbers))
    words = "… 1 more line" if hidden == 1 else f"… {hidden} more lines"
    note = [paint(Look.FAINT, words)] if hidden else []
    for text in [*note, *texts] if from_end else [*texts, *note]:
        yield f"    {text}"


def coloured(line: str, width: int, paint: Paint) -> list[str]:
    """A line of a unified diff."""
    look = {"+": Look.GOOD, "-": Look.BAD}.get(line[:1], Look.FAINT)
    return [paint(look, row) for row in wrapped(line, width)]


def measured(event: ToolFinished, given: dict[str, Any] | None) -> str:
    """How much was read, written or changed."""
    text = (given or {}).get("content") if event.name == "write_file" else event.output
    if not isinstance(text, str):
        return ""
    if event.name == "edit_file":
        signs = [line[:1] for line in text.split("\n")]
        return f"+{signs.count('+')} −{signs.count('-')}"
    lines = text.count("\n") + (not text.endswith("\n"))
    return "1 line" if lines == 1 else f"{lines:,} lines"


def bar(fraction: float) -> str:
    eighths = round(fraction * BAR * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(BAR, "·")


def elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
