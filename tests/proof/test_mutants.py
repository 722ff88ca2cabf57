"""The table of mutants fits the code, and its judge can tell the dead from the living."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.proof import mutants
from tests.proof.mutants import ROOT, TABLE, Copy, Mutant, Stale, mutated, read_table, run

MUTANTS = read_table(TABLE.read_text("utf-8"))
DEAD = next(each for each in MUTANTS if each.file == "turn/retry.py")


def source(mutant: Mutant) -> str:
    return (ROOT / "src/midstream" / mutant.file).read_text("utf-8")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.promise}")
def test_every_mutant_is_a_change_of_a_line_that_is_there(mutant: Mutant) -> None:
    assert mutated(mutant, source(mutant)) != source(mutant)
    assert mutant.promise
    assert mutant.tests
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_no_mutant_is_there_twice() -> None:
    assert len({(each.file, each.before, each.after) for each in MUTANTS}) == len(MUTANTS)


def test_the_documentation_tells_how_many_they_are() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    assert re.findall(r"(\d+) changes of one line", page) == [str(len(MUTANTS))]
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"(\d+) mutants", readme) == [str(len(MUTANTS))]


LOOP = next(each for each in MUTANTS if each.file == "agent/loop.py")
STALE = [
    pytest.param(replace(DEAD, before="not_there()"), "has 0 lines", id="not there"),
    pytest.param(replace(LOOP, before="self._scope.cancel()"), "has 2 lines", id="twice"),
    pytest.param(replace(DEAD, after="return ("), "was never closed", id="not Python"),
]


@pytest.mark.parametrize(("mutant", "words"), STALE)
def test_a_mutant_that_does_not_fit_the_code_is_told(mutant: Mutant, words: str) -> None:
    with pytest.raises(Stale, match=words):
        mutated(mutant, source(mutant))


def test_a_line_that_is_no_line_of_the_table_is_told() -> None:
    with pytest.raises(Stale, match="is no line of the table"):
        read_table("= turn/retry.py\nreturn error.retry_after_s\n")


def test_the_dead_are_told_from_the_living(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unharmed = replace(DEAD, after=f"{DEAD.before}  # as before", promise="nothing")
    assert run([DEAD, unharmed], tmp_path) == 1
    plain, dead, living = capsys.readouterr().out.splitlines()
    assert "pass as things are" in plain
    assert "killed by test_retry.py::test_" in dead
    assert living.endswith("turn/retry.py: nothing: LIVES")
    copied = tmp_path / "src/midstream/turn/retry.py"
    assert copied.read_text("utf-8") == source(DEAD), "each is changed back"


def test_a_test_that_hangs_has_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "LIMIT_S", 1.0)
    copy = Copy(tmp_path)
    (tmp_path / "tests/test_hang.py").write_text("def test() -> None:\n    while True: pass\n")
    assert copy.test(["tests/test_hang.py"]).by == "a hang: stopped after 1 s"


def test_tests_that_cannot_be_run_have_noticed_nothing(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    (tmp_path / "tests/test_bad.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(RuntimeError, match="nothing_of_this_name"):
        copy.test(["tests/test_bad.py"])
