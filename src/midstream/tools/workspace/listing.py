"""Listing the files of a folder and of those in it."""

import os
from typing import Annotated

from msgspec import Meta

from midstream.concurrency import in_thread
from midstream.tools.workspace.folders import Folders
from midstream.tools.workspace.globs import Glob, Pattern
from midstream.tools.workspace.ripgrep import listing, run


class Listing:
    """The tool `list_files`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def list_files(
        self,
        path: Annotated[str, "the folder, relative to the working folder or absolute"] = ".",
        pattern: Pattern | None = None,
        limit: Annotated[int, Meta(ge=1, le=5000), "how many files to name"] = 500,
    ) -> str:
        """List the files in a folder and in all folders in it, sorted.

        Hidden ones, and those that .gitignore names, are left out; to see into a hidden folder,
        give it as the path. Links are not followed.
        """
        place = self._folders.place(path)
        glob = Glob(pattern or "*")
        shown: list[str] = []
        count = 0

        def take(records: list[bytes]) -> bool:
            nonlocal count
            for record in records:
                name = os.fsdecode(record.removeprefix(b"./"))
                if glob.fits(name):
                    count += 1
                    if count <= limit:
                        shown.append(self._folders.shown(os.path.join(place.path, name)))
            return True

        await in_thread(place.check_folder)
        complaint = await run(listing(self._folders.roots), place.path, b"\0", take)
        if not count:
            if complaint:
                raise OSError(f"{place.shown} cannot be listed: {complaint}")
            return f"[no such files in {place.shown}, but for hidden or ignored ones]"
        if count > limit:
            shown.append(f"[{limit:,} of {count:,} files: narrow it by path or pattern]")
        return "\n".join(shown)
