"""Takes keys out of a record, and leaves it one that can be read and gone on with.

Only words are touched: what was said, what tools were given and what they returned. What is the
provider's stays as it is: signed thinking, which a provider takes back unchanged or not at all,
citations, and whatever is opaque.
"""

from msgspec.structs import replace

from midstream.journal.records import (
    Approved,
    CallBegan,
    CallEnded,
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
    Untold,
    Wrote,
)
from midstream.messages import Block, Image, Message, Text, Thinking, ToolCall, ToolResult
from midstream.secrets.secrets import Secrets


class Redactor:
    """Takes keys out of records.

    Args:
        secrets: which keys.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def record(self, record: Record) -> Record:
        text = self._secrets.text
        match record:
            case Prompted(message):
                return replace(record, message=self._message(message))
            case Wrote(_, _, block) if block:
                return replace(record, block=self._block(block))
            case Approved(_, _, _, _, by, words):
                return replace(record, by=text(by), words=text(words))
            case CallBegan():
                return replace(record, input=self._secrets.strings(record.input))
            case CallEnded(_, result):
                return replace(record, result=self._result(result))
            case Committed(_, message, results):
                answer = self._message(results) if results else None
                return replace(record, message=self._message(message), results=answer)
            case Compacted(_, summary, message):
                told = self._message(message)
                return replace(record, summary=text(summary), message=told)
            case Discarded(_, _, reason):
                return replace(record, reason=text(reason))
            case Interrupted(_, words) if words:
                return replace(record, words=text(words))
            case Untold(note):
                return replace(record, note=text(note))
            case Ended(_, error):
                return replace(record, error=text(error))
            case _:
                return record

    def _message(self, message: Message) -> Message:
        return replace(message, blocks=tuple(map(self._block, message.blocks)))

    def _block(self, block: Block) -> Block:
        match block:
            case Text(text):
                return replace(block, text=self._secrets.text(text))
            case Thinking(text, "") if text:
                return replace(block, text=self._secrets.text(text))
            case ToolCall():
                return replace(block, input=self._secrets.strings(block.input))
            case ToolResult():
                return self._result(block)
            case _:
                return block

    def _result(self, result: ToolResult) -> ToolResult:
        if isinstance(result.output, str):
            return replace(result, output=self._secrets.text(result.output))
        return replace(result, output=tuple(map(self._part, result.output)))

    def _part(self, part: Text | Image) -> Text | Image:
        return replace(part, text=self._secrets.text(part.text)) if isinstance(part, Text) else part
