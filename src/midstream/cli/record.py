"""`midstream record`: a proxy that writes down what a client and a provider say to each other."""

from datetime import datetime
from pathlib import Path

import anyio
import click

from midstream.cli.hosting import host, note, point
from midstream.errors import ConfigurationError
from midstream.models.endpoints import ENDPOINTS, check_url
from midstream.secrets.names import address
from midstream.simulator.proxy import proxy
from midstream.simulator.recorder import Recorder
from midstream.simulator.server import Exchange

FAILED = 1
ANTHROPIC_URL = ENDPOINTS["anthropic"].base_url
PORT = 8766  # simulate's is another one, so that both can run


@click.command(name="record", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--upstream", default=ANTHROPIC_URL, show_default=True, metavar="URL",
              help="The provider, or whatever is to be asked.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="0: a free one.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A new file.  [default: recording-DATE-TIME.jsonl]")  # fmt: skip
def command(upstream: str, port: int, output: Path | None) -> int:
    """Pass requests on to a provider, and record them and the answers, until Ctrl-C.

    The base URL to give to the client is the one line on stdout. The recording is a file of JSON
    Lines, without keys; midstream simulate FILE plays it.
    """
    upstream = upstream.strip().rstrip("/").removesuffix("/v1")  # which is part of the paths
    check_url(upstream)
    path = output or Path(f"recording-{datetime.now():%Y%m%d-%H%M%S}.jsonl")
    with Recorder(path, upstream) as recorder:
        try:
            anyio.run(_record, upstream, port, path, recorder)
        except ConfigurationError:  # it could not listen: there is nothing to keep
            path.unlink()
            raise
    return FAILED if recorder.failure else 0


async def _record(upstream: str, port: int, path: Path, recorder: Recorder) -> None:
    def hint(url: str) -> str:
        asked = address(upstream)
        return f"{point(url, upstream)} reaches {asked} and is recorded in {path}"

    async with proxy(upstream, recorder) as handler:

        async def handle(exchange: Exchange) -> None:
            await handler(exchange)
            if recorder.failure:  # a client at work is more than its recording: it is served on
                note(f"midstream: not recorded: {path}: {recorder.failure.strerror}")

        await host(handle, ("127.0.0.1", port), hint)
