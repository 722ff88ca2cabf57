"""How things look on a terminal: the palette's own colours, and what letters can do.

Sixteen colours at most, never white, black, yellow, blue or a background: what is left can be read
on light and on dark.
"""

from msgspec import Struct

Span = tuple[str, str]  # text, and the parameters of its SGR sequence: "" for none

BOLD, DIM, ITALIC, UNDERLINE, STRUCK = "1", "2", "3", "4", "9"
RED, GREEN, MAGENTA, CYAN = "31", "32", "35", "36"


class Theme(Struct, frozen=True):
    """What Markdown is shown with. Where there is no colour, inline code keeps its backticks."""

    headings: tuple[str, str, str, str] = (f"1;4;{MAGENTA}", f"1;{MAGENTA}", BOLD, f"{BOLD};3")
    code: str = CYAN
    tick: str = ""
    coloured: bool = True

    def heading(self, level: int) -> str:
        return self.headings[min(level, len(self.headings)) - 1]


COLOURED = Theme()
UNCOLOURED = Theme(("1;4", BOLD, BOLD, f"{BOLD};3"), code="", tick="`", coloured=False)


def both(one: str, other: str) -> str:
    return f"{one};{other}" if one and other else one or other


def paint(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text
