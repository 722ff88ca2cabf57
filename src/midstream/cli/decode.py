"""`midstream decode`: explains a captured stream, record by record, and how its turn ended."""

import os
import shutil
import sys
from collections.abc import Iterator

import click

from midstream.faces.explained import Page, as_json
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.anthropic_wire import passed_over
from midstream.turn.explain import Dialect, Explainer

DIALECTS = {"anthropic": Dialect(AnthropicDecoder, passed_over, "message_stop")}
LATER = ("openai", "openai-chat")
WHOLE, NOT_WHOLE, CANCELLED, PIPE_CLOSED = 0, 1, 130, 141
CHUNK = 1 << 16
WIDTH = 100  # where there is no terminal to ask, nor COLUMNS
EPILOG = """\b
Exit status: 0 the stream is whole, 1 it is not, 2 wrong usage,
130 cancelled."""


@click.command(
    name="decode", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("file")
@click.option(
    "--provider",
    type=click.Choice([*DIALECTS, *LATER]),
    required=True,
    help="Whose stream it is.",
)
@click.option(
    "-o",
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: only how it ended, as one object.",
)
@click.option("--full", is_flag=True, help="Show all of each record, however long.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(file: str, provider: str, output_format: str, full: bool, debug: bool) -> int:
    """Explain the stream captured in FILE (-: as it comes in), and why a call did not fire."""
    if provider in LATER:
        raise click.UsageError(f"streams of {provider} cannot be read in this version")
    page = None if output_format == "json" else Page(None if full else width(), coloured())
    try:
        return decode(file, Explainer(DIALECTS[provider]), page)
    except BrokenPipeError:
        return PIPE_CLOSED


def decode(file: str, explainer: Explainer, page: Page | None) -> int:
    """Show each record as soon as it is in; without a page, only the end of it all."""
    cancelled = False
    try:
        for chunk in chunks(file):
            explained = explainer.feed(chunk)
            if page:
                write("".join(map(page.record, explained)))
    except KeyboardInterrupt:  # of a stream that hangs, what came is the question
        cancelled = True
    explained = explainer.rest()
    verdict = explainer.verdict()
    if page:
        write("".join(map(page.record, explained)) + page.verdict(verdict))
    else:
        write(as_json(verdict))
    if cancelled:
        return CANCELLED
    return WHOLE if verdict.whole else NOT_WHOLE


def chunks(file: str) -> Iterator[bytes]:
    """What there is to read, without waiting for a chunk to fill."""
    piped = file == "-"
    try:
        with open(0 if piped else file, "rb", buffering=0, closefd=not piped) as source:
            while chunk := source.read(CHUNK):
                yield chunk
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        why = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"{file} cannot be read: {why}") from error


def write(text: str) -> None:
    # By number: what Python still buffers when a pipe has closed would be an error at the exit.
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns


def coloured() -> bool:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
