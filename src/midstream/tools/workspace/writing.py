"""Writing a file: all of it or nothing, whatever happens in between."""

import os
import secrets
from contextlib import suppress
from typing import Annotated

from midstream.tools.workspace.folders import FilePath, Folders, Place

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Writing:
    """The tool `write_file`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def write_file(
        self, path: FilePath, content: Annotated[str, "all that the file will hold"]
    ) -> str:
        """Write a whole file. It is made, with its folders, or replaced.

        To change parts of a file, edit_file is better.
        """
        place = self._folders.place(path)
        if path.endswith("/"):
            raise IsADirectoryError(f"{path} names a folder: give the name of the file too")
        with place.naming():
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
    place.check_not_git()
    with place.holding(make=True) as (name, folder):
        before = _state(name, folder)
        if before:
            place.check_file(before)
            # root may write everything, but was not asked to.
            if not before.st_mode & 0o222 or not os.access(name, os.W_OK, dir_fd=folder):
                raise PermissionError(f"{place.shown} is read-only")
        new = f".midstream-{secrets.token_hex(8)}.tmp"
        try:
            _fill(os.open(new, _NEW, 0o666, dir_fd=folder), data, before)
            if read and _version(read) != _version(_state(name, folder)):
                raise OSError(f"{place.shown} was changed meanwhile: read it again")
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
        return before is not None


def _state(name: str, folder: int) -> os.stat_result | None:
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    return None


def _fill(descriptor: int, data: bytes, before: os.stat_result | None) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if before:
            with suppress(OSError):  # only root can give files away
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, before.st_mode & 0o777)  # not whose rights it runs with
        os.fsync(descriptor)


def _version(state: os.stat_result | None) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns) if state else ()
