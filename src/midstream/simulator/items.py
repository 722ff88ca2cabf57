"""The items of a Responses request: what there is, and what each may hold."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from midstream.simulator.openai import (
    bad,
    empty,
    misfits,
    mistyped,
    name_faults,
    supported,
    too_long,
)
from midstream.simulator.shape import Fields, Json, Refusal, is_list, is_object, objects

MAX_ID: Final = 64

_CALL: Final[Fields] = {
    "type": str, "id?": str, "call_id": str, "name": str,
    "caller?": dict, "namespace?": str, "status?": str,
}  # fmt: skip
_OUTPUT: Final[Fields] = {
    "type": str, "id?": str, "call_id": str, "output": object,
    "caller?": dict, "name?": str, "namespace?": str, "status?": str,
}  # fmt: skip
MESSAGE: Final[Fields] = {
    "role": str, "content": object, "type?": str, "id?": str, "status?": str, "phase?": str,
}  # fmt: skip

# The items that are looked into; those of tools that run elsewhere are only known by their names.
ITEMS: Final[Mapping[str, Fields]] = {
    "message": MESSAGE,
    "reasoning": {
        "type": str, "id?": str, "summary": list, "content?": list,
        "encrypted_content?": str, "status?": str,
    },
    "function_call": {**_CALL, "arguments": str},
    "function_call_output": _OUTPUT,
    "custom_tool_call": {**_CALL, "input": str},
    "custom_tool_call_output": _OUTPUT,
    "item_reference": {"type?": str, "id": str},
}  # fmt: skip
OTHERS: Final = (
    "file_search_call", "computer_call", "computer_call_output", "web_search_call",
    "tool_search_call", "tool_search_output", "additional_tools", "configuration_update",
    "compaction", "compaction_trigger", "image_generation_call", "code_interpreter_call",
    "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
    "apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request",
    "mcp_approval_response", "mcp_call", "program", "program_output",
)  # fmt: skip
# What a model writes, and may therefore have thought about.
WRITTEN: Final = {"reasoning", "function_call", "custom_tool_call", "mcp_list_tools", "program"} | {
    name for name in OTHERS if name.endswith(("_call", "_request"))
}
PREFIXES: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc"}

ROLES: Final = ("assistant", "system", "developer", "user")
_TOLD: Final[Mapping[str, Fields]] = {
    "input_text": {"type": str, "text": str, "prompt_cache_breakpoint?": dict},
    "input_image": {
        "type": str, "detail?": str, "file_id?": str, "image_url?": str,
        "prompt_cache_breakpoint?": dict,
    },
    "input_file": {
        "type": str, "detail?": str, "file_data?": str, "file_id?": str, "file_url?": str,
        "filename?": str, "prompt_cache_breakpoint?": dict,
    },
}  # fmt: skip
_SAID: Final[Mapping[str, Fields]] = {
    "output_text": {"type": str, "text": str, "annotations?": list, "logprobs?": list},
    "refusal": {"type": str, "refusal": str},
}
_SUMMARY: Final[Mapping[str, Fields]] = {"summary_text": {"type": str, "text": str}}
_THOUGHT: Final[Mapping[str, Fields]] = {"reasoning_text": {"type": str, "text": str}}


def kind_of(item: Json) -> str:
    """An item's type; what has a role and no type is a message."""
    return str(item.get("type") or ("message" if "role" in item else ""))


def item_faults(item: Any, where: str) -> Iterator[Refusal]:
    """What is wrong with one item by itself."""
    if not is_object(item):
        yield mistyped(where, "an object", item)
        return
    kind = kind_of(item)
    yield from supported(kind, (*ITEMS, *OTHERS), where)
    if kind not in ITEMS:
        return
    yield from misfits(item, ITEMS[kind], where)
    yield from _ids(item, kind, where)
    match kind:
        case "message":
            yield from supported(item["role"], ROLES, f"{where}.role")
            allowed = _SAID if item["role"] == "assistant" else _TOLD
            yield from _content(item["content"], allowed, f"{where}.content")
        case "function_call" | "custom_tool_call":
            yield from name_faults(item["name"], f"{where}.name")
        case "function_call_output" | "custom_tool_call_output":
            yield from _content(item["output"], _TOLD, f"{where}.output")
        case "reasoning":
            yield from _parts(item["summary"], _SUMMARY, f"{where}.summary")
            yield from _parts(item.get("content") or [], _THOUGHT, f"{where}.content")
        case _:
            pass


def _ids(item: Json, kind: str, where: str) -> Iterator[Refusal]:
    for name in ("id", "call_id"):
        if item.get(name) is not None:
            yield from too_long(item[name], MAX_ID, f"{where}.{name}")
    prefix = PREFIXES.get(kind, "")
    if item.get("id") is not None and not item["id"].startswith(prefix):
        yield bad(
            f"Invalid '{where}.id': '{item['id']}'. Expected an ID that begins with '{prefix}'.",
            f"{where}.id",
            "invalid_value",
        )
    if item.get("call_id") == "":
        yield bad(
            f"Invalid '{where}.call_id': empty string. Expected a string with minimum length 1, but"
            " got an empty string instead.",
            f"{where}.call_id",
            "empty_string",
        )


def _content(content: Any, allowed: Mapping[str, Fields], where: str) -> Iterator[Refusal]:
    if isinstance(content, str):
        return
    if not is_list(content):
        yield mistyped(where, "one of a string or an array of objects", content)
        return
    yield from empty(content, where)
    yield from _parts(content, allowed, where)


def _parts(parts: list[Any], allowed: Mapping[str, Fields], where: str) -> Iterator[Refusal]:
    for place, part in enumerate(objects(parts)):
        yield from supported(part.get("type"), allowed, f"{where}[{place}]")
        yield from misfits(part, allowed[part["type"]], f"{where}[{place}]")
