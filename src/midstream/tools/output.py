"""What a tool returned, as the model is told: text, or text and pictures."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, Literal, cast

import msgspec

from midstream.messages import Image, Text

NO_OUTPUT = "(no output)"
MEDIA_TYPES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}

# Bytes of base64, which is what providers count: an image above it makes every later request
# of the conversation fail.
MAX_IMAGE = 5 * 1024 * 1024

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


class NotJson(ValueError):
    """A tool returned what cannot be told to a model. The message says what to return."""


class TooLarge(ValueError):
    """A picture that providers refuse."""


def to_output(value: Any, max_output: int) -> str | tuple[Text | Image, ...]:
    """Turn what a tool returned into a tool result's output.

    A string is told as it is, None and blank text as "(no output)" (providers refuse blank
    text), pictures and lists that hold a picture as parts, anything else as compact JSON.

    Args:
        max_output: bytes of UTF-8 that the text may have; the parts of one output share it. What
            is longer is cut, and a last line says so. Images have their own limit, `MAX_IMAGE`.

    Raises:
        NotJson: the value, or something inside it, has no JSON.
    """
    if isinstance(value, Image | Text):
        value = [value]
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        if any(isinstance(item, Image | Text) for item in items):
            return _limited([part for item in items for part in _parts(item)], max_output)
    text = _text(value)
    return _cut(text, max_output) if text.strip() else NO_OUTPUT


def json_text(value: Any, order: Literal["deterministic"] | None = None) -> str:
    """Compact JSON. With an order, the members of sets and dicts are sorted.

    Raises:
        NotJson: the value has no JSON.
    """
    try:
        plain = msgspec.to_builtins(
            value,
            # msgspec would write bytes as base64, which no model can read.
            builtin_types=(bytes, bytearray, memoryview),
            str_keys=True,
            enc_hook=_plain,
            order=order,
        )
        # The standard library's encoder refuses NaN and passes lone surrogates on to be
        # replaced; msgspec's writes null for the one and stops at the other.
        return valid_text(
            json.dumps(
                plain,
                ensure_ascii=False,
                allow_nan=False,
                separators=(",", ":"),
                default=_refuse,
            )
        )
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("the value is nested too deeply, or contains itself") from None
    except Exception as error:  # the value's own code may run: properties, serializers
        raise NotJson(f"{type(value).__name__} cannot be JSON: {error}") from error


def valid_text(text: str) -> str:
    """Replace lone surrogates and NUL, which UTF-8 and the journal cannot hold."""
    return _NOT_TEXT.sub("\ufffd", str.__str__(text))


def _text(value: Any) -> str:
    match value:
        case str():
            return valid_text(value)
        case None:
            return ""
        case _:
            return json_text(value)


def _plain(value: Any) -> Any:
    """Types that msgspec does not know."""
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, int | float):  # subclasses, such as numpy's float64
        return int(value) if isinstance(value, int) else float(value)
    # A value can only be a pydantic model if somebody has imported pydantic.
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    return _refuse(value)


def _refuse(value: Any) -> Any:
    name = type(value).__name__
    if isinstance(value, bytes | bytearray | memoryview):
        raise NotJson(f"{name} cannot be told to a model: return text, or an Image")
    raise NotJson(f"{name} is not JSON: return text, numbers, lists, dicts or dataclasses")


def _parts(item: Any) -> Iterator[Text | Image]:
    match item:
        case Image():
            yield _image(item)
        case Text(text=text):
            yield Text(valid_text(text))
        case _:
            yield Text(_text(item))


def _image(image: Image) -> Text | Image:
    try:
        return checked(image)
    except TooLarge as error:
        return Text(f"[{error}: too large to be shown]")


def checked(image: Image) -> Image:
    """The picture as what its bytes tell it to be.

    Raises:
        NotJson: it is none of those that providers take.
        TooLarge: it is larger than they take.
    """
    if not isinstance(cast("object", image.data), bytes) or not image.data:
        raise NotJson("an Image without bytes: `data` is the content of the picture's file")
    # What the bytes are counts, not what they are called: a provider refuses a wrong name, and the
    # conversation with it.
    kind = next((kind for kind, begins in MEDIA_TYPES.items() if begins.match(image.data)), None)
    if kind is None:
        raise NotJson(f"an Image that is none of {', '.join(MEDIA_TYPES)}")
    if (len(image.data) + 2) // 3 * 4 > MAX_IMAGE:
        raise TooLarge(f"an image of {len(image.data):,} bytes")
    return Image(image.data, kind)


def _limited(parts: list[Text | Image], max_output: int) -> tuple[Text | Image, ...]:
    """Leave out blank text, and all text after the first `max_output` bytes."""
    kept: list[Text | Image] = []
    total = sum(_size(part.text) for part in parts if isinstance(part, Text))
    left = max_output
    for part in parts:
        if isinstance(part, Text):
            text = _head(part.text, left)
            # After a part that was cut nothing may follow, even if it were short enough.
            left = left - _size(text) if text == part.text else 0
            part = Text(text)
        if isinstance(part, Image) or part.text.strip():
            kept.append(part)
    if total > max_output:
        shown = sum(_size(part.text) for part in kept if isinstance(part, Text))
        kept.append(Text(_notice(total, shown)))
    return tuple(kept or [Text(NO_OUTPUT)])


def _cut(text: str, max_output: int) -> str:
    size = _size(text)
    if size <= max_output:
        return text
    head = _head(text, max_output)
    return f"{head}\n{_notice(size, _size(head))}"


def _head(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _notice(total: int, shown: int) -> str:
    return f"[cut: {total:,} bytes, the first {shown:,} are above]"
