"""A conversation with tools on each wire, for tests that say the same of all three."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from midstream.simulator import Scenario
from midstream.simulator.wires import CHAT, MESSAGES, RESPONSES, Wire, play

Json = dict[str, Any]


class Talk(Protocol):
    """What a client keeps of a conversation, and how it reads an answer."""

    wire: Wire
    body: Json

    def ask(self, prompt: str) -> None: ...
    def hear(self, answer: Json) -> None: ...
    def text(self, answer: Json) -> str: ...
    def calls(self, answer: Json) -> list[tuple[str, str, Json]]: ...
    def result(self, call_id: str, value: object) -> None: ...


class MessagesTalk:
    wire: Wire = MESSAGES

    def __init__(self) -> None:
        self.body: Json = {"model": "m", "max_tokens": 9999, "messages": []}

    def ask(self, prompt: str) -> None:
        self.body["messages"].append({"role": "user", "content": prompt})

    def hear(self, answer: Json) -> None:
        self.body["messages"].append({"role": "assistant", "content": answer["content"]})

    def text(self, answer: Json) -> str:
        return "".join(block.get("text", "") for block in answer["content"])

    def calls(self, answer: Json) -> list[tuple[str, str, Json]]:
        used = [block for block in answer["content"] if block["type"] == "tool_use"]
        return [(block["id"], block["name"], block["input"]) for block in used]

    def result(self, call_id: str, value: object) -> None:
        block = {"type": "tool_result", "tool_use_id": call_id, "content": json.dumps(value)}
        last = self.body["messages"][-1]
        if last["role"] == "user":
            last["content"].append(block)
        else:
            self.body["messages"].append({"role": "user", "content": [block]})


class ChatTalk:
    wire: Wire = CHAT

    def __init__(self) -> None:
        self.body: Json = {"model": "m", "messages": []}

    def ask(self, prompt: str) -> None:
        self.body["messages"].append({"role": "user", "content": prompt})

    def hear(self, answer: Json) -> None:
        self.body["messages"].append(answer["choices"][0]["message"])

    def text(self, answer: Json) -> str:
        return answer["choices"][0]["message"]["content"] or ""

    def calls(self, answer: Json) -> list[tuple[str, str, Json]]:
        made = answer["choices"][0]["message"].get("tool_calls", [])
        return [
            (each["id"], each["function"]["name"], json.loads(each["function"]["arguments"]))
            for each in made
        ]

    def result(self, call_id: str, value: object) -> None:
        content = json.dumps(value)
        message = {"role": "tool", "tool_call_id": call_id, "content": content}
        self.body["messages"].append(message)


class ResponsesTalk:
    wire: Wire = RESPONSES

    def __init__(self) -> None:
        self.body: Json = {"model": "m", "input": [], "store": False}

    def ask(self, prompt: str) -> None:
        self.body["input"].append({"role": "user", "content": prompt})

    def hear(self, answer: Json) -> None:
        self.body["input"].extend(answer["output"])

    def text(self, answer: Json) -> str:
        said = [item for item in answer["output"] if item["type"] == "message"]
        return "".join(part["text"] for item in said for part in item["content"])

    def calls(self, answer: Json) -> list[tuple[str, str, Json]]:
        made = [item for item in answer["output"] if item["type"] == "function_call"]
        return [(each["call_id"], each["name"], json.loads(each["arguments"])) for each in made]

    def result(self, call_id: str, value: object) -> None:
        item = {"type": "function_call_output", "call_id": call_id, "output": json.dumps(value)}
        self.body["input"].append(item)


TALKS: list[type[MessagesTalk | ChatTalk | ResponsesTalk]] = [
    MessagesTalk, ChatTalk, ResponsesTalk,
]  # fmt: skip

HEADERS = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}


def answered(talk: Talk, script: Scenario) -> Json:
    """The answer to what was said so far, which the wire must accept."""
    refusal = talk.wire.problem(HEADERS, msgspec.json.encode(talk.body))
    assert refusal is None
    answer = msgspec.json.decode(play(talk.wire, talk.body, script, {}).body, type=Json)
    talk.hear(answer)
    return answer


def finished(talk: Talk, script: Scenario, outputs: Mapping[str, list[Any]]) -> str:
    """All that is said until no tool is called; the results are `outputs`, one after the other."""
    said = ""
    while True:
        answer = answered(talk, script)
        said += talk.text(answer)
        if not talk.calls(answer):
            return said
        for call_id, name, _ in talk.calls(answer):
            talk.result(call_id, outputs[name].pop(0))
