"""The attempt that was lost last: what is said of it until it is made again, and what stays."""

from collections.abc import Iterator, Sequence

from midstream.faces.columns import flat
from midstream.faces.terminal.paint import Look, Paint
from midstream.faces.terminal.rows import shortened

AGAIN, NOT_AGAIN = "↻ asked again: ", "× "


class Lost:
    """Holds it until it is known whether it was made again, so that what stays can say so.

    Attributes:
        is_there: an attempt was lost, and nothing was said of it for good.
    """

    def __init__(self, paint: Paint) -> None:
        self.is_there = False
        self._paint = paint
        self._why = ""
        self._ran: Sequence[str] = ()
        self._again: float | None = None

    def lose(self, why: str, ran: Sequence[str]) -> None:
        """An attempt is lost. What ran in it is kept: a painted line each."""
        self.is_there, self._why, self._ran, self._again = True, flat(why), ran, None

    def wait(self, until: float) -> None:
        self._again = until

    def told(self) -> None:
        """Why is told by what follows; what had run is not."""
        self.is_there = bool(self._ran)

    def live(self, now: float, width: int) -> Iterator[str]:
        waits = 0.0 if self._again is None else self._again - now
        yield from self._lines(f"↻ again in {waits:.1f} s: " if waits > 0 else AGAIN, width)

    def made_again(self, width: int) -> list[str]:
        """The lines that stay once the request has gone out again; none if nothing was lost."""
        return self._for_good(AGAIN, width)

    def given_up(self, width: int) -> list[str]:
        """The lines that stay where it does not go out again; none if nothing was lost."""
        return self._for_good(NOT_AGAIN, width)

    def _for_good(self, head: str, width: int) -> list[str]:
        was_there, self.is_there = self.is_there, False
        return list(self._lines(head, width)) if was_there else []

    def _lines(self, head: str, width: int) -> Iterator[str]:
        told = "; what had run is kept:" if self._ran else ""
        why = shortened(self._why, width - len(head) - len(told))
        yield self._paint(Look.FAINT, f"{head}{why}{told}")
        yield from self._ran
