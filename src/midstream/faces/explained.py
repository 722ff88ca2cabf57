"""A stream explained on a screen: a line for each record, and below it what it became."""

import re
import textwrap
import unicodedata

import msgspec

from midstream.events import TextDelta, ThinkingDelta, ToolCallStarted, ToolInputDelta, snake
from midstream.faces.plain import printable
from midstream.messages import StopReason, Usage
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
from midstream.turn.explained import CallStory, Doubt, Explained, Trouble, Verdict
from midstream.turn.turn import SealedCall

DIM, BOLD, RED, GREEN, YELLOW = "2", "1", "31", "32", "33"
INDENT = " " * 9
# Each record says its type twice; the second time costs the columns that the data needs.
TYPE_AGAIN = re.compile(r'\{\s*"type"\s*:\s*"([^"]*)"\s*,\s*')


class Page:
    """Words for what was explained.

    Args:
        width: columns that a line may take; None for lines of any length, with all there is.
    """

    def __init__(self, width: int | None, colour: bool) -> None:
        self._width = width
        self._colour = colour

    def title(self, words: str) -> str:
        """What comes next, where there are several streams."""
        words = flat(words) if self._width is None else fit(flat(words), self._width)
        return f"\n{self._paint(words, BOLD)}\n"

    def record(self, came: Explained) -> str:
        lines = [self._heading(came)]
        for each in came.became:
            lines += self._became(each)
        if came.note:
            lines.append(self._line(f"· {came.note}", DIM))
        if came.trouble:
            lines += self._wrapped(f"✗ {failure(came.trouble)}", RED)
        return "".join(line + "\n" for line in lines)

    def verdict(self, verdict: Verdict) -> str:
        """Never shortened: this is what the reader came for."""
        lines = ["", *self._ending(verdict)]
        if verdict.unread:
            lines.append(f"  unread  records after that: {verdict.unread:,}")
        usage = counts(verdict.usage) if verdict.usage != Usage() else ""
        facts = {"model": verdict.model, "usage": usage}
        lines += [f"  {name}   {flat(fact)}" for name, fact in facts.items() if fact]
        for story in verdict.calls:
            lines += self._story(story)
        return "".join(line + "\n" for line in lines)

    # -- lines ---------------------------------------------------------------------------------

    def _heading(self, came: Explained) -> str:
        number = "" if came.number is None else str(came.number)
        head, name, data = f"{number:>5} {came.offset:>8} ", flat(came.event), came.data
        if self._width is not None:
            data = data[: 4 * self._width + 256]  # the rest cannot be seen, and may be megabytes
            again = TYPE_AGAIN.match(data)
            data = "{… " + data[again.end() :] if again and again[1] == came.event else data
            name = fit(name, self._width - len(head) - 1)
            data = fit(flat(data), self._width - len(head) - max(19, columns(name)) - 2)
        painted = self._paint(f"{name:<19}", BOLD if came.became or came.trouble else DIM)
        return f"{self._paint(head, DIM)} {painted} {flat(data)}".rstrip()

    def _became(self, what: StreamEvent | SealedCall | Doubt) -> list[str]:
        match what:
            case SealedCall(call, ""):
                return [
                    self._line(f"▶ sealed: {call.name} may run with {quoted(call.input)}", GREEN)
                ]
            case SealedCall(call, problem):
                return [self._line(f"✗ sealed, not to run: {call.name}: {problem}", RED)]
            case Doubt(name, why):
                return self._wrapped(f"? not sealed yet: {name}: {why}", YELLOW)
            case _:
                return [self._line(f"→ {snake(type(what).__name__):<18} {fields(what)}")]

    def _ending(self, verdict: Verdict) -> list[str]:
        if verdict.error:
            return self._wrapped(f"Not whole: {failure(verdict.error)}.", RED, "")
        detail = f": {verdict.stop_detail}" if verdict.stop_detail else ""
        words = f"{known(verdict.stop_word, verdict.stop_reason)}{detail}"
        return self._wrapped(f"Whole: the model stopped with {words}.", GREEN, "")

    def _story(self, story: CallStory) -> list[str]:
        mark = self._paint("✗", RED) if story.problem else self._paint("▶", GREEN)
        words = "did not seal"
        if story.sealed:
            words = f"sealed at record {story.sealed.record}, byte {story.sealed.offset}"
        if story.problem:
            words += f": {story.problem}"
        named = f"  call    {mark} {flat(story.name)} ({flat(story.id)})"
        return [named, *self._wrapped(words, indent=" " * 12)]

    def _line(self, line: str, paint: str = "") -> str:
        line = INDENT + line
        if self._width is not None:
            line = fit(flat(line[: 4 * self._width]), self._width)
        return self._paint(flat(line).rstrip(), paint)

    def _wrapped(self, words: str, paint: str = "", indent: str = INDENT) -> list[str]:
        words = flat(words)
        if self._width is None:
            return [self._paint(indent + words, paint)]
        wide, deeper = max(40, self._width), indent + "  "
        lines = textwrap.wrap(words, wide, initial_indent=indent, subsequent_indent=deeper)
        return [self._paint(line, paint) for line in lines]

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text.strip() else text


