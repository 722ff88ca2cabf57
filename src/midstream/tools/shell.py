"""A command line as a POSIX shell reads it, as far as rules about commands need that.

It is read in two ways. `plain_words` is for what a rule allows: in doubt it reads nothing.
`commands` is for what a rule denies: in doubt it finds one command more.
"""

import re
from collections.abc import Iterator, Sequence
from os.path import basename

LONGEST = 20_000  # characters of a line that is read at all; nobody waits long for that
_BARE = r"""[^\s\x00-\x1f\x7f'"\\;&|<>()$`]+"""
_PART = re.compile(
    rf"""(?P<blank>[ \t]+)|(?P<bare>{_BARE})|\\(?P<escaped>[^\n\x00-\x08\x0b-\x1f\x7f])
    |'(?P<single>[^'\x00-\x08\x0b-\x1f\x7f]*)'
    |"(?P<double>(?:[^"\\$`\x00-\x08\x0b-\x1f\x7f]|\\[^\n\x00-\x08\x0b-\x1f\x7f])*)" """,
    re.VERBOSE,
)
_ESCAPED = re.compile(r'\\(["\\$`])')  # within double quotes; a backslash before others stays


def names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that begin something else than a simple command, or stand before one.
RESERVED = names(
    "! { } [[ ]] case coproc do done elif else esac fi for function if in select then time until "
    "while"
)


def plain_words(line: str) -> tuple[str, ...] | None:
    """The words of a line that is one simple command and nothing else; or None.

    None where anything but that command could run, and wherever that is not certain: operators,
    redirections, several lines, substitutions and variables, an assignment before the command, a
    reserved word, a comment, a control character, quotes that are not closed.
    """
    words: list[str] = []
    word: str | None = None
    at, end = 0, len(line) if len(line) <= LONGEST else -1
    while at < end:
        part = _PART.match(line, at)
        if part is None or (word is None and line[at] == "#"):
            return None
        at = part.end()
        if part.lastgroup == "blank":
            words += [] if word is None else [word]
            word = None
        elif part.lastgroup == "double":
            word = (word or "") + _ESCAPED.sub(r"\1", part["double"])
        else:
            word = (word or "") + part[str(part.lastgroup)]
    words += [] if word is None else [word]
    if not words or not words[0] or "=" in words[0] or words[0] in RESERVED:
        return None
    return tuple(words)


# -- what may be run somewhere in a line -------------------------------------------------------

SHELLS = names("ash bash busybox cmd csh dash fish ksh powershell pwsh sh tcsh zsh")
# They run a command that is among their words.
CARRIERS = names(
    ". builtin bwrap caffeinate chroot chrt command dbus-run-session doas entr env eval exec "
    "fakeroot faketime fd find firejail flock gtimeout hyperfine ionice ltrace nice nohup nsenter "
    "numactl parallel pkexec proot runuser setarch setsid source stdbuf strace su sudo "
    "systemd-run taskset time timeout trap unbuffer unshare watch xargs xvfb-run"
)
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+)|(?P<end><<<|[\n;&|()`]|[<>]\()|(?P<redirection>\d*[<>]+[&|]?(?!\())
    |'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)
    |(?P<bare>[^\s'"\\;&|<>()`]+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")
_FIELD = re.compile(r"\$\{?IFS\}?")
_DOLLAR = re.compile(r"\$(?=['\"])")  # before quotes
_NO_QUOTES = str.maketrans("", "", "'\"\\")
_FURTHER = 24  # words that are looked at for the next one of a prefix


def runs(line: str, prefix: Sequence[str]) -> bool:
    """Whether some command in the line seems to begin with the words of `prefix`.

    It is looked for behind operators, in substitutions, in quotes, and behind words such as `sudo`;
    options may stand between its words. A line that is too long to be read counts as one that does.
    """
    if len(line) > LONGEST:
        return True
    return any(
        _begins(words[at : at + _FURTHER], prefix)
        for words in commands(line)
        for at in range(len(words) if basename(words[0]) in _LEADING else 1)
    )


_LEADING = SHELLS | CARRIERS | RESERVED


def commands(line: str) -> Iterator[list[str]]:
    """The words of every command that can be seen in a line: as its quotes say, and without them.

    Without them, since what a shell is given in quotes, or what is substituted in them, runs too.
    """
    line = _DOLLAR.sub("", _FIELD.sub(" ", line.replace("\\\n", "")))
    yield from _commands(line)
    if (bare := line.translate(_NO_QUOTES)) != line:
        yield from _commands(bare)


def _commands(line: str) -> Iterator[list[str]]:
    words, word, target = list[str](), "", False
    for token in _TOKEN.finditer(f"{line}\n"):
        if token.lastgroup not in ("blank", "redirection", "end"):
            word += _ESCAPED.sub(r"\1", token[str(token.lastgroup)])
            continue
        if word and not target and (words or not _ASSIGNMENT.match(word)):
            words.append(word)
        target = token.lastgroup == "redirection" or (target and not word)
        word = ""
        if token.lastgroup == "end" and words:
            yield words
            words = []


def _begins(words: Sequence[str], prefix: Sequence[str]) -> bool:
    first = words[0] if "/" in prefix[0] else basename(words[0])
    places: set[int] = {1} if first == prefix[0] else set()
    for wanted in prefix[1:]:
        for at in range(len(words)):
            if at in places and words[at].startswith("-"):
                places |= {at + 1, at + 2}  # an option, and perhaps its value
        places = {at + 1 for at in places if at < len(words) and words[at] == wanted}
    return bool(places)
