"""The agent loop: ask, run the tools while the answer streams, ask again.

Read it from the top: `drive` is a run, `_turns` its turns, `_whole_turn` one of them over all its
attempts, `_attempt` one request and its answer. A run is stopped through one cancel scope, which is
always around exactly one turn or compaction; what was shown is then settled and kept.
"""

from collections.abc import Sequence
from itertools import count

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from midstream.agent.attempts import Attempts
from midstream.agent.compact import Compactor
from midstream.agent.ending import PAUSES, End, ending, may_go_on
from midstream.agent.keeper import Keeper
from midstream.agent.plan import Compaction, Plan
from midstream.agent.prompt import joined
from midstream.agent.tally import (
    Clock,
    Tally,
    calls_of,
    check_price,
    is_spent,
    kept,
    know_prices,
    price_usd,
    run_error,
)
from midstream.errors import MidstreamError
from midstream.events import (
    Event,
    Interrupted,
    Outcome,
    Prompted,
    RunEnded,
    RunError,
    RunStarted,
    ToolCallReady,
    TurnEnded,
    TurnStarted,
)
from midstream.feed import Feed
from midstream.journal.session import Session
from midstream.messages import Parts, StopReason, words_of
from midstream.models.model import Batch, Connection, take_all
from midstream.tools.approvals import Approvals
from midstream.tools.call import Bench
from midstream.tools.calls import ToolCalls
from midstream.turn.turn import SealedCall, Turn


