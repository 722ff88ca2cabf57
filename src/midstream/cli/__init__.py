"""The command line. What a command needs is imported when it runs: `--version` needs nothing."""

import sys
from importlib import import_module

from midstream import __version__

COMMANDS = {"demo": "midstream.cli.demo"}
WRONG_USAGE, BAD_CONFIGURATION = 2, 4


def main() -> None:
    """The program. What does not begin with a command's name is a question to answer."""
    args = sys.argv[1:]
    if args[:1] in (["--version"], ["-V"]):
        sys.stdout.write(f"midstream {__version__}\n")
        return
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    if args and args[0] in COMMANDS:
        sys.exit(run(COMMANDS[args[0]], args[1:], f"midstream {args[0]}"))
    sys.exit(run("midstream.cli.ask", args, "midstream"))


def run(module: str, args: list[str], name: str) -> int:
    import click

    from midstream.errors import ConfigurationError

    try:
        command: click.Command = import_module(module).command
        status: int | None = command.main(args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        return complain(f"{error.format_message().rstrip('.')} ({name} --help)", WRONG_USAGE)
    except ConfigurationError as error:
        if "--debug" in args:
            raise
        return complain(str(error), BAD_CONFIGURATION)
    return status or 0


def complain(line: str, status: int) -> int:
    sys.stderr.write(f"midstream: {' '.join(line.split())}\n")
    return status
