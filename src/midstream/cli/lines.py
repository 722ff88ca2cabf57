"""A conversation on a terminal that can show lines and no more (`TERM=dumb`)."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from functools import partial

import anyio

from midstream.agent.run import Run
from midstream.cli.grants import kit
from midstream.cli.leaving import Signals, leaving
from midstream.cli.play import Question, Screen, face, show_events
from midstream.cli.setup import setup
from midstream.cli.slash import Slash
from midstream.cli.statuses import CANCELLED
from midstream.cli.writing import write_all
from midstream.faces.plain import printable
from midstream.faces.terminal.setup import Setup
from midstream.faces.transcript import plain
from midstream.journal.database import Row
from midstream.journal.session import Session

KEYS = (
    ("Enter", "say it"),
    ("Ctrl-C", "stop the answer"),
    ("Ctrl-D", "leave"),
)
SHOWN = 12  # paragraphs of a session that is gone on with
HELP = "/help tells the rest; Ctrl-C stops an answer; Ctrl-D leaves\n"


def converse_in_lines(question: Question) -> int:
    """Answer line after line, until the input ends. Returns the exit status."""
    screen = Screen(sys.stdout.fileno(), sys.stderr.fileno())
    with redirect_stdout(sys.stderr), leaving() as signals:  # what tools print is no answer
        made = setup(question, kit(question.grants, question.model), screen.beside)
        Lines(made, screen, signals).have(question.prompt)
        signals.over(code := CANCELLED if signals.came else 0)
    return code


class Lines:
    """The conversation. One thing goes on at a time, and commands are typed between answers."""

    busy = False
    colour = False

    def __init__(self, made: Setup, screen: Screen, signals: Signals) -> None:
        self.setup = made
        self._screen = screen
        self._signals = signals
        self._todo: list[Callable[[], Awaitable[None]]] = []
        self._left = False

    def have(self, first: str) -> None:
        """Have it, until it is left. `first` begins it, if there is such a prompt."""
        slash = Slash(KEYS)
        slash.talk = self
        self.say(HELP.rstrip())
        if first:
            self._ask(first)
        while not self._left and (words := self._typed()) is not None:
            if words.strip() and not slash.take(words):
                self._ask(words.strip())
            while self._todo:
                anyio.run(self._todo.pop(0))

    def _ask(self, words: str) -> None:
        anyio.run(self._answer, self.setup.agent.run, words)

    def _typed(self) -> str | None:
        """What is typed next; None if that was the last."""
        self._write("\n> ")
        return sys.stdin.readline() or None

    async def _answer(self, begin: Callable[[str, Session], Run], words: str) -> None:
        run = begin(words, self.setup.session)
        soon = asyncio.get_running_loop().call_soon_threadsafe
        self._signals.first = partial(soon, run.cancel)
        await show_events(run, face("text", self._screen), self._screen)
        self._signals.rest()

    def _write(self, text: str) -> None:
        write_all(self._screen.answer, text)

    # -- what commands say and do ---------------------------------------------------------------

    @property
    def width(self) -> int:
        return self._screen.width or 80

    def echo(self, words: str) -> None:
        """The terminal has shown what was typed."""

    def say(self, words: str, *, goes_on: bool = True) -> None:
        self._write(printable(words) + "\n")

    refuse = say

    def show(self, lines: list[str]) -> None:
        self._write("".join(f"{line}\n" for line in lines))

    def begin(self, session: Session) -> None:
        """No figures stand on the screen."""

    async def replay(self, rows: list[Row]) -> None:
        paragraphs = list(plain(row.record for row in rows))
        left = f"… {len(paragraphs) - SHOWN} before\n" if len(paragraphs) > SHOWN else ""
        self.say(left + "\n".join(paragraphs[-SHOWN:]))

    async def know_model(self) -> None:
        """Nor does the model."""

    def start(self, command: Callable[[], Awaitable[None]]) -> None:
        self._todo.append(command)

    in_turn = start

    async def compact(self, words: str) -> None:
        agent = self.setup.agent
        await self._answer(lambda words, session: agent.compact(session, words), words)

    def leave(self) -> None:
        self._left = True
