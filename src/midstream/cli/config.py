"""The configuration: a file of the user's, one of the folder's, and `MIDSTREAM_…` variables.

The flag wins over the variable, the variable over the folder's file, and that over the user's. A
folder may be a stranger's: its file names no servers, to which keys would be sent, no tools and no
scripts, which run or have run what they say; it allows nothing, and lifts no limit of the user's.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from midstream.errors import ConfigurationError
from midstream.models.endpoints import ENDPOINTS, Endpoint, check_url
from midstream.models.llama_server import Settings as LocalSettings

T = TypeVar("T", bound="Settings")
OF_THE_FOLDER = Path(".midstream.toml")
LIMITS = ("max_turns", "max_tokens", "max_cost")
LARGEST = 1 << 16  # bytes of a file
OWN = ("sim", "local")  # what they name is a file, which says what happens
AtLeastOne = Annotated[int, Meta(ge=1)]
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")  # of a variable


class Settings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a folder's file may say: defaults for the options of the same names, and denials.

    Attributes:
        deny: rules, which count beside those of the options.
    """

    model: str | None = None
    system: str | None = None
    max_turns: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    max_cost: Annotated[float, Meta(gt=0)] | None = None
    thinking: int | str | None = None
    context_window: AtLeastOne | None = None
    deny: tuple[str, ...] = ()


class Config(Settings, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the user's own file may say.

    Attributes:
        endpoints: servers by name, or what is different about those that are known.
        local: how models on this machine are run.
        allow: rules, which count beside those of the options.
        add_dirs: folders for the tools that work in one, beside the current folder.
        environment: names of variables that commands may see, beside the usual ones.
    """

    endpoints: dict[str, dict[str, Any]] = {}
    local: LocalSettings = LocalSettings()
    allow: tuple[str, ...] = ()
    add_dirs: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(Path(each).expanduser().is_absolute() for each in self.add_dirs):
            raise ValueError("`add_dirs` are folders from / or from ~ on")
        if not all(NAME.fullmatch(each) for each in self.environment):
            raise ValueError("`environment` holds names of variables, not their values")


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
    found: dict[str, Any] = msgspec.to_builtins(user_config())
    here: dict[str, Any] = msgspec.to_builtins(folder_settings() or Settings())
    for limit in LIMITS:
        if limit in found and limit in here:
            here[limit] = min(found[limit], here[limit])
    return {name: value for name, value in (found | here).items() if name in _NAMES}


_NAMES = frozenset(Settings.__struct_fields__) - {"deny"}


def user_config() -> Config:
    config = _read(config_file(), Config)
    if config is None and "MIDSTREAM_CONFIG" in os.environ:
        raise ConfigurationError(f"there is no file {config_file()}, which MIDSTREAM_CONFIG names")
    return config or Config()


def folder_settings() -> Settings | None:
    settings = _read(OF_THE_FOLDER, Settings)
    if settings and (settings.model or "").partition(":")[0] in OWN:
        words = f"{settings.model!r} may run what it likes: name it with -m, not in a folder's file"
        raise ConfigurationError(f"{OF_THE_FOLDER}: {words}")
    return settings


def endpoints() -> dict[str, Endpoint]:
    """The servers that can be named, the user's own among them.

    Raises:
        ConfigurationError: the file is there and cannot be understood.
    """
    found = dict(ENDPOINTS)
    for name, given in user_config().endpoints.items():
        try:
            found[name] = _endpoint(name, given)
        except (ConfigurationError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"{config_file()}, endpoints.{name}: {error}") from error
    return found


def _endpoint(name: str, given: dict[str, Any]) -> Endpoint:
    if not name or ":" in name or name in OWN:
        raise ConfigurationError("the name cannot be used")
    known: dict[str, Any] = {}
    if name in ENDPOINTS:  # what is not said again stays as it is
        known = msgspec.to_builtins(ENDPOINTS[name])
        given = given | {"quirks": known["quirks"] | given.get("quirks", {})}
        if "base_url" in given:
            known["url_variables"] = ()
    endpoint = msgspec.convert(known | given, Endpoint)
    if not all(NAME.fullmatch(each) for each in endpoint.keys):
        raise ConfigurationError("`keys` are names of variables, not the keys themselves")
    if endpoint.base_url or not endpoint.url_variables:
        check_url(endpoint.base_url)
    return endpoint


_MINE = frozenset(Config.__struct_fields__) - frozenset(Settings.__struct_fields__)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > LARGEST:  # a device, or a pipe
            raise ConfigurationError(f"{path}: no file of at most {LARGEST:,} bytes")
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        words = str(error)
        mine = next((each for each in _MINE if f"unknown field `{each}`" in words), None)
        if kind is Settings and mine:
            words = f"`{mine}` belongs into your own file, {config_file()}, not into a folder's"
        raise ConfigurationError(f"{path}: {words}") from error
