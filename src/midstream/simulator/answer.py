"""What a scenario answers to a request: parts, a reason to stop and tokens, in terms of no wire.

Tokens are estimated: a piece of text that is sent is one token, and four characters of the
request are one. Answers are a pure function of request and script, ids included, so that the
same request gets the same answer.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from midstream.simulator.facts import Facts
from midstream.simulator.scenario import Block, Scenario
from midstream.simulator.shape import Json

# Words, numbers and signs with the blanks before them: in prose some four characters.
_PIECE = re.compile(r"\s*\w{1,8}|\s*[^\w\s]{1,4}|\s+")


class Kind(Enum):
    TEXT = "text for the reader"
    THOUGHT = "thinking"
    REDACTED = "thinking that cannot be read"
    CALL = "a call; its text is the arguments"


class Part(Struct, frozen=True):
    """A block of an answer.

    Attributes:
        place: of the block in the reply, for ids.
        pieces: what is sent one by one; each is a token. A call without arguments has none.
        name: of the tool that is called.
        thought: how many thoughts of the answer came before.
        whole: whether `max_tokens` had room for all of it.
    """

    kind: Kind
    place: int
    pieces: Sequence[str] = ()
    name: str = ""
    thought: int = 0
    whole: bool = True

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        return len(self.pieces)


class Counts(Struct, frozen=True):
    """The tokens of a prompt: what was read anew, what came from the cache, what went there."""

    fresh: int
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.cached + self.written_5m + self.written_1h


class Asked(Struct, frozen=True, kw_only=True):
    """What a request asks for.

    Attributes:
        messages: the conversation in the shape that `facts` reads.
        thinking: whether thoughts are wanted.
        omitted: whether they come without their words.
        must_think: whether a call must have a thought before it.
    """

    messages: list[Json]
    model: str
    max_tokens: int | None = None
    thinking: bool = False
    omitted: bool = False
    must_think: bool = False


class Answer(Struct, frozen=True):
    """One assistant message. `stop` is in the words of scenarios, which are Anthropic's."""

    digest: str
    model: str
    parts: Sequence[Part]
    stop: str
    input: Counts

    @property
    def output_tokens(self) -> int:
        return sum(part.tokens for part in self.parts)

    @property
    def thinking_tokens(self) -> int:
        return sum(part.tokens for part in self.parts if part.kind is Kind.THOUGHT)


def answer(asked: Asked, scenario: Scenario, counts: Counts) -> Answer:
    """What the script answers to a request that is known to be valid."""
    facts = scenario.facts(asked.messages)
    reply = scenario.reply(facts)
    digest = hashlib.blake2b(msgspec.json.encode(asked.messages), digest_size=9).hexdigest()
    parts, cut = _limited(list(_parts(reply.blocks, facts, asked)), asked.max_tokens)
    return Answer(
        digest=digest,
        model=scenario.model or asked.model,
        parts=parts,
        stop="max_tokens" if cut else reply.stop_reason,
        input=counts,
    )


def pieces(text: str) -> list[str]:
    """The text in token-like pieces, which join to the text."""
    return _PIECE.findall(text)


def tokens_of(*values: Any) -> int:
    """An estimate of the tokens of what is read."""
    return -(-len(msgspec.json.encode(values).decode()) // 4)


def _parts(blocks: Sequence[Block], facts: Facts, asked: Asked) -> Iterator[Part]:
    thoughts = 0
    if asked.must_think and _calls_unthinkingly(blocks):
        # With a budget the API thinks before it calls, and wants the thought back.
        blocks = [Block(thinking="The script has no thoughts; this one stands in."), *blocks]
    for place, block in enumerate(blocks):
        match block:
            case Block(text=str(text)):
                yield Part(Kind.TEXT, place, pieces(facts.fill(text)))
            case Block(call=str(name)):
                arguments = facts.fill_in(block.input or {})
                text = msgspec.json.format(msgspec.json.encode(arguments), indent=0).decode()
                yield Part(Kind.CALL, place, pieces(text) if arguments else (), name)
            case Block(thinking=str(text)) if asked.thinking:
                shown = "" if asked.omitted else facts.fill(text)
                yield Part(Kind.THOUGHT, place, pieces(shown), thought=thoughts)
                thoughts += 1
            case Block(redacted=True) if asked.thinking:
                yield Part(Kind.REDACTED, place, thought=thoughts)
                thoughts += 1
            case _:
                pass


def _calls_unthinkingly(blocks: Sequence[Block]) -> bool:
    thinks = any(block.thinking is not None or block.redacted for block in blocks)
    return not thinks and any(block.call is not None for block in blocks)


def _limited(parts: list[Part], max_tokens: int | None) -> tuple[list[Part], bool]:
    """The parts that there is room for, and whether anything was cut off."""
    kept: list[Part] = []
    for part in parts:
        room = part.tokens if max_tokens is None else max_tokens - sum(p.tokens for p in kept)
        if part.tokens <= room:
            kept.append(part)
            continue
        if room > 0:
            kept.append(replace(part, pieces=part.pieces[:room], whole=False))
        return kept, True
    return kept, False
