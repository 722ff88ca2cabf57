"""Types that the tests give to the parameters of tools."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, NamedTuple, TypedDict

import msgspec
from pydantic import BaseModel, field_validator

from midstream.tools.tool import tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    city: str
    people: int = 0


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


@dataclass
class Broken:
    number: int

    def __post_init__(self) -> None:
        raise KeyError(self.number)


class Point(NamedTuple):
    x: int
    y: int = 0


class Page(TypedDict):
    number: int


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    name: str


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: int


class Tree(msgspec.Struct):
    inside: "Tree | None" = None


class Owner(BaseModel):
    name: str
    born: date | None = None

    @field_validator("name")
    @classmethod
    def is_short(cls, name: str) -> str:
        if name == "bug":
            raise KeyError(name)
        if len(name) > 10:
            raise ValueError("too long a name")
        return name


class Strict(BaseModel, extra="forbid"):
    owners: list[Owner]


@dataclass
class Kennel:
    owner: Owner
    dogs: list[Dog] = field(default_factory=list)


def taking(hint: Any) -> Callable[..., Any]:
    def take(it: Any) -> None: ...

    take.__annotations__["it"] = hint
    return tool(take).arguments
