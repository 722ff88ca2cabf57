"""The command line. What a command needs is imported when it runs: `--version` needs nothing."""

import io
import os
import sys
import traceback
from importlib import import_module

from midstream import __version__
from midstream.cli.statuses import BAD_CONFIGURATION, CANCELLED, FAILED, WRONG_USAGE

COMMANDS = {
    "bench": "midstream.cli.bench",
    "decode": "midstream.cli.decode",
    "demo": "midstream.cli.demo",
    "doctor": "midstream.cli.doctor",
    "record": "midstream.cli.record",
    "sessions": "midstream.cli.sessions",
    "simulate": "midstream.cli.simulate",
    "timeline": "midstream.cli.timeline",
}
# A word that will name a command: taken for a question, it would be sent and paid for.
RESERVED = frozenset({"serve"})


def main() -> None:
    """The program. What does not begin with a command's name is a question to answer."""
    args = sys.argv[1:]
    open_streams()
    if args[:1] in (["--version"], ["-V"]):
        sys.stdout.write(f"midstream {__version__}\n")
        return
    if args[:1] and args[0] in RESERVED:
        sys.exit(
            complain(
                f"there is no command {args[0]!r} in this version; -p {args[0]!r} asks the model",
                WRONG_USAGE,
            )
        )
    # A question of one word that is nearly a command would be sent, and paid for.
    if len(args) == 1 and args[0] not in COMMANDS and (likely := meant("midstream", args)):
        words = f"{args[0]!r} is no command{likely} -p {args[0]!r} asks the model"
        sys.exit(complain(words, WRONG_USAGE))
    if args and args[0] in COMMANDS:
        sys.exit(run(COMMANDS[args[0]], args[1:], f"midstream {args[0]}"))
    if args[:1] == ["chat"]:
        sys.exit(run("midstream.cli.ask", ["--chat", *args[1:]], "midstream chat"))
    sys.exit(run("midstream.cli.ask", args, "midstream"))


def open_streams() -> None:
    """Let stdout and stderr take any text, and be there even if the shell closed them (`>&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - open till the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def run(module: str, args: list[str], name: str) -> int:
    import click

    from midstream.errors import ConfigurationError, SessionError

    command = click.Command(name)  # if the real one cannot even be imported
    try:
        command = import_module(module).command
        status: int | None = command.main(args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        words = error.format_message().rstrip(".") + meant(name, args)
        return complain(f"{words} ({name} --help)", WRONG_USAGE)
    except (KeyboardInterrupt, click.Abort):
        return CANCELLED
    except Exception as error:
        if "--debug" in args:
            traceback.print_exc()
        if isinstance(error, ConfigurationError):
            return complain(str(error), BAD_CONFIGURATION)
        if isinstance(error, OSError | SessionError):
            return complain(str(error), FAILED)
        offered = any("--debug" in option.opts for option in command.params)
        where = "--debug shows where" if offered else place(error)
        return complain(f"a bug: {type(error).__name__}: {error} ({where})", FAILED)
    return status or 0


def meant(name: str, args: list[str]) -> str:
    """Words for who seems to have mistyped a command, which then was taken for a question."""
    from difflib import get_close_matches

    close = get_close_matches(args[0], COMMANDS, 1, 0.75) if name == "midstream" and args else []
    return f"; did you mean midstream {close[0]}?" if close else ""


def place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"


def complain(line: str, status: int) -> int:
    sys.stderr.write(f"midstream: {' '.join(line.split())}\n")
    return status
