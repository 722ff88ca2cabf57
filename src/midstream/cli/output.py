"""What tools read and print while a conversation has the terminal: nothing, and lines of it."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Thread

LONGEST = 2000  # characters of a line


@contextmanager
def caught(tell: Callable[[str], None]) -> Generator[int]:
    """Hand what is written to stdout and stderr to `tell`, a line at a time, in a thread.

    Also what child processes write. Whoever reads stdin finds its end: the keys are for the
    conversation alone. Yields the number of the file that is the terminal.
    """
    keys, terminal, others = os.dup(0), os.dup(1), os.dup(2)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    source, sink = os.pipe()
    for number in (1, 2):
        os.dup2(sink, number)
    os.close(sink)
    lines = Thread(target=_read, args=(source, tell), daemon=True, name="midstream-output")
    lines.start()
    try:
        yield terminal
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        for number, before in enumerate((keys, terminal, others)):
            os.dup2(before, number)
            os.close(before)
        lines.join(0.2)  # a child that lives on may hold the pipe


def _read(source: int, tell: Callable[[str], None]) -> None:
    with open(source, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(LONGEST):
            with suppress(RuntimeError):  # the event loop has ended
                tell(line.rstrip("\n"))
