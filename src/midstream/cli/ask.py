"""`midstream PROMPT`: one question, one answer, and out."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from midstream.errors import ConfigurationError

if TYPE_CHECKING:
    from midstream.cli.play import Question
    from midstream.tools.permissions import Rule

EPILOG = """\b
Commands, each with --help:
  chat      a conversation, as without a PROMPT on a terminal
  demo      show it all without a key
  sessions  list, show, export and delete what was said
  timeline  when the model wrote and its tools ran, as bars or a picture
  simulate  be the provider, by a scenario or a recording
  record    stand before a provider, and write down what passes
  decode    explain a captured stream, or the answers of a recording
  bench     measure a model: TTFT, tokens/s, and the tool time that is hidden
  doctor    say what can be used on this machine
Providers: anthropic, openai, openrouter, gemini, mistral, deepseek, groq,
xai, azure, ollama, vllm, llamacpp, openai-chat (and --base-url: any server of
that kind), local:FILE.gguf (a model on this machine: docs/local.md),
sim:NAME (a script), and your own (docs/configuration.md).
Keys: ANTHROPIC_API_KEY, OPENAI_API_KEY and so on. Defaults: MIDSTREAM_MODEL
and the like, config.toml, ./.midstream.toml. Sessions: MIDSTREAM_DATA.
Exit status: 0 completed, 1 failed, 2 wrong usage, 3 ended short (turns,
tokens, cost, refusal), 4 no or wrong key or bad configuration,
130 cancelled."""


class Ask(click.Command):
    """The command, with defaults out of the configuration."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        from midstream.cli.config import defaults

        if not {"-h", "--help"}.intersection(args):  # which help with a broken one, too
            extra.setdefault("default_map", defaults())
        return super().make_context(info_name, args, parent, **extra)


class Thinking(click.ParamType[int | str]):
    name = "tokens"

    def convert(self, value: object, param: object, ctx: object) -> int | str:
        if value == "adaptive":
            return "adaptive"
        try:
            budget = int(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number of tokens nor 'adaptive'")
        if budget < 1024:
            self.fail("a budget must be at least 1024 tokens")
        return budget


class RuleText(click.ParamType["Rule"]):
    name = "rule"

    def convert(self, value: object, param: object, ctx: object) -> "Rule":
        from midstream.tools.permissions import Rule

        try:
            return Rule.read(str(value))
        except ConfigurationError as error:
            self.fail(str(error))


@click.command(
    cls=Ask,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("prompt", required=False)
@click.option(
    "-m",
    "--model",
    metavar="PROVIDER:NAME",
    envvar="MIDSTREAM_MODEL",
    help="Such as anthropic:claude-sonnet-4-6.",
)
@click.option(
    "--base-url", metavar="URL", envvar="MIDSTREAM_BASE_URL", help="Where the provider's API is."
)
@click.option(
    "-s", "--system", metavar="TEXT", envvar="MIDSTREAM_SYSTEM", help="The system prompt."
)
@click.option(
    "-t",
    "--tools",
    multiple=True,
    metavar="FILE.py[:NAME]",
    help="Python tools of a file or a module.",
)
@click.option(
    "--allow", multiple=True, type=RuleText(), metavar="RULE",
    help="Unasked: TOOL, TOOL:START, TOOL=COMMAND.",
)  # fmt: skip
@click.option(
    "--deny",
    multiple=True,
    type=RuleText(),
    metavar="RULE",
    help="Never run it. Both may be repeated.",
)
@click.option("-y", "--yes", is_flag=True, help="Run unasked whatever is not denied.")
@click.option(
    "--add-dir", "add_dirs", multiple=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False), help="A folder to work in beside this one.",
)  # fmt: skip
@click.option("--no-workspace", is_flag=True, help="No tools for files and commands.")
@click.option("-c", "--continue", "latest", is_flag=True, help="Go on with this folder's latest.")
@click.option("-r", "--resume", metavar="ID", help="Go on with a session: midstream sessions.")
@click.option("--no-session", is_flag=True, help="Keep nothing on disk.")
@click.option("-p", "--print", "print_", is_flag=True, help="Answer and exit, even on a terminal.")
@click.option(
    "-o",
    "--output-format",
    type=click.Choice(["text", "json", "stream-json"]),
    default="text",
    show_default=True,
    help="stream-json: one event a line.",
)
@click.option(
    "--max-turns",
    type=click.IntRange(1),
    envvar="MIDSTREAM_MAX_TURNS",
    default=50,
    show_default=True,
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    envvar="MIDSTREAM_MAX_TOKENS",
    default=8192,
    show_default=True,
)
@click.option(
    "--max-cost",
    type=click.FloatRange(0, min_open=True),
    envvar="MIDSTREAM_MAX_COST",
    metavar="USD",
    help="Stop once so much is spent.",
)
@click.option(
    "--thinking",
    type=Thinking(),
    envvar="MIDSTREAM_THINKING",
    metavar="TOKENS",
    help="A budget, or 'adaptive'.",
)
@click.option(
    "--context-window",
    type=click.IntRange(1),
    envvar="MIDSTREAM_CONTEXT_WINDOW",
    metavar="TOKENS",
    help="Of a model that is not listed.",
)
@click.option("--chat", is_flag=True, hidden=True)  # `midstream chat`
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("-V", "--version", is_flag=True, help="Show the version and exit.")
def command(
    prompt: str | None,
    model: str | None,
    base_url: str | None,
    system: str | None,
    tools: tuple[str, ...],
    allow: "tuple[Rule, ...]",
    deny: "tuple[Rule, ...]",
    yes: bool,
    add_dirs: tuple[str, ...],
    no_workspace: bool,
    latest: bool,
    resume: str | None,
    no_session: bool,
    print_: bool,
    output_format: str,
    max_turns: int,
    max_tokens: int,
    max_cost: float | None,
    thinking: int | Literal["adaptive"] | None,
    context_window: int | None,
    chat: bool,
    debug: bool,
    version: bool,
) -> int:
    """Answer PROMPT, or what is piped in, or both. Each tool starts while the model still talks."""
    from midstream.cli.going_on import session_for
    from midstream.cli.grants import Grants
    from midstream.cli.play import Question, play

    tell_of_the_folders(model)
    conversation = chat or (prompt is None and not print_ and output_format == "text")
    conversation = conversation and on_a_terminal(needed=chat)
    if conversation and system is None:
        from midstream.cli.instructions import instructions

        system = instructions(Path.cwd())
    question = Question(
        valid(prompt or "") if conversation else words(prompt),
        default_model(base_url) if model is None else valid(model),
        base_url,
        system and valid(system),
        output_format,
        max_turns,
        max_tokens,
        max_cost,
        thinking,
        context_window,
        session_for(latest, resume, no_session),
        Grants(tools, allow, deny, yes, not no_workspace, add_dirs),
    )
    return converse(question) if conversation else play(question)


def on_a_terminal(*, needed: bool) -> bool:
    """There is somebody at a terminal to have a conversation with."""
    there = all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))
    if needed and not there:
        raise click.UsageError('a conversation needs a terminal; midstream "What is …?" does not')
    return there


