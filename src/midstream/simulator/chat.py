"""OpenAI's Chat Completions wire: an answer as chunks or as one object.

Its chunks have no names. Faults call them by what is in them: `role`, `reasoning`, `content`,
`refusal`, `tool_calls`, `finish`, `usage` and `[DONE]`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from midstream.simulator.answer import Answer, Asked, Kind, Part, tokens_of
from midstream.simulator.caching import Prompt, automatic
from midstream.simulator.openai import CREATED, OpenAI, problem_of
from midstream.simulator.play import Frame, Step
from midstream.simulator.shape import Json, Refusal
from midstream.simulator.strict_chat import faults
from midstream.simulator.talk import of_chat

DONE: Final[Json] = {}
FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "refusal": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class Chat(OpenAI):
    """`POST /v1/chat/completions`."""

    stops: tuple[str, ...] = ("finish",)

    def problem(self, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        return problem_of(headers, body, faults)

    def asked(self, body: Json) -> Asked:
        return Asked(
            messages=of_chat(body["messages"]),
            model=body["model"],
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            thinking=(body.get("reasoning_effort") or "none") != "none",
        )

    def prompt(self, body: Json) -> Prompt:
        read = [body.get("tools"), body.get("response_format"), *body["messages"]]
        return automatic(body["model"], read, tokens_of(*read))

    def steps(self, sent: Answer, body: Json) -> Iterator[Step]:
        options: Json = body.get("stream_options") or {}
        counted = bool(options.get("include_usage"))
        padded = options.get("include_obfuscation") is not False
        for delta, finish, tokens in _deltas(sent):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            chunk = {**_head(sent, "chat.completion.chunk"), "choices": [choice]}
            if counted:
                chunk["usage"] = None
            if padded:
                chunk["obfuscation"] = _padding(sent, delta)
            yield chunk, tokens
        if counted:
            counts: Json = {"choices": [], "usage": _usage(sent)}
            if padded:
                counts["obfuscation"] = _padding(sent, counts["usage"])
            yield {**_head(sent, "chat.completion.chunk"), **counts}, 0
        yield DONE, 0

    def message(self, sent: Answer, body: Json) -> Json:
        said = _said(sent, Kind.TEXT)
        refused = sent.stop == "refusal"
        message: Json = {
            "role": "assistant",
            "content": None if refused else said,
            "refusal": (said or "") if refused else None,
            "annotations": [],
        }
        if thoughts := _said(sent, Kind.THOUGHT):
            message["reasoning_content"] = thoughts
        if calls := [_call(sent, part) for part in _calls(sent)]:
            message["tool_calls"] = calls
        finish = FINISHES.get(sent.stop, sent.stop)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**_head(sent, "chat.completion"), "choices": [choice], "usage": _usage(sent)}

    def frame(self, at_s: float, event: Json) -> Frame:
        data = msgspec.json.encode(event) if event else b"[DONE]"
        return Frame(at_s, (b"data: %b\n\n" % data,), event or None, _name(event))

    def failure(self, refusal: Refusal, request_id: str, before: Sequence[Json]) -> list[Json]:
        return [self.error(refusal, request_id)]

    # -- faults --------------------------------------------------------------------------------

    def renamed(self, event: Json) -> Json:
        return {**event, "id": f"{event['id']}_again"} if "id" in event else event

    def called(self, event: Json) -> int | None:
        return next((call["index"] for call in _fragments(event) if "id" in call), None)

    def fragment(self, event: Json, call: int) -> str | None:
        found = (each for each in _fragments(event) if each["index"] == call)
        return next((each["function"]["arguments"] for each in found), None)

    def with_fragment(self, event: Json, fragment: str) -> Json:
        (choice,), (call,) = event["choices"], _fragments(event)
        changed = {**call, "function": {**call["function"], "arguments": fragment}}
        return {**event, "choices": [{**choice, "delta": {"tool_calls": [changed]}}]}

    def closes(self, event: Json, call: int) -> bool:
        return False  # nothing on this wire says that a call is whole

    def retold(self, event: Json, call: int, arguments: str) -> Json:
        return event

    def stopped(self, event: Json, reason: str | None, missing: bool) -> Json:
        choice = {**event["choices"][0], "finish_reason": reason}
        if missing:
            del choice["finish_reason"]
        return {**event, "choices": [choice]}


# -- chunks ------------------------------------------------------------------------------------


def _deltas(sent: Answer) -> Iterator[tuple[Json, str | None, int]]:
    """What each chunk adds, why it is the last, and its tokens."""
    refused = sent.stop == "refusal"
    content = "" if _said(sent, Kind.TEXT) is not None and not refused else None
    opening = {"role": "assistant", "content": content, "refusal": "" if refused else None}
    yield opening, None, 0
    calls = _calls(sent)
    for part in sent.parts:
        match part.kind:
            case Kind.TEXT:
                for piece in part.pieces:
                    yield {"refusal" if refused else "content": piece}, None, 1
            case Kind.THOUGHT:
                for piece in part.pieces:
                    yield {"reasoning_content": piece}, None, 1
            case Kind.CALL:
                index = calls.index(part)
                begun = _call(sent, part)
                begun["function"]["arguments"] = ""
                yield {"tool_calls": [{"index": index, **begun}]}, None, 0
                for piece in part.pieces or ["{}"]:
                    fragment = {"index": index, "function": {"arguments": piece}}
                    yield {"tool_calls": [fragment]}, None, 1 if part.pieces else 0
            case Kind.REDACTED:
                pass
    yield {}, FINISHES.get(sent.stop, sent.stop), 0


def _calls(sent: Answer) -> list[Part]:
    return [part for part in sent.parts if part.kind is Kind.CALL]


def _call(sent: Answer, part: Part) -> Json:
    call_id = f"call_sim_{sent.digest}_{part.place}"
    function = {"name": part.name, "arguments": part.text or "{}"}
    return {"id": call_id, "type": "function", "function": function}


def _said(sent: Answer, kind: Kind) -> str | None:
    texts = [part.text for part in sent.parts if part.kind is kind]
    return "".join(texts) if texts else None


def _head(sent: Answer, kind: str) -> Json:
    return {
        "id": f"chatcmpl-sim-{sent.digest}",
        "object": kind,
        "created": CREATED,
        "model": sent.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _usage(sent: Answer) -> Json:
    read, written = sent.input.total, sent.output_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": sent.input.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sent.thinking_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _padding(sent: Answer, delta: Json) -> str:
    """What hides the size of a chunk."""
    return sent.digest[: -len(msgspec.json.encode(delta)) % 16]


def _fragments(event: Json) -> list[Json]:
    return [
        call for each in event.get("choices", []) for call in each["delta"].get("tool_calls", [])
    ]


def _name(event: Json) -> str:
    """What faults call a chunk."""
    if not event:
        return "[DONE]"
    if "error" in event:
        return "error"
    delta = next((choice["delta"] for choice in event["choices"]), None)
    if delta is None:
        return "usage"
    names = {"role": "role", "tool_calls": "tool_calls", "reasoning_content": "reasoning",
             "refusal": "refusal", "content": "content"}  # fmt: skip
    return next((name for key, name in names.items() if key in delta), "finish")
