"""A session as it is read afterwards: in a terminal, or as a Markdown file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

import msgspec

from midstream.journal.records import (
    Committed,
    Compacted,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
)
from midstream.messages import (
    Block,
    Image,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    words_of,
)

LONGEST = 200  # characters of an input or an output, where it is told in a line


def plain(records: Iterable[Record]) -> Iterator[str]:
    """Paragraphs for a terminal. What they quote may hold control characters."""
    for record in records:
        match record:
            case Prompted(message):
                yield f"> {words_of(message.blocks)}"
            case Committed(message=message, results=results):
                yield from _in_order(message, results, _in_plain)
            case Compacted(_, summary):
                yield f"[compacted: the model goes on with this summary]\n{summary}"
            case Discarded(_, _, reason):
                yield f"[an answer was discarded: {reason}]"
            case Interrupted():
                yield "[interrupted]"
            case Ended(outcome, error):
                yield f"[{outcome}{': ' if error else ''}{error}]"
            case _:
                pass


def _in_order(
    message: Message, results: Message | None, told: Callable[[Block], str]
) -> Iterator[str]:
    """Each block, and each call with its result."""
    answers = results.blocks if results else ()
    by_call = {each.call_id: each for each in answers if isinstance(each, ToolResult)}
    for block in message.blocks:
        result = by_call.get(block.id) if isinstance(block, ToolCall) else None
        parts = [told(each).rstrip() for each in (block, result) if each]
        if any(parts):
            yield "\n".join(parts)


def _in_plain(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case ToolCall(_, name, arguments):
            return f"  ▶ {name}({_short(_json(arguments))})"
        case ToolResult(_, output, is_error):
            return f"  {'✗' if is_error else '✓'} {_short(_words(output))}"
        case Thinking() | Image() | Opaque():
            return ""


def markdown(title: str, records: Iterable[Record]) -> Iterator[str]:
    """The paragraphs of a Markdown file: all of what was said, done and thought."""
    yield f"# {title}"
    for record in records:
        match record:
            case Prompted(message):
                yield "## User"
                yield words_of(message.blocks)
            case Committed(message=message, results=results):
                yield "## Assistant"
                yield from _in_order(message, results, _in_markdown)
            case Compacted(_, summary):
                yield "## Compacted"
                yield "*The model goes on with this summary:*"
                yield summary
            case Discarded(_, _, reason):
                yield f"*An answer was discarded: {reason}*"
            case Interrupted():
                yield "*Interrupted.*"
            case Ended(outcome, error):
                yield f"*{outcome.capitalize()}{': ' if error else '.'}{error}*"
            case _:
                pass


def _in_markdown(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Thinking(text):
            return "\n".join(f"> {line}" for line in text.splitlines())
        case ToolCall(call_id, name, arguments):
            return f"**{name}** (`{call_id}`)\n\n{_fenced(_json(arguments), 'json')}"
        case ToolResult(call_id, output, is_error):
            word = "Failed" if is_error else "Result"
            return f"\n{word} of `{call_id}`\n\n{_fenced(_words(output))}"
        case Image() | Opaque():
            return ""


def _fenced(text: str, language: str = "") -> str:
    fence = next("`" * n for n in count(3) if "`" * n not in text)
    return f"{fence}{language}\n{text}\n{fence}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _words(output: str | Sequence[Text | Image]) -> str:
    if isinstance(output, str):
        return output
    return "\n".join(each.text if isinstance(each, Text) else "[picture]" for each in output)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
