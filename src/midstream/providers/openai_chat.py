"""Chat Completions, the answer: records in, stream events out.

The wire has no blocks. One begins here with its first fragment, and ends when words of another kind
or a call begin, or with the finish reason; a call ends when the next one begins, if its arguments
are whole by then. The finish reason is held back until the stream ends: usage, and sometimes more,
comes behind it.
"""

from collections.abc import Sequence

from midstream.events import TextDelta, ThinkingDelta
from midstream.messages import Opaque, StopReason
from midstream.providers.openai_chat_calls import Calls
from midstream.providers.openai_chat_wire import (
    DECODER,
    DONE,
    Choice,
    Chunk,
    Delta,
    Json,
    failure,
    joined_details,
    reread,
    usage,
    words,
)
from midstream.providers.refusals import refusal_in_stream
from midstream.providers.safe import Halves, clean, objects
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    OpaqueArrived,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
    UsageCounted,
)
from midstream.wire.sse import SseRecord

PROVIDER = "openai-chat"
REASONS = {
    "stop": StopReason.END_TURN,
    "eos": StopReason.END_TURN,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "length": StopReason.MAX_TOKENS,
    "model_length": StopReason.CONTEXT_WINDOW,  # Mistral
    "content_filter": StopReason.REFUSAL,
}
# With these the last call may be cut anywhere.
CUT = frozenset({StopReason.MAX_TOKENS, StopReason.CONTEXT_WINDOW, StopReason.REFUSAL})
# Not reasons but failures: the server gave up.
FAILURES = {"error": "api_error", "insufficient_system_resource": "overloaded_error"}
Words = type[TextDelta] | type[ThinkingDelta]
NOTHING: Sequence[StreamEvent] = ()
NO_CHOICE = Choice()


def cuts(word: str) -> bool:
    """Whether a finish reason says that the response is not whole."""
    return REASONS.get(word) in CUT or word in FAILURES


class ChatDecoder:
    """One response's records, decoded.

    Args:
        provider: whose server it is; what rides on blocks goes back to that one only.
    """

    def __init__(self, provider: str = PROVIDER) -> None:
        self._provider = provider
        self._events: list[StreamEvent] = []
        self._halves = Halves()
        self._calls = Calls(provider, self._halves, self._begin, self._tell)
        self._started = False
        self._ended = False
        self._finish = ""
        self._blocks = 0
        self._open: tuple[Words, int] | None = None  # the words that are open, and their block
        self._details: list[Json] = []  # of the thinking that is open
        self._refusal: list[str] = []

    def feed(self, record: SseRecord) -> Sequence[StreamEvent]:
        """Decode one record.

        Raises:
            ProviderError: the record is the server's error.
            ProtocolError: the record is no chunk, or holds fragments that belong nowhere.
        """
        if self._ended:
            return NOTHING
        try:
            chunk = DECODER.decode(record.data)
        except (ValueError, RecursionError):
            if record.data.lstrip().startswith(DONE):
                return self._end(marked=True)
            self._halves.seen = True
            chunk = reread(record)
        if chunk.error or chunk.object == "error" or record.name == b"error":
            raise failure(record)
        self._read(chunk)
        return self._told()

    def end(self) -> Sequence[StreamEvent]:
        """Servers leave out `[DONE]`, and a finish reason is as good. Without both it was a cut."""
        return self._end(marked=False)

    def _tell(self, event: StreamEvent) -> None:
        self._events.append(event)

    def _told(self) -> list[StreamEvent]:
        told, self._events = self._events, []
        return told

    def _read(self, chunk: Chunk) -> None:
        choice = NO_CHOICE
        for each in chunk.choices or ():
            if not each.index:
                choice = each
                break
        counts = chunk.usage or choice.usage or (chunk.x_groq and chunk.x_groq.usage)
        if not self._started and (chunk.model or chunk.choices or counts):
            self._started = True
            self._tell(ResponseStarted(clean(chunk.model or "")))
        if counts:
            self._tell(UsageCounted(usage(counts)))
        if choice.delta:
            self._add(choice.delta)
        if choice.finish_reason:
            self._finish_with(clean(choice.finish_reason))

    def _finish_with(self, word: str) -> None:
        """Servers repeat the reason; one that says that something is missing is the last word."""
        if cuts(word):
            self._finish = self._finish if cuts(self._finish) else word
            return
        self._finish = self._finish or word
        if not cuts(self._finish):
            self._end_words()
            self._calls.end()

    # -- content -------------------------------------------------------------------------------

    def _add(self, delta: Delta) -> None:
        # Each field is looked at before more is done: most fragments have one of them.
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
            self._think(delta)
        if content := delta.content:
            if isinstance(content, str):
                self._say(TextDelta, content)
            else:
                for is_thinking, text in words(content):
                    self._say(ThinkingDelta if is_thinking else TextDelta, text)
        if delta.refusal:
            self._refusal.append(clean(delta.refusal))
            self._say(TextDelta, delta.refusal)
        if delta.annotations:
            for citation in objects(delta.annotations):
                self._tell(TextCited(self._block(TextDelta), clean(citation)))
        if delta.tool_calls or delta.function_call:
            for fragment in delta.fragments:
                self._calls.add(fragment)

    def _think(self, delta: Delta) -> None:
        if thinking := delta.thinking:
            self._say(ThinkingDelta, thinking)
        if details := delta.details:
            self._block(ThinkingDelta)
            self._details += clean(details)

    def _say(self, kind: Words, text: str) -> None:
        index = self._block(kind)
        if text := self._halves.joined(index, text):
            self._tell(kind(index, text))

    def _block(self, kind: Words) -> int:
        """The block of this kind that is open, or else one that begins."""
        if self._open and self._open[0] is kind:
            return self._open[1]
        index = self._begin()
        self._open = kind, index
        self._tell(BlockStarted(index))
        return index

    def _begin(self) -> int:
        self._end_words()
        self._blocks += 1
        return self._blocks - 1

    def _end_words(self) -> None:
        if not self._open:
            return
        (_, index), self._open = self._open, None
        if self._details:
            details, self._details = joined_details(self._details), []
            rider = Opaque(self._provider, {"reasoning_details": details})
            self._tell(OpaqueArrived(index, rider))
        self._tell(BlockEnded(index))

    # -- the end -------------------------------------------------------------------------------

    def _end(self, *, marked: bool) -> Sequence[StreamEvent]:
        # Some servers never give a reason. Their mark is then believed if no call contradicts it;
        # nor is a reason believed by a call that began behind it.
        whole = cuts(self._finish) or self._calls.are_whole()
        if self._ended or not (whole and (self._finish or marked)):
            return NOTHING
        self._ended = True
        if self._finish in FAILURES:
            raise refusal_in_stream({"type": FAILURES[self._finish], "message": self._finish})
        if cuts(self._finish):
            self._details = []  # thinking that is not whole is not taken back
        self._end_words()
        self._tell(self._stop())
        self._calls.close()
        self._tell(ResponseEnded())
        return self._told()

    def _stop(self) -> ResponseStopped:
        reason = REASONS.get(self._finish or "stop", StopReason.UNKNOWN)
        if reason is StopReason.END_TURN and self._refusal:
            return ResponseStopped(StopReason.REFUSAL, "refusal", "".join(self._refusal))
        if reason is StopReason.END_TURN and self._calls:
            reason = StopReason.TOOL_USE  # "stop" is what follows a call that was asked for by name
        return ResponseStopped(reason, self._finish or "[DONE]")
