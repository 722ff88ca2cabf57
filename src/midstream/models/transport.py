"""What an address is asked by: our own transport, which reads streams for less, or httpx2's."""

import os
import ssl
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from midstream.concurrency import asyncio_loop
from midstream.errors import ConfigurationError

SETTING = "MIDSTREAM_TRANSPORT"
LOCAL = ("127.0.0.1", "localhost", "::1")


def own_transport(
    verify: ssl.SSLContext | Literal[False], base_url: str
) -> httpx2.AsyncBaseTransport | None:
    """Ours, or None where it must be httpx2's: on trio, through proxies, or if that is wanted."""
    if is_httpx2s(base_url) or asyncio_loop() is None:
        return None
    from midstream.models.http1_transport import Http1Transport

    return Http1Transport(verify or None)


def is_httpx2s(base_url: str) -> bool:
    """Whether an address is asked by httpx2's transport, on whatever event loop.

    Raises:
        ConfigurationError: as `wanted` does.
    """
    return wanted() == "httpx2" or bool(proxy_for(base_url))


def wanted() -> str:
    """Whose transport the environment asks for.

    Raises:
        ConfigurationError: it says something else than "own" or "httpx2".
    """
    whose = os.environ.get(SETTING) or "own"
    if whose not in ("own", "httpx2"):
        raise ConfigurationError(f'{SETTING} is "own" or "httpx2", not {whose!r}')
    return whose


def proxy_for(base_url: str) -> str:
    """The proxy that the environment names for an address; "" if there is none."""
    parts, proxies = urlsplit(base_url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    host = parts.hostname or ""
    return "" if is_local(base_url) or proxy_bypass(host) else proxy


def is_local(base_url: str) -> bool:
    """On this machine, where no proxy is needed."""
    return urlsplit(base_url).hostname in LOCAL
