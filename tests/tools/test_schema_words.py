"""The words, defaults and refusals of a schema, and that it is always the same."""

import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta
from pydantic import BaseModel, Field

from midstream.tools.context import ToolContext
from midstream.tools.tool import tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    """Where."""

    city: str
    zip_code: Annotated[str | None, Meta(description="If known.")] = None


@dataclass
class Tree:
    leaf: int
    branches: list["Tree"] = field(default_factory=list)


class Owner(BaseModel):
    name: str = Field(description="In full.")
    title: str = ""


class Node(BaseModel):
    inside: list["Node"] = []


@dataclass
class Grove:
    node: Node


INTEGER = {"type": "integer"}
NULL = {"type": "null"}
OWNER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "In full."},
        "title": {"type": "string", "default": ""},
    },
    "required": ["name"],
}


def taking(hint: Any) -> Callable[..., None]:
    def take(it: Any) -> None: ...

    take.__annotations__["it"] = hint
    return take


def schema_of(fn: Callable[..., Any]) -> dict[str, Any]:
    return tool(fn).spec.input_schema


# -- words -------------------------------------------------------------------------------------


def google(city: str, unit: str = "c") -> None:
    """Current weather.

    Not a forecast.

    Args:
        city: The city,
            in English.
        unit (str, optional): The scale.

    Returns:
        Nothing.
    """


def numpy(city: str, unit: str = "c") -> None:
    """Current weather.

    Not a forecast.

    Parameters
    ----------
    city : str
        The city,
        in English.
    unit
        The scale.
    """


def sphinx(city: str, unit: str = "c") -> None:
    """Current weather.

    Not a forecast.

    :param city: The city,
        in English.
    :param str unit: The scale.
    :returns: Nothing.
    """


@pytest.mark.parametrize("fn", [google, numpy, sphinx])
def test_the_docstring_describes_the_tool_and_its_parameters(fn: Callable[..., Any]) -> None:
    spec = tool(fn).spec
    assert spec.description == "Current weather.\n\nNot a forecast."
    assert spec.input_schema["properties"] == {
        "city": {"type": "string", "description": "The city,\nin English."},
        "unit": {"type": "string", "description": "The scale.", "default": "c"},
    }


def test_a_docstring_without_sections_is_told_as_it_is() -> None:
    def fn() -> None:
        """Use it so:

        - `a: b`
            - inside
        """

    assert tool(fn).spec.description == "Use it so:\n\n- `a: b`\n    - inside"


def test_words_beside_the_type_come_before_the_docstring() -> None:
    def fn(
        a: Annotated[int, "plain", Meta(description="meta")],
        b: Annotated[int, Meta(description="meta")],
        c: Annotated[int, Field(description="field")],
        d: Annotated[int, "optional"] | None,
        e: Annotated[Place, "a place"],
        f: Annotated[int, Meta(ge=0)],
    ) -> None:
        """Do it.

        Args:
            a: doc
            b: doc
            c: doc
            d: doc
            e: doc
            f: doc
        """

    properties = schema_of(fn)["properties"]
    words = {name: each["description"] for name, each in properties.items()}
    assert words == {
        "a": "plain",
        "b": "meta",
        "c": "field",
        "d": "optional",
        "e": "a place",
        "f": "doc",
    }


# -- defaults ----------------------------------------------------------------------------------


def test_defaults_are_shown_as_json_where_they_have_any() -> None:
    hidden = object()

    def fn(
        a: int = 1,
        b: Colour = Colour.RED,
        c: Place = Place("Lagos"),  # noqa: B008
        d: Any = hidden,
        e: float = float("nan"),
        f: Path = Path("."),
        g: Owner = Owner(name="Ada"),  # noqa: B008
    ) -> None: ...

    schema = schema_of(fn)
    assert {name: each.get("default", "-") for name, each in schema["properties"].items()} == {
        "a": 1,
        "b": "red",
        "c": {"city": "Lagos", "zip_code": None},
        "d": "-",
        "e": "-",
        "f": ".",
        "g": {"name": "Ada", "title": ""},
    }
    assert schema["required"] == []


def test_a_default_of_none_means_that_null_is_fine() -> None:
    def fn(
        a: int = None,  # type: ignore[assignment]  # noqa: RUF013
        b: Owner | None = None,
    ) -> None: ...

    assert schema_of(fn)["properties"] == {
        "a": {"anyOf": [INTEGER, NULL], "default": None},
        "b": {"anyOf": [OWNER, NULL], "default": None},
    }


# -- what cannot be described ------------------------------------------------------------------


class Other:
    @dataclass
    class Tree:
        trees: list["Other.Tree"]


def two_trees(a: Tree, b: Other.Tree) -> None: ...
def field_as_default(a: int = Field(default=1)) -> None: ...


UNDESCRIBED = [
    pytest.param(taking(socket.socket), "tool take: parameter it: <class 'socket", id="socket"),
    pytest.param(taking(list[complex]), "parameter it: .*complex", id="inside"),
    pytest.param(taking(Callable[[], int]), "parameter it: .*Callable", id="function"),
    pytest.param(taking(str | date), "more than one str-like type", id="ambiguous union"),
    pytest.param(taking(Annotated[socket.socket, Field()]), "it: .*socket", id="pydantic"),
    pytest.param(taking(list[ToolContext]), "it: .*ToolContext", id="contexts in a list"),
    pytest.param(taking(Grove), "Node contains itself", id="recursive model in a dataclass"),
    pytest.param(two_trees, "tool two_trees: two types are called Tree", id="same name"),
    pytest.param(field_as_default, r"parameter a: write Annotated", id="Field as default"),
]


@pytest.mark.parametrize(("fn", "why"), UNDESCRIBED)
def test_what_cannot_be_described_names_tool_and_parameter(fn: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        tool(fn)


# -- in other processes ------------------------------------------------------------------------


PRINT_SCHEMA = """
import enum, json, typing
from midstream.tools.tool import tool

def fn(a: typing.Literal["x", "y", "z"], b: set[str] = {"one", "two", "three"}, c: float | str = 1):
    "Do it."

print(json.dumps(tool(fn).spec.input_schema))
"""


def run(code: str, seed: str = "0") -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    ).stdout


def test_the_same_function_has_the_same_text_in_every_process() -> None:
    assert len({run(PRINT_SCHEMA, seed) for seed in "1234"}) == 1


def test_pydantic_and_the_docstring_parser_are_loaded_only_when_needed() -> None:
    code = (
        "import sys\n"
        "from midstream.tools.tool import tool\n"
        "from midstream.tools.output import to_output\n"
        "tool(lambda a=1: a, name='n').arguments({'a': 2}); to_output([1], 9)\n"
        "print({'pydantic', 'docstring_parser'} & {*sys.modules})"
    )
    assert run(code) == "set()\n"
