"""What it takes to show a long answer on a terminal, beside Rich and Textual, under tmux.

    python bench/terminal.py [--tokens 20012] [--per-second 200] [--json] [NAME ...]

Each program shows the same Markdown at the same pace on a terminal of 100 columns and 40 rows.
`midstream` is the whole program, asked over HTTP; `ours` is its face alone, fed like the peers.
CPU is of the program's process; the event loop's lag is how late a task is that sleeps 10 ms.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from schedules import (
    Schedule,
    block_start,
    block_stop,
    ending,
    input_delta,
    opening,
    text_delta,
)
from server import serving
from terminal_programs import PROGRAMS, document

HERE = Path(__file__).parent
NAMES = ("plain", "ours", "midstream", "rich", "textual")
COLUMNS, ROWS = 100, 40


def stream(tokens: list[str], per_second: float, seconds: float) -> Schedule:
    call = [
        block_start(0, "call_1", "watch"),
        input_delta(0, json.dumps({"seconds": seconds})),
        block_stop(0),
        block_start(1),
    ]
    steps = [(0.5 + n / per_second, text_delta(1, token)) for n, token in enumerate(tokens)]
    end = steps[-1][0] + 0.01
    return [(0.0, opening() + b"".join(call)), *steps, (end, block_stop(1) + ending("tool_use"))]


def shown(name: str, tokens: list[str], per_second: float, folder: Path) -> dict[str, float]:
    """Run one program under tmux and read what it took."""
    result, written = folder / f"{name}.json", folder / f"{name}.bytes"
    seconds = len(tokens) / per_second
    if name != "midstream":
        program = [str(HERE / "terminal_programs.py"), name, str(result), str(len(tokens))]
        return under_tmux([*program, str(per_second)], result, written, seconds)
    with serving({"stream": stream(tokens, per_second, seconds + 1)}) as server:
        program = ["-m", "midstream", "chat", "-m", "anthropic:m", "--no-session", "Go"]
        program += ["--base-url", server.url("stream"), "-t", str(HERE / "terminal_probe.py")]
        return under_tmux(program, result, written, seconds, ANTHROPIC_API_KEY="k")


def under_tmux(
    program: list[str], result: Path, written: Path, seconds: float, **variables: str
) -> dict[str, float]:
    tmux = ["tmux", "-L", f"bench-{os.getpid()}", "-f", os.devnull]
    env = [f"{k}={v}" for k, v in (variables | {"BENCH_RESULT": str(result)}).items()]
    command = ["env", *env, sys.executable, *program]
    window = ["new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS)]
    subprocess.run([*tmux, *window, *command], check=True)
    subprocess.run([*tmux, "pipe-pane", f"wc -c > {written}"], check=False)  # it may be over
    deadline = time.monotonic() + 4 * seconds + 60
    alive = True
    while alive and time.monotonic() < deadline and not (result.exists() and result.read_text()):
        time.sleep(0.5)
        alive = subprocess.run([*tmux, "has-session"], capture_output=True).returncode == 0
    subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
    time.sleep(0.2)
    if not (alive or result.exists()):
        sys.exit(f"{' '.join(program)} ended without figures; run it by hand to see why")
    took: dict[str, float] = json.loads(result.read_text()) if result.exists() else {}
    return took | {"bytes": int(written.read_text() or 0) if written.exists() else 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--tokens", type=int, default=20_012)
    parser.add_argument("--per-second", type=float, default=200.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    tokens = document(args.tokens)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.names:
            found[name] = shown(name, tokens, args.per_second, Path(folder))
            if not args.json:
                print(name, found[name], flush=True)
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    assert set(NAMES) == {*PROGRAMS, "midstream"}
    main()
