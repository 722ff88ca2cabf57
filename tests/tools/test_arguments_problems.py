"""The words for what does not fit a function."""

from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta
from pydantic import Field

from midstream.tools.arguments import BadArguments
from midstream.tools.tool import tool
from tests.tools.hints import (
    Broken,
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
    Strict,
    Tree,
    taking,
)

# -- what does not fit -------------------------------------------------------------------------

LONG = "x" * 100

PROBLEMS = [
    (int, "5", ['it: expected an integer, got "5"']),
    (int, 1.0, ["it: expected an integer, got 1.0"]),
    (int, True, ["it: expected an integer, got true"]),
    (str, 5, ["it: expected a string, got 5"]),
    (bool, LONG, ['it: expected true or false, got "' + "x" * 59 + "…"]),
    (float, "x", ['it: expected a number, got "x"']),
    (float, 10**400, ["it: expected a number, got a huge number"]),
    (None, 1, ["it: expected null, got 1"]),
    (Colour, "green", ['it: expected one of "red", "blue", got "green"']),
    (Literal["a", "b"], None, ['it: expected one of "a", "b", got null']),
    (int | None, "x", ['it: expected an integer or null, got "x"']),
    (datetime, "noon", ['it: expected a date and time such as "2025-12-31T23:59:00Z", got "noon"']),
    (UUID, "x", ['it: expected a UUID, got "x"']),
    (bytes, "x", ['it: expected bytes in base64, got "x"']),
    (Path, 1, ["it: expected a path, got 1"]),
    (Path | None, 1, ["it: expected a path or null, got 1"]),
    (
        Annotated[int, Meta(ge=1, le=9)],
        10,
        ["it: expected an integer (at least 1, at most 9), got 10"],
    ),
    (
        Annotated[str, Meta(pattern="^a", max_length=3)],
        "b",
        ['it: expected a string (length at most 3, matching ^a), got "b"'],
    ),
    (list[int], {}, ["it: expected an array, got an object of 0"]),
    (
        Annotated[dict[str, int], Meta(min_length=1)],
        {},
        ["it: expected an object (length at least 1), got an object of 0"],
    ),
    (list[int], [1, "a", None], ['it[1]: expected an integer, got "a"',
                                 "it[2]: expected an integer, got null"]),
    (set[Any], [[1]], ["it: TypeError: unhashable type: 'list'"]),
    (tuple[int, str], [1], ["it: expected an array (length at least 2, length at most 2), "
                            "got an array of 1"]),
    (tuple[int, str], ["a", 1], ['it[0]: expected an integer, got "a"',
                                 "it[1]: expected a string, got 1"]),
    (Point, ["a"], ['it[0]: expected an integer, got "a"']),
    (dict[str, int], {"a": 1, "b c": "x"}, ['it["b c"]: expected an integer, got "x"']),
    (dict[int, int], {"1": 1, "a": 1}, ['it: expected keys that are an integer, got "a"']),
    (Place, "Lagos", ['it: expected an object, got "Lagos"']),
    (Place, {"people": "x"}, ["it.city: missing; expected a string",
                              'it.people: expected an integer, got "x"']),
    (list[Place], [{}, {"city": 1}], ["it[0].city: missing; expected a string",
                                      "it[1].city: expected a string, got 1"]),
    (Place | None, {"city": None}, ["it.city: expected a string, got null"]),
    (Page, {}, ["it.number: missing; expected an integer"]),
    (Cat | Dog, {}, ['it.type: expected one of "cat", "dog", it is missing']),
    (Cat | Dog, {"type": "cow"}, ['it.type: expected one of "cat", "dog", got "cow"']),
    (Cat | Dog, {"type": "cat"}, ["it.lives: missing; expected an integer"]),
    (Dog, {"nam": "Rex"}, ["it.name: missing; expected a string",
                           "it.nam: unknown; did you mean name?"]),
    (Pair, [1, "a"], ["it: Expected `int`, got `str` - at `$[1]`"]),
    (Even, {"number": 3}, ["it: 3 is odd"]),
    (Broken, {"number": 3}, ["it: KeyError: 3"]),
    (Owner, {}, ["it.name: missing"]),
    (Owner, [], ["it: expected an object, got an array of 0"]),
    (Owner, {"name": 1, "born": "x"}, [
        "it.name: expected a valid string, got 1",
        'it.born: expected a valid date in the format YYYY-MM-DD, input is too short, got "x"',
    ]),
    (Owner, {"name": LONG}, ['it.name: Value error, too long a name, got "' + "x" * 59 + "…"]),
    (Owner, {"name": "bug"}, ["it: KeyError: 'bug'"]),
    (list[Owner] | str, [{}], ["it[0].name: missing",
                               "it: expected a valid string, got an array of 1"]),
    (Strict, {"owners": [{}], "x": 1}, ["it.owners[0].name: missing",
                                        "it.x: Extra inputs are not permitted, got 1"]),
    (Kennel, {"owner": {}, "dogs": [1]}, ["it.owner.name: missing",
                                          "it.dogs[0]: expected an object, got 1"]),
    (Annotated[int, Field(ge=1)], 0, [
        "it: expected greater than or equal to 1, got 0",
    ]),
    (date, "\ud800", ['it: expected a date such as "2025-12-31", got "\ufffd"']),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "given", "problems"), PROBLEMS, ids=lambda it: str(it)[:40])
