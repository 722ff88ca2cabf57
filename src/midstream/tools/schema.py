"""How a parameter is described to a model: JSON Schema, draft 2020-12."""

import contextlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, time
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from midstream.tools.output import NotJson, json_text

Schema = dict[str, Any]

FORMATS: dict[type, str] = {datetime: "date-time", time: "time"}
CONTAINERS: tuple[Any, ...] = (list, dict, set, tuple)


class Parameter(Struct, frozen=True):
    """One parameter that the model fills in.

    Attributes:
        hint: its type; Any where the function does not say.
        description: empty where nobody wrote one.
        default: NODEFAULT where the model has to give a value.
        adapter: pydantic's TypeAdapter of the hint, where the hint mentions pydantic.
    """

    name: str
    hint: Any
    description: str
    default: Any
    adapter: Any

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT


def parameter(name: str, hint: Any, default: Any, documented: str) -> Parameter:
    """Make a Parameter; `documented` describes it unless the hint does.

    Raises:
        TypeError: pydantic cannot read the type.
    """
    if type(default).__module__ == "pydantic.fields":
        raise TypeError(f"parameter {name}: write Annotated[..., Field(...)], not = Field(...)")
    words = _words(hint) or documented
    if default is None:  # `x: int = None` means that null is fine
        hint = hint | None
    if hint is object:
        hint = Any
    adapter = _attempt(name, hint, _adapter) if speaks_pydantic(hint) else None
    return Parameter(name, hint, words, default, adapter)


def input_schema(parameters: tuple[Parameter, ...]) -> Schema:
    """The schema of a tool's input: the same text on every run, so that prompts can be cached.

    Raises:
        TypeError: a parameter's type has no JSON.
    """
    properties: Schema = {}
    definitions: Schema = {}
    for each in parameters:
        properties[each.name], needed = _described(each)
        for name, definition in needed.items():
            if definitions.setdefault(name, definition) != definition:
                raise TypeError(f"two types are called {name}: rename one of them")
    schema = {
        "type": "object",
        "properties": properties,
        "required": [each.name for each in parameters if each.required],
        "additionalProperties": False,
    }
    return schema | {"$defs": definitions} if definitions else schema


def documented(fn: Any) -> tuple[str, dict[str, str]]:
    """A function's docstring without its sections, and its words on each parameter."""
    text = inspect.cleandoc(fn.__doc__ or "")
    if not text:
        return "", {}
    from docstring_parser import ParseError, parse  # here: it takes 20 ms

    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    if not parsed.meta:
        return text, {}
    parts = filter(None, (parsed.short_description, parsed.long_description))
    return "\n\n".join(parts), {each.arg_name: each.description or "" for each in parsed.params}


def speaks_pydantic(hint: Any) -> bool:
    """Whether pydantic has a part in a type: its models, its types, its Field."""
    if get_origin(hint) is Annotated:
        return any(speaks_pydantic(each) for each in (hint.__origin__, *hint.__metadata__))
    kind: type = hint if isinstance(hint, type) else type(hint)
    return (
        kind.__module__.partition(".")[0] == "pydantic"
        or hasattr(kind, "__get_pydantic_core_schema__")
        or hasattr(kind, "__pydantic_validator__")
        or any(speaks_pydantic(each) for each in get_args(hint))
    )


@cache
def adapter_of(model: Any) -> Any:
    """Pydantic's adapter for one of its classes that a dataclass or a Struct holds."""
    return _adapter(model)


def _adapter(hint: Any) -> Any:
    # Imported here: it takes longer than all of midstream, and most programs do without.
    from pydantic import TypeAdapter

    return TypeAdapter(hint)


def _words(hint: Any) -> str:
    """The words in `Annotated[T, "words"]`, else those of msgspec's Meta or pydantic's Field."""
    if get_origin(hint) in {Union, UnionType}:  # Annotated[T, "words"] | None
        return next((words for words in map(_words, get_args(hint)) if words), "")
    extras: tuple[Any, ...] = hint.__metadata__ if get_origin(hint) is Annotated else ()
    words = [each for each in extras if isinstance(each, str)]
    words += [str(getattr(each, "description", None) or "") for each in extras]
    return next((each for each in words if each), "")


def _described(parameter: Parameter) -> tuple[Schema, Schema]:
    """A parameter's schema, and the definitions that it needs."""
    describe = _by_pydantic if parameter.adapter else _by_msgspec
    hint = parameter.adapter or parameter.hint
    schema, definitions = _attempt(parameter.name, hint, describe)
    if parameter.description:
        schema["description"] = parameter.description
    if not parameter.required:
        with contextlib.suppress(NotJson):
            schema["default"] = json.loads(json_text(parameter.default, "deterministic"))
    return schema, definitions


