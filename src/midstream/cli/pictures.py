"""`--svg FILE`: where a picture goes."""

import os

import click

OTHERS = frozenset({".png", ".jpg", ".jpeg", ".pdf", ".gif", ".webp"})


def svg_file(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """The name of a file, unless it promises another kind of picture: no viewer would open it."""
    kind = os.path.splitext(name or "")[1]
    if kind.lower() in OTHERS:
        raise click.UsageError(f"what is drawn is an SVG: {name} should not end in {kind}")
    return name
