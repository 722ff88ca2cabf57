"""Writing to a file by its number: what Python buffers could be an error at the exit."""

import os
import sys
from contextlib import suppress
from select import select
from time import monotonic

TAKEN_S = 0.2  # how long what must not wait is offered to a terminal


def write_all(file: int, text: str) -> None:
    """Write all of it; may wait for who reads slowly."""
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(file, data) :]


def write_taken(file: int, text: str) -> None:
    """Write what the file takes at once, or nearly: nobody may be reading a terminal any more."""
    data, end = text.encode(errors="replace"), monotonic() + TAKEN_S
    waits = os.get_blocking(file)
    os.set_blocking(file, False)
    try:
        while data and select([], [file], [], max(0.0, end - monotonic()))[1]:
            with suppress(BlockingIOError):
                data = data[os.write(file, data) :]
    finally:
        os.set_blocking(file, waits)


def write_out(text: str) -> None:
    """Write to stdout."""
    write_all(sys.stdout.fileno(), text)
