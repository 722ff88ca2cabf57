"""`midstream sessions`: what was said before, to look at, to take out and to forget."""

import shutil
import sys
from datetime import datetime
from typing import TextIO

import click
import msgspec

from midstream.cli.going_on import the_one
from midstream.faces.plain import json_line, printable
from midstream.faces.transcript import markdown, plain
from midstream.journal.database import Summary
from midstream.journal.records import Record
from midstream.journal.store import Journal, this_folder

SHORT_ID = 8


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, hidden=True)
@click.pass_context
def command(context: click.Context, debug: bool) -> None:
    """List, show, export and delete sessions. ID is an id, or the beginning of one.

    midstream -c goes on with the latest of this folder, midstream -r ID with any.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@command.command(name="list")
@click.option("--here", is_flag=True, help="Only those of this folder.")
@click.option("-o", "--output-format", type=click.Choice(["text", "json"]), default="text")
def list_(here: bool = False, output_format: str = "text") -> None:
    """The sessions, the latest first."""
    found = [s for s in Journal().summaries() if not here or s.folder == this_folder()]
    if output_format == "json":
        for each in found:
            click.echo(json_line(each), nl=False)
        return
    if not found:
        click.echo('no sessions yet: midstream "What is …?" begins one', err=True)
        return
    for each in found:
        click.echo(in_a_row(each, shutil.get_terminal_size((100, 24)).columns))


def in_a_row(session: Summary, width: int) -> str:
    when = datetime.fromtimestamp(session.updated).strftime("%Y-%m-%d %H:%M")
    here = "." if session.folder == this_folder() else session.folder
    turns = f"{session.turns} turn{'s' if session.turns != 1 else ''}"
    begin = f"{session.id[:SHORT_ID]}  {when}  {turns:>9}  {here}  "
    words = " ".join(printable(session.first).split())
    room = max(20, width - len(begin))
    return printable(begin) + (words if len(words) <= room else f"{words[: room - 1]}…")


@command.command()
@click.argument("id_", metavar="ID")
def show(id_: str) -> None:
    """What was said in one, and what it cost."""
    journal = Journal()
    session = journal.session(the_one(journal, id_).id)
    for paragraph in plain(records_of(journal, session.id)):
        click.echo(f"{printable(paragraph)}\n")
    usage = session.usage
    cost = "" if session.cost_usd is None else f" · ${session.cost_usd:.4f}"
    counts = f"{usage.input_tokens:,} tokens in · {usage.output_tokens:,} out{cost}"
    click.echo(f"{session.id} · {session.turns} turns · {counts}", err=True)


@command.command()
@click.argument("id_", metavar="ID")
@click.option(
    "-f", "--format", "form", type=click.Choice(["jsonl", "markdown"]), default="jsonl",
    show_default=True, help="Every record, one JSON object a line; or what was said.",
)  # fmt: skip
@click.option("-o", "--output", type=click.File("w", encoding="utf-8"), default="-")
def export(id_: str, form: str, output: TextIO) -> None:
    """Write one session out."""
    journal = Journal()
    session = the_one(journal, id_)
    if form == "jsonl":
        for row in journal.rows(session.id):
            record = msgspec.to_builtins(row.record)
            output.write(json_line({"session": session.id, "n": row.n, "at": row.at, **record}))
        return
    title = " ".join(session.first.split())[:80] or session.id
    text = "\n\n".join(markdown(title, records_of(journal, session.id))) + "\n"
    output.write(printable(text) if output.isatty() else text)


@command.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(ids: tuple[str, ...], yes: bool) -> None:
    """Forget sessions for good."""
    journal = Journal()
    found = [the_one(journal, each) for each in ids]
    if not yes and sys.stdin.isatty():
        for each in found:
            click.echo(in_a_row(each, 100))
        click.confirm("Delete for good?", abort=True)
    for each in found:
        journal.delete(each.id)
        click.echo(f"deleted {each.id}", err=True)


def records_of(journal: Journal, session_id: str) -> list[Record]:
    """Every record, and those that settle a run whose process died."""
    session = journal.session(session_id)
    return [row.record for row in journal.rows(session_id)] + session.recovery()
