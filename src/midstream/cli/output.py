"""What tools read and print while a conversation has the terminal: nothing, and lines of it."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Thread

LONGEST = 2000  # characters of a line


@contextmanager
def caught(tell: Callable[[str], object]) -> Generator[None]:
    """Hand what is written to stdout and stderr to `tell`, a line at a time, in a thread.

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
    lines = Thread(target=_read, args=(source, tell), daemon=True, name="midstream-output")
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


def _read(source: int, tell: Callable[[str], object]) -> None:
    with open(source, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(LONGEST):
            with suppress(RuntimeError):  # the event loop has ended
                tell(line.rstrip("\n"))
