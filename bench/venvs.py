"""The peers' virtual environments: one for each, with what its requirements file pins.

    python bench/venvs.py [NAME ...]

They stand in bench/.venvs, and are made anew where the requirements have changed.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VENVS = HERE / ".venvs"
PEERS = sorted(path.stem for path in (HERE / "peers" / "requirements").glob("*.txt"))
NEEDS_3_12 = frozenset({"vercel_ai"})


class Missing(Exception):
    """A peer cannot be measured here; the words say why."""


def python_for(peer: str) -> str:
    """The interpreter to make a peer's environment with."""
    if peer not in NEEDS_3_12 or sys.version_info >= (3, 12):
        return sys.executable
    for name in (os.environ.get("PYTHON312"), "python3.12", "python3.13", "python3.14"):
        if name and works(name):
            return name
    raise Missing("needs Python 3.12: not on PATH, and PYTHON312 names none")


def works(python: str) -> bool:
    code = "import sys; sys.exit(sys.version_info < (3, 12))"
    try:
        return (
            subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def environment(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        Missing: the environment cannot be made.
    """
    folder = VENVS / peer
    wanted = (HERE / "peers" / "requirements" / f"{peer}.txt").read_text()
    made = folder / "made"
    python = folder / "bin" / "python"
    if made.exists() and made.read_text() == wanted:
        return python
    run([python_for(peer), "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run([*pip, *wanted.split()])
    made.write_text(wanted)
    return python


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"cannot be installed: {' '.join(done.stderr.split())[-300:]}")


def main() -> None:
    for peer in sys.argv[1:] or PEERS:
        try:
            print(peer, environment(peer), flush=True)
        except Missing as missing:
            print(f"{peer} skipped: {missing}", flush=True)


if __name__ == "__main__":
    main()
