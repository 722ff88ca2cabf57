"""The proofs say how much they did: `record_property("streams read", 1000)` is summed and shown."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    done = Counter[str]()
    for report in terminalreporter.getreports("passed"):
        if report.nodeid.startswith("tests/proof/"):
            done.update(dict(report.user_properties))
    if done:
        terminalreporter.section("proofs")
    for what, count in done.items():
        terminalreporter.write_line(f"{count:>12,} {what}")
