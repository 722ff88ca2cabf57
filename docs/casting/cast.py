"""Records a program on a terminal, with somebody typing: python docs/casting/cast.py SCRIPT.toml

A script (scene.toml is one) names the program and says what is typed and what is waited for. The
program runs on a pseudo-terminal of its own; all that it writes is kept with its times, as an
asciinema file, version 2 (https://docs.asciinema.org/manual/asciicast/v2/). Keys are never sent
after a time, but once the screen shows what a person would wait for; only the pauses between keys
are times.
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyte
from msgspec import Struct

KEYS = {
    "Enter": "\r", "Tab": "\t", "Escape": "\x1b", "Backspace": "\x7f", "Space": " ",
    "Up": "\x1b[A", "Down": "\x1b[B", "Right": "\x1b[C", "Left": "\x1b[D",
    **{f"C-{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip
# Of those who run this: nothing of theirs belongs into a recording.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that somebody does: the first of these that is there.

    Attributes:
        wait: until the screen shows this regular expression.
        gone: until it does not.
        type: these characters, one after the other, as fast as a person.
        key: one of KEYS.
        pause: seconds in which nothing is typed.
        quit: the program is asked to end, and its end is waited for.
    """

    wait: str = ""
    gone: str = ""
    type: str = ""
    key: str = ""
    pause: float = 0.0
    quit: bool = False


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """What is recorded.

    Attributes:
        folder: what the folder is called that the program is started in, empty but for the files.
        files: copied there, from beside the script.
        patience: the most seconds that a `wait` may take.
        idle: longer silences are shown this long.
        pace: seconds from key to key, about.
    """

    command: list[str]
    step: list[Step]
    title: str = ""
    columns: int = 100
    rows: int = 30
    folder: str = "project"
    files: list[str] = []
    environment: dict[str, str] = {}
    patience: float = 30.0
    idle: float = 2.5
    pace: float = 0.07
    seed: int = 1


class Recorder:
    """A program on a terminal, and what it has written so far: `events` are seconds and text."""

    def __init__(self, script: Script, main: int) -> None:
        self.events: list[tuple[float, str]] = []
        self.ended = False
        self.screen = pyte.Screen(script.columns, script.rows)
        self._script = script
        self._main = main
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._random = random.Random(script.seed)
        self._began = time.monotonic()

    def play(self) -> None:
        for number, step in enumerate(self._script.step, 1):
            try:
                self._play(step)
            except TimeoutError as error:
                shown = "\n".join(line.rstrip() for line in self.screen.display)
                raise SystemExit(f"step {number}: {error}\n\n{shown}") from error

    def _play(self, step: Step) -> None:
        if step.wait:
            self._until(lambda: bool(re.search(step.wait, self._text())), step.wait)
        elif step.gone:
            self._until(lambda: not re.search(step.gone, self._text()), f"no {step.gone}")
        elif step.type:
            for character in step.type:
                self._send(character)
                self._read(self._delay_s(character))
        elif step.key:
            self._send(KEYS[step.key])
        elif step.quit:
            self._until(lambda: self.ended, "the end of the program")
        self._read(step.pause)

    def _text(self) -> str:
        return "\n".join(self.screen.display)

    def _delay_s(self, character: str) -> float:
        slower = 2.0 if character in " ,.?!" else 1.0
        return self._script.pace * slower * self._random.uniform(0.5, 1.5)

    def _send(self, text: str) -> None:
        os.write(self._main, text.encode())

    def _until(self, done: Callable[[], bool], what: str) -> None:
        latest = time.monotonic() + self._script.patience
        while not done():
            if time.monotonic() > latest or (self.ended and not done()):
                raise TimeoutError(f"this did not come: {what}")
            self._read_once(0.05)

    def _read(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.ended:
            self._read_once(left)

    def _read_once(self, seconds: float) -> None:
        if not select.select([self._main], [], [], seconds)[0]:
            return
        try:
            data = os.read(self._main, 1 << 16)
        except OSError:  # on Linux, that its last process has left the terminal
            data = b""
        self.ended = not data
        if text := self._decoder.decode(data):
            self.events.append((time.monotonic() - self._began, text))
            self._stream.feed(text)


@contextmanager
def on_a_terminal(script: Script, folder: Path) -> Iterator[int]:
    """Start the program on a terminal; it is gone afterwards. Yields the terminal's other side."""
    main, terminal = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("4H", script.rows, script.columns, 0, 0))
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    home = folder.parent
    here = {"HOME": str(home), "MIDSTREAM_DATA": str(home / ".data"), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        script.command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=folder,
        env=kept | here | script.environment, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # keys such as C-c reach it
    )  # fmt: skip
    os.close(terminal)
    try:
        yield main
    finally:
        os.close(main)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def record(script: Script, beside: Path) -> list[tuple[float, str]]:
    """Play a script; what it takes along is beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / script.folder
        folder.mkdir()
        for file in script.files:
            shutil.copy(beside / file, folder)
        with on_a_terminal(script, folder) as main:
            recorder = Recorder(script, main)
            recorder.play()
        return recorder.events


def in_a_cast(script: Script, events: list[tuple[float, str]]) -> str:
    header = {
        "version": 2, "width": script.columns, "height": script.rows, "title": script.title,
        "idle_time_limit": script.idle,
    }  # fmt: skip
    lines = [header, *([round(at_s, 4), "o", text] for at_s, text in events)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Record a program on a terminal.")
    parser.add_argument("script", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    # The programs of the environment that runs this come first.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = msgspec.toml.decode(options.script.read_bytes(), type=Script)
    events = record(script, options.script.parent)
    options.output.write_text(in_a_cast(script, events), "utf-8")
    print(f"{options.output}: {events[-1][0]:.1f} s, {len(events):,} writes")


if __name__ == "__main__":
    main()
