"""A session as it is read afterwards: in a terminal, or as a Markdown file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

import msgspec

from midstream.journal.records import (
    Approved,
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
    decided: dict[str, Approved] = {}  # of the turn under way, by the calls' ids
    for record in _as_read(records):
        match record:
            case Prompted(message):
                yield f"> {words_of(message.blocks)}"
            case Approved():
                decided[record.call_id] = record
            case Committed():
                yield from _in_order(record, decided, _in_plain)
            case Compacted(_, summary):
                yield f"[compacted: the model goes on with this summary]\n{summary}"
            case Discarded(_, _, reason):
                yield f"[an answer was discarded: {reason}]"
            case Interrupted():
                yield "[interrupted]"
            case Ended(outcome, error):
                yield from _of_lost_calls(decided)
                yield f"[{outcome}{': ' if error else ''}{error}]"
            case _:
                pass


def _as_read(records: Iterable[Record]) -> Iterator[Record]:
    """That a turn was stopped, recorded just before what is kept of it, comes behind that."""
    stops: list[Record] = []
    for record in records:
        if isinstance(record, Interrupted):
            stops.append(record)
            continue
        yield record
        yield from stops
        stops.clear()
    yield from stops


def _in_order(
    turn: Committed, decided: dict[str, Approved], told: Callable[[Block | Approved], str]
) -> Iterator[str]:
    """Each block, and each call with what was decided of it and its result."""
    answers = turn.results.blocks if turn.results else ()
    by_call = {each.call_id: each for each in answers if isinstance(each, ToolResult)}
    asked = {each.id for each in turn.message.blocks if isinstance(each, ToolCall)}
    yield from _of_lost_calls({key: each for key, each in decided.items() if key not in asked})
    for block in turn.message.blocks:
        of_call = isinstance(block, ToolCall) and (decided.get(block.id), by_call.get(block.id))
        parts = [told(each).rstrip() for each in (block, *(of_call or ())) if each]
        if any(parts):
            yield "\n".join(parts)
    decided.clear()


def _of_lost_calls(decided: dict[str, Approved]) -> Iterator[str]:
    """What was decided of calls that no answer holds; the next that has the id is another call."""
    for lost in decided.values():
        yield f"[{lost.name}: {_decision(lost)}]"
    decided.clear()


def _decision(approved: Approved) -> str:
    words = f": {approved.words}" if approved.words else ""
    match approved.by:
        case "nobody":
            return "refused, since nobody could be asked"
        case "everything":
            return "allowed, as everything was"
        case _:
            return f"{'allowed' if approved.allowed else 'refused'} by the {approved.by}{words}"


def _in_plain(block: Block | Approved) -> str:
    match block:
        case Approved():
            return f"  ? {_short(_decision(block))}"
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
    decided: dict[str, Approved] = {}
    for record in _as_read(records):
        match record:
            case Prompted(message):
                yield "## User"
                yield words_of(message.blocks)
            case Approved():
                decided[record.call_id] = record
            case Committed():
                yield "## Assistant"
                yield from _in_order(record, decided, _in_markdown)
            case Compacted(_, summary):
                yield "## Compacted"
                yield "*The model goes on with this summary:*"
                yield summary
            case Discarded(_, _, reason):
                yield f"*An answer was discarded: {reason}*"
            case Interrupted():
                yield "*Interrupted.*"
            case Ended(outcome, error):
                yield from _of_lost_calls(decided)
                yield f"*{outcome.capitalize()}{': ' if error else '.'}{error}*"
            case _:
                pass


def _in_markdown(block: Block | Approved) -> str:
    match block:
        case Approved():
            line = " ".join(_decision(block).split())
            return f"\n*{line[0].upper()}{line[1:]}.*"
        case Text(text):
            return text
        case Thinking(text):
            return "\n".join(f"> {line}" for line in text.splitlines())
        case ToolCall(call_id, name, arguments):
            return f"**{name}** (`{call_id}`)\n\n{_fenced(_json(arguments), 'json')}"
        case ToolResult(call_id, output, is_error):
            failed = ", which failed" if is_error else ""
            return f"\nResult of `{call_id}`{failed}\n\n{_fenced(_words(output))}"
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
