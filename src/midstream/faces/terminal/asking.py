"""The question whether a tool may run, put to the person who watches."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from midstream.agent.run import Run
from midstream.events import ApprovalRequested
from midstream.faces.plain import printable
from midstream.faces.terminal.paint import Look, Paint, wrapped
from midstream.tools.permissions import MEMBER, Rule
from midstream.tools.prefixes import prefix_of

MOST_LINES, MOST_CHARACTERS = 10, 2000  # of one member of the input
CHANGES = {"old_text": (Look.BAD, "-"), "new_text": (Look.GOOD, "+"), "content": (Look.GOOD, "+")}
SPEAK_FOR_THEMSELVES = (*CHANGES, "command", "path")
STILL_S = 0.4  # a key that was on its way when the question came is no answer to it


class Question(Struct, frozen=True):
    """A call that waits.

    Attributes:
        since: when the person saw it first.
        prefix: what its command begins with, if that can be allowed for good.
    """

    asked: ApprovalRequested
    since: float
    prefix: str | None


class Asking:
    """The calls that wait for an answer; the first of them is asked about."""

    def __init__(self, paint: Paint, clock: Callable[[], float]) -> None:
        self._paint = paint
        self._clock = clock
        self._waiting: dict[str, ApprovalRequested] = {}
        self._question: Question | None = None

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def ask(self, event: ApprovalRequested) -> None:
        self._waiting[event.id] = event

    def forget(self, call_id: str) -> None:
        """It was answered, or its call is gone."""
        self._waiting.pop(call_id, None)
        if self._question and self._question.asked.id == call_id:
            self._question = None

    def clear(self) -> None:
        self._waiting.clear()
        self._question = None

    # -- the question ---------------------------------------------------------------------------

    def panel(self, width: int) -> Iterator[str]:
        """The lines of the question, if there is one. To draw it is to ask it."""
        question = self._current()
        if question is None:
            return
        more = f" (and {len(self._waiting) - 1} more)" if len(self._waiting) > 1 else ""
        name = printable(question.asked.name)
        yield self._paint(Look.ASKS, f"? {name}") + self._paint(Look.FAINT, more)
        yield from self._input(question.asked.input, width)
        if self._may_answer(question):
            keys = {"y": "yes", "a": f"always {name}"}
            if question.prefix:
                keys["p"] = f"always “{printable(question.prefix)} …”"
            keys["n"] = "no"
            listed = " · ".join(f"{key} {words}" for key, words in keys.items())
            rows = wrapped(f"{listed} · or write what to do instead", width - 2)
            yield from (self._paint(Look.FAINT, f"  {row}") for row in rows)

    def _input(self, given: dict[str, Any], width: int) -> Iterator[str]:
        """All of it, as far as there is room: nobody should allow what is not seen."""
        for name, value in given.items():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            look, sign = CHANGES.get(name, (Look.NAME, " "))
            rows = wrapped(printable(text[:MOST_CHARACTERS]), width - 4 - len(name))
            if name not in SPEAK_FOR_THEMSELVES:
                rows = [f"{printable(name)}: {rows[0]}", *rows[1:]]
            yield from (self._paint(look, f"  {sign} {row}") for row in rows[:MOST_LINES])
            hidden = len(text) - len("\n".join(rows[:MOST_LINES]))
            if len(rows) > MOST_LINES or len(text) > MOST_CHARACTERS:
                yield self._paint(Look.BAD, f"    … {hidden:,} more characters are not shown")

    def _current(self) -> Question | None:
        first = next(iter(self._waiting.values()), None)
        if first and (self._question is None or self._question.asked is not first):
            command = first.input.get(MEMBER)
            prefix = prefix_of(command) if isinstance(command, str) else None
            self._question = Question(first, self._clock(), prefix)
        return self._question if first else None

    def _may_answer(self, question: Question) -> bool:
        return self._clock() - question.since >= STILL_S

    # -- the answer -----------------------------------------------------------------------------

    def answer(self, key: str, run: Run) -> bool:
        """Take a key as the answer; False if it is none."""
        question = self._question
        if question is None or not self._may_answer(question):
            return False
        call_id, name = question.asked.id, question.asked.name
        match key.lower():
            case "y":
                run.approve(call_id, True)
            case "a":
                run.allow(Rule(name))
            case "p" if question.prefix:
                run.allow(Rule(name, question.prefix))
            case "n":
                run.approve(call_id, False)
            case _:
                return False
        return True

    def refuse(self, words: str, run: Run) -> bool:
        """Say no, and what to do instead; False if nothing is asked."""
        question = self._question
        if question is None:
            return False
        run.approve(question.asked.id, False, words)
        return True
