"""What the replay server writes: the three wires' events, as bytes, and when each is due.

Each wire can tell a text, a thought and a call of the tool `keep`; a reply is a list of those.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

# What to write, and when, in seconds from the request.
Schedule = list[tuple[float, bytes]]
Json = dict[str, Any]


class Part(NamedTuple):
    """A stretch of a reply, in fragments: "text", "thinking", or the arguments of a "tool"."""

    kind: str
    fragments: list[str]


Reply = list[Part]
Wire = Callable[[Reply], list[bytes]]


def record(data: Json) -> bytes:
    """An event with a name, as Anthropic and OpenAI's Responses send it."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


# -- Anthropic Messages ------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> bytes:
    return record({"type": kind, **fields})


def opening() -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6"}
    rest: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return event("message_start", message=message | rest)


def ending(reason: str) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 7}) + event("message_stop")


def block_start(index: int, call: str = "", name: str = "") -> bytes:
    text = {"type": "text", "text": ""}
    use = {"type": "tool_use", "id": call, "name": name, "input": {}}
    return event("content_block_start", index=index, content_block=use if call else text)


def thinking_start(index: int) -> bytes:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text_delta(index: int, text: str) -> bytes:
    return delta(index, "text_delta", text=text)


def input_delta(index: int, fragment: str) -> bytes:
    return delta(index, "input_json_delta", partial_json=fragment)


def thinking_delta(index: int, text: str) -> bytes:
    return delta(index, "thinking_delta", thinking=text)


def block_stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def messages(reply: Reply) -> list[bytes]:
    told = [opening()]
    for index, (kind, fragments) in enumerate(reply):
        match kind:
            case "text":
                told += [block_start(index), *(text_delta(index, each) for each in fragments)]
            case "thinking":
                told += [thinking_start(index), *(thinking_delta(index, f) for f in fragments)]
                told.append(delta(index, "signature_delta", signature="c2lnbmVk"))
            case _:
                told.append(block_start(index, f"call_{index}", "keep"))
                told += [input_delta(index, each) for each in fragments]
        told.append(block_stop(index))
    return [*told, ending("tool_use" if any(p.kind == "tool" for p in reply) else "end_turn")]


# -- OpenAI Chat Completions -------------------------------------------------------------------


def chat_chunk(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    return f"data: {json.dumps(head | {'choices': [choice], 'usage': None})}\n\n".encode()


def chat(reply: Reply) -> list[bytes]:
    """This wire has no words for thoughts: they are left out."""
    told = [chat_chunk({"role": "assistant", "content": "", "refusal": None})]
    calls = 0
    for kind, fragments in reply:
        if kind == "text":
            told += [chat_chunk({"content": each}) for each in fragments]
        elif kind == "tool":
            function = {"name": "keep", "arguments": ""}
            head = {"index": calls, "id": f"call_{calls}", "type": "function"}
            told.append(chat_chunk({"tool_calls": [head | {"function": function}]}))
            for each in fragments:
                call = {"index": calls, "function": {"arguments": each}}
                told.append(chat_chunk({"tool_calls": [call]}))
            calls += 1
    return [*told, chat_chunk({}, "tool_calls" if calls else "stop"), b"data: [DONE]\n\n"]


# -- OpenAI Responses --------------------------------------------------------------------------


class Told:
    """Numbers the events of a response."""

    def __init__(self) -> None:
        self.events: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        self.events.append(record({"type": kind, "sequence_number": len(self.events), **fields}))


def response(status: str, output: list[Json]) -> Json:
    count = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}
    details = {"input_tokens_details": {"cached_tokens": 0},
               "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-5",
        "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": count | details if status == "completed" else None,
    }  # fmt: skip


def message_item(told: Told, index: int, fragments: list[str]) -> Json:
    item = {"id": f"msg_{index}", "type": "message", "role": "assistant"}
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    told.add("response.output_item.added", output_index=index,
             item=item | {"status": "in_progress", "content": []})  # fmt: skip
    told.add("response.content_part.added", part=part, **place)
    for each in fragments:
        told.add("response.output_text.delta", delta=each, logprobs=[], **place)
    whole = part | {"text": "".join(fragments)}
    told.add("response.output_text.done", text=whole["text"], logprobs=[], **place)
    told.add("response.content_part.done", part=whole, **place)
    return item | {"status": "completed", "content": [whole]}


def reasoning_item(told: Told, index: int, fragments: list[str]) -> Json:
    item = {"id": f"rs_{index}", "type": "reasoning"}
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    told.add("response.output_item.added", output_index=index, item=item | {"summary": []})
    told.add("response.reasoning_summary_part.added", part=part, **place)
    for each in fragments:
        told.add("response.reasoning_summary_text.delta", delta=each, **place)
    whole = part | {"text": "".join(fragments)}
    told.add("response.reasoning_summary_text.done", text=whole["text"], **place)
    told.add("response.reasoning_summary_part.done", part=whole, **place)
    return item | {"summary": [whole]}


def call_item(told: Told, index: int, fragments: list[str]) -> Json:
    item = {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}",
            "name": "keep"}  # fmt: skip
    place = {"item_id": item["id"], "output_index": index}
    told.add("response.output_item.added", output_index=index,
             item=item | {"status": "in_progress", "arguments": ""})  # fmt: skip
    for each in fragments:
        told.add("response.function_call_arguments.delta", delta=each, **place)
    whole = item | {"status": "completed", "arguments": "".join(fragments)}
    told.add("response.function_call_arguments.done", arguments=whole["arguments"],
             name="keep", **place)  # fmt: skip
    return whole


ITEMS = {"text": message_item, "thinking": reasoning_item, "tool": call_item}


def responses(reply: Reply) -> list[bytes]:
    told, output = Told(), list[Json]()
    told.add("response.created", response=response("in_progress", []))
    for index, (kind, fragments) in enumerate(reply):
        done = ITEMS[kind](told, index, fragments)
        told.add("response.output_item.done", output_index=index, item=done)
        output.append(done)
    told.add("response.completed", response=response("completed", output))
    return told.events


WIRES: dict[str, Wire] = {"messages": messages, "chat": chat, "responses": responses}
# What a request with results of tools is answered with; replay.c knows the names.
DONE = [Part("text", ["Done."])]
SHORT: dict[str, Schedule] = {
    "short": [(0.0, b"".join(messages(DONE)))],
    "short-chat": [(0.0, b"".join(chat(DONE)))],
    "short-responses": [(0.0, b"".join(responses(DONE)))],
}


# -- when --------------------------------------------------------------------------------------


def at_once(events: list[bytes]) -> Schedule:
    return [(0.0, b"".join(events))]


def one_by_one(events: list[bytes], apart_s: float) -> Schedule:
    return [(number * apart_s, each) for number, each in enumerate(events)]
