"""Anthropic Messages, the question: settings and tools become a request."""

from collections.abc import Sequence

from midstream.messages import ModelRequest
from midstream.providers.anthropic import PROVIDER, AnthropicDecoder
from midstream.providers.anthropic_spelling import Json, is_thinking, wire_messages
from midstream.providers.asking import Bearer, post, rider_tag, room
from midstream.providers.provider import HttpRequest

MOST_MARKS = 4


class Anthropic(Bearer):
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
        super().__init__(key, "authorization" if version >= "2026-10-21" else "x-api-key")
        self.model = model
        self.provider = provider
        self._tag = rider_tag(provider, "messages")
        self.headers |= {"anthropic-version": version}
        if betas:
            self.headers["anthropic-beta"] = ",".join(betas)

    def request(self, request: ModelRequest) -> HttpRequest:
        return post("/v1/messages", self.headers, fields(request, self._tag))

    def decoder(self) -> AnthropicDecoder:
        return AnthropicDecoder(self._tag)


def fields(request: ModelRequest, provider: str) -> Json:
    messages, container = wire_messages(request.messages, provider)
    tools: list[Json] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in request.tools
    ]
    tools += request.server_tools
    words = request.system if (request.system or "").strip() else None
    system = [{"type": "text", "text": words}] if words and request.cache else []
    if request.cache:
        mark(system, tools, messages, request.cache)
    return {
        "model": request.model,
        "max_tokens": room(request),
        "stream": True,
        "messages": messages,
        "system": system or words,
        "tools": tools or None,
        "thinking": _thinking(request, messages),
        "container": container,
    }


def mark(system: list[Json], tools: list[Json], messages: list[Json], ttl: str) -> None:
    """Ask for what the next request repeats to be kept: what is said first, and up to the end.

    The API looks back for an earlier mark over twenty blocks only, and sixteen calls with their
    results are more: hence a mark where the last request ended, too. Source: platform.claude.com,
    "Prompt caching" (four marks at the most; none on thinking, nor on a tool that is deferred).
    """
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl != "5m" else {})
    said = [message["content"] for message in messages if message["role"] == "user"]
    free = MOST_MARKS - sum("cache_control" in block for block in tools)
    for blocks in [*said[-1:], *said[-2:-1], system or tools][: max(0, free)]:
        places = [n for n, block in enumerate(blocks) if not block.get("defer_loading")]
        if places and "cache_control" not in blocks[places[-1]]:
            blocks[places[-1]] = blocks[places[-1]] | {"cache_control": control}


def _thinking(request: ModelRequest, messages: list[Json]) -> Json | None:
    match request.thinking:
        case None:
            return None
        case "adaptive":
            return {"type": "adaptive"}
        case budget:
            kind = {"type": "enabled", "budget_tokens": budget}
            return kind if _may_think(messages) else None


def _may_think(messages: list[Json]) -> bool:
    """Whether a budget is taken: within a tool loop only if the loop began with thinking.

    It did not where it began without a budget, with another provider, or was stopped in between.
    """
    loop = 0
    for place, message in enumerate(messages):
        results = any(block["type"] == "tool_result" for block in message["content"])
        if message["role"] == "user" and not results:
            loop = place + 1
    return loop in (0, len(messages)) or is_thinking(messages[loop]["content"][0])
