"""Anthropic's Messages wire: an answer as server-sent events or as one message, and its errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from midstream.simulator.answer import Answer, Asked, Kind, Part, tokens_of
from midstream.simulator.caching import Prompt, marked
from midstream.simulator.play import Frame, Step, event_frame
from midstream.simulator.shape import Json, Refusal
from midstream.simulator.signatures import sign
from midstream.simulator.strict import problem

PING: Final[Json] = {"type": "ping"}

# The API's word for a status, and for the kind that is not here.
KINDS: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Words of other wires that a scenario may stop with.
STOPS: Final = {"content_filter": "refusal", "length": "max_tokens"}


class Messages:
    """`POST /v1/messages`."""

    request_id = "request-id"
    ping = event_frame(0.0, PING).data

    # -- the answer ----------------------------------------------------------------------------

    def problem(self, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        return problem(headers, body)

    def asked(self, body: Json) -> Asked:
        thinking: Json = body.get("thinking") or {"type": "disabled"}
        return Asked(
            messages=body["messages"],
            model=body["model"],
            max_tokens=body["max_tokens"],
            thinking=thinking["type"] != "disabled",
            omitted=thinking.get("display") == "omitted",
            must_think=thinking["type"] == "enabled",
        )

    def prompt(self, body: Json) -> Prompt:
        tokens = tokens_of(body["messages"], body.get("system"), body.get("tools"))
        return marked(body, tokens)

    def steps(self, sent: Answer, body: Json) -> Iterator[Step]:
        yield {"type": "message_start", "message": _opening(sent)}, 0
        for index, part in enumerate(sent.parts):
            start, deltas = _start(part, sent), list(_deltas(part))
            yield {"type": "content_block_start", "index": index, "content_block": start}, 0
            if index == 0:
                yield PING, 0
            for delta, tokens in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}, tokens
            yield {"type": "content_block_stop", "index": index}, 0
        yield {"type": "message_delta", "delta": _stop(sent), "usage": _final_usage(sent)}, 0
        yield {"type": "message_stop"}, 0

    def message(self, sent: Answer, body: Json) -> Json:
        opening, content = _opening(sent), [_whole(part, sent) for part in sent.parts]
        usage = {**opening["usage"], **_final_usage(sent)}
        return {**opening, "content": content, **_stop(sent), "usage": usage}

    def frame(self, at_s: float, event: Json) -> Frame:
        return event_frame(at_s, event)

    # -- errors --------------------------------------------------------------------------------

    def usual(self, status: int) -> Refusal:
        usual = "invalid_request_error" if 400 <= status < 500 else "api_error"
        return Refusal(status, KINDS.get(status, usual), "The scenario says so.")

    def error(self, refusal: Refusal, request_id: str) -> Json:
        return {
            "type": "error",
            "error": {"type": refusal.kind, "message": refusal.message},
            "request_id": request_id,
        }

    def overloaded(self) -> Refusal:
        return Refusal(529, "overloaded_error", "Overloaded")

    def failure(self, refusal: Refusal, request_id: str, before: Sequence[Json]) -> list[Json]:
        return [self.error(refusal, request_id)]

    # -- faults --------------------------------------------------------------------------------

    def renamed(self, event: Json) -> Json:
        if event["type"] != "message_start":
            return event
        message = event["message"]
        return {**event, "message": {**message, "id": f"{message['id']}_again"}}

    def called(self, event: Json) -> int | None:
        called = event.get("content_block", {}).get("type") == "tool_use"
        return event["index"] if called else None

    def fragment(self, event: Json, call: int) -> str | None:
        fragment: str | None = event.get("delta", {}).get("partial_json")
        return fragment if event.get("index") == call else None

    def with_fragment(self, event: Json, fragment: str) -> Json:
        return {**event, "delta": {**event["delta"], "partial_json": fragment}}

    def closes(self, event: Json, call: int) -> bool:
        return event == {"type": "content_block_stop", "index": call}

    def retold(self, event: Json, call: int, arguments: str) -> Json:
        return event

    stops: tuple[str, ...] = ("message_delta",)

    def stopped(self, event: Json, reason: str | None, missing: bool) -> Json:
        delta = {**event["delta"], "stop_reason": reason}
        if missing:
            del delta["stop_reason"]
        return {**event, "delta": delta}


def _start(part: Part, sent: Answer) -> Json:
    match part.kind:
        case Kind.TEXT:
            return {"type": "text", "text": ""}
        case Kind.THOUGHT:
            return {"type": "thinking", "thinking": "", "signature": ""}
        case Kind.REDACTED:
            return {"type": "redacted_thinking", "data": sign("redacted", part.thought)}
        case Kind.CALL:
            call_id = f"toolu_sim_{sent.digest}_{part.place}"
            return {"type": "tool_use", "id": call_id, "name": part.name, "input": {}}


def _deltas(part: Part) -> Iterator[Step]:
    match part.kind:
        case Kind.TEXT:
            for piece in part.pieces:
                yield {"type": "text_delta", "text": piece}, 1
        case Kind.THOUGHT:
            for piece in part.pieces:
                yield {"type": "thinking_delta", "thinking": piece}, 1
            if part.whole:  # the signature is not written by the model
                yield {"type": "signature_delta", "signature": sign(part.text, part.thought)}, 0
        case Kind.CALL:
            # The API opens every input with an empty fragment, and leaves an empty one at that.
            yield {"type": "input_json_delta", "partial_json": ""}, 0
            for piece in part.pieces:
                yield {"type": "input_json_delta", "partial_json": piece}, 1
        case Kind.REDACTED:
            pass


def _whole(part: Part, sent: Answer) -> Json:
    start = _start(part, sent)
    match part.kind:
        case Kind.TEXT:
            return {**start, "text": part.text}
        case Kind.THOUGHT:
            signature = sign(part.text, part.thought) if part.whole else ""
            return {**start, "thinking": part.text, "signature": signature}
        case Kind.CALL if part.whole and part.pieces:
            return {**start, "input": msgspec.json.decode(part.text)}
        case Kind.CALL | Kind.REDACTED:
            return start


def _opening(sent: Answer) -> Json:
    written = {
        "ephemeral_5m_input_tokens": sent.input.written_5m,
        "ephemeral_1h_input_tokens": sent.input.written_1h,
    }
    return {
        "model": sent.model,
        "id": f"msg_sim_{sent.digest}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            **_read(sent),
            "cache_creation": written,
            "output_tokens": 1,
            "service_tier": "standard",
            "inference_geo": "not_available",
        },
    }


def _stop(sent: Answer) -> Json:
    reason = STOPS.get(sent.stop, sent.stop)
    refused = {"type": "refusal", "category": None, "explanation": None}
    details = refused if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": details}


def _final_usage(sent: Answer) -> Json:
    thinking = {"output_tokens_details": {"thinking_tokens": sent.thinking_tokens}}
    written = {"output_tokens": sent.output_tokens}
    return {**_read(sent), **written, **(thinking if sent.thinking_tokens else {})}


def _read(sent: Answer) -> Json:
    return {
        "input_tokens": sent.input.fresh,
        "cache_creation_input_tokens": sent.input.written_5m + sent.input.written_1h,
        "cache_read_input_tokens": sent.input.cached,
    }
