"""The terminal, lent to a conversation: keys come one by one, and are not echoed."""

import os
import signal
import sys
import termios
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from midstream.cli.leaving import before_leaving
from midstream.cli.writing import write_all, write_taken
from midstream.faces.terminal.paint import Paint
from midstream.faces.terminal.screen import Size

PASTES, NO_PASTES = "\x1b[?2004h", "\x1b[?2004l"  # bracketed paste
SHOW = "\x1b[?25h\x1b[?2026l"  # should a frame have been broken off


class Lent:
    """A terminal, until it is given back.

    Args:
        keys, terminal: the numbers of the files that are read and written.

    Attributes:
        awake: called when the program goes on after others have put it to sleep; by then they have
            written to the terminal.
    """

    def __init__(self, keys: int, terminal: int) -> None:
        self.awake: Callable[[], object] = int
        self.keys = keys
        self._terminal = terminal
        self._before = termios.tcgetattr(keys)
        self._taken = termios.tcgetattr(keys)
        self._taken[0] &= ~(termios.ICRNL | termios.IXON)
        self._taken[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)

    def take(self) -> None:
        termios.tcsetattr(self.keys, termios.TCSANOW, self._taken)
        write_taken(self._terminal, PASTES)

    def give_back(self) -> None:
        with suppress(OSError, termios.error):  # it is gone
            termios.tcsetattr(self.keys, termios.TCSANOW, self._before)
            self.write_last(SHOW + NO_PASTES)

    @property
    def gone(self) -> bool:
        """The terminal was closed."""
        try:
            termios.tcgetattr(self.keys)
        except termios.error:
            return True
        return False

    @property
    def paint(self) -> Paint:
        return Paint("NO_COLOR" not in os.environ)

    @property
    def size(self) -> Size:
        try:
            columns, rows = os.get_terminal_size(self._terminal)
        except OSError:  # it is gone
            columns, rows = 80, 24
        return Size(max(columns, 2) if columns else 80, max(rows, 2) if rows else 24)

    def write(self, text: str) -> None:
        """Write all of it; may wait for a terminal that is slow."""
        write_all(self._terminal, text)

    def write_last(self, text: str) -> None:
        """Write what it takes: the end of the program waits for no terminal."""
        with suppress(OSError):  # it is gone
            write_taken(self._terminal, text)

    def sleep(self) -> None:
        """Give it back, and stop until the shell lets the program go on."""
        self._taken = termios.tcgetattr(self.keys)
        self.give_back()
        # Who called this knows of it: the signal might tell of it late, behind the first new frame.
        handler = signal.signal(signal.SIGCONT, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        signal.signal(signal.SIGCONT, handler)
        self._take_again()

    def woken(self, *of_a_signal: object) -> None:
        self._take_again()
        self.awake()

    def _take_again(self) -> None:
        with suppress(OSError, termios.error):  # it is gone
            self.take()


@contextmanager
def raw_keys(number: int) -> Generator[Lent]:
    """Take the terminal, and give it back as it was, however the program ends.

    Args:
        number: of the file that it is written to.
    """
    terminal = os.dup(number)  # that number may become another file's
    lent = Lent(os.dup(sys.stdin.fileno()), terminal)
    handler = signal.signal(signal.SIGCONT, lent.woken)
    before_leaving.append(lent.give_back)  # a signal may come at any moment from here on
    try:
        lent.take()
        yield lent
    finally:
        signal.signal(signal.SIGCONT, handler)
        lent.give_back()
        before_leaving.remove(lent.give_back)
        os.close(terminal)
        os.close(lent.keys)
