"""Takes keys out of what is stored: those that are known, and what looks like one.

What is searched is UTF-8. It may be text, or JSON as it was sent: a known key is found there in its
other spellings, too.
"""

import json
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any
from urllib.parse import quote, unquote

from midstream.secrets.names import SHORTEST, may_be_a_key
from midstream.wire.json import is_array, is_object

REDACTED = "[redacted]"
_BEGINNINGS = (
    *(b"sk-", b"sk_live_", b"sk_test_", b"gsk_", b"xai-", b"pplx-", b"hf_", b"npm_", b"AIza"),
    *(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"xoxb-", b"xoxp-"),
)
_REST = re.compile(rb"[A-Za-z0-9_-]*")
_SHORTEST_REST = 16
_LONGEST = 4096
_LONGEST_VALUE = 1 << 16  # of a member whose name tells
# `hf_hub_download` and `sk-estimator-html` are no keys.
_RUN = re.compile(rb"[A-Za-z0-9]{8,}")
_OF_A_KEY = f"{string.ascii_letters}{string.digits}_-".encode()
# A letter before it makes it a part of a word ("task-list"), unless that is a JSON escape's.
_ESCAPE = re.compile(rb"\\(?:[bfnrt]|u[0-9a-fA-F]{4})\Z")
_LONGEST_ESCAPE = 6
# What other writers of JSON escape: Go's, and .NET's.
_ESCAPED_BY_OTHERS = (
    {ord(sign): f"\\u{ord(sign):04x}" for sign in "&<>"},
    {ord(sign): f"\\u{ord(sign):04X}" for sign in "&<>'+`"},
)
_NUMBER_OF_JSON = re.compile(rb'(?:":\s?|[\[,])\Z')


