"""Refusal of what the real Messages API refuses, with its status, its error type and its words.

The words are those that users of the API quote in public; where none were found they are ours.
Not refused: what depends on the model (which thinking it takes, how long a context), on beta
headers beyond their presence, or on the contents of images, documents and server tools. Refused,
though some models take it: a `system` message inside the conversation.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from midstream.simulator.bodies import MAX_BODY, decode
from midstream.simulator.conversation import faults, retired
from midstream.simulator.shape import (
    BETA_REQUEST,
    REQUEST,
    THINKING,
    TOOL,
    TOOL_CHOICE,
    TOOL_NAME,
    Fields,
    Json,
    Refusal,
    invalid,
    is_list,
    misfits,
    objects,
    tag_of,
    untagged,
)

VERSIONS: Final = ("2023-06-01", "2026-10-21")
MAX_BREAKPOINTS: Final = 4
_THINKING_DOCS: Final = "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"


def problem(headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """The first thing the API would refuse; `headers` have lower-case names."""
    for refusal in _headers(headers):
        return refusal
    if len(body) > MAX_BODY:
        return Refusal(413, "request_too_large", "Request exceeds the maximum size")
    try:
        request = decode(body)
    except ValueError as error:
        return invalid(f"The request body is not valid JSON: {error}")
    return next(_request(request, headers), None)


def _headers(headers: Mapping[str, str]) -> Iterator[Refusal]:
    bearer = headers.get("authorization", "").partition("Bearer ")[2]
    if not (headers.get("x-api-key") or bearer.strip()):
        yield Refusal(401, "authentication_error", "x-api-key header is required")
    version = headers.get("anthropic-version")
    if not version:
        yield invalid("anthropic-version: header is required")
    elif version not in VERSIONS:
        yield invalid(f'anthropic-version: "{version}" is not a valid version')


def _request(request: Json, headers: Mapping[str, str]) -> Iterator[Refusal]:
    """Each check may rely on what the ones before it let pass."""
    beta = bool(headers.get("anthropic-beta"))
    yield from misfits(request, {**REQUEST, **(BETA_REQUEST if beta else {})}, "")
    if request["max_tokens"] < 0:
        yield invalid("max_tokens: Input should be greater than or equal to 0")
    yield from _system(request.get("system"))
    yield from _tools(request.get("tools") or [])
    yield from _tool_choice(request)
    yield from _thinking(request, headers)
    yield from _temperature(request)
    yield from faults(request)
    yield from _breakpoints(request)
    if headers["anthropic-version"] != VERSIONS[0]:
        yield from _sampling(request)
        yield from retired(request)


def _system(system: Any) -> Iterator[Refusal]:
    if system is None or isinstance(system, str):
        return
    if not is_list(system):
        yield invalid("system: Input should be a valid list")
        return
    for place, block in enumerate(objects(system)):
        if block.get("type") != "text" or not isinstance(block.get("text"), str):
            yield invalid(f"system.{place}.type: Input should be 'text'")
        elif not block["text"]:
            yield invalid("system: text content blocks must be non-empty")


def _tools(tools: list[Any]) -> Iterator[Refusal]:
    names: list[str] = []
    for place, tool in enumerate(objects(tools)):
        custom = tool.get("type") in (None, "custom")
        if custom:
            yield from _custom_tool(tool, f"tools.{place}.custom.")
        elif not isinstance(tool.get("type"), str):
            yield invalid(f"tools.{place}.type: Input should be a valid string")
        if isinstance(tool.get("name"), str):
            names.append(tool["name"])
    if len(set(names)) < len(names):
        yield invalid("tools: Tool names must be unique.")


def _custom_tool(tool: Json, path: str) -> Iterator[Refusal]:
    yield from misfits(tool, TOOL, path)
    if not TOOL_NAME.fullmatch(tool["name"]):
        yield invalid(f"{path}name: String should match pattern '^{TOOL_NAME.pattern}$'")
    kind = tool["input_schema"].get("type")
    if kind != "object":
        fault = "Field required" if kind is None else "Input should be 'object'"
        yield invalid(f"{path}input_schema.type: {fault}")


def _tool_choice(request: Json) -> Iterator[Refusal]:
    choice = request.get("tool_choice")
    if choice is None:
        return
    yield from _tagged(choice, TOOL_CHOICE, "tool_choice")
    tools = objects(request.get("tools") or [])
    if not tools:
        yield invalid("tool_choice may only be specified while providing tools.")
    names = [tool.get("name") for tool in tools]
    if choice["type"] == "tool" and choice["name"] not in names:
        yield invalid(f"Tool '{choice['name']}' not found in provided tools")


def _thinking(request: Json, headers: Mapping[str, str]) -> Iterator[Refusal]:
    thinking = request.get("thinking")
    if thinking is None:
        return
    yield from _tagged(thinking, THINKING, "thinking")
    if thinking["type"] != "enabled":
        return
    budget = thinking["budget_tokens"]
    if budget < 1024:
        yield invalid(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        )
    interleaved = "interleaved-thinking" in headers.get("anthropic-beta", "")
    if budget >= request["max_tokens"] and not interleaved:
        yield invalid(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our"
            f" documentation at {_THINKING_DOCS}#max-tokens-and-context-window-size"
        )
    if tag_of(request, "tool_choice") in ("any", "tool"):
        yield invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _temperature(request: Json) -> Iterator[Refusal]:
    if tag_of(request, "thinking") == "enabled" and request.get("temperature", 1) != 1:
        yield invalid(
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our"
            f" documentation at {_THINKING_DOCS}"
            "#important-considerations-when-using-extended-thinking"
        )


def _breakpoints(request: Json) -> Iterator[Refusal]:
    contents = [message["content"] for message in request["messages"]]
    places = [request.get("system"), request.get("tools"), *contents]
    blocks = [block for place in places if is_list(place) for block in objects(place)]
    marks = [block["cache_control"] for block in [request, *blocks] if block.get("cache_control")]
    for mark in marks:
        if mark.get("type") != "ephemeral":
            yield invalid("cache_control.type: Input should be 'ephemeral'")
        if mark.get("ttl", "5m") not in ("5m", "1h"):
            yield invalid("cache_control.ttl: Input should be '5m' or '1h'")
    if any(tool.get("defer_loading") and tool.get("cache_control") for tool in blocks):
        yield invalid("tools: a tool with defer_loading cannot have cache_control")
    if (found := len(marks)) > MAX_BREAKPOINTS:
        yield invalid(
            f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided."
            f" Found {found}."
        )


def _sampling(request: Json) -> Iterator[Refusal]:
    for name in ("temperature", "top_p", "top_k"):
        if request.get(name) is not None:
            yield invalid(f"{name}: not supported with anthropic-version {VERSIONS[-1]}")


def _tagged(value: Json, table: Mapping[str, Fields], path: str) -> Iterator[Refusal]:
    kind = value.get("type")
    yield from untagged(kind, table, path)
    yield from misfits(value, table[str(kind)], f"{path}.{kind}.")
