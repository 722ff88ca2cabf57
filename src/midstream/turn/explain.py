"""What became of each record of a stream, and of each call: for those who ask why one did not fire.

An observer of the same reader, decoder and turn that a run uses; it decides nothing itself.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from midstream.errors import (
    MidstreamError,
    ProtocolError,
    ProviderError,
    StreamError,
    StreamInterrupted,
)
from midstream.events import ToolCallStarted
from midstream.stream import BlockEnded, HandedOver, StreamEvent
from midstream.turn.block import OpenBlock
from midstream.turn.explained import CallStory, Dialect, Doubt, Explained, Place, Trouble, Verdict
from midstream.turn.turn import CUT, SealedCall, State, Turn
from midstream.wire.json import NotJson, read_object
from midstream.wire.observed import Seen, SseObserver
from midstream.wire.sse import SseRecord

CUT_OFF = "the input ends inside this record: "


class Explainer:
    """Feed it the stream in any chunks, then ask for the `rest` and the `verdict`."""

    def __init__(self, dialect: Dialect, max_record: int = 16 << 20) -> None:
        self._dialect = dialect
        self._stream = SseObserver(max_record)
        self._decoder = dialect.decoder()
        self._turn = Turn()
        self._records = 0
        self._unread = 0
        self._over = ""  # why no record is read any more
        self._lost = False  # …nor can they be told apart
        self._trouble: Trouble | None = None
        self._open: dict[int, str] = {}  # calls by their block
        self._sealed: dict[str, tuple[Place, str]] = {}
        self._withdrawn = 0  # so many of the calls went when another model took over

    def feed(self, chunk: bytes) -> list[Explained]:
        """What `chunk` completes."""
        return self._explain(self._stream.feed(chunk))

    def rest(self) -> list[Explained]:
        """What the end of the stream left open, and what the end itself became."""
        explained = self._explain(self._stream.rest())
        if self._over:
            return explained
        place = Place(self._records, self._stream.size)
        became = self._take(self._decoder.end, place)
        name = "end of the stream"
        came = Explained(None, place.offset, name, "", became, trouble=self._trouble)
        return [*explained, came] if became or self._trouble else explained

    def _explain(self, stream: Iterator[Seen]) -> list[Explained]:
        explained: list[Explained] = []
        try:
            if not self._lost:
                explained.extend(self._read(seen) for seen in stream)
        except ProtocolError as error:
            self._lost = True
            if not self._over:
                place = Place(self._records + 1, self._stream.open)
                self._fail(error, place)
                came = Explained(place.record, place.offset, "too large", "", (), "", self._trouble)
                explained.append(came)
        return explained

    # -- records -------------------------------------------------------------------------------

    def _read(self, seen: Seen) -> Explained:
        record, offset = seen.record, seen.offset
        if record is None:
            name, note = unread(seen)
            return Explained(None, offset, name, seen.line.decode(errors="replace"), note=note)
        self._records += 1
        place = Place(self._records, offset)
        came = Explained(place.record, offset, record.event, record.text)
        if self._over:
            self._unread += 1
            return replace(came, note=f"not read: {self._over}")
        decoded = partial(self._decoder.feed, record)
        became = self._take(decoded, place, "" if seen.ended else CUT_OFF)
        note = "" if became or self._trouble else self._dialect.passed_over(record)
        return replace(came, became=became, note=note, trouble=self._trouble)

    def _take(
        self, decoded: Callable[[], Iterable[StreamEvent]], place: Place, beside: str = ""
    ) -> tuple[StreamEvent | SealedCall | Doubt, ...]:
        """What the decoder tells, with what that does to calls."""
        became: list[StreamEvent | SealedCall | Doubt] = []
        try:
            for event in decoded():
                became.append(event)
                became += self._follow(event, place)
        except MidstreamError as error:
            self._fail(error, place, beside)
        if self._turn.state is State.ENDED:
            self._over = "the response had ended"
        return tuple(became)

    def _fail(self, error: MidstreamError, place: Place, beside: str = "") -> None:
        self._trouble = trouble(error, place, beside)
        self._over = "the turn had failed"

    def _follow(self, event: StreamEvent, place: Place) -> Iterator[SealedCall | Doubt]:
        """Let the turn have the event, and tell what that did to calls."""
        for sealed in self._turn.feed(event):
            self._sealed[sealed.call.id] = place, sealed.problem
            yield sealed
        match event:
            case ToolCallStarted(index, call_id):
                self._open[index] = call_id
            case BlockEnded(index) if index in self._open:
                block = self._turn.calls[self._open.pop(index)]
                if block.doubt:
                    yield Doubt(block.name, doubt(block))
            case HandedOver():
                self._withdrawn = len(self._turn.calls)
            case _:
                pass

    # -- the end -------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        turn, whole = self._turn, self._turn.state is State.ENDED
        return Verdict(
            turn.message() if whole else turn.settled(),
            turn.stop if turn.stop_word else None,
            turn.usage,
            whole,
            None if whole else self._trouble or self._cut_short(),
            turn.model,
            turn.stop_word,
            turn.stop_detail,
            tuple(self._story(order, block) for order, block in enumerate(turn.calls.values())),
            self._unread,
        )

    def _cut_short(self) -> Trouble:
        if not self._records:
            return self._no_stream()
        missing = {
            State.WAITING: "no response began in it",
            State.STREAMING: f"neither a stop reason nor {self._dialect.last} came",
            State.STOPPED: f"{self._turn.stop_word} came, but not {self._dialect.last}",
        }
        words = f"the stream ended too early: {missing[self._turn.state]}"
        return trouble(StreamInterrupted(words), Place(0, self._stream.size))

    def _no_stream(self) -> Trouble:
        place, looks = Place(0, self._stream.size), self._stream.looks()
        if not self._stream.size:
            return trouble(StreamInterrupted("the input is empty"), place)
        if looks == "JSON":
            with suppress(StreamError):
                try:
                    tuple(self._decoder.feed(SseRecord(self._stream.body)))
                except ProviderError as error:  # the answer was no, and so it was no stream
                    return trouble(error, place)
        words = "no server-sent event in the input"
        return trouble(ProtocolError(f"{words}, which is {looks}" if looks else words), place)

    def _story(self, order: int, block: OpenBlock) -> CallStory:
        place, problem = self._sealed.get(block.id, (None, ""))
        if order < self._withdrawn:
            problem = "withdrawn: another model took over"
        elif problem and block.size:
            problem = f"answered with an error, not run: {doubt(block)}"
        elif not place:
            problem = self._why_open(block)
        return CallStory(block.id, block.name, place, problem)

    def _why_open(self, block: OpenBlock) -> str:
        cut = f"the response was cut ({self._turn.stop_word})" if self._turn.stop in CUT else ""
        if not block.closed:
            why = f"{cut} before its block ended" if cut else "its block never ended"
            return f"{why}; {block.size:,} characters of its arguments had come"
        if cut:
            return f"{cut}, so that its arguments may not be whole"
        return f"{doubt(block)}; a later block or the stop reason settles that, and neither came"


def doubt(block: OpenBlock) -> str:
    """Why the arguments of a block that has ended are in doubt, and where they stop being JSON."""
    text = "".join(block.parts)
    if not text.strip():
        return "no arguments came"
    words = f"its arguments are not a JSON object: {block.doubt}"
    try:
        read_object(text)
    except NotJson as error:
        if isinstance(error.__cause__, json.JSONDecodeError):
            words += f", after {text[: error.__cause__.pos][-24:]!r}"
    return words


def trouble(error: MidstreamError, place: Place, beside: str = "") -> Trouble:
    words, record = beside + str(error), place.record or None
    match error:
        case ProviderError(kind=kind, status=status, request_id=request_id):
            return Trouble(kind, words, status, request_id, record, place.offset)
        case StreamError(kind=kind):
            return Trouble(kind, words, None, None, record, place.offset)
        case _:
            raise error


def unread(seen: Seen) -> tuple[str, str]:
    """A name for lines that are no record, and why the standard has a reader pass over them."""
    if seen.line.startswith(b":"):
        return "comment", ""
    if seen.line.startswith(b"HTTP/"):
        return "headers", "the headers of an HTTP answer: passed over"
    name = seen.line.partition(b":")[0]
    if not any(field.startswith(name) for field in (b"data", b"event", b"id", b"retry")):
        return "no event", "passed over: not a server-sent event"
    if not seen.ended:
        return "cut off", "the input ends inside it"
    return "no data", "passed over: an event without data is none"
