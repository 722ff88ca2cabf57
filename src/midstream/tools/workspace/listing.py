"""Listing the files of a folder and of those in it."""

import os
from typing import Annotated

from msgspec import Meta

from midstream.concurrency import in_thread
from midstream.tools.workspace.folders import Folders, Place, check_folder
from midstream.tools.workspace.globs import Glob
from midstream.tools.workspace.ripgrep import listing, run

ListPath = Annotated[str, "the folder, relative to the working folder or absolute"]
ListPattern = Annotated[
    str,
    "only these: *.py anywhere, or with a slash from the folder on, such as src/**/*.{ts,tsx}",
]


class Listing:
    """The tool `list_files`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def list_files(
        self,
        path: ListPath = ".",
        pattern: ListPattern | None = None,
        limit: Annotated[int, Meta(ge=1, le=5000), "how many files to name"] = 500,
    ) -> str:
        """List the files in a folder and in all folders in it, sorted.

        Hidden ones, and those that .gitignore names, are left out; to see into a hidden folder,
        give it as the path. Links are not followed.
        """
        place = self._folders.place(path)
        names = _Names(self._folders, place, Glob(pattern) if pattern else None, limit)
        await in_thread(lambda: check_folder(place))
        complaint = await run(listing(self._folders.roots), place.path, b"\0", names.take)
        return names.told(complaint)


class _Names:
    """The files that were found, as the model is told of them."""

    def __init__(self, folders: Folders, place: Place, glob: Glob | None, limit: int) -> None:
        self._folders = folders
        self._place = place
        self._glob = glob
        self._limit = limit
        self._names: list[str] = []
        self._count = 0

    def take(self, records: list[bytes]) -> bool:
        for record in records:
            name = os.fsdecode(record.removeprefix(b"./"))
            if self._glob is None or self._glob.fits(name):
                self._count += 1
                if self._count <= self._limit:
                    self._names.append(self._folders.shown(os.path.join(self._place.path, name)))
        return True

    def told(self, complaint: str) -> str:
        if not self._count:
            if complaint:
                raise OSError(f"{self._place.shown} cannot be listed: {complaint}")
            return f"[no such files in {self._place.shown}, but for hidden or ignored ones]"
        if (shown := len(self._names)) == self._count:
            return "\n".join(self._names)
        more = f"[{shown:,} of {self._count:,} files: narrow it by path or pattern]"
        return "\n".join([*self._names, more])
