"""Takes keys out of what is stored: those that the environment holds, and what looks like one."""

import os
import re
from collections.abc import Iterable

import msgspec

HOLDS_A_KEY = re.compile(r"(API_KEY|AUTH_TOKEN|ACCESS_TOKEN|SECRET|PASSWORD)$")
# Not in the middle of a word: encrypted reasoning is base64, and must stay as it is.
LIKE_A_KEY = re.compile(rb"(?<![A-Za-z0-9_/+-])sk-[A-Za-z0-9_-]{20,}")
REDACTED = b"[key]"


class Redactor:
    """Takes keys out of JSON text.

    Args:
        keys: known ones, beside those in the environment.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        held = (value for name, value in os.environ.items() if HOLDS_A_KEY.search(name))
        known = sorted({key for key in (*held, *keys) if len(key) >= 8}, key=len, reverse=True)
        spelled = b"|".join(re.escape(as_in_json(key)) for key in known)
        self._known = re.compile(spelled) if known else None

    def __call__(self, text: bytes) -> bytes:
        if self._known:
            text = self._known.sub(REDACTED, text)
        return LIKE_A_KEY.sub(REDACTED, text)


def as_in_json(key: str) -> bytes:
    return msgspec.json.encode(key.encode(errors="surrogateescape").decode(errors="replace"))[1:-1]
