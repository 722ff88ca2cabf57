"""A pseudo-terminal for tests that look at the very bytes a program writes."""

import fcntl
import os
import pty
import select
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

from tests.cli.tmux import PATIENCE_S


class Pseudo:
    """A program on a pseudo-terminal.

    Attributes:
        written: all bytes so far.
        screen: how a terminal shows them.
    """

    def __init__(
        self, ends: tuple[int, int], size: tuple[int, int], process: "subprocess.Popen[bytes]"
    ) -> None:
        self.written = b""
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._terminal, theirs = ends
        self._process = process
        self._name = os.ttyname(theirs)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str | bytes) -> None:
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait_for_end(self) -> int:
        """The exit status. Nothing is read meanwhile."""
        return self._process.wait(PATIENCE_S)

    def wait_until_full(self) -> None:
        """Until the terminal takes nothing any more, since nobody reads."""
        with open(self._name, "wb", buffering=0, opener=without_control) as end:
            self._poll(lambda: not select.select([], [end], [], 0.5)[1])

    def wait_for_keys(self) -> None:
        """Until the program takes keys one by one."""
        self._poll(lambda: not self.echoes)

    @property
    def echoes(self) -> bool:
        """The terminal is as it was before the program."""
        modes = termios.tcgetattr(self._terminal)[3]
        return bool(modes & termios.ECHO and modes & termios.ICANON)

    def close(self) -> None:
        """The window is closed."""
        os.close(self._terminal)

    def _poll(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not met():
            assert time.monotonic() < deadline

    def wait_for(self, what: str | Callable[[str], object], within_s: float = PATIENCE_S) -> str:
        def shown() -> object:
            return what in self.text if isinstance(what, str) else what(self.text)

        deadline = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._terminal, selectors.EVENT_READ)
            while not shown():
                left = deadline - time.monotonic()
                if left < 0 or not selector.select(left) or not self._read():
                    raise AssertionError(f"{what!r} is not seen within {within_s} s:\n{self.text}")
        return self.text

    def read_to_the_end(self) -> None:
        while self._read():
            pass

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 1 << 16)
        except OSError:  # nobody writes to it any more
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)


def control() -> None:
    """Be told by the terminal when it goes."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def without_control(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOCTTY)


@contextmanager
def pseudo_terminal(
    *options: str,
    folder: Path,
    size: tuple[int, int],
    variables: Mapping[str, str],
    deaf: bool = False,
) -> Generator[Pseudo]:
    """`midstream` with these options, on a pseudo-terminal of this size.

    Args:
        deaf: as under nohup, SIGHUP does nothing.
    """
    ours, theirs = pty.openpty()
    columns, rows = size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
    env["MIDSTREAM_DATA"] = str(folder / ".data")
    before = signal.signal(
        signal.SIGHUP, signal.SIG_IGN if deaf else signal.SIG_DFL
    )  # tests run by nohup are deaf to it
    program = subprocess.Popen(
        [sys.executable, "-m", "midstream", *options],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env,
        start_new_session=True, preexec_fn=control,
    )  # fmt: skip
    signal.signal(signal.SIGHUP, before)
    pseudo = Pseudo((ours, theirs), size, program)
    os.close(theirs)
    try:
        yield pseudo
    finally:
        program.kill()
        program.wait()
        with suppress(OSError):  # it was closed
            os.close(ours)
