"""Anthropic Messages, the question: settings and tools become a request."""

from collections.abc import Mapping, Sequence

from midstream.errors import ProviderError
from midstream.messages import ModelRequest
from midstream.providers.anthropic import PROVIDER, AnthropicDecoder
from midstream.providers.anthropic_spelling import Json, wire_messages
from midstream.providers.asking import HEADERS, post, room
from midstream.providers.provider import HttpRequest
from midstream.providers.refusals import refusal
from midstream.secrets.secrets import Secrets


class Anthropic:
    """The Messages API, spoken by Anthropic and by servers that follow it.

    Args:
        version: of the API. From `2026-10-21` on the key is sent as a bearer token.
        betas: names for the `anthropic-beta` header.
        provider: whose server it is.
    """

    def __init__(
        self,
        model: str,
        key: str,
        version: str = "2023-06-01",
        betas: Sequence[str] = (),
        provider: str = PROVIDER,
    ) -> None:
        self.model = model
        self.provider = provider
        self.secrets = (key,)
        self._headers = HEADERS | {"anthropic-version": version}
        if version >= "2026-10-21":
            self._headers["authorization"] = f"Bearer {key}"
        else:
            self._headers["x-api-key"] = key
        if betas:
            self._headers["anthropic-beta"] = ",".join(betas)

    def request(self, request: ModelRequest) -> HttpRequest:
        return post("/v1/messages", self._headers, fields(request, self.provider))

    def decoder(self) -> AnthropicDecoder:
        return AnthropicDecoder(self.provider)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        # Proxies have been seen to quote the key that they refuse.
        return refusal(status, headers, Secrets(self.secrets).data(body))


def fields(request: ModelRequest, provider: str) -> Json:
    messages, container = wire_messages(request.messages, provider)
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in request.tools
    ]
    tools += request.server_tools
    system: str | list[Json] | None = request.system if (request.system or "").strip() else None
    if request.cache:
        system = [{"type": "text", "text": system}] if system else None
        mark(system or tools, messages, request.cache)
    return {
        "model": request.model,
        "max_tokens": room(request),
        "stream": True,
        "messages": messages,
        "system": system,
        "tools": tools or None,
        "thinking": _thinking(request),
        "container": container,
    }


def mark(prefix: list[Json], messages: list[Json], ttl: str) -> None:
    """Ask for what the next request repeats to be kept: what is said first, and up to the end.

    The API looks back for an earlier mark over twenty blocks only, and sixteen calls with their
    results are more: hence a mark where the last request ended, too. Source: platform.claude.com,
    "Prompt caching" (four marks at the most, none on thinking).
    """
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl != "5m" else {})
    said = [message["content"] for message in messages if message["role"] == "user"]
    for blocks in filter(None, (prefix, *said[-2:])):
        blocks[-1] = blocks[-1] | {"cache_control": control}


def _thinking(request: ModelRequest) -> Json | None:
    match request.thinking:
        case None:
            return None
        case "adaptive":
            return {"type": "adaptive"}
        case budget:
            return {"type": "enabled", "budget_tokens": budget}
