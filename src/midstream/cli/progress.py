"""How far a measurement is: one line on a terminal, and elsewhere a line for each tenth of it."""

import os
import sys
from contextlib import suppress

import click

from midstream.cli.loading import rewrite
from midstream.cli.measuring import End, Measuring
from midstream.faces.bench.measures import rate, seconds
from midstream.faces.bench.summary import spread
from midstream.faces.columns import clipped

WIDTH = 80


class Progress:
    """Call it with what is measured whenever there is more of it; `close` takes the line away."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._tenths = 0
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._show(f"0 of {requests:,}")

    def __call__(self, measuring: Measuring) -> None:
        tenths = len(measuring.done) * 10 // self._requests
        if self._terminal:
            self._show(self._line(measuring))
        elif tenths > self._tenths:
            self._tenths = tenths
            with suppress(OSError):  # nobody reads it
                click.echo(f"midstream: {self._line(measuring)}", err=True)

    def close(self) -> None:
        self._show("")

    def _show(self, line: str) -> None:
        if self._terminal:
            with suppress(OSError):
                width = os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
                rewrite(sys.stderr.fileno(), clipped(line, width - 1))

    def _line(self, measuring: Measuring) -> str:
        samples, of = measuring.done, self._requests
        good = [each for each in samples if each.answered]
        failed = sum(each.outcome == "failed" for each in samples)
        ttft = spread(each.ttft_s for each in good)
        speed = spread(each.tokens_per_second for each in good)
        left_s = measuring.left_s if measuring.end is End.ALL else 0.0
        parts = [
            f"{len(samples):,} of {of:,}",
            f"TTFT p50 {seconds(ttft.p50)}" if ttft else "",
            f"{rate(speed.p50)} tokens/s" if speed else "",
            f"{failed:,} failed" if failed else "",
            f"{measuring.retries:,} retried" if measuring.retries else "",
            f"{seconds(left_s)} left" if left_s else "",
            "stopping" if measuring.end is End.STOPPED else "",
        ]
        return " · ".join(filter(None, parts))
