"""The benches: their server plays what it was given; their tables have what was measured."""

import importlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.tmux import needs_tmux
from tests.conftest import missing

BENCH = Path(__file__).parent.parent / "bench"
SOURCE = BENCH / "replay.c"
MARKER = b"@" * 20
STEPS = [
    (0, b"data: one\n\n"),
    (20_000, b"data: " + MARKER + b"\n\n"),
    (40_000, b"data: \n\r\0\n\n"),
]
LARGE = b"x" * 20_000_000


class Answer(NamedTuple):
    """What came: the head, and the chunks of the body with the time of each."""

    head: bytes
    chunks: list[tuple[float, bytes]]

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


def asked(port: int, path: str, body: bytes = b"{}") -> Answer:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        return asked_on(connection, path, body)


def asked_on(connection: socket.socket, path: str, body: bytes = b"{}") -> Answer:
    request = f"POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(request.encode() + body)
    with connection.makefile("rb") as file:
        head = b"".join(iter(file.readline, b"\r\n"))
        chunks: list[tuple[float, bytes]] = []
        while size := int(file.readline(), 16):
            chunks.append((time.monotonic(), file.read(size)))
            assert file.read(2) == b"\r\n"
        assert file.readline() == b"\r\n"
    return Answer(head, chunks)


def log(port: int) -> dict[str, Any]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /log HTTP/1.1\r\n\r\n")
        with connection.makefile("rb") as file:
            head = b"".join(iter(file.readline, b"\r\n"))
            size = int(head.lower().partition(b"content-length:")[2])
            found: dict[str, Any] = json.loads(file.read(size))
    return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        missing("there is no C compiler")
    made = tmp_path_factory.mktemp("bench") / "replay"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", made, SOURCE], check=True)
    return made


@pytest.fixture
def port(program: Path) -> Iterator[int]:
    schedules = {"paced": STEPS, "large": [(0, LARGE)], "short": [(0, b"done")]}
    command = b""
    for name, steps in schedules.items():
        command += f"schedule {name} {len(steps)}\n".encode()
        command += b"".join(b"step %d %d\n%b\n" % (at, len(data), data) for at, data in steps)
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(command)
        process.stdin.close()
        yield int(process.stdout.readline())
        process.kill()


def test_a_schedule_comes_byte_for_byte_and_step_by_step(port: int) -> None:
    began = time.monotonic()
    head, chunks = asked(port, "/paced/v1/messages")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    assert [len(data) for _, data in chunks] == [len(data) for _, data in STEPS]
    assert (chunks[0][1], chunks[2][1]) == (STEPS[0][1], STEPS[2][1])
    assert all(t - began >= at / 1e6 for (t, _), (at, _) in zip(chunks, STEPS, strict=True))


def test_the_marker_becomes_the_time_of_the_write(port: int) -> None:
    began = time.monotonic_ns()
    arrived, data = asked(port, "/paced").chunks[1]
    before, written, after = data[:6], int(data[6:26]), data[26:]
    assert (before, after) == (b"data: ", b"\n\n")
    assert began + 20_000_000 <= written <= arrived * 1e9


def test_a_connection_is_kept_for_the_next_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert asked_on(connection, "/short").body == b"done"
        assert asked_on(connection, "/short").body == b"done"


def test_what_the_socket_does_not_take_at_once_comes_later(port: int) -> None:
    assert asked(port, "/large").body == LARGE


def test_results_of_tools_are_answered_shortly(port: int) -> None:
    body = b'{"messages": [{"type": "tool_result"}]}'
    assert asked(port, "/paced/v1/messages", body).body == b"done"


def test_the_log_tells_what_was_asked_and_written_and_is_cleared(port: int) -> None:
    began = time.monotonic()
    asked(port, "/paced")
    asked(port, "/short")
    found = log(port)
    assert [each["schedule"] for each in found["requests"]] == ["paced", "short"]
    assert [(each["request"], each["number"]) for each in found["steps"]] == [
        (1, 0), (1, 1), (1, 2), (2, 0)
    ]  # fmt: skip
    times = [each["t"] for each in found["steps"]]
    assert times == sorted(times)
    assert began + 0.04 <= times[2] <= time.monotonic()
    assert (found["steps_written"], log(port)["steps"]) == (4, [])


# -- tables ------------------------------------------------------------------------------------

CONTENDERS = {
    "midstream": {"peer": "midstream", "wire": "messages", "raw": False},
    "python -c pass": {"peer": "midstream", "wire": "messages", "raw": False},
    "SDK": {"peer": "anthropic", "wire": "messages", "raw": False},
    "sock_recv": {"peer": "sockets", "wire": "messages", "raw": True},
    "Protocol": {"peer": "sockets", "wire": "messages", "raw": True},
    "Protocol, uvloop": {"peer": "sockets", "wire": "messages", "raw": False},
    "sock_recv, Chat": {"peer": "sockets", "wire": "chat", "raw": True},
}


def written(folder: Path, **measures: dict[str, dict[str, float]]) -> Path:
    """A file such as compare.py writes, with these figures by measure and contender."""
    about = {"date": "today", "commit": "abc1234", "machine": "this", "python": "3", "quick": True}
    versions = {each["peer"]: {"msgspec": "1"} for each in CONTENDERS.values()}
    file = folder / "bench.json"
    file.write_text(json.dumps({
        "about": about | {"versions": versions}, "contenders": CONTENDERS, "measures": measures,
    }))  # fmt: skip
    return file