class Loop:
    """One run. `drive` it in a task; `cancel` and `interrupt` it from any other."""

    def __init__(
        self, plan: Plan, session: Session, feed: Feed, tasks: TaskGroup, attended: bool
    ) -> None:
        self.ended: RunEnded | None = None
        self.over = False  # no more words are taken
        self.done = anyio.Event()
        self._plan = plan
        self._session = session
        self._feed = feed
        self._tasks = tasks
        slots = anyio.CapacityLimiter(plan.max_parallel_tools)
        keeper = self._keeper = Keeper(session, tasks)
        self.approvals = Approvals(plan.permissions, feed.emit, keeper.approved, attended)
        keep = (keeper.call_began, keeper.call_ended)
        self._bench = Bench(plan.tools, tasks, slots, feed.emit, self.approvals, *keep)
        tally = self._tally = Tally()
        self._attempts = Attempts(plan, keeper, feed, tally)
        self._compactor = Compactor(plan, session, keeper, feed, tally)
        self._last = plan.max_turns  # the last turn that may be; new words give as many again
        self._pauses = 0
        self._turn = Turn()
        self._clock = Clock()
        self._calls = ToolCalls(self._bench, "")
        self._scope = anyio.CancelScope()
        self._cancelled = False
        self._words: list[Parts] = []
        self.queued: list[Parts] = []  # to be said at the end of the turn

    # -- from outside --------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop; what was shown is kept. No call starts after this."""
        self._cancelled = True
        self._stop("cancelled by the user")

    def interrupt(self, said: Parts) -> None:
        """Stop the turn, keep what was shown, and go on with the user's new words."""
        self._words.append(said)
        self._stop("interrupted by the user")

    def queue(self, said: Parts) -> None:
        """Say this to the model once the turn under way is part of the conversation."""
        self.queued.append(said)

    def _stop(self, why: str) -> None:
        self._calls.stop(why)
        self._scope.cancel()

    # -- the run -------------------------------------------------------------------------------

    async def drive(self, asked: Parts | Compaction) -> None:
        """Run to the end. The last event is always RunEnded; then the feed is closed."""
        end: End = ("failed", RunError("internal_error", "a bug in midstream: see the exception"))
        self._feed.emit(RunStarted(self._session.id, self._plan.model.name))
        with anyio.CancelScope(shield=True):  # stopped by `cancel` alone, so that it settles
            try:
                async with self._keeper.at_work():
                    try:
                        end = await self._answer(asked)
                    finally:
                        await self._give_up(*end)
            except MidstreamError as error:
                end = ("failed", run_error(error))
            finally:
                self._end(*end)

    async def _answer(self, asked: Parts | Compaction) -> End:
        compaction: Compaction | None = None
        if isinstance(asked, Compaction):
            compaction = asked
        else:
            self._keeper.prompted(asked)
        try:
            await check_price(self._plan)
            async with self._plan.model.connect() as connection:
                try:
                    return await self._turns(connection, compaction)
                finally:
                    self.over = True
        except MidstreamError as error:
            return "failed", run_error(error)

    async def _turns(self, connection: Connection, compaction: Compaction | None) -> End:
        """Turn after turn; before them the compaction, if that is what was asked for."""
        while True:
            end = None if compaction else await self._at_limit()
            if end := end or await self._step(connection, compaction):
                return end
            compaction = None

    async def _at_limit(self) -> End | None:
        if await is_spent(self._plan, self._tally):
            return "max_cost", None
        self._take_queued()
        return ("max_turns", None) if self._keeper.number >= self._last else None

    async def _step(self, connection: Connection, compaction: Compaction | None) -> End | None:
        """A turn or a compaction, however it ends. Returns how the run ends with it, if it does."""
        self._keeper.number += compaction is None
        end: End | None = None
        with anyio.CancelScope() as self._scope:
            if self._cancelled or self._words:
                self._scope.cancel()
            if compaction:
                self._turn = await self._compactor.compact(connection, compaction.words)
                end = "completed", None
            else:
                end = await self._whole_turn(connection)
        if self._scope.cancelled_caught:
            if not compaction:
                await self._settle()
            if self._cancelled:
                self._feed.emit(Interrupted(None))
        spent = bool(self.queued) and await is_spent(self._plan, self._tally)
        # From here on nothing is awaited: what is queued may be taken back at any time.
        if self._words and not self._cancelled:
            self._take_words()
            return None
        if self._cancelled:
            return end or ("cancelled", None)
        if end and self.queued and may_go_on(end, self._turn):
            if spent:
                return "max_cost", None
            self._take_queued()
            return None
        return end

    def _end(self, outcome: Outcome, error: RunError | None) -> None:
        # Of an answer that was refused, nothing is the run's.
        text, turns = kept(self._turn, self._turn.settled()).text, self._keeper.number
        self.ended = self._tally.run_ended(outcome, text, turns, error or self._keeper.trouble)
        self._feed.emit(self.ended)
        self._feed.close()
        self.done.set()

    # -- a turn --------------------------------------------------------------------------------

    async def _whole_turn(self, connection: Connection) -> End | None:
        """Ask until an answer is whole, then commit it. Returns how the run ends, if it does."""
        self._turn, self._clock = Turn(), Clock(0.0)
        self._calls = ToolCalls(self._bench, f"{self._session.id}/{self._session.count}")
        await anyio.lowlevel.checkpoint()
        if await self._compactor.when_full(connection) and await is_spent(self._plan, self._tally):
            return "max_cost", None
        for attempt in count(1):
            try:
                await self._attempt(connection, attempt)
            except MidstreamError as error:
                lost, self._turn, self._clock = self._turn, Turn(), Clock(0.0)
                self._calls.discard()
                await self._attempts.after(lost, attempt, error)
                if await is_spent(self._plan, self._tally):
                    return "max_cost", None
            else:
                return await self._commit()
        return None

    async def _attempt(self, connection: Connection, attempt: int) -> None:
        clock = self._clock = Clock()
        turn = self._turn = Turn(self._plan.max_arguments, clock.begins)
        request = replace(self._plan.request, messages=self._session.conversation)
        self._keeper.began(attempt, turn, self._plan.model.name)
        self._feed.emit(TurnStarted(self._keeper.number, attempt))
        know_prices(self._plan.model, self._tasks)
        async with connection.ask(request) as batches:
            await take_all(batches, self._take)
            clock.stop()
            turn.check_whole()

    def _take(self, batch: Batch) -> None:
        for event in batch:
            sealed = self._turn.feed(event)
            if isinstance(event, Event):
                self._feed.emit(event)
            if sealed:
                self._start(sealed)

    def _start(self, sealed: Sequence[SealedCall]) -> None:
        self._keeper.wrote()  # that they were asked for comes before that they began
        for each in sealed:
            if not each.problem:
                self._feed.emit(ToolCallReady(each.call.id, each.call.name, each.call.input))
            self._calls.start(each.call, each.problem)

    async def _commit(self) -> End | None:
        """Wait for the calls, then make the turn part of the conversation: all of it at once."""
        await anyio.lowlevel.cancel_shielded_checkpoint()  # what came is shown, then counted
        turn = self._turn
        message = kept(turn, turn.message())
        calls = calls_of(message)
        self._calls.release(calls)
        results = await self._calls.results(calls)
        effects = await self._calls.leftovers(calls)
        price = await price_usd(self._plan.model, self._turn)
        figures = self._clock.figures(turn.usage, price, self._calls)
        self._tally.count(figures, turn)
        with anyio.CancelScope(shield=True):
            if turn.stop is StopReason.REFUSAL:
                await self._keeper.refused(turn.usage, effects)
            else:
                await self._keeper.committed(message, results, effects, figures, turn.stop)
            self._calls = ToolCalls(self._bench, "")
        told = (turn.usage, price, figures.ttft, figures.overlap, message)
        self._feed.emit(TurnEnded(self._keeper.number, turn.stop, *told))
        self._pauses = 0 if calls or turn.stop not in PAUSES else self._pauses + 1
        return ending(turn, calls, self._pauses)

    # -- when it is stopped --------------------------------------------------------------------

    async def _settle(self) -> None:
        """Keep what was shown and can be sent back; answer every call with what is true of it."""
        self._clock.stop()
        message = kept(self._turn, self._turn.settled())
        calls = calls_of(message)
        results = await self._calls.results(calls)
        effects = await self._calls.leftovers(calls)
        # The stream was left before it said what it cost, so that its price is not known.
        figures = self._clock.figures(self._turn.usage, None, self._calls)
        self._tally.count(figures, self._turn)
        self._keeper.interrupted(() if self._cancelled else joined(self._words))
        await self._keeper.committed(message, results, effects, figures)
        self._calls = ToolCalls(self._bench, "")

    def _take_words(self) -> None:
        said, self._words = joined(self._words), []
        self._last = self._keeper.number + self._plan.max_turns
        self._feed.emit(Interrupted(words_of(said)))
        self._keeper.prompted(said)

    def _take_queued(self) -> None:
        """Say what was queued; not while other words wait for their answer, nor in a pause."""
        if self._session.asked or self._cancelled or self._words or self._pauses:
            return
        while self.queued:
            said = self.queued.pop(0)
            self._last = self._keeper.number + self._plan.max_turns
            self._feed.emit(Prompted(words_of(said)))
            self._keeper.prompted(said)

    async def _give_up(self, outcome: Outcome, error: RunError | None) -> None:
        """Stop what still runs. Nothing of an open turn is kept, but its tools did run."""
        self._calls.stop("the run ended")
        await self._keeper.ended(outcome, error, await self._calls.leftovers(()))
