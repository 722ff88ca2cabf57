"""`midstream decode`: explains a captured stream, record by record, and how its turn ended.

Of a recording, each answer is such a stream.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from midstream.cli.statuses import CANCELLED, PIPE_CLOSED
from midstream.cli.writing import write_out
from midstream.errors import ConfigurationError
from midstream.faces.explained import Page, as_json
from midstream.providers import anthropic_wire, openai_chat_wire, openai_responses_wire
from midstream.providers.anthropic import AnthropicDecoder
from midstream.providers.openai_chat import ChatDecoder
from midstream.providers.openai_responses import ResponsesDecoder
from midstream.simulator.recording import Recorded, begins_recording, is_recording, load_recording
from midstream.turn.explain import Explainer
from midstream.turn.explained import Dialect, Explained

DIALECTS = {
    "anthropic": Dialect(AnthropicDecoder, anthropic_wire.passed_over, "message_stop"),
    "openai": Dialect(ResponsesDecoder, openai_responses_wire.passed_over, "response.completed"),
    "openai-chat": Dialect(ChatDecoder, openai_chat_wire.passed_over, "[DONE]"),
}
# Whose answers these are, in a recording.
PATHS = {"/v1/messages": "anthropic", "/responses": "openai", "/chat/completions": "openai-chat"}
WHOLE, NOT_WHOLE = 0, 1
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
    type=click.Choice([*DIALECTS]),
    help="Whose stream it is. A recording's paths tell.",
)
@click.option(
    "-o",
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: only how it ended, as one object (of a recording: one a line).",
)
@click.option("--full", is_flag=True, help="Show all of each record, however long.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(file: str, provider: str | None, output_format: str, full: bool, debug: bool) -> int:
    """Explain the stream captured in FILE (-: as it comes in), and why a call did not fire.

    FILE may be a recording of midstream record, too: then each answer in it.
    """
    page = None if output_format == "json" else Page(None if full else width(), coloured())
    try:
        if recorded(file):
            return decode_recording(file, provider, page)
        if not provider:
            if file != "-" and not os.path.exists(file):
                next(chunks(file))  # which says so
            raise click.MissingParameter(param_hint="'--provider'", param_type="option")
        return decode(file, Explainer(DIALECTS[provider]), page)
    except BrokenPipeError:
        return PIPE_CLOSED


def recorded(file: str) -> bool:
    """Whether it is a recording. A pipe is not looked into: its beginning comes once."""
    try:
        return file != "-" and os.path.isfile(file) and is_recording(Path(file))
    except OSError:  # `chunks` says why it cannot be read
        return False


def decode(file: str, explainer: Explainer, page: Page | None) -> int:
    """Show each record as soon as it is in; without a page, only the end of it all."""
    cancelled = False
    try:
        for chunk in chunks(file):
            show(explainer.feed(chunk), page)
    except KeyboardInterrupt:  # of a stream that hangs, what came is the question
        cancelled = True
    whole = conclude(explainer, page)
    if cancelled:
        return CANCELLED
    return WHOLE if whole else NOT_WHOLE


def conclude(explainer: Explainer, page: Page | None, exchange: int | None = None) -> bool:
    """Show what the end left open, and the verdict. Returns whether the stream is whole."""
    show(explainer.rest(), page)
    verdict = explainer.verdict()
    write_out(page.verdict(verdict) if page else as_json(verdict, exchange))
    return verdict.whole


def show(explained: list[Explained], page: Page | None) -> None:
    if page:
        write_out("".join(map(page.record, explained)))


def decode_recording(file: str, provider: str | None, page: Page | None) -> int:
    """Show each answer that is a stream of a provider, one after the other."""
    try:
        exchanges = load_recording(file).exchanges
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    wires = {each.request.n: wire(each, provider) for each in exchanges}
    if not any(wires.values()):
        raise click.UsageError(
            f"{file} has no streamed answer of a provider that is known by its path"
            f" ({', '.join(PATHS)}): --provider says whose they are"
        )
    status = WHOLE
    for each in exchanges:
        name = wires[each.request.n]
        if page:
            write_out(page.title(heading(each) + ("" if name else " (not explained)")))
        if not name:
            continue
        explainer = Explainer(DIALECTS[name])
        for chunk in each.chunks:
            show(explainer.feed(chunk.data), page)
        if not conclude(explainer, page, each.request.n):
            status = NOT_WHOLE
    return status


def wire(exchange: Recorded, provider: str | None) -> str | None:
    """Whose stream the answer is; None if it is none that can be read."""
    head = exchange.response
    if head and head.status == 200 and "json" in head.headers.get("content-type", ""):
        return None  # asked for at once, and not streamed
    ends = [name for path, name in PATHS.items() if address(exchange).endswith(path)]
    return ends[0] if ends else provider


def address(exchange: Recorded) -> str:
    return exchange.request.path.partition("?")[0]


def heading(exchange: Recorded) -> str:
    ended = exchange.ended
    words = f"Exchange {exchange.request.n}: {exchange.request.method} {address(exchange)}, "
    words += f"status {exchange.response.status}, " if exchange.response else "no answer, "
    return words + (": ".join(filter(None, [ended.how, ended.words])) if ended else "cut")


def chunks(file: str) -> Iterator[bytes]:
    """What there is to read, without waiting for a chunk to fill."""
    piped = file == "-"
    try:
        with open(0 if piped else file, "rb", buffering=0, closefd=not piped) as source:
            first = True
            while chunk := source.read(CHUNK):
                if first and begins_recording(chunk):
                    raise click.UsageError("this is a recording: give its file's name, not a pipe")
                first = False
                yield chunk
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        why = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(f"{file} cannot be read: {why}") from error


def width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns


def coloured() -> bool:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
