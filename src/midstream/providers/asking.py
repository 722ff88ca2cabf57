"""What all requests have in common: headers, a body that caches find again, ids that are taken."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from midstream.errors import ProviderError
from midstream.messages import Image, ModelRequest, Text
from midstream.providers.provider import HttpRequest
from midstream.providers.refusals import refusal
from midstream.secrets.secrets import Secrets
from midstream.wire.json import clean

BODY = msgspec.json.Encoder(order="deterministic")  # equal requests are equal bytes: caches hit
HEADERS = {
    "content-type": "application/json",
    "accept": "text/event-stream",
    "accept-encoding": "identity",  # no compressed answer, hence no bomb in one
}


class Bearer:
    """A server that is asked with a bearer token, or with none.

    Args:
        header: another header for the key, such as Azure's `api-key`.

    Attributes:
        headers: what every request must say about who asks.
    """

    def __init__(self, key: str, header: str = "authorization") -> None:
        self.secrets = (key,) if key else ()
        value = f"Bearer {key}" if header == "authorization" else key
        self.headers: dict[str, str] = {header: value} if key else {}

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        # Proxies have been seen to quote the key that they refuse.
        return refusal(status, headers, Secrets(self.secrets).data(body))


# Whose own wire it is; all others speak Chat Completions.
OWN_WIRE = {"anthropic": "messages", "openai": "responses"}


def rider_tag(provider: str, wire: str) -> str:
    """What marks what only a server understands: it goes back to that server and wire alone."""
    return provider if OWN_WIRE.get(provider, "chat") == wire else f"{provider}/{wire}"


def post(path: str, headers: dict[str, str], fields: dict[str, Any]) -> HttpRequest:
    """A request whose body has those of the fields that are not None."""
    said = {key: value for key, value in fields.items() if value is not None}
    return HttpRequest(path, HEADERS | headers, encoded(said))


def encoded(value: Any) -> bytes:
    try:
        return BODY.encode(value)
    except UnicodeEncodeError:  # words from a terminal or a file name may hold half characters
        return BODY.encode(clean(value))


def room(request: ModelRequest) -> int:
    """The most tokens of an answer, thinking included: a budget comes out of them, or on top."""
    budget = request.thinking if isinstance(request.thinking, int) else 0
    return request.max_tokens + (budget if request.max_tokens <= budget else 0)


def effort(request: ModelRequest) -> str | None:
    """A budget in tokens as one of OpenAI's three words."""
    match request.thinking:
        case None:
            return None
        case "adaptive":
            return "medium"
        case budget:
            return "low" if budget < 4096 else "medium" if budget < 16384 else "high"


def data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def told(output: str | tuple[Text | Image, ...], *, is_error: bool) -> tuple[str, list[Image]]:
    """A result as words and pictures, for a wire that has no other way to say that it failed."""
    parts = [Text(output)] if isinstance(output, str) else output
    words = "\n".join(part.text for part in parts if isinstance(part, Text))
    pictures = [part for part in parts if isinstance(part, Image)]
    return (f"Error: {words}" if is_error else words), pictures


class CallIds:
    """The ids of a conversation's calls, as a server takes them: each stands for one call only.

    Args:
        spelled: the candidates for an id, from 1.
    """

    def __init__(self, spelled: Callable[[str, int], str]) -> None:
        self._spelled = spelled
        self._taken: set[str] = set()
        self._ids: dict[str, str] = {}
        self._seen: Counter[str] = Counter()

    def take(self, call_id: str) -> str:
        """The id of a call; results of this id are its own until the next that has the same."""
        while True:
            self._seen[call_id] += 1
            wire_id = self._spelled(call_id, self._seen[call_id])
            if wire_id not in self._taken:
                break
        self._taken.add(wire_id)
        self._ids[call_id] = wire_id
        return wire_id

    def of(self, call_id: str) -> str:
        return self._ids.get(call_id, call_id)


def tool_name(name: str, longest: int) -> str:
    """A name that the model made up, as it may be sent back.

    Left as it is, it would be refused, and the conversation with it.
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:longest] or "unknown"


def shortened(longest: int) -> Callable[[str, int], str]:
    """Ids as they are, where they are not too long."""

    def spelled(call_id: str, number: int) -> str:
        if call_id and number == 1 and len(call_id) <= longest:
            return call_id
        return f"call_{_digest(call_id, number)[:32]}"

    return spelled


def nine(call_id: str, number: int) -> str:
    """Mistral's ids: nine letters and digits."""
    fits = number == 1 and re.fullmatch("[a-zA-Z0-9]{9}", call_id)
    return call_id if fits else _digest(call_id, number)[:9]


def _digest(call_id: str, number: int) -> str:
    return hashlib.sha256(f"{number} {call_id}".encode(errors="replace")).hexdigest()
