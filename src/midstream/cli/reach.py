"""Whether the providers can be reached, and whether they take the keys that are set."""

import os
import re
import ssl
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2
import truststore

from midstream.cli.config import endpoints
from midstream.cli.findings import Finding, State
from midstream.errors import ConfigurationError
from midstream.models.endpoints import ENDPOINTS, Endpoint, Wire, check_url
from midstream.models.resolve import moved, speaker
from midstream.secrets.names import address

NO_LIST = -200
MOST_BYTES = 4 << 20
LIST = re.compile(rb'^\s*\{.*"(?:data|models)"\s*:\s*(?:\[|null)', re.DOTALL)
HERE = ("127.0.0.1", "localhost", "::1")
PATIENCE_S = 3.0


# Where the list of models is: it costs nothing, and is given only to who has a key.
MODELS: dict[Wire, str] = {"anthropic": "/v1/models", "openai": "/models", "openai-chat": "/models"}


def providers() -> dict[str, Endpoint]:
    """Those that can be named, each once; where they are by the environment."""
    try:
        known = endpoints()
    except ConfigurationError:  # that is a finding of its own
        known = ENDPOINTS
    found: dict[tuple[str, tuple[str, ...]], tuple[str, Endpoint]] = {}
    for name, endpoint in known.items():
        there = moved(endpoint, None)
        found.setdefault((there.url(), there.keys), (name, there))
    return dict(found.values())


def provider(name: str, endpoint: Endpoint) -> Finding:
    """Ask it for its models. One that is far is asked only if its key or address is set."""
    variable, facts = known(endpoint)
    is_own = name not in ENDPOINTS  # it stands in the configuration
    is_set = is_own or bool(variable) or any(os.environ.get(each) for each in variables(name))
    if not (is_set or (is_here(endpoint.url()) and not endpoint.needs_key)):
        words = f"no key: set {wanted(endpoint)} to use it"
        return Finding(name, State.ABSENT, words, facts=facts)
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        words = f"{variable} has characters that no key has: set it again"
        return Finding(name, State.BAD, words, facts=facts)
    began = monotonic()
    try:
        check_url(endpoint.url())
        status = ask(endpoint, speaker(endpoint, "", key, name).headers)
    except (ConfigurationError, httpx2.InvalidURL):
        words = f"{' or '.join(variables(name)) or 'its base URL'} must be http(s)://host"
        return Finding(name, State.BAD, words, facts=facts)
    except (httpx2.TransportError, ImportError, ValueError, OSError) as error:
        words = f"{facts['base_url']} cannot be reached: {trouble(error)}"
        return Finding(name, State.BAD if is_set else State.ABSENT, words, facts=facts)
    facts = facts | {"status": status, "seconds": round(monotonic() - began, 3)}
    state, words = verdict(status, variable, endpoint)
    words = f"{facts['base_url']} answers{words}"
    return Finding(name, state, words, state is State.GOOD, facts)


def is_here(url: str) -> bool:
    try:
        return urlsplit(url).hostname in HERE
    except ValueError:  # no address: that is told when it is asked
        return False


def wanted(endpoint: Endpoint) -> str:
    return endpoint.keys[0] if endpoint.keys else "a key"


def silent(name: str, endpoint: Endpoint) -> Finding:
    _, facts = known(endpoint)
    words = f"{facts['base_url']} does not answer within {PATIENCE_S:g} s: is the network there?"
    return Finding(name, State.BAD, words, facts=facts)


def known(endpoint: Endpoint) -> tuple[str, dict[str, Any]]:
    """The name of the variable with its key, and what may be told."""
    name = next((each for each in endpoint.keys if os.environ.get(each, "").strip()), "")
    return name, {"key": name or None, "base_url": address(endpoint.url()), "status": None}


def variables(name: str) -> tuple[str, ...]:
    return ENDPOINTS[name].url_variables if name in ENDPOINTS else ()


def ask(endpoint: Endpoint, headers: dict[str, str]) -> int:
    """The status of the answer; NO_LIST where it should be a list of models and is none.

    Its body may quote the key: nothing of it is told.
    """
    url = endpoint.url()
    with (
        httpx2.Client(
            base_url=url,
            timeout=PATIENCE_S,
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=not is_here(url),
        ) as client,
        client.stream("GET", MODELS[endpoint.wire], headers=headers) as response,
    ):
        if response.status_code != 200:
            return response.status_code
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                break
    return 200 if LIST.search(body) else NO_LIST


def verdict(status: int, variable: str, endpoint: Endpoint) -> tuple[State, str]:
    if not variable and endpoint.needs_key:
        return State.ABSENT, f"; no key: set {wanted(endpoint)}"
    if status == NO_LIST or 300 <= status < 400:
        return State.BAD, ", but with no list of models: is that the right base URL?"
    if status in (404, 405):
        words = f" ({status} for its models): whether it takes requests, only a question can tell"
        return State.ABSENT, words
    if status == 200:
        return State.GOOD, f" and takes {variable}" if variable else ""
    if status in (401, 403):
        refused = f", but refuses {variable} ({status}): set another key"
        return (
            State.BAD,
            refused if variable else f", but wants a key ({status}): set {wanted(endpoint)}",
        )
    if status >= 500:
        return State.BAD, f" with trouble of its own ({status}): try again later"
    return State.GOOD, f" ({status}); whether it takes requests, only a question can tell"


def trouble(error: Exception) -> str:
    """Words that are ours or the system's: a library's might hold the URL."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "timed out" if isinstance(error, httpx2.TimeoutException) else type(error).__name__
