"""Reading a file: its lines with their numbers, or the picture that it is."""

import io
import os
from typing import Annotated, BinaryIO

from msgspec import Meta

from midstream.messages import Image
from midstream.tools.output import MAX_IMAGE, MEDIA_TYPES
from midstream.tools.workspace.folders import Folders, Place, naming, opened
from midstream.tools.workspace.texts import BEGINNING, encoding_of, is_binary

LONGEST_LINE = 2_000  # characters
MOST_TEXT = 100_000  # characters of all lines together
COUNTED = 256 * 1024 * 1024  # bytes: of longer files it is not said how many lines they have

ReadPath = Annotated[str, "the file, relative to the working folder or absolute"]


class Reading:
    """The tool `read_file`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def read_file(
        self,
        path: ReadPath,
        offset: Annotated[int, Meta(ge=1), "number of the first line to show, from 1"] = 1,
        limit: Annotated[int, Meta(ge=1), "how many lines to show"] = 2000,
    ) -> str | Image:
        """Read a text file, or look at a picture (PNG, JPEG, GIF, WebP).

        Each line comes as its number, a tab, and its text; number and tab are not part of the file.
        """
        # Numbers: a model says "line 412" to people, finds again what search_files and tracebacks
        # name, and pages by them. edit_file says so where they were copied along.
        place = self._folders.place(path)
        with naming(place), opened(place) as file:
            beginning = file.read(BEGINNING)
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            if any(begins.match(beginning) for begins in MEDIA_TYPES.values()):
                return _picture(file, place, size)
            if is_binary(beginning):
                raise ValueError(
                    f"{place.shown} is a binary file of {size:,} bytes, which cannot be shown"
                )
            text = io.TextIOWrapper(file, encoding_of(beginning), "replace", newline="\n")
            return _Page(place, text, offset).read(limit, size <= COUNTED)


class _Page:
    """Some lines of a file."""

    def __init__(self, place: Place, text: io.TextIOWrapper, offset: int) -> None:
        self._place = place
        self._text = text
        self._first = offset
        self._next = offset  # the number of the line to read
        self._shown: list[str] = []
        self._room = MOST_TEXT

    def read(self, limit: int, counted: bool) -> str:
        before = self._skip(self._first - 1)
        while self._next < self._first + limit and self._room > 0 and (line := self._line()):
            self._shown.append(line)
            self._room -= len(line)
            self._next += 1
        if not self._shown:
            return self._nothing(before)
        left = self._left() if counted else 1
        if left == 0 and self._first == 1:
            return "\n".join(self._shown)
        last = self._next - 1
        of = f" of {last + left}" if counted else ""
        note = f"[lines {self._first} to {last}{of}"
        note += f"; go on with offset={self._next}]" if left else ", the last one]"
        return "\n".join([*self._shown, note])

    def _skip(self, count: int) -> int:
        """How many lines it has passed over: fewer where the file ends before."""
        done, begun = 0, False
        while done < count and (part := self._text.readline(65_536)):
            begun = not part.endswith("\n")
            done += not begun
        return done + begun

    def _line(self) -> str:
        """The next line, numbered; empty at the end of the file."""
        line = self._text.readline(LONGEST_LINE + 1)
        if not line:
            return ""
        length = len(line)
        whole = line.endswith("\n")
        while not whole and (part := self._text.readline(65_536)):
            length += len(part)
            whole = part.endswith("\n")
        line = line.removesuffix("\n").removesuffix("\r")
        if length > LONGEST_LINE + 2:
            line = f"{line[:LONGEST_LINE]}… [cut: the line has {length:,} characters]"
        return f"{self._next}\t{line}"

    def _left(self) -> int:
        lines, last = 0, "\n"
        while part := self._text.read(65_536):
            lines, last = lines + part.count("\n"), part[-1]
        return lines + (last != "\n")

    def _nothing(self, lines: int) -> str:
        if self._first == 1:
            return f"[{self._place.shown} is empty]"
        raise ValueError(f"{self._place.shown} has no line {self._first}: it has {lines}")


def _picture(file: BinaryIO, place: Place, size: int) -> Image:
    if (size + 2) // 3 * 4 > MAX_IMAGE:
        raise ValueError(f"{place.shown} is a picture of {size:,} bytes: too large to be shown")
    return Image(file.read())
