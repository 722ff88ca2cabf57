"""The turn that is under way, as its records tell it: what is left when the process dies.

A run that lives settles its turn itself. When the process died, the next one does it from here.
"""

from collections import Counter
from collections.abc import Iterable

from midstream.journal.records import (
    Began,
    CallBegan,
    CallEnded,
    Discarded,
    Record,
    Wrote,
)
from midstream.messages import Block, Message, Text, ToolCall, ToolResult
from midstream.wire.json import canonical

NOT_STARTED = "Not started: the process ended before it could run."
UNKNOWN = "Outcome unknown: the process ended while it ran. It may have had its effect, or not."

Key = tuple[str, str, int]  # the tool, its input, the ordinal among equal calls


class OpenTurn:
    """A fold over the records since the last turn was committed.

    Attributes:
        number: the turn's; 0 when none has begun.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.number = 0
        self._blocks: dict[int, Block] = {}
        self._begun: dict[Key, CallBegan] = {}  # of every attempt
        self._ended: dict[str, ToolResult] = {}
        for record in records:
            self.fold(record)

    def fold(self, record: Record) -> None:
        match record:
            case Began(turn, _):
                self.number = turn
                self._blocks = {}
            case Discarded():
                self._blocks = {}
            case Wrote(_, index, block):
                self._write(index, block)
            case CallBegan(_, _, name, arguments, _, ordinal):
                # Calls that differed in a key are equal now that it is not told.
                while (key := (name, canonical(arguments), ordinal)) in self._begun:
                    ordinal += 1
                self._begun[key] = record
            case CallEnded(_, result):
                self._ended[result.call_id] = result
            case _:
                pass

    def _write(self, index: int, block: Block | None) -> None:
        earlier = self._blocks.get(index)
        if block is None:
            self._blocks.pop(index, None)
        elif isinstance(block, Text) and isinstance(earlier, Text):
            cited = (earlier.citations or ()) + (block.citations or ())
            self._blocks[index] = Text(earlier.text + block.text, cited or None)
        else:
            self._blocks[index] = block

    def settled(self) -> tuple[Message, Message | None, list[str]]:
        """What is kept: the message, the results of its calls, and effects that are in neither."""
        message = Message("assistant", tuple(self._blocks[i] for i in sorted(self._blocks)))
        lost, results, equal = dict(self._begun), list[ToolResult](), Counter[tuple[str, str]]()
        for call in self._blocks.values():  # in the order in which they were sealed
            if isinstance(call, ToolCall):
                same = (call.name, canonical(call.input))
                results.append(self._result(call.id, lost.pop((*same, equal[same]), None)))
                equal[same] += 1
        places = [each.id for each in message.blocks if isinstance(each, ToolCall)]
        results.sort(key=lambda result: places.index(result.call_id))
        answer = Message("user", tuple(results)) if results else None
        effects = [each for each in lost.items() if each[1].effects != "read"]
        return message, answer, [self._effect(key, begun) for key, begun in effects]

    def _result(self, call_id: str, begun: CallBegan | None) -> ToolResult:
        if begun is None:
            return ToolResult(call_id, NOT_STARTED, is_error=True)
        ended = self._ended.get(begun.call_id)
        if ended is None:
            return ToolResult(call_id, UNKNOWN, is_error=True)
        return ToolResult(call_id, ended.output, ended.is_error)

    def _effect(self, key: Key, begun: CallBegan) -> str:
        return self._result(begun.call_id, begun).in_a_line(*key[:2])
