"""One turn as bars on a time axis: what its answer was made of, and which tools ran meanwhile."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from midstream.journal.records import (
    Approved,
    CallBegan,
    CallEnded,
    Committed,
    Discarded,
    Part,
    PartKind,
    Record,
    Wrote,
)
from midstream.messages import Message, ToolCall

BarKind = Literal[
    "waiting", "thinking", "text", "tool_call", "lost", "pause", "summary", "approval", "tool"
]  # fmt: skip
TurnEnd = Literal["committed", "stopped", "discarded", "died"]
UNSURE_S = 0.02  # a row is made a little before a tool begins, and a little after it has ended


class Span(Struct, frozen=True):
    """In seconds since the run began."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.begin_s


class Bar(Span, frozen=True, kw_only=True, omit_defaults=True):
    """Something that took time.

    Attributes:
        kind: "waiting" is for the first token, "lost" a request whose answer was discarded,
            "pause" the time until it was asked for again, "summary" a compaction, "approval" for
            which a call waited, "tool" a call at work; the others are the parts of an answer, as it
            streamed.
        name, input, call_id: of a tool's call.
        hidden: of a tool: when an answer streamed meanwhile, so that nobody waited for it.
        failed: the call's result is an error, or the approval was not given.
        ended: False where no row tells the end: the process died before.
        reason: why it was lost.
    """

    kind: BarKind
    name: str = ""
    input: dict[str, Any] = {}
    call_id: str = ""
    hidden: tuple[Span, ...] = ()
    failed: bool = False
    ended: bool = True
    reason: str = ""

    @property
    def hidden_s(self) -> float:
        return sum(span.seconds for span in self.hidden)


class Turn(Struct, frozen=True):
    """One turn, over all its attempts, and the compactions before it.

    Attributes:
        number: 0 for a compaction that the user asked for.
        words: what the user had said since the turn before.
        stream: one after the other.
        tools: in the order in which they began; they may lie side by side.
        end: None while it goes on.
        approvals: that somebody was asked for.
    """

    number: int
    words: str
    stream: tuple[Bar, ...]
    tools: tuple[Bar, ...]
    end: TurnEnd | None
    approvals: tuple[Bar, ...] = ()

    @property
    def bars(self) -> tuple[Bar, ...]:
        return (*self.stream, *self.approvals, *self.tools)

    @property
    def calls(self) -> list[tuple[Bar, ...]]:
        """The bars of each call: for its approval and of its work, whichever there is."""
        waits = list(self.approvals)
        calls: list[tuple[Bar, ...]] = []
        for tool in self.tools:
            own = [bar for bar in waits if bar.call_id == tool.call_id and bar.end_s <= tool.end_s]
            waits = [bar for bar in waits if bar not in own]
            calls.append((*own, tool))
        return sorted([*calls, *((bar,) for bar in waits)], key=lambda bars: bars[0].begin_s)


