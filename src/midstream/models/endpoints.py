"""The servers that can be named: where each is, which wire it speaks, and its own ways."""

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from midstream.errors import ConfigurationError
from midstream.providers.openai_chat_request import OPENAI as OPENAI_QUIRKS
from midstream.providers.openai_chat_request import Quirks

Wire = Literal["anthropic", "openai", "openai-chat"]


class Endpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """A server, and how to ask it.

    Attributes:
        base_url: what the wire's path is appended to; with `/v1` on the OpenAI wires.
        wire: `anthropic` (Messages), `openai` (Responses) or `openai-chat` (Chat Completions).
        keys: the environment variables that may hold its key; the first that is set counts.
        needs_key: without one it refuses to be asked.
        url_variables: those that may hold another base URL.
        model: the one to take when only this server's key is set; "" if there is none to suggest.
        quirks: what it does in its own way, on the Chat Completions wire.
    """

    base_url: str
    wire: Wire = "openai-chat"
    keys: tuple[str, ...] = ()
    needs_key: bool = True
    url_variables: tuple[str, ...] = ()
    model: str = ""
    quirks: Quirks = Quirks()

    def key(self, environment: Mapping[str, str] = os.environ) -> str:
        return _first(self.keys, environment)

    def key_variable(self, environment: Mapping[str, str] = os.environ) -> str:
        """The one that holds the key; "" if none does."""
        return next((name for name in self.keys if environment.get(name)), "")

    def url(self, environment: Mapping[str, str] = os.environ) -> str:
        return _first(self.url_variables, environment) or self.base_url


OPENAI = Endpoint(
    "https://api.openai.com/v1",
    "openai",
    keys=("OPENAI_API_KEY",),
    url_variables=("OPENAI_BASE_URL",),
    model="gpt-5.5",
)

# In the order in which a key that is set decides whom to ask.
ENDPOINTS: dict[str, Endpoint] = {
    "anthropic": Endpoint(
        "https://api.anthropic.com",
        "anthropic",
        keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        url_variables=("ANTHROPIC_BASE_URL",),
        model="claude-sonnet-4-6",
    ),
    "openai": OPENAI,
    "openai-chat": Endpoint(
        OPENAI.base_url, keys=OPENAI.keys, url_variables=OPENAI.url_variables, quirks=OPENAI_QUIRKS
    ),
    "openrouter": Endpoint(
        "https://openrouter.ai/api/v1",
        keys=("OPENROUTER_API_KEY",),
        model="openrouter/auto",
        quirks=Quirks(thinking="reasoning", echo="reasoning_details"),
    ),
    "gemini": Endpoint(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        model="gemini-flash-latest",
    ),
    "mistral": Endpoint(
        "https://api.mistral.ai/v1",
        keys=("MISTRAL_API_KEY",),
        model="mistral-large-latest",
        quirks=Quirks(asks_usage=False, call_ids="nine", thinking=""),
    ),
    "deepseek": Endpoint(
        "https://api.deepseek.com",
        keys=("DEEPSEEK_API_KEY",),
        model="deepseek-v4-flash",
        quirks=Quirks(thinking="", echo="reasoning_content"),
    ),
    "groq": Endpoint(
        "https://api.groq.com/openai/v1",
        keys=("GROQ_API_KEY",),
        model="openai/gpt-oss-120b",
        quirks=OPENAI_QUIRKS,
    ),
    "xai": Endpoint("https://api.x.ai/v1", keys=("XAI_API_KEY",), model="grok-4.3"),
    # Each customer has an address of their own there.
    "azure": Endpoint(
        "",
        keys=("AZURE_OPENAI_API_KEY",),
        url_variables=("AZURE_OPENAI_BASE_URL",),
        quirks=replace(OPENAI_QUIRKS, key_header="api-key"),
    ),
    # On one's own machine, where a key is not needed.
    "ollama": Endpoint(
        "http://localhost:11434/v1",
        keys=("OLLAMA_API_KEY",),
        needs_key=False,
        url_variables=("OLLAMA_BASE_URL",),
    ),
    "vllm": Endpoint(
        "http://localhost:8000/v1",
        keys=("VLLM_API_KEY",),
        needs_key=False,
        url_variables=("VLLM_BASE_URL",),
    ),
    "llamacpp": Endpoint(
        "http://localhost:8080/v1",
        keys=("LLAMA_API_KEY",),
        needs_key=False,
        url_variables=("LLAMACPP_BASE_URL",),
    ),
}


def check_url(url: str) -> None:
    """Raise ConfigurationError if nothing can be asked there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = "" if "@" in url or "?" in url else f" {url!r}"  # what is there may be a key
        raise ConfigurationError(f"the base URL{shown} must be http(s)://host, perhaps with :port")


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    return next((value for name in names if (value := environment.get(name, ""))), "")
