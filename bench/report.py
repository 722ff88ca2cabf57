"""The tables of docs/performance.md, from the figures of bench/compare.py.

    python bench/report.py FILE.json [--write docs/performance.md]

A page holds each table between `<!-- bench NAME -->` and `<!-- bench end -->`; what stands between
is replaced. Without --write the tables are printed.
"""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Results = dict[str, Any]
Cell = Callable[[str], str]  # of a contender
Column = tuple[str, Cell]
# The libraries whose versions are told.
TOLD = (
    "anthropic", "openai", "pydantic-ai-slim", "litellm", "langchain-anthropic", "strands-agents",
    "ai", "llm", "llm-anthropic", "httpx2", "aiohttp", "msgspec",
)  # fmt: skip
# What the others on a wire are compared with.
OURS = {"messages": "midstream", "chat": "midstream, Chat", "responses": "midstream, Responses"}
WIRES = {"messages": "Anthropic Messages", "chat": "Chat Completions", "responses": "Responses"}
NOTHING = "—"


def number(value: float | None) -> str:
    """Three digits, which is more than most figures are worth."""
    if value is None:
        return NOTHING
    if value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Figures:
    """One measure's figures, by contender, with the ratios to midstream and to the floor."""

    def __init__(self, results: Results, measure: str) -> None:
        self.found: dict[str, dict[str, Any]] = results["measures"].get(measure, {})
        self._contenders = results["contenders"]

    def get(self, name: str, key: str) -> float | None:
        value = self.found.get(name, {}).get(key)
        return value if isinstance(value, float | int) else None

    def cell(self, key: str) -> Cell:
        return lambda name: self.failure(name) or number(self.get(name, key))

    def failure(self, name: str) -> str:
        """What stands in the place of a figure: the time that was too short, or that it failed."""
        words: str = self.found.get(name, {}).get("failed", "")
        late = re.match(r"took longer than (\d+) s", words)
        return f"over {late[1]} s" if late else "failed" if words else ""

    def to_ours(self, key: str) -> Cell:
        """The ratio to midstream's, on the same wire."""
        return lambda name: of(self.get(name, key), self.get(OURS[self._wire(name)], key))

    def to_floor(self, key: str) -> Cell:
        return lambda name: of(self.get(name, key), self.floor(name, key))

    def floor(self, name: str, key: str) -> float | None:
        """The least of the raw readers on the same wire: it is another one at each measure."""
        raw = (
            self.get(each, key)
            for each in self.found
            if self._contenders[each]["raw"] and self._wire(each) == self._wire(name)
        )
        return min((value for value in raw if value is not None), default=None)

    def _wire(self, name: str) -> str:
        wire: str = self._contenders[name]["wire"]
        return wire

    def columns(self, *columns: Column) -> list[Column]:
        """None where the measure was not taken."""
        return list(columns) if self.found else []

    def by(self, key: str) -> list[str]:
        """The contenders, wire by wire, least first; whoever failed is last."""

        def place(name: str) -> tuple[int, float]:
            value = self.get(name, key)
            wire = list(WIRES).index(self._wire(name))
            return wire, float("inf") if value is None else value

        return sorted(self.found, key=place)

    def notes(self) -> list[str]:
        failed = {name: each["failed"] for name, each in self.found.items() if "failed" in each}
        return [f"{name}: {words}" for name, words in failed.items() if not self._late(words)]

    @staticmethod
    def _late(words: str) -> bool:
        return words.startswith("took longer")


def ours(name: str) -> bool:
    return "midstream" in name


