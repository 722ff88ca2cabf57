"""Which files may be touched, and a way to them on which no link leads out.

A path is resolved and must lie inside of one of the folders. Between that and its use somebody may
put a link in its place, so it is gone to from the folder down, name by name, and no name on the
way may be a link then. That takes a POSIX system.
"""

import json
import os
import re
import stat
import unicodedata
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Annotated, BinaryIO

from msgspec import Struct

_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | _NO_LINK
_READ = os.O_RDONLY | os.O_NONBLOCK | _NO_LINK  # a pipe does not wait for its other end
_KERNELS = ("/proc", "/sys")  # what looks like files there tells of processes and their secrets
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Some file systems do not see these in names, nor upper case.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_LONGEST = 4_000  # characters of a path
_LONGEST_SHOWN = 1_000

FilePath = Annotated[str, "the file, relative to the working folder or absolute"]


class Place(Struct, frozen=True):
    """A path inside of one of the folders, its links followed.

    Attributes:
        root: that folder.
        path: absolute.
        shown: as the model is told of it: relative to the first folder, else absolute.
    """

    root: str
    path: str
    shown: str

    @contextmanager
    def holding(self, make: bool = False) -> Generator[tuple[str, int]]:
        """Its name, and a descriptor of the folder that has the name, for as long.

        Args:
            make: the folders on the way that are missing.
        """
        *names, last = PurePath(self.path).relative_to(self.root).parts or (".",)
        folder = os.open(self.root, _FOLDER)
        try:
            for name in names:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                inner = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield last, folder
        finally:
            os.close(folder)

    @contextmanager
    def opened(self) -> Generator[BinaryIO]:
        """The file, to read.

        Raises:
            OSError: there is none, or no ordinary one.
        """
        with self.holding() as (name, folder):
            # Before it is opened, which has effects on some devices.
            self.check_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
            file = os.fdopen(os.open(name, _READ, dir_fd=folder), "rb")
        with file:
            self.check_file(os.fstat(file.fileno()))
            yield file

    def check_file(self, found: os.stat_result) -> None:
        """Refuse what is no ordinary file."""
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(f"{self.shown} is a folder: list_files shows what is in it")
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(f"{self.shown} is no ordinary file: a pipe, a device or the like")

    def check_not_git(self) -> None:
        """Refuse what git keeps for itself: its settings and hooks name programs that it runs."""
        names = PurePath(self.path).relative_to(self.root).parts
        if any(_IGNORED.sub("", name).casefold() == ".git" for name in names):
            raise PermissionError(f"{self.shown} is git's own: only commands of git change it")

    def check_folder(self) -> None:
        """Refuse what is no folder, or one that the kernel's are in."""
        if not os.path.isdir(self.path):
            raise NotADirectoryError(f"{self.shown} is no folder that there is")
        if any(inside(kernel, self.path) for kernel in _KERNELS):
            raise PermissionError(f"{self.shown} holds more than ordinary files: take one in it")

    @contextmanager
    def naming(self) -> Generator[None]:
        """Errors of the system say what is wrong with which file, as the model knows it."""
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise type(error)(f"{self.shown}: {os.strerror(error.errno)}") from error


class Folders:
    """The folders that may be worked in.

    Args:
        folder: what relative paths start from.
        also: others, for absolute paths.

    Raises:
        NotADirectoryError: one of them is no folder.
    """

    def __init__(self, folder: str | Path, also: Sequence[str | Path] = ()) -> None:
        self.roots = tuple(os.path.realpath(os.path.expanduser(each)) for each in (folder, *also))
        self.first = self.roots[0]
        for root in self.roots:
            if not os.path.isdir(root):
                raise NotADirectoryError(f"{root} is no folder")

    def place(self, path: str) -> Place:
        """Where a path leads; it need not exist.

        A `~` at its beginning is the user's home: as a name it would only ever be a mistake, and
        one day be deleted by somebody's shell.

        Raises:
            PermissionError: outside of the folders, or the kernel's.
            ValueError: no path can be like that.
        """
        if not path or "\0" in path or len(path) > _LONGEST:
            why = "is empty, has a NUL in it, or is too long"
            raise ValueError(f"{readable(path)} cannot be a path: it {why}")
        try:
            real = self._real(path)
        except OSError as error:  # a link that is gone before it is read
            raise PermissionError(f"{readable(path)} changed while it was opened") from error
        if any(inside(real, kernel) for kernel in _KERNELS):
            raise PermissionError(f"{readable(path)} is no ordinary file: it is the kernel's")
        if root := next((root for root in self.roots if inside(real, root)), None):
            return Place(root, real, self.shown(real))
        raise PermissionError(
            f"{readable(path)} is, or leads, outside of {readable(' and '.join(self.roots))}: "
            "--add-dir DIR allows more"
        )

    def shown(self, real: str) -> str:
        return readable(os.path.relpath(real, self.first) if inside(real, self.first) else real)

    def lane(self, path: str) -> str:
        """The same for all ways to spell one file; never raises.

        Also for those that only some file systems take for one: that costs nothing.
        """
        with suppress(OSError, ValueError):
            path = self._real(path)
        return "file " + unicodedata.normalize("NFC", path).casefold()

    def _real(self, path: str) -> str:
        home = path == "~" or path.startswith("~/")
        return os.path.realpath(
            os.path.join(self.first, os.path.expanduser(path) if home else path)
        )


def readable(path: str) -> str:
    """A path on one line; one with a line end in its name is in quotes, as JSON has it."""
    path = path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}…"
    return json.dumps(path) if _UNPRINTABLE.search(path) else path


def inside(path: str, folder: str) -> bool:
    return PurePath(path).is_relative_to(folder)
