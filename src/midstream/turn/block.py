"""One block of a response, as it grows."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from midstream.messages import Block, Opaque, Text, Thinking, ToolCall


class Kind(Enum):
    NEW = "empty"
    TEXT = "text"
    THINKING = "thinking"
    CALL = "a tool call"
    OPAQUE = "opaque"


class OpenBlock:
    """A block as it grows: fragments are kept apart and joined once."""

    __slots__ = ("call", "citations", "closed", "doubt", "held_back", "id", "kind", "name",
                 "opaque", "parts", "signature", "size", "taken")  # fmt: skip

    def __init__(self, kind: Kind = Kind.NEW, call_id: str = "", name: str = "") -> None:
        self.kind = kind
        self.id = call_id
        self.name = name
        self.parts: list[str] = []
        self.size = 0
        self.signature = ""
        self.citations: list[dict[str, Any]] = []
        self.opaque: Opaque | None = None
        self.call: ToolCall | None = None
        self.doubt = ""
        self.closed = False
        self.taken = (0, 0, False)  # parts, citations and rider of a text; of others anything
        self.held_back = ""  # the end of the text that was taken last

    def to_call(self, arguments: dict[str, Any]) -> ToolCall:
        return ToolCall(self.id, self.name, arguments, self.opaque)

    def finished(self, *, cut: bool) -> Block | None:
        """The block as part of a message, or None for what cannot be kept."""
        match self.kind:
            case Kind.TEXT:
                return Text("".join(self.parts), tuple(self.citations) or None, self.opaque)
            case Kind.THINKING:
                whole = self.signature or self.opaque or not cut
                thinking = Thinking("".join(self.parts), self.signature, self.opaque)
                return thinking if whole else None
            case Kind.CALL:
                return self.call
            case Kind.OPAQUE:
                return self.opaque
            case Kind.NEW:
                return None

    def take(self, open_end: Callable[[str], int]) -> Block | None:
        """What is new since the last time and would be kept if the response ended now.

        Args:
            open_end: how many characters of a text are held back until more has come.
        """
        if self.kind is Kind.TEXT:
            return self._take_text(open_end)
        if not self.closed or self.taken != (0, 0, False):
            return None
        if block := self.finished(cut=True):
            self.taken = (-1, -1, True)
        return block

    def _take_text(self, open_end: Callable[[str], int]) -> Text | None:
        parts, cited, rode = self.taken
        text = self.held_back + "".join(self.parts[parts:])
        end = len(text) - (0 if self.closed else open_end(text))
        citations = tuple(self.citations[cited:]) or None
        rider = None if rode else self.opaque
        self.taken = len(self.parts), len(self.citations), bool(self.opaque)
        text, self.held_back = text[:end], text[end:]
        begins = parts == 0 and self.parts
        return Text(text, citations, rider) if text or citations or rider or begins else None
