"""The question whether a tool may run, put to the person who watches."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from midstream.agent.run import Run
from midstream.events import ApprovalRequested
from midstream.faces.plain import printable
from midstream.faces.terminal.paint import Look, Paint, flat, wrapped
from midstream.tools.permissions import MEMBER, Rule
from midstream.tools.prefixes import prefix_of

MOST_LINES, MOST_CHARACTERS = 10, 2000  # of one member of the input
CHANGES = {"old_text": (Look.BAD, "-"), "new_text": (Look.GOOD, "+"), "content": (Look.GOOD, "+")}
SPEAK_FOR_THEMSELVES = (*CHANGES, "command", "path")
STILL_S = 0.4  # a key that was on its way when the question came is no answer to it
ALONE_S = 0.3  # and one that is followed by another is the beginning of words


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

    def panel(self, width: int, most: int) -> list[str]:
        """The lines of the question, if there is one. To draw it is to ask it.

        Args:
            most: how many lines there are at most, as far as that is possible.
        """
        question = self._current()
        if question is None:
            return []
        more = f" (and {len(self._waiting) - 1} more)" if len(self._waiting) > 1 else ""
        title = self._paint(Look.ASKS, f"? {flat(question.asked.name)}")
        keys = self._keys(question, width)
        room = most - 1 - len(keys)
        return [
            title + self._paint(Look.FAINT, more),
            *self._input(question.asked.input, width, room),
            *(keys if self._may_answer(question) else [""] * len(keys)),
        ]

    def _keys(self, question: Question, width: int) -> list[str]:
        keys = {"y": "yes", "a": f"always {flat(question.asked.name)}"}
        if question.prefix:
            keys["p"] = f"always “{flat(question.prefix)} …”"
        keys["n"] = "no"
        listed = " · ".join(f"{key} {words}" for key, words in keys.items())
        rows = wrapped(f"{listed} · or write what to do instead", width - 2)
        return [self._paint(Look.FAINT, f"  {row}") for row in rows]

    def _input(self, given: dict[str, Any], width: int, room: int) -> Iterator[str]:
        """All of it, as far as there is room: nobody should allow what is not seen."""
        for left, (name, value) in zip(range(len(given), 0, -1), given.items(), strict=True):
            if room < 2 and left > 1:
                yield self._paint(Look.BAD, f"    … {left} more arguments are not shown")
                return
            lines = list(self._member(name, value, width, max(1, room // left - 1)))
            room -= len(lines)
            yield from lines

    def _member(self, name: str, value: Any, width: int, most: int) -> Iterator[str]:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        look, sign = CHANGES.get(name, (Look.NAME, " "))
        label = "" if name in SPEAK_FOR_THEMSELVES else f"{flat(name)}: "
        seen = printable(label + text[:MOST_CHARACTERS]).removesuffix("\n")
        rows = wrapped(seen, max(1, width - 4))
        shown = rows[: min(most, MOST_LINES)]
        yield from (self._paint(look, f"  {sign} {row}") for row in shown)
        if len(shown) < len(rows) or len(text) > MOST_CHARACTERS:
            hidden = len(label) + len(text) - len("\n".join(shown))
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

    def takes(self, key: str) -> str | None:
        """The call that a key would answer for, if it is an answer to what is asked."""
        question = self._question
        if question is None or not self._may_answer(question):
            return None
        keys = ("y", "a", "n", "p") if question.prefix else ("y", "a", "n")
        return question.asked.id if key.lower() in keys else None

    def answer(self, words: str, run: Run) -> bool:
        """Take words as the answer: a letter, or what to do instead. False if nothing is asked."""
        question = self._question
        if question is None or not self._may_answer(question):
            return False
        call_id, name = question.asked.id, question.asked.name
        match words.strip().lower():
            case "y" | "yes":
                run.approve(call_id, True)
            case "a" | "always":
                run.allow(Rule(name))
            case "p" if question.prefix:
                run.allow(Rule(name, question.prefix))
            case "n" | "no":
                run.approve(call_id, False)
            case _:
                run.approve(call_id, False, words)
        return True
