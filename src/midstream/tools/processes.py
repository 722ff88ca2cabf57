"""Processes, and how they die with all that they started.

A tree of processes is stopped (SIGSTOP) before it is killed, so that none of it can start another
one, or go on with the next command of a script, while the others die.

psutil takes 25 ms to import: this module is imported where there is a process.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil
from psutil import Process  # a number and a time, so that no later process is meant

Processes = dict[Process, bool]  # and whether it led a process group of its own when it started

PATIENCE_S = 0.5  # what waits for processes to stop, or to die, goes on after this
PAUSE_S = 0.002
STILL = ("stopped", "tracing-stop", "disk-sleep")  # psutil's words; such a process cannot fork


class Trees:
    """Processes, all that descends from them, and the groups that any of these leads."""

    def __init__(self, roots: Processes) -> None:
        self._roots = set(roots)
        self._found = set(roots)
        # A leader may be dead while its group is not.
        self._leaders = {each for each, leads in roots.items() if leads}
        self._frozen: set[Process] = set()

    def freeze(self) -> None:
        """Stop them until all are known and none moves, but for no longer than PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            alive = self._alive()
            new = alive.keys() - self._frozen
            self._signal("SIGSTOP", new)
            self._frozen |= new
            if not new and all(status in STILL for status in alive.values()):
                return
            time.sleep(PAUSE_S)

    def kill(self) -> None:
        """Freeze and kill them; returns when they are dead, or after PATIENCE_S.

        Reaping is left to whoever started them.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.freeze()
            self._signal("SIGKILL", self._alive())
            if not self._alive() or time.monotonic() > deadline:
                return
            time.sleep(PAUSE_S)

    def _alive(self) -> dict[Process, str]:
        """Those that are not dead, and psutil's word for what they do."""
        for root in self._roots:
            with suppress(psutil.Error):
                self._found.update(root.children(recursive=True))
        self._found |= self._members()
        alive: dict[Process, str] = {}
        for each in self._found:
            with suppress(psutil.Error):
                if each.is_running() and (status := each.status()) != "zombie":
                    alive[each] = status
        alive = {each: status for each, status in alive.items() if each.pid != os.getpid()}
        self._leaders |= {each for each in alive if _group(each.pid) == each.pid}
        return alive

    def _groups(self) -> set[int]:
        """The groups that are theirs, also where the leader is dead.

        Its number is given to no other process while its group lives.
        """
        exists = psutil.pid_exists
        lead = (each.pid for each in self._leaders if each.is_running() or not exists(each.pid))
        return set(lead) - {_group(0)}

    def _members(self) -> set[Process]:
        """Processes whose parents have died are found by their group."""
        groups = self._groups()
        if not groups:
            return set()
        pids = [pid for pid in psutil.pids() if pid and _group(pid) in groups]
        members = {process for pid in pids for process in processes(pid)}
        self._roots |= members - self._found
        return members

    def _signal(self, name: str, those: Iterable[Process]) -> None:
        for each in those:
            with suppress(psutil.Error):  # it is gone, or not ours to kill
                each.suspend() if name == "SIGSTOP" else each.kill()
        for group in self._groups():  # all of it at once: none can fork its way out
            with suppress(OSError):
                os.killpg(group, getattr(signal, name))


def children() -> Processes:
    """Those that this process has now."""
    return {each: _group(each.pid) == each.pid for each in Process().children()}


def kill_children(spared: Processes) -> None:
    """Kill every process that descends from this one, but for some and what descends from them."""
    Trees({each: leads for each, leads in children().items() if each not in spared}).kill()


def processes(pid: int) -> Processes:
    """The process of that number, or nothing if it is gone."""
    try:
        return {Process(pid): _group(pid) == pid}
    except psutil.Error:
        return {}


def _group(pid: int) -> int | None:
    """The number of its process group; None if it is gone, or on Windows."""
    try:
        return os.getpgid(pid)
    except (OSError, AttributeError):
        return None
