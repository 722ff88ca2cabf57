"""The Chat Completions wire as types: what a record of a stream may be.

A dozen servers speak it, each a little differently; what a field may hold is what they were seen to
send. Fields that nothing here uses are not named; msgspec passes over them undecoded.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from midstream.errors import ProtocolError, ProviderError
from midstream.messages import Usage
from midstream.providers import openai_usage
from midstream.providers.openai_usage import InputDetails, Number, OutputDetails
from midstream.providers.refusals import refusal_in_stream
from midstream.providers.safe import clean, objects, tokens
from midstream.wire.json import NotJson, is_object, read
from midstream.wire.sse import SseRecord

Json = dict[str, Any]


class Function(Struct, gc=False):
    name: str | None = None
    arguments: str | Json | None = None


class Fragment(Struct, gc=False):
    """A piece of a tool call; whose it is may be said by its id, its index, or its place alone."""

    index: int | None = None
    id: str | int | None = None
    function: Function | None = None
    extra_content: Json | None = None


class Delta(Struct, gc=False):
    content: str | list[Json] | None = None
    refusal: str | None = None
    tool_calls: list[Fragment] | None = None
    function_call: Function | None = None
    # Not OpenAI's: whatever a server puts there, the answer can be read.
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    annotations: Any = None

    @property
    def thinking(self) -> str:
        """Where several of the fields are there they say the same."""
        for said in (self.reasoning_content, self.reasoning):
            if said and isinstance(said, str):
                return said
        return "".join(map(_said, self.details))

    @property
    def details(self) -> list[Json]:
        return objects(self.reasoning_details)

    @property
    def fragments(self) -> list[Fragment]:
        if self.function_call:  # as before there were several calls
            return [Fragment(0, function=self.function_call), *(self.tool_calls or ())]
        return self.tool_calls or []


class Counts(Struct):
    prompt_tokens: Number = None
    completion_tokens: Number = None
    total_tokens: Number = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Number = None  # DeepSeek
    cached_tokens: Number = None  # Moonshot


class Choice(Struct, gc=False):
    index: int | None = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    usage: Counts | None = None  # Moonshot


class Extra(Struct):
    usage: Counts | None = None


class Chunk(Struct, gc=False):
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    x_groq: Extra | None = None
    error: Any = None
    object: Any = None


DECODER = msgspec.json.Decoder(Chunk)
KIND = msgspec.json.Decoder(Json)
DONE = b"[DONE]"
_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}  # that come in fragments


def reread(record: SseRecord) -> Chunk:
    """A record that does not decode at first sight: mended, or refused."""
    try:
        return read(record.data, DECODER)
    except NotJson as error:
        reason = error
    if record.event == "error" or _payload(record).get("error"):
        raise failure(record)
    if not record.data.strip():
        return Chunk()  # a sign of life
    raise ProtocolError(f"not a chunk: {record.text[:200]!r} ({reason})") from reason


def failure(record: SseRecord) -> ProviderError:
    """The error that a record is, in whatever shape servers give it."""
    payload = _payload(record)
    said = payload.get("error") or payload
    if not said or not is_object(said):
        said = {"code": payload.get("code"), "message": said or record.text}
    return refusal_in_stream(clean(said))


def _payload(record: SseRecord) -> Json:
    try:
        return read(record.data, KIND)
    except NotJson:
        return {}


def passed_over(record: SseRecord) -> str:
    """Why a record became no event, in words for people."""
    if record.data.lstrip().startswith(DONE):
        return "passed over: the response had ended"
    return "nothing new in it"


def usage(counts: Counts) -> Usage:
    out = counts.completion_tokens_details or OutputDetails()
    asked, answered = tokens(counts.prompt_tokens), tokens(counts.completion_tokens)
    reasoning = tokens(out.reasoning_tokens)
    if reasoning and tokens(counts.total_tokens) == asked + answered + reasoning:
        answered += reasoning  # xAI counts them apart
    cached = counts.prompt_cache_hit_tokens or counts.cached_tokens
    return openai_usage.usage(asked, answered, counts.prompt_tokens_details, out, cached)


def words(content: list[Json], *, thinking: bool = False) -> Iterator[tuple[bool, str]]:
    """Content in parts, as Mistral sends it: each text, and whether it is thinking."""
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                yield thinking, text
            case {"type": "thinking", "thinking": str(text)}:
                yield True, text
            case {"type": "thinking", "thinking": [*inner]} if not thinking:
                yield from words([each for each in inner if is_object(each)], thinking=True)
            case _:
                pass


def joined_details(details: list[Json]) -> list[Json]:
    """Fragments of reasoning details as the whole ones that they are of (OpenRouter)."""
    return [each for _, fragments in groupby(details, _whose) for each in _joined([*fragments])]


def _whose(detail: Json) -> tuple[Any, ...]:
    return tuple(detail.get(key) for key in ("type", "index", "id"))


def _joined(fragments: list[Json]) -> list[Json]:
    field = _FIELDS.get(str(fragments[0].get("type")))
    if not field:  # encrypted: each is whole
        return fragments
    text = "".join(str(each.get(field) or "") for each in fragments)
    others = {key: value for each in fragments for key, value in each.items() if value is not None}
    return [others | {field: text}]


def _said(detail: Json) -> str:
    return str(detail.get(_FIELDS.get(str(detail.get("type")), "")) or "")
