"""What is done about an attempt that is lost: it is told, written down, and made again."""

import random

import anyio

from midstream.agent.keeper import Keeper
from midstream.agent.plan import Plan
from midstream.agent.tally import Tally, reason
from midstream.errors import MidstreamError
from midstream.events import Retrying, TurnDiscarded
from midstream.feed import Feed
from midstream.turn.turn import Turn


class Attempts:
    """Those of one run."""

    def __init__(self, plan: Plan, keeper: Keeper, feed: Feed, tally: Tally) -> None:
        self._plan = plan
        self._keeper = keeper
        self._feed = feed
        self._tally = tally

    async def after(self, lost: Turn, attempt: int, error: MidstreamError) -> None:
        """Throw the attempt away, and wait until it may be made again.

        Raises:
            MidstreamError: `error`, when there is no sense in asking again.
        """
        why = reason(error)
        self._feed.emit(TurnDiscarded(self._keeper.number, attempt, why))
        self.lose(lost, attempt, why)
        delay = self._plan.backoff.delay_s(attempt, error, random.random())
        if delay is None:
            raise error
        self._feed.emit(Retrying(attempt + 1, delay, why))
        await anyio.sleep(delay)

    def lose(self, lost: Turn, attempt: int, why: str) -> None:
        self._tally.lose(lost)
        self._keeper.discarded(attempt, why, lost.usage)
