"""The conversation as it is stored and sent: messages made of blocks."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct


class StopReason(StrEnum):
    """Why the model stopped writing. A word that is not here arrives as UNKNOWN."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_WINDOW = "model_context_window_exceeded"
    PAUSE_TURN = "pause_turn"
    COMPACTION = "compaction"
    REFUSAL = "refusal"
    UNKNOWN = "unknown"


class Usage(Struct, frozen=True, gc=False):
    """Tokens billed. `input_tokens` counts what was read fresh, without the cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def read(self) -> int:
        """All tokens that were read, fresh or by way of the cache."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


class Tagged(Struct, frozen=True, gc=False):
    """A value that says in JSON what it is. In Python its class says so, and so does `type`.

    Without `gc`: plain values hold no cycles, and a long session is opened in half the time.
    """

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class Opaque(Tagged, frozen=True, tag="opaque"):
    """What only `provider` understands. It travels back unchanged, or not at all."""

    provider: str
    data: dict[str, Any]


class Text(Tagged, frozen=True, tag="text", omit_defaults=True):
    text: str
    citations: tuple[dict[str, Any], ...] | None = None
    opaque: Opaque | None = None  # what the provider wants back with it; so in all blocks


class Thinking(Tagged, frozen=True, tag="thinking", omit_defaults=True):
    """The model's reasoning. A provider takes back what it has signed, or what rides on it."""

    text: str
    signature: str
    opaque: Opaque | None = None


class ToolCall(Tagged, frozen=True, tag="tool_call", omit_defaults=True):
    """A call whose arguments are whole."""

    id: str
    name: str
    input: dict[str, Any]
    opaque: Opaque | None = None


class Image(Tagged, frozen=True, tag="image"):
    """A picture: its bytes (base64 in JSON) and what they are, which the bytes themselves tell."""

    data: bytes
    media_type: str = "image/png"


Parts = tuple[Text | Image, ...]  # words and pictures, in their order


class ToolResult(Tagged, frozen=True, tag="tool_result"):
    """What a call came to, as the model is told: words, or words and pictures."""

    call_id: str
    output: str | Parts
    is_error: bool = False

    def in_a_line(self, name: str, arguments: str) -> str:
        """The call and its result, for a model that sees neither."""
        did = "failed" if self.is_error else "done"
        return f"{name}({arguments}): {did}: {self.output!s:.2000}"


Block = Text | Thinking | ToolCall | ToolResult | Image | Opaque


class Message(Struct, frozen=True, gc=False):
    """One side's contribution. `blocks` keep the order in which they were begun."""

    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Text))


def words_of(blocks: Iterable[Block]) -> str:
    """What a user said, for where only words can stand."""
    said = (
        block.text if isinstance(block, Text) else "[picture]"
        for block in blocks
        if isinstance(block, Text | Image)
    )
    return "\n\n".join(said)


class ToolSpec(Struct, frozen=True):
    """What the model is told about a tool. How it runs is `midstream.tools`' business."""

    name: str
    description: str
    input_schema: dict[str, Any]


class ModelRequest(Struct, frozen=True):
    """Everything that one request to a model says, before any provider's spelling.

    Attributes:
        server_tools: tools that the provider runs itself, in the provider's own words.
        thinking: a budget in tokens, or "adaptive", or None for no thinking.
        cache: how long the provider is asked to keep what went before, where it wants to be asked.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    server_tools: tuple[dict[str, Any], ...] = ()
    max_tokens: int = 8192
    thinking: int | Literal["adaptive"] | None = None
    cache: Literal["5m", "1h"] | None = "5m"
