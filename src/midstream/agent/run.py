"""One run of an agent, as its user holds it."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any

import anyio

from midstream.agent.loop import Loop
from midstream.agent.plan import Compaction, Plan
from midstream.agent.prompt import Prompt, parts_of, prompt_of
from midstream.concurrency import task_group
from midstream.events import ApprovalRequested, Outcome, RunEnded, RunEvent
from midstream.feed import Feed, FeedReader
from midstream.journal.session import Session
from midstream.messages import Parts, Usage, words_of
from midstream.tools.approvals import NOBODY, USER, Answer, Approvals
from midstream.tools.permissions import Rule
from midstream.wire.json import clean


class Run(AsyncIterator[RunEvent]):
    """A run: enter it to read its events, or await it for its end.

        async with agent.run("…") as run:
            async for event in run:
                ...

        ended = await agent.run("…")

    Leaving the context before the end cancels the run: the connection is closed, running tools are
    stopped and awaited, and what was shown is kept in the session.
    """

    def __init__(self, plan: Plan, asked: Parts | Compaction, session: Session) -> None:
        self.id = uuid.uuid4().hex
        self.session = session
        self._plan = plan
        self._asked = asked
        self._loop: Loop | None = None
        self._feed: Feed | None = None
        self._reader: FeedReader | None = None
        self._context: AbstractAsyncContextManager[None] | None = None
        self._attended = True  # somebody reads the events, or at least could

    # -- its life ------------------------------------------------------------------------------

    async def __aenter__(self) -> "Run":
        if self._context:
            raise RuntimeError("this run has begun already; agent.run() makes another one")
        self._context = self._running()
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._context is not None
        return await self._context.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        self.session.secrets.learn(*getattr(self._plan.model, "secrets", ()))
        feed = self._feed = Feed(self.id)
        self._reader = feed.reader()
        async with task_group() as tasks:
            self._loop = Loop(self._plan, self.session, feed, tasks, self._attended)
            tasks.start_soon(self._loop.drive, self._asked)
            try:
                yield
            finally:
                self._loop.cancel()

    def __await__(self) -> Generator[Any, None, RunEnded]:
        return self._end().__await__()

    async def _end(self) -> RunEnded:
        if self._context is None:
            self._attended = False
            async with self:
                return await self._end()
        assert self._loop is not None
        await self._loop.done.wait()
        assert self._loop.ended is not None
        return self._loop.ended

    # -- its events ----------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self._reader or self  # its reader at once: one coroutine less for each event

    async def __anext__(self) -> RunEvent:
        if self._reader is None:
            raise RuntimeError("enter the run first: async with agent.run(…) as run")
        return await self._reader.__anext__()

    @property
    def unread(self) -> int:
        """How many events can be read without waiting."""
        return self._reader.behind if self._reader else 0

    def events(self, after: int = 0) -> FeedReader:
        """Another reader, with a place of its own: every event whose `seq` is above `after`.

        Raises:
            EventsGone: some of those are no longer held.
        """
        if self._feed is None:
            raise RuntimeError("enter the run first: async with agent.run(…) as run")
        return self._feed.reader(after)

    # -- what can be done to it ----------------------------------------------------------------

    def cancel(self) -> None:
        """Stop the run. Its last event comes once everything is settled."""
        self._running_loop().cancel()

    def interrupt(self, prompt: Prompt) -> None:
        """Stop the turn, keep what was shown of it, and go on with the user's new words."""
        if not (said := parts_of(prompt)):
            raise ValueError("there are no words to go on with; run.cancel() stops the run")
        self._taking_words().interrupt(said)

    def queue(self, prompt: Prompt) -> None:
        """Say this at the end of the turn under way, when its tools are done; `prompted` tells.

        The run then goes on, also where it would have ended. What was not said when it is over
        stays in `queued`: it was cancelled, failed, or reached a limit.
        """
        if not (said := parts_of(prompt)):
            raise ValueError("there are no words to queue")
        self._taking_words().queue(said)

    @property
    def queued(self) -> tuple[str, ...]:
        """What waits to be said, in words."""
        return tuple(map(words_of, self._loop.queued)) if self._loop else ()

    def unqueue(self) -> tuple[Prompt, ...]:
        """Take back what waits to be said."""
        taken: list[Parts] = []
        if self._loop:
            taken, self._loop.queued = self._loop.queued, []
        return tuple(map(prompt_of, taken))

    def _taking_words(self) -> Loop:
        loop = self._running_loop()
        if loop.over or loop.ended:
            raise RuntimeError("the run has ended; agent.run(text, session=run.session) goes on")
        return loop

    def _running_loop(self) -> Loop:
        if self._loop is None:
            raise RuntimeError("the run has not begun: async with agent.run(…) as run")
        return self._loop

    # -- what may run --------------------------------------------------------------------------

    def approve(self, call_id: str, allowed: bool, words: str = "") -> None:
        """Answer an ApprovalRequested event.

        Args:
            words: what the model is told with a refusal.

        Raises:
            KeyError: no call with this id is waiting for an answer.
        """
        self._approvals.answer(call_id, Answer(allowed, USER, clean(words).strip()))

    def decline(self, call_id: str) -> None:
        """Refuse a call since there is nobody to ask; KeyError as with `approve`."""
        self._approvals.answer(call_id, Answer(False, NOBODY))

    def allow(self, rule: str | Rule) -> tuple[str, ...]:
        """Allow what a rule covers from here on, and the calls of it that wait; their ids.

        It is added to the agent's permissions, if it was given any: then it outlives this run.

        Raises:
            ConfigurationError: the rule is spelled wrongly.
        """
        return self._approvals.allow(rule)

    @property
    def waiting(self) -> Mapping[str, ApprovalRequested]:
        """The calls that wait for an answer, by id, in the order in which they asked."""
        return self._approvals.waiting

    def question(self, call_id: str) -> anyio.Event:
        """Set once an ApprovalRequested event needs no answer: it has one, or its call is gone."""
        return self._approvals.closed(call_id)

    @property
    def _approvals(self) -> Approvals:
        return self._running_loop().approvals

    # -- how it ended --------------------------------------------------------------------------

    @property
    def ended(self) -> RunEnded | None:
        """The last event, once it has come."""
        return self._loop.ended if self._loop else None

    @property
    def text(self) -> str:
        """The last turn's text; empty until the run has ended."""
        return self.ended.text if self.ended else ""

    @property
    def usage(self) -> Usage:
        return self.ended.usage if self.ended else Usage()

    @property
    def outcome(self) -> Outcome | None:
        return self.ended.outcome if self.ended else None
