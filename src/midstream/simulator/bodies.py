"""The body of a request, before anything is known of its wire: JSON, an object, not too deep."""

from typing import Any, Final

import msgspec

from midstream.simulator.shape import Json, is_list, is_object

MAX_BODY: Final = 32 * 1024 * 1024
MAX_DEPTH: Final = 200


def decode(body: bytes) -> Json:
    """The request as JSON.

    Raises:
        ValueError: it is none, or no object, or too deep; the message says which.
    """
    try:
        request: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not is_object(request):
        raise ValueError("it is not an object")
    if _depth(request) > MAX_DEPTH:
        raise ValueError("recursion limit exceeded")
    return request


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for parent in level for child in _children(parent)]
    return depth


def _children(value: Any) -> list[Any]:
    if is_object(value):
        return list(value.values())
    return value if is_list(value) else []
