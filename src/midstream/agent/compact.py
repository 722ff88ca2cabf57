"""Compaction: the model sums up what was said, and goes on with the summary in its place.

It is asked as for any turn, with the same tools, so that what the provider has cached of the
conversation is read; but nothing that it calls runs. Until the summary is whole and written down,
the conversation is what it was.
"""

import anyio
from msgspec.structs import replace

from midstream.agent.attempts import Attempts
from midstream.agent.keeper import Keeper
from midstream.agent.plan import Plan
from midstream.agent.room import is_full, room_in, was_full, window_of
from midstream.agent.summary import KEPT_TOKENS, fitted, in_place_of, request_for, summary_of
from midstream.agent.tally import Tally, is_spent, price_usd, reason
from midstream.errors import MidstreamError, NotCompacted
from midstream.events import (
    Compacted,
    CompactionFailed,
    CompactionStarted,
    TextDelta,
    ThinkingDelta,
)
from midstream.feed import Feed
from midstream.journal.context import rough_tokens
from midstream.journal.session import Session
from midstream.messages import ModelRequest
from midstream.models.model import Connection
from midstream.turn.turn import Turn

LEAST_TOKENS = 4_096  # that a summary may have, however short answers are to be
SAFE = 0.8  # of the room, where it is estimated what fits


class Compactor:
    """Compacts the conversation of one run."""

    def __init__(
        self, plan: Plan, session: Session, keeper: Keeper, feed: Feed, tally: Tally
    ) -> None:
        self._plan = plan
        self._session = session
        self._keeper = keeper
        self._feed = feed
        self._tally = tally
        self._attempts = Attempts(plan, keeper, feed, tally)
        self._in_vain = False  # it has failed, or what it left is as long as before
        self._last = 0  # the turn before which it was done

    async def when_full(self, connection: Connection) -> bool:
        """Compact if the next request would leave too little room; whether that was tried.

        A failure is told, and the run goes on as it is. It is not tried again in this run.
        """
        if self._in_vain or not self._can_be():
            return False
        if not await is_full(self._plan, self._session):
            return False
        if self._last and self._last == self._keeper.number - 1:
            # If even the request with the summary was too long, another would be so, too.
            self._in_vain = await was_full(self._plan, self._session)
        if self._in_vain:
            return False
        try:
            await self.compact(connection, goes_on=not self._session.asked)
            self._last = self._keeper.number
        except MidstreamError:
            self._in_vain = True
        return True

    def _can_be(self) -> bool:
        """Whether it makes sense; not while the provider pauses, since it goes on by its answer."""
        said = self._session.messages
        answered = any(message.role == "assistant" for message in said)
        return answered and (self._session.asked or said[-1].role == "user")

    async def compact(
        self, connection: Connection, words: str = "", *, goes_on: bool = False
    ) -> Turn:
        """Put a summary in the place of all that was said, but what waits for its answer.

        Args:
            words: what the user says of the summary.
            goes_on: the model is to go on with what it does.

        Returns:
            The turn whose text the summary is.

        Raises:
            MidstreamError: it failed, which is told; the conversation is as it was.
        """
        if not self._session.messages:
            raise NotCompacted("there is nothing to compact: nothing has been said yet")
        await anyio.lowlevel.checkpoint()  # what was stopped before it began is not told to begin
        window = await window_of(self._plan)
        self._feed.emit(CompactionStarted(self._session.context_tokens, window))
        began = anyio.current_time()
        try:
            turn = await self._summed_up(connection, self._request(words, window))
        except MidstreamError as error:
            self._feed.emit(CompactionFailed(reason(error)))
            raise
        with anyio.CancelScope(shield=True):
            await self._replace(turn, goes_on, window, anyio.current_time() - began)
        return turn

    async def _replace(self, turn: Turn, goes_on: bool, window: int | None, took_s: float) -> None:
        most = min(KEPT_TOKENS, window // 8) if window else KEPT_TOKENS
        summary, usage = summary_of(turn), turn.usage
        price = await price_usd(self._plan.model, turn)
        self._tally.compacted(turn, price)
        message = in_place_of(self._session.messages, summary, most, goes_on=goes_on)
        await self._keeper.compacted(summary, message, usage, price, took_s)
        self._feed.emit(Compacted(summary, usage, price))

    async def _summed_up(self, connection: Connection, request: ModelRequest) -> Turn:
        attempt = 0
        while True:
            attempt, turn = attempt + 1, Turn(self._plan.max_arguments)
            try:
                await self._ask(connection, request, turn)
                summary_of(turn)
            except MidstreamError as error:
                await self._attempts.after(turn, attempt, error)
            except anyio.get_cancelled_exc_class():
                self._attempts.lose(turn, attempt, "the compaction was stopped")
                raise
            else:
                return turn
            if await is_spent(self._plan, self._tally):
                raise NotCompacted("the limit of cost was reached")

    def _request(self, words: str, window: int | None) -> ModelRequest:
        request, said = self._plan.request, tuple(self._session.messages)
        tokens = self._session.context_tokens
        if window and tokens > (room := room_in(self._plan, window)):
            said = fitted(said, int(room / tokens * SAFE * rough_tokens(*said)))
        said = (*said, request_for(words))
        return replace(request, messages=said, max_tokens=max(request.max_tokens, LEAST_TOKENS))

    async def _ask(self, connection: Connection, request: ModelRequest, turn: Turn) -> None:
        async with connection.ask(request) as batches:
            async for batch in batches:
                for event in batch:
                    turn.feed(event)
                    if isinstance(event, TextDelta | ThinkingDelta):
                        self._feed.emit(event)
        turn.check_whole()
