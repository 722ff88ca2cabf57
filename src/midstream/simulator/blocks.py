"""Messages and their blocks: what each may hold, and the turns they make up."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from midstream.simulator.shape import (
    BLOCKS,
    MESSAGE,
    ONLY,
    RESULT_CONTENT,
    TOOL_ID,
    Fields,
    Json,
    Refusal,
    invalid,
    is_list,
    is_object,
    misfits,
    untagged,
)

MAX_NAME = 200  # of a call


class Place(Struct, frozen=True):
    """A block, and where in the request it stands."""

    path: str
    block: Json

    @property
    def kind(self) -> str:
        return str(self.block["type"])


class Turn(Struct, frozen=True):
    """Messages of one role in a row, which the API reads as one."""

    role: str
    path: str
    places: list[Place]

    def of(self, *kinds: str) -> list[Place]:
        return [place for place in self.places if place.kind in kinds]


def turns_of(messages: list[Json]) -> list[Turn]:
    """Valid messages, with those of one role in a row as one, as the API reads them."""
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        path = f"messages.{number}"
        places = [
            Place(f"{path}.content.{place}", block)
            for place, block in enumerate(_blocks(message["content"]))
        ]
        if turns and turns[-1].role == message["role"]:
            turns[-1].places.extend(places)
        else:
            turns.append(Turn(message["role"], path, places))
    return turns


def _blocks(content: str | list[Any]) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def message_faults(message: Any, path: str) -> Iterator[Refusal]:
    if not is_object(message):
        yield invalid(f"{path}: Input should be a valid dictionary")
        return
    yield from misfits(message, MESSAGE, f"{path}.")
    role, content = message["role"], message["content"]
    if role not in ("user", "assistant"):
        hint = (
            'The Messages API accepts a top-level `system` parameter, not "system" as an input'
            " message role."
            if role == "system"
            else 'Allowed roles are "user" or "assistant"'
        )
        yield invalid(f'messages: Unexpected role "{role}". {hint}')
    if not (isinstance(content, str) or is_list(content)):
        yield invalid(f"{path}.content: Input should be a valid list")
        return
    if not content:
        yield invalid(
            f"{path}: all messages must have non-empty content except for the optional final"
            " assistant message"
        )
    for number, block in enumerate(_blocks(content)):
        yield from _block(block, BLOCKS, f"{path}.content.{number}")
        yield from _sender(block["type"], role, f"{path}.content.{number}")


def _block(block: Any, table: Mapping[str, Fields], path: str) -> Iterator[Refusal]:
    block = block if is_object(block) else {}
    kind = str(block.get("type"))
    yield from untagged(kind, table, path)
    yield from misfits(block, {"type": str, **table[kind]}, f"{path}.{kind}.")
    if kind == "text":
        yield from _text(block, path)
    for name in ("id", "tool_use_id"):
        if name in block and not TOOL_ID.fullmatch(block[name]):
            pattern = f"^{TOOL_ID.pattern}$"
            yield invalid(f"{path}.{kind}.{name}: String should match pattern '{pattern}'")
    if kind == "tool_use" and not 0 < len(block["name"]) <= MAX_NAME:
        words = f"String should have between 1 and {MAX_NAME} characters"
        yield invalid(f"{path}.tool_use.name: {words}")
    if kind == "tool_result":
        yield from _result_content(block.get("content"), f"{path}.tool_result.content")


def _text(block: Json, path: str) -> Iterator[Refusal]:
    if not block["text"] and block.get("cache_control"):
        yield invalid(f"{path}.text: cache_control cannot be set for empty text blocks")
    if not block["text"]:
        yield invalid("messages: text content blocks must be non-empty")
    if not block["text"].strip():
        yield invalid("messages: text content blocks must contain non-whitespace text")


def _result_content(content: Any, path: str) -> Iterator[Refusal]:
    if content is None or isinstance(content, str):
        return
    if not is_list(content):
        yield invalid(f"{path}: Input should be a valid list")
        return
    for number, block in enumerate(content):
        yield from _block(block, RESULT_CONTENT, f"{path}.{number}")


def _sender(kind: str, role: str, path: str) -> Iterator[Refusal]:
    if ONLY.get(kind, role) != role:
        yield invalid(f"{path}: `{kind}` blocks can only be in `{ONLY[kind]}` messages")
