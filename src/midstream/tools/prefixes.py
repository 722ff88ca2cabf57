"""Which rule may be offered where a command is asked about, so that its like is not asked again."""

from collections.abc import Mapping
from typing import Any

from midstream.tools.permissions import MEMBER, Rule
from midstream.tools.shell import names, plain_words

# Whatever words follow, these run no other program, write no file and reach no other machine. A
# list of those that do could never be whole: `uniq A FILE`, `npm test --script-shell=X`.
HARMLESS = names(
    "basename cat cmp comm cut df dirname du echo fold grep head ls md5sum nl od paste pwd "
    "readlink realpath seq sha256sum stat tac tail tr wc"
)
# Behind what also seems to read only stands `--output`: `git log`, `git diff`, `git blame`.
OF_GIT = names("ls-files rev-parse status")
LONGEST = 500  # characters of a command that is offered as it is


def offered(tool: str, given: Mapping[str, Any]) -> Rule | None:
    """The rule that "always" may add for a call besides that about its tool; None for none.

    Such as `run_command:git status` where no words that could follow do harm, and else
    `run_command=make test`: exactly this command. None where the call has no command, or one that
    a line could not show.
    """
    command = given.get(MEMBER)
    if not isinstance(command, str):
        return None
    if prefix := prefix_of(command):
        return Rule(tool, prefix)
    whole = command.strip(" \t\n")
    fits = whole and len(whole) <= LONGEST and whole.isprintable()
    return Rule(tool, whole, exact=True) if fits else None


def prefix_of(command: str) -> str | None:
    """The beginning of a command behind which any words may follow, such as `git status`."""
    words = plain_words(command) or ()
    match words:
        case ("git", subcommand, *_) if subcommand in OF_GIT:
            return f"git {subcommand}"
        case (name, *_) if name in HARMLESS:
            return name
        case _:
            return None


def in_words(rule: Rule) -> str:
    """What a rule about commands covers, for who is to answer."""
    return f"exactly “{rule.command}”" if rule.exact else f"“{rule.command} …”"
