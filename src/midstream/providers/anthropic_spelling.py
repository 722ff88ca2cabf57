"""Anthropic Messages, the conversation, as the API accepts it.

What may be sent is stricter than what a conversation may hold. All such rules are here, each beside
the line that keeps it; their source is platform.claude.com, "Messages", "Tool use" and "Thinking".
"""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from midstream.messages import (
    Block,
    Image,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from midstream.providers.anthropic import PROVIDER
from midstream.providers.asking import CallIds, tool_name

Json = dict[str, Any]
LONGEST_NAME = 128


def wire_messages(
    messages: Sequence[Message], provider: str = PROVIDER
) -> tuple[list[Json], str | None]:
    """The conversation as the API spells it, and the container to go on in, if there is one."""
    spelled = _Spelling(messages, provider)
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
    return joined, _container(messages, provider)


def _is_no_result(block: Json) -> bool:
    return bool(block["type"] != "tool_result")


class _Spelling:
    """Spells blocks, remembering the ids of calls so that results find theirs."""

    def __init__(self, messages: Sequence[Message], provider: str) -> None:
        self._provider = provider
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
                extra = opaque.data if opaque and opaque.provider == self._provider else {}
                wire_id = self._ids.take(call_id)
                self._riders[call_id] = extra
                name = tool_name(name, LONGEST_NAME)
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
                keep = provider == self._provider and data.get("type") != "container"
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


def _container(messages: Iterable[Message], provider: str) -> str | None:
    """The sandbox of the last answer. An older one may have expired and is not named again."""
    last = [message for message in messages if message.role == "assistant"][-1:]
    for block in last[0].blocks if last else ():
        match block:
            case Opaque(whose, {"type": "container", "id": str(container)}) if whose == provider:
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
