"""The table of traps is whole, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "traps.md").read_text("utf-8").splitlines()
    if re.match(r"\| \d+ \|", line)
]
# 72 from the field, 8 from tutorials, 4 of hostile servers. Who adds a trap counts it here.
TRAPS = 72 + 8 + 4
NAMED = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a file's tests; of those in a class, `Class::test`."""
    file = ROOT / path
    return (
        frozenset(_names(ast.parse(file.read_text("utf-8")).body)) if file.exists() else frozenset()
    )


def _names(body: list[ast.stmt], within: str = "") -> list[str]:
    found: list[str] = []
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found += _names(node.body, f"{node.name}::")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [within + node.name] if node.name.startswith("test_") else []
    return found


def test_no_trap_is_lost() -> None:
    assert [row[0] for row in ROWS] == [str(number) for number in range(1, TRAPS + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_trap_has_its_tests_or_says_why_not(row: list[str]) -> None:
    number, trap, does, tests = row
    assert trap, number
    assert does, number
    named = NAMED.findall(tests)
    missing = [f"{path}::{name}" for path, name in named if name not in names_in(path)]
    assert missing == []
    if named:
        assert NAMED.sub("", tests).strip() == "", "nothing but tests stands in the last column"
    else:
        assert tests == "none"
        assert does.startswith(("Not yet: ", "Does not apply: ")), "a trap without a test says why"


def test_the_traps_without_a_test_are_few() -> None:
    without = [row[0] for row in ROWS if row[3] == "none"]
    assert without == ["34", "40", "68", "80"]