def converse(question: "Question") -> int:
    """Have a conversation, as far as the terminal and what is installed allow it."""
    if os.environ.get("TERM") not in ("dumb", "") and os.name == "posix":
        try:
            from midstream.cli.chat import converse

            return converse(question)
        except ModuleNotFoundError as error:
            words = "so the conversation goes in plain lines: pip install 'midstream[terminal]'"
            click.echo(f"midstream: {error.name} is missing, {words}", err=True)
    from midstream.cli.lines import converse_in_lines

    return converse_in_lines(question)


def tell_of_the_folders(model: str | None) -> None:
    """Say it where a folder's file, which may be a stranger's, has chosen the model."""
    from midstream.cli.config import OF_THE_FOLDER, folder_settings

    source = click.get_current_context().get_parameter_source("model")
    if source is ParameterSource.DEFAULT_MAP and folder_settings():
        click.echo(f"midstream: {OF_THE_FOLDER} is used; the model is {model}", err=True)


def valid(argument: str) -> str:
    """An argument as text that can be sent on: bytes that are no UTF-8 are replaced."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


def words(prompt: str | None) -> str:
    """The prompt: the argument, then what is piped in."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else read_stdin()
    joined = "\n\n".join(part for part in (valid(prompt or ""), piped.strip()) if part.strip())
    if not joined:
        raise click.UsageError('no prompt: midstream "What is …?", or pipe one in')
    return joined


def read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode(errors="replace")
    except OSError:  # stdin is closed, or is not to be read from
        return ""


def default_model(base_url: str | None) -> str:
    """By which key is set; without any the simulator answers, and says so."""
    from midstream.models.endpoints import ENDPOINTS

    for name, endpoint in ENDPOINTS.items():
        if endpoint.model and endpoint.key():
            return f"{name}:{endpoint.model}"
    if base_url:
        raise ConfigurationError("--base-url needs a model: -m openai-chat:NAME, or another wire's")
    words = "no key is set, so the simulator answers (ANTHROPIC_API_KEY, or another provider's)"
    click.echo(f"midstream: {words}", err=True)
    return "sim:"
