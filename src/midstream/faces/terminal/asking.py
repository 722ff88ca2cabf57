"""The question whether a tool may run, put to the person who watches."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from wcwidth import width as cells

from midstream.events import ApprovalRequested
from midstream.faces.answers import Answered, allows, answer
from midstream.faces.changes import SIGNS
from midstream.faces.columns import flat
from midstream.faces.plain import UNPRINTABLE
from midstream.faces.terminal.paint import Look, Paint, wrapped
from midstream.tools.permissions import Rule
from midstream.tools.prefixes import in_words, offered

MOST_LINES = 2_000  # that are shown of what is asked about, where it is asked for
LOOKS = {"-": Look.BAD, "+": Look.GOOD, " ": Look.NAME}
SPEAK_FOR_THEMSELVES = (*SIGNS, "command", "path")
GONE = "what was asked is gone"
NO_QUESTION = "this answers no question; Enter again says it"
UNSEEN = "a larger window shows it, or v; n says no"
LETTERS = ("y", "a", "p", "n", "v")  # which answer, or show all of what is asked about


class Question(Struct):
    """A call that waits.

    Attributes:
        narrow: what can be allowed for good besides the tool.
        begun: the line that is being typed was begun before, so that it is no answer.
        seen: it is on the screen, or was shown where it can be scrolled back to.
    """

    asked: ApprovalRequested
    narrow: Rule | None
    begun: bool
    seen: bool = False


class Waiting(Answered, Protocol):
    """The part of a run that waits for answers and takes them."""

    @property
    def waiting(self) -> Mapping[str, ApprovalRequested]: ...


class Asking:
    """Of the calls that wait for an answer the first is asked about.

    Attributes:
        run: the one that goes on.
    """

    def __init__(self, paint: Paint) -> None:
        self.run: Waiting | None = None
        self._paint = paint
        self._question: Question | None = None  # that was drawn last

    @property
    def _waiting(self) -> Mapping[str, ApprovalRequested]:
        return self.run.waiting if self.run else {}

    # -- the question ---------------------------------------------------------------------------

    def panel(self, width: int, most: int, typed: str) -> list[str]:
        """The lines of the question, if there is one. To draw it is to ask it.

        Args:
            most: how many lines there is room for; two are always there.
            typed: what stands in the line that is being typed.
        """
        question = self._current(typed)
        if question is None:
            return []
        more = f" (and {len(self._waiting) - 1} more)" if len(self._waiting) > 1 else ""
        title = self._paint(Look.ASKS, f"? {flat(question.asked.name)}")
        keys = self._keys(question, width)
        shown = list(self._input(question.asked.input, width, most - 1 - len(keys)))
        lines = [title + self._paint(Look.FAINT, more), *shown, *keys]
        if len(lines) <= most and max(map(cells, lines)) <= width:
            question.seen = True
            return lines
        return [lines[0], self._paint(Look.BAD, f"  {UNSEEN}")]

    def whole(self, width: int) -> list[str]:
        """All of what is asked about, to be read; nothing where nothing is asked."""
        if self._question is None or self._question.asked.id not in self._waiting:
            return []
        self._question.seen = True
        return list(self._input(self._question.asked.input, width, MOST_LINES))

    def _keys(self, question: Question, width: int) -> list[str]:
        answers = {"y": "yes", "a": f"always {flat(question.asked.name)}"}
        if question.narrow:
            answers["p"] = f"always {flat(in_words(question.narrow))}"
        answers["n"] = "no"
        listed = " · ".join(f"{key} {words}" for key, words in answers.items())
        words = f"{listed} · or what to do instead; Enter"
        if question.begun:
            words = f"what you have begun is no answer; Ctrl-U empties the line, then\n{listed}"
        return [self._paint(Look.FAINT, f"  {row}") for row in wrapped(words, width - 2)]

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
        sign = SIGNS.get(name, " ")
        look = LOOKS[sign]
        label = "" if name in SPEAK_FOR_THEMSELVES else f"{flat(name)}: "
        # More than that is not seen, and need not be wrapped for each frame.
        part = revealed(label + text[: most * width]).removesuffix("\n")
        rows = wrapped(part, max(1, width - 4))
        shown = rows[:most]
        yield from (self._paint(look, f"  {sign} {row}") for row in shown)
        if len(shown) < len(rows) or len(text) > most * width:
            hidden = max(1, len(label) + len(text) - len("\n".join(shown)))
            yield self._paint(Look.BAD, f"    … {hidden:,} more characters; v shows them")

    def _current(self, typed: str) -> Question | None:
        first = next(iter(self._waiting.values()), None)
        if first is None:
            self._question = None
        elif self._question is None or self._question.asked is not first:
            self._question = Question(first, offered(first.name, first.input), bool(typed))
        else:
            self._question.begun = self._question.begun and bool(typed)
        return self._question

    # -- the answer -----------------------------------------------------------------------------

    def trouble(self, words: str) -> str:
        """Why words are not taken that look like an answer; nothing if they are, or are none."""
        question, letter = self._question, words.strip().lower() in LETTERS
        if self.run is None or not words.strip() or words.startswith("/"):
            return ""
        if question and self._waiting.get(question.asked.id) is not question.asked:
            return GONE
        if question is None or question.begun:
            return NO_QUESTION if letter else ""
        return UNSEEN if not question.seen and allows(words) else ""

    def answer(self, words: str) -> bool:
        """Take a line as the answer: a letter, or what to do instead. False if it is none.

        Raises:
            ValueError: it is a letter that stands for nothing here.
            KeyError: the call that was asked about is gone.
        """
        run, question = self.run, self._question
        if run is None or question is None or question.begun:
            return False
        answer(run, question.asked, question.narrow, words)
        return True


def revealed(text: str) -> str:
    """A text in which what a terminal would not show is spelled out."""
    return UNPRINTABLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)
