"""JSON as strangers send it: read strictly, bounded in depth, made safe to store and send on."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn, TypeGuard, TypeVar

import msgspec

T = TypeVar("T")

MAX_DEPTH = 64
# Half of a surrogate pair, or NUL: neither can be sent on (UTF-8) or stored (PostgreSQL).
UNSAFE = re.compile("[\ud800-\udfff\0]")


class NotJson(ValueError):
    """What came is not JSON, or not of the shape that was asked for."""


def read(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode one document, the slow and forgiving way.

    For what msgspec refuses although it can be understood: bytes that are not UTF-8 (replaced) and
    halves of surrogate pairs, which arrive where a server cuts an emoji in two. They stay in the
    strings; whoever knows the other half joins them, all others call `clean`.

    Raises:
        NotJson: not JSON, nested too deep, or of another shape than the decoder's type.
    """
    try:
        text = data.decode(errors="replace")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        return msgspec.convert(value, decoder.type)
    except (ValueError, RecursionError) as error:
        raise NotJson(_reason(error)) from error


def read_object(text: str) -> dict[str, Any]:
    """The arguments of a call: one JSON object and nothing else.

    Strict on purpose. No proper prefix of a JSON object is a JSON object, so that arguments which
    were cut short can never pass for whole.

    Raises:
        NotJson: anything else, with the reason in words a model can act on.
    """
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        value = read(text.encode(errors="surrogatepass"), ANY)
    if not is_object(value):
        raise NotJson(f"expected a JSON object, got {_kind(value)}")
    safe: dict[str, Any] = clean(value)
    return safe


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def clean(value: Any, depth: int = 0) -> Any:
    """The same JSON value with every half surrogate and NUL replaced by U+FFFD.

    Raises:
        NotJson: nested deeper than MAX_DEPTH.
    """
    if isinstance(value, str):
        return UNSAFE.sub("\ufffd", value) if UNSAFE.search(value) else value
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        raise NotJson(f"nested more than {MAX_DEPTH} levels deep")
    if is_object(value):
        return {clean(key): clean(item, depth + 1) for key, item in value.items()}
    if is_array(value):
        return [clean(item, depth + 1) for item in value]
    return value


def canonical(value: Any) -> str:
    """One spelling for equal JSON values (RFC 8785), to compare the inputs of two calls.

    One deliberate difference: whole numbers keep all their digits, where the RFC rounds to a
    double. Two account numbers that differ in the last digit are two account numbers. (From 1e21
    on the RFC spells doubles with an exponent; so do we.)
    """
    if is_object(value):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(k)}:{canonical(v)}" for k, v in items) + "}"
    if is_array(value):
        return "[" + ",".join(map(canonical, value)) + "]"
    match value:
        case float() if abs(value) < 1e21 and value.is_integer():
            return str(int(value))
        case float():
            return _ecmascript(value)
        case int() if abs(value) >= 10**21 and _is_double(value):
            return _ecmascript(float(value))
        case _:
            return json.dumps(value, ensure_ascii=False)


ANY = msgspec.json.Decoder(Any)
KINDS: dict[type, str] = {str: "a string", list: "an array", bool: "a boolean", type(None): "null"}


def _ecmascript(value: float) -> str:
    # Python finds the same shortest digits as ECMAScript's Number::toString, but goes over to an
    # exponent two places earlier and writes it with two digits.
    digits, _, exponent = repr(value).partition("e")
    if exponent in ("", "-05", "-06"):
        return format(Decimal(repr(value)), "f")
    return f"{digits}e{int(exponent):+d}"


def _is_double(whole: int) -> bool:
    try:
        return float(whole) == whole
    except OverflowError:
        return False


def _kind(value: Any) -> str:
    return next((name for kind, name in KINDS.items() if isinstance(value, kind)), "a number")


def _refuse(constant: str) -> NoReturn:
    raise NotJson(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise NotJson(f"the number {digits[:20]} is too large")
    return number


def _reason(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)
