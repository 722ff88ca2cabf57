"""Changing a part of a file: a text that is there, word for word, becomes another."""

import os
import re
from typing import Annotated

from midstream.tools.workspace.difference import difference
from midstream.tools.workspace.folders import Folders, Place, naming, opened
from midstream.tools.workspace.missing import missing
from midstream.tools.workspace.texts import BEGINNING, FileText, as_in_a_file, is_binary
from midstream.tools.workspace.writing import write

LARGEST = 32 * 1024 * 1024  # bytes
PLACES_TOLD = 10

EditPath = Annotated[str, "the file, relative to the working folder or absolute"]
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
        path: EditPath,
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
        with naming(place):
            before, state = _read(place)
            found = _found(place, before, old_text, replace_all)
            after = _replaced(before, found, new_text)
            try:
                data = after.data()
            except UnicodeEncodeError as error:
                raise ValueError(f"new_text cannot be in {place.shown}: {error}") from error
            write(place, data, state)
        times = "" if len(found) == 1 else f" in {len(found):,} places"
        return f"Edited {place.shown}{times}:\n{difference(before.text, after.text)}"


def _read(place: Place) -> tuple[FileText, os.stat_result]:
    with opened(place) as file:
        state = os.fstat(file.fileno())
        if state.st_size > LARGEST:
            raise ValueError(f"{place.shown} has {state.st_size:,} bytes: too large to be edited")
        data = file.read()
    if is_binary(data[:BEGINNING]):
        raise ValueError(f"{place.shown} is a binary file: it cannot be edited")
    try:
        return FileText.read(data), state
    except UnicodeDecodeError as error:
        raise ValueError(f"{place.shown} cannot be read as text: {error}") from error


def _found(place: Place, text: FileText, old: str, replace_all: bool) -> list[re.Match[str]]:
    """What is to be replaced: one place, or all."""
    pattern = as_in_a_file(old)
    whole = text.text
    found = list(pattern.finditer(whole)) if replace_all else _places(pattern, whole)
    if not found:
        raise ValueError(f"old_text is not in {place.shown}. {missing(whole, old)}")
    if len(found) > 1 and not replace_all:
        lines = [whole.count("\n", 0, each.start()) + 1 for each in found]
        told = ", ".join(map(str, lines[:PLACES_TOLD]))
        more = " and more" if len(found) > PLACES_TOLD else ""
        raise ValueError(
            f"old_text is in {place.shown} more than once, from the lines {told}{more}. Add lines "
            "around it, so that it is there once, or set replace_all."
        )
    return found


def _places(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Where it is, at most one place more than is told; they may overlap."""
    found: list[re.Match[str]] = []
    at = 0
    while len(found) <= PLACES_TOLD and (match := pattern.search(text, at)):
        found.append(match)
        at = match.start() + 1
    return found


def _replaced(before: FileText, found: list[re.Match[str]], new: str) -> FileText:
    parts: list[str] = []
    lines = new.replace("\r\n", "\n").split("\n")
    end = 0
    for each in found:
        parts += [before.text[end : each.start()], before.line_end(each[0]).join(lines)]
        end = each.end()
    return FileText("".join([*parts, before.text[end:]]), before.mark)
