"""What a model sent, turned into what a function takes; where it does not fit, every reason."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
from msgspec import Meta
from msgspec import inspect as kinds

from midstream.tools.output import valid_text
from midstream.tools.schema import Parameter, adapter_of

PROBLEMS_TOLD = 50  # more than this nobody reads, and the model pays for them


class BadArguments(ValueError):
    """The input of a call does not fit; `problems` are all reasons, in words for the model."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(map(valid_text, problems))
        lines = [f"- {problem}" for problem in self.problems[:PROBLEMS_TOLD]]
        if left := len(self.problems) - len(lines):
            lines.append(f"- and {left} more")
        super().__init__("The arguments do not fit:\n" + "\n".join(lines))


def to_arguments(parameters: tuple[Parameter, ...], input: dict[str, Any]) -> dict[str, Any]:
    """Convert a JSON object to keyword arguments of the right types, or raise BadArguments.

    Nothing is guessed: "5" is not a number. What is absent stays absent, so that the function's
    own defaults apply.
    """
    arguments: dict[str, Any] = {}
    problems = [*_unknown([each.name for each in parameters], input, "")]
    for each in parameters:
        if each.name not in input:
            problems += [f"{each.name}: missing{_wanted(each)}"] if each.required else []
            continue
        try:
            # A copy: tools may change what they get, and the conversation holds the original.
            arguments[each.name] = _convert(each, msgspec.to_builtins(input[each.name]))
        except RecursionError:
            problems.append(f"{each.name}: nested too deeply")
        except Exception as error:  # validators and __post_init__ are a stranger's code
            problems += _problems(each, input[each.name], error)
    if problems:
        raise BadArguments(problems)
    return arguments


def _wanted(parameter: Parameter) -> str:
    return "" if parameter.adapter else f"; expected {_words(kinds.type_info(parameter.hint))}"


def _convert(parameter: Parameter, value: Any) -> Any:
    if parameter.adapter:
        return parameter.adapter.validate_json(json.dumps(value), strict=True)
    return msgspec.convert(value, parameter.hint, str_keys=True, dec_hook=_foreign)


def _foreign(kind: Any, value: Any) -> Any:
    """Types that msgspec does not know, wherever they occur in a hint."""
    if issubclass(kind, PurePath):
        return kind(msgspec.convert(value, str))
    return adapter_of(kind).validate_json(json.dumps(value), strict=True)


def _problems(parameter: Parameter, value: Any, error: Exception) -> list[str]:
    if parameter.adapter:
        return [*_of_pydantic(error, value, parameter.name)]
    found: list[str] = []
    with suppress(RecursionError):
        found += _misfits(kinds.type_info(parameter.hint), value, parameter.name)
    return found or [f"{parameter.name}: {_said(error)}"]


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


# -- msgspec stops at the first problem; this finds the others ---------------------------------
# How each kind looks in JSON: a type to try it with, and words for it. The rest is Any.
SHAPES: dict[type[kinds.Type], tuple[Any, str]] = {
    kinds.NoneType: (None, "null"),
    kinds.BoolType: (bool, "true or false"),
    kinds.IntType: (int, "an integer"),
    kinds.FloatType: (float, "a number"),
    kinds.StrType: (str, "a string"),
    kinds.BytesType: (bytes, "bytes in base64"),
    kinds.DateTimeType: (datetime, 'a date and time such as "2025-12-31T23:59:00Z"'),
    kinds.DateType: (date, 'a date such as "2025-12-31"'),
    kinds.TimeType: (time, 'a time such as "23:59:00"'),
    kinds.TimeDeltaType: (timedelta, 'a duration such as "PT1H30M"'),
    kinds.UUIDType: (UUID, "a UUID"),
    kinds.DecimalType: (Decimal, "a decimal number"),
}

LIMITS = {
    "gt": "above {}",
    "ge": "at least {}",
    "lt": "below {}",
    "le": "at most {}",
    "multiple_of": "a multiple of {}",
    "min_length": "length at least {}",
    "max_length": "length at most {}",
    "pattern": "matching {}",
}


def _misfits(info: kinds.Type, value: Any, path: str) -> Iterator[str]:
    match info:
        case kinds.Metadata(type=inner):
            yield from _misfits(inner, value, path)
        case kinds.UnionType(types=types):
            yield from _in_union(types, value, path)
        case _ if not _fits(info, value):
            yield f"{path}: expected {_words(info)}, got {_shown(value)}"
        case kinds.StructType(array_like=True):
            pass  # msgspec's own words must do
        case kinds.StructType() | kinds.DataclassType() | kinds.TypedDictType():
            yield from _in_object(info, value, path)
        case kinds.DictType(key_type=key_type, value_type=value_type):
            for key, item in value.items():
                if not _fits(key_type, key, strict=False):  # 1 is written as "1"
                    yield f"{path}: expected keys that are {_words(key_type)}, got {_shown(key)}"
                yield from _misfits(value_type, item, _at(path, key))
        case kinds.CollectionType(item_type=item_type):
            for index, item in enumerate(value):
                yield from _misfits(item_type, item, _at(path, index))
        case kinds.TupleType(item_types=types):
            yield from _in_tuple(types, value, path)
        case kinds.NamedTupleType(fields=fields):
            yield from _in_tuple([each.type for each in fields], value, path)
        case kinds.CustomType(cls=kind):
            yield from _in_foreign(kind, value, path)
        case _:
            pass


