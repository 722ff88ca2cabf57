"""Pictures that a prompt names by their paths."""

import re
import shlex
from pathlib import Path

from midstream.messages import Image

KINDS = re.compile(r"\.(?:png|jpe?g|gif|webp)$", re.IGNORECASE)
LARGEST = 5 * 1024 * 1024


def pictures(words: str, folder: Path) -> list[tuple[str, Image]]:
    """The pictures whose paths stand in a prompt, with their names, in that order.

    A path may be quoted or its spaces escaped, as terminals do with a file that is dropped on them,
    and may begin with `@`. What cannot be read as a picture is words like any other.
    """
    if not re.search(r"\.(?:png|jpe?g|gif|webp)\b", words, re.IGNORECASE):
        return []
    found: list[tuple[str, Image]] = []
    for word in _words(words):
        name = word.removeprefix("@")
        path = folder / Path(name).expanduser()
        if KINDS.search(name) and path.is_file() and path.stat().st_size <= LARGEST:
            found.append((path.name, Image(path.read_bytes())))
    return found


def _words(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError:  # an apostrophe
        return words.split()
