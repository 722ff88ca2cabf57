"""Anthropic Messages, the question: a conversation becomes a request that the API accepts.

What may be sent is stricter than what a conversation may hold. All such rules are here, each beside
the line that keeps it; their source is platform.claude.com, "Messages", "Tool use" and "Thinking".
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from midstream.errors import ProviderError
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
from midstream.providers.anthropic import PROVIDER, AnthropicDecoder
from midstream.providers.asking import HEADERS, CallIds, post, room
from midstream.providers.provider import HttpRequest
from midstream.providers.refusals import refusal
from midstream.secrets.secrets import Secrets

Json = dict[str, Any]


class Anthropic:
    """The Messages API, spoken by Anthropic and by servers that follow it.

    Args:
        version: of the API. From `2026-10-21` on the key is sent as a bearer token.
        betas: names for the `anthropic-beta` header.
    """

    provider = PROVIDER

    def __init__(
        self, model: str, key: str, version: str = "2023-06-01", betas: Sequence[str] = ()
    ) -> None:
        self.model = model
        self.secrets = (key,)
        self._headers = HEADERS | {"anthropic-version": version}
        if version >= "2026-10-21":
            self._headers["authorization"] = f"Bearer {key}"
        else:
            self._headers["x-api-key"] = key
        if betas:
            self._headers["anthropic-beta"] = ",".join(betas)

    def request(self, request: ModelRequest) -> HttpRequest:
        return post("/v1/messages", self._headers, fields(request))

    def decoder(self) -> AnthropicDecoder:
        return AnthropicDecoder()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        # Proxies have been seen to quote the key that they refuse.
        return refusal(status, headers, Secrets(self.secrets).data(body))


def fields(request: ModelRequest) -> Json:
    messages, container = wire_messages(request.messages)
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in request.tools
    ]
    tools += request.server_tools
    system: str | list[Json] | None = request.system if (request.system or "").strip() else None
    if request.cache:
        system = [{"type": "text", "text": system}] if system else None
        mark(system or tools, messages, request.cache)
    return {
        "model": request.model,
        "max_tokens": room(request),
        "stream": True,
        "messages": messages,
        "system": system,
        "tools": tools or None,
        "thinking": _thinking(request),
        "container": container,
    }


def mark(prefix: list[Json], messages: list[Json], ttl: str) -> None:
    """Ask for what the next request repeats to be kept: what is said first, and up to the end.

    The API looks back for an earlier mark over twenty blocks only, and sixteen calls with their
    results are more: hence a mark where the last request ended, too. Source: platform.claude.com,
    "Prompt caching" (four marks at the most, none on thinking).
    """
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl != "5m" else {})
    said = [message["content"] for message in messages if message["role"] == "user"]
    for blocks in filter(None, (prefix, *said[-2:])):
        blocks[-1] = blocks[-1] | {"cache_control": control}


def _thinking(request: ModelRequest) -> Json | None:
    match request.thinking:
        case None:
            return None
        case "adaptive":
            return {"type": "adaptive"}
        case budget:
            return {"type": "enabled", "budget_tokens": budget}


def wire_messages(messages: Sequence[Message]) -> tuple[list[Json], str | None]:
    """The conversation as the API spells it, and the container to go on in, if there is one."""
    spelled = _Spelling(messages)
    joined: list[Json] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        content = [block for message in group for block in spelled.blocks(message)]
        while content and is_thinking(content[-1]):
            content.pop()  # a message may not end in thinking
        if not content:
            continue  # an empty message is refused
        if joined and joined[-1]["role"] == role:
            joined[-1]["content"] += content
        else:
            joined.append({"role": role, "content": content})
    for message_ in joined:
        # Results come first: words before them are refused. (The sort is stable.)
        message_["content"].sort(key=_is_no_result)
    return joined, _container(messages)


def _is_no_result(block: Json) -> bool:
    return bool(block["type"] != "tool_result")


class _Spelling:
    """Spells blocks, remembering the ids of calls so that results find theirs."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._ids = CallIds(_spelled)
        self._riders: dict[str, Json] = {}  # what came with a call, by its id
        self._alive = {*_server_results(messages), *_running(messages)}
        self._called: set[str] = set()  # ids of the server tools' calls so far
        self._pending = _pending(messages)

    def blocks(self, message: Message) -> Iterator[Json]:
        if message.role == "assistant":
            self._riders = {}
        handed_over = _handed_over(message)
        for place, block in enumerate(message.blocks):
            pending = message is self._pending and place >= handed_over
            spelled = self._block(block, pending)
            if spelled and not (place < handed_over and is_thinking(spelled)):
                yield spelled

    def _block(self, block: Block, pending: bool) -> Json | None:
        match block:
            case Text(text, citations):
                # Blank text is refused, although the API itself may have produced it.
                ours = [each for each in citations or () if is_citation(each)]
                cited = {"citations": ours} if ours else {}
                return {"type": "text", "text": text, **cited} if text.strip() else None
            case Thinking(text, signature):
                thinking = {"type": "thinking", "thinking": text, "signature": signature}
                return thinking if signature else None
            case ToolCall(call_id, name, arguments, opaque):
                extra = opaque.data if opaque and opaque.provider == PROVIDER else {}
                wire_id = self._ids.take(call_id)
                self._riders[call_id] = extra
                return {"type": "tool_use", "id": wire_id, "name": name, "input": arguments} | extra
            case ToolResult(call_id, output, is_error):
                rider = self._riders.get(call_id, {})
                result: Json = {"type": "tool_result"}
                result["tool_use_id"] = self._ids.of(call_id)
                result["content"] = _content(_words(output) if "caller" in rider else output)
                if "toolset_name" in rider:
                    result["toolset_name"] = rider["toolset_name"]
                return result | ({"is_error": True} if is_error else {})
            case Image(data, media_type):
                return _image(data, media_type)
            case Opaque(provider, data):
                keep = provider == PROVIDER and data.get("type") != "container"
                return data if keep and self._is_taken(data, pending) else None

    def _is_taken(self, data: Json, pending: bool) -> bool:
        if is_server_call(data):
            # Without its result it is refused once the talk has gone on.
            self._called.add(str(data.get("id")))
            return pending or str(data.get("id")) in self._alive
        # A result is refused without its call, which may have been lost on the way to us.
        return "tool_use_id" not in data or str(data["tool_use_id"]) in self._called


