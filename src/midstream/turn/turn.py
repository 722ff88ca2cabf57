"""One response, from its first event to a message that can be sent back.

A call may run while the response still streams, so everything hangs on knowing when it is whole. It
is *sealed* when its block has closed and its arguments are one valid JSON object: no proper prefix
of a JSON object is a JSON object, so a call that was cut short can never be sealed. Two kinds of
closed blocks are in doubt, since a cut may look the same: no arguments at all, and arguments that
are not JSON. A later block, or the stop reason, settles them.
"""

from collections.abc import Callable, Mapping
from enum import Enum

import msgspec
from msgspec import Struct

from midstream.errors import ProtocolError, StreamInterrupted
from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta
from midstream.messages import Block, Message, Opaque, StopReason, ToolCall, Usage
from midstream.stream import (
    BlockEnded,
    BlockStarted,
    HandedOver,
    OpaqueArrived,
    ResponseEnded,
    ResponseStarted,
    ResponseStopped,
    StreamEvent,
    TextCited,
    ThinkingSigned,
    UsageCounted,
)
from midstream.turn.block import Kind, OpenBlock
from midstream.wire.json import NotJson, read_object


class State(Enum):
    # By identity, in C: Enum's own hash is Python, and would cost each event 0.2 µs.
    __hash__ = object.__hash__

    WAITING = "nothing has come"
    STREAMING = "blocks are coming"
    STOPPED = "the stop reason is known"
    ENDED = "whole"
    BROKEN = "the protocol was violated"


# What may follow what. A pair that is not here breaks the turn.
NEXT: dict[tuple[State, type[StreamEvent]], State] = {
    (State.WAITING, ResponseStarted): State.STREAMING,
    (State.WAITING, BlockEnded): State.WAITING,  # seen before the start; ends nothing
    (State.STREAMING, UsageCounted): State.STREAMING,
    (State.STREAMING, BlockStarted): State.STREAMING,
    (State.STREAMING, TextDelta): State.STREAMING,
    (State.STREAMING, TextCited): State.STREAMING,
    (State.STREAMING, ThinkingDelta): State.STREAMING,
    (State.STREAMING, ThinkingSigned): State.STREAMING,
    (State.STREAMING, ToolCallStarted): State.STREAMING,
    (State.STREAMING, ToolInputDelta): State.STREAMING,
    (State.STREAMING, OpaqueArrived): State.STREAMING,
    (State.STREAMING, HandedOver): State.STREAMING,
    (State.STREAMING, BlockEnded): State.STREAMING,
    (State.STREAMING, ResponseStopped): State.STOPPED,
    (State.STOPPED, UsageCounted): State.STOPPED,
    (State.STOPPED, OpaqueArrived): State.STOPPED,
    (State.STOPPED, BlockEnded): State.STOPPED,
    (State.STOPPED, ResponseStopped): State.STOPPED,
    (State.STOPPED, ResponseEnded): State.ENDED,
    (State.ENDED, UsageCounted): State.ENDED,  # nothing that follows the end changes the message
    (State.ENDED, ResponseEnded): State.ENDED,
}

# The response was cut by a limit or by the provider: what was still open was never finished.
CUT = frozenset({StopReason.MAX_TOKENS, StopReason.CONTEXT_WINDOW, StopReason.REFUSAL})


class SealedCall(Struct, frozen=True):
    """A call that is whole. With a `problem` it is to be answered with that, and not to run."""

    call: ToolCall
    problem: str = ""


NO_CALLS: tuple[SealedCall, ...] = ()
Begins = Callable[[Kind], None]


