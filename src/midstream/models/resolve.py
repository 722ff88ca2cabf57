"""From `provider:name` to a model; the one place that knows the wires by name."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from msgspec.structs import replace

from midstream.errors import ConfigurationError
from midstream.models.endpoints import (
    ENDPOINTS,
    OPENAI,
    Endpoint,
    Wire,
    check_url,
)
from midstream.models.model import Model, Patience
from midstream.providers.openai_chat_request import OPENAI as OPENAI_QUIRKS
from midstream.providers.openai_chat_request import Chat, Quirks

if TYPE_CHECKING:  # of the wires only that which is spoken is loaded
    from midstream.providers.anthropic_request import Anthropic
    from midstream.providers.openai_responses_request import Responses

# OpenAI's models that refuse what earlier ones took.
NEWER = re.compile(r"(?:gpt-[5-9]|o\d)")


def resolve(
    spec: str,
    api_key: str | None,
    base_url: str | None,
    patience: Patience,
    endpoints: Mapping[str, Endpoint] = ENDPOINTS,
) -> Model:
    """The model that `spec` names, with keys and addresses from the environment where not given.

    Raises:
        ConfigurationError: no such provider, or no key for it.
    """
    provider, colon, name = spec.partition(":")
    if provider in ("sim", "local") and base_url is not None:
        raise ConfigurationError(f"{provider}: models run here, and have no base URL")
    match provider:
        case "sim" if colon:
            from midstream.models.simulated import SimulatedModel

            return SimulatedModel(name or "hello", patience)
        case "local" if name:
            from midstream.models.local import LocalModel

            return LocalModel(name, patience=patience)
        case _ if name and provider in endpoints:
            endpoint = moved(endpoints[provider], base_url)
            if provider == "openai-chat" and NEWER.match(name):  # behind a proxy, too
                endpoint = replace(endpoint, quirks=OPENAI_QUIRKS)
            return model_at(endpoint, name, api_key, provider, patience)
        case _:
            known = f"{', '.join(endpoints)}, local, sim"
            raise ConfigurationError(
                f"unknown model {spec!r}: PROVIDER:NAME, such as anthropic:claude-sonnet-4-6;"
                f" providers are {known}"
            )


def moved(endpoint: Endpoint, base_url: str | None) -> Endpoint:
    """The endpoint at the address that was given, by the environment or by its own.

    What speaks OpenAI's wires elsewhere may want no key, and has not followed all their changes.
    """
    url = (endpoint.url() if base_url is None else base_url).strip().rstrip("/")
    if endpoint.wire == "anthropic":
        url = url.removesuffix("/v1")  # which is part of that wire's paths
    there = replace(endpoint, base_url=url, url_variables=())
    if endpoint.keys == OPENAI.keys and url != OPENAI.base_url:
        return replace(there, needs_key=False, quirks=Quirks())
    return there if url or base_url is not None else endpoint


def model_at(
    endpoint: Endpoint,
    name: str,
    api_key: str | None = None,
    provider: str = "",
    patience: Patience | None = None,
) -> Model:
    """A model of a server.

        Agent(model_at(Endpoint("http://lab:8000/v1", needs_key=False), "qwen3-32b"))

    Args:
        api_key: else from the environment.
        provider: what the server is called; what only it understands goes back to it alone.

    Raises:
        ConfigurationError: it has no address, or no key, or is to be asked by an unknown transport.
    """
    from midstream.models.http import HttpModel
    from midstream.models.transport import wanted

    if endpoint.wire not in get_args(Wire):
        raise ConfigurationError(f"a wire is one of {', '.join(get_args(Wire))}")
    url = endpoint.url().rstrip("/")
    if not url and endpoint.url_variables:
        raise ConfigurationError(f"no address for {provider}: set {endpoint.url_variables[0]}")
    check_url(url)
    wanted()  # so that a wrong setting is told before anything is asked
    key = _key(endpoint, provider or url, api_key)
    spoken = speaker(endpoint, name, key, provider or endpoint.wire)
    model = HttpModel(spoken, url, patience)
    model.key_variable = "" if api_key else endpoint.key_variable()
    return model


def speaker(
    endpoint: Endpoint, name: str, key: str, provider: str
) -> "Anthropic | Responses | Chat":
    """The endpoint's wire, ready to ask for a model with a key."""
    quirks = endpoint.quirks
    match endpoint.wire:
        case "anthropic":
            from midstream.providers.anthropic_request import Anthropic

            version = "2026-10-21" if _is_token(key) else "2023-06-01"
            return Anthropic(name, key, version, provider=provider)
        case "openai":
            from midstream.providers.openai_responses_request import Responses

            return Responses(name, key, provider, quirks.key_header, quirks.extra)
        case "openai-chat":
            return Chat(name, key, provider, quirks)


def _key(endpoint: Endpoint, provider: str, api_key: str | None) -> str:
    key = (api_key or endpoint.key()).strip()
    if not key and endpoint.needs_key:
        cure = "its entry may name a variable in `keys`, or say `needs_key = false`"
        if endpoint.keys:
            cure = f"set {endpoint.keys[0]} (midstream demo needs none)"
        raise ConfigurationError(f"no key for {provider}: {cure}")
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(f"the key for {provider} has characters that no key has")
    return key


def _is_token(key: str) -> bool:
    """Whether it was given as a bearer token, which the newer API version takes."""
    return bool(key) and key == os.environ.get("ANTHROPIC_AUTH_TOKEN", "").strip()
