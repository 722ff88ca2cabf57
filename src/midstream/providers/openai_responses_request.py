"""OpenAI Responses, the question: a conversation becomes a request that the API accepts.

Nothing is stored there: every request carries the whole conversation, with reasoning in encrypted
form. Ids of messages and calls are left out, since an id makes the API look for the reasoning that
went before it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

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
    post,
    rider_tag,
    room,
    shortened,
    told,
    tool_name,
)
from midstream.providers.openai_responses import PROVIDER, ResponsesDecoder
from midstream.providers.openai_responses_items import asked_as, asks, is_output
from midstream.providers.provider import HttpRequest

Json = dict[str, Any]
LONGEST_ID, LONGEST_NAME = 64, 64
FEWEST_TOKENS = 16  # fewer are refused
ENCRYPTED = "reasoning.encrypted_content"
# These refuse to be asked for their reasoning.
NOT_REASONING = re.compile(r"(?:.*/)?(?:ft:)?(?:gpt-3|gpt-4|chatgpt-|gpt-[\d.]+-chat)")


class Responses(Bearer):
    """The Responses API, spoken by OpenAI and by servers that follow it.

    Args:
        provider: whose server it is.
        key_header: where the key goes, if not into `authorization`.
        extra: more members for every request's body.
    """

    def __init__(
        self,
        model: str,
        key: str,
        provider: str = PROVIDER,
        key_header: str = "authorization",
        extra: Json | None = None,
    ) -> None:
        super().__init__(key, key_header)
        self.model = model
        self.provider = provider
        self._tag = rider_tag(provider, "responses")
        self._extra = extra or {}

    def request(self, request: ModelRequest) -> HttpRequest:
        return post("/responses", self.headers, self._fields(request))

    def decoder(self) -> ResponsesDecoder:
        return ResponsesDecoder(self._tag)

    def _fields(self, request: ModelRequest) -> Json:
        tools = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
                "strict": False,
            }
            for tool in request.tools
        ]
        thinking = {"effort": effort(request), "summary": "auto"}
        return {
            "model": request.model,
            "max_output_tokens": max(room(request), FEWEST_TOKENS),
            "stream": True,
            "store": False,
            "instructions": request.system if request.system and request.system.strip() else None,
            "input": [*_Spelling(self._tag, request.model).items(request.messages)],
            "tools": [*tools, *request.server_tools] or None,
            "reasoning": thinking if request.thinking else None,
            "include": None if NOT_REASONING.match(request.model) else [ENCRYPTED],
            **self._extra,
        }


class _Spelling:
    """Spells items, remembering the ids of calls so that outputs find theirs."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._takes_reasoning = not NOT_REASONING.match(model)
        self._ids = CallIds(shortened(LONGEST_ID))
        self._callers: dict[str, Json] = {}

    def items(self, messages: Sequence[Message]) -> Iterator[Json]:
        for message in messages:
            if message.role == "user":
                yield from self._answers(message.blocks)
            else:
                yield from followed([*self._assistant(message.blocks)])

    def _answers(self, blocks: Sequence[Block]) -> Iterator[Json]:
        parts: list[Json] = []
        for block in blocks:
            match block:
                case ToolResult():
                    yield self._output(block)
                case Text(text) if text.strip():
                    parts.append({"type": "input_text", "text": text})
                case Image():
                    parts.append(_image(block))
                case _:
                    pass
        if parts:
            yield {"type": "message", "role": "user", "content": parts}

    def _output(self, result: ToolResult) -> Json:
        words, pictures = told(result.output, is_error=result.is_error)
        text = {"type": "input_text", "text": words}
        return {
            "type": "function_call_output",
            "call_id": self._ids.of(result.call_id),
            "output": [text, *map(_image, pictures)] if pictures else words,
        } | self._callers.get(result.call_id, {})

    def _assistant(self, blocks: Sequence[Block]) -> Iterator[Json]:
        self._callers.clear()
        for block in blocks:
            match block:
                case Text(text, _, opaque) if text.strip():
                    content: Json = {"type": "output_text", "text": text, "annotations": []}
                    spelled: Json = {"type": "message", "role": "assistant", "content": [content]}
                    yield spelled | self._ours(opaque)
                case ToolCall(call_id, name, arguments, opaque):
                    yield self._call(call_id, name, arguments, self._ours(opaque))
                case Thinking(opaque=Opaque() as item) | (Opaque() as item):
                    data = self._ours(item)
                    # Nothing is stored there, so that its id alone would not be found.
                    takes = self._takes_reasoning and data.get("encrypted_content")
                    if data.get("type") != "reasoning" or takes:
                        yield data
                case _:
                    pass

    def _call(self, call_id: str, name: str, arguments: Json, rider: Json) -> Json:
        if "caller" in rider:
            self._callers[call_id] = {"caller": rider["caller"]}
        return {
            "type": "function_call",
            "call_id": self._ids.take(call_id),
            "name": tool_name(name, LONGEST_NAME),
            "arguments": encoded(arguments).decode(),
        } | rider

    def _ours(self, opaque: Opaque | None) -> Json:
        """What rides on a block, if it is this server's. A null is nothing, and some refuse it."""
        data = opaque.data if opaque and opaque.provider == self._provider else {}
        return {key: value for key, value in data.items() if value is not None}


def followed(items: list[Json]) -> list[Json]:
    """The items of one answer without empty ones, and without what would be refused.

    That is a call without its output, which nobody here could give, and reasoning without the item
    that it led to.
    """
    answered = {asked_as(item) for item in items if is_output(item)}
    kept: list[Json] = []
    led_nowhere = True
    for item in reversed([item for item in items if "type" in item]):
        if asks(item):
            led_nowhere = asked_as(item) not in answered
        elif item["type"] != "reasoning":
            led_nowhere = False
        if not led_nowhere:
            kept.append(item)
    return kept[::-1]


def _image(image: Image) -> Json:
    return {"type": "input_image", "image_url": data_url(image), "detail": "auto"}
