"""All that is seen of a conversation at one moment, put in its place."""

from collections.abc import Callable

from midstream.agent.run import Run
from midstream.faces.columns import flat
from midstream.faces.terminal.asking import Asking
from midstream.faces.terminal.editor import Editor
from midstream.faces.terminal.paint import Look, Paint
from midstream.faces.terminal.screen import Place, Size
from midstream.faces.terminal.status import Status
from midstream.faces.terminal.view import View

TYPED = 3  # a third of the screen is for what is typed, at most
QUEUED = 3  # lines, at most, are for what is queued
SPACED = 2  # lines between the answer and what is typed, and the status


class Desk:
    """The live region from top to bottom: answer, calls, question, what is queued, input, status.

    Attributes:
        editor: set by who makes both.
        printed: takes the lines that tools have printed since it was called last.
        hint: stands in the place of the status line.
        run: the one that goes on.
    """

    editor: Editor

    def __init__(
        self, paint: Paint, clock: Callable[[], float], status: Status, width: int
    ) -> None:
        self.paint = paint
        self.view = View(paint, clock, width)
        self.asking = Asking(paint)
        self.status = status
        self.printed: Callable[[], list[str]] = list
        self.hint = ""
        self._run: Run | None = None

    @property
    def run(self) -> Run | None:
        return self._run

    @run.setter
    def run(self, run: Run | None) -> None:
        self._run = self.asking.run = run

    def lines(self, size: Size) -> tuple[list[str], Place]:
        """What is live, and where the cursor stands in it."""
        width = size.columns - 1  # the last column stays free
        typed, place = self.editor.lines(width, max(1, size.rows // TYPED), self.paint)
        below = [*self._queued(width), *typed]
        menu = self.editor.menu(width, self.paint)
        words = self.hint or self.status.line(width)
        below += menu or [self.paint(Look.FAINT, words)]
        room = size.rows - 1 - len(below) - SPACED
        question = self.asking.panel(width, room - 1, self.editor.text)
        if question:
            question = ["", *question]
        room -= len(question)
        above = [*self.view.live(max(1, room)), *question, ""]
        row = len(above) + len(self._queued(width)) + place.row
        return above + below, Place(row, place.column)

    def _queued(self, width: int) -> list[str]:
        queued = self.run.queued if self.run else ()
        shown = queued if len(queued) <= QUEUED else queued[: QUEUED - 1]
        lines = [f"⏎ at the end of the turn: {flat(each)}" for each in shown]
        if left := len(queued) - len(shown):
            lines.append(f"… and {left} more")
        return [self.paint(Look.FAINT, line) for line in lines]
