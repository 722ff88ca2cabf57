"""Which beginning of a command may be offered to be allowed for good."""

import re
import shlex
from collections.abc import Mapping, Sequence
from os.path import basename
from typing import Any

from midstream.tools.permissions import MEMBER
from midstream.tools.shell import CARRIERS, SHELLS, names, plain_words

# The shell's own that run what is in their words, such as the index of `test -v 'a[$(x)]'`.
BUILTINS = names(
    "alias bind compgen complete declare enable export getopts hash let local mapfile printf read "
    "readarray readonly test typeset unset wait"
)
# What follows them can run any program, write any file or reach any address: nothing is offered.
ANYTHING = (
    SHELLS
    | CARRIERS
    | BUILTINS
    | names(
        "at awk batch bun clojure cmake conda coverage cp crontab curl dc dd deno dig direnv "
        "docker ed elixir emacs erl ex expect gawk gdb ghci gnuplot groovy guile host install "
        "ipython java jshell julia kubectl less lldb ln m4 mamba man mawk mkfs mv mysql nano "
        "nawk nc ncat netcat ninja nmap nslookup nvim openssl osascript patch perf ping podman "
        "psql pyenv R racket rbenv rg rlwrap rm rsync sbcl scala scp screen script sed sftp "
        "shred socat sort split sqlite3 ssh swift systemctl tar tclsh tcpdump tee telnet tmux "
        "truncate ts-node tsx vi view vim wget wish xdg-open zip"
    )
)
# Their second word says what they do.
SUBCOMMANDS = names(
    "apt brew bundle cargo composer dotnet gem gh git go gradle hatch helm hg just make mise mvn "
    "npm pdm pip pip3 pipenv pipx pnpm poetry rake ruff rye svn terraform uv yarn"
)
# Of those, the ones behind which anything may follow again.
OPEN = {
    "cargo": names("add install"),
    "gh": names("alias api extension"),
    # `--output`, `--exec`, `--upload-pack` and their like: also what only shows writes any file.
    "git": names(
        "am apply archive bisect clone config daemon diff difftool fetch filter-branch "
        "filter-repo for-each-repo format-patch grep hook init instaweb log ls-remote "
        "mergetool pull push rebase remote-ext remote-fd send-email show submodule"
    ),
    "go": names("build generate get install run vet"),
    "npm": names("add config create explore i init innit install set x"),
    "uv": names("add pip run sync tool"),
}
OPEN_ANYWHERE = names("add alias config dlx eval exec i install run shell x")
# They run what the words after these say: what is offered is a beginning of that.
RUNNERS = (
    "bundle exec", "bunx", "hatch run", "npm exec", "npx", "pdm run", "pipenv run", "pipx run",
    "pnpm dlx", "pnpm exec", "poetry run", "rye run", "uv run", "uvx", "yarn dlx",
)  # fmt: skip
# They run a file, or with `-m` a module; with other options they run what they are told.
INTERPRETERS = re.compile(r"(python|pypy|node|nodejs|ruby|perl|php|lua|Rscript)[\d.]*")
OPEN_MODULES = names("cProfile code pdb pip profile runpy timeit trace")
WORD = re.compile(r"[A-Za-z][\w.:-]*")
PATH = re.compile(r"[\w./~+-]+")
LONGEST = 8  # words of a beginning


def prefix_of(command: str) -> str | None:
    """The beginning that "always" should offer for such a command, such as `git status`.

    None where the command is not one simple command, or where the words that could follow the
    beginning would let it do anything, as with `sh`, `sudo` and `python -c`.
    """
    words = plain_words(command)
    count = _count(words[:LONGEST]) if words else 0
    return shlex.join(words[:count]) if words and count else None


def offered(given: Mapping[str, Any]) -> str | None:
    """The same for the input of a call; None where it is no command."""
    command = given.get(MEMBER)
    return prefix_of(command) if isinstance(command, str) else None


def _count(words: Sequence[str]) -> int:
    """How many words the beginning has; 0 for none."""
    name = basename(words[0]).removesuffix(".exe")
    for runner in RUNNERS:
        first = runner.split()
        if [name, *words[1 : len(first)]] == first:
            count = _count(words[len(first) :]) if len(words) > len(first) else 0
            return count and len(first) + count
    if name in ANYTHING or not PATH.fullmatch(words[0]) or name.startswith("-"):
        return 0
    if INTERPRETERS.fullmatch(name):
        return _of_interpreter(words[1:])
    if name not in SUBCOMMANDS:
        return 1
    second = words[1] if len(words) > 1 else ""
    return 2 if WORD.fullmatch(second) and second not in OPEN.get(name, OPEN_ANYWHERE) else 0


def _of_interpreter(words: Sequence[str]) -> int:
    if len(words) > 1 and words[0] == "-m":
        return 3 if WORD.fullmatch(words[1]) and words[1] not in OPEN_MODULES else 0
    return 2 if words and PATH.fullmatch(words[0]) and not words[0].startswith("-") else 0