def test_every_problem_is_named_with_its_place(hint: Any, given: Any, problems: list[str]) -> None:
    with pytest.raises(BadArguments) as caught:
        taking(hint)({"it": given})
    assert [*caught.value.problems] == problems


def weather(city: str, unit: Literal["c", "f"] = "c", days: Any = 1) -> None: ...


NAMES = [
    ({}, ["city: missing; expected a string"]),
    ({"citty": "Lagos"}, ["citty: unknown; did you mean city?",
                          "city: missing; expected a string"]),
    ({"city": "a", "x y": 1}, ['["x y"]: unknown; there are: city, unit, days']),
    ({"city": 1, "unit": "k"}, ["city: expected a string, got 1",
                                'unit: expected one of "c", "f", got "k"']),
    ({"city": "a", "self": 1}, ["self: unknown; there are: city, unit, days"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "problems"), NAMES)
def test_missing_and_unknown_parameters_are_named(
    given: dict[str, Any], problems: list[str]
) -> None:
    with pytest.raises(BadArguments) as caught:
        tool(weather).arguments(given)
    assert [*caught.value.problems] == problems


def test_the_message_is_a_list_for_the_model() -> None:
    with pytest.raises(BadArguments) as caught:
        tool(weather).arguments({"unit": 1})
    assert str(caught.value) == (
        "The arguments do not fit:\n"
        "- city: missing; expected a string\n"
        '- unit: expected one of "c", "f", got 1'
    )


def test_a_message_of_a_thousand_problems_is_short() -> None:
    with pytest.raises(BadArguments, match="- and 950 more") as caught:
        taking(list[int])({"it": ["x"] * 1000})
    assert len(caught.value.problems) == 1000


def test_a_context_or_a_bound_argument_is_not_the_models_to_give() -> None:
    with pytest.raises(BadArguments, match="a: unknown; there are: none"):
        tool(lambda: None, name="n").arguments({"a": 1})


@pytest.mark.parametrize("hint", [str, float, Owner, Owner | str])
def test_a_number_too_long_to_be_written_is_a_problem_too(hint: Any) -> None:
    with pytest.raises(BadArguments):
        taking(hint)({"it": 10**5000})


def nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = {"inside": value}
    return value


@pytest.mark.parametrize("hint", [Tree, Any, Owner])
@pytest.mark.parametrize("depth", [400, 100_000])
def test_no_depth_is_more_than_an_answer(hint: Any, depth: int) -> None:
    with suppress(BadArguments):
        taking(hint)({"it": nested(depth)})
