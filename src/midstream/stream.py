"""What a provider's answer is made of: the events between its bytes and the turn.

The four of them that a reader is told as well are in `events`; of these none is.
"""

from typing import Any

from msgspec import Struct

from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import Opaque, StopReason, Usage


class ResponseStarted(Struct, frozen=True):
    model: str


class UsageCounted(Struct, frozen=True):
    usage: Usage  # of the response so far; it replaces what was said before


class BlockStarted(Struct, frozen=True):
    index: int  # of a block that is not a call: calls begin with ToolCallStarted


class ThinkingSigned(Struct, frozen=True):
    index: int
    signature: str


class TextCited(Struct, frozen=True):
    index: int
    citation: dict[str, Any]


class OpaqueArrived(Struct, frozen=True):
    """What only the provider understands: a whole block, or what rides on the one at `index`."""

    index: int
    block: Opaque


class BlockEnded(Struct, frozen=True):
    index: int


class HandedOver(Struct, frozen=True):
    """Another model took over: thinking and calls so far are no longer part of the message."""

    model: str = ""


class ResponseStopped(Struct, frozen=True):
    """The stop reason is known; `word` is the provider's own, `detail` what it says about it."""

    reason: StopReason
    word: str
    detail: str = ""


class ResponseEnded(Struct, frozen=True):
    """The wire's terminal marker."""


StreamEvent = (
    TextDelta
    | ThinkingDelta
    | ToolCallStarted
    | ToolInputDelta
    | ResponseStarted
    | UsageCounted
    | BlockStarted
    | ThinkingSigned
    | TextCited
    | OpaqueArrived
    | BlockEnded
    | HandedOver
    | ResponseStopped
    | ResponseEnded
)
