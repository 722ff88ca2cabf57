"""The lines that stay, on their way to the terminal."""

from collections.abc import Iterable
from enum import Enum


class Step(Enum):
    """What happens between lines."""

    MARK = "what follows may be taken back"
    WITHDRAW = "what was written since the mark is taken back"


class Kind(Enum):
    """What lines are part of. Between different kinds, and between prompts, a line is left free."""

    PROMPT = "the user's words"
    TEXT = "the answer"
    CALL = "a tool"
    NOTE = "what the program says"


class Paper:
    """Collects finished lines, and sets apart what does not belong together."""

    def __init__(self) -> None:
        self._steps: list[str | Step] = []
        self._last = self._marked = Kind.NOTE  # something stands above: at least the command

    def write(self, kind: Kind, lines: Iterable[str], *, goes_on: bool = False) -> None:
        """Add lines.

        Args:
            goes_on: they belong to the lines before, if these are of the same kind.
        """
        new = list(lines)
        if new:
            if new[0] and self.gap(kind, goes_on=goes_on):
                self._steps.append("")
            self._steps += new
            self._last = kind

    def gap(self, kind: Kind, *, goes_on: bool = False) -> bool:
        """Whether a line is left free before what comes next."""
        return not (self._last is kind and goes_on)

    def mark(self) -> None:
        self._steps.append(Step.MARK)
        self._marked = self._last

    def withdraw(self) -> None:
        self._steps.append(Step.WITHDRAW)
        self._last = self._marked

    def take(self) -> list[str | Step]:
        """What was added since this was asked last."""
        steps, self._steps = self._steps, []
        return steps
