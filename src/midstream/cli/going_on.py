"""Which session a question belongs to."""

from collections.abc import Iterable, Iterator

import click

from midstream.errors import SessionError
from midstream.faces.plain import arguments, printable
from midstream.journal.database import Summary
from midstream.journal.open_turn import UNKNOWN
from midstream.journal.records import NOTE, Committed, Record, Untold
from midstream.journal.session import Session
from midstream.journal.store import Journal
from midstream.messages import Message, ToolCall, ToolResult

LONGEST_LINE = 300
LISTED = "midstream sessions lists them"
NAMED = 5  # of the sessions that an id might mean


def session_for(latest: bool, resume: str | None, no_session: bool) -> Session:
    """The session that `-c`, `-r ID` and `--no-session` ask for; else a new one.

    Raises:
        SessionError: it cannot be read. A new one that cannot be kept is no error: it is said.
        UsageError: there is no such session.
    """
    if sum((latest, resume is not None, no_session)) > 1:
        raise click.UsageError("one of --continue, --resume and --no-session, not two")
    if no_session:
        return Session()
    journal = Journal()
    if resume is not None:
        return told(journal, journal.session(the_one(journal, resume).id))
    if latest:
        if found := journal.latest():
            return told(journal, found)
        raise click.UsageError(f"no session has begun in this folder; {LISTED}")
    try:
        return journal.session()
    except SessionError as error:
        click.echo(f"midstream: {error}; this one is not kept, as with --no-session", err=True)
        return Session()


def told(journal: Journal, session: Session) -> Session:
    """Say what is in doubt if the last run of the session died."""
    settled = session.recovery()
    if settled and not journal.busy(session.id):
        click.echo("midstream: the last run of this session died, and is settled first", err=True)
        for line in in_doubt(settled):
            click.echo(f"  ✗ {printable(line)[:LONGEST_LINE]}", err=True)
    return session


def in_doubt(records: Iterable[Record]) -> Iterator[str]:
    """The calls of which nobody knows whether they ran, and those that the model does not see."""
    for record in records:
        match record:
            case Committed(message=message, results=Message(blocks=blocks)):
                calls = {each.id: each for each in message.blocks if isinstance(each, ToolCall)}
                for each in blocks:
                    if isinstance(each, ToolResult) and each.output == UNKNOWN:
                        call = calls[each.call_id]
                        yield f"{call.name}({arguments(call.input)}): {UNKNOWN}"
            case Untold(note):
                yield from note.removeprefix(NOTE).removesuffix("]").splitlines()
            case _:
                pass


def the_one(journal: Journal, prefix: str) -> Summary:
    """The session whose id begins so."""
    if not prefix:
        raise click.UsageError(f"an empty id names no session; {LISTED}")
    found = journal.find(prefix)
    if not found:
        raise click.UsageError(f"there is no session {prefix!r}; {LISTED}")
    if len(found) > 1:
        names = ", ".join(each.id for each in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise click.UsageError(f"{len(found)} sessions begin with {prefix!r}: {names}{more}")
    return found[0]
