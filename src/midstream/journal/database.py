"""The file that sessions are kept in: SQLite, one row a record, nothing ever changed.

Every function here may wait for the disk; what runs in an event loop calls them in a thread.
"""

import json
import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

import msgspec
from msgspec import Struct

from midstream.errors import SessionError
from midstream.journal.records import AnyRecord, Prompted, Record
from midstream.journal.redact import Redactor
from midstream.secrets.names import held_by
from midstream.secrets.secrets import Secrets
from midstream.wire.json import UNSAFE

# What of a run that has ended is still needed to know what the session is now.
FOLDED = "kind IN ('prompted', 'committed', 'discarded', 'untold', 'ended')"
# Each entry takes the file from one version to the next; entries are only ever added.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE sessions (id TEXT PRIMARY KEY, folder TEXT NOT NULL, "
        "created REAL NOT NULL, updated REAL NOT NULL) STRICT",
        "CREATE INDEX sessions_of_folder ON sessions (folder, updated)",
        "CREATE TABLE records (session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, "
        "n INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL, "
        "PRIMARY KEY (session, n)) STRICT",
        "CREATE INDEX records_folded ON records (session, n) WHERE "
        "kind IN ('prompted', 'committed', 'discarded', 'untold', 'ended')",
    ),
)
WAIT_MS = 2000  # for another process that is writing

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


class Row(Struct, frozen=True, gc=False):
    """A record and its place: `n` from 1 in its session, `at` in seconds since 1970."""

    n: int
    at: float
    record: Record


class Summary(Struct, frozen=True):
    """A session in a list. Times are in seconds since 1970; `first` is what the user said first."""

    id: str
    folder: str
    created: float
    updated: float
    turns: int
    first: str


class Database:
    """Opened when it is first used, and made if it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()  # runs write from threads of their own
        self._connection: sqlite3.Connection | None = None
        self.secrets = Secrets(held_by(os.environ))
        self._redactor = Redactor(self.secrets)

    def open(self) -> None:
        """Make sure that sessions can be kept.

        Raises:
            SessionError: they cannot, and why.
        """
        with self._transaction():
            pass

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    # -- writing -------------------------------------------------------------------------------

    def append(self, session: str, folder: str, rows: Sequence[Row]) -> None:
        """Add records to a session, all or none. It begins with its first record."""
        values = [
            (session, row.n, row.at, row.record.kind, self._without_keys(row.record))
            for row in rows
        ]
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET updated = max(updated, excluded.updated)",
                (session, folder, rows[0].at, rows[-1].at),
            )
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", values)

    def _without_keys(self, record: Record) -> bytes:
        data = encode(record)
        return encode(self._redactor.record(record)) if self.secrets.suspected(data) else data

    def delete(self, session: str) -> None:
        """Forget a session; its text is overwritten in the file."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session,))
        with self._asking() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- reading -------------------------------------------------------------------------------

    def rows(self, session: str) -> list[Row]:
        """Every record of a session."""
        with self._asking() as connection:
            found = connection.execute(
                "SELECT n, at, data FROM records WHERE session = ? ORDER BY n", (session,)
            )
            return [Row(n, at, DECODER.decode(data)) for n, at, data in found]

    def news(self, session: str, after: int = 0) -> tuple[int, list[Record]]:
        """The number of the last record, and of those above `after` what says how things stand."""
        with self._asking() as connection:
            last, ended = connection.execute(
                "SELECT max(n), (SELECT max(n) FROM records "
                f"WHERE session = :session AND {FOLDED} AND kind = 'ended') "
                "FROM records WHERE session = :session", {"session": session},
            ).fetchone()  # fmt: skip
            last, ended = last or 0, ended or 0
            past = connection.execute(
                f"SELECT data FROM records WHERE session = ? AND n > ? AND n <= ? AND {FOLDED} "
                "ORDER BY n", (session, after, ended),
            )  # fmt: skip
            records: list[Record] = [DECODER.decode(data) for (data,) in past]
            now = connection.execute(
                "SELECT data FROM records WHERE session = ? AND n > ? AND n <= ? ORDER BY n",
                (session, max(after, ended), last),
            )
            return last, records + [DECODER.decode(data) for (data,) in now]

    def last(self, session: str) -> int:
        """The number of a session's last record; 0 if there is none."""
        with self._asking() as connection:
            found = connection.execute("SELECT max(n) FROM records WHERE session = ?", (session,))
            return found.fetchone()[0] or 0

    def summaries(self) -> list[Summary]:
        """All sessions, the latest first."""
        with self._asking() as connection:
            found = connection.execute(
                "SELECT id, folder, created, updated, (SELECT count(*) FROM records "
                f"WHERE session = id AND {FOLDED} AND kind = 'committed'), "
                "(SELECT data FROM records WHERE session = id AND n = 1) "
                "FROM sessions ORDER BY updated DESC, rowid DESC"
            ).fetchall()
            return [
                Summary(name, folder, created, updated, turns, _first_words(data))
                for name, folder, created, updated, turns, data in found
            ]

    # -- the connection ------------------------------------------------------------------------

    @contextmanager
    def _asking(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connected()
            except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
                words = f"sessions cannot be kept in {self.path}: {error}"
                raise SessionError(words, kind="session_unreadable") from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._asking() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # what is in it is for its owner alone
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def encode(record: Record) -> bytes:
    try:
        return ENCODER.encode(record)
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(msgspec.to_builtins(record), ensure_ascii=False)
        return UNSAFE.sub("\ufffd", text).encode()


def prepare(connection: sqlite3.Connection) -> None:
    """Set a new connection up, and bring the file to today's version."""
    connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a write tool waits for what is on the disk
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    migrate(connection, MIGRATIONS)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> None:
    """Bring the file from the version it has to the latest, each step whole or not at all.

    Raises:
        sqlite3.DatabaseError: the file is of a later version than this program knows.
    """
    while (version := _version(connection)) < len(migrations):
        connection.execute("BEGIN IMMEDIATE")  # waits for another process that does the same
        try:
            if _version(connection) == version:
                for statement in migrations[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    if version > len(migrations):
        known = len(migrations)
        raise sqlite3.DatabaseError(f"made by a later midstream (version {version}, not {known})")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _first_words(data: bytes | None) -> str:
    record = DECODER.decode(data) if data else None
    return record.message.text if isinstance(record, Prompted) else ""