def _spelled(call_id: str, number: int) -> str:
    wanted = re.sub(r"[^a-zA-Z0-9_-]", "_", call_id) or "call"
    return wanted if number == 1 else f"{wanted}_{number}"


def is_citation(citation: Json) -> bool:
    """Whether it is one of Anthropic's, and not an annotation of another provider."""
    return str(citation.get("type")).endswith("_location")


def is_thinking(data: Json) -> bool:
    return data.get("type") in ("thinking", "redacted_thinking")


def is_server_call(data: Json) -> bool:
    return data.get("type") in ("server_tool_use", "mcp_tool_use")


def _server_results(messages: Iterable[Message]) -> Iterator[str]:
    """The calls of server tools that have a result behind them."""
    called: set[str] = set()
    for message in messages:
        for block in message.blocks:
            match block:
                case Opaque(data={"tool_use_id": answered}) if str(answered) in called:
                    yield str(answered)
                case Opaque(data=data) if is_server_call(data):
                    called.add(str(data.get("id")))
                case _:
                    pass


def _pending(messages: Sequence[Message]) -> Message | None:
    """The assistant's message whose server tools may still be at work, if the last one's may."""
    *before, last = messages or (None,)
    if last is None or last.role == "assistant":
        return last
    return before[-1] if before and _only_results(last) else None


def _running(messages: Sequence[Message]) -> Iterator[str]:
    """Server calls whose code has asked for tools since the user last spoke, perhaps repeatedly."""
    for message in reversed(messages):
        if message.role == "user" and not _only_results(message):
            return
        for block in message.blocks:
            match block:
                case ToolCall(opaque=Opaque(data={"caller": {"tool_id": str(server_call)}})):
                    yield server_call
                case _:
                    pass


def _only_results(message: Message) -> bool:
    return all(isinstance(block, ToolResult) for block in message.blocks)


def _handed_over(message: Message) -> int:
    """Where in a message another model took over; what the first had begun there is not resumed."""
    places = [
        place
        for place, block in enumerate(message.blocks)
        if isinstance(block, Opaque) and block.data.get("type") == "fallback"
    ]
    return places[-1] if places else 0


def _container(messages: Iterable[Message]) -> str | None:
    """The sandbox of the last answer. An older one may have expired and is not named again."""
    last = [message for message in messages if message.role == "assistant"][-1:]
    for block in last[0].blocks if last else ():
        match block:
            case Opaque(provider="anthropic", data={"type": "container", "id": str(container)}):
                return container
            case _:
                pass
    return None


def _words(output: str | tuple[Text | Image, ...]) -> str | tuple[Text | Image, ...]:
    """The output without its pictures: code that called a tool takes text only."""
    if isinstance(output, str):
        return output
    pictures = any(isinstance(part, Image) for part in output)
    omitted = (Text("(a picture, which cannot be passed to code)"),) if pictures else ()
    return (*(part for part in output if isinstance(part, Text)), *omitted)


def _content(output: str | tuple[Text | Image, ...]) -> str | list[Json]:
    if isinstance(output, str):
        return output
    return [
        _image(part.data, part.media_type)
        if isinstance(part, Image)
        else {"type": "text", "text": part.text}
        for part in output
        if isinstance(part, Image) or part.text.strip()
    ]


def _image(data: bytes, media_type: str) -> Json:
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source}
