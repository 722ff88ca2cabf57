"""The other end of the wire for the benches: bench/replay.c, compiled and run as its own process.

Not a program to run by itself: `with serving({"name": schedule}) as server`.
"""

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schedules import SHORT, Schedule

SOURCE = Path(__file__).parent / "replay.c"
PROGRAM = Path(__file__).parent / ".build" / "replay"


class Server:
    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def url(self, schedule: str) -> str:
        """The base URL of a provider that plays the schedule."""
        return f"{self._address}/{schedule}"

    def log(self) -> dict[str, Any]:
        """What was asked and written since the last call; see replay.c.

        Times are those of `time.monotonic`, which all processes of a machine share on Linux.
        """
        with urllib.request.urlopen(f"{self._address}/log") as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def compiled() -> Path:
    """The program, made anew where its source is newer."""
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < SOURCE.stat().st_mtime:
        PROGRAM.parent.mkdir(exist_ok=True)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-o", str(PROGRAM), str(SOURCE)], check=True)
    return PROGRAM


def written(schedules: dict[str, Schedule]) -> Iterator[bytes]:
    """The schedules as replay.c reads them."""
    for name, steps in schedules.items():
        yield f"schedule {name} {len(steps)}\n".encode()
        for at, data in steps:
            yield b"step %d %d\n%b\n" % (round(at * 1e6), len(data), data)


@contextmanager
def serving(schedules: dict[str, Schedule], core: int | None = None) -> Iterator[Server]:
    """A server process, on a core of its own if one is named."""
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(written(SHORT | schedules))
        file.flush()
        command = [str(compiled()), file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                if core is not None:
                    os.sched_setaffinity(process.pid, {core})
                yield Server(int(process.stdout.readline()))
            finally:
                process.kill()
