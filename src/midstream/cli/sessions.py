"""`midstream sessions`: what was said before, to look at, to take out and to forget."""

import os
import shutil
import sys
from datetime import datetime

import click
import msgspec

from midstream.cli.going_on import the_one
from midstream.cli.statuses import PIPE_CLOSED
from midstream.errors import SessionError
from midstream.faces.plain import json_line, printable
from midstream.faces.transcript import markdown, plain
from midstream.journal.database import Summary
from midstream.journal.records import Record
from midstream.journal.session import Session
from midstream.journal.store import Journal, this_folder

SHORT_ID = 8
IN_USE = 1


class Sessions(click.Group):
    """The commands; each may lose its reader (`| head`), and `--debug` may stand anywhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, sorted(args, key=lambda each: each != "--debug"))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What Python still buffers would be an error at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED


@click.group(
    cls=Sessions, invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
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
    begin = f"{session.id[:SHORT_ID]}  {when}  {in_turns(session.turns):>9}  {here}  "
    words = " ".join(printable(session.first).split())
    room = max(20, width - len(begin))
    return printable(begin) + (words if len(words) <= room else f"{words[: room - 1]}…")


def in_turns(count: int) -> str:
    return f"{count} turn{'' if count == 1 else 's'}"


@command.command()
@click.argument("id_", metavar="ID")
def show(id_: str) -> None:
    """What was said in one, and what it cost."""
    journal = Journal()
    session, records = as_it_stands(journal, the_one(journal, id_).id)
    for paragraph in plain(records):
        click.echo(f"{printable(paragraph)}\n")
    usage = session.usage
    cost = "" if session.cost_usd is None else f" · ${session.cost_usd:.4f}"
    least, about = ("at least ", "about ") if session.guessed_tokens else ("", "")
    written = usage.output_tokens + session.guessed_tokens
    counts = f"{least}{usage.read:,} tokens in · {about}{written:,} out{cost}"
    click.echo(f"{printable(session.id)} · {in_turns(session.turns)} · {counts}", err=True)


@command.command()
@click.argument("id_", metavar="ID")
@click.option(
    "-f", "--format", "form", type=click.Choice(["jsonl", "markdown"]), default="jsonl",
    show_default=True, help="Every record, one JSON object a line; or what was said.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(allow_dash=True), default="-", metavar="FILE",
              help="A new file.  [default: stdout]")  # fmt: skip
def export(id_: str, form: str, output: str) -> None:
    """Write one session out."""
    journal = Journal()
    session = the_one(journal, id_)
    parts = in_lines(journal, session) if form == "jsonl" else in_markdown(journal, session)
    if output != "-":
        write_new(output, parts)
        return
    for each in parts:
        shown = printable(each) if form == "markdown" and sys.stdout.isatty() else each
        click.echo(shown, nl=False)


def in_lines(journal: Journal, session: Summary) -> list[str]:
    return [
        json_line(
            {"session": session.id, "n": row.n, "at": row.at} | msgspec.to_builtins(row.record)
        )
        for row in journal.rows(session.id)
    ]


def in_markdown(journal: Journal, session: Summary) -> list[str]:
    title = " ".join(session.first.split())[:80] or session.id
    _, records = as_it_stands(journal, session.id)
    first, *others = markdown(title, records)
    return [first, *(f"\n\n{each}" for each in others), "\n"]


def write_new(path: str, parts: list[str]) -> None:
    try:
        # For the eyes of its owner, and never over another file.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.UsageError(f"{path} is there already: name another file") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"{path} cannot be written: {why}") from error
    with open(file, "w", encoding="utf-8") as output:
        output.writelines(parts)


@command.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All sessions.")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS",
              help="Those that nothing was added to for so long.")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(ids: tuple[str, ...], every: bool, older_than: int | None, yes: bool) -> int:
    """Forget sessions for good."""
    if sum((bool(ids), every, older_than is not None)) != 1:
        raise click.UsageError("one of ID..., --all and --older-than")
    journal = Journal()
    found = chosen(journal, ids, older_than or 0)
    if found and not yes:
        confirm(found)
    try:
        journal.delete(*(each.id for each in found))
    except SessionError as error:
        if error.kind != "session_busy":
            raise
    left = {each.id for each in journal.summaries()}
    for each in found:
        kept = each.id in left
        words = "midstream: {} is kept: a run is adding to it" if kept else "deleted {}"
        click.echo(words.format(printable(each.id)), err=True)
    if not found:
        click.echo("no session to delete", err=True)
    return IN_USE if left.intersection(each.id for each in found) else 0


def chosen(journal: Journal, ids: tuple[str, ...], days: int) -> list[Summary]:
    """The sessions of these ids; without ids all to which nothing was added for so many days."""
    if not ids:
        until = datetime.now().timestamp() - days * 86_400
        return [each for each in journal.summaries() if each.updated <= until]
    try:
        return list(dict.fromkeys(the_one(journal, each) for each in ids))
    except click.UsageError:
        journal.delete()  # of what was deleted before, the text may still be in the file
        raise


def confirm(sessions: list[Summary]) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: -y deletes without asking")
    for each in sessions:
        click.echo(in_a_row(each, 100))
    click.confirm("Delete for good?", abort=True)


def as_it_stands(journal: Journal, session_id: str) -> tuple[Session, list[Record]]:
    """A session and its records, with those that settle a run whose process died."""
    while True:
        session = Session(session_id)
        session.record(*(records := [row.record for row in journal.rows(session_id)]))
        if not session.running:
            return session, records
        if journal.busy(session_id):
            click.echo("midstream: a run is going on: this is what it has so far", err=True)
            return session, records
        # A run that ended just now has left more records than these.
        if journal.database.last(session_id) == session.count:
            return session, [*records, *session.recovery()]
