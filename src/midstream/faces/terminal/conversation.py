"""A conversation in a terminal: what is typed goes to the agent, what that does is shown.

Three tasks share one state: the editor takes keys, `_converse` runs the agent and folds its events
into the view, the painter writes frames. None waits for another: events are read however slowly the
terminal takes its frames, and keys work whatever the agent does.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from midstream.agent.prompt import Prompt
from midstream.agent.run import Run
from midstream.concurrency import task_group
from midstream.errors import MidstreamError
from midstream.faces.terminal.asking import NO_QUESTION
from midstream.faces.terminal.desk import Desk
from midstream.faces.terminal.jobs import Jobs
from midstream.faces.terminal.line import Line
from midstream.faces.terminal.paint import Look
from midstream.faces.terminal.painter import Painter
from midstream.faces.terminal.pictures import pictures
from midstream.faces.terminal.sayings import Sayings
from midstream.faces.terminal.setup import Setup
from midstream.faces.terminal.status import Known
from midstream.messages import Text

TWICE_S = 2.0  # within which a second Ctrl-C leaves
HINT_S = 2.0  # how long a hint stands


class Commands(Protocol):
    def take(self, words: str) -> bool:
        """Do what was typed, if it is a command; else False."""
        ...


class Conversation(Sayings):
    """Goes on until it is left. It is the editor's keyboard.

    Args:
        commands: what begins with a slash.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        setup: Setup,
        desk: Desk,
        painter: Painter,
        commands: Commands,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(desk)
        self.setup = setup
        self._painter = painter
        self._clock = clock
        self._commands = commands
        self._jobs = Jobs()
        self._line = Line()
        self._tasks: TaskGroup | None = None
        self._stopped_at = -TWICE_S

    @property
    def run(self) -> Run | None:
        """The one that goes on."""
        return self.desk.run

    @property
    def busy(self) -> bool:
        """The model answers, or is about to."""
        return self.run is not None or bool(self._jobs.words)

    async def go_on(self) -> None:
        """Take keys and answer them, until `leave`."""
        async with task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._painter.paint)
            tasks.start_soon(self._converse)
            tasks.start_soon(self.know_model)
            try:
                await self.desk.editor.run()
            finally:
                self._painter.hurry()
            tasks.cancel_scope.cancel()
        if words := self.desk.editor.text.strip():
            self.desk.view.say(f"not said: {words}", goes_on=False)
        if self.setup.journal and self.setup.session.turns:
            self.desk.view.say("midstream -c goes on with it", goes_on=False)
        await self._painter.end()

    async def know_model(self) -> None:
        """Tell the status line of the model, and how much it can hold."""
        agent, name = self.setup.agent, self.setup.choice.model
        self.desk.status.known = Known(name)
        self.desk.status.known = Known(name, await agent.context_window())
        self._painter.changed()

    def leave(self) -> None:
        """Settle what goes on, and end."""
        self._jobs.end()
        self.stop()
        if self.run is None:  # else it is settled first
            self.desk.editor.leave()

    def stop(self) -> None:
        """Stop the answer. Words that still wait for theirs come back."""
        if words := self._jobs.unsay():
            self.desk.editor.put("\n\n".join(words))
        if self.run:
            self.run.cancel()

    # -- the agent ------------------------------------------------------------------------------

    async def _converse(self) -> None:
        async with self._line:
            await self._jobs.work(self._painter.changed)
        self.desk.editor.leave()

    async def _answer(self, begin: Callable[[], Run]) -> None:
        try:
            await self._line.open(self.setup.agent)
            if run := self._begun(begin):
                await self._follow(run)
                if run.outcome == "failed":
                    await self._line.hang_up()
        except MidstreamError as error:
            self.desk.view.failed(str(error))

    def _begun(self, begin: Callable[[], Run]) -> Run | None:
        try:
            return begin()
        except ValueError as error:
            self.desk.view.failed(str(error))
        return None

    async def _follow(self, run: Run) -> None:
        try:
            async with run:
                self.desk.run = run
                async for event in run:
                    self.desk.view.see(event)
                    self.desk.status.see(event)
                    self._painter.changed()
        finally:
            self.desk.run = None
        if run.queued:
            self.desk.editor.put("\n\n".join(run.queued))

    # -- the keyboard ---------------------------------------------------------------------------

    def enter(self) -> None:
        """What was typed is a command, an answer to a question, new words, or the next prompt."""
        trouble = self.desk.asking.trouble(self.desk.editor.text)
        if trouble and not trouble == self.desk.hint == NO_QUESTION:
            self.hint(trouble)  # said at once, it would stop what goes on
            return
        self.desk.hint = ""
        words = self.desk.editor.take()
        taken = not words.strip() or self._commands.take(words) or self._answered(words)
        if not taken and not self._said(words, Run.interrupt):
            self.ask(words)
        self._painter.pressed()

    def queue(self) -> None:
        """The words are said at the end of the turn; while nothing goes on, a new line begins."""
        if self.run is None:
            self.desk.editor.buffer.insert_text("\n")
        elif (words := self.desk.editor.take()).strip() and not self._said(words, Run.queue):
            self.ask(words)
        self._painter.pressed()

    def escape(self) -> None:
        self.stop()

    def ctrl_c(self) -> None:
        """Stop the turn; twice leaves. What is being typed goes first."""
        twice = self._clock() - self._stopped_at < TWICE_S
        self._stopped_at = self._clock()
        if twice:
            self.leave()
        elif self.busy:
            self.stop()
        elif self.desk.editor.text:
            self.desk.editor.buffer.reset()
            self._stopped_at = -TWICE_S
        else:
            self.hint("Ctrl-C again leaves")

    def ctrl_d(self) -> None:
        self.leave()

    def sleep(self) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(self._painter.sleep)

    def reasoning(self) -> None:
        """Show more of the reasoning that goes on, or all of the last."""
        reasoning = self.desk.view.reasoning
        if reasoning.goes_on:
            reasoning.is_open = not reasoning.is_open
        elif reasoning.last:
            self.desk.view.show(reasoning.whole(self.desk.view.width))
        else:
            self.hint("there was no reasoning so far")
        self._painter.pressed()

    def _answered(self, words: str) -> bool:
        asking = self.desk.asking
        if words.strip() == "v" and (whole := asking.whole(self.desk.view.width)):
            self.desk.view.show(whole)
            return True
        try:
            return asking.answer(words)
        except KeyError:  # the question is gone
            return False
        except ValueError as error:
            self.desk.editor.put(words)
            self.hint(str(error))
        return True

    def hint(self, words: str) -> None:
        """Show words in the place of the status line, for a moment."""
        assert self._tasks is not None
        self.desk.hint = words
        self._painter.pressed()
        self._tasks.start_soon(self._take_away, words)

    async def _take_away(self, words: str) -> None:
        await anyio.sleep(HINT_S)
        if self.desk.hint == words:
            self.desk.hint = ""
            self._painter.changed()

    # -- what is said ---------------------------------------------------------------------------

    def ask(self, words: str) -> None:
        """Say something that begins a run, in its turn."""
        self._jobs.add(partial(self._ask, words), words)

    async def _ask(self, words: str) -> None:
        self.desk.view.prompted(words)
        setup = self.setup
        await self._answer(lambda: setup.agent.run(self._prompt(words), setup.session))

    async def compact(self, words: str) -> None:
        """Have the model sum up what was said."""
        setup = self.setup
        await self._answer(lambda: setup.agent.compact(setup.session, words))

    def _said(self, words: str, how: Callable[[Run, Prompt], None]) -> bool:
        """Say something to the run that goes on; False if there is none."""
        if self.run is None:
            return False
        try:
            how(self.run, self._prompt(words))
        except RuntimeError:  # it has ended just now
            return False
        except ValueError as error:
            self.desk.view.say(str(error), Look.BAD)
        return True

    def _prompt(self, words: str) -> Prompt:
        """The words, and the pictures that they name."""
        named = pictures(words, self.setup.folder)
        sent = [each.image for each in named if each.image]
        if sent:
            names = ", ".join(each.name for each in named if each.image)
            self.desk.view.say(f"with {names}")
        for each in named:
            if each.trouble:
                self.desk.view.say(f"without {each.name}: {each.trouble}", Look.BAD)
        return (Text(words), *sent) if sent else words

    def in_turn(self, command: Callable[[], Awaitable[None]]) -> None:
        """Run what a command does before anything is said that was typed after it."""
        self._jobs.add(command)

    def start(self, command: Callable[[], Awaitable[None]]) -> None:
        """Run what a command does, beside everything else."""
        assert self._tasks is not None
        self._tasks.start_soon(self._do, command)

    async def _do(self, command: Callable[[], Awaitable[None]]) -> None:
        await command()
        self._painter.pressed()
