"""Which files may be touched, and a way to them on which no link leads out.

A path is resolved and must lie inside of one of the folders. Between that and its use somebody may
put a link in its place, so it is gone to from the folder down, name by name, and no name on the
way may be a link then. Windows cannot do that: there the path is resolved once more.
"""

import json
import os
import re
import stat
import unicodedata
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import BinaryIO

from msgspec import Struct

# Whether a name can be looked up in an open folder.
BY_FOLDER = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NO_LINK
# A pipe is opened without waiting for its other end.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | _NO_LINK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | _NO_LINK
_KERNELS = ("/proc", "/sys")  # what looks like files there tells of processes and their secrets
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 4_000  # characters of a path
_LONGEST_SHOWN = 1_000


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

    @property
    def names(self) -> tuple[str, ...]:
        """The way from the root."""
        return PurePath(self.path).relative_to(self.root).parts


class Folders:
    """The folders that may be worked in.

    Args:
        folder: what relative paths start from.
        also: others, for absolute paths.

    Raises:
        NotADirectoryError: one of them is no folder.
    """

    def __init__(self, folder: str | Path, also: Sequence[str | Path] = ()) -> None:
        self.roots = tuple(dict.fromkeys(map(_real_folder, (folder, *also))))
        self.first = self.roots[0]

    def place(self, path: str) -> Place:
        """Where a path leads; it need not exist.

        A `~` at its beginning is the user's home: as a name it would only ever be a mistake, and
        one day be deleted by somebody's shell.

        Raises:
            PermissionError: outside of the folders.
            ValueError: no path can be like that.
        """
        if not path or "\0" in path or len(path) > _LONGEST:
            why = "is empty, has a NUL in it, or is too long"
            raise ValueError(f"{readable(path)} cannot be a path: it {why}")
        given = os.path.join(self.first, _from_home(path))
        try:
            real = os.path.realpath(given)
        except OSError as error:  # a link that is gone before it is read
            words = os.strerror(error.errno or 0)
            raise type(error)(f"{readable(path)} changed while it was opened: {words}") from error
        if (root := self._root(real)) is not None:
            return Place(root, real, self.shown(real))
        how = "is" if self._root(os.path.abspath(given)) is None else "is a link that leads"
        raise PermissionError(
            f"{readable(path)} {how} outside of {readable(' and '.join(self.roots))}: "
            "--add-dir DIR allows more"
        )

    def shown(self, real: str) -> str:
        return readable(os.path.relpath(real, self.first) if inside(real, self.first) else real)

    def lane(self, path: str) -> str:
        """The same for all ways to spell one file; never raises.

        Also for those that only some file systems take for one: that costs nothing.
        """
        with suppress(OSError, ValueError):
            path = os.path.realpath(os.path.join(self.first, _from_home(path)))
        return "file " + unicodedata.normalize("NFC", path).casefold()

    def _root(self, path: str) -> str | None:
        return next((root for root in self.roots if inside(path, root)), None)


class Spot(Struct, frozen=True):
    """A name in an open folder. Without BY_FOLDER it is a whole path, and `folder` None."""

    name: str
    folder: int | None

    def beside(self, name: str) -> "Spot":
        return Spot(os.path.join(os.path.dirname(self.name), name), self.folder)

    def stat(self) -> os.stat_result | None:
        """Of what has the name, a link as well; None if nothing has."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def create(self) -> int:
        """A descriptor of a new file."""
        return os.open(self.name, _NEW, 0o666, dir_fd=self.folder)

    def open(self) -> int:
        return os.open(self.name, _READ, dir_fd=self.folder)

    def writable(self) -> bool:
        return os.access(self.name, os.W_OK, dir_fd=self.folder)

    def become(self, other: "Spot") -> None:
        """Take the place of `other`, which is in the same folder."""
        os.replace(self.name, other.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def remove(self) -> None:
        os.unlink(self.name, dir_fd=self.folder)


@contextmanager
def holding(place: Place) -> Generator[Spot]:
    """The place as a name in its folder, which is open for as long."""
    if not BY_FOLDER:
        _check_unmoved(place)
        yield Spot(place.path, None)
        return
    *names, name = place.names or (".",)
    with _open_folder(place.root, names) as folder:
        yield Spot(name, folder)


def make_folders(place: Place) -> None:
    """Make those that are missing on the way to a place."""
    if not BY_FOLDER:
        _check_unmoved(place)
        os.makedirs(os.path.dirname(place.path), exist_ok=True)
        return
    *names, _ = place.names or (".",)
    for count, name in enumerate(names):
        with _open_folder(place.root, names[:count]) as folder, suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)


@contextmanager
def opened(place: Place) -> Generator[BinaryIO]:
    """A file to read.

    Raises:
        OSError: there is none, or no ordinary one.
    """
    with holding(place) as spot:
        if found := spot.stat():  # before it is opened, which has effects on some devices
            check_file(found, place)
        descriptor = spot.open()
    with os.fdopen(descriptor, "rb") as file:
        check_file(os.fstat(descriptor), place)
        if not BY_FOLDER:
            _check_unmoved(place)
        yield file


def check_file(found: os.stat_result, place: Place) -> None:
    """Refuse what is no ordinary file."""
    mode = found.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{place.shown} is a folder: list_files shows what is in it")
    if stat.S_ISLNK(mode):
        raise PermissionError(f"{place.shown} became a link while it was opened")
    if not stat.S_ISREG(mode) or found.st_dev in _kernels():
        raise PermissionError(f"{place.shown} is no ordinary file: a pipe, a device or the like")


def check_folder(place: Place) -> None:
    """Refuse what is no folder, or one that the kernel's are in."""
    if not os.path.isdir(place.path):
        raise NotADirectoryError(f"{place.shown} is no folder that there is")
    if os.stat(place.path).st_dev in _kernels() or any(inside(k, place.path) for k in _KERNELS):
        raise PermissionError(f"{place.shown} holds more than ordinary files: take one in it")


@contextmanager
def naming(place: Place) -> Generator[None]:
    """Errors of the system say what is wrong with which file, as the model knows it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        hint = " (a name that is not UTF-8 cannot be given)" if "\ufffd" in place.shown else ""
        raise type(error)(f"{place.shown}: {os.strerror(error.errno)}{hint}") from error


def readable(path: str) -> str:
    """A path on one line; one with a line end in its name is in quotes, as JSON has it."""
    path = path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}…"
    return json.dumps(path) if _UNPRINTABLE.search(path) else path


def inside(path: str, folder: str) -> bool:
    return PurePath(path).is_relative_to(folder)


@contextmanager
def _open_folder(root: str, names: Sequence[str]) -> Generator[int]:
    descriptor = os.open(root, _FOLDER)
    try:
        for name in names:
            inner = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _check_unmoved(place: Place) -> None:
    if os.path.realpath(place.path) != place.path:
        raise PermissionError(f"{place.shown} became a link while it was opened")


def _kernels() -> set[int]:
    return {os.stat(each).st_dev for each in _KERNELS if os.path.ismount(each)}


def _real_folder(folder: str | Path) -> str:
    real = os.path.realpath(os.path.expanduser(folder))
    if not os.path.isdir(real):
        raise NotADirectoryError(f"{folder} is no folder")
    return real


def _from_home(path: str) -> str:
    return os.path.expanduser(path) if path == "~" or path.startswith(("~/", "~\\")) else path
