"""Which values are keys: those whose names tell, and those that stand in a URL."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

SHORTEST = 8  # a key of fewer characters would be found in innocent words

_TELLING = {
    *("authorization", "auth", "key", "apikey", "apikeys", "token", "secret", "secrets"),
    *("password", "passwords", "passwd", "passphrase", "cookie", "cookies"),
    *("credential", "credentials"),
}
_TELLING_AT_THE_END = {"pass", "pwd"}
_IN_ONE_WORD = re.compile(r"(password|secret|token|apikey|dbpass)$")  # PGPASSWORD
_PARTS = re.compile(r"[a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_USER = re.compile(r"://([^/?#\s]*)@")
_WORD = re.compile(r"[a-z]+(_[a-z]+)*")
_PATH = re.compile(r"(~|\.{0,2})/|[A-Za-z]:\\")


@lru_cache(1 << 12)
def telling(name: str) -> bool:
    """Whether a name, such as `x-api-key` or `authToken`, says that its value is secret."""
    parts = _PARTS.findall(_CAMEL.sub("-", name).lower())
    if len(parts) > 1 and parts[-1] in _TELLING_AT_THE_END:
        return True
    return any(part in _TELLING or _IN_ONE_WORD.search(part) for part in parts)


def may_be_a_key(value: str) -> bool:
    """Not a word ("simulated", "tool_use"), nor a path, which is where a key is rather than one."""
    if len(value) < SHORTEST or _WORD.fullmatch(value):
        return False
    if not _PATH.match(value):
        return True
    base64 = value.replace("/", "").replace("+", "")  # which may begin with "/", too
    return base64.isalnum() and not base64.islower() and any(map(str.isdigit, base64))


def held_by(environment: Mapping[str, str]) -> Iterator[str]:
    """The values of variables whose names tell, and the passwords in those that are URLs."""
    for name, value in environment.items():
        if telling(name) and "://" not in value:
            yield value
        yield from in_url(value)


def in_url(url: str) -> Iterator[str]:
    """The password of a URL, and the fields of its query whose names tell."""
    if user := _USER.search(url):
        name, colon, password = user[1].partition(":")
        yield password if colon else name  # a token may stand alone
    if "://" in url:
        yield from (value for name, value in parse_qsl(url.partition("?")[2]) if telling(name))


def address(url: str) -> str:
    """What may be told of a URL: neither its user nor its fields."""
    return _USER.sub("://", re.split(r"[?#]", url)[0])
