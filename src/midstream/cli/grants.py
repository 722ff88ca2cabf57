"""Which tools a question has and what they may do: the options and the configuration together."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

import click
from msgspec import Struct

from midstream.cli.config import OF_THE_FOLDER, config_file, folder_settings, user_config
from midstream.cli.load import load_tools
from midstream.errors import ConfigurationError
from midstream.faces.plain import printable
from midstream.tools.permissions import MEMBER, Permissions, Rule
from midstream.tools.tool import Tool
from midstream.tools.workspace import workspace

DEMO = "sim:demo"  # whose script calls tools of its own
BUILT_IN = ("read_file", "list_files", "search_files", "write_file", "edit_file", "run_command")


class Grants(Struct, frozen=True):
    """The options about tools.

    Attributes:
        tools: `MODULE|FILE.py[:NAME]` each.
        yes: everything is allowed that is not denied.
        workspace: the tools of the current folder are there.
        add_dirs: further folders for these.
    """

    tools: tuple[str, ...] = ()
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    yes: bool = False
    workspace: bool = True
    add_dirs: tuple[str, ...] = ()


class Kit(Struct, frozen=True):
    """The tools, and the rules about them, which grow with what is allowed for good."""

    tools: list[Tool]
    permissions: Permissions

    def tools_for(self, model: str) -> list[Tool]:
        return with_own(self.tools, model)


def kit(grants: Grants, model: str) -> Kit:
    """What was granted; see `granted_tools` and `granted` for what is raised.

    Args:
        model: whose own tools rules may be about, too.
    """
    tools = granted_tools(grants)
    return Kit(tools, granted(grants, with_own(tools, model)))


def with_own(tools: list[Tool], model: str) -> list[Tool]:
    """The tools, and those that a model brings; of two with one name the one that was there."""
    if model != DEMO:
        return tools
    from midstream.cli.demo_tools import DEMO_TOOLS

    taken = {each.spec.name for each in tools}
    return [*tools, *(each for each in DEMO_TOOLS if each.spec.name not in taken)]


def granted_tools(grants: Grants) -> list[Tool]:
    """The tools that were named, and those of the folder; of two with one name the one named.

    Raises:
        ConfigurationError: one cannot be loaded, or a folder is none.
    """
    named = load_tools(grants.tools)
    if not grants.workspace:
        return named
    config = user_config()
    folders = (*config.add_dirs, *grants.add_dirs)
    try:
        found = workspace(Path.cwd(), folders, config.environment)
    except FileNotFoundError as error:
        words = "the current folder is gone: go to another, or give --no-workspace"
        raise ConfigurationError(words) from error
    except NotADirectoryError as error:
        words = f"{error}: it was given by --add-dir, or by add_dirs in {config_file()}"
        raise ConfigurationError(words) from error
    taken = {each.spec.name for each in named}
    return [*named, *(each for each in found if each.spec.name not in taken)]


def granted(grants: Grants, tools: Iterable[Tool]) -> Permissions:
    """The rules: those of the options and of the user's file, and what the folder's file denies.

    Raises:
        UsageError: an option is about no tool that there is.
        ConfigurationError: a file denies a tool whose name seems mistyped, or a rule is misspelled.
    """
    by_name = {each.spec.name: each for each in tools}
    for rule in (*grants.allow, *grants.deny):
        if words := _problem(rule, by_name):
            raise click.UsageError(words)
    config, here = user_config(), folder_settings()
    allow, deny = _rules(config.allow, config_file()), _rules(config.deny, config_file())
    deny += _rules(here.deny if here else (), OF_THE_FOLDER)
    _check(allow, deny, by_name)
    return Permissions((*allow, *grants.allow), (*deny, *grants.deny), grants.yes)


def _rules(spelled: Iterable[str], file: Path) -> list[Rule]:
    try:
        return list(map(Rule.read, spelled))
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error


def _check(allow: Iterable[Rule], deny: Iterable[Rule], tools: Mapping[str, Tool]) -> None:
    """A file is for many runs, which have other tools; but what it denies must not be a slip."""
    for rule in allow:
        if (words := _problem(rule, tools)) and _is_slip(rule, tools):
            click.echo(f"midstream: {printable(words)}", err=True)
    for rule in deny:
        if (words := _problem(rule, tools)) and _is_slip(rule, tools):
            raise ConfigurationError(words)
        if words:
            click.echo(f"midstream: {printable(words)}", err=True)


def _problem(rule: Rule, tools: Mapping[str, Tool]) -> str:
    """Why a rule cannot be about any call; empty if it can."""
    tool = tools.get(rule.tool)
    if tool is None and rule.tool not in BUILT_IN:
        close = _meant(rule, tools)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"rule {rule}: there is no tool {rule.tool!r}{hint}"
    if tool and rule.command and MEMBER not in tool.spec.input_schema.get("properties", {}):
        return f"rule {rule}: {rule.tool} runs no command; {rule.tool} alone is every call of it"
    return ""


def _is_slip(rule: Rule, tools: Mapping[str, Tool]) -> bool:
    return rule.tool in tools or bool(_meant(rule, tools))


def _meant(rule: Rule, tools: Mapping[str, Tool]) -> list[str]:
    return get_close_matches(rule.tool, (*tools, *BUILT_IN), 1, 0.75)
