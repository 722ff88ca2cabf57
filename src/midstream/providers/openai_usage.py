"""The tokens of a response, as both of OpenAI's wires count them."""

from msgspec import Struct

from midstream.messages import Usage
from midstream.providers.safe import tokens

Number = int | float | None


class InputDetails(Struct):
    cached_tokens: Number = None
    cache_write_tokens: Number = None


class OutputDetails(Struct):
    reasoning_tokens: Number = None


def usage(
    asked: Number,
    answered: Number,
    into: InputDetails | None,
    out: OutputDetails | None,
    cached: Number = None,
) -> Usage:
    """The tokens of a response. The input there includes what was read from the cache.

    Args:
        cached: what was read from the cache, where the details do not tell.
    """
    into, out = into or InputDetails(), out or OutputDetails()
    read, written = tokens(into.cached_tokens or cached), tokens(into.cache_write_tokens)
    fresh = max(0, tokens(asked) - read - written)
    return Usage(fresh, tokens(answered), read, written, tokens(out.reasoning_tokens))
