"""How the program ends: by itself or by a signal, and with no process left behind."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn

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
    obeyed = [each for each in signal.Signals if each.name in SIGNALS]
    # Started by nohup it hears no SIGHUP, and shall go on.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        obeyed.remove(signal.SIGHUP)
    before = {each: signal.signal(each, signals.arrived) for each in obeyed}
    adopt_orphans()
    try:
        yield signals
    finally:
        leave_nothing()
        for number, handler in before.items():
            signal.signal(number, handler)


def adopt_orphans() -> None:
    """Make descendants whose parents die children of this process: daemons as well. Linux only."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36  # <linux/prctl.h>
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def leave_nothing() -> None:
    sys.addaudithook(refuse)
    if has_children():
        from midstream.tools.processes import kill_descendants

        kill_descendants()


def has_children() -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13, Windows
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def refuse(event: str, args: object) -> None:
    """Threads that were left behind start nothing any more; what runs at exit still may."""
    if event in STARTS and threading.current_thread() is not MAIN:
        raise OSError("the program is ending: it starts no more processes")


def leave() -> NoReturn:
    try:
        leave_nothing()
    finally:
        os._exit(CANCELLED)
