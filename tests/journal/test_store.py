"""Sessions on disk: kept whole, in order, by one run at a time, and read back as they were."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import astuple

from midstream.errors import SessionError
from midstream.journal import opening
from midstream.journal.database import DECODER, ENCODER
from midstream.journal.lock import hold, lock_file
from midstream.journal.opening import migrate
from midstream.journal.records import (
    Began,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
    Untold,
    Wrote,
)
from midstream.journal.session import Session
from midstream.journal.store import Journal, StoredSession
from midstream.messages import (
    Image,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from tests.journal.test_session import journals


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "sessions.db")


def user(words: str) -> Message:
    return Message("user", (Text(words),))


def said(words: str) -> Message:
    return Message("assistant", (Text(words),))


def safe(value: Any) -> Any:
    """Without halves of surrogate pairs, which can be held in memory but not written."""
    if isinstance(value, list | tuple):
        return type(value)(safe(each) for each in value)
    if isinstance(value, dict):
        return {safe(key): safe(each) for key, each in value.items()}
    if isinstance(value, msgspec.Struct):
        return type(value)(*map(safe, astuple(value)))
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else value


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def keep(session: Session, *records: Record) -> None:
    async with session.held():
        session.record(*records)
        assert await session.saved(), session.trouble


TURN = (Prompted(user("Hi")), Began(1, 1), Committed(1, said("Yes?"), None), Ended("completed"))

RECORDS: list[Record] = [
    Prompted(Message("user", (Text("a \0 \ufffd \u2028 🙂"), Image(b"\0\xff", "image/png")))),
    Began(1, 1, "claude-sonnet-4-6"),
    Wrote(1, 0, Thinking("Hm", "sig==")),
    Wrote(1, 1, Text("So", ({"type": "char_location"},))),
    Wrote(1, 2, ToolCall("a", "pay", {"n": 10**30, "x": [1.5, None]}, Opaque("anthropic", {}))),
    Wrote(1, 3, Opaque("anthropic", {"type": "redacted_thinking", "data": "=="})),
    Wrote(1, 3, None),
    CallBegan(1, "a", "pay", {"amount": 5}, "write", 1),
    CallEnded(1, ToolResult("a", (Text("seen"), Image(b"\x89PNG")), is_error=True)),
    Discarded(1, 1, "overloaded", Usage(input_tokens=3)),
    Interrupted(1, "No"),
    Interrupted(1),
    Compacted(2, "We met.", Message("user", (Text("We met."),)), Usage(3, 4), 0.5),
    Committed(1, said("x"), user("y"), True, True, "end_turn", Usage(1, 2, 3, 4, 5), 0.1, 0.2, 0.3),
    Untold("a was paid"),
    Ended("failed", "why"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_back_as_it_was(record: Record) -> None:
    assert DECODER.decode(ENCODER.encode(record)) == record


def test_a_session_is_read_back_in_another_process_as_it_was(journal: Journal) -> None:
    anyio.run(keep, journal.session("ada"), *TURN)
    script = "import sys; from midstream.journal.store import Journal; "
    script += "print(Journal(sys.argv[1]).session('ada').messages)"
    command = [sys.executable, "-c", script, str(journal.path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str([user("Hi"), said("Yes?")])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@given(records=journals())
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_was_recorded_means_the_same_when_it_is_opened(
    records: list[Record], tmp_path: Path
) -> None:
    journal = Journal(tmp_path / f"{os.urandom(8).hex()}.db")
    first = journal.session("s")
    await keep(first, *records)
    again = journal.session("s")
    kept = ("messages", "conversation", "untold", "count", "turns", "running")
    for each in (*kept, "usage", "discarded_usage", "cost_usd"):
        assert getattr(again, each) == safe(getattr(first, each)), each
    assert again.recovery() == safe(first.recovery())
    assert [row.record for row in journal.rows("s")] == safe(records)
    journal.close()


async def test_records_that_are_added_together_are_kept_together_or_not_at_all(
    journal: Journal,
) -> None:
    session = journal.session("s")
    await keep(session, *TURN)
    sqlite3.connect(journal.path).execute(
        "CREATE TRIGGER full BEFORE INSERT ON records WHEN new.kind = 'untold' "
        "BEGIN SELECT raise(FAIL, 'database or disk is full'); END"
    )
    async with session.held():
        session.record(Committed(2, said("x"), None), Untold("y"))
        assert not await session.saved()
    assert "disk is full" in session.trouble
    assert [row.record for row in journal.rows("s")] == list(TURN)


async def test_what_could_not_be_saved_is_saved_with_what_follows(journal: Journal) -> None:
    session = journal.session("s")
    await keep(session, *TURN)
    other = sqlite3.connect(journal.path)
    other.execute(
        "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT raise(FAIL, 'full'); END"
    )
    async with session.held():
        session.record(Prompted(user("And?")))
        assert not await session.saved()
        other.execute("DROP TRIGGER full")
        session.record(Ended("failed"))
        assert await session.saved()
        assert session.trouble == ""
    kinds = [row.record.kind for row in journal.rows("s")]
    assert kinds[-2:] == ["prompted", "ended"]


async def test_many_who_wait_are_served_by_one_write(journal: Journal) -> None:
    session = journal.session("s")
    async with session.held(), anyio.create_task_group() as tasks:
        for number in range(100):
            session.record(Began(1, number))
            tasks.start_soon(session.saved)
    assert [row.n for row in journal.rows("s")] == list(range(1, 101))


async def test_what_is_still_to_be_written_is_when_the_session_is_let_go(journal: Journal) -> None:
    session = journal.session("s")
    async with session.held():
        session.record(*TURN)
    assert [row.record for row in journal.rows("s")] == list(TURN)


async def test_a_write_that_has_begun_is_waited_for_though_the_run_is_stopped(
    journal: Journal,
) -> None:
    session = journal.session("s")
    other = sqlite3.connect(journal.path, isolation_level=None)
    async with session.held():
        other.execute("BEGIN IMMEDIATE")  # the write waits for this one
        session.record(*TURN[:2])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.saved)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            other.execute("ROLLBACK")
        session.record(*TURN[2:])
        assert await session.saved(), session.trouble
    assert [row.record for row in journal.rows("s")] == list(TURN)


async def test_what_is_recorded_during_a_write_is_written_with_the_next(journal: Journal) -> None:
    session = journal.session("s")
    other = sqlite3.connect(journal.path, isolation_level=None)
    async with session.held():
        other.execute("BEGIN IMMEDIATE")  # the write waits for this one
        session.record(*TURN[:2])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.saved)
            await anyio.wait_all_tasks_blocked()
            session.record(*TURN[2:])
            other.execute("ROLLBACK")
        assert await session.saved(), session.trouble
    assert [row.record for row in journal.rows("s")] == list(TURN)


def test_a_commit_waits_until_the_disk_has_it(journal: Journal) -> None:
    journal.session()
    connection = opening.connect(journal.path)
    # The setting alone: no test can cut the power.
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


# -- one at a time -----------------------------------------------------------------------------


async def test_a_second_run_is_told_that_the_session_is_in_use(journal: Journal) -> None:
    session = journal.session("s")
    async with session.held():
        for other in (session, journal.session("s"), Journal(journal.path).session("s")):
            with pytest.raises(SessionError, match="adding to this session") as told:
                async with other.held():
                    raise AssertionError("it was let in")
            assert told.value.kind == "session_busy"
        async with journal.session("another one").held():
            pass


HOLD = """
import sys, anyio
from midstream.journal.store import Journal
from midstream.journal.records import Prompted, Began
from midstream.messages import Message, Text
async def main():
    session = Journal(sys.argv[1]).session("s")
    async with session.held():
        session.record(Prompted(Message("user", (Text("Hi"),))), Began(1, 1))
        await session.saved()
        print("held", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


async def test_a_process_that_was_killed_holds_nothing(journal: Journal) -> None:
    command = [sys.executable, "-c", HOLD, str(journal.path)]
    async with await anyio.open_process(command) as child:
        assert child.stdout is not None
        assert (await child.stdout.receive()).startswith(b"held")
        session = journal.session("s")
        try:
            with pytest.raises(SessionError, match="another run, here or in another process"):
                async with session.held():
                    pass
            assert journal.busy("s")
        finally:
            child.kill()
        await child.wait()
    assert not journal.busy("s")
    async with session.held():
        assert session.running, "and what it left is there to be settled"
        assert [record.kind for record in session.recovery()] == ["committed", "ended"]


async def test_what_another_process_added_is_read_before_more_is_added(journal: Journal) -> None:
    mine, theirs = journal.session("s"), Journal(journal.path).session("s")
    await keep(theirs, *TURN)
    assert mine.messages == []
    await keep(mine, Prompted(user("And?")), Committed(1, said("No."), None), Ended("completed"))
    assert [m.text for m in mine.messages] == ["Hi", "Yes?", "And?", "No."]
    assert [m.text for m in journal.session("s").messages] == ["Hi", "Yes?", "And?", "No."]


async def test_what_a_session_has_read_it_does_not_read_again(journal: Journal) -> None:
    session = journal.session("s")
    for record in TURN:
        await keep(session, record)
    assert session.messages == journal.session("s").messages == [user("Hi"), said("Yes?")]


async def test_what_could_not_be_saved_is_not_mixed_with_what_others_added(
    journal: Journal,
) -> None:
    mine, theirs = journal.session("s"), journal.session("s")
    other = sqlite3.connect(journal.path)
    other.execute(
        "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT raise(FAIL, 'full'); END"
    )
    async with mine.held():
        mine.record(*TURN)
        assert not await mine.saved()
    other.execute("DROP TRIGGER full")
    await keep(theirs, *TURN)
    with pytest.raises(SessionError, match="another process has added"):
        async with mine.held():
            pass


async def test_who_opened_the_lock_before_a_delete_still_locks_what_others_do(
    journal: Journal,
) -> None:
    await keep(journal.session("s"), *TURN)
    lock = lock_file(journal.path, "s")
    with closing(sqlite3.connect(lock, isolation_level=None)) as opened:
        journal.delete("s")
        opened.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SessionError, match="adding to this session"):
            hold(lock)


