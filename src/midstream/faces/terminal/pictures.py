"""Pictures that a prompt names by their paths."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from midstream.messages import Image
from midstream.tools.output import MAX_IMAGE, TooLarge, checked

# Quoted, or with spaces escaped, as terminals do with a file that is dropped on them; what follows
# may end the sentence.
NAMED = re.compile(
    r"""(?<![^\s(\[:=,@])
        (?: "([^"\n]+?\.KIND)" | '([^'\n]+?\.KIND)' | ((?:\\.|[^\s\\"'@])(?:\\.|[^\s\\])*?\.KIND) )
        (?!\w)""".replace("KIND", "(?:png|jpe?g|gif|webp)"),
    re.IGNORECASE | re.VERBOSE,
)


class Picture(Struct, frozen=True):
    """A picture that was named, or why it cannot be sent along."""

    name: str
    image: Image | None
    trouble: str = ""


def pictures(words: str, folder: Path) -> list[Picture]:
    """The pictures whose paths stand in a prompt, in that order, each once.

    A path may be quoted or its spaces escaped, and may begin with `@`. What names no file that can
    be read is words like any other.
    """
    return list(dict.fromkeys(_named(words, folder)))


def _named(words: str, folder: Path) -> Iterator[Picture]:
    for double, single, bare in NAMED.findall(words):
        name = double or single or re.sub(r"\\(.)", r"\1", bare)
        for each in dict.fromkeys((name, name.lstrip("(["))):
            with suppress(OSError, RuntimeError, ValueError):  # no such file, no such home, no path
                path = folder / Path(each).expanduser()
                if path.is_file():
                    yield _picture(path)


def _picture(path: Path) -> Picture:
    """Raises OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_IMAGE)
    try:
        return Picture(path.name, checked(Image(data)))
    except TooLarge:
        most = MAX_IMAGE // 4 * 3
        size = path.stat().st_size
        return Picture(path.name, None, f"{size:,} bytes, and at most {most:,} can be sent")
    except ValueError:
        return Picture(path.name, None, "it is no PNG, JPEG, GIF or WebP")
