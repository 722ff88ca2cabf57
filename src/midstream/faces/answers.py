"""What somebody says who is asked whether a call may run."""

from typing import Protocol

from midstream.events import ApprovalRequested
from midstream.tools.permissions import Rule

YES = ("y", "yes", "yy", "ok", "okay", "sure", "yes please")
ALWAYS, NARROW = ("a", "always"), "p"
NO = ("n", "no", "nn")


class Answered(Protocol):
    """The part of a run that takes answers."""

    def approve(self, call_id: str, allowed: bool, words: str = "") -> None: ...
    def allow(self, rule: str | Rule) -> tuple[str, ...]: ...


def answer(run: Answered, asked: ApprovalRequested, narrow: Rule | None, words: str) -> None:
    """Hand on what was said: a letter, a word for it, or what to do instead.

    Args:
        narrow: what can be allowed for good besides the tool.

    Raises:
        ValueError: it is nothing, or a letter that stands for nothing here.
        KeyError: the call is gone.
    """
    match read(words):
        case said if said in YES:
            run.approve(asked.id, True)
        case said if said in ALWAYS:
            run.allow(Rule(asked.name))
        case said if said == NARROW and narrow:
            run.allow(narrow)
        case said if said in NO:
            run.approve(asked.id, False)
        case said if len(said) < 2:
            raise ValueError(f"{words!r} stands for nothing here")
        case _:
            run.approve(asked.id, False, words.strip())


def allows(words: str) -> bool:
    """They let something run."""
    return read(words) in (*YES, *ALWAYS, NARROW)


def read(words: str) -> str:
    return words.strip().rstrip(".!").lower()
