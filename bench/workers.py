"""The processes that are measured: one worker for each peer, asked over its stdin."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from venvs import HERE, PEERS, Missing, environment

OURS = "midstream"
Answer = dict[str, Any]


class Failed(Exception):
    """A contender could not do what it was asked; the words say why."""


class Contender(NamedTuple):
    """A way of reading a stream, as its worker tells it; see peers/worker.py."""

    name: str
    peer: str
    wire: str
    measures: frozenset[str]
    raw: bool
    program: tuple[str, ...]


def surroundings() -> dict[str, str]:
    """The environment of workers: no proxies, nothing looked up elsewhere, byte code written."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name != "PYTHONDONTWRITEBYTECODE"
    }
    here = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network when it is imported
        "LANGSMITH_TRACING": "false",
        "ANTHROPIC_API_KEY": "k",
        "OPENAI_API_KEY": "k",
        "LLM_USER_PATH": tempfile.gettempdir(),
    }
    return kept | here


class Worker:
    """A peer's process. It is started when it is asked first, and again after it was lost."""

    def __init__(self, peer: str, python: Path, core: int | None) -> None:
        self.peer = peer
        self.python = python
        self.script = HERE / "peers" / f"with_{peer}.py"
        self._core = core
        self._process: subprocess.Popen[str] | None = None

    def ask(self, within_s: float = 120.0, **command: Any) -> Answer:
        """The answer to one command.

        Raises:
            Failed: the peer raised an error, or took longer than `within_s`.
        """
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = Timer(within_s, process.kill)
        alarm.start()
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        late = not alarm.is_alive()
        alarm.cancel()
        if not line:
            self.stop()
            raise Failed(f"took longer than {within_s:.0f} s" if late else "the process ended")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def contenders(self) -> dict[str, Contender]:
        told = self.ask(task="contenders")
        return {name: self._contender(name, **each) for name, each in told.items()}

    def _contender(
        self, name: str, wire: str, measures: list[str], raw: bool, program: list[str]
    ) -> Contender:
        return Contender(name, self.peer, wire, frozenset(measures), raw, tuple(program))

    def _started(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [str(self.python), str(self.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
            env=surroundings(),
            text=True,
        )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        return self._process


def workers(names: list[str], core: int | None, tell: Any) -> dict[str, Worker]:
    """A worker for midstream and for each peer; what is missing is told, and left out."""
    found = {OURS: Worker(OURS, Path(sys.executable), core)}
    for peer in names or PEERS:
        try:
            found[peer] = Worker(peer, environment(peer), core)
        except Missing as missing:
            tell(f"{peer} skipped: {missing}")
    return found


def versions(worker: Worker) -> dict[str, str]:
    """What is installed beside the peer."""
    code = (
        "import json, importlib.metadata as m;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    done = subprocess.run(
        [str(worker.python), "-c", code], capture_output=True, text=True, check=True
    )
    installed: dict[str, str] = json.loads(done.stdout)
    return installed
