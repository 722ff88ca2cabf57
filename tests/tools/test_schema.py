"""How a function's parameters are described to a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta
from pydantic import BaseModel, Field

from midstream.tools.tool import tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass
class Place:
    """Where."""

    city: str
    zip_code: Annotated[str | None, Meta(description="If known.")] = None


@dataclass
class Trip:
    start: Place
    end: Place
    stops: list[Place] = field(default_factory=list)


@dataclass
class Tree:
    leaf: int
    branches: list["Tree"] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int = 0


class Query(TypedDict, total=False):
    text: str


class Page(TypedDict):
    number: int
    size: NotRequired[int]


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


class Owner(BaseModel):
    name: str = Field(description="In full.")
    title: str = ""


class Node(BaseModel):
    inside: list["Node"] = []


@dataclass
class Kennel:
    owner: Owner


PLACE = {
    "description": "Where.",
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "zip_code": {
            "description": "If known.",
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "default": None,
        },
    },
    "required": ["city"],
}
TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}
TIME = {"format": "time"}
OWNER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "In full."},
        "title": {"type": "string", "default": ""},
    },
    "required": ["name"],
}

TYPES = [
    (str, TEXT),
    (int, INTEGER),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (None, NULL),
    (Any, {}),
    (object, {}),
    (Literal["a", "b"], {"enum": ["a", "b"]}),
    (Colour, {"enum": ["blue", "red"]}),
    (Size, {"enum": [1, 2]}),
    (int | None, {"anyOf": [INTEGER, NULL]}),
    (str | list[str], {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}),
    (list, {"type": "array"}),
    (Sequence[int], {"type": "array", "items": INTEGER}),
    (list[list[int]], {"type": "array", "items": {"type": "array", "items": INTEGER}}),
    (set[str], {"type": "array", "items": TEXT, "uniqueItems": True}),
    (tuple[int, ...], {"type": "array", "items": INTEGER}),
    (
        tuple[int, str],
        {"type": "array", "prefixItems": [INTEGER, TEXT], "items": False}
        | {"minItems": 2, "maxItems": 2},
    ),
    (dict, {"type": "object"}),
    (Mapping[str, int], {"type": "object", "additionalProperties": INTEGER}),
    (datetime, {"type": "string", "format": "date-time"}),
    (
        list[Annotated[datetime, Meta(tz=True)] | None],
        {"type": "array", "items": {"anyOf": [{"type": "string", "format": "date-time"}, NULL]}},
    ),
    (dict[str, time], {"type": "object", "additionalProperties": {"type": "string"} | TIME}),
    (date, {"type": "string", "format": "date"}),
    (UUID, {"type": "string", "format": "uuid"}),
    (Decimal, {"type": "string", "format": "decimal"}),
    (Path, {"type": "string", "format": "path"}),
    (Path | None, {"anyOf": [{"type": "string", "format": "path"}, NULL]}),
    (Annotated[int, Meta(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
    (Annotated[int, Field(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
    (Place, PLACE),
    (list[Place] | None, {"anyOf": [{"type": "array", "items": PLACE}, NULL]}),
    (Query, {"type": "object", "properties": {"text": TEXT}, "required": []}),
    (
        Page,
        {"type": "object", "properties": {"number": INTEGER, "size": INTEGER}}
        | {"required": ["number"]},
    ),
    (
        Point,
        {"type": "array", "prefixItems": [INTEGER, INTEGER | {"default": 0}]}
        | {"minItems": 1, "maxItems": 2},
    ),
    (Owner, OWNER),
    (list[Owner], {"type": "array", "items": OWNER}),
    (Owner | None, {"anyOf": [OWNER, NULL]}),
    (str | Owner, {"anyOf": [TEXT, OWNER]}),
    (dict[str, Owner], {"type": "object", "additionalProperties": OWNER}),
    (Kennel, {"type": "object", "properties": {"owner": OWNER}, "required": ["owner"]}),
]


def taking(hint: Any) -> Callable[..., None]:
    def take(it: Any) -> None: ...

    take.__annotations__["it"] = hint
    return take


def schema_of(fn: Callable[..., Any]) -> dict[str, Any]:
    return tool(fn).spec.input_schema


@pytest.mark.parametrize(("hint", "schema"), TYPES, ids=str)
def test_each_type_has_its_flat_schema(hint: Any, schema: dict[str, Any]) -> None:
    assert schema_of(taking(hint)) == {
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "additionalProperties": False,
    }


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    assert tool(lambda: None, name="nothing").spec.input_schema == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_a_parameter_without_a_type_may_be_anything() -> None:
    def fn(a, b=1): ...  # type: ignore[no-untyped-def]

    assert schema_of(fn)["properties"] == {"a": {}, "b": {"default": 1}}
    assert schema_of(fn)["required"] == ["a"]


def test_what_occurs_twice_is_written_twice() -> None:
    trip = schema_of(taking(Trip))
    assert "$defs" not in trip
    assert trip["properties"]["it"]["properties"]["start"] == PLACE
    assert trip["properties"]["it"]["properties"]["end"] == PLACE


def test_tagged_structs_are_told_apart_by_their_tag() -> None:
    pet = schema_of(taking(Cat | Dog))["properties"]["it"]
    assert [each["properties"]["type"] for each in pet["anyOf"]] == [
        {"enum": ["cat"]},
        {"enum": ["dog"]},
    ]
    assert "discriminator" not in pet


@pytest.mark.parametrize(
    ("kind", "name", "inside"), [(Tree, "Tree", "branches"), (Node, "Node", "inside")]
)
def test_what_contains_itself_is_a_definition(kind: Any, name: str, inside: str) -> None:
    schema = schema_of(taking(kind | None))
    reference = {"$ref": f"#/$defs/{name}"}
    assert schema["properties"]["it"] == {"anyOf": [reference, NULL]}
    assert schema["$defs"][name]["properties"][inside]["items"] == reference


def test_types_that_multiply_are_not_written_out_a_million_times() -> None:
    kinds: list[Any] = [Place]
    for level in range(20):
        fields = [("a", kinds[-1]), ("b", kinds[-1])]
        kinds.append(msgspec.defstruct(f"Level{level}", fields))
    schema = schema_of(taking(kinds[-1]))
    assert len(json.dumps(schema)) < 20_000
    assert all(name.startswith("Level") or name == "Place" for name in schema["$defs"])
