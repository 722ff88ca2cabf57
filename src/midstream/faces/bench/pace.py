"""How fast an answer came, by when which of its characters arrived."""

from msgspec import Struct

MOMENT_S = 0.001  # what is read at once is told within less


class Moment(Struct):
    """Pieces that arrived together."""

    began_s: float
    ended_s: float
    characters: int


class Pace:
    """The pieces of one answer as they arrive.

    What came first was written while it was waited for, so that its time says nothing of the speed;
    how much that was only the characters tell, since tokens are counted once, at the end.
    """

    def __init__(self) -> None:
        self._moments: list[Moment] = []

    def came(self, at_s: float, characters: int) -> None:
        last = self._moments[-1] if self._moments else None
        if last is None or at_s - last.began_s >= MOMENT_S:
            self._moments.append(Moment(at_s, at_s, characters))
        else:
            last.ended_s = at_s
            last.characters += characters

    @property
    def streamed_s(self) -> float:
        """From the first moment to the last."""
        return self._moments[-1].ended_s - self._moments[0].ended_s if self._moments else 0.0

    @property
    def share(self) -> float:
        """How much of the answer came after the first moment, from 0 to 1.

        It is 0 where half of it or more came at one moment: a server that holds an answer back, and
        then hands it over in a lump, shows no speed.
        """
        sizes = [each.characters for each in self._moments]
        whole = sum(sizes)
        if not whole or 2 * max(sizes) >= whole:
            return 0.0
        return 1 - sizes[0] / whole