def table(names: list[str], columns: list[Column], notes: list[str]) -> str:
    lines = ["| | " + " | ".join(head for head, _ in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in names:
        shown = f"**{name}**" if ours(name) else name
        lines.append(f"| {shown} | " + " | ".join(cell(name) for _, cell in columns) + " |")
    return "\n".join([*lines, *(f"\n{note}." for note in notes)])


def cpu(results: Results) -> str:
    text, mixed, paced = (Figures(results, name) for name in ("text", "mixed", "paced"))
    columns = [
        *text.columns(
            ("text, µs", text.cell("us")),
            ("of midstream", text.to_ours("us")),
            ("of the floor", text.to_floor("us")),
        ),
        *mixed.columns(("mixed, µs", mixed.cell("us")), ("of midstream", mixed.to_ours("us"))),
        *paced.columns(
            ("one event a write, µs", paced.cell("us")),
            ("of midstream", paced.to_ours("us")),
            ("of the floor", paced.to_floor("us")),
        ),
        *text.columns(("a request, ms", text.cell("request_ms"))),
    ]
    names = dict.fromkeys(name for each in (text, mixed, paced) for name in each.by("us"))
    notes = dict.fromkeys(note for each in (text, mixed, paced) for note in each.notes())
    return table(list(names), columns, list(notes))


def argument(results: Results) -> str:
    found = Figures(results, "argument")
    columns = [
        ("CPU, s", found.cell("cpu_s")),
        ("of midstream", found.to_ours("cpu_s")),
        ("of the floor", found.to_floor("cpu_s")),
        ("memory, MB more", found.cell("grown_mb")),
        ("the process at its peak, MB", found.cell("peak_mb")),
    ]
    return table(found.by("cpu_s"), columns, found.notes())


def streams(results: Results) -> str:
    found, kept = Figures(results, "many"), Figures(results, "memory")
    rungs = (1, 10, 100, 300, 1000)
    late = [(f"p99 at {rung:,}, ms", found.cell(f"p99_ms_{rung}")) for rung in rungs]
    columns = found.columns(("streams held", found.cell("held")), *late)
    columns += kept.columns(("a stream, KB", kept.cell("kb")))

    def least(name: str) -> tuple[float, float, float]:
        held, cpu = found.get(name, "held") or 0, found.get(name, "cpu_1") or 0
        return -held, cpu, kept.get(name, "kb") or 0

    names = sorted({**found.found, **kept.found}, key=least)
    return table(names, columns, [*found.notes(), *kept.notes()])


def start(results: Results) -> str:
    first, cold = Figures(results, "ttft"), Figures(results, "cold")
    base = cold.get("midstream -p", "ms")

    def added(name: str) -> str:
        value, base = first.get(name, "ms"), first.floor(name, "ms")
        return NOTHING if value is None or base is None else number(value - base)

    columns = [
        *first.columns(
            ("first text of a warm client, ms", first.cell("ms")),
            ("more than the floor, ms", added),
        ),
        *cold.columns(
            ("cold start to the first text, ms", cold.cell("ms")),
            ("of midstream -p", lambda name: of(cold.get(name, "ms"), base)),
        ),
    ]
    far = float("inf")  # whoever did not start cold stands behind those who did
    names = sorted(
        {*first.found, *cold.found},
        key=lambda name: (cold.get(name, "ms") or far, first.get(name, "ms") or far),
    )
    return table(names, columns, [*first.notes(), *cold.notes()])


def of(value: float | None, base: float | None) -> str:
    return f"{number(value / base)} ×" if value and base else ""


def overlap(results: Results) -> str:
    found = Figures(results, "overlap")
    columns = [
        ("the first tool starts, s", found.cell("first_tool_s")),
        ("after its block's end, ms", found.cell("start_a_ms")),
        ("the second, after its own, ms", found.cell("start_b_ms")),
        ("the run ends, s", found.cell("run_s")),
        ("longest gap for a reader, ms", found.cell("gap_ms")),
        ("next request, after stream and tools, ms", found.cell("next_request_ms")),
    ]
    names = sorted(found.found, key=lambda name: found.get(name, "run_s") or float("inf"))
    return table(names, columns, found.notes())


class Table(NamedTuple):
    """A table of the page, by the measures that fill it; it is made if one of them was taken."""

    heading: str
    measures: tuple[str, ...]
    make: Callable[[Results], str]


TABLES = {
    "cpu": Table("CPU a delta", ("text", "mixed", "paced"), cpu),
    "argument": Table("A long argument", ("argument",), argument),
    "streams": Table("Many streams", ("many", "memory"), streams),
    "start": Table("The first text", ("ttft", "cold"), start),
    "overlap": Table("Overlap", ("overlap",), overlap),
}


def tables(results: Results) -> dict[str, str]:
    """The tables by name; in each is what was measured of it."""
    return {
        name: each.make(results)
        for name, each in TABLES.items()
        if results["measures"].keys() & set(each.measures)
    }


def about(results: Results) -> str:
    told = results["about"]
    peers = {each["peer"] for each in results["contenders"].values()}
    found: dict[str, set[str]] = {}
    for peer in peers:
        for name, version in told["versions"][peer].items():
            if name in TOLD:
                found.setdefault(name, set()).add(version)
    listed = [f"{name} {' and '.join(sorted(found[name]))}" for name in TOLD if name in found]
    kind = "A quick run of " if told["quick"] else ""
    code = f", commit {told['commit']}" if told["commit"] else ""
    where = f"{told['date']}{code}, {told['machine']}, CPython {told['python']}"
    return f"{kind}{where}; {', '.join(listed)}."


def written(page: str, results: Results) -> str:
    """The page with the tables of the results in their places."""
    for name, made in (tables(results) | {"about": about(results)}).items():
        begin, end = f"<!-- bench {name} -->\n", "<!-- bench end -->"
        before, _, rest = page.partition(begin)
        page = before + begin + made + "\n" + rest[rest.index(end) :]
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description="Make tables of figures.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    try:
        results = json.loads(options.file.read_text())
    except (OSError, ValueError) as error:
        parser.error(f"{options.file} has no figures of bench/compare.py: {error}")
    if options.write:
        options.write.write_text(written(options.write.read_text(), results))
    else:
        print("\n\n".join([about(results), *tables(results).values()]))


if __name__ == "__main__":
    main()
