"""Prompt caching, as the APIs count it.

On Anthropic's wire a breakpoint has the prompt kept up to there. The next request reads the longest
piece that was kept and is still the same, and writes the rest up to its own last breakpoint. On
OpenAI's wires every prompt is kept, and read again if it is long enough. What is kept stays as long
as the simulator.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from midstream.simulator.answer import Counts
from midstream.simulator.shape import Json, is_list, objects

LOOKBACK: Final = 20  # blocks, the one with the breakpoint being the first
# What is read without having been asked for: so many tokens at least, in such steps.
LEAST: Final = 1024
STEP: Final = 128


class Block(Struct, frozen=True):
    """A piece of a prompt; `ttl` is for how long the prompt is to be kept up to it, if it is.

    Attributes:
        beside: what else must be the same.
    """

    content: object
    ttl: str | None = None
    beside: object = None


class Prefix(Struct, frozen=True):
    """A prompt up to the end of a block."""

    digest: bytes
    tokens: int
    ttl: str | None = None


class Prompt(Struct, frozen=True):
    """All that the model reads of a request, and where it may be cut.

    Attributes:
        automatic: whether it is kept without having been asked for.
    """

    tokens: int
    prefixes: Sequence[Prefix]
    automatic: bool = False


class PromptCache:
    def __init__(self) -> None:
        self._kept: set[bytes] = set()

    def counts(self, prompt: Prompt) -> Counts:
        """What of a prompt would be read from the cache, what written to it, and what neither."""
        if prompt.automatic:
            known = (each.tokens for each in prompt.prefixes if each.digest in self._kept)
            cached = max(known, default=0) // STEP * STEP
            cached = cached if cached >= LEAST else 0
            return Counts(prompt.tokens - cached, cached)
        ends = [place for place, prefix in enumerate(prompt.prefixes) if prefix.ttl]
        places = {at for end in ends for at in range(max(0, end + 1 - LOOKBACK), end + 1)}
        found = max((at for at in places if prompt.prefixes[at].digest in self._kept), default=-1)
        cached = prompt.prefixes[found].tokens if found >= 0 else 0
        written, so_far = {"5m": 0, "1h": 0}, cached
        for prefix in (prompt.prefixes[end] for end in ends if end > found):
            written[prefix.ttl or "5m"] += prefix.tokens - so_far
            so_far = prefix.tokens
        return Counts(prompt.tokens - so_far, cached, written["5m"], written["1h"])

    def keep(self, prompt: Prompt) -> None:
        """The prompt was read: its pieces can be read again."""
        kept = (each for each in prompt.prefixes if each.ttl or prompt.automatic)
        self._kept.update(prefix.digest for prefix in kept)


def prefixes(model: str, blocks: Iterable[Block], most: int) -> Iterator[Prefix]:
    """Where a prompt of `most` tokens may be cut."""
    state = hashlib.blake2b(model.encode(), digest_size=16)
    length = 0
    for block in blocks:
        written = msgspec.json.encode(block.content)
        state.update(msgspec.json.encode(block.beside) + written)
        length += len(written.decode())
        yield Prefix(state.digest(), min(most, -(-length // 4)), block.ttl)


def automatic(model: str, contents: Iterable[object], tokens: int) -> Prompt:
    """A prompt that is kept whether or not that was asked for."""
    return Prompt(tokens, list(prefixes(model, map(Block, contents), tokens)), automatic=True)


def marked(body: Json, tokens: int) -> Prompt:
    """The prompt of a Messages request, with its breakpoints."""
    blocks = list(_blocks(body))
    if body.get("cache_control"):  # of the request: that is, of its last block
        blocks[-1] = msgspec.structs.replace(blocks[-1], ttl=_ttl(body["cache_control"]))
    return Prompt(tokens, list(prefixes(body["model"], blocks, tokens)))


def _blocks(body: Json) -> Iterator[Block]:
    """The blocks in the order in which they are read."""
    for tool in objects(body.get("tools") or []):
        yield _block(tool, "tools")
    for block in _as_blocks(body.get("system") or []):
        yield _block(block, "system")
    settings = [body.get(name) for name in ("tool_choice", "thinking", "output_config")]
    for message in body["messages"]:
        for block in _as_blocks(message["content"]):
            yield _block(block, [message["role"], settings])


def _block(block: Json, beside: object) -> Block:
    content = {name: value for name, value in block.items() if name != "cache_control"}
    return Block(content, _ttl(block.get("cache_control")), beside)


def _as_blocks(content: Any) -> list[Json]:
    return content if is_list(content) else [{"type": "text", "text": content}]


def _ttl(control: Mapping[str, Any] | None) -> str | None:
    if not control:
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"
