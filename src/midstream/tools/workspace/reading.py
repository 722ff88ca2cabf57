"""Reading a file: its lines with their numbers, or the picture that it is."""

import io
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from midstream.messages import Image
from midstream.tools.output import MAX_IMAGE, MEDIA_TYPES
from midstream.tools.workspace.folders import FilePath, Folders, Place

BEGINNING = 8192  # bytes, by which it is told what a file is
LONGEST_LINE = 2_000  # characters
MOST_TEXT = 100_000  # characters of all lines together
COUNTED = 16 * 1024 * 1024  # bytes: of longer files it is not said how many lines they have


class Reading:
    """The tool `read_file`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def read_file(
        self,
        path: FilePath,
        offset: Annotated[int, Meta(ge=1), "number of the first line to show, from 1"] = 1,
        limit: Annotated[int, Meta(ge=1), "how many lines to show"] = 2000,
    ) -> str | Image:
        """Read a text file, or look at a picture (PNG, JPEG, GIF, WebP).

        Each line comes as its number, a tab, and its text; number and tab are not part of the file.
        """
        # Numbers: a model says "line 412" to people, finds again what search_files and tracebacks
        # name, and pages by them. edit_file says so where they were copied along.
        place = self._folders.place(path)
        with place.naming(), place.opened() as file:
            beginning = file.read(BEGINNING)
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            if any(begins.match(beginning) for begins in MEDIA_TYPES.values()):
                if (size + 2) // 3 * 4 > MAX_IMAGE:
                    raise ValueError(f"{place.shown} is a picture of {size:,} bytes: too large")
                return Image(file.read())
            encoding = "utf-8-sig"
            if beginning.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                encoding = "utf-16"
            elif b"\0" in beginning:
                words = f"{place.shown} is a binary file of {size:,} bytes, which cannot be shown"
                raise ValueError(words)
            text = io.TextIOWrapper(file, encoding, "replace", newline="\n")
            return _page(place, text, offset, limit, counted=size <= COUNTED)


def _page(place: Place, text: io.TextIOWrapper, offset: int, limit: int, counted: bool) -> str:
    shown: list[str] = []
    total, room = 0, MOST_TEXT
    for total, line in enumerate(_lines(text), 1):
        if total >= offset and len(shown) < limit and room > 0:
            shown.append(f"{total}\t{line}")
            room -= len(shown[-1])
        elif shown and not counted:
            break
    if not total:
        return f"[{place.shown} is empty]"
    if not shown:
        raise ValueError(f"{place.shown} has no line {offset}: it has {total}")
    last = offset + len(shown) - 1
    if offset > 1 or last < total:
        of = f" of {total}" if counted else ""
        more = f"; go on with offset={last + 1}" if last < total else ", the last one"
        shown.append(f"[lines {offset} to {last}{of}{more}]")
    return "\n".join(shown)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Without their ends, and of long ones the beginning."""
    while line := text.readline(LONGEST_LINE + 2):
        length, end = len(line), line
        while not end.endswith("\n") and (end := text.readline(65_536)):
            length += len(end)
        line = line.removesuffix("\n").removesuffix("\r")
        if length > LONGEST_LINE + 2:
            line = f"{line[:LONGEST_LINE]}… [cut: the line has {length:,} characters]"
        yield line
