"""What a recording must not tell: keys, wherever they show.

A value is secret if a header or a query field with a telling name carries it, if the environment
holds it under such a name, or if it looks like a key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import unquote_plus

REDACTED = "[redacted]"
SHORTEST = 8  # a key of fewer characters would be found in innocent words

_TELLING = {
    *("authorization", "auth", "key", "apikey", "token", "secret", "password", "passwd"),
    *("cookie", "credential", "credentials"),
}
_NAME_PARTS = re.compile(r"[a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_KEEPERS = ("_API_KEY", "_AUTH_TOKEN")  # names of environment variables end so

_BEGINNINGS = (b"sk-", b"gsk_", b"xai-", b"hf_", b"ghp_", b"github_pat_", b"glpat-", b"AIza")
_REST = re.compile(rb"[A-Za-z0-9_-]*")
# A letter before it makes it a part of a word ("task-list"), unless that is a JSON escape's.
_WITHIN_A_WORD = re.compile(rb"[A-Za-z0-9_-]")
_ESCAPE = re.compile(rb"\\[nrt]")
_LONGEST_KEY = 512


class Redactor:
    """Knows the secrets of one recording, and takes them out.

    Args:
        environment: whose `*_API_KEY` and `*_AUTH_TOKEN` are secret.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._known: list[bytes] = []
        for name, value in environment.items():
            if name.upper().endswith(_KEEPERS):
                self._learn(value)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers, without what is secret by name; from now on it is secret everywhere."""
        shown: dict[str, str] = {}
        for name, value in headers.items():
            if telling(name):
                self._learn(value.split()[-1] if value.split() else "")
            shown[name] = REDACTED if telling(name) else self.text(value)
        return shown

    def path(self, path: str) -> str:
        address, mark, query = path.partition("?")
        fields: list[str] = []
        for field in query.split("&"):
            name, equals, value = field.partition("=")
            if equals and telling(unquote_plus(name)):
                self._learn(unquote_plus(value))
                value = REDACTED
            fields.append(f"{name}{equals}{value}")
        return self.text(f"{address}{mark}{'&'.join(fields)}")

    def members(self, value: Any) -> Any:
        """A JSON value, without the strings whose name in an object says that they are secret."""
        if _is_list(value):
            return [self.members(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        # A lone "key" is more often one of a keyboard or a map than one to a door.
        secret = {n for n, v in fields.items() if isinstance(v, str) and telling(n) and n != "key"}
        return {n: REDACTED if n in secret else self.members(v) for n, v in fields.items()}

    def text(self, text: str) -> str:
        return self.data(text.encode(errors="surrogateescape")).decode(errors="replace")

    def data(self, data: bytes) -> bytes:
        return self.pieces([data])[0]

    def pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Pieces of one text; a secret that lies across several is taken out of each."""
        joined = b"".join(pieces)
        spans = _merged(sorted(self._secrets(joined)))
        if not spans:
            return list(pieces)
        kept: list[bytes] = []
        start = 0
        for piece in pieces:
            kept.append(_without(joined, start, start + len(piece), spans))
            start += len(piece)
        return kept

    def unfinished(self, data: bytes) -> bool:
        """Whether what comes next might make a secret of the end of `data`."""
        if not data or data[-1:].isspace():
            return False
        for word in (*_BEGINNINGS, *self._known):
            if any(data.endswith(word[:length]) for length in range(1, len(word))):
                return True
        last = max(data.rfind(word) for word in _BEGINNINGS)
        return (
            last >= 0 and len(data) - last < _LONGEST_KEY and _end_of_key(data, last) == len(data)
        )

    def _learn(self, value: str) -> None:
        value = value.strip()
        secret = value.encode(errors="surrogateescape")
        plain_word = value.isalpha() and value.islower()  # no key: "simulated", "anything"
        if len(secret) >= SHORTEST and not plain_word and secret not in self._known:
            self._known.append(secret)

    def _secrets(self, data: bytes) -> Iterator[tuple[int, int]]:
        for word in self._known:
            for at in _places(data, word):
                yield at, at + len(word)
        # A plain search for each beginning: one pattern for all of them takes a hundred times as
        # long, and nothing else runs meanwhile.
        for word in _BEGINNINGS:
            for at in _places(data, word):
                end = _end_of_key(data, at + len(word))
                if end - at - len(word) >= SHORTEST and not _inside_a_word(data, at):
                    yield at, end


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def telling(name: str) -> bool:
    """Whether a name, such as `x-api-key` or `authToken`, says that its value is secret."""
    parts = _NAME_PARTS.findall(_CAMEL.sub("-", name).lower())
    return not _TELLING.isdisjoint(parts)


def _places(data: bytes, word: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + len(word))


def _end_of_key(data: bytes, start: int) -> int:
    match = _REST.match(data, start)
    return match.end() if match else start


def _inside_a_word(data: bytes, at: int) -> bool:
    before = _WITHIN_A_WORD.match(data, at - 1) if at else None
    return before is not None and not _ESCAPE.match(data, max(0, at - 2), at)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    apart: list[tuple[int, int]] = []
    for first, last in spans:
        if apart and first < apart[-1][1]:
            apart[-1] = apart[-1][0], max(last, apart[-1][1])
        else:
            apart.append((first, last))
    return apart


def _without(joined: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> bytes:
    """What of `joined[start:end]` is outside the spans; where one begins, it says so."""
    kept = bytearray()
    at = start
    for first, last in spans:
        if first >= end or last <= at:
            continue
        kept += joined[at : max(at, first)]
        if first >= start:
            kept += REDACTED.encode()
        at = min(last, end)
    return bytes(kept + joined[at:end])
