"""What a model sent, as a function takes it, and the words for what does not fit."""

import copy
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from midstream.tools.arguments import BadArguments
from midstream.tools.tool import tool
from tests.tools.hints import (
    Cat,
    Colour,
    Dog,
    Even,
    Kennel,
    Owner,
    Page,
    Pair,
    Place,
    Point,
    taking,
)

CONVERTED = [
    (str, "a", "a"),
    (float, 1, 1.0),
    (bool, True, True),
    (None, None, None),
    (Colour, "red", Colour.RED),
    (Literal[1, "a"], "a", "a"),
    (int | None, None, None),
    (set[int], [1, 1], {1}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (datetime, "2025-05-01T12:00:00Z", datetime(2025, 5, 1, 12, tzinfo=UTC)),
    (date, "2025-05-01", date(2025, 5, 1)),
    (UUID, str(UUID(int=1)), UUID(int=1)),
    (Decimal, "1.10", Decimal("1.10")),
    (Path, "a/b", Path("a/b")),
    (bytes, "YQ==", b"a"),
    (Place, {"city": "Lagos"}, Place("Lagos")),
    (list[Place], [{"city": "Lagos", "people": 1}], [Place("Lagos", 1)]),
    (Point, [1], Point(1)),
    (Page, {"number": 1}, {"number": 1}),
    (Cat | Dog, {"type": "dog", "name": "Rex"}, Dog("Rex")),
    (Pair, [1, 2], Pair(1, 2)),
    (Owner, {"name": "Ada"}, Owner(name="Ada")),
    (list[Owner] | None, [{"name": "Ada"}], [Owner(name="Ada")]),
    (Owner, {"name": "Ada", "born": "1815-12-10"}, Owner(name="Ada", born=date(1815, 12, 10))),
    (Kennel, {"owner": {"name": "Ada"}}, Kennel(Owner(name="Ada"))),
    (Any, {"self": 1}, {"self": 1}),
    (int, 2**100, 2**100),
]


@pytest.mark.parametrize(("hint", "given", "value"), CONVERTED, ids=str)
def test_json_becomes_the_types_that_the_function_names(hint: Any, given: Any, value: Any) -> None:
    arguments = taking(hint)({"it": given})
    assert arguments == {"it": value}
    assert type(arguments["it"]) is type(value)


def test_what_is_absent_is_left_to_the_functions_defaults() -> None:
    def fn(a: int, b: list[int] = [1]) -> None: ...  # noqa: B006

    assert tool(fn).arguments({"a": 1}) == {"a": 1}


def test_null_is_fine_where_the_default_is_none() -> None:
    def fn(a: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    assert tool(fn).arguments({"a": None}) == {"a": None}


def test_parameters_may_have_any_name() -> None:
    def fn(self: int, input: int, parameters: int, cls: int) -> None: ...

    given = {"self": 1, "input": 2, "parameters": 3, "cls": 4}
    assert tool(fn).arguments(given) == given


def test_the_input_is_neither_changed_nor_shared() -> None:
    given = {"it": {"a": [1]}}
    before = copy.deepcopy(given)
    arguments = taking(Any)(given)
    arguments["it"]["a"].append(2)
    assert given == before


# -- anything at all ---------------------------------------------------------------------------


def rich(
    a: int,
    b: str | None,
    c: list[Place],
    d: dict[int, Colour],
    e: Cat | Dog | None,
    f: tuple[Literal["x", 1], Point, set[Any]],
    g: datetime | int,
    h: Even,
    i: Owner | str,
    j: Kennel,
    k: Path | None = None,
    l: Annotated[Decimal, "money"] = Decimal(1),  # noqa: E741
    m: Page | None = None,
    n: Pair | None = None,
    o: Annotated[float, Field(gt=0)] = 1,
) -> None: ...


KEYS = st.sampled_from([*"abcdefghijklmno", "type", "name", "city", "people", "lives", "owner"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["red", "cat", "dog", "x", "\ud800", "2025-05-01", 10**400])
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(KEYS | st.text(), inside, max_size=6)
    ),
)


@given(st.dictionaries(KEYS | st.text(), ANYTHING, max_size=16))
def test_any_json_object_converts_or_is_refused_in_words(given: dict[str, Any]) -> None:
    before = copy.deepcopy(given)
    with suppress(BadArguments):
        assert tool(rich).arguments(given).keys() == given.keys()
    assert repr(given) == repr(before)
