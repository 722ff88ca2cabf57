"""The fan-out of a run's events: one writer, any number of readers, none of whom it waits for."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from weakref import ref

from msgspec.structs import force_setattr

from midstream.concurrency import Bell
from midstream.errors import EventsGone
from midstream.events import Delta, RunEvent, TextDelta, ThinkingDelta, ToolInputDelta

DELTAS = frozenset({TextDelta, ThinkingDelta, ToolInputDelta})


class Feed:
    """Numbers the events of one run and hands them to its readers.

    Args:
        run: the run's id, which every event carries.
        clock: seconds, monotonic.
        history: how many of the latest events are held for readers who come later.
    """

    __slots__ = ("__weakref__", "_began", "_clock", "_history", "_readers", "_seq", "closed", "run")

    def __init__(
        self, run: str, clock: Callable[[], float] = time.monotonic, history: int = 1024
    ) -> None:
        self.run = run
        self.closed = False
        self._clock = clock
        self._began = clock()
        self._seq = 0
        self._history: deque[RunEvent] = deque(maxlen=history)
        # Weak, so that a reader that was dropped without a word does not collect events for ever.
        self._readers: tuple[ref[FeedReader], ...] = ()

    def emit(self, event: RunEvent) -> None:
        """Tell an event to every reader. Never waits.

        The event gets its number and time here, before anyone sees it; that is the only moment at
        which an event changes. (A copy would cost as much as the event.)
        """
        self._seq += 1
        force_setattr(event, "run", self.run)
        force_setattr(event, "seq", self._seq)
        force_setattr(event, "t", self._clock() - self._began)
        self._history.append(event)
        for held in self._readers:
            if reader := held():
                reader.push(event)

    def close(self) -> None:
        """No more events: readers end once they have read what is left."""
        self.closed = True
        for reader in self._held():
            reader.news.ring()

    def reader(self, after: int = 0) -> "FeedReader":
        """A reader of every event whose number is greater than `after`.

        Raises:
            EventsGone: some of those events are no longer held.
        """
        oldest = self._history[0].seq if self._history else self._seq + 1
        if after + 1 < oldest:
            raise EventsGone(f"events {after + 1} to {oldest - 1} are no longer held")
        reader = FeedReader(self)
        for event in self._history:
            if event.seq > after:
                reader.push(event)
        self._readers = (*map(ref, self._held()), ref(reader))
        return reader

    def forget(self, reader: "FeedReader") -> None:
        self._readers = tuple(ref(each) for each in self._held() if each is not reader)

    def _held(self) -> "list[FeedReader]":
        return [reader for held in self._readers if (reader := held())]


class FeedReader(AsyncIterator["RunEvent"]):
    """One reader's place in a feed.

    What it has not read yet waits here. Deltas of one block join while they wait, unless another
    event stands between them: so a reader that has fallen behind holds one delta for each open
    block between two other events, loses no text, and still reads in the order of the numbers.
    """

    __slots__ = ("__weakref__", "_closed", "_feed", "_pending", "news")

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._pending: deque[RunEvent | Window] = deque()
        self.news = Bell()
        self._closed = False

    def push(self, event: RunEvent) -> None:
        if self._pending and type(event) in DELTAS:
            self._join(event)  # type: ignore[arg-type]  # the set names the members of Delta
        else:
            self._pending.append(event)
        self.news.ring()

    def _join(self, delta: Delta) -> None:
        last = self._pending[-1]
        if not isinstance(last, Window):
            window = Window()
            if type(last) in DELTAS:
                self._pending.pop()
                window.add(last)  # type: ignore[arg-type]  # as above
            self._pending.append(last := window)
        last.add(delta)

    def __aiter__(self) -> "FeedReader":
        return self

    async def __anext__(self) -> RunEvent:
        while not self._pending:
            if self._feed.closed or self._closed:
                self.close()
                raise StopAsyncIteration
            await self.news.wait()
        first = self._pending[0]
        if not isinstance(first, Window):
            self._pending.popleft()
            return first
        joined = first.pop(next(iter(first)))
        if not first:
            self._pending.popleft()
        return joined.event()

    @property
    def behind(self) -> int:
        """How many events wait to be read, joined deltas counting as one."""
        return sum(len(item) if isinstance(item, Window) else 1 for item in self._pending)

    def close(self) -> None:
        """Read no more. What waits is dropped, and whoever waits for an event is let go."""
        self._closed = True
        self._pending.clear()
        self._feed.forget(self)
        self.news.ring()


class Window(dict[object, "Joined"]):
    """Deltas with no other event between them: one for each block, in order of their numbers."""

    def add(self, delta: Delta) -> None:
        block = delta.id if isinstance(delta, ToolInputDelta) else delta.index
        place = (delta.agent, type(delta), block)
        joined = self.pop(place, None) or Joined()
        joined.add(delta)
        self[place] = joined


class Joined:
    """Deltas of one block that nobody has read yet."""

    __slots__ = ("_last", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._last: Delta | None = None

    def add(self, delta: Delta) -> None:
        self._parts.append(delta.json if isinstance(delta, ToolInputDelta) else delta.text)
        self._last = delta

    def event(self) -> Delta:
        last = self._last
        assert last is not None  # a Joined is made to be added to
        if len(self._parts) == 1:
            return last
        whole = "".join(self._parts)
        stamp = {"run": last.run, "seq": last.seq, "t": last.t, "agent": last.agent}
        if isinstance(last, ToolInputDelta):
            return ToolInputDelta(last.id, whole, **stamp)  # type: ignore[arg-type]
        return type(last)(last.index, whole, **stamp)  # type: ignore[arg-type]
