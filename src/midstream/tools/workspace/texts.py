"""A text file's bytes as text and back, to the byte."""

import codecs
import re

from msgspec import Struct

BEGINNING = 8192  # bytes, by which it is told what a file is

# By the mark at the beginning of a file.
_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def encoding_of(beginning: bytes) -> str:
    """For reading: what takes the mark away, if there is one."""
    name = _ENCODINGS.get(_mark(beginning), "utf-8")
    return "utf-8-sig" if name == "utf-8" else "utf-16"


def is_binary(beginning: bytes) -> bool:
    return b"\0" in beginning and not encoding_of(beginning).startswith("utf-16")


def lines_of(text: str) -> list[str]:
    """Its lines with their ends, as editors count them: only LF ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


class FileText(Struct, frozen=True):
    """What a file says.

    Attributes:
        text: with the line ends of the file. Bytes that are not UTF-8 are surrogates.
        mark: the byte order mark in front of it, if there is one.
    """

    text: str
    mark: bytes = b""

    @staticmethod
    def read(data: bytes) -> "FileText":
        """Raises UnicodeDecodeError, for UTF-16 alone."""
        mark = _mark(data)
        name, errors = _coding(mark)
        return FileText(data[len(mark) :].decode(name, errors), mark)

    def data(self) -> bytes:
        """Raises UnicodeEncodeError where the text holds what no file can."""
        name, errors = _coding(self.mark)
        return self.mark + self.text.encode(name, errors)

    def line_end(self, at: str) -> str:
        """The one used in `at`, a part of the text, or else the first in all of it."""
        for text in (at, self.text):
            if end := re.search("\r?\n", text):
                return end[0]
        return "\n"


def as_in_a_file(words: str) -> re.Pattern[str]:
    """Finds `words` whatever the line ends are, in them or in the file."""
    lines = words.replace("\r\n", "\n").split("\n")
    return re.compile("\r?\n".join(map(re.escape, lines)))


def _coding(mark: bytes) -> tuple[str, str]:
    name = _ENCODINGS.get(mark, "utf-8")
    return name, "surrogateescape" if name == "utf-8" else "strict"


def _mark(data: bytes) -> bytes:
    return next((mark for mark in _ENCODINGS if data.startswith(mark)), b"")
