"""What is done one after the other: words that are said, and commands that change who is asked."""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from msgspec import Struct


class Job(Struct, frozen=True):
    """
    Attributes:
        words: those of the user's that it says, if that is what it does.
    """

    do: Callable[[], Awaitable[None]]
    words: str = ""


class Jobs:
    """Those that wait for their turn."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._news = anyio.Event()
        self._over = False

    @property
    def words(self) -> list[str]:
        """What waits to be said."""
        return [job.words for job in self._waiting if job.words]

    def add(self, do: Callable[[], Awaitable[None]], words: str = "") -> None:
        self._waiting.append(Job(do, words))
        self._news.set()

    def unsay(self) -> list[str]:
        """Take back what waits to be said."""
        words = self.words
        self._waiting = deque(job for job in self._waiting if not job.words)
        return words

    def end(self) -> None:
        """No further one begins."""
        self._over = True
        self._news.set()

    async def work(self, ended: Callable[[], None]) -> None:
        """Do them, until the end; `ended` is called after each."""
        while not self._over:
            if self._waiting:
                await self._waiting.popleft().do()
                ended()
            else:
                self._news = anyio.Event()
                await self._news.wait()
