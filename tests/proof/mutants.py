"""Changes one line of midstream at a time, and sees that the tests notice every one.

    make mutants
    python tests/proof/mutants.py journal cancel    # those with such a word in file or promise

The changes are in `mutants.txt`. A checkout's copy is changed, never the checkout itself. It fails
when a mutant lives, and when a line that is to be changed is not there any more.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parent.parent.parent
TABLE = Path(__file__).with_name("mutants.txt")
LIMIT_S = 120.0  # for each file of tests
PYTEST = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
FAILED = re.compile(r"^(?:FAILED|ERROR) \S*?(\w+\.py::[\w:]+)", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """A line of a file in `src/midstream`, what becomes of it, and who must notice.

    Attributes:
        promise: what holds before the change and no longer after it.
    """

    file: str
    before: str
    after: str
    promise: str
    tests: tuple[str, ...]


class Stale(Exception):
    """The table does not fit the code."""


def read_table(text: str) -> list[Mutant]:
    """The mutants of a table, whose own first lines say how it is written."""
    mutants: list[Mutant] = []
    file, tests, promise, before = "", list[str](), "", ""
    for line in text.splitlines():
        kind, words = line[:2], line[2:]
        match kind:
            case "= ":
                file, *tests = words.split()
            case "* ":
                promise = words
            case "- ":
                before = words
            case "+ ":
                mutants.append(Mutant(file, before, words, promise, tuple(tests)))
                promise = before = ""
            case _ if line and kind != "# ":
                raise Stale(f"{line!r} is no line of the table")
    return mutants


def mutated(mutant: Mutant, source: str) -> str:
    """The source with the one line changed.

    Raises:
        Stale: the line is not there exactly once, or what becomes of it is not Python.
    """
    lines = source.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if line.strip() == mutant.before]
    if len(places) != 1:
        raise Stale(f"{mutant.file} has {len(places)} lines of this kind: {mutant.before}")
    lines[places[0]] = lines[places[0]].replace(mutant.before, mutant.after)
    changed = "".join(lines)
    try:
        compile(changed, mutant.file, "exec")
    except SyntaxError as error:
        raise Stale(f"{mutant.file}: {error}") from error
    return changed


@dataclass(frozen=True)
class Verdict:
    """What the tests said; `by` is the one that failed first, "" if all passed."""

    by: str
    seconds: float
    output: str = ""


class Copy:
    """A copy of the checkout, in which tests are run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("src", "tests"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy2(ROOT / "pyproject.toml", folder)

    def test(self, tests: Sequence[str], *, keep_byte_code: bool = False) -> Verdict:
        """Run tests until one fails.

        Raises:
            RuntimeError: they could not be run.
        """
        began, limit_s = monotonic(), LIMIT_S * len(tests)
        process = subprocess.Popen(
            [sys.executable, *PYTEST, *tests],
            cwd=self._folder,
            env=os.environ | {
                "PYTHONPATH": str(self._folder / "src"),
                # That of a changed file must not be taken for that of the next.
                "PYTHONDONTWRITEBYTECODE": "" if keep_byte_code else "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Verdict(f"a hang: stopped after {limit_s:g} s", monotonic() - began)
        failed = FAILED.search(output)
        if process.returncode not in (0, 1) or bool(failed) != bool(process.returncode):
            raise RuntimeError(f"pytest ended with {process.returncode}:\n{output[-4000:]}")
        return Verdict(failed[1] if failed else "", monotonic() - began, output)

    def judge(self, mutant: Mutant) -> Verdict:
        """What the tests say of a mutant."""
        path, original = (each / "src/midstream" / mutant.file for each in (self._folder, ROOT))
        path.write_text(mutated(mutant, original.read_text("utf-8")), "utf-8")
        try:
            return self.test(mutant.tests)
        finally:
            shutil.copy2(original, path)


def run(mutants: Sequence[Mutant], folder: Path) -> int:
    """Judge them all and tell; returns how many live."""
    copy = Copy(folder)
    tests = dict.fromkeys(path for mutant in mutants for path in mutant.tests)
    plain = copy.test([*tests], keep_byte_code=True)
    if plain.by:
        raise RuntimeError(f"{plain.output}\nwithout any change {plain.by} fails")
    print(f"{len(tests)} test files pass as things are: {plain.seconds:.1f} s", flush=True)
    living = 0
    for number, mutant in enumerate(mutants, 1):
        verdict = copy.judge(mutant)
        living += not verdict.by
        fate = f"killed by {verdict.by}" if verdict.by else "LIVES"
        place = f"{number:>3} {verdict.seconds:5.1f} s  {mutant.file}"
        print(f"{place}: {mutant.promise}: {fate}", flush=True)
    return living


def main(words: Sequence[str]) -> int:
    began = monotonic()
    try:
        mutants = [
            mutant
            for mutant in read_table(TABLE.read_text("utf-8"))
            if not words or any(word in f"{mutant.file} {mutant.promise}" for word in words)
        ]
        if not mutants:
            raise Stale(f"no mutant has such a word: {' '.join(words)}")
        for mutant in mutants:
            mutated(mutant, (ROOT / "src/midstream" / mutant.file).read_text("utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            living = run(mutants, Path(folder))
    except (Stale, RuntimeError) as error:
        print(error)
        return 1
    print(f"{len(mutants)} mutants, {living} alive, {monotonic() - began:.0f} s")
    return 1 if living else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
