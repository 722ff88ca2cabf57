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
        self._ended: dict[Key, ToolResult] = {}
        self._keys: dict[str, Key] = {}  # by id, of which an attempt may repeat another's
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
                self._keys[record.call_id] = key
            case CallEnded(_, result):
                if began := self._keys.get(result.call_id):
                    self._ended[began] = result
            case _:
                pass

    def _write(self, index: int, block: Block | None) -> None:
        earlier = self._blocks.get(index)
        if block is None:
            self._blocks.pop(index, None)
        elif isinstance(block, Text) and isinstance(earlier, Text):
            cited = (earlier.citations or ()) + (block.citations or ())
            text, rider = earlier.text + block.text, block.opaque or earlier.opaque
            self._blocks[index] = Text(text, cited or None, rider)
        else:
            self._blocks[index] = block

    def settled(self) -> tuple[Message, Message | None, list[str]]:
        """What is kept: the message, the results of its calls, and effects that are in neither."""
        message = Message("assistant", tuple(self._blocks[i] for i in sorted(self._blocks)))
        calls = [each for each in self._blocks.values() if isinstance(each, ToolCall)]
        lost, equal = dict(self._begun), Counter[tuple[str, str]]()
        keys: dict[str, Key | None] = {}
        for call in calls:  # what began under this id, and was no other call of a lost attempt
            key = self._keys.get(call.id)
            if key and key[:2] == (call.name, canonical(call.input)) and lost.pop(key, None):
                keys[call.id] = key
        for call in calls:  # what it adopted; in the order in which they were sealed
            same = (call.name, canonical(call.input))
            if call.id not in keys:
                key = (*same, equal[same])
                keys[call.id] = key if lost.pop(key, None) else None
            equal[same] += 1
        asked = [each.id for each in message.blocks if isinstance(each, ToolCall)]
        results = tuple(self._result(call_id, keys[call_id]) for call_id in asked)
        answer = Message("user", results) if results else None
        effects = [key for key, begun in lost.items() if begun.effects != "read"]
        return message, answer, [self._effect(key) for key in effects]

    def _result(self, call_id: str, key: Key | None) -> ToolResult:
        if key is None:
            return ToolResult(call_id, NOT_STARTED, is_error=True)
        ended = self._ended.get(key)
        if ended is None:
            return ToolResult(call_id, UNKNOWN, is_error=True)
        return ToolResult(call_id, ended.output, ended.is_error)

    def _effect(self, key: Key) -> str:
        return self._result("", key).in_a_line(*key[:2])
