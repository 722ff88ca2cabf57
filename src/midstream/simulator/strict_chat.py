"""Refusal of what the real Chat Completions API refuses, with its status, its words and its codes.

Not refused: what depends on the model (which parameters it takes), on the contents of pictures,
sounds and files, or on the schema of an answer.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from midstream.simulator.openai import (
    EFFORTS,
    FUNCTION,
    bad,
    empty,
    misfits,
    mistyped,
    name_faults,
    noun,
    out_of_range,
    schema_faults,
    stream_faults,
    supported,
    too_long,
)
from midstream.simulator.shape import Fields, Json, Refusal, is_list, is_object, objects

MAX_ID: Final = 40

REQUEST: Final[Fields] = {
    "messages": list,
    "model": str,
    "audio?": dict,
    "frequency_penalty?": float,
    "function_call?": object,
    "functions?": list,
    "logit_bias?": dict,
    "logprobs?": bool,
    "max_completion_tokens?": int,
    "max_tokens?": int,
    "metadata?": dict,
    "modalities?": list,
    "moderation?": dict,
    "n?": int,
    "parallel_tool_calls?": bool,
    "prediction?": dict,
    "presence_penalty?": float,
    "prompt_cache_key?": str,
    "prompt_cache_options?": dict,
    "prompt_cache_retention?": str,
    "reasoning_effort?": str,
    "response_format?": dict,
    "safety_identifier?": str,
    "seed?": int,
    "service_tier?": str,
    "stop?": object,
    "store?": bool,
    "stream?": bool,
    "stream_options?": dict,
    "temperature?": float,
    "tool_choice?": object,
    "tools?": list,
    "top_logprobs?": int,
    "top_p?": float,
    "user?": str,
    "verbosity?": str,
    "web_search_options?": dict,
}
STREAM_OPTIONS: Final[Fields] = {"include_usage?": bool, "include_obfuscation?": bool}

# What each role may say; `reasoning_content` is what the answers have of thinking.
MESSAGES: Final[Mapping[str, Fields]] = {
    "system": {"content": object, "name?": str},
    "assistant": {
        "content?": object,
        "refusal?": str,
        "name?": str,
        "audio?": dict,
        "tool_calls?": list,
        "function_call?": dict,
        "reasoning_content?": str,
        "annotations?": list,
    },
    "user": {"content": object, "name?": str},
    "function": {"content": object, "name": str},
    "tool": {"content": object, "tool_call_id": str},
    "developer": {"content": object, "name?": str},
}
PARTS: Final[Mapping[str, Fields]] = {
    "text": {"text": str, "prompt_cache_breakpoint?": dict},
    "image_url": {"image_url": dict, "prompt_cache_breakpoint?": dict},
    "input_audio": {"input_audio": dict, "prompt_cache_breakpoint?": dict},
    "refusal": {"refusal": str},
    "file": {"file": dict, "prompt_cache_breakpoint?": dict},
}
# The parts that are not for everybody.
ONLY: Final = {"image_url": "user", "input_audio": "user", "file": "user", "refusal": "assistant"}

CALLS: Final[Mapping[str, tuple[Fields, str]]] = {
    "function": ({"name": str, "arguments": str}, "function"),
    "custom": ({"name": str, "input": str}, "custom"),
}
CHOICES: Final = ("none", "auto", "required")
_NEWER: Final = re.compile(r"gpt-[5-9]|o\d")


def faults(request: Json) -> Iterator[Refusal]:
    """What is wrong with a request; each check may rely on what the ones before it let pass."""
    yield from misfits(request, REQUEST, "")
    yield from out_of_range(request)
    if request.get("max_tokens") is not None and _NEWER.match(str(request.get("model"))):
        yield bad(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if request.get("max_tokens") is not None and request.get("max_completion_tokens") is not None:
        yield bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    if request.get("n") not in (None, 1):
        yield bad("The simulator gives one answer: n is 1.", "n", "unsupported_value")
    if request.get("reasoning_effort") is not None:
        yield from supported(request["reasoning_effort"], EFFORTS, "reasoning_effort")
    yield from stream_faults(request, STREAM_OPTIONS)
    yield from _tools(request)
    yield from empty(request["messages"], "messages")
    for number, message in enumerate(request["messages"]):
        yield from _message(message, number)
    yield from _loop(request["messages"])


def _tools(request: Json) -> Iterator[Refusal]:
    tools = request.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if request.get(name) is not None:
                words = f"'{name}' is only allowed when 'tools' are specified."
                yield bad(f"Invalid value for '{name}': {words}", name)
        return
    yield from empty(tools, "tools")
    for number, tool in enumerate(objects(tools)):
        where = f"tools[{number}]"
        kind = tool.get("type")
        if kind is None:
            yield from misfits(tool, {"type": str}, where)
        yield from supported(kind, CALLS, f"{where}.type")
        yield from misfits(tool, {"type": str, str(kind): dict}, where)
        inner = tool[str(kind)]
        if kind == "function":
            yield from misfits(inner, FUNCTION, f"{where}.function")
            yield from name_faults(inner["name"], f"{where}.function.name")
            yield from schema_faults(inner, f"{where}.function.parameters")
        else:
            fields: Fields = {"name": str, "description?": str, "format?": dict}
            yield from misfits(inner, fields, f"{where}.custom")
    yield from _choice(request.get("tool_choice"), objects(tools))


def _choice(choice: Any, tools: list[Json]) -> Iterator[Refusal]:
    if choice is None:
        return
    if not is_object(choice):
        yield from supported(choice, CHOICES, "tool_choice")
        return
    kind = choice.get("type")
    yield from supported(kind, (*CALLS, "allowed_tools"), "tool_choice.type")
    yield from misfits(choice, {"type": str, str(kind): dict}, "tool_choice")
    if kind == "allowed_tools":
        return
    name = choice[str(kind)].get("name")
    if name not in [tool[tool["type"]]["name"] for tool in tools]:
        yield bad(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")


# -- messages ----------------------------------------------------------------------------------


def _message(message: Any, number: int) -> Iterator[Refusal]:
    where = f"messages[{number}]"
    if not is_object(message):
        yield mistyped(where, "an object", message)
        return
    role = message.get("role")
    if role is None:
        yield from misfits(message, {"role": str}, where)
    yield from supported(role, MESSAGES, f"{where}.role")
    yield from misfits(message, {"role": str, **MESSAGES[str(role)]}, where)
    yield from _content(message, number)
    if message.get("tool_calls") is not None:
        yield from empty(message["tool_calls"], f"{where}.tool_calls")
        for place, call in enumerate(objects(message["tool_calls"])):
            yield from _call(call, f"{where}.tool_calls[{place}]")
    if role == "tool":
        yield from too_long(message["tool_call_id"], MAX_ID, f"{where}.tool_call_id")


def _content(message: Json, number: int) -> Iterator[Refusal]:
    content = message.get("content")
    said = any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))
    if content is None and not said:
        words = "Invalid value for 'content': expected a string, got null."
        yield bad(words, f"messages.[{number}].content")
    if content is None or isinstance(content, str):
        return
    where = f"messages[{number}].content"
    if not is_list(content):
        wanted = f"one of {noun(str)} or {noun(list)} of objects"
        yield mistyped(where, wanted, content)
        return
    yield from empty(content, where)
    for place, part in enumerate(objects(content)):
        yield from _part(part, message["role"], number, f"{where}[{place}]")


def _part(part: Json, role: str, number: int, where: str) -> Iterator[Refusal]:
    kind = str(part.get("type"))
    yield from supported(part.get("type"), PARTS, f"{where}.type")
    if ONLY.get(kind, role) != role:
        thing = "Image URLs are" if kind == "image_url" else f"Parts of type '{kind}' are"
        yield bad(
            f"Invalid 'messages[{number}]'. {thing} only allowed for messages with role"
            f" '{ONLY[kind]}', but this message with role '{role}' contains one.",
            f"messages[{number}]",
            "invalid_value",
        )
    yield from misfits(part, {"type": str, **PARTS[kind]}, where)
    if kind == "image_url":
        fields: Fields = {"url": str, "detail?": str}
        yield from misfits(part["image_url"], fields, f"{where}.image_url")


def _call(call: Json, where: str) -> Iterator[Refusal]:
    kind = call.get("type")
    if kind is None:
        yield from misfits(call, {"id": str, "type": str}, where)
    yield from supported(kind, CALLS, f"{where}.type")
    fields, name = CALLS[str(kind)]
    yield from misfits(call, {"id": str, "type": str, name: dict}, where)
    yield from misfits(call[name], fields, f"{where}.{name}")
    yield from too_long(call["id"], MAX_ID, f"{where}.id")
    yield from name_faults(call[name]["name"], f"{where}.{name}.name")


# -- the loop of tools -------------------------------------------------------------------------


def _loop(messages: list[Json]) -> Iterator[Refusal]:
    """Each call is answered once, right behind its message and before anything else."""
    asked: list[str] = []
    answered: set[str] = set()
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            yield from _answer(message["tool_call_id"], asked, answered, number)
            answered.add(message["tool_call_id"])
            continue
        yield from _unanswered(asked, answered, number)
        asked = [call["id"] for call in objects(message.get("tool_calls") or [])]
        answered = set()
        for call_id in asked:
            if asked.count(call_id) > 1:
                words = f"Duplicate value for 'tool_call_id' of '{call_id}' in message {number}."
                yield bad(words, f"messages.[{number}].tool_calls")
    yield from _unanswered(asked, answered, len(messages))


def _answer(call_id: str, asked: list[str], answered: set[str], number: int) -> Iterator[Refusal]:
    if not asked:
        yield bad(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding"
            " message with 'tool_calls'.",
            f"messages.[{number}].role",
        )
    where = f"messages.[{number}].tool_call_id"
    if call_id not in asked:
        yield bad(
            f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of"
            " previous message.",
            where,
        )
    if call_id in answered:
        yield bad(f"Duplicate value for 'tool_call_id' of '{call_id}' in message {number}.", where)


def _unanswered(asked: list[str], answered: set[str], number: int) -> Iterator[Refusal]:
    if missing := [call_id for call_id in asked if call_id not in answered]:
        yield bad(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to"
            " each 'tool_call_id'. The following tool_call_ids did not have response messages:"
            f" {', '.join(missing)}",
            f"messages.[{number}].role",
        )
