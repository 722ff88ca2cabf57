"""A real terminal for tests: the program runs under tmux, keys go in, the screen is read."""

import os
import selectors
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_S = 20.0
needs_tmux = pytest.mark.skipif(
    shutil.which("tmux") is None and not os.environ.get("CI"), reason="tmux is not installed"
)


class Tmux:
    """A program in a terminal of its own."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._client: subprocess.Popen[bytes] | None = None

    def begin(self, command: str, folder: Path, size: tuple[int, int]) -> None:
        columns, rows = map(str, size)
        self._status, self._modes = folder / ".status", folder / ".modes"
        # tmux now and then forgets how a program has ended.
        command += f"; echo $? > {self._status}; stty -a > {self._modes}"
        flags = "'cursor:#{cursor_flag} wraps:#{wrap_flag}'"
        command += f"; tmux -L {self._socket} display-message -p {flags} >> {self._modes}"
        command += f"; tmux -L {self._socket} wait-for -S ended"
        settings = folder / ".tmux.conf"
        settings.write_text("set -g history-limit 100000\nset -g remain-on-exit on\n")
        self._run("-f", str(settings), "new-session", "-d", "-x", columns, "-y", rows,
                  "-c", str(folder), command)  # fmt: skip
        # It tells whenever something is written, so that nobody has to look in vain.
        self._client = subprocess.Popen(
            ["tmux", "-L", self._socket, "-C", "attach", "-f", "ignore-size,read-only"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def end(self) -> None:
        subprocess.run(
            ["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True
        )
        if self._client:
            self._client.communicate()

    # -- what goes in ---------------------------------------------------------------------------

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Escape, M-Enter, C-c, Up …"""
        self._run("send-keys", *keys)

    def say(self, text: str) -> None:
        self.type(text)
        self.wait_for(text.split("\n")[-1][-20:])
        self.press("Enter")

    def paste(self, text: str) -> None:
        subprocess.run(
            ["tmux", "-L", self._socket, "load-buffer", "-"], input=text.encode(), check=True
        )
        self._run("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    # -- what is seen ---------------------------------------------------------------------------

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    @property
    def coloured(self) -> str:
        return self._run("capture-pane", "-p", "-e")

    @property
    def lines(self) -> list[str]:
        """All that was written and stays: what was scrolled away, and the screen."""
        return self._run("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        row, column = self.asked("#{cursor_y} #{cursor_x}").split()
        return int(row), int(column)

    def asked(self, what: str) -> str:
        """What tmux knows of the terminal, as its formats say it."""
        return self._run("display-message", "-p", what).strip()

    def wait_for(self, what: str | Callable[[str], object], within_s: float = PATIENCE_S) -> str:
        """Wait until the screen shows `what`; returns the screen."""

        def shown(screen: str) -> object:
            return what in screen if isinstance(what, str) else what(screen)

        deadline = time.monotonic() + within_s
        while not shown(screen := self.screen):
            if not self._written(deadline - time.monotonic()):
                raise AssertionError(f"{what!r} is not seen within {within_s} s:\n{screen}")
        return screen

    def wait_for_end(self, within_s: float = PATIENCE_S) -> int:
        """Wait until the program has ended; its exit status."""
        self._run("wait-for", "ended", within_s=within_s)
        return int(self._status.read_text())

    @property
    def modes(self) -> set[str]:
        """How the terminal was left, in the words of stty, and cursor:1 wraps:1."""
        return set(self._modes.read_text().replace(";", " ").split())

    @property
    def program(self) -> int:
        """The process id of the program."""
        shell = self.asked("#{pane_pid}")
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
        pairs = (line.split() for line in listed.stdout.decode().splitlines())
        return next(int(pid) for pid, parent in pairs if parent == shell)

    def close(self) -> None:
        """Close the terminal, as who closes its window."""
        self._run("kill-pane")

    def _written(self, within_s: float) -> bool:
        """Wait until something is written; False if nothing is."""
        assert self._client is not None
        assert self._client.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._client.stdout, selectors.EVENT_READ)
            ready = within_s > 0 and bool(selector.select(within_s))
        return ready and bool(os.read(self._client.stdout.fileno(), 1 << 20))

    def _run(self, *args: str, within_s: float = PATIENCE_S) -> str:
        command = ["tmux", "-L", self._socket, *args]
        done = subprocess.run(command, capture_output=True, check=False, timeout=within_s)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@contextmanager
def terminal(
    *options: str,
    folder: Path,
    size: tuple[int, int] = (80, 24),
    variables: Mapping[str, str] = {},
) -> Generator[Tmux]:
    """`midstream` with these options, on a terminal of this size."""
    with started(command(*options, folder=folder, variables=variables), folder, size) as tmux:
        yield tmux


@contextmanager
def started(line: str, folder: Path, size: tuple[int, int] = (80, 24)) -> Generator[Tmux]:
    """A command line on a terminal of this size."""
    tmux = Tmux(f"midstream-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        tmux.begin(line, folder, size)
        yield tmux
    finally:
        tmux.end()


def command(*options: str, folder: Path, variables: Mapping[str, str] = {}) -> str:
    """`midstream` as a command line for a shell."""
    unset = (name for name in os.environ if name.endswith("_API_KEY") or name == "NO_COLOR")
    env = {"MIDSTREAM_DATA": str(folder / ".data"), "LANG": "C.UTF-8", **variables}
    words = [
        "env", *(part for name in unset for part in ("-u", name)),
        *(f"{name}={value}" for name, value in env.items()),
        sys.executable, "-m", "midstream", *options,
    ]  # fmt: skip
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