def as_json(verdict: Verdict, exchange: int | None = None) -> str:
    """One object: what programs ask for. `exchange` is the number of one in a recording."""
    names = ("message", "stop_reason", "usage", "whole", "error")
    number = {} if exchange is None else {"exchange": exchange}
    said = number | {name: getattr(verdict, name) for name in names}
    return msgspec.json.encode(said).decode() + "\n"


def fields(event: StreamEvent) -> str:
    """What an event carries, the block's index or the call's id first."""
    match event:
        case TextDelta(index, text) | ThinkingDelta(index, text):
            return f"{index} {quoted(text)}"
        case ToolCallStarted(index, call_id, name):
            return f"{index} {name} {call_id}"
        case ToolInputDelta(call_id, fragment):
            return f"{fragment!r} {call_id}"
        case BlockStarted(index) | BlockEnded(index):
            return str(index)
        case ThinkingSigned(index, signature):
            return f"{index} {len(signature):,} characters"
        case TextCited(index, citation):
            return f"{index} {quoted(citation)}"
        case OpaqueArrived(index, block):
            return f"{index} {quoted(block.data)}"
        case ResponseStarted(model):
            return model
        case UsageCounted(usage):
            return counts(usage)
        case HandedOver(model):
            return f"{model} (thinking and calls so far are withdrawn)"
        case ResponseStopped(reason, word, detail):
            return f"{known(word, reason)} {detail}"
        case ResponseEnded():
            return ""


def known(word: str, reason: StopReason | None) -> str:
    return f"{word} (unknown here)" if reason is StopReason.UNKNOWN else word


def counts(usage: Usage) -> str:
    also = {
        "read from cache": usage.cache_read_tokens,
        "written to it": usage.cache_write_tokens,
        "of reasoning": usage.reasoning_tokens,
    }
    more = [f"{count:,} {words}" for words, count in also.items() if count]
    return ", ".join([f"{usage.input_tokens:,} in", f"{usage.output_tokens:,} out", *more])


def failure(trouble: Trouble) -> str:
    status = f" (status {trouble.status})" if trouble.status else ""
    request = f", request {trouble.request_id}" if trouble.request_id else ""
    where = f"byte {trouble.offset}"
    if trouble.record:
        where = f"record {trouble.record}, {where}"
    return f"{trouble.type}: {trouble.message}{status}{request}, at {where}"


def quoted(value: object) -> str:
    return msgspec.json.encode(value).decode()


def flat(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def fit(text: str, width: int) -> str:
    """As much of `text` as there is room for; wide characters take two columns."""
    width = max(1, width)
    if columns(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    kept, room = 0, width - 1
    while (room := room - columns(text[kept])) >= 0:
        kept += 1
    return text[:kept] + "…"
