"""Text that has to fit into columns: how wide it is on a terminal, and cutting it there."""

import unicodedata

from midstream.faces.plain import printable
from midstream.wire.json import UNSAFE

UNSEEN = ("Mn", "Me", "Cf")


def flat(text: str) -> str:
    """What a stranger said, in one line that may be shown."""
    return printable(UNSAFE.sub("\ufffd", " ".join(text.split())))


def columns(text: str) -> int:
    return sum(map(_of_character, text))


def clipped(text: str, room: int) -> str:
    """As much of a line as fits, with an ellipsis for the rest."""
    if columns(text) <= room:
        return text
    taken, used = "", 1
    for character in text:
        used += _of_character(character)
        if used > room:
            break
        taken += character
    return taken + "…"


def padded(text: str, room: int) -> str:
    return text + " " * (room - columns(text))


def _of_character(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in UNSEEN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
