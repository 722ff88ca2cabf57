"""Text as it streams onto a terminal, and lines between it that cut no sentence."""

import re
from collections.abc import Callable

# Where a line may come between: of a line of text, or of a sentence in it.
ENDS = re.compile("\n|[。！？]|[.!?…][\"'”’»)\\]*_`]*(?=[ \t])")
LOOK_BACK = 8  # characters, in which a sentence may have ended


class Flow:
    """Gives back what is to be written. A line that comes while text flows waits for its end."""

    def __init__(self) -> None:
        self._open = False  # the last line of the text has not ended
        self._flows = False  # more of it is to come
        self._cut = False  # the last line was ended between two words
        self._last = ""
        self._held: list[str] = []

    def text(self, text: str, paint: Callable[[str], str] = str) -> str:
        """Text that never waits; what was held comes where a line or a sentence ends in it."""
        if not self._held or (end := self._end_in(text)) is None:
            return self._add(text, paint)
        return self._add(text[:end], paint) + self._settle() + self._add(text[end:], paint)

    def line(self, line: str) -> str:
        """A line of its own, which ends with a line end; or nothing yet."""
        self._held.append(line)
        return "" if self._open and self._flows else self._settle()

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def pause(self) -> str:
        """The text stands still: what is held need not wait."""
        self._flows = False
        return self._settle() if self._held else ""

    def end(self) -> str:
        """The text has ended, and something else may stand on the next line."""
        settled = self._settle()
        self._flows = self._cut = False
        return settled

    def _settle(self) -> str:
        """The lines that are held, behind the line that is open."""
        end = "\n" if self._open else ""
        self._cut, self._open = self._cut or self._open, False
        lines, self._held = "".join(self._held), []
        return end + lines

    def _add(self, text: str, paint: Callable[[str], str]) -> str:
        if self._cut:
            text = text.removeprefix(" ")
        if not text:
            return ""
        self._cut, self._flows, self._open = False, True, not text.endswith("\n")
        self._last = (self._last + text)[-LOOK_BACK:]
        return paint(text)

    def _end_in(self, text: str) -> int | None:
        before = len(self._last)
        found = (each.end() - before for each in ENDS.finditer(self._last + text))
        return next((end for end in found if end >= 0), None)
