"""What tools read and print while a conversation has the terminal: nothing, and lines of it."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

LONGEST = 2000  # characters of a line
MOST = 200  # lines between two frames; the others are counted: a child may print without end


class Printed:
    """Lines that were printed and are not shown yet.

    Args:
        came: called in a thread when there are some, once until they are taken.
    """

    def __init__(self, came: Callable[[], object]) -> None:
        self._came = came
        self._lines: list[str] = []
        self._left = 0
        self._lock = Lock()

    def add(self, line: str) -> None:
        with self._lock:
            first = not self._lines
            if len(self._lines) < MOST:
                self._lines.append(line)
            else:
                self._left += 1
        if first:
            self._came()

    def take(self) -> list[str]:
        with self._lock:
            lines, self._lines = self._lines, []
            left, self._left = self._left, 0
        return [*lines, f"… {left:,} more lines were printed"] if left else lines


@contextmanager
def caught(printed: Printed) -> Generator[None]:
    """Collect what is written to stdout and stderr, a line at a time, in a thread.

    Also what child processes write. Whoever reads stdin finds its end: the keys are for the
    conversation alone.
    """
    before = [os.dup(number) for number in range(3)]
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    source, sink = os.pipe()
    for number in (1, 2):
        os.dup2(sink, number)
    os.close(sink)
    lines = Thread(target=_read, args=(source, printed), daemon=True, name="midstream-output")
    lines.start()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        for number, each in enumerate(before):
            os.dup2(each, number)
            os.close(each)
        lines.join(0.2)  # a child that lives on may hold the pipe


def _read(source: int, printed: Printed) -> None:
    with open(source, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(LONGEST):
            with suppress(RuntimeError):  # the event loop has ended
                printed.add(line.rstrip("\n"))
