"""Writing a file: all of it or nothing, whatever happens in between."""

import os
import secrets
import stat
from contextlib import suppress
from typing import Annotated

from midstream.tools.workspace.folders import (
    Folders,
    Place,
    Spot,
    check_file,
    holding,
    make_folders,
    naming,
)

WritePath = Annotated[str, "the file, relative to the working folder or absolute"]


class Writing:
    """The tool `write_file`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def write_file(
        self, path: WritePath, content: Annotated[str, "all that the file will hold"]
    ) -> str:
        """Write a whole file. It is made, with its folders, or replaced.

        To change parts of a file, edit_file is better.
        """
        place = self._folders.place(path)
        if path.endswith("/"):
            raise IsADirectoryError(f"{path} names a folder: give the name of the file too")
        with naming(place):
            make_folders(place)
            replaced = write(place, content.encode("utf-8", "surrogateescape"))
        lines = content.count("\n") + (not content.endswith("\n") and content != "")
        how = "Replaced" if replaced else "Wrote the new file"
        return f"{how} {place.shown}: {lines:,} {'line' if lines == 1 else 'lines'}."


def write(place: Place, data: bytes, read: os.stat_result | None = None) -> bool:
    """Replace a file by one that is written whole beside it; whether there was one before.

    Args:
        read: the file's state when it was read: it must not have changed since.

    Raises:
        OSError: it cannot be written, or may not be, or has changed.
    """
    with holding(place) as spot:
        before = spot.stat()
        if before:
            check_file(before, place)
            if not before.st_mode & 0o222 or not spot.writable():
                raise PermissionError(f"{place.shown} is read-only")
        new = spot.beside(f".midstream-{secrets.token_hex(8)}.tmp")
        try:
            _fill(new, data, before)
            if read and not _same(read, spot.stat()):
                raise OSError(f"{place.shown} was changed meanwhile: read it again")
            new.become(spot)
        except BaseException:
            with suppress(OSError):
                new.remove()
            raise
        return before is not None


def _fill(new: Spot, data: bytes, before: os.stat_result | None) -> None:
    with os.fdopen(new.create(), "wb") as file:
        file.write(data)
        file.flush()
        if before and hasattr(os, "fchown"):
            if before.st_uid != os.getuid() or before.st_gid != os.getgid():
                with suppress(OSError):  # only root can give files away
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        os.fsync(file.fileno())


def _same(one: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and _version(one) == _version(other)


def _version(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