async def test_a_link_to_the_database_is_the_database(journal: Journal) -> None:
    link = journal.path.with_name("link.db")
    link.symlink_to(journal.path)
    other = Journal(link)
    async with journal.session("s").held():
        with pytest.raises(SessionError, match="adding to this session"):
            async with other.session("s").held():
                raise AssertionError("it was let in")


async def test_to_ask_whether_a_session_is_in_use_leaves_no_trace(journal: Journal) -> None:
    session = journal.session("s")
    assert not journal.busy("s")
    assert not journal.path.with_name("sessions.db.locks").exists()
    async with session.held():
        assert journal.busy("s")
        assert not journal.busy("another one")


# -- finding them ------------------------------------------------------------------------------


async def test_sessions_are_listed_the_latest_first(journal: Journal) -> None:
    for name in ("a", "b", "c"):
        await keep(journal.session(name), *TURN)
    await keep(journal.session("a"), Prompted(user("More")), Ended("failed"))
    listed = journal.summaries()
    assert [each.id for each in listed] == ["a", "c", "b"]
    assert {(each.turns, each.first, each.folder) for each in listed} == {(1, "Hi", os.getcwd())}


async def test_the_latest_of_a_folder(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(journal.session("here"), *TURN)
    monkeypatch.chdir(tmp_path)
    assert journal.latest() is None
    await keep(journal.session("there"), *TURN)
    latest = journal.latest()
    assert latest is not None
    assert latest.id == "there"


async def test_an_id_is_found_by_how_it_begins(journal: Journal) -> None:
    for name in ("abc", "abd", "ab"):
        await keep(journal.session(name), *TURN)
    assert [each.id for each in journal.find("abc")] == ["abc"]
    assert len(journal.find("a")) == 3
    assert [each.id for each in journal.find("ab")] == ["ab"], "its own name is no doubt"
    assert journal.find("x") == []


async def test_a_deleted_session_leaves_nothing_in_the_file(journal: Journal) -> None:
    await keep(journal.session("s"), Prompted(user("canary-7351")), Ended("failed"))
    journal.delete("s")
    assert b"canary-7351" not in on_disk(journal.path.parent), "nor in the log of writes"
    journal.close()
    assert journal.summaries() == []
    assert b"canary-7351" not in on_disk(journal.path.parent)


async def test_text_that_a_reader_still_holds_in_the_file_is_told_of_and_then_overwritten(
    journal: Journal,
) -> None:
    await keep(journal.session("s"), Prompted(user("canary-7351")), Ended("failed"))
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM records").fetchone() == (2,)
        with pytest.raises(SessionError, match="another process is reading"):
            journal.delete("s")
    assert journal.summaries() == [], "it is forgotten nevertheless"
    journal.delete("s")
    assert b"canary-7351" not in on_disk(journal.path.parent), "though the file is still open"


async def test_a_session_that_is_held_here_knows_that_it_was_deleted(journal: Journal) -> None:
    session, other = journal.session("s"), Journal(journal.path)
    await keep(session, *TURN)
    other.delete("s")
    for _ in range(2):
        with pytest.raises(SessionError, match="session s was deleted") as told:
            async with session.held():
                raise AssertionError("it was let in")
        assert told.value.kind == "session_unreadable"
        await keep(other.session("s"), *TURN, *TURN)  # of the same name, and longer
    assert len(journal.rows("s")) == 16


async def test_what_is_deleted_together_is_gone_but_for_the_one_in_use(journal: Journal) -> None:
    for name in "abc":
        await keep(journal.session(name), *TURN)
    async with journal.session("b").held():
        with pytest.raises(SessionError, match="adding to this session"):
            journal.delete("a", "b", "c")
    assert [each.id for each in journal.summaries()] == ["b"]
    journal.delete("a", "b", "c")
    assert journal.summaries() == []


async def test_a_session_in_use_is_not_deleted(journal: Journal) -> None:
    session = journal.session("s")
    await keep(session, *TURN)
    async with session.held():
        with pytest.raises(SessionError, match="adding to this session"):
            journal.delete("s")
    assert journal.session("s").messages


async def test_a_session_that_was_only_opened_leaves_no_trace(journal: Journal) -> None:
    async with journal.session().held():
        pass
    assert journal.summaries() == []


# -- trouble -----------------------------------------------------------------------------------


def test_what_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("never a database, but long enough to be taken for one" * 20)
    journal = Journal(tmp_path / "x.db")
    wrong = r".*x\.db: file is not a database: move"
    with pytest.raises(SessionError, match=f"kept in {wrong}") as told:
        journal.session()
    assert "\n" not in str(told.value)
    for read in (journal.summaries, lambda: journal.rows("s"), lambda: journal.session("s")):
        with pytest.raises(SessionError, match=f"read from {wrong}"):
            read()


@pytest.mark.parametrize("place", ["file/sessions.db", "file/further/sessions.db"])
def test_a_file_where_the_folder_should_be_is_said_to_be_one(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="is no folder: move what is there away, or set MIDST"):
        Journal(tmp_path / place).summaries()


def test_a_file_of_a_later_version_is_left_alone(journal: Journal) -> None:
    journal.session()
    journal.close()
    connection = sqlite3.connect(journal.path)
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SessionError, match=r"later midstream \(version 99, not 2\): update midst"):
        Journal(journal.path).session()
    assert connection.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize("data", [b"no json", b'{"record":"unheard of"}', b'"\xff"', b"[" * 9999])
