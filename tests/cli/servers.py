"""Commands that serve until they are stopped, as processes."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PROGRAM = [sys.executable, "-m", "midstream"]


class Server:
    """A command that runs. `url` is what it printed; `stop` ends it and `said` is its stderr."""

    def __init__(self, process: "subprocess.Popen[str]", errors: IO[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.url = process.stdout.readline().strip()
        self._errors = errors

    def stop(self, with_signal: int) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(20)

    @property
    def said(self) -> list[str]:
        self._errors.seek(0)
        return self._errors.read().splitlines()


@contextmanager
def server(*args: str, cwd: Path, **environment: str) -> Generator[Server]:
    """`midstream ARGS` on a free port, killed at the end if it still runs."""
    with (
        (cwd / f"{args[0]}.err").open("w+") as errors,
        subprocess.Popen(
            [*PROGRAM, *args, "--port", "0"],
            cwd=cwd,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            running = Server(process, errors)
            assert running.url, running.said
            yield running
        finally:
            process.kill()


def refused(*args: str, cwd: Path) -> tuple[int, str]:
    """The status and the one line of a command that does not even start to serve."""
    done = subprocess.run([*PROGRAM, *args], cwd=cwd, capture_output=True, text=True, timeout=40)
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.returncode, done.stderr
