"""Another reading of a stream, to compare with: which calls do its bytes hold whole?

It shares nothing with midstream's own reading: it sees the whole stream at once, and reads with
Python's json.
"""

import json
import re
from typing import Any, NamedTuple

Json = dict[str, Any]

# Blanks before the name are not in the standard, but some servers err so.
FIELD = re.compile(rb"data|\s*data:\ ?(.*)", re.DOTALL)
LIMITS = ("max_tokens", "model_context_window_exceeded", "refusal")


class Held(NamedTuple):
    """A call that is whole once `record` (counted from 1) has come."""

    record: int
    id: str
    name: str
    input: str  # as JSON; of arguments that are none, "invalid"


def records(stream: bytes) -> list[bytes]:
    """The data of each event, by the standard; an unfinished one at the end counts too."""
    lines = re.split(b"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))
    found, data = list[bytes](), list[bytes]()
    for line in [*lines, b""]:
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        if field := FIELD.fullmatch(line):
            data.append(field[1] or b"")
    return found


def calls(stream: bytes) -> list[Held]:
    """Every call that the stream holds whole, in the order in which they became so."""
    fold = Fold()
    for number, data in enumerate(records(stream), 1):
        try:
            payload = json.loads(data.decode(errors="replace"), parse_constant=refuse)
        except ValueError:
            break  # nothing that follows can be trusted
        if not isinstance(payload, dict) or fold.ended:
            break
        fold.add(number, payload)
    return fold.held


def refuse(constant: str) -> None:
    raise ValueError(constant)


class Fold:
    def __init__(self) -> None:
        self.held: list[Held] = []
        self.ended = False
        self._begun = False
        self._open: dict[Any, list[Any]] = {}  # by index: id, name, the input given, fragments
        self._doubtful: list[list[Any]] = []
        self._stop = ""

    def add(self, number: int, event: Json) -> None:
        kind, index = event.get("type"), event.get("index")
        match kind, event.get("delta"):
            case "message_start", _:
                self._begin(number, event.get("message"))
            case "content_block_start", _:
                self._start(number, index, event.get("content_block"))
            case "content_block_delta", {"type": "input_json_delta", "partial_json": str(part)}:
                self._open.get(index, [[]])[-1].append(part)
            case "content_block_stop", _:
                self._close(number, index)
            case "message_delta", {"stop_reason": str(reason)}:
                self._stop = reason
                self._settle(number, reason == "tool_use")
            case "message_stop", _:
                self._settle(number, self._stop == "tool_use")
                self.ended = True
            case _:
                pass

    def _begin(self, number: int, message: Any) -> None:
        if self._begun:
            return  # gateways repeat it
        self._begun = True
        match message:
            case {"content": [*blocks]}:
                for index, block in enumerate(blocks):
                    self._start(number, index, block)
                    self._close(number, index)
            case _:
                pass
        match message:
            case {"stop_reason": str(reason)}:
                self._stop = reason
                self._settle(number, reason == "tool_use")
            case _:
                pass

    def _start(self, number: int, index: Any, block: Any) -> None:
        if isinstance(block, dict) and block.get("type") == "fallback":
            self._open, self._doubtful = {}, []  # another model took over
        self._settle(number, True)
        match block:
            case {"type": "tool_use", "id": str(call_id), "name": str(name), **rest}:
                self._open[index] = [call_id, name, rest.get("input"), []]
            case _:
                pass

    def _close(self, number: int, index: Any) -> None:
        call = self._open.pop(index, None)
        if call is None or self._stop in LIMITS:
            return
        arguments = as_input(call)
        if arguments in ("invalid", "nothing"):
            self._doubtful.append(call)
        else:
            self._hold(number, call, arguments)

    def _settle(self, number: int, whole: bool) -> None:
        for call in self._doubtful if self._stop not in LIMITS else ():
            arguments = as_input(call)
            empty = whole and arguments == "nothing"
            self._hold(number, call, "{}" if empty else "invalid")
        self._doubtful.clear()

    def _hold(self, number: int, call: list[Any], arguments: str) -> None:
        self.held.append(Held(number, mended(call[0]), mended(call[1]), arguments))


def as_input(call: list[Any]) -> str:
    _, _, given, fragments = call
    text = mended("".join(fragments))
    if not text and given:
        return canonical(given) if isinstance(given, dict) else "invalid"
    if not text.strip():
        return "nothing"
    try:
        value = json.loads(text, parse_constant=refuse)
        json.dumps(value, allow_nan=False)
    except ValueError:
        return "invalid"
    return canonical(value) if isinstance(value, dict) else "invalid"


def canonical(value: Any) -> str:
    return json.dumps(mended_in(value), sort_keys=True)


def mended_in(value: Any) -> Any:
    match value:
        case str():
            return re.sub("[\ud800-\udfff\0]", "\ufffd", value)
        case [*items]:
            return [mended_in(item) for item in items]
        case {**fields}:
            return {mended_in(key): mended_in(item) for key, item in fields.items()}
        case _:
            return value


def mended(text: str) -> str:
    """Halves of surrogate pairs joined; those that stay alone, and NUL, replaced."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\0", "\ufffd")
