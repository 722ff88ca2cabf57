"""`midstream timeline`: when the model wrote and the tools ran, as bars on one time axis."""

import os
import shutil
import sys
from datetime import datetime

import click

from midstream.cli.going_on import LISTED, the_one
from midstream.cli.pictures import svg_file
from midstream.cli.sessions import write_new
from midstream.cli.statuses import PIPE_CLOSED
from midstream.cli.writing import write_out
from midstream.faces.plain import json_line
from midstream.faces.timeline import lines
from midstream.faces.timeline_svg import svg
from midstream.journal.database import Row, Summary
from midstream.journal.records import Ended
from midstream.journal.store import Journal, this_folder
from midstream.journal.timeline import Run, timeline

WIDTH = 100  # where there is no terminal to ask, nor COLUMNS


@click.command(name="timeline", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("session", required=False)
@click.option("--run", "number", type=click.IntRange(1), metavar="N",
              help="The Nth run of the session.  [default: the last]")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Every run, one below the other.")
@click.option("--svg", "file", metavar="FILE", callback=svg_file,
              help="Draw it into a new file.")  # fmt: skip
@click.option("-o", "--output-format", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="json: one run a line.")  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    session: str | None, number: int | None, every: bool, file: str | None, output_format: str,
    debug: bool,
) -> int:  # fmt: skip
    """Show when the model wrote and when its tools ran.

    SESSION is an id, or the beginning of one; without it, this folder's latest. What is thick was
    waited for: text, and the tools that still ran when it had ended. Tools that are thin ran behind
    the text.
    """
    if number is not None and every:
        raise click.UsageError("one of --run and --all, not both")
    if file is not None and output_format == "json":
        raise click.UsageError("one of --svg and -o json, not both")
    runs = chosen(runs_of(Journal(), session), number, every)
    if file is not None:
        write_new(file, [svg(runs)])
        return 0
    try:
        write_out("".join(map(json_line, runs)) if output_format == "json" else in_text(runs))
    except BrokenPipeError:
        return PIPE_CLOSED
    return 0


def runs_of(journal: Journal, session: str | None) -> list[Run]:
    """The runs of a session; what its process did not live to end is no longer than its rows."""
    name = (the_one(journal, session) if session is not None else latest(journal)).id
    while True:
        rows = journal.rows(name)
        if not rows or isinstance(rows[-1].record, Ended):
            return timeline(rows)
        if journal.busy(name):
            return timeline(rows, datetime.now().timestamp())
        # A run that ended just now has left more rows than these.
        if journal.database.last(name) == len(rows):
            return timeline([*rows, Row(len(rows) + 1, rows[-1].at, Ended("died"))])


def latest(journal: Journal) -> Summary:
    found = (each for each in journal.summaries() if each.folder == this_folder())
    if summary := next(found, None):
        return summary
    raise click.UsageError(f"no session has begun in this folder; {LISTED}")


def chosen(runs: list[Run], number: int | None, every: bool) -> list[Run]:
    if every:
        return runs
    if number is None:
        return runs[-1:]
    if number > len(runs):
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        raise click.UsageError(f"there is no run {number}: the session has {count}")
    return [runs[number - 1]]


def in_text(runs: list[Run]) -> str:
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    colour = sys.stdout.isatty() and not plain
    shown: list[str] = []
    for run in runs:
        if len(runs) > 1:
            when = datetime.fromtimestamp(run.at).strftime("%Y-%m-%d %H:%M")
            shown.append(f"run {run.number} · {when}")
        shown += [*lines(run, width, colour), ""]
    return "\n".join(shown[:-1]) + "\n"