class Secrets:
    """Knows the keys of somebody, and takes them out of what is stored.

    Args:
        known: what is a key. Short values, plain words and paths are passed over.
        members: names of JSON members whose values are secret in whatever is searched.

    Attributes:
        lead: how far before a key what shows it as one may begin.
    """

    def __init__(self, known: Iterable[str] = (), members: Sequence[str] = ()) -> None:
        self._spelled: tuple[bytes, ...] = ()
        self._in_json: tuple[bytes, ...] = ()
        self._before = tuple(
            f'"{name}":{space}"'.encode() for name in members for space in ("", " ")
        )
        self.lead = max(map(len, self._before), default=0)
        self.learn(*known)

    def learn(self, *values: str) -> None:
        """From now on these are secret."""
        spelled = dict.fromkeys(self._spelled)
        for value in values:
            for each in (value.strip(), unquote(value.strip())):
                if may_be_a_key(each):
                    spelled.update(dict.fromkeys(_spellings(each)))
        if len(spelled) > len(self._spelled):
            in_json = {_bytes(_quoted(_text(each))) for each in spelled}
            # At once: a thread that writes may be searching.
            self._spelled, self._in_json = tuple(spelled), tuple(in_json)

    # -- what is searched ----------------------------------------------------------------------

    def text(self, text: str) -> str:
        if len(text) < SHORTEST:
            return text
        data = _bytes(text)
        spans = self.spans(data)
        return _text(_without(data, 0, len(data), spans)) if spans else text

    def data(self, data: bytes) -> bytes:
        return _without(data, 0, len(data), self.spans(data))

    def strings(self, value: Any) -> Any:
        """A JSON value with its strings and the names of its members searched."""
        if isinstance(value, str):
            return self.text(value)
        if is_array(value):
            return [self.strings(inner) for inner in value]
        if not is_object(value):
            return value
        return renamed((self.text(name), self.strings(inner)) for name, inner in value.items())

    def suspected(self, encoded: bytes) -> bool:
        """Whether a string of a JSON document may hold a key; quick, and never wrongly no."""
        return any(map(encoded.__contains__, (*_BEGINNINGS, *self._in_json, *self._before)))

    def settled(self, data: bytes) -> int:
        """How many bytes of the beginning of a text stay as they are, whatever comes next."""
        size = len(data)
        at = self._open_beginning(data)
        for word in (*self._spelled, *self._before):
            at = min(at, _partial(data, word))
        for word in self._before:
            start = data.rfind(word, max(0, size - _LONGEST_VALUE))
            if start >= 0 and data.find(b'"', start + len(word)) < 0:
                at = min(at, start)
        return at

    def open_end(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a key."""
        data = _bytes(text)
        return len(_text(data[self.settled(data) :]))

    def _open_beginning(self, data: bytes) -> int:
        """Where at the end something begins that may look like a key; else the end."""
        size = len(data)
        tail = data[-_LONGEST:]
        start = size - len(tail) + len(tail.rstrip(_OF_A_KEY))
        for at in range(start, min(start + _LONGEST_ESCAPE, size)):
            run = data[at : at + _LONGEST_ESCAPE * 2]
            begins = any(run.startswith(word[: size - at]) for word in _BEGINNINGS)
            if begins and not _inside_a_word(data, at):
                return at
        return size

    # -- the search ----------------------------------------------------------------------------

    def spans(self, data: bytes, start: int = 0) -> list[tuple[int, int]]:
        """Where keys are that begin at `start` or later, from left to right, none over another."""
        if not any(map(data.__contains__, (*_BEGINNINGS, *self._spelled, *self._before))):
            return []
        found = (*self._known(data), *self._alike(data), *self._named(data))
        return _merged(sorted(each for each in found if each[0] >= start))

    def _known(self, data: bytes) -> Iterator[tuple[int, int]]:
        for word in self._spelled:
            for at in _places(data, word):
                if not word.isdigit() or _is_whole_number(data, at, at + len(word)):
                    yield at, at + len(word)

    def _alike(self, data: bytes) -> Iterator[tuple[int, int]]:
        # A plain search for each beginning: one pattern for all of them takes a hundred times as
        # long, and nothing else runs meanwhile.
        for word in _BEGINNINGS:
            for at in _places(data, word):
                if not _inside_a_word(data, at):
                    end = _end_of_key(data, at + len(word))
                    if _is_dense(data[at + len(word) : end]):
                        yield at, end

    def _named(self, data: bytes) -> Iterator[tuple[int, int]]:
        for word in self._before:
            for at in _places(data, word):
                start = at + len(word)
                end = data.find(b'"', start)
                end = end if end >= 0 else len(data)
                if end - start >= SHORTEST:
                    yield start, end


def renamed(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these members. Two keys, of which each was a name, stay two members."""
    shown: dict[str, Any] = {}
    for name, value in members:
        while name in shown:
            name += "'"
        shown[name] = value
    return shown


class Stream:
    """One text that comes in pieces: a key that lies across several is taken out of each."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._context = b""  # what was before the pieces that are held: whether a word began
        self._held: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The pieces that are ready. Others wait for the next, which may finish a key."""
        self._held.append(piece)
        joined = self._context + b"".join(self._held)
        return self._released(joined, self._secrets.settled(joined))

    def rest(self) -> list[bytes]:
        joined = self._context + b"".join(self._held)
        return self._released(joined, len(joined))

    def _released(self, joined: bytes, settled: int) -> list[bytes]:
        start = len(self._context)
        if not self._held or start + len(self._held[0]) > settled:
            return []
        # Of the context only the end is known: that a key begins there, it cannot show.
        spans = self._secrets.spans(joined, start)
        ends = [end for end in accumulate(map(len, self._held), initial=start) if end <= settled]
        lead = self._secrets.lead  # without its beginning the rest of a key would not be known
        while len(ends) > 1 and any(first - lead < ends[-1] < last for first, last in spans):
            ends.pop()
        del self._held[: len(ends) - 1]
        self._context = joined[max(0, ends[-1] - _LONGEST_ESCAPE - 1) : ends[-1]]
        return [_without(joined, first, last, spans) for first, last in pairwise(ends)]


def _bytes(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # as the environment's are
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _quoted(value: str, ascii_only: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)[1:-1]


def _spellings(value: str) -> Iterator[bytes]:
    """A key as text has it, as JSON has it, and as a URL has it."""
    yield (plain := _bytes(value))
    for ascii_only in (False, True):
        quoted = _quoted(value, ascii_only)
        yield _bytes(quoted)
        yield _bytes(quoted.replace("/", "\\/"))
        for escaped in _ESCAPED_BY_OTHERS:
            yield _bytes(quoted.translate(escaped))
    for safe in ("", "/"):
        yield (in_url := quote(plain, safe=safe).encode())
        yield re.sub(rb"%..", lambda found: found[0].lower(), in_url)


def _places(data: bytes, word: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + len(word))


def _partial(data: bytes, word: bytes) -> int:
    """Where at the end of `data` a `word` begins that is not whole; else the end."""
    at = max(0, len(data) - len(word) + 1)
    while (at := data.find(word[:1], at)) >= 0:
        if word.startswith(data[at:]):
            return at
        at += 1
    return len(data)


def _end_of_key(data: bytes, start: int) -> int:
    match = _REST.match(data, start)
    return match.end() if match else start


def _is_dense(rest: bytes) -> bool:
    runs = _RUN.findall(rest)
    return len(rest) >= _SHORTEST_REST and any(
        not (run.isalpha() and run.islower()) for run in runs
    )


def _inside_a_word(data: bytes, at: int) -> bool:
    if not at or data[at - 1] not in _OF_A_KEY:
        return False
    return not _ESCAPE.search(data[max(0, at - _LONGEST_ESCAPE) : at])


def _is_whole_number(data: bytes, start: int, end: int) -> bool:
    if _NUMBER_OF_JSON.search(data[max(0, start - 3) : start]):
        return False
    return not (data[max(0, start - 1) : start] + data[end : end + 1]).isalnum()


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
