"""What the tests of the examples share: the examples as modules, and as programs."""

import importlib.util
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import anyio
import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def anyio_backend() -> str:
    """The examples are programs, and programs run on asyncio."""
    return "asyncio"


def load(name: str) -> Any:
    """An example as a module of its own, fresh each time."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_keys(**extra: str) -> dict[str, str]:
    """This environment without any provider's keys and addresses."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "OPENAI_"))}
    return kept | extra


def run(*args: str, **env: str) -> str:
    """Run a program to its end; returns what it printed, and fails if it failed."""
    with Popen(
        [sys.executable, *args], env=without_keys(**env), stdout=PIPE, stderr=PIPE, text=True
    ) as program:
        out, errors = program.communicate(timeout=40)
    assert program.returncode == 0, errors
    return out


async def run_beside(*args: str, cwd: Path, **env: str) -> tuple[int, str, str]:
    """Run a program while this event loop goes on: status, stdout, stderr."""
    ran = await anyio.run_process(
        [sys.executable, *args], env=without_keys(**env), cwd=cwd, check=False
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()
