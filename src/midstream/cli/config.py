"""The configuration: a file of the user's, one of the folder's, and `MIDSTREAM_…` variables.

The flag wins over the variable, the variable over the folder's file, and that over the user's. A
folder may be a stranger's: its file says nothing of servers, to which keys would be sent, nor of
tools, which are programs.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from midstream.errors import ConfigurationError
from midstream.models.endpoints import ENDPOINTS, Endpoint, check_url

T = TypeVar("T", bound="Settings")
OF_THE_FOLDER = Path(".midstream.toml")


class Settings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a folder's file may say: defaults for the options of the same names."""

    model: str | None = None
    system: str | None = None
    max_turns: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    thinking: int | str | None = None


class Config(Settings, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the user's own file may say. Its endpoints are added to those that are known."""

    endpoints: dict[str, Endpoint] = {}


def config_file() -> Path:
    """The user's: `MIDSTREAM_CONFIG`, or `config.toml` in the user's configuration directory."""
    from platformdirs import user_config_path

    named = os.environ.get("MIDSTREAM_CONFIG")
    return Path(named or user_config_path("midstream", appauthor=False) / "config.toml")


def defaults() -> dict[str, Any]:
    """The options' defaults, by their names.

    Raises:
        ConfigurationError: a file is there and cannot be understood.
    """
    found: dict[str, Any] = {}
    for settings in (_read(config_file(), Config), _read(OF_THE_FOLDER, Settings)):
        found |= msgspec.to_builtins(settings) if settings else {}
    found.pop("endpoints", None)
    return found


def endpoints() -> dict[str, Endpoint]:
    """The servers that can be named, the user's own among them.

    Raises:
        ConfigurationError: the file is there and cannot be understood.
    """
    config = _read(config_file(), Config)
    own = config.endpoints if config else {}
    for name, endpoint in own.items():
        try:
            _check(name, endpoint)
        except ConfigurationError as error:
            raise ConfigurationError(f"{config_file()}, endpoints.{name}: {error}") from error
    return ENDPOINTS | own


def _check(name: str, endpoint: Endpoint) -> None:
    if not name or ":" in name or name in ("sim", "local"):
        raise ConfigurationError("the name cannot be used")
    if endpoint.base_url or not endpoint.url_variables:
        check_url(endpoint.base_url)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        words = str(error)
        if kind is Settings and "endpoints" in words:
            words = f"endpoints belong into your own file, {config_file()}, not into a folder's"
        raise ConfigurationError(f"{path}: {words}") from error
