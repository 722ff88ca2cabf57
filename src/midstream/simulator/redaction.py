"""What a recording must not tell: keys, wherever they show.

Beside the keys that the environment holds, and what looks like one, a recording knows those that a
request carries: in a header, a cookie, a field of its query or of a form, or a member of its JSON,
with a telling name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from midstream.secrets.names import telling
from midstream.secrets.secrets import REDACTED, Secrets, Stream, renamed
from midstream.wire.json import clean, is_array, is_object

# What an answer calls so is secret; other names are those of anything.
IN_ANSWERS = ("access_token", "refresh_token", "id_token", "client_secret")

_FIELD = re.compile(r"([?&;])([\w.%+-]+)=([^&\s\"'<>#;,]+)")  # of a query or a form
_COOKIE = re.compile(r"(?:^|[;\n:])\s*([^=;\s]+)=\"?([^;\s\"]+)")
_ATTRIBUTES = {"path", "domain", "expires", "max-age", "samesite"}
_LONGEST_NAME = 200
_NOT_JSON = object()
_SCHEMA = {"type", "description", "anyOf", "oneOf", "allOf", "enum", "$ref"}


class Redactor:
    """Knows the secrets of one recording, and takes them out.

    Args:
        known: keys that are secret from the start.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._secrets = Secrets(known, IN_ANSWERS)

    def learn(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """What a request calls secret is so everywhere, from now on."""
        value = _json(body)
        form = body.decode(errors="replace") if value is _NOT_JSON else ""
        for name, text in headers.items():
            self._secrets.learn(*_in_header(name, text))
        for text in (path, form):
            self._secrets.learn(*_in_fields(text))
        self._secrets.learn(*_in_members(value))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers, without what is secret by name; from now on it is secret everywhere."""
        for name, value in headers.items():
            self._secrets.learn(*_in_header(name, value))
        return {n: REDACTED if telling(n) else self.text(v) for n, v in headers.items()}

    def text(self, text: str) -> str:
        """A text, be it an address, a form or words with addresses in them."""
        shown: str = clean(self._words(text))
        return shown

    def _words(self, text: str) -> str:
        if _may_have_fields(text):
            text = _FIELD.sub(_shown_field, f"&{text}")[1:]
        return self._secrets.text(text)

    def body(self, body: bytes) -> dict[str, Any]:
        """A request's body: `body` if it is JSON, else `data`."""
        value = _json(body)
        try:
            if value is not _NOT_JSON:
                return {"body": self.members(value)}
            return {"data": self.text(body.decode()).encode()}
        except (UnicodeDecodeError, RecursionError):
            return {"data": self._secrets.data(body)}

    def members(self, value: Any) -> Any:
        """A JSON value, without the strings whose name in an object says that they are secret."""
        if isinstance(value, str):
            return self._words(value)
        if is_array(value):
            return [self.members(inner) for inner in value]
        if not is_object(value):
            return value
        return renamed(
            (self._words(name), self.members(_hidden(inner) if _is_secret(name, inner) else inner))
            for name, inner in value.items()
        )

    def stream(self) -> Stream:
        """For a body that comes in pieces."""
        return Stream(self._secrets)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _in_header(name: str, value: str) -> Iterator[str]:
    yield from _in_fields(value)
    if name.lower() in ("cookie", "set-cookie"):
        yield from (v for n, v in _COOKIE.findall(value) if n.lower() not in _ATTRIBUTES)
    elif telling(name):
        scheme, *words = re.split(r"[\s,]+", value.strip())
        for word in words or [scheme]:
            yield word
            if (inner := word.partition("=")[2]).strip("="):  # not the end of base64
                yield inner.strip('"')


def _may_have_fields(text: str) -> bool:
    # Not so a picture in base64, through which the pattern would hold up all other threads.
    first = text.find("=")
    return first > 0 and (first < _LONGEST_NAME or any(mark in text for mark in "?&;"))


def _in_fields(text: str) -> Iterator[str]:
    for _, name, value in _FIELD.findall(f"&{text}") if _may_have_fields(text) else ():
        if telling(unquote_plus(name)):
            yield unquote_plus(value)


def _shown_field(field: re.Match[str]) -> str:
    hidden = telling(unquote_plus(field[2]))
    return f"{field[1]}{field[2]}={REDACTED}" if hidden else field[0]


def _in_members(value: Any) -> Iterator[str]:
    unseen = [value]
    while unseen:
        value = unseen.pop()
        if is_array(value):
            unseen += value
        elif is_object(value):
            unseen += value.values()
            secret = [inner for name, inner in value.items() if _is_secret(name, inner)]
            yield from chain.from_iterable(map(_strings, secret))


def _is_secret(name: str, value: object) -> bool:
    if is_object(value):  # several by their names, and not the schema of one
        many = name.endswith("s") and name.lower() not in ("keys", "tokens")
        return many and telling(name[:-1]) and _SCHEMA.isdisjoint(value)
    # A lone "key" is more often one of a keyboard or a map than one to a door.
    return telling(name) and name != "key"


def _strings(value: object) -> list[str]:
    inner = value if is_array(value) else value.values() if is_object(value) else [value]
    return [each for each in inner if isinstance(each, str)]


def _hidden(value: Any) -> Any:
    if is_array(value):
        return [REDACTED if isinstance(each, str) else each for each in value]
    if is_object(value):
        return {n: REDACTED if isinstance(each, str) else each for n, each in value.items()}
    return REDACTED if isinstance(value, str) else value
