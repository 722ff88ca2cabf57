"""How the program ends: by itself or by a signal, and with no process left behind."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn

from midstream.tools.processes import adopt_orphans, kill_descendants

CANCELLED = 130
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
MAIN = threading.main_thread()
STARTS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn")


class Signals:
    """What a signal does.

    They are Python's own handlers, not the event loop's: a tool that blocks the loop would block
    those, and a second Ctrl-C must work whatever a tool does.

    Attributes:
        first: what the first one does; any other leaves at once.
    """

    def __init__(self) -> None:
        self.first: Callable[[], object] = leave
        self._came = False

    def arrived(self, number: int, frame: object) -> None:
        first, self.first, self._came = self.first, leave, True
        first()

    def over(self) -> None:
        """There is nothing left to do but to leave."""
        self.first = leave
        others = [each for each in threading.enumerate() if each is not MAIN]
        if self._came and not all(each.daemon for each in others):
            leave()  # Python would wait for them: a tool's `asyncio.to_thread`


@contextmanager
def leaving() -> Generator[Signals]:
    """Obey signals in this context; once it is left no process that descends from here lives."""
    signals = Signals()
    before = {}
    for name in SIGNALS:
        number = getattr(signal, name, None)
        # One that hears no SIGHUP was started by nohup, and shall go on.
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            before[number] = signal.signal(number, signals.arrived)
    adopt_orphans()
    try:
        yield signals
    finally:
        leave_nothing()
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_nothing() -> None:
    sys.addaudithook(refuse)
    kill_descendants()


def refuse(event: str, args: object) -> None:
    """Threads that were left behind start nothing any more; what runs at exit still may."""
    if event in STARTS and threading.current_thread() is not MAIN:
        raise OSError("the program is ending: it starts no more processes")


def leave() -> NoReturn:
    try:
        leave_nothing()
    finally:
        os._exit(CANCELLED)
