"""What OpenAI's two wires share: keys, errors and the words of refusals, tools and numbers."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from midstream.simulator.bodies import MAX_BODY, decode
from midstream.simulator.shape import (
    Fields,
    Json,
    Misfit,
    Refusal,
    fields_that_misfit,
    is_list,
    is_object,
)

# Not the time: the same request gets the same bytes.
CREATED: Final = 1_795_521_600
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME: Final = 64
# The lowest and the highest number of a field; None: there is none.
RANGES: Final[Mapping[str, tuple[int, int | None]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "max_tokens": (1, None),
    "max_completion_tokens": (1, None),
    "max_output_tokens": (16, None),
    "top_logprobs": (0, 20),
}
FUNCTION: Final[Fields] = {
    "name": str,
    "description?": str,
    "parameters?": dict,
    "strict?": bool,
}
_NOUNS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
# The API's type and code for a status; and for those that are not here.
_KINDS: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAI:
    """What is the same in both wires."""

    request_id = "x-request-id"
    ping = b": keep-alive\n\n"

    def usual(self, status: int) -> Refusal:
        usual = ("invalid_request_error" if 400 <= status < 500 else "server_error", None)
        kind, code = _KINDS.get(status, usual)
        return Refusal(status, kind, "The scenario says so.", code=code)

    def overloaded(self) -> Refusal:
        words = "The server had an error while processing your request. Sorry about that!"
        return Refusal(500, "server_error", words)

    def error(self, refusal: Refusal, request_id: str) -> Json:
        return {
            "error": {
                "message": refusal.message,
                "type": refusal.kind,
                "param": refusal.param,
                "code": refusal.code,
            }
        }


def bad(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, "invalid_request_error", message, param, code)


def problem_of(
    headers: Mapping[str, str], body: bytes, faults: Callable[[Json], Iterator[Refusal]]
) -> Refusal | None:
    """The first thing that is wrong with a request, whose body `faults` looks at."""
    given = headers.get("authorization", "").partition("Bearer ")[2] or headers.get("api-key", "")
    if not given.strip():  # Azure's is `api-key`
        return Refusal(
            401,
            "invalid_request_error",
            "You didn't provide an API key. You need to provide your API key in an Authorization"
            " header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if len(body) > MAX_BODY:
        return Refusal(413, "invalid_request_error", "Request exceeds the maximum size")
    try:
        request = decode(body)
    except ValueError as error:
        return bad(f"We could not parse the JSON body of your request: {error}")
    return next(faults(request), None)


# -- fields ------------------------------------------------------------------------------------


def misfits(value: Json, fields: Fields, path: str) -> Iterator[Refusal]:
    """What is wrong with an object's fields: absent, of another type, or unknown."""
    for misfit in fields_that_misfit(value, fields):
        yield _misfit(
            misfit, f"{path}.{misfit.name}" if path else misfit.name, misfit.name in value
        )


def _misfit(misfit: Misfit, where: str, given: bool) -> Refusal:
    if misfit.wanted is None:
        return bad(f"Unknown parameter: '{where}'.", where, "unknown_parameter")
    if not given:
        return bad(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    return mistyped(where, noun(misfit.wanted), misfit.given)


def mistyped(where: str, wanted: str, given: object) -> Refusal:
    words = f"Invalid type for '{where}': expected {wanted}, but got {noun(type(given))} instead."
    return bad(words, where, "invalid_type")


def noun(kind: type) -> str:
    return _NOUNS.get(kind, "something else")


def supported(value: object, known: Collection[str], where: str) -> Iterator[Refusal]:
    """A word that is not one of those known."""
    if not isinstance(value, str) or value not in known:
        *others, last = (f"'{each}'" for each in known)
        words = (
            f"{', '.join(others)}{',' if len(others) > 1 else ''} and {last}" if others else last
        )
        yield bad(
            f"Invalid value: '{value}'. Supported values are: {words}.", where, "invalid_value"
        )


def too_long(value: str, most: int, where: str) -> Iterator[Refusal]:
    if len(value) > most:
        yield bad(
            f"Invalid '{where}': string too long. Expected a string with maximum length {most},"
            f" but got a string with length {len(value)} instead.",
            where,
            "string_above_max_length",
        )


def empty(value: list[Any], where: str) -> Iterator[Refusal]:
    if not value:
        yield bad(
            f"Invalid '{where}': empty array. Expected an array with minimum length 1, but got an"
            " empty array instead.",
            where,
            "empty_array",
        )


def out_of_range(request: Json) -> Iterator[Refusal]:
    """Numbers that are too small or too large."""
    for name, (low, high) in RANGES.items():
        given = request.get(name)
        if given is None:
            continue
        kind = "decimal" if high in (1, 2) else "integer"
        if given < low:
            yield bad(
                f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low}, but got"
                f" {given} instead.",
                name,
                f"{kind}_below_min_value",
            )
        if high is not None and given > high:
            yield bad(
                f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high}, but got"
                f" {given} instead.",
                name,
                f"{kind}_above_max_value",
            )


# -- tools -------------------------------------------------------------------------------------


def name_faults(name: str, where: str) -> Iterator[Refusal]:
    if not NAME.fullmatch(name):
        yield bad(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the"
            f" pattern '^{NAME.pattern}$'.",
            where,
            "invalid_value",
        )
    yield from too_long(name, MAX_NAME, where)


def schema_faults(function: Json, where: str) -> Iterator[Refusal]:
    """What is wrong with a function's parameters: an object of fields, and closed if `strict`."""
    schema = function.get("parameters")
    if schema is None:
        return
    problem = _open(schema) if function.get("strict") else ""
    if schema.get("type") != "object":
        kind = f'type: "{schema.get("type")}"'
        problem = f"schema must be a JSON Schema of 'type: \"object\"', got '{kind}'."
    if problem:
        yield bad(
            f"Invalid schema for function '{function['name']}': {problem}",
            where,
            "invalid_function_parameters",
        )


def _open(schema: Json) -> str:
    if schema.get("additionalProperties") is not False:
        return "In context=(), 'additionalProperties' is required to be supplied and to be false."
    properties, required = schema.get("properties"), schema.get("required")
    known = required if is_list(required) else []
    missing = [name for name in properties if name not in known] if is_object(properties) else []
    if missing:
        return (
            "In context=(), 'required' is required to be supplied and to be an array including"
            f" every key in properties. Missing '{min(missing)}'."
        )
    return ""


def stream_faults(request: Json, fields: Fields) -> Iterator[Refusal]:
    options = request.get("stream_options")
    if options is None:
        return
    yield from misfits(options, fields, "stream_options")
    if not request.get("stream"):
        words = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield bad(words, "stream_options")
