"""What a program printed, as it reads when all is done: no colours, no moves of the cursor."""

import codecs
import re

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
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
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
        text = self._begun + self._decoder.decode(data)
        begun = _BEGUN.search(text, max(0, len(text) - LONGEST_SEQUENCE))
        self._begun = begun[0] if begun else ""
        return self._give(text.removesuffix(self._begun), LONGEST_LINE)

    def end(self) -> str:
        """The rest."""
        return self._give(self._begun + self._decoder.decode(b"", final=True), 0)

    def _give(self, text: str, longest: int) -> str:
        text = self._line + _SEQUENCE.sub("", text)
        done, end, self._line = text.rpartition("\n")
        done += end
        if "\r" in done:
            done = "\n".join(map(_last_state, done.split("\n")))
        if "\r" in self._line:
            cut = self._line.endswith("\r")  # what comes next may be its line end
            self._line = _last_state(self._line) + "\r" * cut
        if len(self._line) > longest:
            done, self._line = done + _last_state(self._line), ""
        if done.strip():
            self._ended = done[-2 * LONGEST_LINE :]
        return done


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2] if "\r" in line else line


class Kept:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._head = ""
        self._tail = ""
        self._gone = 0  # characters in between

    def add(self, text: str) -> None:
        room = HEAD - len(self._head)
        self._head += text[:room]
        self._tail += text[room:]
        if len(self._tail) > 2 * TAIL:
            self._cut()

    def text(self) -> str:
        self._cut()
        left_out = f"\n[… {self._gone:,} characters left out …]\n" if self._gone else ""
        return self._head + left_out + self._tail

    def _cut(self) -> None:
        self._gone += max(0, len(self._tail) - TAIL)
        self._tail = self._tail[-TAIL:]
