"""Running ripgrep, or where there is none a plain program that answers in the same way."""

import os
import sys
from collections.abc import Callable, Sequence
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryFile

import anyio

from midstream.tools.workspace import plain_search
from midstream.tools.workspace.environment import environment, program

LONGEST_RECORD = 1 << 20  # bytes; of a longer one only the beginning is kept

_PLAIN = [sys.executable, "-I", "-S", "-X", "utf8", plain_search.__file__]
# No configuration of the user's: it could follow links, or run programs on what is found.
_RG = ["--no-config", "--no-messages", "--sort=path"]


def listing(folders: Sequence[str]) -> list[str]:
    """The command that writes the names of the files below `./`, each with a NUL behind it."""
    if rg := program("rg", folders):
        return [rg, *_RG, "--files", "--null", "--", "./"]
    return [*_PLAIN, "files", "./"]


def search(folders: Sequence[str], pattern: str, context: int, target: str) -> list[str]:
    """The command that writes what matches in `target`, `./` or `./NAME`, as lines of JSON."""
    if rg := program("rg", folders):
        # Each is one argument, whatever is in it; nothing of it can become an option.
        options = ["--json", "--crlf", f"--context={context}", f"--regexp={pattern}"]
        return [rg, *_RG, *options, "--", target]
    return [*_PLAIN, "search", str(context), pattern, target]


async def run(
    command: list[str], folder: str, separator: bytes, take: Callable[[list[bytes]], bool]
) -> str:
    """Run a search in a folder; what it complained of, if it failed.

    Args:
        take: gets what is between separators, some at a time, until it says that it has enough by
            returning False: that ends the search.
    """
    with TemporaryFile() as errors:
        async with await anyio.open_process(
            command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
            cwd=folder,
            env=environment(os.environ),
        ) as process:
            assert process.stdout is not None  # a pipe
            records = Records(separator)
            async for data in process.stdout:
                if not take(records.feed(data)):
                    process.kill()
                    return ""
            if await process.wait() in (0, 1):  # 1 is: nothing found
                return ""
        errors.seek(0)
        return errors.read(4_000).decode(errors="replace").strip() or "it broke off"


class Records:
    """Bytes, cut at a separator of one byte that is behind each."""

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._open = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The records that are whole."""
        records: list[bytes] = []
        *ended, rest = data.split(self._separator)
        for part in ended:
            self._add(part)
            records.append(bytes(self._open))
            self._open.clear()
        self._add(rest)
        return records

    def _add(self, part: bytes) -> None:
        self._open += part[: LONGEST_RECORD - len(self._open)]
