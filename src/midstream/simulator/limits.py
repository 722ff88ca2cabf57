"""What a script may ask for: times that can be waited for, numbers and headers that can be sent."""

import re
from collections.abc import Mapping
from typing import Final

DAY_S: Final = 86_400
LARGEST: Final = 1e9

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_NOT_IN_A_VALUE = re.compile("[\r\n\0]|[^\0-\xff]")


def check_time(name: str, value_s: float | None) -> None:
    """Raises ValueError for what cannot be waited for: nan, below 0, more than a day."""
    if value_s is not None and not 0 <= value_s <= DAY_S:
        raise ValueError(f"`{name}` is a time to wait, in seconds: 0 to {DAY_S} (a day)")


def check_number(name: str, value: float | None) -> None:
    """Raises ValueError for nan, an infinity, and what no date can be moved by."""
    if value is not None and not -LARGEST <= value <= LARGEST:
        raise ValueError(f"`{name}` is a number from -{LARGEST:.0f} to {LARGEST:.0f}")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError for a header that would not be one on the wire, but two, or none."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a header: use letters, digits and -, without spaces"
            )
        if _NOT_IN_A_VALUE.search(value):
            raise ValueError(
                f"the value of the header {name!r} must be one line of Latin-1 (up to U+00FF)"
            )
