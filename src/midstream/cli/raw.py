"""The terminal, lent to a conversation: keys come one by one, and are not echoed."""

import os
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager

from midstream.cli.leaving import before_leaving

PASTES, NO_PASTES = "\x1b[?2004h", "\x1b[?2004l"  # bracketed paste
SHOW = "\x1b[?7h\x1b[?25h\x1b[?2026l"  # should a frame have been broken off


@contextmanager
def raw_keys(terminal: int) -> Generator[None]:
    """Take the terminal, and give it back as it was, however the program ends.

    Args:
        terminal: the number of the file that it is written to.
    """
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    changed = termios.tcgetattr(number)
    changed[0] &= ~(termios.ICRNL | termios.IXON)
    changed[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)

    def give_back() -> None:
        termios.tcsetattr(number, termios.TCSANOW, before)
        os.write(terminal, (SHOW + NO_PASTES).encode())

    termios.tcsetattr(number, termios.TCSANOW, changed)
    before_leaving.append(give_back)
    try:
        os.write(terminal, PASTES.encode())
        yield
    finally:
        before_leaving.remove(give_back)
        give_back()
