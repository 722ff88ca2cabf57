"""What all faults have in common: which requests they strike, and where in the answer."""

from msgspec import Struct
from msgspec.structs import replace

from midstream.simulator.play import EventPlace, Play
from midstream.simulator.shape import Refusal

# The names of events, wire by wire.
EVENTS = (
    "message_start",
    "content_block_start",
    "ping",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "role",
    "reasoning",
    "content",
    "refusal",
    "tool_calls",
    "finish",
    "usage",
    "[DONE]",
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.completed",
    "response.incomplete",
    "end",
)


class Fault(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag=str.lower
):
    """A change to an answer. Its `kind` in a scenario is its name in lower case.

    Attributes:
        request: the request it strikes; the first is 1.
        every: 0: only that one; else each so many requests after it as well.
    """

    request: int = 1
    every: int = 0

    def __post_init__(self) -> None:
        if self.request < 1:
            raise ValueError("`request` counts from 1")
        if self.every < 0:
            raise ValueError("`every` is a number of requests, or 0")
        for name in ("event", "to"):
            _check_event(getattr(self, name, None))

    def strikes(self, request: int) -> bool:
        later = request - self.request
        return later == 0 or (later > 0 and self.every > 0 and later % self.every == 0)

    def applied(self, play: Play) -> Play:
        """The answer with this fault.

        Raises:
            Misplaced: the answer has nothing where it is to strike.
        """
        raise NotImplementedError


class Placed(Fault, frozen=True, kw_only=True):
    """A fault at a place in the body.

    Attributes:
        byte: after so many bytes; negative: so many before the end.
        event: before this event: 1 is the first, -1 the last, a name the first of that name, and
            "end" is after the last.
    """

    byte: int | None = None
    event: EventPlace | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.byte is not None and self.event is not None:
            raise ValueError("give `byte` or `event`, not both")


def worded(usual: Refusal, kind: str | None, code: str | None) -> Refusal:
    """What the API says, where the fault does not say otherwise."""
    if kind is None:
        return replace(usual, code=code or usual.code)
    return replace(usual, kind=kind, code=code)


def _check_event(event: EventPlace | None) -> None:
    if event == 0:
        raise ValueError("events count from 1, and from -1 backwards")
    if isinstance(event, str) and event not in EVENTS:
        raise ValueError(f"there are no {event!r} events: known are {', '.join(EVENTS)}")
