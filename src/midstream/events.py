"""Everything that can happen in a run, as values.

A fragment is a `...Delta`; a fact is in the past tense. Events are immutable, carry no
references to live objects, and are their own JSON: the terminal, the web page, the JSON lines
and the user's code all read exactly these.
"""

import re
from typing import Any, Literal

from msgspec import Struct

from midstream.messages import Image, Message, StopReason, Tagged, Text, Usage


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Event(Tagged, frozen=True, kw_only=True, tag_field="type", tag=snake, omit_defaults=True):
    """Base of every event. The feed fills these four in when the event is told.

    Attributes:
        type: what happened, such as "text_delta".
        run: the run's id.
        seq: 1, 2, 3 … in a run; fragments that were joined carry the last one's.
        t: seconds since the run began, monotonic.
        agent: absent for the top agent, else its path, such as "researcher".
    """

    run: str = ""
    seq: int = 0
    t: float = -1.0
    agent: str | None = None


# -- the run -----------------------------------------------------------------------------------


class RunStarted(Event, frozen=True):
    session: str
    model: str


class RunError(Struct, frozen=True):
    """Why a run failed. `status` and `request_id` are the provider's, where it gave them."""

    type: str
    message: str
    status: int | None = None
    request_id: str | None = None


Outcome = Literal[
    "completed", "cancelled", "failed", "max_turns", "max_tokens", "max_cost", "refusal"
]


class RunEnded(Event, frozen=True):
    """The last event of every run.

    Attributes:
        text: the last turn's text.
        discarded_usage: tokens spent in attempts that were thrown away; not part of `usage`.
        cost_usd: None where the price is unknown, never 0.
        ttft: seconds to the first token of the first turn, or None if none came.
        overlap: seconds of tool time hidden behind the streams.
    """

    outcome: Outcome
    text: str
    usage: Usage
    discarded_usage: Usage
    cost_usd: float | None
    ttft: float | None
    overlap: float
    turns: int
    error: RunError | None


class Interrupted(Event, frozen=True):
    """The user stopped the turn; `text` is what they said instead, if they did."""

    text: str | None


class Prompted(Event, frozen=True):
    """What the user had queued is part of the conversation; the next turn answers it."""

    text: str


class CompactionStarted(Event, frozen=True):
    """The model is asked to sum up the conversation; the text that follows is the summary.

    Attributes:
        tokens: how many the conversation takes, roughly.
        window: how many it may take, or None if that is unknown.
    """

    tokens: int
    window: int | None


class Compacted(Event, frozen=True):
    """The summary stands in the place of all that was said before."""

    summary: str
    usage: Usage
    cost_usd: float | None


class CompactionFailed(Event, frozen=True):
    """The conversation is as it was."""

    reason: str


# -- a turn ------------------------------------------------------------------------------------


class TurnStarted(Event, frozen=True):
    turn: int
    attempt: int


class TurnDiscarded(Event, frozen=True):
    """The attempt never happened; a face takes back what it showed since TurnStarted."""

    turn: int
    attempt: int
    reason: str


class Retrying(Event, frozen=True):
    """The request goes out again in `delay` seconds."""

    attempt: int
    delay: float
    reason: str


class TurnEnded(Event, frozen=True):
    """The turn is part of the conversation; everything shown since TurnStarted stands.

    Attributes:
        ttft: seconds from the request to its first text, thinking or tool token.
        overlap: seconds of tool time hidden behind the stream.
        message: what was committed; no blocks where the model said nothing to keep.
    """

    turn: int
    stop_reason: StopReason
    usage: Usage
    cost_usd: float | None
    ttft: float | None
    overlap: float
    message: Message


# -- what the model streams --------------------------------------------------------------------

# `gc=False`: there are many of these, and a feed holds the latest of them. The garbage collector
# does not count them, and each is 16 bytes smaller.


class TextDelta(Event, frozen=True, gc=False):
    """A fragment of visible text. Fragments of one `index` join with no separator."""

    index: int
    text: str


class ThinkingDelta(Event, frozen=True, gc=False):
    index: int
    text: str


class ToolCallStarted(Event, frozen=True):
    index: int
    id: str
    name: str


class ToolInputDelta(Event, frozen=True, gc=False):
    """A fragment of a call's arguments: not JSON until the call is ready."""

    id: str
    json: str


class ToolCallReady(Event, frozen=True):
    """The call is sealed: its arguments are whole."""

    id: str
    name: str
    input: dict[str, Any]


# -- what the tools do -------------------------------------------------------------------------


class ApprovalRequested(Event, frozen=True):
    id: str
    name: str
    input: dict[str, Any]


class ApprovalGiven(Event, frozen=True):
    id: str
    allowed: bool


class ToolStarted(Event, frozen=True):
    id: str
    name: str


class ToolProgress(Event, frozen=True):
    """`fraction` is between 0 and 1, or None where the tool cannot tell."""

    id: str
    message: str
    fraction: float | None


class ToolFinished(Event, frozen=True):
    """A call has its result.

    Attributes:
        output: what the model is told.
        seconds: how long the tool ran.
        reused: the result is that of an equal call in an attempt that was discarded.
    """

    id: str
    name: str
    output: str | tuple[Text | Image, ...]
    is_error: bool
    seconds: float
    reused: bool


Delta = TextDelta | ThinkingDelta | ToolInputDelta
RunEvent = (
    RunStarted
    | RunEnded
    | Interrupted
    | Prompted
    | CompactionStarted
    | Compacted
    | CompactionFailed
    | TurnStarted
    | TurnDiscarded
    | Retrying
    | TurnEnded
    | TextDelta
    | ThinkingDelta
    | ToolCallStarted
    | ToolInputDelta
    | ToolCallReady
    | ApprovalRequested
    | ApprovalGiven
    | ToolStarted
    | ToolProgress
    | ToolFinished
)
