"""Processes for tests: they report when they run, and those that are alive can be found."""

import os
import select
import uuid
from pathlib import Path

import anyio
import psutil


class Nursery:
    """Every process is called `sleep 1000.MARK`, or names the mark in its arguments.

    Attributes:
        child: a shell command that reports and then sleeps; `deaf` ignores polite signals.
    """

    def __init__(self, folder: Path) -> None:
        self.mark = f"1000.{uuid.uuid4().int % 10**12:012}"
        self.door = folder / "door"
        os.mkfifo(self.door)
        self._reports = os.open(self.door, os.O_RDWR | os.O_NONBLOCK)
        self.child = f"sh -c 'echo >>{self.door}; exec sleep {self.mark}'"
        self.deaf = f"""sh -c 'trap "" TERM INT HUP; echo >>{self.door}; exec sleep {self.mark}'"""

    async def reported(self, count: int) -> None:
        """Wait until `count` processes run."""
        with anyio.fail_after(20):
            while count > 0:
                await anyio.wait_readable(self._reports)
                count -= len(os.read(self._reports, count))

    def wait_reported(self, count: int) -> None:
        while count > 0:
            assert select.select([self._reports], [], [], 20)[0], "no process reported"
            count -= len(os.read(self._reports, count))

    def alive(self) -> list[str]:
        """The command lines of those that are not dead."""
        found = []
        for each in psutil.process_iter(["cmdline", "status"]):
            words = " ".join(each.info["cmdline"] or ())
            if self.mark in words and each.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(words)
        return found

    def close(self) -> None:
        os.close(self._reports)
        for each in psutil.process_iter(["cmdline"]):
            if self.mark in " ".join(each.info["cmdline"] or ()):
                each.kill()
