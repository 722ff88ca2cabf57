"""Refusal of what the real Responses API refuses, with its status, its words and its codes.

Nothing is kept from one request to the next: what would have to be (an earlier response, a
conversation, an item by its id, an answer in the background) is not there. Not refused: what
depends on the model, or on the contents of pictures and files.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from midstream.simulator.items import WRITTEN, item_faults, kind_of
from midstream.simulator.openai import (
    EFFORTS,
    FUNCTION,
    bad,
    misfits,
    mistyped,
    name_faults,
    out_of_range,
    schema_faults,
    stream_faults,
    supported,
)
from midstream.simulator.shape import Fields, Json, Refusal, is_list, is_object, objects
from midstream.simulator.signatures import is_sealed

REQUEST: Final[Fields] = {
    "model": str,
    "input?": object,
    "access_programs?": dict,
    "background?": bool,
    "background_options?": dict,
    "context_management?": list,
    "conversation?": object,
    "image?": dict,
    "include?": list,
    "instructions?": str,
    "max_output_tokens?": int,
    "max_tool_calls?": int,
    "metadata?": dict,
    "moderation?": dict,
    "parallel_tool_calls?": bool,
    "previous_response_id?": str,
    "prompt?": dict,
    "prompt_cache_key?": str,
    "prompt_cache_options?": dict,
    "prompt_cache_retention?": str,
    "reasoning?": dict,
    "safety_identifier?": str,
    "service_tier?": str,
    "store?": bool,
    "stream?": bool,
    "stream_options?": dict,
    "temperature?": float,
    "text?": dict,
    "tool_choice?": object,
    "tools?": list,
    "top_logprobs?": int,
    "top_p?": float,
    "truncation?": str,
    "user?": str,
}
STREAM_OPTIONS: Final[Fields] = {"include_obfuscation?": bool}
REASONING: Final[Fields] = {
    "effort?": str, "summary?": str, "generate_summary?": str, "context?": str, "mode?": str,
}  # fmt: skip
SUMMARIES: Final = ("auto", "concise", "detailed")
INCLUDED: Final = (
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url",
    "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs",
)  # fmt: skip
TEXT: Final[Fields] = {"format?": dict, "verbosity?": str}
TOOLS: Final = (
    "function", "file_search", "computer", "computer_use_preview", "web_search",
    "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11", "mcp",
    "code_interpreter", "programmatic_tool_calling", "image_generation", "local_shell", "shell",
    "custom", "namespace", "tool_search", "apply_patch",
)  # fmt: skip
TOOL: Final[Fields] = {
    **FUNCTION, "type": str, "allowed_callers?": list, "defer_loading?": bool,
    "output_schema?": dict,
}  # fmt: skip
CHOICES: Final = ("none", "auto", "required")
# The id of an item of ours that was thought about: its message, and the place of the thought.
_THOUGHT_ABOUT: Final = re.compile(r"[a-z]+_sim_([0-9a-f]+)_\d+_r(\d+)")


def faults(request: Json) -> Iterator[Refusal]:
    """What is wrong with a request; each check may rely on what the ones before it let pass."""
    yield from misfits(request, REQUEST, "")
    yield from out_of_range(request)
    yield from stream_faults(request, STREAM_OPTIONS)
    yield from _settings(request)
    yield from _tools(request)
    yield from _kept(request)
    items = request.get("input")
    if items is None or items == "" or items == []:
        yield bad(
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be"
            " provided.",
            "input",
            "missing_required_parameter",
        )
    if isinstance(items, str):
        return
    if not is_list(items):
        yield mistyped("input", "one of a string or an array of objects", items)
        return
    for number, item in enumerate(items):
        yield from item_faults(item, f"input[{number}]")
    yield from _references(items)
    yield from _pairs(items)
    yield from _reasoning(items, stored=request.get("store") is not False)


def _settings(request: Json) -> Iterator[Refusal]:
    for number, name in enumerate(request.get("include") or []):
        yield from supported(name, INCLUDED, f"include[{number}]")
    if request.get("text") is not None:
        yield from misfits(request["text"], TEXT, "text")
    reasoning = request.get("reasoning")
    if reasoning is None:
        return
    yield from misfits(reasoning, REASONING, "reasoning")
    for name, known in (("effort", EFFORTS), ("summary", SUMMARIES)):
        if reasoning.get(name) is not None:
            yield from supported(reasoning[name], known, f"reasoning.{name}")


def _tools(request: Json) -> Iterator[Refusal]:
    tools = objects(request.get("tools") or [])
    for number, tool in enumerate(tools):
        where = f"tools[{number}]"
        if tool.get("type") is None:
            yield from misfits(tool, {"type": str}, where)
        yield from supported(tool["type"], TOOLS, f"{where}.type")
        if tool["type"] == "function":
            yield from misfits(tool, TOOL, where)
            yield from name_faults(tool["name"], f"{where}.name")
            yield from schema_faults(tool, f"{where}.parameters")
    yield from _choice(request.get("tool_choice"), tools)


def _choice(choice: Any, tools: list[Json]) -> Iterator[Refusal]:
    if is_object(choice):
        if choice.get("type") is None:
            yield from misfits(choice, {"type": str}, "tool_choice")
        names = [tool.get("name") for tool in tools]
        if choice["type"] == "function" and choice.get("name") not in names:
            words = f"Tool choice '{choice.get('name')}' not found in 'tools' parameter."
            yield bad(words, "tool_choice")
    elif choice is not None:
        yield from supported(choice, CHOICES, "tool_choice")


def _kept(request: Json) -> Iterator[Refusal]:
    """What would have to be kept from one request to the next."""
    if (earlier := request.get("previous_response_id")) is not None:
        yield bad(
            f"Previous response with id '{earlier}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )
    for name in ("conversation", "prompt"):
        if (given := request.get(name)) is not None:
            given_id = given.get("id") if is_object(given) else given
            yield _missing(f"{name.capitalize()} with id '{given_id}' not found.", name)
    if request.get("background"):
        words = "The simulator keeps no responses: 'background' is not supported."
        yield bad(words, "background", "unsupported_parameter")


def _missing(message: str, param: str) -> Refusal:
    return Refusal(404, "invalid_request_error", message, param)


def _references(items: list[Json]) -> Iterator[Refusal]:
    seen: set[str] = set()
    for item in items:
        item_id = item.get("id")
        if kind_of(item) == "item_reference":
            yield _missing(f"Item with id '{item_id}' not found.", "input")
        if isinstance(item_id, str) and item_id in seen:
            yield bad(
                f"Duplicate item found with id {item_id}. Remove duplicate items from your input"
                " and try again.",
                "input",
            )
        seen.add(str(item_id))
        seen.discard("None")


def _pairs(items: list[Json]) -> Iterator[Refusal]:
    """Each call has its output behind it, and each output its call before it."""
    waiting: dict[str, str] = {}
    for item in items:
        kind = kind_of(item)
        words = "custom tool call" if kind.startswith("custom") else "function call"
        if kind in ("function_call", "custom_tool_call"):
            if item["call_id"] in waiting:
                yield bad(f"Duplicate {words} with call_id {item['call_id']}.", "input")
            waiting[item["call_id"]] = words
        elif kind in ("function_call_output", "custom_tool_call_output"):
            if item["call_id"] not in waiting:
                yield bad(
                    f"No tool call found for {words} output with call_id {item['call_id']}.",
                    "input",
                )
            del waiting[item["call_id"]]
    for call_id, words in waiting.items():
        yield bad(f"No tool output found for {words} {call_id}.", "input")


def _reasoning(items: list[Json], stored: bool) -> Iterator[Refusal]:
    """Thoughts come back as they were, each before what it led to."""
    for number, item in enumerate(items):
        before = items[number - 1] if number else {}
        after = items[number + 1] if number + 1 < len(items) else {}
        if kind_of(item) == "reasoning":
            yield from _thought(item, stored)
            if not (kind_of(after) in WRITTEN or after.get("role") == "assistant"):
                yield bad(
                    f"Item '{item.get('id')}' of type 'reasoning' was provided without its required"
                    " following item.",
                    "input",
                )
        needs = _THOUGHT_ABOUT.fullmatch(str(item.get("id")))
        if needs and kind_of(before) != "reasoning":
            yield bad(
                f"Item '{item['id']}' of type '{kind_of(item)}' was provided without its required"
                f" 'reasoning' item: 'rs_sim_{needs[1]}_{needs[2]}'.",
                "input",
            )


def _thought(item: Json, stored: bool) -> Iterator[Refusal]:
    sealed = item.get("encrypted_content")
    item_id = str(item.get("id"))
    if sealed is None:
        if not stored:
            yield _missing(
                f"Item with id '{item_id}' not found. Items are not persisted when `store` is set"
                " to false. Try again with `store` set to true, or remove this item from your"
                " input.",
                "input",
            )
        elif not item_id.startswith("rs_sim_"):
            yield _missing(f"Item with id '{item_id}' not found.", "input")
    elif not is_sealed(sealed):
        yield bad(
            f"The encrypted content {sealed[:4]}...{sealed[-4:]} could not be verified.",
            code="invalid_encrypted_content",
        )
