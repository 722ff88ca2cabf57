"""The model's reasoning: a few dim lines while it goes on, and one line when it has ended."""

from collections.abc import Callable, Iterator

from wcwidth import clip

from midstream.faces.terminal.paint import Look, Paint, wrapped
from midstream.faces.terminal.rows import elapsed

SHOWN, SHOWN_OPEN = 3, 12  # lines that are seen while it goes on
TAIL = 160  # characters of the reasoning, for each of these lines


class Reasoning:
    """Collects reasoning.

    Attributes:
        last: what was reasoned since the user said something, a text each.
        is_open: more of it is shown while it goes on.
    """

    def __init__(self, paint: Paint, clock: Callable[[], float]) -> None:
        self.last: list[str] = []
        self.is_open = False
        self._paint = paint
        self._clock = clock
        self._pieces: list[str] = []
        self._began = 0.0

    @property
    def goes_on(self) -> bool:
        return bool(self._pieces)

    def add(self, text: str) -> None:
        if not self._pieces:
            self._began = self._clock()
        self._pieces.append(text)

    def end(self, width: int) -> str:
        """The line that stays of it; "" if there was none."""
        text = "".join(self._pieces).strip()
        self._pieces.clear()
        if not text:
            return ""
        self.last.append(text)
        since = self._clock() - self._began
        words = f"✻ thought for {elapsed(since) if since >= 1 else f'{since:.1f} s'}"
        words += f" · {len(text.split()):,} words (Ctrl-R)"
        return self._paint(Look.FAINT, clip(words, 0, width))

    def forget(self) -> None:
        self._pieces.clear()

    def live(self, width: int) -> Iterator[str]:
        if not self._pieces:
            return
        most = SHOWN_OPEN if self.is_open else SHOWN
        yield self._paint(Look.FAINT, f"✻ thinking… {elapsed(self._clock() - self._began)}")
        yield from self._lines(self._tail(most * TAIL), width)[-most:]

    def whole(self, width: int) -> list[str]:
        """All of what was reasoned since the user said something, to be read."""
        lines: list[str] = []
        for text in self.last:
            lines += [self._paint(Look.FAINT, "✻ thought"), *self._lines(text, width)]
        return lines

    def _tail(self, characters: int) -> str:
        """The last part, without joining what may be a long text on each frame."""
        taken: list[str] = []
        for piece in reversed(self._pieces):
            taken.append(piece)
            characters -= len(piece)
            if characters <= 0:
                break
        return "".join(reversed(taken))

    def _lines(self, text: str, width: int) -> list[str]:
        lines = wrapped(text.strip(), width - 2)
        return [self._paint(Look.FAINT, f"  {line}") for line in lines]
