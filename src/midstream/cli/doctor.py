"""`midstream doctor`: what can be used on this machine, and what to do about the rest."""

from collections.abc import Callable
from functools import partial

import anyio
import click
import msgspec
from msgspec import Struct

from midstream.cli import findings, reach
from midstream.cli.findings import Finding, State
from midstream.concurrency import in_thread, task_group
from midstream.faces.plain import printable
from midstream.models.endpoints import ENDPOINTS

USABLE, NOTHING_USABLE = 0, 4
MARKS = {State.GOOD: "✓", State.BAD: "✗", State.ABSENT: "–"}
EPILOG = """\b
Providers whose key or base URL is set, and those on this machine, are asked
for their models: that is free. Keys are not shown.
Exit status: 0 a model can be asked (the simulator does not count; for
llama.cpp you need a file), 2 wrong usage, 4 none can, or the
configuration is broken."""


class Check(Struct, frozen=True):
    """Looks at one thing. What is not known within `limit_s` is `late`."""

    look: Callable[[], Finding]
    late: Callable[[], Finding]
    limit_s: float


def checks() -> list[Check]:
    providers = [
        Check(partial(reach.provider, *each), partial(reach.silent, *each), reach.PATIENCE_S)
        for each in reach.providers().items()
    ]
    here = [
        Check(look, partial(_late, name), limit_s)
        for name, look, limit_s in (
            ("midstream", findings.program, 5.0),
            ("http", findings.http, 5.0),
            ("local", findings.local, findings.DEVICES_S + 1),
            ("terminal", findings.terminal, 5.0),
            ("sessions", findings.sessions, 10.0),
            ("pytest", findings.plugin, 5.0),
            ("config", findings.configuration, 5.0),
        )
    ]
    return [here[0], *providers, *here[1:]]


def _late(name: str) -> Finding:
    return Finding(name, State.BAD, "it takes too long to find out")


@click.command(
    name="doctor", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(as_json: bool, debug: bool) -> int:
    """Say what can be used on this machine: ✓ it can, ✗ it is broken, – it is not there."""
    found = anyio.run(examine, checks())
    broken = any(each.name == "config" and each.state is State.BAD for each in found)
    usable = any(each.usable for each in found) and not broken
    if as_json:
        whole = {"usable": usable, "findings": {each.name: each for each in found}}
        click.echo(msgspec.json.encode(whole))
    else:
        others = [each.name for each in found if is_other(each)]
        rest = [Finding("others", State.ABSENT, f"not set up: {', '.join(others)}")]
        for each in [each for each in found if not is_other(each)] + (rest if others else []):
            click.echo(f"{MARKS[each.state]} {each.name:<10} {printable(each.words)}")
    return USABLE if usable else NOTHING_USABLE


def is_other(finding: Finding) -> bool:
    """One of the many providers, of which few are set up."""
    names = ENDPOINTS.keys() - {"anthropic", "openai"}
    return finding.state is State.ABSENT and finding.name in names


async def examine(checks: list[Check]) -> list[Finding]:
    """All at once, each in a thread of its own that is left behind if it takes too long."""
    found: dict[int, Finding] = {}

    async def look(place: int, check: Check) -> None:
        with anyio.move_on_after(check.limit_s):
            try:
                found[place] = await in_thread(check.look)
            except Exception as error:  # a bug of ours hides nothing of what else was found
                name = type(error).__name__
                found[place] = Finding(check.late().name, State.BAD, f"a bug in midstream: {name}")
        if place not in found:
            found[place] = check.late()

    async with task_group() as tasks:
        for place, check in enumerate(checks):
            tasks.start_soon(look, place, check)
    return [found[place] for place in range(len(checks))]
