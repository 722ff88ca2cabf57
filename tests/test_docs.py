"""The documentation runs: its Python blocks, its help text, its figures of lines."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.simulator import Reply, Scenario, Simulator, call, say

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]
WEATHER_TOOL = "from examples.weather import get_weather\n"


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_does_what_it_says(
    block: str, simulator: Callable[[Any], Simulator], tmp_path: Path
) -> None:
    lagos = Reply([say("Let me look. "), call("get_weather", city="Lagos")])
    sim = simulator(Scenario(replies=[lagos, Reply([say("Warm rain, {get_weather.temp_c} °C.")])]))
    path = tmp_path / "test_block.py"
    path.write_text(WEATHER_TOOL + block if "def test_" in block else block)
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if "def test_" in block else []
    done = subprocess.run(
        [sys.executable, *runner, str(path)],
        env=os.environ | {
            "ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": sim.url, "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert sim.refusals == []


def test_the_help_in_the_docs_is_the_programs() -> None:
    code = "from midstream.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=30,
        env=os.environ | {"COLUMNS": "80"},
    ).stdout  # fmt: skip
    page = (ROOT / "docs" / "command.md").read_text()
    assert shown.strip() in page


def test_the_readme_tells_the_loops_length() -> None:
    lines = len((ROOT / "src/midstream/agent/loop.py").read_text().splitlines())
    assert f"The loop is {lines} lines" in (ROOT / "README.md").read_text()


def test_every_link_inside_the_documentation_leads_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
