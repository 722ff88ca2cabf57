"""The parts of a conversation, put together: keys, screen, agent, session."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
from msgspec.structs import replace
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input

from midstream.agent.agent import Agent
from midstream.cli.grants import Kit
from midstream.cli.leaving import CANCELLED, Signals
from midstream.cli.output import caught
from midstream.cli.play import Question, agent_for
from midstream.cli.raw import Lent
from midstream.cli.slash import ABOUT, Slash
from midstream.faces.terminal.completing import WordsAndFiles
from midstream.faces.terminal.conversation import Conversation
from midstream.faces.terminal.desk import Desk
from midstream.faces.terminal.editor import Editor
from midstream.faces.terminal.painter import Painter
from midstream.faces.terminal.screen import Screen
from midstream.faces.terminal.setup import Choice, Setup
from midstream.faces.terminal.status import Status
from midstream.journal.session import Session
from midstream.journal.store import Journal, StoredSession, data_folder
from midstream.models.endpoints import ENDPOINTS
from midstream.secrets.secrets import Secrets

GONE = 1  # the terminal is


class Talk:
    """One conversation, from the first key to the last frame."""

    def __init__(
        self, question: Question, tools: Kit, screen: Screen, status: Status, lent: Lent
    ) -> None:
        self._question = question
        self._kit = tools
        self._screen = screen
        self._status = status
        self._lent = lent
        self._folder = Path.cwd()
        self._kept = isinstance(question.session, StoredSession)

    def have(self, agent: Agent, signals: Signals) -> int:
        """Have it, and return the exit status."""
        return anyio.run(self._have, self._setup(agent), signals)

    async def _have(self, setup: Setup, signals: Signals) -> int:
        soon = asyncio.get_running_loop().call_soon_threadsafe
        lent = self._lent
        desk = Desk(lent.paint, monotonic, self._status, lent.size.columns - 1)
        painter = Painter(desk, self._screen, lent)
        lent.awake = partial(soon, painter.again)
        slash = Slash()
        talk = slash.talk = Conversation(setup, desk, painter, slash, monotonic)
        completer = WordsAndFiles(ABOUT, slash.values, self._folder)
        desk.editor = Editor(talk, self._history(), completer, self._keys(), painter.pressed)
        signals.first = partial(soon, talk.leave)
        code = GONE
        try:
            with caught(lambda line: soon(talk.printed, line)):
                if setup.journal and setup.session.count:
                    await slash.recall(setup.session)
                if self._question.prompt:
                    talk.ask(self._question.prompt)
                await talk.go_on()
            code = CANCELLED if signals.came else 0
        finally:
            signals.over(code)
        return code

    def _setup(self, agent: Agent) -> Setup:
        question = self._question
        return Setup(
            agent,
            Choice(question.model, question.thinking),
            self._make,
            self._kit.tools,
            self._kit.permissions,
            [f"{name}:{each.model}" for name, each in ENDPOINTS.items() if each.model],
            question.session,
            Journal() if self._kept else None,
            self._new_session,
            self._folder,
        )

    def _make(self, choice: Choice) -> Agent:
        """An agent like the one before, but for what was chosen."""
        changed = replace(self._question, model=choice.model, thinking=choice.thinking)
        return agent_for(changed, self._kit)

    def _new_session(self) -> Session:
        return Journal().session() if self._kept else Session()

    def _keys(self) -> Input:
        return create_input(open(self._lent.keys, closefd=False))

    def _history(self) -> History:
        if not self._kept:
            return InMemoryHistory()
        return KeptHistory(data_folder() / "history", self._question.session.secrets)


class KeptHistory(FileHistory):
    """What was typed before, on disk, without the keys in it."""

    def __init__(self, path: Path, secrets: Secrets) -> None:
        super().__init__(path)
        self._secrets = secrets
        with suppress(OSError):
            path.touch(mode=0o600)

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(self._secrets.text(string))