async def test_one_record_that_cannot_be_read_hides_no_other_session(
    data: bytes, journal: Journal
) -> None:
    for name in ("a", "b"):
        await keep(journal.session(name), *TURN)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("UPDATE records SET data = ? WHERE session = 'a' AND n = 1", (data,))
    assert {each.id: each.first for each in journal.summaries()} == {"a": "", "b": "Hi"}
    for read in (journal.rows, journal.session):
        with pytest.raises(SessionError, match="session a cannot be read from"):
            read("a")
    journal.delete("a")
    assert [each.id for each in journal.summaries()] == ["b"]


READ = """
import os, sys
from midstream.errors import SessionError
from midstream.journal.store import Journal
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)  # root may write anywhere
journal = Journal(sys.argv[1])
print([each.first for each in journal.summaries()], len(journal.session("s").messages))
print(journal.busy("s"))
for change in (journal.session, lambda: journal.delete("s")):
    try:
        change()
    except SessionError as error:
        print(error)
"""


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that any user may read: pytest's are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.mkdir()
        path.parent.chmod(0o755)
        yield path
        path.chmod(0o755)


def make_read_only(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="of POSIX")
@pytest.mark.parametrize("left", ["closed", "open", "killed", "by an earlier version"])
async def test_what_cannot_be_written_can_be_read(
    left: str, for_all: Path, journal: Journal
) -> None:
    await keep(journal.session("s"), *TURN)
    if left == "by an earlier version":
        connection = sqlite3.connect(journal.path, isolation_level=None)
        connection.execute("DROP INDEX records_folded")
        connection.execute("PRAGMA user_version = 1")
        connection.close()
    if left not in ("open", "killed"):
        journal.close()
    for file in journal.path.parent.glob("sessions.db*"):
        if file.is_file():
            (for_all / file.name).write_bytes(file.read_bytes())
    copy = Journal(for_all / "sessions.db")
    if left == "open":
        copy.summaries()
    make_read_only(for_all)
    command = [sys.executable, "-c", READ, str(copy.path)]
    done = await anyio.run_process(command, check=False)
    copy.close()
    assert done.stderr == b""
    first, busy, *told = done.stdout.decode().splitlines()
    assert (first, busy) == ("['Hi'] 2", "False")
    assert len(told) == 2
    assert told[0].startswith("sessions cannot be kept in ")


