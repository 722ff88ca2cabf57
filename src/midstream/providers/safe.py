"""What comes off a wire, made safe to keep and to send on: strings, ids and counts."""

from typing import Any

from midstream.errors import ProtocolError
from midstream.wire.json import NotJson, is_array, is_object
from midstream.wire.json import clean as cleaned

MOST_TOKENS = 1 << 53  # what every reader of JSON can count to; no response has as many


def clean(value: Any) -> Any:
    """`wire.json.clean`, except that what is nested too deep is the stream's fault."""
    try:
        return cleaned(value)
    except NotJson as error:
        raise ProtocolError(str(error)) from error


def mended(text: str) -> str:
    """`text` with the halves of each surrogate pair joined, and nothing that cannot be sent on."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\0", "\ufffd")


class Halves:
    """Joins the halves of surrogate pairs that lie across fragments, for each block apart.

    Attributes:
        seen: a record was read the forgiving way, so that there may be halves.
    """

    __slots__ = ("_waiting", "seen")

    def __init__(self) -> None:
        self.seen = False
        self._waiting: dict[int, str] = {}

    def joined(self, index: int, text: str) -> str:
        """`text` with nothing in it that cannot be sent on; a trailing half is kept back."""
        if not self.seen and "\0" not in text:
            return text
        text = self._waiting.pop(index, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[index], text = text[-1], text[:-1]
        return mended(text)

    def rest(self, index: int) -> str:
        """What the end of a block shows to have been no half of anything."""
        return mended(self._waiting.pop(index, ""))


def unlike(taken: set[str], wanted: str, index: int) -> str:
    """An id for the call at `index`, which is taken from then on.

    Servers repeat ids, or leave them empty; two results for one id would be refused.
    """
    unique = wanted or f"call_{index}"
    while unique in taken:
        unique = f"{unique}_{index}"
    taken.add(unique)
    return unique


def tokens(count: float | None, otherwise: int = 0) -> int:
    """A count of tokens that can be one; `otherwise` where none is given."""
    return otherwise if count is None else int(min(max(0, count), MOST_TOKENS))


def objects(value: Any) -> list[dict[str, Any]]:
    """What of a JSON value are the objects of an array."""
    return [each for each in value if is_object(each)] if is_array(value) else []