class Turn:
    """Assembles a response. Feed it every stream event; it hands back each call once, when sealed.

    Args:
        max_arguments: the most characters that one call's arguments may have.
        begins: told of each text and thinking with its first fragment, and of each call.
    """

    def __init__(self, max_arguments: int = 8 << 20, begins: Begins | None = None) -> None:
        self.state = State.WAITING
        self.stop = StopReason.UNKNOWN
        self.stop_word = ""
        self.stop_detail = ""
        self.model = ""
        self.usage = Usage()
        self._begins: Begins = begins or (lambda kind: None)
        self._max_arguments = max_arguments
        self._blocks: dict[int, OpenBlock] = {}
        self._calls: dict[str, OpenBlock] = {}
        self._doubtful: list[OpenBlock] = []
        self._gone: list[int] = []
        self._untaken: set[int] = set()  # blocks of which `take` has not had all

    def feed(self, event: StreamEvent) -> tuple[SealedCall, ...]:
        """Take one event; return the calls that it sealed.

        Raises:
            ProtocolError: the event may not come now, or not for this block. The turn is then
                BROKEN for good.
        """
        try:
            self.state = NEXT[self.state, type(event)]
            return self._apply(event)
        except (KeyError, ProtocolError) as error:
            previous, self.state = self.state, State.BROKEN
            if isinstance(error, ProtocolError):
                raise
            raise ProtocolError(f"{type(event).__name__} while {previous.value}") from error

    def _apply(  # noqa: C901 - one line for each event there is
        self, event: StreamEvent
    ) -> tuple[SealedCall, ...]:
        match event:
            # Fragments without patterns for their fields, which took 2,000 instructions.
            case TextDelta():
                self._block(event.index, Kind.TEXT).parts.append(event.text)
            case ToolInputDelta():
                self._add_input(self._calls[event.id], event.json)
            case ThinkingDelta():
                self._block(event.index, Kind.THINKING).parts.append(event.text)
            case ThinkingSigned(index, signature):
                self._block(index, Kind.THINKING).signature = signature
            case TextCited(index, citation):
                self._block(index, Kind.TEXT).citations.append(citation)
            case BlockStarted(index):
                return self._start(index, OpenBlock())
            case ToolCallStarted(index, call_id, name):
                self._begins(Kind.CALL)
                block = self._calls[call_id] = OpenBlock(Kind.CALL, call_id, name)
                return self._start(index, block)
            case OpaqueArrived(index, opaque):
                self._keep(index, opaque)
            case BlockEnded(index):
                return self._close(index)
            case HandedOver(model):
                self._hand_over(model)
            case ResponseStarted(model):
                self.model = model
            case UsageCounted(usage):
                self.usage = usage
            case ResponseStopped(reason, word, detail):
                self.stop, self.stop_word, self.stop_detail = reason, word, detail
                return self._settle_doubts()
            case ResponseEnded():
                self._check_closed()
                return self._settle_doubts()  # of blocks that closed after the stop reason
        return NO_CALLS

    # -- blocks --------------------------------------------------------------------------------

    def _start(self, index: int, block: OpenBlock) -> tuple[SealedCall, ...]:
        if index in self._blocks:
            raise ProtocolError(f"block {index} began twice")
        self._blocks[index] = block
        self._untaken.add(index)
        # A block that begins after a doubtful one shows that nothing was cut there.
        certain, self._doubtful = self._doubtful, []
        return tuple(self._seal(doubtful) for doubtful in certain)

    def _block(self, index: int, kind: Kind) -> OpenBlock:
        block = self._blocks[index]
        if block.kind is not kind:
            if block.kind is not Kind.NEW:
                raise ProtocolError(f"block {index} is {block.kind.value}, not {kind.value}")
            block.kind = kind
            self._begins(kind)
        if block.closed:
            raise ProtocolError(f"block {index} had ended")
        return block

    def _add_input(self, block: OpenBlock, fragment: str) -> None:
        if block.closed:
            raise ProtocolError(f"the call {block.id} had ended")
        block.parts.append(fragment)
        block.size += len(fragment)
        if block.size > self._max_arguments:
            raise ProtocolError(f"arguments larger than {self._max_arguments:,} characters")

    def _keep(self, index: int, opaque: Opaque) -> None:
        block = self._blocks.setdefault(index, OpenBlock())
        block.opaque = opaque
        self._untaken.add(index)
        if block.kind is Kind.NEW:
            block.kind, block.closed = Kind.OPAQUE, True

    def _close(self, index: int) -> tuple[SealedCall, ...]:
        block = self._blocks.get(index)
        if block is None or block.closed:
            return NO_CALLS
        block.closed = True
        if block.kind is not Kind.CALL or self.stop in CUT:
            return NO_CALLS
        try:
            block.call = block.to_call(read_object("".join(block.parts)))
        except NotJson as error:
            block.doubt = str(error)
            self._doubtful.append(block)
            return NO_CALLS
        return (self._seal(block),)

    def _seal(self, block: OpenBlock) -> SealedCall:
        """The call of a block that is whole, be its arguments in order or not."""
        text = "".join(block.parts)
        if block.call:
            return SealedCall(block.call)
        block.call = block.to_call({})
        if not text.strip():
            return SealedCall(block.call)
        invalid = msgspec.json.encode({"INVALID_JSON": text}).decode()
        return SealedCall(block.call, f"The arguments are not JSON ({block.doubt}): {invalid}")

    def _settle_doubts(self) -> tuple[SealedCall, ...]:
        doubtful, self._doubtful = self._doubtful, []
        if self.stop in CUT:
            return NO_CALLS
        sealed = [self._seal(block) for block in doubtful]
        if self.stop is StopReason.TOOL_USE:
            return tuple(sealed)
        # Nothing says that these calls had no more arguments to come, so they must not run; but
        # the model asked, and it is told.
        unsure = f"Not run: the response ended ({self.stop_word}) with its arguments in doubt."
        return tuple(SealedCall(each.call, each.problem or unsure) for each in sealed)

    def _hand_over(self, model: str) -> None:
        gone = (Kind.THINKING, Kind.CALL)
        self._gone += [i for i, block in self._blocks.items() if block.kind in gone]
        self._blocks = {i: block for i, block in self._blocks.items() if block.kind not in gone}
        self._doubtful = []  # what the first model left in doubt it never finished
        self.model = model or self.model

    def _check_closed(self) -> None:
        if self.stop in CUT:
            return
        for block in self._blocks.values():
            if block.kind is Kind.CALL and not block.closed:
                raise ProtocolError(f"the response ended inside the call {block.name}")

    # -- the result ----------------------------------------------------------------------------

    @property
    def calls(self) -> Mapping[str, OpenBlock]:
        """Every call that began, in order, by id: for those who ask why one did not seal."""
        return self._calls

    def check_whole(self) -> None:
        """Raise StreamInterrupted if the stream stopped before the response did."""
        if self.state is not State.ENDED:
            raise StreamInterrupted(f"the stream ended too early: {self.state.value}")

    def message(self) -> Message:
        """The assistant's message; the turn must be whole.

        Calls that a limit cut off are not in it, nor is thinking that it left unsigned.
        """
        self.check_whole()
        return self._message(cut=self.stop in CUT)

    def settled(self) -> Message:
        """What may be kept of a turn that was stopped: what was shown and can be sent back."""
        return self._message(cut=True)

    def take(self, open_end: Callable[[str], int]) -> list[tuple[int, Block | None]]:
        """What `settled` has gained since the last time, by block; None for a block it has lost.

        Args:
            open_end: how many characters at the end of a text that grows are left for the next.
        """
        gone, self._gone = self._gone, []
        taken: list[tuple[int, Block | None]] = [(index, None) for index in gone]
        for index in sorted(self._untaken & self._blocks.keys()):
            block = self._blocks[index]
            if gained := block.take(open_end):
                taken.append((index, gained))
            if block.closed and (gained or block.kind is Kind.TEXT):
                self._untaken.discard(index)
        return taken

    def _message(self, *, cut: bool) -> Message:
        ordered = [self._blocks[index] for index in sorted(self._blocks)]
        blocks = (block.finished(cut=cut) for block in ordered)
        return Message("assistant", tuple(block for block in blocks if block))
