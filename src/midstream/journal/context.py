"""How many tokens a conversation takes, where no provider has counted them: an estimate."""

from midstream.messages import Block, Image, Message, Opaque, Text, Thinking, ToolCall, ToolResult

BYTES = 4  # that make a token, roughly
PICTURE = 1500  # tokens, whatever its size


def rough_tokens(*messages: Message | None) -> int:
    said = (message for message in messages if message)
    return sum(_size(block) for message in said for block in message.blocks) // BYTES


def _size(block: Block) -> int:
    match block:
        case Text(text) | Thinking(text):
            return _bytes(text)
        case ToolCall(_, name, arguments):
            return len(name) + _bytes(str(arguments))
        case ToolResult(_, output):
            return _bytes(output) if isinstance(output, str) else sum(map(_size, output))
        case Image():
            return PICTURE * BYTES
        case Opaque(_, data):
            return _bytes(str(data))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
