"""Changing a part of a file: a text that is there, word for word, becomes another."""

import os
import re
from itertools import islice
from typing import Annotated

from midstream.tools.workspace.difference import difference
from midstream.tools.workspace.folders import FilePath, Folders, Place
from midstream.tools.workspace.missing import missing
from midstream.tools.workspace.writing import write

LARGEST = 32 * 1024 * 1024  # bytes
PLACES_TOLD = 10

OldText = Annotated[
    str,
    "the text to replace, exactly as it is in the file, without line numbers; with enough of the "
    "lines around it to be there only once",
]


class Editing:
    """The tool `edit_file`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def edit_file(
        self,
        path: FilePath,
        old_text: OldText,
        new_text: Annotated[str, "what takes its place"],
        replace_all: Annotated[bool, "replace it wherever it is"] = False,
    ) -> str:
        """Replace a text in a file; the answer shows what has changed.

        Line ends (LF or CRLF) stay as they are in the file, however they are written here.
        """
        place = self._folders.place(path)
        if not old_text:
            raise ValueError("old_text is empty: write_file makes new files")
        if old_text == new_text:
            raise ValueError("old_text and new_text are the same: there is nothing to change")
        with place.naming():
            before, state = _read(place)
            pattern = _pattern(before, old_text)
            _check(place, before, old_text, pattern, replace_all)
            after, count = _replaced(before, pattern, new_text)
            write(place, after.encode("utf-8", "surrogateescape"), state)
        times = "" if count == 1 else f" in {count:,} places"
        return f"Edited {place.shown}{times}:\n{difference(before, after)}"


def _read(place: Place) -> tuple[str, os.stat_result]:
    """What the file says, with its line ends; bytes that are not UTF-8 are surrogates."""
    with place.opened() as file:
        state = os.fstat(file.fileno())
        if state.st_size > LARGEST:
            raise ValueError(f"{place.shown} has {state.st_size:,} bytes: too large to be edited")
        data = file.read()
    if b"\0" in data:
        raise ValueError(f"{place.shown} is a binary file: it cannot be edited")
    return data.decode("utf-8", "surrogateescape"), state


def _pattern(text: str, words: str) -> re.Pattern[str]:
    """Finds the words in the text whatever the line ends are, in them or in the text."""
    returns = text.count("\r\n")
    # Where nothing is left open a search takes one look at each character.
    line_end = "\r?\n" if 0 < returns < text.count("\n") else "\r\n" if returns else "\n"
    return re.compile(line_end.join(map(re.escape, words.replace("\r\n", "\n").split("\n"))))


def _check(place: Place, text: str, old: str, pattern: re.Pattern[str], replace_all: bool) -> None:
    """Refuse what is not there, or not once."""
    found = list(islice(pattern.finditer(text), PLACES_TOLD + 1))
    if not found:
        raise ValueError(f"old_text is not in {place.shown}. {missing(text, old)}")
    if len(found) > 1 and not replace_all:
        lines = [str(text.count("\n", 0, each.start()) + 1) for each in found]
        more = " and more" if len(found) > PLACES_TOLD else ""
        raise ValueError(
            f"old_text is in {place.shown} more than once, from the lines "
            f"{', '.join(lines[:PLACES_TOLD])}{more}. Add lines around it, so that it is there "
            "once, or set replace_all."
        )


def _replaced(text: str, pattern: re.Pattern[str], new: str) -> tuple[str, int]:
    lines = new.replace("\r\n", "\n").split("\n")
    usual = _line_end(text) or "\n"
    return pattern.subn(lambda found: (_line_end(found[0]) or usual).join(lines), text)


def _line_end(text: str) -> str:
    """The first in it."""
    found = re.search("\r?\n", text)
    return found[0] if found else ""
