"""A tool that looks on while the program that called it shows an answer; see bench/terminal.py."""

import os
import time
from pathlib import Path

import anyio
from terminal_programs import lag, p99, print_to

from midstream import tool


@tool(effects="read", timeout=None)
async def watch(seconds: float) -> str:
    """How much CPU the process takes, and how late its event loop is."""
    delays: list[float] = []
    began, cpu = time.monotonic(), time.process_time()
    with anyio.move_on_after(seconds):
        await lag(delays)
    took = {"cpu_s": time.process_time() - cpu, "seconds": time.monotonic() - began}
    print_to(Path(os.environ["BENCH_RESULT"]), took | {"lag_p99_ms": p99(delays)})
    return "seen"
