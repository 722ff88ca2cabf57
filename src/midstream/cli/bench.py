"""`midstream bench`: how fast a model answers, and how much of its tools' time nobody waits for."""

import os
import shutil
import sys

import anyio
import click

from midstream import __version__
from midstream.cli.ask import Ask, default_model, tell_of_the_folders, valid
from midstream.cli.bill import agree, bill
from midstream.cli.leaving import leaving
from midstream.cli.load import load_model
from midstream.cli.loading import with_progress
from midstream.cli.measuring import (
    WITH_TOOLS,
    WITHOUT_TOOLS,
    Measuring,
    Plan,
    keep_draft,
    look_up,
)
from midstream.cli.pictures import svg_file
from midstream.cli.progress import Progress
from midstream.cli.sessions import write_new
from midstream.cli.statuses import BAD_CONFIGURATION, CANCELLED, FAILED, PIPE_CLOSED, not_let_in
from midstream.cli.writing import write_out
from midstream.faces.bench.picture import svg
from midstream.faces.bench.summary import Report, errors, summary
from midstream.faces.bench.table import in_words, table, unanswered
from midstream.faces.plain import json_line
from midstream.secrets.names import address

WIDTH = 80  # where there is neither a terminal to ask nor COLUMNS
EPILOG = """\b
A request is one question with all that it takes to answer it: as a rule two
turns, one that calls two tools (of half a second, and of none) and goes on
writing, and one with their results; with --no-tools, one turn. TTFT is the
time to the first text, thinking or tool token. Connections are kept: the
first request of each, one for each of --parallel, has connecting (name, TCP,
TLS) in it. Tokens are the provider's count. Percentiles are by nearest rank,
over the requests that were answered; failures and retries are counted apart.
Without a key sim:bench is measured, which is a script. What costs money is
told before, and asked for; of your own --prompt only the most that it can
cost, since nobody knows how long its answers are.
Exit status: 0 some request was answered, 1 none was, 2 wrong usage, 4 no or
wrong key or bad configuration, 130 stopped (with the figures so far)."""


@click.command(
    name="bench", cls=Ask, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("-m", "--model", metavar="PROVIDER:NAME", envvar="MIDSTREAM_MODEL",
              help="Such as anthropic:claude-sonnet-4-6.")  # fmt: skip
@click.option("--base-url", metavar="URL", envvar="MIDSTREAM_BASE_URL",
              help="Where the provider's API is.")  # fmt: skip
@click.option("-n", "--requests", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="How many questions are asked.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(1, 256), default=1, show_default=True,
              help="How many go on at once.")  # fmt: skip
@click.option("--prompt", metavar="TEXT", help="What is asked.  [default: what needs the tools]")
# Not the configuration's `max_tokens`: figures are to be compared.
@click.option("--max-tokens", "longest", type=click.IntRange(1), default=1024, show_default=True,
              help="Of one turn.")  # fmt: skip
@click.option("--tools/--no-tools", default=True, show_default=True,
              help="With two tools, or without.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One object: the figures and every request.")
@click.option("--svg", "file", metavar="FILE", callback=svg_file,
              help="Draw the figures into a new file, too.")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(
    model: str | None, base_url: str | None, requests: int, parallel: int, prompt: str | None,
    longest: int, tools: bool, as_json: bool, file: str | None, yes: bool, debug: bool,
) -> int:  # fmt: skip
    """Measure a model: TTFT, tokens/s, and how much tool time its stream hides.

    Any provider that midstream can ask, with its own key; without one, the simulator.
    """
    tell_of_the_folders(model)
    name = default_model(base_url) if model is None else valid(model)
    name = "sim:bench" if name == "sim:" else name
    found = load_model(name, base_url)
    if file is not None:
        check_new(file)
    if sys.__stdout__ is None and (as_json or file is None):
        raise click.UsageError("stdout is closed: there is nowhere to write the figures")
    if prompt is not None and not prompt.strip():
        raise click.UsageError("--prompt is empty")
    own = valid(prompt) if prompt else ""
    kit = (look_up, keep_draft) if tools else ()
    plan = Plan(requests, parallel, own or (WITH_TOOLS if tools else WITHOUT_TOOLS), longest, kit)
    agree(bill(name, base_url, plan), yes)
    measuring = Measuring(plan, progress := Progress(requests))
    with leaving() as signals:
        try:
            anyio.run(measuring.measure, with_progress(found, sys.stderr.fileno()), signals)
        finally:
            progress.close()
        report = report_of(name, base_url, plan, measuring)
        status = deliver(report, as_json, file)
        signals.over(status)
    return status


def check_new(file: str) -> None:
    """Refuse beforehand what could not be written once all is measured."""
    folder = os.path.dirname(file) or "."
    if os.path.lexists(file):
        raise click.UsageError(f"{file} is there already: name another file")
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise click.UsageError(f"{file} cannot be written: {folder} is no folder to write in")


def report_of(name: str, base_url: str | None, plan: Plan, measuring: Measuring) -> Report:
    samples = tuple(sorted(measuring.samples, key=lambda each: each.number))
    return Report(
        __version__,
        name,
        address(base_url) if base_url else None,
        plan.requests,
        plan.parallel,
        bool(plan.tools),
        plan.max_tokens,
        plan.prompt,
        measuring.end.name.lower(),
        summary(samples, plan.requests),
        samples,
    )


def deliver(report: Report, as_json: bool, file: str | None) -> int:
    """Write the figures where they are wanted. Returns the exit status.

    They may have been paid for: what cannot be written to one place is written to the other.
    """
    answered = report.summary.answered
    try:
        if file and answered:
            write_new(file, [svg(report)])
    finally:
        left = show(report, as_json)
    if left:
        return PIPE_CLOSED
    if report.end == "stopped":
        if not answered:
            click.echo("midstream: stopped before a request was answered", err=True)
        return CANCELLED
    return 0 if answered else give_up(report)


def show(report: Report, as_json: bool) -> bool:
    """Write the figures to stdout. Returns whether its reader has left."""
    try:
        if as_json:
            write_out(json_line(report))
        elif report.summary.answered:
            width = shutil.get_terminal_size((WIDTH, 24)).columns
            write_out("\n".join([*table(report, width), ""]))
    except BrokenPipeError:
        return True
    return False


def give_up(report: Report) -> int:
    """Say why no request was answered. Returns the exit status."""
    problem, _ = errors(report.samples)[0]
    which = "the request failed"
    if report.requests > 1:
        which = f"no request was answered ({', '.join(unanswered(report.summary))})"
    words = f"{which}: {in_words(problem)}; midstream doctor says what can be used"
    click.echo(f"midstream: {words}", err=True)
    return BAD_CONFIGURATION if not_let_in(problem) else FAILED
