"""`midstream demo`: the whole thing without a key, against a scripted model on a real socket."""

import sys

import anyio
import click

from midstream.agent.agent import Agent
from midstream.cli.demo_tools import DEMO_TOOLS
from midstream.cli.leaving import leaving
from midstream.cli.play import Screen, face, show

MODEL = "claude-sonnet-4-6"  # whose price the figures name
PROMPT = "What's the weather in Lagos and in Oslo? Then write a haiku about it."
INTRODUCTION = (
    "The model of this demo is a script, so it needs no key and no network.\n"
    "The socket, the wire, the tools and their timing are real:\n"
    "watch ▶ and ✓ while the text goes on.\n\n"
)


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
    agent = Agent("sim:demo", DEMO_TOOLS)
    screen = Screen(sys.stdout.fileno(), sys.stderr.fileno())
    with leaving() as signals:
        return anyio.run(
            show, agent.run(PROMPT), face(output_format, screen, MODEL), screen, signals
        )
