"""What is seen of a local model while it loads: one line on a terminal, which then goes away."""

import os
from contextlib import suppress
from select import select
from time import monotonic

from midstream.models.model import Model

ERASE = "\r\x1b[K"


def with_progress(model: Model, terminal: int) -> Model:
    """The model; if it is one that is loaded first, it tells its progress there."""
    if model.provider == "local" and os.isatty(terminal) and os.environ.get("TERM") != "dumb":
        from midstream.models.local import LocalModel

        assert isinstance(model, LocalModel)
        model.progress = LoadingLine(model.name, terminal).show
    return model


class LoadingLine:
    def __init__(self, name: str, terminal: int) -> None:
        self._name = "".join(each if each.isprintable() else "?" for each in name)
        self._terminal = terminal
        self._began = 0.0

    def show(self, fraction: float | None) -> None:
        """Show how far it is; with None, nothing any more."""
        self._began = self._began or monotonic()
        line = ""
        if fraction is not None:
            # At 100 % the file is read; then llama.cpp makes room and tries it once.
            since = monotonic() - self._began
            line = f"loading {self._name} {fraction * 100:.0f} % · {since:.0f} s"
        rewrite(self._terminal, line)


def rewrite(terminal: int, line: str) -> None:
    """Write a line in the place of the one that was last written so; "" takes it away."""
    with suppress(OSError):  # it is gone, or is not read from: no reason to wait
        if select([], [terminal], [], 0)[1]:
            os.write(terminal, f"{ERASE}{line}".encode())
