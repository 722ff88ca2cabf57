"""The Anthropic wire as types: what a record of a stream may be.

Fields that nothing here uses are not named; msgspec passes over them undecoded. Kinds that are not
here were added after this file was written, and pass in silence, as Anthropic asks.
"""

from typing import Any

import msgspec
from msgspec import Struct

from midstream.errors import ProtocolError
from midstream.providers.refusals import refusal_in_stream
from midstream.providers.safe import clean, mended
from midstream.wire.json import NotJson, is_object, read, read_object
from midstream.wire.sse import SseRecord


class TextPart(Struct, tag="text_delta", gc=False):
    text: str


class InputPart(Struct, tag="input_json_delta", gc=False):
    partial_json: str


class ThinkingPart(Struct, tag="thinking_delta", gc=False):
    thinking: str


class SignaturePart(Struct, tag="signature_delta"):
    signature: str


class CitationPart(Struct, tag="citations_delta"):
    citation: dict[str, Any]


class CompactionPart(Struct, tag="compaction_delta"):
    content: str | None = None
    encrypted_content: str | None = None


Part = TextPart | InputPart | ThinkingPart | SignaturePart | CitationPart | CompactionPart


class BlockDelta(Struct, tag="content_block_delta", gc=False):
    index: int
    delta: Part


class BlockStart(Struct, tag="content_block_start"):
    index: int
    content_block: dict[str, Any]


class BlockStop(Struct, tag="content_block_stop"):
    index: int


class OutputDetails(Struct):
    thinking_tokens: int | None = None


class Counts(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class StopDetails(Struct):
    category: str | None = None
    explanation: str | None = None


class Stop(Struct):
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    container: dict[str, Any] | None = None


class StartedMessage(Struct):
    id: str = ""
    model: str = ""
    content: list[dict[str, Any]] = []
    stop_reason: str | None = None
    container: dict[str, Any] | None = None
    usage: Counts | None = None


class MessageStart(Struct, tag="message_start"):
    message: StartedMessage


class MessageDelta(Struct, tag="message_delta"):
    delta: Stop
    usage: Counts | None = None


class MessageStop(Struct, tag="message_stop"):
    pass


class Ping(Struct, tag="ping"):
    pass


class Failure(Struct, tag="error"):
    error: dict[str, Any]
    request_id: str | None = None


Record = BlockDelta | BlockStart | BlockStop | MessageStart | MessageDelta | MessageStop
DECODER = msgspec.json.Decoder(Record | Ping | Failure)
KNOWN = frozenset(
    {"message_start", "message_delta", "message_stop", "ping", "error"}
    | {"content_block_start", "content_block_delta", "content_block_stop"}
)
KNOWN_DELTAS = frozenset(
    {"text_delta", "input_json_delta", "thinking_delta", "signature_delta"}
    | {"citations_delta", "compaction_delta"}
)
KIND = msgspec.json.Decoder(dict[str, Any])


def reread(record: SseRecord) -> Any:
    """A record that does not decode at first sight: mended, unknown to us, or refused."""
    try:
        return read(record.data, DECODER)
    except NotJson as error:
        reason = error
    try:
        payload = read(record.data, KIND)
    except NotJson:
        if record.event == "error":  # seen as plain text
            raise refusal_in_stream({"message": record.text}, None) from None
        raise ProtocolError(f"not an event: {record.text[:200]!r} ({reason})") from reason
    if failure := failure_in(record, payload):
        raise refusal_in_stream(clean(failure), None)
    match payload:
        case {"type": "content_block_delta", "index": int(), "delta": {"type": str(kind)}}:
            if kind not in KNOWN_DELTAS:
                return None
        case {"type": str(kind)} if kind not in KNOWN:
            return None
        case _:
            pass
    raise ProtocolError(f"malformed: {record.text[:200]!r} ({reason})")


def passed_over(record: SseRecord) -> str:
    """Why a record became no event, in words for people."""
    try:
        payload = read(record.data, KIND)
    except NotJson:  # in a part that decoding skips
        return "passed over"
    match payload:
        case {"type": "ping"}:
            return "ping"
        case {"type": "message_start"}:
            return "passed over: this message has begun before"
        case {"type": "content_block_delta", "delta": {"type": str(kind), **rest}}:
            if kind not in KNOWN_DELTAS:
                return f"passed over: unknown delta {kind}"
            return "kept until its block ends" if any(rest.values()) else "an empty fragment"
        case _:
            return f"passed over: unknown event {payload.get('type')}"


def failure_in(record: SseRecord, payload: dict[str, Any]) -> dict[str, Any] | None:
    """The error that a record is, in whatever shape servers and proxies give it."""
    failure = payload.get("error")
    named = "error" in (record.event, payload.get("type"))
    if not named and ("type" in payload or not failure):
        return None
    said: Any = failure or payload
    return said if is_object(said) else {"message": said}


class OpaqueBlock:
    """A block that is not ours to understand, growing until it closes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._input: list[str] = []
        self._words: dict[str, list[str]] = {}

    def add(self, delta: Part) -> None:
        match delta:
            case InputPart(fragment):
                self._input.append(fragment)
            case TextPart(text):
                self._words.setdefault("text", []).append(text)
            case ThinkingPart(text):
                self._words.setdefault("thinking", []).append(text)
            case SignaturePart(signature):
                self._data["signature"] = signature
            case CompactionPart(content, encrypted):
                self._data |= {"content": content, "encrypted_content": encrypted}
            case CitationPart(citation):
                self._data["citations"] = [*(self._data.get("citations") or ()), citation]

    def whole(self) -> dict[str, Any]:
        """The block as it must travel back.

        Raises:
            ProtocolError: its input is not a JSON object, so that it cannot travel back.
        """
        for key, words in self._words.items():
            self._data[key] = mended(str(self._data.get(key) or "") + "".join(words))
        if (arguments := mended("".join(self._input))).strip():
            try:
                self._data["input"] = read_object(arguments)
            except NotJson as error:
                raise ProtocolError(f"the input of a server tool is not JSON: {error}") from error
        whole: dict[str, Any] = clean(self._data)
        return whole
