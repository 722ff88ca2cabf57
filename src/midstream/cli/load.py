"""Finds what the options name: the model, and tools in a file or a module, all of them or one."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from midstream.cli.config import endpoints, user_config
from midstream.errors import ConfigurationError
from midstream.models.model import Model, Patience
from midstream.models.resolve import resolve
from midstream.tools.tool import Tool, tool


def load_model(spec: str, base_url: str | None) -> Model:
    """The model that `PROVIDER:NAME` names, as the configuration knows it.

    Raises:
        ConfigurationError: there is none, or no key for it.
    """
    provider, _, name = spec.partition(":")
    if provider == "local" and name and base_url is None:
        from midstream.models.local import LocalModel

        return LocalModel(name, user_config().local)
    return resolve(spec, None, base_url, Patience(), endpoints())


def load_tools(specs: tuple[str, ...]) -> list[Tool]:
    """The tools that each of `specs` (`MODULE_OR_FILE.py[:NAME]`) names.

    Raises:
        ConfigurationError: there is no such file, module or tool, or it cannot be imported.
    """
    return [found for spec in specs for found in _load(spec)]


def _load(spec: str) -> list[Tool]:
    place, _, name = spec.rpartition(":")
    if not place or "/" in name or "\\" in name or name.endswith(".py"):
        place, name = spec, ""
    module = _import(place)
    if name:
        return [_one(module, place, name)]
    found = [each for each in vars(module).values() if isinstance(each, Tool)]
    if not found:
        raise ConfigurationError(f"{place} has no @tool; {place}:NAME takes one function")
    return list(dict.fromkeys(found))


def _one(module: ModuleType, place: str, name: str) -> Tool:
    wanted = getattr(module, name, None)
    if isinstance(wanted, Tool):
        return wanted
    if not callable(wanted):
        raise ConfigurationError(f"{place} has no function named {name!r}")
    try:
        return tool(wanted)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name} of {place} cannot be a tool: {error}") from error


def _import(place: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _import_file(Path(place))
        if Path(place).is_file():
            raise ConfigurationError(f"{place}: the name of a file with tools must end in .py")
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:  # the user's module ran: anything may have happened
        words = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"cannot load tools from {place}: {words}") from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    name = f"midstream_tools_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module
