"""Chat Completions, the question: a conversation becomes a request that a server accepts.

The wire has many servers. What they do differently, as far as it changes a request, are `Quirks`.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

from msgspec import Struct

from midstream.messages import (
    Block,
    Image,
    Message,
    ModelRequest,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from midstream.providers.asking import (
    Bearer,
    CallIds,
    data_url,
    effort,
    encoded,
    nine,
    post,
    rider_tag,
    room,
    shortened,
    told,
    tool_name,
)
from midstream.providers.openai_chat import PROVIDER, ChatDecoder
from midstream.providers.provider import HttpRequest

Json = dict[str, Any]
LONGEST_ID, LONGEST_NAME = 40, 64  # OpenAI refuses longer ones


class Quirks(Struct, frozen=True, forbid_unknown_fields=True):
    """What a server does in its own way.

    Attributes:
        max_tokens: the field for the most tokens of an answer.
        asks_usage: it knows `stream_options`, without which most send no usage.
        call_ids: "nine": it takes ids of nine letters and digits only (Mistral).
        thinking: how thinking is asked for: by OpenAI's `reasoning_effort`, by OpenRouter's
            `reasoning`, or not at all.
        echo: what of its reasoning it wants back: nothing, `reasoning_content` beside calls
            (DeepSeek), or its `reasoning_details` (OpenRouter).
        key_header: where the key goes, if not into `authorization`.
        extra: more members for every request's body.
    """

    max_tokens: str = "max_tokens"
    asks_usage: bool = True
    call_ids: Literal["any", "nine"] = "any"
    thinking: Literal["reasoning_effort", "reasoning", ""] = "reasoning_effort"
    echo: Literal["reasoning_content", "reasoning_details", ""] = ""
    key_header: str = "authorization"
    extra: Json = {}


OPENAI = Quirks(max_tokens="max_completion_tokens")


class Chat(Bearer):
    """Chat Completions, spoken by OpenAI and by most other servers.

    Args:
        provider: whose server it is.
    """

    def __init__(
        self, model: str, key: str, provider: str = PROVIDER, quirks: Quirks = OPENAI
    ) -> None:
        super().__init__(key, quirks.key_header)
        self.model = model
        self.provider = provider
        self._tag = rider_tag(provider, "chat")
        self._quirks = quirks

    def request(self, request: ModelRequest) -> HttpRequest:
        return post("/chat/completions", self.headers, self._fields(request))

    def decoder(self) -> ChatDecoder:
        return ChatDecoder(self._tag)

    def _fields(self, request: ModelRequest) -> Json:
        quirks = self._quirks
        system = request.system if request.system and request.system.strip() else None
        spelled = _Spelling(self._tag, quirks).messages(request.messages)
        said = [{"role": "system", "content": system}] if system else []
        tools = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            }
            for tool in request.tools
        ]
        return {
            "model": request.model,
            quirks.max_tokens: room(request),
            "stream": True,
            "stream_options": {"include_usage": True} if quirks.asks_usage else None,
            "messages": [*said, *spelled],
            "tools": [*tools, *request.server_tools] or None,
            **self._thinking(request),
            **quirks.extra,
        }

    def _thinking(self, request: ModelRequest) -> Json:
        if not request.thinking or not self._quirks.thinking:
            return {}
        if self._quirks.thinking == "reasoning_effort":
            return {"reasoning_effort": effort(request)}
        budget = request.thinking if isinstance(request.thinking, int) else None
        return {"reasoning": {"max_tokens": budget} if budget else {"enabled": True}}


class _Spelling:
    """Spells messages, remembering the ids of calls so that results find theirs."""

    def __init__(self, provider: str, quirks: Quirks) -> None:
        self._provider = provider
        self._echo = quirks.echo
        self._ids = CallIds(nine if quirks.call_ids == "nine" else shortened(LONGEST_ID))

    def messages(self, messages: Sequence[Message]) -> Iterator[Json]:
        # What the user says in a row is one message: templates of many models want roles in turn.
        told = (each for each in messages if each.role == "user" or _is_told(each.blocks))
        for role, group in groupby(told, key=lambda message: message.role):
            if role == "user":
                yield from self._answers([block for message in group for block in message.blocks])
            else:
                yield from (self._assistant(message.blocks) for message in group)

    def _answers(self, blocks: Sequence[Block]) -> Iterator[Json]:
        """Results, a message each, then the user's words: what stands between is refused."""
        parts: list[Json] = []
        for block in blocks:
            match block:
                case ToolResult(call_id, output, is_error):
                    words, pictures = told(output, is_error=is_error)
                    wire_id = self._ids.of(call_id)
                    yield {"role": "tool", "tool_call_id": wire_id, "content": words}
                    if pictures:  # a tool's message takes words only
                        parts.append(_text(f"Pictures that the call {wire_id} returned:"))
                        parts += map(_image, pictures)
                case Text(text) if text.strip():
                    parts.append(_text(text))
                case Image():
                    parts.append(_image(block))
                case _:
                    pass
        if parts:
            yield {"role": "user", "content": _simple(parts)}

    def _assistant(self, blocks: Sequence[Block]) -> Json:
        text = "".join(block.text for block in blocks if isinstance(block, Text))
        calls = [self._call(block) for block in blocks if isinstance(block, ToolCall)]
        spelled: Json = {"role": "assistant", "content": text if text.strip() else None}
        if calls:
            spelled["tool_calls"] = calls
        return spelled | self._reasoning(blocks, called=bool(calls))

    def _call(self, call: ToolCall) -> Json:
        function = {
            "name": tool_name(call.name, LONGEST_NAME),
            "arguments": encoded(call.input).decode(),
        }
        spelled: Json = {"id": self._ids.take(call.id), "type": "function", "function": function}
        extra = self._rider(call.opaque).get("extra_content")  # Gemini's signature
        return spelled | ({"extra_content": extra} if extra else {})

    def _rider(self, opaque: Opaque | None) -> Json:
        return opaque.data if opaque and opaque.provider == self._provider else {}

    def _reasoning(self, blocks: Sequence[Block], *, called: bool) -> Json:
        if self._echo == "reasoning_content" and called:
            return {self._echo: "".join(self._thoughts(blocks))}
        if self._echo == "reasoning_details":
            details = [each for block in blocks for each in self._details(block)]
            return {self._echo: details} if details else {}
        return {}

    def _thoughts(self, blocks: Sequence[Block]) -> Iterator[str]:
        for block in blocks:
            match block:
                case Thinking(text, "", opaque) if not opaque or self._rider(opaque):
                    yield text
                case _:  # signed by another provider, or no thinking
                    pass

    def _details(self, block: Block) -> list[Json]:
        match block:
            case Thinking(opaque=Opaque() as rider) | (Opaque() as rider):
                details: list[Json] = self._rider(rider).get("reasoning_details", [])
                return details
            case _:
                return []


def _is_told(answer: Sequence[Block]) -> bool:
    """An empty message is refused, and of thinking alone none is left."""
    return any(
        isinstance(block, ToolCall) or (isinstance(block, Text) and block.text.strip())
        for block in answer
    )


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _image(image: Image) -> Json:
    return {"type": "image_url", "image_url": {"url": data_url(image)}}


def _simple(parts: list[Json]) -> str | list[Json]:
    """Words alone as one string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts
