"""Tools in a module whose annotations are strings."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from midstream.tools.context import ToolContext
from midstream.tools.tool import tool

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass
class Place:
    city: str
    twin: Place | None = None


def weather(
    place: Place, ctx: ToolContext, unit: Annotated[Literal["c", "f"], "The scale."] = "c"
) -> Decimal:
    raise NotImplementedError


class Service:
    def near(self, place: Place) -> str:
        return place.city


def price(amount: Decimal) -> None: ...


def test_types_are_found_and_the_return_type_does_not_matter() -> None:
    made = tool(weather)
    assert made.context_parameter == "ctx"
    assert made.spec.input_schema["properties"]["unit"] == {
        "description": "The scale.",
        "enum": ["c", "f"],
        "default": "c",
    }
    assert made.arguments({"place": {"city": "Lagos"}}) == {"place": Place("Lagos")}


@pytest.mark.parametrize("fn", [Service().near, functools.partial(Service().near)])
def test_methods_and_partials_find_their_modules_names(fn: Any) -> None:
    assert tool(fn).arguments({"place": {"city": "Lagos"}}) == {"place": Place("Lagos")}


def test_a_type_that_only_the_type_checker_knows_is_refused() -> None:
    with pytest.raises(TypeError, match=r"tool price: parameter amount: .*'Decimal'.* import or"):
        tool(price)
