"""The parts of a conversation, put together: keys, screen, agent, session."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input

from midstream.cli.leaving import Signals
from midstream.cli.output import Printed, caught
from midstream.cli.play import Question
from midstream.cli.raw import Lent
from midstream.cli.slash import ABOUT, Slash
from midstream.cli.statuses import CANCELLED, FAILED
from midstream.faces.terminal.completing import WordsAndFiles
from midstream.faces.terminal.conversation import Conversation
from midstream.faces.terminal.desk import Desk
from midstream.faces.terminal.editor import Editor
from midstream.faces.terminal.painter import Painter
from midstream.faces.terminal.screen import Screen
from midstream.faces.terminal.setup import Setup
from midstream.faces.terminal.status import Status
from midstream.journal.store import data_folder
from midstream.secrets.secrets import Secrets


class Talk:
    """One conversation, from the first key to the last frame."""

    def __init__(
        self, question: Question, setup: Setup, screen: Screen, status: Status, lent: Lent
    ) -> None:
        self._question = question
        self._setup = setup
        self._screen = screen
        self._status = status
        self._lent = lent

    def have(self, signals: Signals) -> int:
        """Have it, and return the exit status."""
        return anyio.run(self._have, signals)

    async def _have(self, signals: Signals) -> int:
        setup = self._setup
        soon = asyncio.get_running_loop().call_soon_threadsafe
        lent = self._lent
        desk = Desk(lent.paint, monotonic, self._status, lent.size.columns - 1)
        painter = Painter(desk, self._screen, lent)
        lent.awake = partial(soon, painter.again)
        printed = Printed(partial(soon, painter.changed))
        desk.printed = printed.take
        slash = Slash()
        talk = slash.talk = Conversation(setup, desk, painter, slash, monotonic)
        completer = WordsAndFiles(ABOUT, slash.values, setup.folder)
        desk.editor = Editor(talk, self._history(), completer, self._keys(), painter.pressed)
        signals.first = partial(soon, talk.leave)
        code = FAILED
        try:
            with caught(printed):
                if setup.journal and setup.session.count:
                    await slash.recall(setup.session)
                if self._question.prompt:
                    talk.ask(self._question.prompt)
                await talk.go_on()
            code = CANCELLED if signals.came else 0
        except Exception:
            if not lent.gone:
                raise
            code = CANCELLED
        finally:
            signals.over(code)
        return code

    def _keys(self) -> Input:
        return create_input(open(self._lent.keys, closefd=False))

    def _history(self) -> History:
        if self._setup.journal is None:
            return InMemoryHistory()
        return KeptHistory(data_folder() / "history", self._question.session.secrets)


class KeptHistory(FileHistory):
    """What was typed before, on disk, without the keys in it."""

    def __init__(self, path: Path, secrets: Secrets) -> None:
        super().__init__(path)
        self._secrets = secrets
        with suppress(OSError):
            path.touch(mode=0o600)

    def load_history_strings(self) -> Iterable[str]:
        try:
            return super().load_history_strings()
        except OSError:
            return ()

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(self._secrets.text(string))