class TurnFold:
    """The bars of one turn. Times are in seconds since the run began."""

    def __init__(self, number: int, words: str) -> None:
        self.stopped_at: float | None = None
        self._number = number
        self._words = words
        self._stream: list[Bar] = []
        self._tools: list[Bar] = []
        self._streams: list[Span] = []  # each request, until its answer had come or was lost
        self._asked: float | None = None  # the request that is out
        self._lost: float | None = None
        self._wrote: float | None = None
        self._whole: dict[str, tuple[float, ToolCall]] = {}  # calls, and since when
        self._approvals: list[Bar] = []

    def asked(self, at: float) -> None:
        self._pause(at)
        self._asked, self._wrote = at, None

    def compacted(self, at: float, took_s: float) -> None:
        begin = min(max(at - took_s, self._lost or 0.0), at)
        self._pause(begin)
        self._stream.append(Bar(begin, at, kind="summary"))

    def add(self, at: float, record: Record) -> None:
        match record:
            case Wrote(_, _, block):
                self._wrote = at if self._wrote is None else self._wrote
                if isinstance(block, ToolCall):
                    self._whole[block.id] = at, block
            case Approved() if found := self._whole.get(record.call_id):
                since, call = found
                if not record.asked:
                    return
                if record.waited_s is not None:
                    since = max(since, at - record.waited_s)
                bar = Bar(since, at, kind="approval", name=call.name, input=call.input,
                          call_id=call.id, failed=not record.allowed)  # fmt: skip
                self._approvals.append(bar)
            case CallBegan(_, call_id, name, given):
                bar = Bar(at, at, kind="tool", name=name, input=given, call_id=call_id, ended=False)
                self._tools.append(bar)
            case CallEnded(_, result):
                self._end_call(result.call_id, at, failed=result.is_error)
            case Discarded(reason=reason) if self._asked is not None:
                self._stream.append(Bar(self._asked, at, kind="lost", reason=reason))
                self._stream_ends(at)
                self._lost = at
            case _:
                pass

    def committed(self, at: float, turn: Committed) -> None:
        if self._asked is None:  # stopped before it was asked, or asked again
            self._pause(at)
            return
        streamed = turn.streamed
        ended = self._guess(at, turn) if streamed is None else min(self._asked + streamed, at)
        ended = max(ended, self._asked)
        parts = turn.parts
        if not parts and turn.ttft is not None:
            parts = (Part(_kind(turn.message), turn.ttft),)
        self._parts(self._asked, ended, parts)
        self._stream_ends(ended)

    def finished(self, end: TurnEnd | None, at: float) -> Turn:
        if self._asked is not None:  # neither whole nor lost: what was there of it is not told
            first = (Part("text", self._wrote - self._asked),) if self._wrote is not None else ()
            self._parts(self._asked, at, first)
            self._stream_ends(at)
        elif end is None or end == "died":
            self._pause(at)
        tools = [self._seen(bar if bar.ended else _until(bar, at)) for bar in self._tools]
        stream, approvals = tuple(self._stream), tuple(self._approvals)
        return Turn(self._number, self._words, stream, tuple(tools), end, approvals)

    def _pause(self, at: float) -> None:
        if self._lost is not None:
            self._stream.append(Bar(self._lost, at, kind="pause"))
            self._lost = None

    def _parts(self, asked: float, ended: float, parts: Sequence[Part]) -> None:
        begins = [max(asked, min(asked + part.began_s, ended)) for part in parts]
        edges = [asked, *begins, ended]
        kinds: list[BarKind] = ["waiting", *(part.kind for part in parts)]
        spans = zip(kinds, edges, edges[1:], strict=False)
        self._stream += [Bar(begin, end, kind=kind) for kind, begin, end in spans]

    def _stream_ends(self, at: float) -> None:
        if self._asked is not None:
            self._streams.append(Span(self._asked, at))
            self._asked = None

    def _end_call(self, call_id: str, at: float, *, failed: bool) -> None:
        for place, bar in enumerate(self._tools):
            if bar.call_id == call_id and not bar.ended:
                self._tools[place] = replace(_until(bar, at), failed=failed, ended=True)
                return

    def _guess(self, at: float, turn: Committed) -> float:
        """When the stream ended, where the journal is too old to say: it has the overlap."""
        tools = [bar for bar in self._tools if bar.begin_s >= (self._asked or 0.0)]
        edges = sorted({edge for bar in tools for edge in (bar.begin_s, bar.end_s)})
        left = turn.overlap
        if left >= sum(bar.seconds for bar in tools) - UNSURE_S * len(tools):
            return at  # nothing was waited for, so that the turn ended with its stream
        for begin, end in pairwise(edges):
            running = sum(bar.begin_s <= begin < bar.end_s for bar in tools)
            if running * (end - begin) > left:
                return begin + left / running
            left -= running * (end - begin)
        return at

    def _seen(self, tool: Bar) -> Bar:
        spans = (
            Span(max(tool.begin_s, each.begin_s), min(tool.end_s, each.end_s))
            for each in self._streams
        )
        return replace(tool, hidden=tuple(span for span in spans if span.seconds > 0))


def _until(bar: Bar, at: float) -> Bar:
    return replace(bar, end_s=at)


def _kind(message: Message) -> PartKind:
    calls_only = message.blocks and all(isinstance(each, ToolCall) for each in message.blocks)
    return "tool_call" if calls_only else "text"
