"""Requests with something strange in them, at every place where there is something."""

import copy
from collections.abc import Iterator
from typing import Any

STRANGE: list[Any] = [None, True, -1, 1.5, "", "x", [], ["x"], [[]], [{}], {}, {"type": "text"}]


def twisted(value: Any) -> Iterator[Any]:
    """The value with one part of it, at any depth, replaced by something strange."""
    yield from copy.deepcopy(STRANGE)
    places: Any = range(len(value)) if isinstance(value, list) else ()
    for place in value if isinstance(value, dict) else places:
        for part in twisted(value[place]):
            changed = copy.copy(value)
            changed[place] = part
            yield changed
