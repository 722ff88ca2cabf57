"""The Responses wire as types: what a record of a stream may be.

There are some sixty kinds of events. Those that say what others say again when an item is done are
named here without fields, so that they are passed over undecoded; kinds that are not here at all
were added after this file was written, or are a proxy's.
"""

from typing import Any

import msgspec
from msgspec import Struct

from midstream.errors import ProtocolError, ProviderError
from midstream.messages import Usage
from midstream.providers import openai_usage
from midstream.providers.openai_usage import InputDetails, Number, OutputDetails
from midstream.providers.refusals import refusal_in_stream
from midstream.providers.safe import clean
from midstream.wire.json import NotJson, is_object, read
from midstream.wire.sse import SseRecord

Json = dict[str, Any]


class Counts(Struct):
    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Incomplete(Struct):
    reason: str | None = None


class Response(Struct):
    model: str | None = None
    output: list[Json] | None = None
    usage: Counts | None = None
    incomplete_details: Incomplete | None = None
    error: Json | str | None = None


class Created(Struct, tag="response.created"):
    response: Response


class Queued(Struct, tag="response.queued"):
    response: Response


class InProgress(Struct, tag="response.in_progress"):
    response: Response


class Completed(Struct, tag="response.completed"):
    response: Response


class Cut(Struct, tag="response.incomplete"):
    response: Response


class Failed(Struct, tag="response.failed"):
    response: Response


class Failure(Struct, tag="error"):
    code: str | int | None = None
    message: str | None = None
    error: Json | str | None = None


class ItemAdded(Struct, tag="response.output_item.added"):
    item: Json
    output_index: int | None = None


class ItemDone(Struct, tag="response.output_item.done"):
    item: Json
    output_index: int | None = None


class TextPart(Struct, tag="response.output_text.delta", gc=False):
    delta: str
    output_index: int | None = None
    content_index: int | None = 0
    item_id: Any = None


class RefusalPart(Struct, tag="response.refusal.delta"):
    delta: str
    output_index: int | None = None
    content_index: int | None = 0
    item_id: Any = None


class Annotation(Struct, tag="response.output_text.annotation.added"):
    annotation: Json
    output_index: int | None = None
    content_index: int | None = 0
    item_id: Any = None


class SummaryPart(Struct, tag="response.reasoning_summary_text.delta", gc=False):
    delta: str
    output_index: int | None = None
    summary_index: int | None = 0
    item_id: Any = None


class ReasoningPart(Struct, tag="response.reasoning_text.delta", gc=False):
    delta: str
    output_index: int | None = None
    content_index: int | None = 0
    item_id: Any = None


class ArgumentsPart(Struct, tag="response.function_call_arguments.delta", gc=False):
    delta: str
    output_index: int | None = None
    item_id: Any = None


Record = (
    Created | Queued | InProgress | Completed | Cut | Failed | Failure
    | ItemAdded | ItemDone | TextPart | RefusalPart | Annotation
    | SummaryPart | ReasoningPart | ArgumentsPart
)  # fmt: skip

DECODER = msgspec.json.Decoder(Record)
KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in Record.__args__)
# What these say comes again with the item when it is done, or is only about progress. Most are of
# tools that the provider runs itself.
PASSED = {
    "response.content_part": ("added", "done"),
    "response.output_text": ("done",),
    "response.refusal": ("done",),
    "response.reasoning_summary_part": ("added", "done"),
    "response.reasoning_summary_text": ("done",),
    "response.reasoning_text": ("done",),
    "response.function_call_arguments": ("done",),
    "response.custom_tool_call_input": ("delta", "done"),
    "response.web_search_call": ("in_progress", "searching", "completed"),
    "response.file_search_call": ("in_progress", "searching", "completed"),
    "response.code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "response.code_interpreter_call_code": ("delta", "done"),
    "response.image_generation_call": ("in_progress", "generating", "partial_image", "completed"),
    "response.mcp_call": ("in_progress", "completed", "failed"),
    "response.mcp_call_arguments": ("delta", "done"),
    "response.mcp_list_tools": ("in_progress", "completed", "failed"),
    "response.shell_call_command": ("added", "delta", "done"),
    "response.shell_call_output_content": ("delta", "done"),
    "response.apply_patch_call_operation_diff": ("delta", "done"),
    "response.compaction": ("compacting",),
    "response.audio": ("delta", "done"),
    "response.audio.transcript": ("delta", "done"),
}
KIND = msgspec.json.Decoder(Json)


class Kind(Struct):
    type: str


KIND_ALONE = msgspec.json.Decoder(Kind)


def kind_of(record: SseRecord) -> str:
    """The `type` of a record; "" if it has none, or is no JSON."""
    try:
        return KIND_ALONE.decode(record.data).type
    except (ValueError, RecursionError):
        return ""


def is_unread(record: SseRecord) -> bool:
    """Whether it is of a kind that nothing here reads; what is named an error is read always."""
    return record.event != "error" and kind_of(record) not in {*KNOWN, ""}


def reread(record: SseRecord) -> Any:
    """A record that does not decode at first sight: mended, passed over, or refused."""
    try:
        return read(record.data, DECODER)
    except NotJson as error:
        reason = error
    try:
        payload = read(record.data, KIND)
    except NotJson:
        payload = {}
    kind, said = payload.get("type"), payload.get("error")
    if record.event == "error" or (said and kind in (None, *KNOWN)):
        raise failure(payload.get("code"), record.text, said or payload)
    if not record.data.strip() or (isinstance(kind, str) and kind not in KNOWN):
        return None  # a sign of life, or a kind that nothing here reads
    raise ProtocolError(f"malformed: {record.text[:200]!r} ({reason})") from reason


def failure(code: object, message: str | None, inner: object) -> ProviderError:
    """The error of an `error` event, in each of its shapes, or of a response that failed."""
    if inner and is_object(inner):
        return refusal_in_stream(clean(inner))
    return refusal_in_stream(clean({"code": code, "message": inner or message}))


def passed_over(record: SseRecord) -> str:
    """Why a record became no event, in words for people."""
    kind = kind_of(record)
    event, _, what = kind.rpartition(".")
    if what in PASSED.get(event, ()):
        return "passed over: it comes again when its item is done"
    if kind in KNOWN:
        return "nothing new in it"
    return f"passed over: unknown event {kind}" if kind else "passed over"


def usage(counts: Counts) -> Usage:
    return openai_usage.usage(
        counts.input_tokens,
        counts.output_tokens,
        counts.input_tokens_details,
        counts.output_tokens_details,
    )
