"""The shape of a Messages request as tables: which fields there are and what they hold."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from msgspec import Struct

Json = dict[str, Any]
# A field's type, by its name; a `?` behind the name says that it may be absent or null.
Fields = Mapping[str, type]


class Refusal(Struct, frozen=True):
    """What the API answers in place of a message. Only some wires have a `param` and a `code`."""

    status: int
    kind: str
    message: str
    param: str | None = None
    code: str | None = None


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def objects(values: list[Any]) -> list[Json]:
    """The values; what is no object has no fields either, and is refused for lacking them."""
    return [value if is_object(value) else {} for value in values]


def tag_of(request: Json, field: str) -> str | None:
    """The `type` of the object in a field."""
    value: Json = request.get(field) or {}
    return value.get("type")


def invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)


_EXPECTED: Final[Mapping[type, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "a valid string"),
    int: ((int,), "a valid integer"),
    float: ((int, float), "a valid number"),
    bool: ((bool,), "a valid boolean"),
    list: ((list,), "a valid list"),
    dict: ((dict,), "a valid dictionary"),
}


class Misfit(Struct, frozen=True):
    """A field that does not fit: absent, of another type than `wanted`, or unknown."""

    name: str
    given: Any = None
    wanted: type | None = None


def fields_that_misfit(value: Json, fields: Fields) -> Iterator[Misfit]:
    for marked, kind in fields.items():
        name = marked.removesuffix("?")
        given = value.get(name)
        if given is None and name == marked:
            yield Misfit(name, wanted=kind)
        if given is None or kind is object:
            continue
        types, _ = _EXPECTED[kind]
        if not isinstance(given, types) or (isinstance(given, bool) and kind is not bool):
            yield Misfit(name, given, kind)
    known = {name.removesuffix("?") for name in fields}
    yield from (Misfit(name, value[name]) for name in value if name not in known)


def misfits(value: Json, fields: Fields, path: str) -> Iterator[Refusal]:
    """What is wrong with an object's fields: absent, of another type, or unknown."""
    for misfit in fields_that_misfit(value, fields):
        where = path + misfit.name
        if misfit.wanted is None:
            yield invalid(f"{where}: Extra inputs are not permitted")
        elif misfit.given is None:
            yield invalid(f"{where}: Field required")
        else:
            yield invalid(f"{where}: Input should be {_EXPECTED[misfit.wanted][1]}")


def untagged(kind: object, table: Mapping[str, Fields], path: str) -> Iterator[Refusal]:
    """A `type` that the table does not know."""
    if not isinstance(kind, str) or kind not in table:
        known = ", ".join(f"'{tag}'" for tag in table)
        yield invalid(
            f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected"
            f" tags: {known}"
        )


REQUEST: Final[Fields] = {
    "model": str,
    "messages": list,
    "max_tokens": int,
    "cache_control?": dict,
    "container?": object,
    "diagnostics?": dict,
    "inference_geo?": str,
    "metadata?": dict,
    "output_config?": dict,
    "service_tier?": str,
    "speed?": str,
    "stop_sequences?": list,
    "stream?": bool,
    "system?": object,
    "temperature?": float,
    "thinking?": dict,
    "tool_choice?": dict,
    "tools?": list,
    "top_k?": int,
    "top_p?": float,
    "user_profile_id?": str,
    "workspace_id?": str,
}

# Known only to requests with an `anthropic-beta` header.
BETA_REQUEST: Final[Fields] = {
    "billing_policy?": object,
    "compaction?": dict,
    "context_management?": dict,
    "fallback_credit_token?": str,
    "fallbacks?": list,
    "mcp_servers?": list,
    "thread?": dict,
}

MESSAGE: Final[Fields] = {"role": str, "content": object}

TOOL: Final[Fields] = {
    "name": str,
    "input_schema": dict,
    "type?": str,
    "description?": str,
    "allowed_callers?": list,
    "cache_control?": dict,
    "defer_loading?": bool,
    "eager_input_streaming?": bool,
    "input_examples?": list,
    "strict?": bool,
}

THINKING: Final[Mapping[str, Fields]] = {
    "adaptive": {"type": str, "display?": str},
    "enabled": {"type": str, "budget_tokens": int, "display?": str},
    "disabled": {"type": str},
    "between_tools": {"type": str, "display?": str},
}

TOOL_CHOICE: Final[Mapping[str, Fields]] = {
    "auto": {"type": str, "disable_parallel_tool_use?": bool},
    "any": {"type": str, "disable_parallel_tool_use?": bool},
    "tool": {"type": str, "name": str, "disable_parallel_tool_use?": bool},
    "none": {"type": str},
}

_USE: Final[Fields] = {
    "id": str,
    "name": str,
    "input": dict,
    "cache_control?": dict,
    "caller?": dict,
}
_SERVER_RESULT: Final[Fields] = {
    "tool_use_id": str,
    "content": object,
    "cache_control?": dict,
    "caller?": dict,
}

# The content blocks; each also has its `type`.
BLOCKS: Final[Mapping[str, Fields]] = {
    "text": {"text": str, "cache_control?": dict, "citations?": list},
    "image": {"source": dict, "cache_control?": dict, "transformations?": object},
    "document": {
        "source": dict,
        "cache_control?": dict,
        "citations?": dict,
        "context?": str,
        "title?": str,
    },
    "search_result": {
        "content": list,
        "source": str,
        "title": str,
        "cache_control?": dict,
        "citations?": dict,
    },
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "tool_use": {**_USE, "toolset_name?": str},
    "tool_result": {
        "tool_use_id": str,
        "content?": object,
        "is_error?": bool,
        "cache_control?": dict,
        "toolset_name?": str,
    },
    "server_tool_use": _USE,
    "mcp_tool_use": {**_USE, "server_name": str},
    "mcp_tool_result": {**_SERVER_RESULT, "is_error?": bool},
    "web_search_tool_result": _SERVER_RESULT,
    "web_fetch_tool_result": _SERVER_RESULT,
    "code_execution_tool_result": _SERVER_RESULT,
    "bash_code_execution_tool_result": _SERVER_RESULT,
    "text_editor_code_execution_tool_result": _SERVER_RESULT,
    "tool_search_tool_result": _SERVER_RESULT,
    "advisor_tool_result": _SERVER_RESULT,
    "container_upload": {"file_id": str, "cache_control?": dict},
    "compaction": {
        "content?": object,
        "encrypted_content?": object,
        "signature?": str,
        "tool_changes?": object,
        "cache_control?": dict,
    },
    "fallback": {"from": object, "to": object, "trigger?": object},
}

RESULT_CONTENT: Final = {
    kind: BLOCKS[kind] for kind in ("text", "image", "document", "search_result")
} | {
    "tool_reference": {"tool_name": str, "cache_control?": dict},
    "browser_state": {"tabs": list, "cache_control?": dict, "state_changes?": object},
}

SERVER_USES: Final = {"server_tool_use", "mcp_tool_use"}
SERVER_RESULTS: Final = {kind for kind in BLOCKS if kind.endswith("_tool_result")}
THOUGHTS: Final = {"thinking", "redacted_thinking"}

# Who may send a block; blocks that are not here may come from both.
ONLY: Final = {
    "tool_result": "user",
    **dict.fromkeys({"tool_use"} | THOUGHTS | SERVER_USES | SERVER_RESULTS, "assistant"),
}

TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
