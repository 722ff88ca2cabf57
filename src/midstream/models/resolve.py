"""From `provider:name` to a model; the one place that knows the providers by name."""

import os
from urllib.parse import urlsplit

from midstream.errors import ConfigurationError
from midstream.models.model import Model, Patience

ANTHROPIC_URL = "https://api.anthropic.com"


def resolve(spec: str, api_key: str | None, base_url: str | None, patience: Patience) -> Model:
    """The model that `spec` names, with keys and addresses from the environment where not given.

    Raises:
        ConfigurationError: no such provider, or no key for it.
    """
    provider, colon, name = spec.partition(":")
    match provider:
        case "anthropic" if name:
            return _anthropic(name, api_key, base_url, patience)
        case "sim" if colon:
            from midstream.models.simulated import SimulatedModel

            return SimulatedModel(name or "hello", patience)
        case _:
            known = "anthropic:NAME (such as anthropic:claude-sonnet-4-6) and sim:SCENARIO"
            raise ConfigurationError(f"unknown model {spec!r}: known are {known}")


def _anthropic(name: str, api_key: str | None, base_url: str | None, patience: Patience) -> Model:
    from midstream.models.http import HttpModel
    from midstream.providers.anthropic_request import Anthropic

    key = api_key or os.environ.get("ANTHROPIC_API_KEY")
    token = None if key else os.environ.get("ANTHROPIC_AUTH_TOKEN")
    if not (key or token):
        raise ConfigurationError(
            "no key for Anthropic: set ANTHROPIC_API_KEY (midstream demo needs none)"
        )
    version = "2026-10-21" if token else "2023-06-01"
    url = (
        base_url if base_url is not None else os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC_URL
    )
    check_url(url)
    secret = (key or token or "").strip()
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigurationError("the key for Anthropic has characters that no key has")
    return HttpModel(Anthropic(name, secret, version), url, patience)


def check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = "" if "@" in url or "?" in url else f" {url!r}"  # what is there may be a key
        raise ConfigurationError(f"the base URL{shown} must be http(s)://host, perhaps with :port")
