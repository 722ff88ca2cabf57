"""The tools that work in a folder: its files, and commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from midstream.tools.tool import Tool, tool
from midstream.tools.workspace.commands import Commands
from midstream.tools.workspace.editing import Editing
from midstream.tools.workspace.folders import Folders
from midstream.tools.workspace.listing import Listing
from midstream.tools.workspace.reading import Reading
from midstream.tools.workspace.searching import Searching
from midstream.tools.workspace.writing import Writing

__all__ = ["workspace"]

CHANGES = "changes of the folder"


def workspace(
    folder: str | Path, also: Sequence[str | Path] = (), environment: Sequence[str] = ()
) -> list[Tool]:
    """The tools that work in a folder, and in those that are `also` allowed.

    Commands start in the folder, and may go wherever the user may: only approval guards them.

    Args:
        environment: names of more variables that commands may see.

    Raises:
        NotADirectoryError: one of the folders is none.
    """
    folders = Folders(folder, also)

    # A read waits for the changes of its file that were asked for before it. Changes and commands
    # wait for each other: who asks for an edit and then for the tests means them in this order.
    def changed(path: str) -> tuple[str, str]:
        return folders.lane(path), CHANGES

    write: Any = {"effects": "write", "approval": True}
    return [
        tool(Reading(folders).read_file, effects="read", serial=folders.lane),
        tool(Listing(folders).list_files, effects="read"),
        tool(Searching(folders).search_files, effects="read"),
        tool(Writing(folders).write_file, serial=changed, **write),
        tool(Editing(folders).edit_file, serial=changed, **write),
        tool(Commands(folders, environment).run_command, timeout=None, serial=CHANGES, **write),
    ]
