"""The command line. What a command needs is imported when it runs: `--version` needs nothing."""

import io
import os
import sys
import traceback
from importlib import import_module

from midstream import __version__

COMMANDS = {
    "decode": "midstream.cli.decode",
    "demo": "midstream.cli.demo",
    "record": "midstream.cli.record",
    "sessions": "midstream.cli.sessions",
    "simulate": "midstream.cli.simulate",
}
# Words that will name commands: taken for a question, they would be sent and paid for.
RESERVED = frozenset({"chat", "serve", "bench", "timeline", "doctor"})
FAILED, WRONG_USAGE, BAD_CONFIGURATION, CANCELLED = 1, 2, 4, 130


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
    if args and args[0] in COMMANDS:
        sys.exit(run(COMMANDS[args[0]], args[1:], f"midstream {args[0]}"))
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

    try:
        command: click.Command = import_module(module).command
        status: int | None = command.main(args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        return complain(f"{error.format_message().rstrip('.')} ({name} --help)", WRONG_USAGE)
    except (KeyboardInterrupt, click.Abort):
        return CANCELLED
    except Exception as error:
        if "--debug" in args:
            traceback.print_exc()
        if isinstance(error, ConfigurationError):
            return complain(str(error), BAD_CONFIGURATION)
        if isinstance(error, OSError | SessionError):
            return complain(str(error), FAILED)
        return complain(f"a bug: {type(error).__name__}: {error} (--debug shows where)", FAILED)
    return status or 0


def complain(line: str, status: int) -> int:
    sys.stderr.write(f"midstream: {' '.join(line.split())}\n")
    return status
