"""Prompt caching, as the Messages API counts it.

A breakpoint has the prompt kept up to there. The next request reads the longest piece that was
kept and is still the same, and writes the rest up to its own last breakpoint. What is kept stays
as long as the simulator; how short a prompt the API would not keep is not looked at.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from midstream.simulator.answer import Counts
from midstream.simulator.shape import Json, is_list, objects

LOOKBACK: Final = 20  # blocks, the one with the breakpoint being the first


class Prefix(Struct, frozen=True):
    """A prompt up to the end of a block; `ttl` is for how long it is to be kept, if it is."""

    digest: bytes
    tokens: int
    ttl: str | None = None


class Prompt(Struct, frozen=True):
    """All that the model reads of a request, and where it may be cut."""

    tokens: int
    prefixes: Sequence[Prefix] = ()


class PromptCache:
    def __init__(self) -> None:
        self._kept: set[bytes] = set()

    def counts(self, prompt: Prompt) -> Counts:
        """What of a prompt would be read from the cache, what written to it, and what neither."""
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
        self._kept.update(prefix.digest for prefix in prompt.prefixes if prefix.ttl)


def prefixes_of(body: Json, most: int) -> list[Prefix]:
    """The prefixes of a Messages request; `most` is how many tokens it has."""
    state = hashlib.blake2b(body["model"].encode(), digest_size=16)
    found: list[Prefix] = []
    length = 0
    for block, seed in _blocks(body):
        control: Any = block.get("cache_control")
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        written = msgspec.json.encode(plain)
        state.update(msgspec.json.encode(seed) + written)
        length += len(written.decode())
        found.append(Prefix(state.digest(), min(most, -(-length // 4)), _ttl(control)))
    if found and body.get("cache_control"):  # of the request: that is, of its last block
        found[-1] = msgspec.structs.replace(found[-1], ttl=_ttl(body["cache_control"]))
    return found


def _blocks(body: Json) -> Iterator[tuple[Json, object]]:
    """The blocks in the order in which they are read, each with what it depends on besides."""
    for tool in objects(body.get("tools") or []):
        yield tool, "tools"
    for block in _as_blocks(body.get("system") or []):
        yield block, "system"
    settings = [body.get(name) for name in ("tool_choice", "thinking", "output_config")]
    for message in body["messages"]:
        for block in _as_blocks(message["content"]):
            yield block, [message["role"], settings]


def _as_blocks(content: Any) -> list[Json]:
    return content if is_list(content) else [{"type": "text", "text": content}]


def _ttl(control: Mapping[str, Any] | None) -> str | None:
    if not control:
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"
