"""What a measurement may cost: told before it begins, and asked for."""

import sys

import click
from msgspec import Struct

from midstream.agent.tally import FREE
from midstream.cli.config import endpoints
from midstream.cli.measuring import MAX_TURNS, WITH_TOOLS, WITHOUT_TOOLS, Plan
from midstream.cli.reach import is_here
from midstream.faces.columns import flat
from midstream.messages import Usage
from midstream.models.endpoints import Endpoint
from midstream.models.resolve import moved
from midstream.secrets.names import address
from midstream.turn.price import cost_usd

# The tokens of one request, a guess: with its two turns, and with its one.
USUAL = {WITH_TOOLS: Usage(1_600, 450), WITHOUT_TOOLS: Usage(40, 220)}
TOOLS_TOKENS = 800  # that a turn is told of its tools and their results, at most


class Bill(Struct, frozen=True):
    """What will be asked, in words, and whether it is free."""

    words: str
    free: bool


def bill(spec: str, base_url: str | None, plan: Plan) -> Bill:
    """The bill of a plan for the model that `spec` names, there."""
    provider, _, name = spec.partition(":")
    count = "1 request" if plan.requests == 1 else f"{plan.requests:,} requests"
    where = f" at {flat(address(base_url))}" if base_url else ""
    words = f"{count} to {flat(spec)}{where}"
    if provider in FREE:
        return Bill(words, free=True)
    most = cost_usd(provider, name, most_tokens(plan))
    if most is None:
        free = is_free(endpoints()[provider], base_url)
        price = "" if free else ": what they cost is not known"
        return Bill(words + price, free=free)
    usual = cost_usd(provider, name, USUAL[plan.prompt]) if plan.prompt in USUAL else None
    about = "" if usual is None else f"about {dollars(min(usual * plan.requests, most))}, "
    return Bill(f"{words}: {about}at most {dollars(most)}", free=False)


def is_free(endpoint: Endpoint, base_url: str | None) -> bool:
    """Whether a model without a price runs on this machine, by all that can be known.

    A proxy here may pass a request on to who wants money for it. It needs a key for that: so what
    is sent with the key of a provider that wants one is not free, wherever it goes first.
    """
    paid = endpoint.needs_key and endpoint.key()
    return is_here(moved(endpoint, base_url).url()) and not paid


def most_tokens(plan: Plan) -> Usage:
    """If each answer were as long as it may be, and each request took all its turns."""
    turns = MAX_TURNS if plan.tools else 1
    told = len(plan.prompt.encode()) + (TOOLS_TOKENS if plan.tools else 0)
    read = turns * told + plan.max_tokens * turns * (turns - 1) // 2
    return Usage(plan.requests * read, plan.requests * turns * plan.max_tokens)


def dollars(price: float) -> str:
    return f"${price:,.2f}" if price >= 0.005 else f"${price:.4f}"


def agree(bill: Bill, yes: bool) -> None:
    """Tell the bill, and ask whether to go on if it costs something.

    Raises:
        Abort: the answer is no.
        UsageError: there is nobody to ask.
    """
    click.echo(f"midstream: {bill.words}", err=True)
    if bill.free or yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: -y goes on without asking")
    click.confirm("Go on?", default=False, abort=True, err=True)
