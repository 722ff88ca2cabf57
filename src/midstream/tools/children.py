"""The processes that tools start: whose they are, and how they die with all that they started.

`subprocess.Popen.__init__` is wrapped once, when the first tool runs, as error trackers do it. Else
nobody could know what a plain function in a thread has started, and asyncio, trio and anyio start
their processes through it as well (and so does `os.system`, which is wrapped too). The wrapper does
nothing outside a call; inside one it notes the process with that call, and refuses to start one
once the call was stopped. Which call it is tells a ContextVar, which threads and tasks inherit
where they copy the context: `in_thread`, `asyncio.to_thread` and `anyio.to_thread` do, a bare
`threading.Thread` does not.
"""

import errno
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any

from midstream.concurrency import in_thread

if TYPE_CHECKING:
    from midstream.tools.processes import Processes, Trees

STARTING_S = 0.5  # how long it is waited for processes that are just starting


class Children:
    """The processes of one call. A call that ends by itself leaves them alone.

    Attributes:
        stopped: the call was; no process starts any more.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._changed = Condition()
        self._starting = 0
        self._noted: Processes = {}
        self._trees: Trees | None = None

    @contextmanager
    def noted(self) -> Generator[None]:
        """What starts in this context is the call's."""
        _wrap()
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    @property
    def any(self) -> bool:
        return bool(self._noted or self._starting)

    def stop(self) -> None:
        """From here on no process starts. Those that there are still run."""
        with self._changed:
            self.stopped = True

    async def freeze(self) -> None:
        """Let none of them go on; none of them is dead yet."""
        if self.any:
            await in_thread(self._freeze)

    async def kill(self) -> None:
        """Kill what `freeze` froze."""
        if self._trees:
            await in_thread(self._trees.kill)

    def _freeze(self) -> None:
        from midstream.tools.processes import Trees

        with self._changed:
            self._changed.wait_for(lambda: not self._starting, STARTING_S)
            self._trees = Trees(self._noted)
        self._trees.freeze()

    def start(self, popen: "subprocess.Popen[Any]", start: Callable[[], None]) -> None:
        """Let `popen` start its process; may be called in any thread.

        Raises:
            OSError: the call was stopped.
        """
        from midstream.tools.processes import Trees, processes

        with self._changed:
            if self.stopped:
                raise OSError(
                    errno.ECANCELED, "the tool's call was stopped: it starts no more processes"
                )
            self._starting += 1
        started: Processes = {}
        try:
            start()
            started = processes(popen.pid)
        finally:
            with self._changed:
                self._starting -= 1
                self._noted |= started
                self._changed.notify_all()
        if self._trees:  # too late to be among them
            Trees(started).kill()


_current: ContextVar[Children | None] = ContextVar("midstream_children", default=None)


# -- where processes start ---------------------------------------------------------------------

_wrapping = Lock()
_wrapped = False


def _wrap() -> None:
    global _wrapped
    with _wrapping:
        if not _wrapped:
            _wrapped = True
            _wrap_popen()
            if os.name == "posix":
                _wrap_system()


def _wrap_popen() -> None:
    original = subprocess.Popen.__init__

    @wraps(original)
    def init(self: "subprocess.Popen[Any]", *args: Any, **kwargs: Any) -> None:
        if children := _current.get():
            children.start(self, partial(original, self, *args, **_apart(kwargs)))
        else:
            original(self, *args, **kwargs)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]


def _apart(options: dict[str, Any]) -> dict[str, Any]:
    """Start it where the terminal's Ctrl-C does not reach it.

    It would die before its call is stopped, and the tool would take that for an end like any other.
    """
    if os.name != "posix" or options.get("preexec_fn") or options.get("process_group", -1) >= 0:
        return options
    return {**options, "start_new_session": True}


def _wrap_system() -> None:
    """C's system() makes the whole program deaf to Ctrl-C while it runs."""
    original = os.system  # pyright: ignore[reportDeprecated]

    @wraps(original)
    def system(command: Any) -> int:
        if not _current.get():
            return original(command)
        code = subprocess.call(command, shell=True)
        return code << 8 if code >= 0 else -code

    os.system = system