def told(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, BENCH / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("measure", "figure", "heads"),
    [
        ("mixed", "us", "| | mixed, µs | of midstream |"),
        ("paced", "us", "| | one event a write, µs | of midstream | of the floor |"),
        ("memory", "kb", "| | a stream, KB |"),
        ("cold", "ms", "| | cold start to the first text, ms | of midstream -p |"),
    ],
)
def test_a_measure_that_was_taken_alone_has_its_table(
    measure: str, figure: str, heads: str, tmp_path: Path
) -> None:
    figures = {"SDK": {figure: 4.5}, "midstream": {figure: 1.5}}
    about, table = told("report.py", written(tmp_path, **{measure: figures})).split("\n\n")
    assert about.startswith("A quick run of today, commit abc1234, this, CPython 3; msgspec 1")
    head, _, *rows = table.splitlines()
    assert head == heads
    assert [row.split("|")[1:3] for row in rows] == [[" **midstream** ", " 1.50 "],
                                                     [" SDK ", " 4.50 "]]  # fmt: skip


def test_only_what_runs_midstream_is_drawn_and_written_as_ours(tmp_path: Path) -> None:
    figures = {name: {"ms": 1.5} for name in ("midstream", "python -c pass", "SDK")}
    file = written(tmp_path, cold=figures)
    told("plots.py", file, tmp_path)
    picture = (tmp_path / "bench-start.svg").read_text()
    classes = re.findall(r'rx="3" class="(\w+)"', picture)
    labels = re.findall(r'text-anchor="end"( font-weight="600")?>([^<]+)', picture)
    assert [(name, kind) for (_, name), kind in zip(labels, classes, strict=True)] == [
        ("midstream", "ours"), ("python -c pass", "bare"), ("SDK", "peer")
    ]  # fmt: skip
    assert [name for weight, name in labels if weight] == ["midstream"]
    assert re.findall(r"\*\*(.+?)\*\*", told("report.py", file)) == ["midstream"]


def test_the_floor_is_the_cheapest_raw_reader_of_each_measure_on_the_same_wire(
    tmp_path: Path,
) -> None:
    text = {"sock_recv": 2, "Protocol": 4, "midstream": 8, "sock_recv, Chat": 1}
    paced = {"sock_recv": 40, "Protocol": 20, "Protocol, uvloop": 10, "midstream": 30}
    file = written(
        tmp_path,
        text={name: {"us": us, "request_ms": 1} for name, us in text.items()},
        paced={name: {"us": us} for name, us in paced.items()},
    )
    _, table = told("report.py", file).split("\n\n")
    rows = [[cell.strip(" *") for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    places = [place for place, head in enumerate(rows[0]) if head == "of the floor"]
    assert {row[0]: [row[place] for place in places] for row in rows[2:]} == {
        "sock_recv": ["1 ×", "2 ×"],
        "Protocol": ["2 ×", "1 ×"],
        "midstream": ["4 ×", "1.50 ×"],
        "sock_recv, Chat": ["1 ×", ""],
        "Protocol, uvloop": ["", "0.50 ×"],
    }


# -- the command -------------------------------------------------------------------------------


def test_the_help_tells_each_measure_under_the_heading_of_its_table() -> None:
    page = (BENCH.parent / "docs" / "performance.md").read_text()
    shown = told("compare.py", "--help").partition("measures, by the table")[2]
    headings = re.findall(r"^  (\w.*)$", shown.partition("example")[0], re.MULTILINE)
    assert headings == re.findall(r"^## (.*)\n(?:(?!## ).*\n)*?<!-- bench", page, re.MULTILINE)
    assert re.findall(r"^    (\w+) +\w", shown, re.MULTILINE) == [
        "text", "mixed", "paced", "argument", "many", "memory", "ttft", "cold", "overlap"
    ]  # fmt: skip


@pytest.mark.parametrize("rounds", ["0", "-1", "some"])
def test_less_than_one_round_is_an_error(rounds: str) -> None:
    command = [sys.executable, str(BENCH / "compare.py"), "--rounds", rounds]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --rounds" in done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["compare.py", "--json", "/nowhere/x.json"], "there is no folder /nowhere"),
        (["report.py", "/nowhere.json"], "/nowhere.json has no figures of bench/compare.py"),
        (["report.py", str(SOURCE)], "replay.c has no figures of bench/compare.py"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_measured(
    command: list[str], words: str
) -> None:
    script, *given = command
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *given], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@needs_tmux
def test_the_conversation_and_its_face_are_measured_on_a_terminal() -> None:
    found = json.loads(told("terminal.py", "--json", "--tokens", "100", "ours", "midstream"))
    assert list(found) == ["ours", "midstream"]
    assert all(each["cpu_s"] > 0 and each["bytes"] > 1000 for each in found.values())


# -- the guard ---------------------------------------------------------------------------------


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("guard")


@pytest.mark.parametrize(
    ("python", "counted", "code", "words"),
    [
        (None, {"at once": 105}, 0, "at once 105; budget: at once 100"),
        (None, {"at once": 106}, 1, "more than 5% above the budget: at once."),
        ("CPython 2.7", {"at once": 130}, 0, "up to 30% more is let pass"),
        ("CPython 2.7", {"at once": 131}, 1, "more than 30% above the budget: at once."),
        (None, {"at once": 100, "Chat": 1}, 1, "no budget for: Chat. Record it"),
    ],
)
def test_the_guard_lets_pass_what_is_within_a_budget_that_it_has(
    python: str | None, counted: dict[str, int], code: int, words: str,
    guard: Any, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kept = {"python": python or guard.version(), "instructions": {"at once": 100}}
    assert guard.compare(counted, kept) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # its transport is for no other
async def test_what_the_guard_has_its_child_read_is_read_whole(guard: Any) -> None:
    for way in guard.WAYS.values():
        await guard.read(*guard.task(way, 20))
