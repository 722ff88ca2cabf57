"""Searching the text of files."""

import os
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from midstream.concurrency import in_thread
from midstream.tools.workspace.folders import Folders, Place
from midstream.tools.workspace.globs import Glob, Pattern
from midstream.tools.workspace.ripgrep import run, search

LONGEST_LINE = 300  # characters; of a longer one what is around the match
BEFORE_MATCH = 100  # of these
MOST_TEXT = 60_000  # characters of all lines together

SearchPath = Annotated[str, "a file or folder, relative to the working folder or absolute"]
Expression = Annotated[str, "a regular expression, for one line; (?i) in front ignores case"]


class Words(Struct, frozen=True):
    """A text as ripgrep tells it: base64 where it is not UTF-8."""

    text: str | None = None
    encoded: bytes = field(default=b"", name="bytes")

    @property
    def data(self) -> bytes:
        return self.encoded if self.text is None else self.text.encode()


class Submatch(Struct, frozen=True):
    start: int


class Data(Struct, frozen=True):
    path: Words = Words()
    lines: Words = Words()
    line_number: int = 0
    submatches: list[Submatch] = []


class Line(Struct, frozen=True):
    """One message of ripgrep's."""

    type: str
    data: Data


_DECODER = msgspec.json.Decoder(Line)


class Searching:
    """The tool `search_files`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def search_files(
        self,
        pattern: Expression,
        path: SearchPath = ".",
        glob: Pattern | None = None,
        context: Annotated[int, Meta(ge=0, le=20), "lines to show around each match"] = 0,
        limit: Annotated[int, Meta(ge=1, le=2000), "how many matching lines to show"] = 200,
    ) -> str:
        """Search the text of files; matching lines come with their numbers, grouped by file.

        Hidden files, binary ones, and those that .gitignore names are left out. Links are not
        followed.
        """
        place = self._folders.place(path)
        if "\n" in pattern or "\0" in pattern:
            raise ValueError("the pattern is for one line: it cannot hold a line end or a NUL")
        folder, target = await in_thread(lambda: _target(place))
        matches = _Matches(self._folders, folder, Glob(glob or "*"), limit, context)
        command = search(self._folders.roots, pattern, context, target)
        complaint = await run(command, folder, b"\n", matches.take)
        if complaint and not matches.lines:
            raise ValueError(f"the search failed: {complaint}")
        return "\n".join(matches.lines) or f"[nothing in {place.shown} matches]"


def _target(place: Place) -> tuple[str, str]:
    """The folder to search in, and what in it: all, or one file."""
    if os.path.isdir(place.path):
        place.check_folder()
        return place.path, "./"
    with place.naming(), place.opened():  # only to see whether it may be
        folder, name = os.path.split(place.path)
        return folder, f"./{name}"


class _Matches:
    """The lines that were found, as the model is told of them."""

    def __init__(self, folders: Folders, folder: str, glob: Glob, limit: int, context: int) -> None:
        self.lines: list[str] = []
        self._folders = folders
        self._folder = folder
        self._glob = glob
        self._limit = limit
        self._grouped = context > 0  # a line says where lines are left out
        self._count = 0
        self._room = MOST_TEXT
        self._wanted = True  # the file that is searched
        self._header: list[str] = []  # of that file, before its first line
        self._last = 0  # the number of the line before

    def take(self, records: list[bytes]) -> bool:
        """Whether there is room for more."""
        for record in records:
            if record.startswith(b'{"type":"begin"'):
                self._begin(_DECODER.decode(record).data)
            elif self._wanted and (line := _line(record)).type in ("match", "context"):
                if line.type == "match" and (self._count == self._limit or self._room <= 0):
                    self.lines.append(
                        f"\n[there are more: the first {self._count:,} are above; narrow the "
                        "pattern, the path or the glob]"
                    )
                    return False
                self._show(line)
        return True

    def _begin(self, data: Data) -> None:
        name = os.fsdecode(data.path.data).removeprefix("./")
        self._wanted = self._glob.fits(name)
        shown = self._folders.shown(os.path.join(self._folder, name))
        self._header = ["", shown] if self.lines else [shown]

    def _show(self, line: Line) -> None:
        number = line.data.line_number
        if self._grouped and not self._header and number > self._last + 1:
            self.lines.append("--")
        sign = ":" if line.type == "match" else "-"
        words = f"{number or '?'}{sign}{_shown(line.data)}"
        self.lines += [*self._header, words]
        self._header = []
        self._count += line.type == "match"
        self._room -= len(words)
        self._last = number


def _line(record: bytes) -> Line:
    try:
        return _DECODER.decode(record)
    except msgspec.DecodeError:  # it was too long to be kept
        return Line("match", Data(lines=Words("[a very long line]")))


def _shown(data: Data) -> str:
    raw = data.lines.data
    text = raw.decode(errors="replace").rstrip("\r\n")
    if len(text) <= LONGEST_LINE:
        return text
    start = data.submatches[0].start if data.submatches else 0
    first = max(0, len(raw[:start].decode(errors="replace")) - BEFORE_MATCH)
    part = text[first : first + LONGEST_LINE]
    return f"{'…' if first else ''}{part}{'…' if first + LONGEST_LINE < len(text) else ''}"
