"""A pseudo-terminal for tests that look at the very bytes a program writes."""

import fcntl
import os
import pty
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyte

from tests.cli.tmux import PATIENCE_S


class Pseudo:
    """A program on a pseudo-terminal.

    Attributes:
        written: all bytes so far.
        screen: how a terminal shows them.
    """

    def __init__(self, terminal: int, size: tuple[int, int], process: int) -> None:
        self.written = b""
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._terminal = terminal
        self._process = process

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str | bytes) -> None:
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, number: int) -> None:
        os.kill(self._process, number)

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


@contextmanager
def pseudo_terminal(
    *options: str, folder: Path, size: tuple[int, int], variables: Mapping[str, str]
) -> Generator[Pseudo]:
    """`midstream` with these options, on a pseudo-terminal of this size."""
    ours, theirs = pty.openpty()
    columns, rows = size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
    env["MIDSTREAM_DATA"] = str(folder / ".data")
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests run by nohup are deaf to it
    program = subprocess.Popen(
        [sys.executable, "-m", "midstream", *options],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGHUP, before)
    os.close(theirs)
    try:
        yield Pseudo(ours, size, program.pid)
    finally:
        program.terminate()
        program.wait()
        os.close(ours)