def _attempt(name: str, hint: Any, describe: Callable[[Any], Any]) -> Any:
    try:
        return describe(hint)
    except Exception as error:  # the type's own code runs, and libraries raise what they like
        raise TypeError(
            f"parameter {name}: {hint} cannot be described to a model: use plain types, lists, "
            f"dicts, dataclasses or models of them ({error})"
        ) from error


def _by_msgspec(hint: Any) -> tuple[Schema, Schema]:
    (schema,), definitions = msgspec.json.schema_components(
        [_dated(hint)], schema_hook=_foreign, ref_template="#/$defs/{name}"
    )
    # Some types can be described but not read; they raise something else.
    with contextlib.suppress(msgspec.ValidationError):
        msgspec.convert(None, hint, str_keys=True)
    return _flat(schema, definitions)


def _dated(hint: Any) -> Any:
    """Say the format of dates with a time, of which msgspec only says that they are strings."""
    if isinstance(hint, type) and hint in FORMATS:
        return Annotated[hint, Meta(extra_json_schema={"format": FORMATS[hint]})]
    inside = get_args(hint)
    origin: Any = get_origin(hint)
    if origin is Annotated:
        return Annotated[_dated(inside[0]), *inside[1:]]
    if origin in {Union, UnionType}:
        return Union[tuple(map(_dated, inside))]  # noqa: UP007  # any number of them
    return origin[tuple(map(_dated, inside))] if origin in CONTAINERS else hint


def _by_pydantic(adapter: Any) -> tuple[Schema, Schema]:
    schema = adapter.json_schema()
    return _flat(schema, schema.pop("$defs", {}))


def _foreign(kind: Any) -> Schema:
    """Types that msgspec does not know, wherever they occur in a hint."""
    if issubclass(kind, PurePath):
        return {"type": "string", "format": "path"}
    if not speaks_pydantic(kind):
        raise NotImplementedError
    schema, definitions = _by_pydantic(adapter_of(kind))
    if definitions:
        raise TypeError(f"{kind.__name__} contains itself: use it outside of dataclasses")
    return schema


# -- flat schemas, which models follow better --------------------------------------------------


def _flat(schema: Schema, definitions: Schema) -> tuple[Schema, Schema]:
    """Put definitions in the place of their references, except those that contain themselves."""
    flattening = _Flattening(definitions)
    return flattening.flat(schema), flattening.kept


class _Flattening:
    def __init__(self, definitions: Schema) -> None:
        self.kept: Schema = {}
        self._definitions = definitions
        self._recursive = {name for name in definitions if name in self._reached(name)}
        # Definitions that hold each other twice, ten levels deep, are a thousand copies.
        self._copies_left = 100

    def flat(self, schema: Any) -> Any:  # true and false are schemas too
        if isinstance(schema, bool):
            return schema
        if "$ref" not in schema:
            return {key: self._value(key, value) for key, value in schema.items() if _said(key)}
        rest = schema.copy()
        reference = rest.pop("$ref")
        name = reference.removeprefix("#/$defs/")
        if name in self._recursive or not self._copies_left:
            self._keep(name)
            return {"$ref": reference} | self.flat(rest)
        self._copies_left -= 1
        return self.flat(self._definitions[name]) | self.flat(rest)

    def _value(self, key: str, value: Any) -> Any:
        match key:
            case "properties" | "patternProperties":
                return {name: self.flat(schema) for name, schema in value.items()}
            case "anyOf" | "oneOf" | "allOf" | "prefixItems":
                return [self.flat(schema) for schema in value]
            case "items" | "additionalProperties" | "propertyNames" | "contains" | "not":
                return self.flat(value)
            case _:
                return value

    def _keep(self, name: str) -> None:
        if name not in self.kept:
            self.kept[name] = {}  # it is on its way: it contains itself
            self.kept[name] = self.flat(self._definitions[name])

    def _reached(self, name: str) -> set[str]:
        reached: set[str] = set()
        unread = [self._definitions[name]]
        while unread:
            found = set(_references(unread.pop())) - reached
            reached |= found
            unread += [self._definitions[each] for each in found]
        return reached


def _said(keyword: str) -> bool:
    # A title repeats a name; the discriminator is OpenAPI's and speaks of definitions.
    return keyword not in {"title", "discriminator"}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        inside = cast("Schema", schema)
        if isinstance(reference := inside.get("$ref"), str):
            yield reference.removeprefix("#/$defs/")
        for value in inside.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in cast("Iterable[Any]", schema):
            yield from _references(value)
