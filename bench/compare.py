"""midstream beside its peers and beside raw readers: all measures, in turns, medians of rounds.

    python bench/compare.py [--quick] [--only MEASURE ...] [--peers PEER ...] [--rounds N]
                            [--json FILE]

Each peer runs in its own virtual environment (bench/venvs.py), midstream in the one that this runs
in; the bytes come from a server in C (bench/replay.c). With two cores or more the server has one to
itself and whoever is measured another. The figures go to the file, from which bench/report.py makes
the tables and bench/plots.py the pictures. What happens is told on stderr.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measures import FULL, MEASURES, QUICK, Figures, Place
from plays import schedules
from report import TABLES, tables
from server import Server, serving
from venvs import HERE, PEERS
from workers import Contender, Failed, Worker, versions, workers

Rounds = dict[str, list[Figures | str]]  # by contender; words where it failed


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def cores() -> tuple[int | None, int | None]:
    """The server's core, and the one of whoever is measured, if there are two."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[-1]) if len(usable) > 1 else (None, None)


class Bench:
    def __init__(self, server: Server, found: dict[str, Worker], options: argparse.Namespace):
        self._server = server
        self._workers = found
        self._sizes = QUICK if options.quick else FULL
        self._options = options
        self.contenders: dict[str, Contender] = {}
        for worker in found.values():
            self.contenders |= worker.contenders()
            worker.stop()

    def rounds_of(self, measure: str) -> int:
        rounds: int | None = self._options.rounds
        told = MEASURES[measure]
        return rounds or (told.quick_rounds if self._options.quick else told.rounds)

    def measured(self, measure: str) -> Rounds:
        """All contenders in turns, round by round; each command warms up by itself."""
        found: Rounds = {
            name: [] for name, each in self.contenders.items() if measure in each.measures
        }
        for number in range(self.rounds_of(measure)):
            tell(f"{measure}: round {number + 1}")
            for name, before in found.items():
                if not self._is_enough(before):
                    before.append(self._once(measure, name))
        for worker in self._workers.values():
            worker.stop()
        return found

    def _once(self, measure: str, name: str) -> Figures | str:
        contender = self.contenders[name]
        place = Place(self._server, self._workers[contender.peer], self._sizes)
        try:
            figures = MEASURES[measure].take(contender, place)
        except Failed as failed:
            tell(f"  {name}: {failed}")
            return str(failed)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in figures.items() if v is not None)
        tell(f"  {name}: {shown}")
        return figures

    def _is_enough(self, before: list[Figures | str]) -> bool:
        """Whoever fails or is slow would keep the others waiting, and is not asked again."""
        return any(
            isinstance(each, str) or (each.get("cpu_s") or 0) > self._sizes.slow_s
            for each in before
        )


def median(rounds: list[Figures | str]) -> dict[str, Any]:
    """The median of each figure; a figure that a round lacks is left out of it."""
    failed = next((each for each in rounds if isinstance(each, str)), None)
    if failed is not None:
        return {"failed": failed}
    kept = [each for each in rounds if not isinstance(each, str)]
    names = dict.fromkeys(name for each in kept for name in each)
    found: dict[str, Any] = {}
    for name in names:
        values = [value for each in kept if (value := each.get(name)) is not None]
        found[name] = statistics.median(values) if values else None
    return found


def commit() -> str | None:
    """The code that is measured, with "-dirty" behind it where it has been changed since."""
    git = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    with suppress(OSError, subprocess.CalledProcessError):  # no git; or not its folder
        done = subprocess.run(git, cwd=HERE, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    return None


def about(found: dict[str, Worker], quick: bool) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "quick": quick,
        "versions": {peer: versions(worker) for peer, worker in found.items()},
    }


ABOUT = """\
Measure midstream beside its peers, in turns, and print tables of the medians of all rounds.

midstream always takes part. Each peer has a virtual environment of its own in bench/.venvs, which
is installed when it is first needed (all of them in about a minute); `sockets` has the raw readers.
On two cores a whole run takes about 45 minutes, a quick one about 15. How far it is, and the
figures of each round, go to stderr.
"""
EXAMPLE = """\
example: CPU and first text, beside two peers, in a few minutes
  python bench/compare.py --quick --only text ttft --peers anthropic sockets --json some.json
  python bench/report.py some.json
"""


def measures_told() -> str:
    """The measures, by the table of docs/performance.md that has them."""
    lines = ["measures, by the table of docs/performance.md that has them:"]
    for table in TABLES.values():
        lines.append(f"  {table.heading}")
        lines += [f"    {name:10}{MEASURES[name].about}" for name in table.measures]
    return "\n".join(lines)


def at_least_one(word: str) -> int:
    if (count := int(word)) < 1:
        raise argparse.ArgumentTypeError(f"{count} is less than 1")
    return count


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=ABOUT,
        epilog=f"{measures_told()}\n\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    some = f"midstream beside these alone: {', '.join(PEERS)}"
    most = max(each.rounds for each in MEASURES.values())
    rounds = f"so many of each, instead of 1 to {most}; whoever fails or is slow is asked once"
    file = "write the figures there after each measure, for bench/report.py and bench/plots.py"
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer rounds, shorter streams, fewer at once")
    add("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="MEASURE",
        help="these measures alone; see below")  # fmt: skip
    add("--peers", nargs="+", choices=PEERS, default=PEERS, metavar="PEER", help=some)
    add("--rounds", type=at_least_one, metavar="N", help=rounds)
    add("--json", type=Path, metavar="FILE", help=file)
    options = parser.parse_args()
    if find_spec("midstream") is None:
        parser.error(f"{sys.executable} has no midstream: make .venv/dev, then .venv/bin/python")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"there is no folder {options.json.parent}")
    return options


def main() -> None:
    options = arguments()
    server_core, core = cores()
    found = workers(options.peers, core, tell)
    sizes = QUICK if options.quick else FULL
    results: dict[str, Any] = {"about": about(found, options.quick), "measures": {}, "rounds": {}}
    with serving(schedules(sizes.pieces), server_core) as server:
        bench = Bench(server, found, options)
        results["contenders"] = {
            name: {"peer": each.peer, "wire": each.wire, "raw": each.raw}
            for name, each in bench.contenders.items()
        }
        for measure in options.only:
            rounds = bench.measured(measure)
            results["rounds"][measure] = rounds
            results["measures"][measure] = {name: median(each) for name, each in rounds.items()}
            if options.json:  # after each measure, so that nothing is lost
                options.json.write_text(json.dumps(results, indent=1) + "\n")
    print("\n\n".join(tables(results).values()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
