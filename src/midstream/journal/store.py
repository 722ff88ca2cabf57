"""Sessions that outlive their process, in one file of the user's."""

import os
import sqlite3
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

import anyio

from midstream.concurrency import in_thread
from midstream.errors import SessionError
from midstream.journal.database import Database, Row, Summary
from midstream.journal.lock import hold, is_held, lock_file
from midstream.journal.records import Record
from midstream.journal.session import Session
from midstream.wire.json import clean


def data_folder() -> Path:
    """Where sessions are kept: `MIDSTREAM_DATA`, or the user's data directory."""
    from platformdirs import user_data_path

    return Path(os.environ.get("MIDSTREAM_DATA") or user_data_path("midstream", appauthor=False))


class Journal:
    """The sessions on disk.

        journal = Journal()
        ended = agent.run_sync("My name is Ada.", journal.session("ada"))
        ended = agent.run_sync("What is my name?", journal.session("ada"))  # in a later process

    Nothing is opened before a session is asked for. The methods wait for the disk.

    Args:
        path: the database; without it `sessions.db` in the user's data directory.

    Raises:
        SessionError: by every method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        # Without links: the locks are beside the file, and must be the same for all.
        self.path = Path(os.path.realpath(path or data_folder() / "sessions.db"))
        self.database = Database(self.path)

    def session(self, session_id: str | None = None) -> "StoredSession":
        """A new session, or the one with this id, as it is on disk; new if there is none."""
        name = clean(session_id or uuid.uuid4().hex)
        session = StoredSession(self.database, name, this_folder())
        if session_id:
            session.load()
        else:
            self.database.open()
        return session

    def latest(self, folder: str | Path | None = None) -> "StoredSession | None":
        """The session that was last added to in a folder (this one), or None."""
        place = in_text(Path(folder).resolve()) if folder else this_folder()
        found = (each.id for each in self.summaries() if each.folder == place)
        newest = next(found, None)
        return self.session(newest) if newest else None

    def find(self, prefix: str) -> list[Summary]:
        """The sessions whose id begins so; the one whose id it is comes alone."""
        found = [each for each in self.summaries() if each.id.startswith(prefix)]
        return [each for each in found if each.id == prefix] or found

    def summaries(self) -> list[Summary]:
        """All sessions, the latest first."""
        return self.database.summaries()

    def rows(self, session_id: str) -> list[Row]:
        """Every record of a session, in order."""
        return self.database.rows(session_id)

    def busy(self, session_id: str) -> bool:
        """A run, here or in another process, is adding to it now."""
        return is_held(lock_file(self.path, session_id))

    def delete(self, *session_ids: str) -> None:
        """Forget sessions for good. Deleting again does no harm.

        Raises:
            SessionError: a run is adding to one, which alone is left; or another process reads the
                file, in which their text may still be found.
        """
        in_use: SessionError | None = None
        for each in session_ids:
            try:
                with closing(hold(lock_file(self.path, each))):
                    self.database.delete(each)
            except SessionError as error:
                if error.kind != "session_busy":
                    raise
                in_use = error
        if self.path.exists():
            self.database.overwrite()
        if in_use:
            raise in_use

    def close(self) -> None:
        self.database.close()


class StoredSession(Session):
    """A session that is written down. What is recorded is queued, and `saved` writes the queue."""

    stored = True

    def __init__(self, database: Database, session_id: str, folder: str) -> None:
        super().__init__(session_id)
        self.secrets = database.secrets
        self._database = database
        self._folder = folder
        self._queue: list[Row] = []
        self._on_disk = 0  # the number of the last record that is, and when it was made
        self._on_disk_at = 0.0
        self._writing: anyio.Lock | None = None  # there is one while a run is adding to it
        self._clock = datetime.now().timestamp() - monotonic()

    def load(self) -> None:
        """Fold what was added to it since: all of it, the first time.

        Raises:
            SessionError: it cannot be read, was deleted since, or was added to elsewhere while
                this one could not be saved.
        """
        known = self._on_disk
        if known and self._database.time_of(self.id, known) != self._on_disk_at:
            words = f"session {self.id} was deleted after it had been opened here"
            raise SessionError(words, kind="session_unreadable")
        last, records = self._database.news(self.id, known)
        if records and self._queue:
            words = "another process has added to this session, which could not be saved before"
            raise SessionError(words, kind="session_not_saved")
        for record in records:
            self._fold(record)
        if last > known:
            self.count = self._on_disk = last
            self._on_disk_at = self._database.time_of(self.id, last) or 0.0

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        async with super().held():
            lock = None
            try:
                with anyio.CancelScope(shield=True):  # else a thread might take it for nobody
                    lock = await in_thread(self._lock)
                self._writing = anyio.Lock()
                yield
                await self.saved()
            finally:
                self._writing = None
                if lock:
                    lock.close()

    def _lock(self) -> sqlite3.Connection | None:
        """Hold the session against other processes, and catch up with them."""
        try:
            lock = hold(lock_file(self._database.path, self.id))
        except SessionError as error:
            if self._on_disk or error.kind == "session_busy":
                raise
            self.trouble = str(error)  # a new session can be had without the disk
            return None
        try:
            self.load()
        except BaseException:
            lock.close()
            raise
        return lock

    def record(self, *records: Record) -> None:
        for record in records:
            super().record(record)
            self._queue.append(Row(self.count, self._clock + monotonic(), record))

    async def saved(self) -> bool:
        if self._writing is None or not self._queue:
            return not self._queue
        last = self.count
        # Shielded: a thread that was left behind would write what another one writes again.
        with anyio.CancelScope(shield=True):
            async with self._writing:
                if self._on_disk < last:
                    await self._write(self._queue[:])
        return self._on_disk >= last

    async def _write(self, rows: list[Row]) -> None:
        try:
            await in_thread(partial(self._database.append, self.id, self._folder, rows))
        except SessionError as error:
            self.trouble = str(error)
        else:
            self.trouble = ""
            self._on_disk, self._on_disk_at = rows[-1].n, rows[-1].at
            del self._queue[: len(rows)]


def this_folder() -> str:
    try:
        return in_text(Path.cwd())
    except OSError:  # it was removed under our feet
        return ""


def in_text(path: Path) -> str:
    return os.fsencode(path).decode(errors="replace")
