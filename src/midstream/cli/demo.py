"""`midstream demo`: the whole thing without a key, against a scripted model on a real socket."""

import datetime
import sys
import time
from zoneinfo import ZoneInfo

import anyio
import click

from midstream.agent.agent import Agent
from midstream.cli.leaving import leaving
from midstream.cli.play import Screen, face, show
from midstream.tools.tool import tool

MODEL = "claude-sonnet-4-6"  # whose price the figures name
PROMPT = "What's the weather in Lagos and in Oslo? Then write a haiku about it."
INTRODUCTION = (
    "The model of this demo is a script, so it needs no key and no network.\n"
    "The socket, the wire, the tools and their timing are real:\n"
    "watch ▶ and ✓ while the text goes on.\n\n"
)
SKIES = {
    "Lagos": (31, "light rain", 12),
    "Oslo": (4, "clear", 21),
}
ZONES = {"Lagos": "Africa/Lagos", "Oslo": "Europe/Oslo"}


@tool(effects="read")
async def get_weather(city: str) -> dict[str, object]:
    """Current weather for a city."""
    await anyio.sleep(0.9)  # a slow service
    temp_c, conditions, wind_kmh = SKIES.get(city, (20, "unknown", 0))
    return {"city": city, "temp_c": temp_c, "conditions": conditions, "wind_kmh": wind_kmh}


@tool(effects="read")
def local_time(city: str) -> dict[str, object]:
    """The time on the clocks of a city."""
    time.sleep(0.7)  # a plain function that blocks: it runs in a thread, and the text goes on
    now = datetime.datetime.now(ZoneInfo(ZONES.get(city, "UTC")))
    return {"city": city, "time": f"{now:%H:%M}", "utc_offset": f"{now:%z}"}


@click.command(name="demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o",
    "--output-format",
    type=click.Choice(["text", "json", "stream-json"]),
    default="text",
    show_default=True,
)
def command(output_format: str) -> int:
    """Show it all without a key: two tools run while the (scripted) model still talks."""
    if output_format == "text":
        click.echo(INTRODUCTION + f"> {PROMPT}\n", err=not sys.stdout.isatty())
    agent = Agent("sim:demo", [get_weather, local_time])
    screen = Screen(sys.stdout.fileno(), sys.stderr.fileno())
    with leaving() as signals:
        return anyio.run(
            show, agent.run(PROMPT), face(output_format, screen, MODEL), screen, signals
        )
