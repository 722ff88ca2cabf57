"""What all tests share: both event loops, and the recorded streams."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.nursery import Nursery

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(scope="session", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the sessions of the tests are kept: never among those of whoever runs them."""
    folder = tmp_path_factory.mktemp("data")
    os.environ["MIDSTREAM_DATA"] = str(folder)
    yield folder
    del os.environ["MIDSTREAM_DATA"]


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of recorded streams. They belong to other projects and are read in place."""
    beside = Path(__file__).parent.parent.parent / "shared" / "captures"
    folder = Path(os.environ.get("MIDSTREAM_CAPTURES", beside))
    if not folder.is_dir():
        missing("no recorded streams here: MIDSTREAM_CAPTURES names their folder")
    return folder


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    made.close()


def missing(reason: str) -> None:
    """Skip a test for want of something; in CI, where all is there, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how much the proofs did: `record_property("streams read", 1000)` is summed.

    Here and not beside them: where the tests run in several processes, the one that reports has
    read this file alone.
    """
    done = Counter[str]()
    for report in terminalreporter.getreports("passed"):
        if report.nodeid.startswith("tests/proof/"):
            done.update(dict(report.user_properties))
    if done:
        terminalreporter.section("proofs")
    for what, count in done.items():
        terminalreporter.write_line(f"{count:>12,} {what}")
