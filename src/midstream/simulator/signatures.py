"""Signatures of thinking, made so that a changed, dropped or moved block is noticed.

A signature holds the block's place among the thinking blocks of its message and a MAC over place
and text. Nothing needs to be remembered between requests to check one.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode

# No secret: it keeps honest programs honest.
_KEY = b"midstream simulator"
_MARK = b"midstream\x00"


def sign(text: str, place: int) -> str:
    return b64encode(_MARK + bytes([place]) + _mac(text, place)).decode()


def place_of(signature: str) -> int | None:
    """Where the block stood that was given this signature; None if we never gave it."""
    try:
        raw = b64decode(signature, validate=True)
    except ValueError:
        return None
    genuine = raw.startswith(_MARK) and len(raw) == len(_MARK) + 1 + hashlib.sha256().digest_size
    return raw[len(_MARK)] if genuine else None


def matches(text: str, signature: str) -> bool:
    """Whether a genuine signature is that of this text."""
    place = place_of(signature)
    return place is not None and hmac.compare_digest(signature, sign(text, place))


def _mac(text: str, place: int) -> bytes:
    return hmac.digest(_KEY, bytes([place]) + text.encode(), "sha256")


def seal(text: str, place: int) -> str:
    """What stands for a thought whose words are not sent: it can be checked without them."""
    digest = hashlib.blake2b(bytes([place]) + text.encode(), digest_size=48).hexdigest()
    return b64encode(f"{digest}{_mac(digest, place).hex()}{place:02x}".encode()).decode()


def is_sealed(seal: str) -> bool:
    """Whether it is one of ours, and whole."""
    try:
        words = b64decode(seal, validate=True).decode()
        digest, mac, place = words[:96], words[96:160], int(words[160:], 16)
    except ValueError:
        return False
    return len(words) == 162 and hmac.compare_digest(mac, _mac(digest, place).hex())
