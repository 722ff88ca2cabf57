"""What a program printed, as it reads when all is done: no colours, no moves of the cursor."""

import codecs
import re
from collections import deque

from msgspec import Struct

LONGEST_LINE = 8192  # characters: the beginning of a longer one is over, and not written over
LONGEST_SEQUENCE = 4096  # characters; a longer one is none
HEAD, TAIL = 8_000, 24_000  # characters of an output that are kept
LONGEST_SHOWN = 200  # characters of the last line

# The bodies cannot hold what begins another one, so that no text takes longer than another.
_CSI = "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+"
_STRING = (
    f"(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]{{0,{LONGEST_SEQUENCE}}}+"
)
_SEQUENCE = re.compile(
    f"{_CSI}[@-~]"  # a colour, a move
    f"|{_STRING}(?:\x07|\x1b\\\\|\x9c)"  # a title
    "|\x1b[ -/]*+[0-~]"
    "|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_BEGUN = re.compile(f"(?:{_CSI}|{_STRING}\x1b?|\x1b[ -/]*+)\\Z")


class Printed:
    """Bytes in, clean text out.

    Bytes that are not UTF-8 are replaced. Of a line that was written over, as progress bars do it,
    the last state is kept. Sequences may be cut anywhere between the pieces.

    Attributes:
        last: the last line that says something, whole or not.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""  # a control sequence whose end is not there
        self._line = ""  # a line whose end is not there
        self._ended = ""  # the end of what was given

    @property
    def last(self) -> str:
        lines = (_last_state(self._line), *reversed(self._ended.split("\n")))
        return next((line.strip()[:LONGEST_SHOWN] for line in lines if line.strip()), "")

    def feed(self, data: bytes) -> str:
        """What is finished by that: whole lines, but for very long ones."""
        return self._give(self._decoder.decode(data), whole=False)

    def end(self) -> str:
        """The rest."""
        return self._give(self._decoder.decode(b"", final=True), whole=True)

    def _give(self, new: str, whole: bool) -> str:
        text = self._begun + new
        self._begun = ""
        if not whole and (begun := _BEGUN.search(text, max(0, len(text) - LONGEST_SEQUENCE))):
            text, self._begun = text[: begun.start()], begun[0]
        text = self._line + _SEQUENCE.sub("", text)
        done, end, self._line = text.rpartition("\n")
        done += end
        if "\r" in self._line:
            cut = self._line.endswith("\r")  # what comes next may be its line end
            self._line = _last_state(self._line) + "\r" * cut
        if whole or len(self._line) > LONGEST_LINE:
            done, self._line = done + self._line, ""
        if "\r" in done or "\b" in done:
            done = "\n".join(map(_last_state, done.split("\n")))
        if done.strip():
            self._ended = done[-2 * LONGEST_LINE :]
        return done


def _last_state(line: str) -> str:
    line = line.rstrip("\r").rpartition("\r")[2]
    if "\b" not in line:
        return line
    kept: list[str] = []
    for each in line:
        if each != "\b":
            kept.append(each)
        elif kept:
            kept.pop()
    return "".join(kept)


class Kept:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._head = ""
        self._tail = deque[str]()
        self._size = 0  # of the tail
        self._left_out = Amount()

    def add(self, text: str) -> None:
        room = HEAD - len(self._head)
        self._head += text[:room]
        if text := text[room:]:
            self._tail.append(text)
            self._size += len(text)
        while self._size - TAIL >= len(self._tail[0]) if self._tail else False:
            gone = self._tail.popleft()
            self._size -= len(gone)
            self._left_out += gone

    def text(self) -> str:
        tail = "".join(self._tail)
        if not self._left_out.characters and len(tail) <= TAIL:
            return self._head + tail
        head, begun = _cut_at_line(self._head)
        gone, tail = tail[:-TAIL], tail[-TAIL:]
        behind, end, rest = tail.partition("\n")
        if rest and len(behind) < TAIL // 2:
            gone, tail = gone + behind + end, rest
        left_out = self._left_out + begun + gone
        return f"{head}\n[… {left_out} left out …]\n{tail}"


class Amount(Struct, frozen=True):
    """How much text was left out."""

    characters: int = 0
    lines: int = 0

    def __add__(self, text: str) -> "Amount":
        return Amount(self.characters + len(text), self.lines + text.count("\n"))

    def __str__(self) -> str:
        return f"{self.characters:,} characters, {self.lines:,} lines,"


def _cut_at_line(text: str) -> tuple[str, str]:
    """Whole lines, and what is begun behind them; unless that were most of it."""
    whole, end, begun = text.rpartition("\n")
    return (whole, begun) if end and len(begun) < len(text) // 2 else (text, "")
