"""Which beginning of a command is offered, and when none is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.tools.permissions import Rule
from midstream.tools.prefixes import prefix_of

OFFERED = [
    ("ls -la", "ls"),
    ("cat notes.txt", "cat"),
    ("pytest -x tests", "pytest"),
    ("./build.sh --fast", "./build.sh"),
    ("git status -s", "git status"),
    ("/usr/bin/git status", "/usr/bin/git status"),
    ("git add .", "git add"),
    ("npm run build", "npm run"),
    ("cargo test --all", "cargo test"),
    ("make test", "make test"),
    ("python -m pytest -x", "python -m pytest"),
    ("python3.11 -m http.server", "python3.11 -m http.server"),
    ("python build.py --fast", "python build.py"),
    ("uv run pytest -x", "uv run pytest"),
    ("uv run python -m pytest -x", "uv run python -m pytest"),
    ("poetry run git status -s", "poetry run git status"),
    ("npx prettier --check .", "npx prettier"),
]
NOTHING = [
    "", "git status; rm -rf ~", "git status $(x)", "git status\nrm x", "A=b git status",
    "sh", "sh -c 'rm x'", "bash x.sh", "/bin/sh x", "sudo ls", "env A=b ls", "xargs ls",
    "nohup ls", "timeout 5 ls", "eval ls", "exec ls", ". x", "source x", "find . -name x",
    "python", "python -c x", "python - x", "python -m timeit x", "python3 -Ic x", "node -e x",
    "perl -e x", "node --eval=x", "awk x", "sed x", "curl http://x", "ssh x", "rm x", "tee x",
    "docker run x", "git", "git -c a=b status", "git -C x status", "git config a b",
    "git rebase -x a", "git submodule foreach x", "cargo install x", "npm install x", "npm exec",
    "go run x", "pip install x", "uv run", "uv run sh -c x", "uv run --with x pytest",
    "uv run python -c x", "uv run uv run sudo x", "npx", "npx sudo x", "-x", "'a b' c", "'a\nb' c",
    "python 'a\nb'", "git log --output=x", "git diff --output=x", "git show --output=x",
    "git fetch --upload-pack=x", "git push --exec=x", "git clone -u x y", "git archive -o x",
    "git hook run x", "git init --template=x", "npm x y", "npm init y", "npm explore x -- y",
    "go build -toolexec=x", "go vet -vettool=x", "taskset 1 x", "systemd-run x", "nsenter x",
    "coverage run x", "sort -o x", "sort --compress-program=x", "split --filter=x", "psql",
    "sqlite3 x", "julia -e x", "R -e x", "tclsh x", "cmake -P x", "conda run x", "dig x.example",
    "test -v 'a[$(x)]'", "printf -v 'a[$(x)]' b", "read 'a[$(x)]'",
    "mapfile -C x a", "enable -f x y",
]  # fmt: skip


@pytest.mark.parametrize(("command", "prefix"), OFFERED)
def test_the_beginning_that_says_what_a_command_does(command: str, prefix: str) -> None:
    assert prefix_of(command) == prefix


@pytest.mark.parametrize("command", NOTHING)
def test_nothing_is_offered_that_would_allow_anything(command: str) -> None:
    assert prefix_of(command) is None


WORDS = st.sampled_from(["uv", "run", "git", "python", "-m", "status", "x", "'a b'", "\\'", "npx"])


@given(st.lists(WORDS, max_size=12))
def test_what_is_offered_allows_the_command_that_asked(words: list[str]) -> None:
    command = " ".join(words)
    if prefix := prefix_of(command):
        assert Rule("run_command", prefix).allows("run_command", {"command": command})


def test_a_command_of_many_runners_is_not_followed_for_ever() -> None:
    assert prefix_of("uv run " * 10_000) is None