def _in_union(types: Sequence[kinds.Type], value: Any, path: str) -> Iterator[str]:
    likely = [each for each in types if _fits(each, value)]
    tagged = [each for each in likely if isinstance(each, kinds.StructType) and each.tag_field]
    if not likely:
        yield f"{path}: expected {' or '.join(map(_words, types))}, got {_shown(value)}"
    elif len(tagged) > 1 and isinstance(value, dict):
        yield from _in_tagged(tagged, value, path)
    elif len(likely) == 1 or all(any(_misfits(each, value, path)) for each in likely):
        yield from _misfits(likely[0], value, path)


def _in_tagged(types: Sequence[kinds.StructType], value: Any, path: str) -> Iterator[str]:
    field = types[0].tag_field or ""
    tags = {each.tag: each for each in types}
    tag = value.get(field)
    if isinstance(tag, str | int) and tag in tags:
        yield from _in_object(tags[tag], value, path)
    else:
        got = f"got {_shown(tag)}" if field in value else "it is missing"
        yield f"{_at(path, field)}: expected {_one_of(tags)}, {got}"


def _in_object(info: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for each in info.fields:
        place = _at(path, each.encode_name)
        if each.encode_name in value:
            yield from _misfits(each.type, value[each.encode_name], place)
        elif each.required:
            yield f"{place}: missing; expected {_words(each.type)}"
    if isinstance(info, kinds.StructType) and info.forbid_unknown_fields:
        names = [info.tag_field or "", *(each.encode_name for each in info.fields)]
        yield from _unknown(names, value, path)


def _in_tuple(types: Sequence[kinds.Type], value: list[Any], path: str) -> Iterator[str]:
    # The value may be shorter: the last fields of a NamedTuple can have defaults.
    for index, (info, item) in enumerate(zip(types, value, strict=False)):
        yield from _misfits(info, item, _at(path, index))


def _in_foreign(kind: Any, value: Any, path: str) -> Iterator[str]:
    try:
        _foreign(kind, value)
    except Exception as error:  # a validator is a stranger's code
        yield from _of_pydantic(error, value, path)


def _of_pydantic(error: Exception, value: Any, path: str) -> Iterator[str]:
    from pydantic import ValidationError  # loaded already, or there would be no such error

    if not isinstance(error, ValidationError):
        yield f"{path}: {_said(error)}"
        return
    for each in error.errors(include_url=False, include_context=False):
        # Its places also name the members of unions, which the model has never heard of.
        at, place = value, path
        for key in each["loc"]:
            with suppress(LookupError, TypeError):
                at, place = at[key], _at(place, key)
        if each["type"] == "missing":
            yield f"{_at(place, each['loc'][-1])}: missing"
        else:
            words = each["msg"].replace("Input should be", "expected", 1)
            yield f"{place}: {words}, got {_shown(each['input'])}"


# -- one value, without what is inside it ------------------------------------------------------


def _fits(info: kinds.Type, value: Any, *, strict: bool = True) -> bool:
    shape, _ = _look(info)
    try:
        msgspec.convert(value, shape, strict=strict)
    except Exception:  # an Enum's `_missing_` is a stranger's code
        return False
    return True


def _words(info: kinds.Type) -> str:
    _, words = _look(info)
    return words


def _look(info: kinds.Type) -> tuple[Any, str]:
    """A type that takes what `info` takes, but with anything inside; and words for it."""
    shape: Any
    match info:
        case kinds.Metadata(type=inner):
            return _look(inner)
        case kinds.UnionType(types=types):
            return Any, " or ".join(map(_words, types))
        case kinds.EnumType(cls=enum):
            return enum, _one_of(each.value for each in enum)
        case kinds.LiteralType(values=values):
            return Literal[values], _one_of(values)
        case kinds.CustomType(cls=kind):
            return (str, "a path") if issubclass(kind, PurePath) else (Any, "an object")
        case kinds.CollectionType() | kinds.TupleType() | kinds.NamedTupleType():
            shape, words = list[Any], "an array"
        case kinds.StructType(array_like=True):
            shape, words = list[Any], "an array"
        case kinds.StructType() | kinds.DataclassType() | kinds.TypedDictType() | kinds.DictType():
            shape, words = dict[str, Any], "an object"
        case _:
            shape, words = SHAPES.get(type(info), (Any, "any value"))
    if not (limits := _limits(info)):
        return shape, words
    said = ", ".join(LIMITS[name].format(limit) for name, limit in limits.items())
    return Annotated[shape, Meta(**limits)], f"{words} ({said})"


def _limits(info: Any) -> dict[str, Any]:
    match info:
        case kinds.TupleType(item_types=items):
            return {"min_length": len(items), "max_length": len(items)}
        case kinds.NamedTupleType(fields=fields):
            required = sum(each.required for each in fields)
            return {"min_length": required, "max_length": len(fields)}
        case _:
            named = ((name, getattr(info, name, None)) for name in LIMITS)
            return {name: limit for name, limit in named if limit is not None}


def _one_of(values: Iterable[Any]) -> str:
    return "one of " + ", ".join(map(_shown, values))


def _unknown(known: list[str], value: dict[str, Any], path: str) -> Iterator[str]:
    for key in value:
        if key in known:
            continue
        close = difflib.get_close_matches(key, known, 1)
        names = ", ".join(filter(None, known)) or "none"
        hint = f"did you mean {close[0]}?" if close else f"there are: {names}"
        yield f"{_at(path, key)}: unknown; {hint}"


def _at(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not re.fullmatch(r"[\w-]{1,64}", key):
        return f"{path}[{_shown(key)}]"
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "an array"
        return f"{kind} of {len(cast('list[Any]', value))}"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge number"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "…"
