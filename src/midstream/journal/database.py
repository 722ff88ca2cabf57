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
from midstream.journal.opening import FOLDED, connect, in_words
from midstream.journal.records import AnyRecord, Prompted, Record
from midstream.journal.redact import Redactor
from midstream.messages import words_of
from midstream.secrets.names import held_by
from midstream.secrets.secrets import Secrets
from midstream.wire.json import UNSAFE

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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
        with self._transaction() as connection:
            # On a read-only disk a transaction would begin as well, but not this.
            connection.execute("DELETE FROM sessions WHERE false")

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
        """Forget a session. Its text may still be found in the file until `overwrite`."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session,))

    def overwrite(self) -> None:
        """Take the text of what was deleted out of the file.

        Raises:
            SessionError: another process reads the file, and might be reading that.
        """
        with self._asking("kept in") as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            words = f"forgotten, but another process is reading {self.path}, where the text may "
            words += "still be found: delete again when that has ended"
            raise SessionError(words, kind="session_not_saved")

    # -- reading -------------------------------------------------------------------------------

    def rows(self, session: str) -> list[Row]:
        """Every record of a session."""
        with self._reading(session) as connection:
            found = connection.execute(
                "SELECT n, at, data FROM records WHERE session = ? ORDER BY n", (session,)
            )
            return [Row(n, at, DECODER.decode(data)) for n, at, data in found]

    def news(self, session: str, after: int = 0) -> tuple[int, list[Record]]:
        """The number of the last record, and of those above `after` what says how things stand."""
        with self._reading(session) as connection:
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

    def time_of(self, session: str, n: int) -> float | None:
        """When a record was made; None if there is none of this number."""
        with self._asking("read from") as connection:
            found = connection.execute(
                "SELECT at FROM records WHERE session = ? AND n = ?", (session, n)
            ).fetchone()
            return found[0] if found else None

    def last(self, session: str) -> int:
        """The number of a session's last record; 0 if there is none."""
        with self._asking("read from") as connection:
            found = connection.execute("SELECT max(n) FROM records WHERE session = ?", (session,))
            return found.fetchone()[0] or 0

    def summaries(self) -> list[Summary]:
        """All sessions, the latest first."""
        with self._asking("read from") as connection:
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
    def _asking(self, aim: str) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection = self._connection or connect(self.path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self.close()  # opened anew next time: by then the disk may be one to write on
                words = f"sessions cannot be {aim} {self.path}: {in_words(error, self.path)}"
                raise SessionError(words, kind="session_unreadable") from error

    @contextmanager
    def _reading(self, session: str) -> Generator[sqlite3.Connection]:
        with self._asking("read from") as connection:
            try:
                yield connection
            except UNREADABLE as error:
                words = f"session {session} cannot be read from {self.path}: {error}"
                raise SessionError(words, kind="session_unreadable") from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._asking("kept in") as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def encode(record: Record) -> bytes:
    try:
        return ENCODER.encode(record)
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(msgspec.to_builtins(record), ensure_ascii=False)
        return UNSAFE.sub("\ufffd", text).encode()


def _first_words(data: bytes | None) -> str:
    try:
        record = DECODER.decode(data) if data else None
    except UNREADABLE:
        return ""  # the other sessions are no worse for it
    return words_of(record.message.blocks) if isinstance(record, Prompted) else ""