KEEP = """
import os, sys
from midstream.errors import SessionError
from midstream.journal.store import Journal
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
journal = Journal(sys.argv[1])
for _ in range(2):
    try:
        print(journal.session().trouble or "kept", flush=True)
    except SessionError as error:
        print(error, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="of POSIX")
async def test_a_disk_that_can_be_written_again_is_written_on(
    for_all: Path, journal: Journal
) -> None:
    await keep(journal.session("s"), *TURN)
    journal.close()
    copy = for_all / "sessions.db"
    copy.write_bytes(journal.path.read_bytes())
    make_read_only(for_all)
    before, after = kept_before_and_after(copy)
    assert before.startswith(b"sessions cannot be kept in ")
    assert after == b"kept\n"


def kept_before_and_after(copy: Path) -> tuple[bytes, bytes]:
    """What one process says of a folder that becomes writable."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEP, str(copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before = process.stdout.readline()
        copy.parent.chmod(0o777)
        copy.chmod(0o666)
        process.stdin.write(b"\n\n")
        process.stdin.close()
        return before, process.stdout.readline()


def test_a_migration_is_made_once_and_keeps_what_is_there(journal: Journal) -> None:
    journal.session()
    journal.close()
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("INSERT INTO sessions VALUES ('old', '/', 0, 0)")
    added = [(f"ALTER TABLE sessions ADD COLUMN {name} TEXT",) for name in ("title", "colour")]
    later = (*opening.MIGRATIONS, *added)
    for _ in range(2):
        migrate(connection, later)
    found = connection.execute("SELECT id, title, colour FROM sessions").fetchall()
    assert found == [("old", None, None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)


def test_of_two_that_migrate_at_once_one_does(tmp_path: Path) -> None:
    slow, quick = (sqlite3.connect(tmp_path / "x.db", isolation_level=None) for _ in range(2))
    overtaken: list[str] = []

    def overtake(statement: str) -> None:  # called before the statement is carried out
        if statement.startswith("BEGIN") and not overtaken:
            overtaken.append(statement)
            migrate(quick, opening.MIGRATIONS)

    slow.set_trace_callback(overtake)
    migrate(slow, opening.MIGRATIONS)
    assert overtaken
    assert slow.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_half_a_migration_is_none(journal: Journal) -> None:
    journal.session()
    connection = sqlite3.connect(journal.path, isolation_level=None)
    broken = (*opening.MIGRATIONS, ("CREATE TABLE extra (x)", "CREATE TABLE extra (x)"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert ("extra",) not in names
    assert connection.execute("PRAGMA user_version").fetchone() == (len(opening.MIGRATIONS),)


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "sessions.db")
    journal.session()
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


async def test_a_new_session_goes_on_without_a_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sessions.db")
    journal.session()
    (tmp_path / "sessions.db.locks").write_text("in the way")
    session = journal.session("s")
    async with session.held():
        session.record(*TURN)
    assert session.messages == [user("Hi"), said("Yes?")]
    assert isinstance(session, StoredSession)


async def test_a_session_to_go_on_with_is_not_added_to_without_a_lock(journal: Journal) -> None:
    session = journal.session("s")
    await keep(session, *TURN)
    locks = journal.path.with_name("sessions.db.locks")
    shutil.rmtree(locks)
    locks.write_text("in the way")
    with pytest.raises(SessionError, match="cannot lock"):
        async with session.held():
            pass


async def test_keys_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", 'canary-"key"-1')
    monkeypatch.setenv("LONGER_API_KEY", 'canary-"key"-1-and-more')
    journal = Journal(tmp_path / "sessions.db")
    held = f"""{os.environ["SOME_API_KEY"]}, {os.environ["LONGER_API_KEY"]}"""
    words = f"""my keys are {"sk-ant-" + "A1b2" * 8}, {held}"""
    blob = "abc_sk-notakeyreallybutbase64urlinsideaword"
    await keep(journal.session("s"), Prompted(user(words)), Wrote(1, 0, Thinking("", blob)))
    journal.close()
    stored = on_disk(tmp_path)
    assert b"canary" not in stored
    assert b"and-more" not in stored
    assert stored.count(b"[redacted]") >= 3
    assert blob.encode() in stored, "what only looks a little like a key is not touched"


# -- times -------------------------------------------------------------------------------------


async def test_the_times_of_the_records_never_go_back(journal: Journal) -> None:
    session = journal.session("s")
    await keep(session, *TURN)
    await keep(session, *TURN)
    times = [row.at for row in journal.rows("s")]
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["", "a/../b", "x" * 400, "\ud800", "né 🙂"])
async def test_any_text_will_do_for_an_id(name: str, journal: Journal) -> None:
    session = journal.session(name)
    await keep(session, *TURN)
    assert journal.session(session.id).messages == session.messages
