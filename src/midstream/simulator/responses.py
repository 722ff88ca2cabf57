"""OpenAI's Responses wire: an answer as events with names and numbers, or as one response."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from midstream.simulator.answer import Answer, Asked, Kind, tokens_of
from midstream.simulator.caching import Prompt, automatic
from midstream.simulator.openai import CREATED, OpenAI, problem_of
from midstream.simulator.play import Frame, Step, event_frame
from midstream.simulator.shape import Json, Refusal
from midstream.simulator.signatures import seal
from midstream.simulator.strict_responses import faults
from midstream.simulator.talk import of_responses

CALL: Final = "function_call"
PREFIXES: Final = {Kind.TEXT: "msg", Kind.CALL: "fc", Kind.THOUGHT: "rs", Kind.REDACTED: "rs"}
THOUGHTS: Final = (Kind.THOUGHT, Kind.REDACTED)
# Why a response is not complete; whatever else it stopped for, it is.
INCOMPLETE: Final = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "content_filter": "content_filter",
}
# What is repeated of a request, and what is said where it has none.
ECHOED: Final[Json] = {
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "moderation": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "prompt_cache_key": None,
    "prompt_cache_retention": "in_memory",
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Responses(OpenAI):
    """`POST /v1/responses`."""

    stops: tuple[str, ...] = ("response.completed", "response.incomplete")

    def problem(self, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        return problem_of(headers, body, faults)

    def asked(self, body: Json) -> Asked:
        reasoning = body.get("reasoning")
        return Asked(
            messages=of_responses(body["input"]),
            model=body["model"],
            max_tokens=body.get("max_output_tokens"),
            thinking=reasoning is not None and reasoning.get("effort") != "none",
        )

    def prompt(self, body: Json) -> Prompt:
        items = [body["input"]] if isinstance(body["input"], str) else body["input"]
        read = [body.get(name) for name in ("tools", "text", "instructions")] + items
        return automatic(body["model"], read, tokens_of(*read))

    def steps(self, sent: Answer, body: Json) -> Iterator[Step]:
        options: Json = body.get("stream_options") or {}
        padded = options.get("include_obfuscation") is not False
        for number, (event, tokens) in enumerate(_events(sent, body)):
            if padded and event["type"].endswith(".delta"):
                event["obfuscation"] = sent.digest[: -len(event["delta"]) % 16]
            yield {**event, "sequence_number": number}, tokens

    def message(self, sent: Answer, body: Json) -> Json:
        return _ended(sent, body)

    def frame(self, at_s: float, event: Json) -> Frame:
        return event_frame(at_s, event)

    def failure(self, refusal: Refusal, request_id: str, before: Sequence[Json]) -> list[Json]:
        number = before[-1]["sequence_number"] + 1 if before else 0
        begun: list[Json] = [event["response"] for event in before if "response" in event]
        unnamed: Json = {"id": f"resp_{request_id}", "object": "response", "output": []}
        error = {"code": refusal.code or refusal.kind, "message": refusal.message}
        response = {**(begun[-1] if begun else unnamed), "status": "failed", "error": error}
        return [
            {"type": "error", "sequence_number": number, **self.error(refusal, request_id)},
            {"type": "response.failed", "response": response, "sequence_number": number + 1},
        ]

    # -- faults --------------------------------------------------------------------------------

    def renamed(self, event: Json) -> Json:
        if "response" not in event:
            return event
        response = event["response"]
        return {**event, "response": {**response, "id": f"{response['id']}_again"}}

    def called(self, event: Json) -> int | None:
        begins = event["type"] == "response.output_item.added"
        return event["output_index"] if begins and event["item"]["type"] == CALL else None

    def fragment(self, event: Json, call: int) -> str | None:
        adds = event["type"] == "response.function_call_arguments.delta"
        return event["delta"] if adds and event["output_index"] == call else None

    def with_fragment(self, event: Json, fragment: str) -> Json:
        return {**event, "delta": fragment}

    def closes(self, event: Json, call: int) -> bool:
        ends = ("response.function_call_arguments.done", "response.output_item.done")
        return event["type"] in ends and event["output_index"] == call

    def retold(self, event: Json, call: int, arguments: str) -> Json:
        if self.closes(event, call):
            if "item" in event:
                return {**event, "item": {**event["item"], "arguments": arguments}}
            return {**event, "arguments": arguments}
        if event["type"] not in self.stops:
            return event
        output = list(event["response"]["output"])
        output[call] = {**output[call], "arguments": arguments}
        return {**event, "response": {**event["response"], "output": output}}

    def stopped(self, event: Json, reason: str | None, missing: bool) -> Json:
        details = {} if missing else {"reason": reason}
        response = {**event["response"], "status": "incomplete", "incomplete_details": details}
        return {**event, "type": "response.incomplete", "response": response}


# -- events ------------------------------------------------------------------------------------


def _events(sent: Answer, body: Json) -> Iterator[Step]:
    begun = _response(sent, body, "in_progress")
    yield {"type": "response.created", "response": begun}, 0
    yield {"type": "response.in_progress", "response": begun}, 0
    summarised = _summarised(body)
    for index, part in enumerate(sent.parts):
        item, at = Item(sent, index, summarised), {"output_index": index}
        # What is thought and not shown takes its time all the same.
        hidden = part.tokens if part.kind is Kind.THOUGHT and not summarised else 0
        yield {"type": "response.output_item.added", **at, "item": item.begun()}, hidden
        yield from item.events()
        yield {"type": "response.output_item.done", **at, "item": item.done()}, 0
    ended = _ended(sent, body)
    yield {"type": f"response.{ended['status']}", "response": ended}, 0


def _summarised(body: Json) -> bool:
    reasoning: Json = body.get("reasoning") or {}
    return bool(reasoning.get("summary") or reasoning.get("generate_summary"))


class Item:
    """A part of an answer as an item of the output."""

    def __init__(self, sent: Answer, index: int, summarised: bool) -> None:
        self._part = sent.parts[index]
        self._sent = sent
        self._refused = sent.stop == "refusal"
        self._summarised = summarised
        self._at = {"item_id": _id(sent, index), "output_index": index}

    def begun(self) -> Json:
        return self._item("in_progress", "", [])

    def done(self) -> Json:
        status = "completed" if self._part.whole else "incomplete"
        return self._item(status, self._part.text, [self._content(self._part.text)])

    def _item(self, status: str, text: str, content: list[Json]) -> Json:
        part = self._part
        item = {"id": self._at["item_id"]}
        if part.kind is Kind.TEXT:
            return {**item, "type": "message", "status": status, "content": content,
                    "role": "assistant"}  # fmt: skip
        if part.kind is Kind.CALL:
            call_id = f"call_sim_{self._sent.digest}_{part.place}"
            arguments = text or ("" if status == "in_progress" else "{}")
            return {**item, "type": CALL, "status": status, "arguments": arguments,
                    "call_id": call_id, "name": part.name}  # fmt: skip
        # While it is thought the thought is sealed as far as it has come.
        sealed = seal(part.text, part.thought)
        sealed = sealed[: len(sealed) // 2] if status == "in_progress" else sealed
        summary = content if self._summarised and part.kind is Kind.THOUGHT else []
        return {**item, "type": "reasoning", "content": [], "encrypted_content": sealed,
                "summary": summary}  # fmt: skip

    def _content(self, text: str) -> Json:
        if self._part.kind is not Kind.TEXT:
            return {"type": "summary_text", "text": text}
        if self._refused:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def events(self) -> Iterator[Step]:
        """What comes between the beginning of the item and its end."""
        match self._part.kind:
            case Kind.TEXT:
                name = "response.refusal" if self._refused else "response.output_text"
                yield from self._told(name, "response.content_part", {"content_index": 0})
            case Kind.THOUGHT if self._summarised:
                name, part = "response.reasoning_summary_text", "response.reasoning_summary_part"
                yield from self._told(name, part, {"summary_index": 0})
            case Kind.CALL:
                name = "response.function_call_arguments"
                tokens = 1 if self._part.pieces else 0
                for piece in self._part.pieces or ["{}"]:
                    yield {"type": f"{name}.delta", **self._at, "delta": piece}, tokens
                arguments = self._part.text or "{}"
                yield {"type": f"{name}.done", **self._at, "arguments": arguments}, 0
            case _:
                pass

    def _told(self, name: str, part: str, place: Json) -> Iterator[Step]:
        at, whole = {**self._at, **place}, self._content(self._part.text)
        word = "refusal" if "refusal" in whole else "text"
        extra: Json = {"logprobs": []} if "logprobs" in whole else {}
        yield {"type": f"{part}.added", **at, "part": self._content("")}, 0
        for piece in self._part.pieces:
            yield {"type": f"{name}.delta", **at, "delta": piece, **extra}, 1
        yield {"type": f"{name}.done", **at, word: whole[word], **extra}, 0
        yield {"type": f"{part}.done", **at, "part": whole}, 0


def _id(sent: Answer, index: int) -> str:
    """An item's id, which says what thought the item needs before it."""
    part, before = sent.parts[index], sent.parts[index - 1] if index else None
    needs = f"_r{before.place}" if before and before.kind in THOUGHTS else ""
    return f"{PREFIXES[part.kind]}_sim_{sent.digest}_{part.place}{needs}"


def _ended(sent: Answer, body: Json) -> Json:
    reason = INCOMPLETE.get(sent.stop)
    read, written = sent.input.total, sent.output_tokens
    return {
        **_response(sent, body, "incomplete" if reason else "completed"),
        "completed_at": None if reason else CREATED,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [Item(sent, n, _summarised(body)).done() for n in range(len(sent.parts))],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": sent.input.cached, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": sent.thinking_tokens},
            "total_tokens": read + written,
        },
    }


def _response(sent: Answer, body: Json, status: str) -> Json:
    given = {name: body[name] for name in ECHOED if body.get(name) is not None}
    return {
        "id": f"resp_sim_{sent.digest}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": sent.model,
        "output": [],
        "previous_response_id": None,
        **ECHOED,
        **given,
        "usage": None,
    }
