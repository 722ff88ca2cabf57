"""How the file of the sessions is opened: made, brought to today's version, or only read."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

# What of a run that has ended is still needed to know what the session is now.
FOLDED = "kind IN ('prompted', 'committed', 'compacted', 'discarded', 'untold', 'ended')"
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
    (
        "DROP INDEX records_folded",
        "CREATE INDEX records_folded ON records (session, n) WHERE "
        "kind IN ('prompted', 'committed', 'compacted', 'discarded', 'untold', 'ended')",
    ),
)
# Earlier versions that differ by an index alone, where nothing can be written.
READ_AS_THEY_ARE = (1,)
WAIT_MS = 2000  # for another process that is writing
CANNOT_WRITE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
NO_SESSIONS = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN)
ELSEWHERE = "set MIDSTREAM_DATA to another folder"


class LaterVersion(sqlite3.DatabaseError):
    """Its format is not known yet."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it. Where nothing can be written it is opened to be read."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # what is in it is for its owner alone
        return _prepared(str(path))
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.Error) and code(error) not in CANNOT_WRITE:
            raise
        if not path.is_file():
            raise
    return _connect_to_read(path)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    try:
        return _prepared(f"{address}?mode=ro")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
    # SQLite shares what it reads through a file beside it, unless it hears that nobody writes.
    return _prepared(f"{address}?immutable=1")


def _prepared(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=address.startswith("file:"), isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a write tool waits for the disk
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        if not (address.startswith("file:") and _version(connection) in READ_AS_THEY_ARE):
            migrate(connection, MIGRATIONS)
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> None:
    """Bring the file from the version it has to the latest, each step whole or not at all.

    Raises:
        LaterVersion: the file is of a later version than this program knows.
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
        raise LaterVersion(f"made by a later midstream (version {version}, not {known})")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def code(error: sqlite3.Error) -> int:
    """SQLite's code for it, without what only refines it; 0 if there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def in_words(error: sqlite3.Error | OSError, path: Path) -> str:
    """What is wrong with the file, and what to do about it."""
    match error:
        case FileExistsError() | NotADirectoryError():
            return f"{path.parent} is no folder: move what is there away, or {ELSEWHERE}"
        case OSError():
            return f"{error.filename or path}: {error.strerror or error}"
        case LaterVersion():
            return f"{error}: update midstream, or {ELSEWHERE}"
        case sqlite3.Error() if code(error) in NO_SESSIONS:
            return f"{error}: move the file away, or {ELSEWHERE}"
        case _:
            return str(error)
