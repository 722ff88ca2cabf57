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
    name: str = "keep"


class Section(NamedTuple):
    """The events of one part: what opens it, one event a fragment, and what closes it."""

    head: bytes
    deltas: list[bytes]
    tail: bytes


Reply = list[Part]
Wire = Callable[[Reply], list[Section]]


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


def messages_section(index: int, part: Part) -> Section:
    match part.kind:
        case "text":
            deltas = [text_delta(index, each) for each in part.fragments]
            return Section(block_start(index), deltas, block_stop(index))
        case "thinking":
            deltas = [thinking_delta(index, each) for each in part.fragments]
            signed = delta(index, "signature_delta", signature="c2lnbmVk")
            return Section(thinking_start(index), deltas, signed + block_stop(index))
        case _:
            deltas = [input_delta(index, each) for each in part.fragments]
            return Section(
                block_start(index, f"call_{index}", part.name), deltas, block_stop(index)
            )


def messages(reply: Reply) -> list[Section]:
    sections = [messages_section(index, part) for index, part in enumerate(reply)]
    reason = "tool_use" if any(part.kind == "tool" for part in reply) else "end_turn"
    return [Section(opening(), [], b""), *sections, Section(b"", [], ending(reason))]


# -- OpenAI Chat Completions -------------------------------------------------------------------


def chat_chunk(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    return f"data: {json.dumps(head | {'choices': [choice], 'usage': None})}\n\n".encode()


def chat_section(calls: int, part: Part) -> Section:
    if part.kind == "text":
        return Section(b"", [chat_chunk({"content": each}) for each in part.fragments], b"")
    function = {"name": part.name, "arguments": ""}
    head = {"index": calls, "id": f"call_{calls}", "type": "function", "function": function}
    deltas = [
        chat_chunk({"tool_calls": [{"index": calls, "function": {"arguments": each}}]})
        for each in part.fragments
    ]
    return Section(chat_chunk({"tool_calls": [head]}), deltas, b"")


def chat(reply: Reply) -> list[Section]:
    """This wire has no words for thoughts: a reply with some cannot be told."""
    begun = Section(chat_chunk({"role": "assistant", "content": "", "refusal": None}), [], b"")
    sections, calls = [begun], 0
    for part in reply:
        assert part.kind != "thinking"
        sections.append(chat_section(calls, part))
        calls += part.kind == "tool"
    done = chat_chunk({}, "tool_calls" if calls else "stop") + b"data: [DONE]\n\n"
    return [*sections, Section(b"", [], done)]


# -- OpenAI Responses --------------------------------------------------------------------------


class Told:
    """Numbers the events of a response; `turn` makes its items' ids those of one conversation."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self._count = 0

    def event(self, kind: str, **fields: Any) -> bytes:
        self._count += 1
        return record({"type": kind, "sequence_number": self._count - 1, **fields})


def response(status: str, output: list[Json]) -> Json:
    count = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}
    details = {"input_tokens_details": {"cached_tokens": 0},
               "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-5",
        "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": count | details if status == "completed" else None,
    }  # fmt: skip


def message_section(told: Told, index: int, part: Part) -> tuple[Section, Json]:
    item = {"id": f"msg_{told.turn}_{index}", "type": "message", "role": "assistant"}
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    text = {"type": "output_text", "text": "", "annotations": []}
    whole = text | {"text": "".join(part.fragments)}
    done = item | {"status": "completed", "content": [whole]}
    begun = item | {"status": "in_progress", "content": []}
    head = told.event("response.output_item.added", output_index=index, item=begun)
    head += told.event("response.content_part.added", part=text, **place)
    deltas = [
        told.event("response.output_text.delta", delta=each, logprobs=[], **place)
        for each in part.fragments
    ]
    tail = told.event("response.output_text.done", text=whole["text"], logprobs=[], **place)
    tail += told.event("response.content_part.done", part=whole, **place)
    tail += told.event("response.output_item.done", output_index=index, item=done)
    return Section(head, deltas, tail), done


def reasoning_section(told: Told, index: int, part: Part) -> tuple[Section, Json]:
    item = {"id": f"rs_{told.turn}_{index}", "type": "reasoning"}
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    text = {"type": "summary_text", "text": ""}
    whole = text | {"text": "".join(part.fragments)}
    done = item | {"summary": [whole]}
    begun: Json = item | {"summary": []}
    head = told.event("response.output_item.added", output_index=index, item=begun)
    head += told.event("response.reasoning_summary_part.added", part=text, **place)
    deltas = [
        told.event("response.reasoning_summary_text.delta", delta=each, **place)
        for each in part.fragments
    ]
    tail = told.event("response.reasoning_summary_text.done", text=whole["text"], **place)
    tail += told.event("response.reasoning_summary_part.done", part=whole, **place)
    tail += told.event("response.output_item.done", output_index=index, item=done)
    return Section(head, deltas, tail), done


def call_section(told: Told, index: int, part: Part) -> tuple[Section, Json]:
    ids = {"id": f"fc_{told.turn}_{index}", "call_id": f"call_{told.turn}_{index}"}
    item = ids | {"type": "function_call", "name": part.name}
    place = {"item_id": item["id"], "output_index": index}
    done = item | {"status": "completed", "arguments": "".join(part.fragments)}
    begun = item | {"status": "in_progress", "arguments": ""}
    head = told.event("response.output_item.added", output_index=index, item=begun)
    deltas = [
        told.event("response.function_call_arguments.delta", delta=each, **place)
        for each in part.fragments
    ]
    tail = told.event("response.function_call_arguments.done", arguments=done["arguments"],
                      name=part.name, **place)  # fmt: skip
    tail += told.event("response.output_item.done", output_index=index, item=done)
    return Section(head, deltas, tail), done


ITEMS = {"text": message_section, "thinking": reasoning_section, "tool": call_section}


def responses(reply: Reply, turn: int = 1) -> list[Section]:
    told, output = Told(turn), list[Json]()
    begun = told.event("response.created", response=response("in_progress", []))
    sections = [Section(begun, [], b"")]
    for index, part in enumerate(reply):
        section, done = ITEMS[part.kind](told, index, part)
        sections.append(section)
        output.append(done)
    ended = told.event("response.completed", response=response("completed", output))
    return [*sections, Section(b"", [], ended)]


# -- when --------------------------------------------------------------------------------------


def events(sections: list[Section]) -> list[bytes]:
    """What is written at one time each: a fragment, or what opens or closes a part."""
    pieces = [piece for head, deltas, tail in sections for piece in (head, *deltas, tail)]
    return [piece for piece in pieces if piece]


def at_once(sections: list[Section]) -> Schedule:
    return [(0.0, b"".join(events(sections)))]


def one_by_one(sections: list[Section], apart_s: float) -> Schedule:
    return [(number * apart_s, each) for number, each in enumerate(events(sections))]


WIRES: dict[str, Wire] = {"messages": messages, "chat": chat, "responses": responses}
# What a request with results of tools is answered with; replay.c knows the names.
DONE = [Part("text", ["Done."])]
SHORT: dict[str, Schedule] = {
    "short": at_once(messages(DONE)),
    "short-chat": at_once(chat(DONE)),
    "short-responses": at_once(responses(DONE, turn=2)),
}
