"""How the program ends: by itself or by a signal, and with no process left behind."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from select import select
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, NoReturn

from midstream.cli.statuses import CANCELLED

if TYPE_CHECKING:
    from midstream.tools.processes import Processes

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
MAIN = threading.main_thread()
HINT_S = 0.5  # after a signal; a run that settles sooner needs no words
SETTLE_S = 10.0  # and then it is left, settled or not: a supervisor sends SIGTERM once
LINGER_S = 3.0  # how long threads that were left behind may hold up the end
CAME, SETTLED, OVER = "a signal came", "what it stopped is settled", "it is over"
STARTS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn")


spared: "Processes" = {}  # children from before
before_leaving: list[Callable[[], None]] = []  # what is put right, however the program ends


class Signals:
    """What a signal does.

    They are Python's own handlers, not the event loop's: a tool that blocks the loop would block
    those, and a second Ctrl-C must work whatever a tool does.

    Attributes:
        first: what the first one does; any other leaves at once.
        came: there was one.
    """

    def __init__(self) -> None:
        self.first: Callable[[], object] = leave
        self.came = False
        self._status = CANCELLED
        self._news: SimpleQueue[str] = SimpleQueue()  # which a signal may interrupt anywhere
        Thread(target=self._watch, daemon=True, name="midstream-end").start()

    def arrived(self, number: int, frame: object) -> None:
        first, self.first, self.came = self.first, leave, True
        self._news.put(CAME)
        first()

    def over(self, status: int = CANCELLED) -> None:
        """There is nothing left to do but to leave."""
        self.first, self._status = leave, status
        self._news.put(OVER)
        others = [each for each in threading.enumerate() if each is not MAIN]
        if self.came and not all(each.daemon for each in others):
            leave()  # Python would wait for them: a tool's `asyncio.to_thread`

    def rest(self) -> None:
        """What the signal stopped is settled, and the program goes on."""
        self.first, self.came = leave, False
        self._news.put(SETTLED)

    def _watch(self) -> None:
        """See to it that the program ends, whatever a tool does."""
        news: str | None = SETTLED
        while news != OVER:
            if news == CAME and (news := self._heard(HINT_S)) is None:
                hint("stopping; Ctrl-C leaves at once")
                if (news := self._heard(SETTLE_S)) is None:
                    leave()
            elif news != OVER:
                news = self._news.get()
        sleep(LINGER_S)
        leave(self._status)

    def _heard(self, within_s: float) -> str | None:
        with suppress(Empty):
            return self._news.get(timeout=within_s)
        return None


@contextmanager
def leaving() -> Generator[Signals]:
    """Obey signals in this context; once it is left no process that descends from here lives."""
    signals = Signals()
    obeyed = [each for each in signal.Signals if each.name in SIGNALS]
    # Started by nohup, or in the background, it is deaf to some, and stays so.
    obeyed = [each for each in obeyed if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, signals.arrived) for each in obeyed}
    spare_children()
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


def spare_children() -> None:
    """Let the processes that are there already, a shell's jobs, outlive the program."""
    if has_children():
        from midstream.tools.processes import children

        spared.update(children())


def leave_nothing() -> None:
    sys.addaudithook(refuse)
    if has_children():
        from midstream.tools.processes import kill_children

        kill_children(spared)


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


def hint(words: str = "") -> None:
    """A new line on a terminal, if that takes one: nobody may be reading it.

    Not through `sys.stderr`, whose lock a tool may hold.
    """
    with suppress(OSError, ValueError):
        if os.isatty(2) and select([], [2], [], 0)[1]:
            os.write(2, f"\nmidstream: {words}\n".encode() if words else b"\n")


def leave(status: int = CANCELLED) -> NoReturn:
    try:
        for last in (leave_nothing, *before_leaving):
            with suppress(Exception):  # it must not keep the program from ending
                last()
        if status == CANCELLED:
            hint()  # the shell's prompt stands on a line of its own
    finally:
        os._exit(status)
