"""What is offered to be allowed for good: how a command begins, or the command as it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.tools.permissions import Rule
from midstream.tools.prefixes import HARMLESS, OF_GIT, in_words, offered, prefix_of
from tests.conftest import missing

BEGINNINGS = [
    ("ls -la", "ls"),
    ("cat notes.txt", "cat"),
    ("'grep' -rn x .", "grep"),
    ("git status -s", "git status"),
    ("git  ls-files 'a b'", "git ls-files"),
]
# Behind each of these words can follow that run a program, write a file or reach another machine.
AS_IT_IS = [
    "make test", "npm test", "npm run build", "cargo test --all", "gcc -O2 a.c", "setpriv ls",
    "shuf -n 1 a", "uniq a", "sort a", "git reflog", "git shortlog", "git diff-tree HEAD",
    "git stash list", "git stash show", "git log", "git diff", "git show", "git blame a",
    "git rev-list HEAD", "git grep x", "git branch", "git remote", "git fetch", "git add .",
    "go test ./...", "go vet", "fdfind x", "find . -name x", "rg x", "pytest -x", "ruff check",
    "python -m pytest -x", "python build.py", "python -c x", "uv run pytest", "npx prettier .",
    "sh x", "bash x", "sudo ls", "env A=b ls", "xargs ls", "timeout 5 ls", "eval ls", "awk x",
    "sed -n 1p a", "tee a", "curl http://x", "ssh x", "rm x", "tree", "file a", "diff a b",
    "date", "hostname", "man ls", "less a", "xxd a", "jq . a", "test -v 'a[$(x)]'", "printf x",
    "read x", "git", "git -C x status", "git -c a=b status", "git --help", "./ls", "/tmp/ls",
    "/usr/bin/git status", "./build.sh", "-x", "'a b' c",
    "ls; rm x", "cat $(x)", "A=b ls", "ls > x", "cd a && make test", "ls *.py | wc -l",
]  # fmt: skip
NOTHING = ["", " \n", "cat <<x\ny\nx", "make\ttest", "echo \x1b[8m", "ls; \u202ex", "a;" * 300]


@pytest.mark.parametrize(("command", "prefix"), BEGINNINGS)
def test_a_beginning_is_offered_where_no_words_that_follow_do_harm(
    command: str, prefix: str
) -> None:
    assert offered("run", {"command": command}) == Rule("run", prefix)
    assert in_words(Rule("run", prefix)) == f"“{prefix} …”"


@pytest.mark.parametrize("command", AS_IT_IS)
def test_of_all_others_the_command_as_it_is_alone_is_offered(command: str) -> None:
    rule = offered("run", {"command": f" {command}\n"})
    assert rule == Rule("run", command, exact=True)
    assert in_words(rule) == f"exactly “{command}”"
    assert rule.allows("run", {"command": command})
    assert not rule.allows("run", {"command": f"{command} x"})
    assert not rule.allows("other", {"command": command})


@pytest.mark.parametrize("command", NOTHING)
def test_nothing_is_offered_that_a_line_could_not_show(command: str) -> None:
    assert offered("run", {"command": command}) is None


@pytest.mark.parametrize("given", [{}, {"command": 5}, {"path": "ls"}])
def test_nothing_is_offered_where_there_is_no_command(given: dict[str, object]) -> None:
    assert offered("run", given) is None


@pytest.mark.parametrize("words", ["--output=F", "-oF", "-o F", "--outp F", "F", "a F", "-x touch"])
@pytest.mark.parametrize(
    "beginning", [*sorted(HARMLESS), *(f"git {each}" for each in sorted(OF_GIT))]
)
def test_behind_what_is_offered_no_words_write_a_file(
    beginning: str, words: str, tmp_path: Path
) -> None:
    if shutil.which(beginning.split()[0]) is None:
        missing(f"{beginning} is not on this machine")
    (tmp_path / "a").write_text("a\n")
    repository = ["git", "init", "-q", os.fspath(tmp_path)]
    subprocess.run(repository, check=True, env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull})
    before = sorted(each.name for each in tmp_path.iterdir())
    subprocess.run(
        [*beginning.split(), *words.split()], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert sorted(each.name for each in tmp_path.iterdir()) == before


WORDS = st.sampled_from(["ls", "cat", "git", "status", "-s", "x", "'a b'", "\\'", ";", "\n", " "])


@given(st.lists(WORDS, max_size=12))
def test_what_is_offered_allows_the_command_that_asked(words: list[str]) -> None:
    command = " ".join(words)
    if rule := offered("run_command", {"command": command}):
        assert rule.allows("run_command", {"command": command})
        assert Rule.read(str(rule)) == rule


def test_a_command_without_end_is_read_at_once() -> None:
    assert prefix_of("ls " * 1_000_000) is None
