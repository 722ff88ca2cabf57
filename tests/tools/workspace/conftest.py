"""What the tests of these tools share."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.tools.workspace.kit import Kit


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Plain functions know nothing of event loops: `kit.both` brings the other where it counts."""
    return str(request.param)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


@pytest.fixture(params=["with ripgrep", "without"])
def searcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which program searches. Where the PATH is empty there is no ripgrep."""
    if request.param != "without" and not shutil.which("rg"):
        missing("no ripgrep here")
    if request.param == "without":
        monkeypatch.setenv("PATH", "/nowhere")
    return str(request.param)
