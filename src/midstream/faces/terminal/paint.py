"""How things look: attributes and the sixteen colours that a terminal's own theme defines.

Never white, black or a background: so it can be read on light terminals and on dark ones.
"""

import re
from enum import Enum

from msgspec import Struct

from midstream.faces.terminal.style import paint
from midstream.faces.terminal.wrap import safe, wrap

PROMPT = "› "  # before the user's words
ENDS = re.compile("[\n\u2028\u2029]")  # of lines


class Look(Enum):
    """What something is; the value is how SGR says it."""

    FAINT = "2"
    STRONG = "1"
    YOURS = "1;34"  # the user's words
    GOOD = "32"
    BAD = "31"
    ASKS = "1;33"
    NAME = "36"


PLAIN = {Look.FAINT: "2", Look.YOURS: "1", Look.ASKS: "1", Look.STRONG: "1"}


class Paint(Struct, frozen=True):
    """Puts looks on text.

    Attributes:
        colour: without it (`NO_COLOR`) only bold, dim and italic are used.
    """

    colour: bool = True

    def __call__(self, look: Look, text: str) -> str:
        code = look.value if self.colour else PLAIN.get(look)
        return paint(text, code or "")


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, none wider than so many cells: one character of it at least."""
    lines = (safe(line) for line in ENDS.split(text))
    return [row for line in lines for row in wrap([(line, "")], max(2, width))]
