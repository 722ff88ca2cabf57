"""Conversations on OpenAI's wires as messages of blocks, which is what `facts` reads.

What the user says behind the results of tools stays with them: it is no new prompt.
"""

from collections.abc import Iterator

from midstream.simulator.items import kind_of
from midstream.simulator.shape import Json, objects


def of_chat(messages: list[Json]) -> list[Json]:
    said: list[Json] = []
    for message in messages:
        content = _texts(message.get("content") or [])
        match message["role"]:
            case "assistant":
                said.append({"role": "assistant", "content": [*content, *_uses(message)]})
            case "tool":
                _hear(said, [_result(message["tool_call_id"], content)])
            case "user":
                _hear(said, content)
            case _:  # instructions
                pass
    return said


def of_responses(items: str | list[Json]) -> list[Json]:
    """What the model said in a row is one message."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    said: list[Json] = []
    for item in items:
        match kind_of(item), item.get("role"):
            case "message", "user":
                _hear(said, _texts(item["content"]))
            case "message", "assistant":
                _say(said, _texts(item["content"]))
            case "function_call" | "custom_tool_call", _:
                _say(said, [_use(item["call_id"], item["name"])])
            case "function_call_output" | "custom_tool_call_output", _:
                _hear(said, [_result(item["call_id"], _texts(item["output"]))])
            case "reasoning", _:
                _say(said, [])
            case _:  # instructions, and tools that run elsewhere
                pass
    return said


def _hear(said: list[Json], blocks: list[Json]) -> None:
    """Add what the model is told; behind results it belongs to them."""
    content: list[Json] = said[-1]["content"] if said else []
    if any(block["type"] == "tool_result" for block in content):
        content.extend(blocks)
    else:
        said.append({"role": "user", "content": blocks})


def _say(said: list[Json], blocks: list[Json]) -> None:
    if not said or said[-1]["role"] != "assistant":
        said.append({"role": "assistant", "content": []})
    said[-1]["content"].extend(blocks)


def _uses(message: Json) -> Iterator[Json]:
    for call in objects(message.get("tool_calls") or []):
        yield _use(call["id"], call[call["type"]]["name"])


def _use(call_id: str, name: str) -> Json:
    return {"type": "tool_use", "id": call_id, "name": name}


def _result(call_id: str, content: list[Json]) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def _texts(content: str | list[Json]) -> list[Json]:
    parts = [{"text": content}] if isinstance(content, str) else content
    return [{"type": "text", "text": part["text"]} for part in parts if "text" in part]
