"""`midstream simulate`: be the provider, by a script or as it was recorded."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import anyio
import click

from midstream.cli.hosting import host, point
from midstream.errors import ConfigurationError
from midstream.simulator.recording import Pace, Playback, is_recording, load_recording
from midstream.simulator.server import Exchange, Handler
from midstream.simulator.stage import Simulator

PORT = 8765


@click.command(name="simulate", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("script", metavar="SCENARIO|RECORDING")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="0: a free one.")  # fmt: skip
@click.option("--host", "name", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--pace", type=click.Choice(get_args(Pace)), help="Of a recording.")
def command(script: str, port: int, name: str, pace: Pace | None) -> None:
    """Answer any client of Anthropic's or OpenAI's API from a script, until Ctrl-C.

    The script is a scenario (a .toml file, or the name of a shipped one), a recording made by
    midstream record, or an .sse file: the body of every answer.

    The base URL is the one line on stdout.
    """
    handler, pointer = player(script, pace)

    def hint(url: str) -> str:
        return f"{script} answers at {pointer(url)} (any key will do)"

    anyio.run(host, handler, (name, port), hint)


def player(script: str, pace: Pace | None) -> tuple[Handler, Callable[[str], str]]:
    """What answers, and how a client is pointed at it.

    Raises:
        ConfigurationError: the script is none, or a broken one.
    """
    path = Path(script)
    if path.is_file() and is_recording(path):
        recording = load_recording(path)
        playback = Playback(recording, pace or "recorded")
        return playback.handle, partial(point, upstream=recording.upstream)
    if pace:
        raise click.UsageError("--pace is for a recording")
    if path.is_file() and path.suffix == ".sse":
        return partial(_say, path.read_bytes()), point
    try:
        return Simulator(script).handle, point
    except ConfigurationError as error:
        if path.is_file() and path.suffix != ".toml":
            words = "is neither a scenario (a .toml file) nor a recording of midstream record"
            raise ConfigurationError(f"{script} {words}") from error
        if path.suffix and not path.exists():
            raise ConfigurationError(f"there is no file {script}") from error
        raise


async def _say(body: bytes, exchange: Exchange) -> None:
    await exchange.send(body)
    await exchange.finish()
