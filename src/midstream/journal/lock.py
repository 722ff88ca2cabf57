"""The lock that makes a run the only one which adds to a session."""

import hashlib
import os
import sqlite3
from pathlib import Path

from midstream.errors import SessionError

WAIT_S = 0.1  # whoever only asks whether it is held has let go by then


def lock_file(database: Path, session_id: str) -> Path:
    """An empty file for each session. It is never removed: whoever has just opened it would lock
    a file that the next one does not find."""
    name = hashlib.sha256(session_id.encode()).hexdigest()[:32]
    return database.with_name(f"{database.name}.locks") / name


def hold(path: Path) -> sqlite3.Connection:
    """Hold a file's lock until the connection is closed, or the process has ended in any way.

    SQLite's lock, since it is the one that works everywhere without another dependency.

    Raises:
        SessionError: another process, or another part of this one, holds it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException:
            lock.close()
            raise
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            words = "another run, here or in another process, is adding to this session; "
            raise SessionError(f"{words}wait for its end", kind="session_busy") from error
        raise SessionError(f"cannot lock {path}: {error}", kind="session_not_saved") from error
    return lock


def is_held(path: Path) -> bool:
    if not os.path.exists(path):  # asking must leave no trace
        return False
    try:
        hold(path).close()
    except SessionError as error:
        return error.kind == "session_busy"
    return False
