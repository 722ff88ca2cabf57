"""What starting costs, beside an interpreter that does nothing.

    python bench/cold_start.py [--rounds 11] [--json]

Each program runs in a process of its own, in turns; medians of the time from start to exit. Byte
code is written once beforehand, as after the first run of any installed program.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HEAVY = ("httpx2", "pydantic", "anyio", "genai_prices", "click")
VERSION = (
    "import sys; sys.argv = ['midstream', '--version']; from midstream.cli import main; main()"
)
PROGRAMS = {
    "python -c pass": "pass",
    "import midstream": "import midstream",
    "midstream --version": VERSION,
    "from midstream import Agent, tool": "from midstream import Agent, tool",
    "import httpx2": "import httpx2",
    "import anthropic": "import anthropic",
}
# Printed on stderr, so that what the program prints itself does not mix with it.
LOADED = f"; import sys; sys.stderr.write(' '.join(n for n in {HEAVY} if n in sys.modules))"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cold start.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as byte_code:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = byte_code
        programs = {name: code for name, code in PROGRAMS.items() if run(code, env) is not None}
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, code in programs.items():
                began = time.monotonic()
                run(code, env)
                times[name].append((time.monotonic() - began) * 1000)
        loaded = {name: (run(code + LOADED, env) or "").split() for name, code in programs.items()}
    middle = {name: statistics.median(each) for name, each in times.items()}
    if options.json:
        print(json.dumps({"ms": middle, "loaded": loaded}, indent=2))
        return
    print(f"{'':36}{'ms':>7}{'more than pass':>16}   loaded of {', '.join(HEAVY)}")
    for name, ms in middle.items():
        more = ms - middle["python -c pass"]
        print(f"{name:36}{ms:7.0f}{more:16.0f}   {', '.join(loaded[name]) or '-'}")


def run(code: str, env: dict[str, str]) -> str | None:
    """What it wrote to stderr, or None if it failed (a peer that is not installed)."""
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    return ran.stderr if ran.returncode == 0 else None


if __name__ == "__main__":
    main()
