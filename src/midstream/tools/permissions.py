"""Which calls may run without asking, and which never: rules over tools and over commands."""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

from msgspec import Struct

from midstream.errors import ConfigurationError
from midstream.tools.shell import plain_words, runs
from midstream.tools.tool import Tool

MEMBER = "command"  # of a call's input: what a rule with a command is about
EVERYTHING = "everything"
_NAME = re.compile(r"[\w.-]+")


class Decision(Enum):
    ALLOWED = "it may run"
    ASK = "somebody must be asked"
    DENIED = "it must not run"


class Verdict(Struct, frozen=True):
    """What the rules say of a call.

    Attributes:
        by: what decided, such as "rule run_command:git status"; empty if it was the tool itself.
    """

    decision: Decision
    by: str = ""


class Rule(Struct, frozen=True):
    """A tool, or those of its calls whose command begins with certain words, or is a certain one.

    Attributes:
        command: the words that it begins with; nothing where the rule is about every call.
        exact: it is the whole command, character by character.

    Raises:
        ConfigurationError: these are no words that a command could begin with.
    """

    tool: str
    command: str = ""
    exact: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.tool):
            words = "a rule is a tool, or a tool and a command, or how that begins"
            examples = "run_command, run_command=make test, run_command:git status"
            raise ConfigurationError(f"{str(self)!r} is no rule: {words}: {examples}")
        if not self.command or self.exact:
            return
        if self.command.rstrip().endswith("*"):
            raise ConfigurationError(f"rule {self}: leave out the *: what follows may be anything")
        if plain_words(self.command) is None:
            raise ConfigurationError(
                f"rule {self}: {self.command!r} must be the first words of one plain command"
            )

    @staticmethod
    def read(text: str) -> "Rule":
        """A rule as it is spelled: `run_command`, `run_command:git status`, `run_command=make x`.

        Raises:
            ConfigurationError: it is spelled in another way.
        """
        tool, *command = re.split("([:=])", text, maxsplit=1)
        if command and not command[1].strip():
            raise ConfigurationError(f"rule {text!r} names no command: {tool} alone is every call")
        return Rule(tool.strip(), "".join(command[1:]).strip(), exact=command[:1] == ["="])

    def __str__(self) -> str:
        sign = "=" if self.exact else ":"
        return f"{self.tool}{sign}{self.command}" if self.command else self.tool

    def allows(self, tool: str, input: dict[str, Any]) -> bool:
        """Whether it covers a call, all that the call could run being certain."""
        if tool != self.tool or not self.command:
            return tool == self.tool
        command = input.get(MEMBER)
        if not isinstance(command, str):
            return False
        if self.exact:
            return command.strip(" \t\n") == self.command
        words, first = plain_words(command), self.words
        return words is not None and words[: len(first)] == first

    def denies(self, tool: str, input: dict[str, Any]) -> bool:
        """Whether it covers a call, or may well do so."""
        if tool != self.tool or not self.command:
            return tool == self.tool
        command = input.get(MEMBER)
        if not isinstance(command, str) or (self.exact and self.allows(tool, input)):
            return True
        return bool(self.words) and runs(command, self.words)

    @property
    def words(self) -> tuple[str, ...]:
        return plain_words(self.command) or ()


class Permissions:
    """What may run without being asked about; shared by all runs of a conversation.

    A rule that denies counts before one that allows, that before `everything`, and that before the
    tool's own `approval`.

    Args:
        allow, deny: rules, or their spelling.
        everything: allow all that is not denied.

    Raises:
        ConfigurationError: a rule is spelled wrongly.
    """

    def __init__(
        self,
        allow: Iterable[str | Rule] = (),
        deny: Iterable[str | Rule] = (),
        everything: bool = False,
    ) -> None:
        self.allowed: tuple[Rule, ...] = ()
        self.denied = tuple(map(_rule, deny))
        self.everything = everything
        for each in allow:
            self.allow(each)

    def allow(self, rule: str | Rule) -> None:
        """Allow from here on what a rule covers, and is not denied."""
        if (made := _rule(rule)) not in self.allowed:
            self.allowed = (*self.allowed, made)

    def verdict(self, tool: Tool, input: dict[str, Any]) -> Verdict:
        """What the rules say of a call of `tool`."""
        name = tool.spec.name
        for rule in self.denied:
            if rule.denies(name, input):
                return Verdict(Decision.DENIED, f"rule {rule}")
        for rule in self.allowed:
            if rule.allows(name, input):
                return Verdict(Decision.ALLOWED, f"rule {rule}")
        if not tool.approval:
            return Verdict(Decision.ALLOWED)
        return Verdict(Decision.ALLOWED, EVERYTHING) if self.everything else Verdict(Decision.ASK)


def _rule(given: str | Rule) -> Rule:
    return Rule.read(given) if isinstance(given, str) else given
