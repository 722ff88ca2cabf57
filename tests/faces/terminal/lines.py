"""Lines for a terminal, so that a test can be read."""

import re

SGR = re.compile("\x1b\\[([0-9;]*)m")


def plain(lines: list[str]) -> list[str]:
    return [SGR.sub("", line) for line in lines]


def spelled(lines: list[str]) -> list[str]:
    """With ⟨1;36⟩ where a style begins and ⟨⟩ where it ends."""
    return [SGR.sub(lambda found: f"⟨{found[1].lstrip('0')}⟩", line) for line in lines]
