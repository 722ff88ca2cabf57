"""Writing to a file by its number: what Python buffers could be an error at the exit."""

import os
import sys


def write_all(file: int, text: str) -> None:
    """Write all of it; may wait for who reads slowly."""
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(file, data) :]


def write_out(text: str) -> None:
    """Write to stdout."""
    write_all(sys.stdout.fileno(), text)
