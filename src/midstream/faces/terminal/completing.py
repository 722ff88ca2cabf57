"""What can be completed while it is typed: commands, and files of the folder."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from time import monotonic

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from midstream.faces.plain import printable
from midstream.tools.workspace.plain_search import files

MOST = 200  # completions
MOST_FILES = 20_000
FRESH_S = 10.0  # how long a list of files is good


class WordsAndFiles(Completer):
    """Completes `/commands` at the beginning, what they take, and `@files` anywhere.

    Args:
        commands: their names, without the slash, and what they do.
        values: what the command of that name can be given.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        values: Callable[[str], Iterable[str]],
        folder: Path,
    ) -> None:
        self._commands = commands
        self._values = values
        self._folder = folder
        self._files: list[str] = []
        self._listed = -FRESH_S

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        before = document.text_before_cursor
        word = before.split()[-1] if before and not before[-1].isspace() else ""
        if before.startswith("/") and "\n" not in before:
            yield from self._of_command(before)
        elif word.startswith("@"):
            yield from self._of_files(word[1:])

    def _of_command(self, before: str) -> Iterator[Completion]:
        name, space, value = before[1:].partition(" ")
        if space:
            for each in self._values(name):
                if each.startswith(value):
                    yield Completion(each, -len(value))
        else:
            for each, about in self._commands.items():
                if each.startswith(name):
                    yield Completion(f"/{each}", -len(before), display_meta=about)

    def _of_files(self, part: str) -> Iterator[Completion]:
        """Those with the part in their name first, then those that have it in their path."""
        if monotonic() - self._listed > FRESH_S:
            self._files, self._listed = listed(self._folder), monotonic()
        sought = part.lower()
        found = [each for each in self._files if sought in each.lower()]
        found.sort(key=lambda each: (sought not in os.path.basename(each).lower(), len(each), each))
        for each in found[:MOST]:
            name = f'@"{each}"' if " " in each else f"@{each}"
            yield Completion(name, -len(part) - 1, display=printable(each))


def listed(folder: Path) -> list[str]:
    """The files below a folder, as paths from it, without what is hidden or was made."""
    top = os.fsencode(folder)
    found = (os.fsdecode(os.path.relpath(each, top)) for each in files(top))
    return list(islice(found, MOST_FILES))
