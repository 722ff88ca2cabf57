"""What the model is told of what a tool returned."""

import base64
import json
import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from midstream.messages import Image, Text
from midstream.tools.output import MAX_IMAGE, NotJson, to_output, valid_text


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Place:
    city: str
    at: Point


class Weather(msgspec.Struct):
    temp_c: float


class Colour(Enum):
    RED = "red"


class Unit(StrEnum):
    C = "celsius"


class Model(BaseModel):
    when: datetime
    colours: list[Colour] = []


class Word(str):
    __slots__ = ()


class Metres(float):
    pass


NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
PNG = Image(b"\x89PNG\r\n\x1a\n...")

OUTPUTS = [
    pytest.param("It rains.\n", "It rains.\n", id="text stays"),
    pytest.param("", "(no output)", id="providers refuse blank text"),
    pytest.param(" \n\t\u2028", "(no output)", id="white space is blank"),
    pytest.param(None, "(no output)", id="None"),
    pytest.param(0, "0", id="zero is output"),
    pytest.param(False, "false", id="so is false"),
    pytest.param([], "[]", id="and an empty list"),
    pytest.param({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}', id="compact JSON"),
    pytest.param({"ü": "☂"}, '{"ü":"☂"}', id="not escaped"),
    pytest.param({1: "a"}, '{"1":"a"}', id="keys are strings"),
    pytest.param((1, "a"), '[1,"a"]', id="tuple"),
    pytest.param(2**100, str(2**100), id="large number"),
    pytest.param(Place("Lagos", Point(1, 2)), '{"city":"Lagos","at":[1,2]}', id="dataclass"),
    pytest.param([Weather(1.5)], '[{"temp_c":1.5}]', id="Struct"),
    pytest.param(Colour.RED, '"red"', id="Enum"),
    pytest.param(Unit.C, "celsius", id="an Enum of text is text"),
    pytest.param({"when": NOON}, '{"when":"2025-05-01T12:00:00Z"}', id="datetime"),
    pytest.param([Decimal("1.10"), UUID(int=1)], f'["1.10","{UUID(int=1)}"]', id="Decimal, UUID"),
    pytest.param({"path": Path("a/b")}, '{"path":"a/b"}', id="Path"),
    pytest.param(OrderedDict(b=1, a=2), '{"b":1,"a":2}', id="order is kept"),
    pytest.param(
        Model(when=NOON, colours=[Colour.RED]),
        '{"when":"2025-05-01T12:00:00Z","colours":["red"]}',
        id="pydantic",
    ),
    pytest.param([Model(when=NOON)], '[{"when":"2025-05-01T12:00:00Z","colours":[]}]', id="inside"),
    pytest.param([Word("a"), Metres(1.5)], '["a",1.5]', id="subclasses of text and numbers"),
    pytest.param("a\0b\ud800c", "a\ufffdb\ufffdc", id="what UTF-8 cannot hold"),
    pytest.param(["\ud800"], '["\ufffd"]', id="what UTF-8 cannot hold, inside"),
]


@pytest.mark.parametrize(("value", "output"), OUTPUTS)
def test_what_the_model_is_told(value: Any, output: str) -> None:
    told = to_output(value, 1000)
    assert told == output
    assert type(told) is str


def endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


REFUSED = [
    pytest.param(b"png", "bytes cannot be told to a model: return text, or an Image", id="bytes"),
    pytest.param({"a": [b"png"]}, "bytes cannot", id="bytes inside"),
    pytest.param(bytearray(b"a"), "bytearray cannot", id="bytearray"),
    pytest.param(math.nan, "Out of range float", id="NaN"),
    pytest.param({"a": -math.inf}, "Out of range float", id="infinity inside"),
    pytest.param(object(), "object is not JSON: return text, numbers", id="object"),
    pytest.param([deque([1])], "deque is not JSON", id="deque inside"),
    pytest.param((i for i in [1]), "generator is not JSON", id="generator"),
    pytest.param({(1, 2): 3}, "dict cannot be JSON: Only dicts with", id="keys that are no text"),
    pytest.param(endless(), "nested too deeply, or contains itself", id="contains itself"),
    pytest.param({"a": PNG}, "bytes cannot", id="an Image inside a dict"),
    pytest.param(Image(b"II*\0", "image/tiff"), "an Image that is none of", id="TIFF"),
    pytest.param(Image(b"x", "image/png"), "an Image that is none of", id="no picture"),
    pytest.param(Image(b""), "an Image without bytes", id="empty Image"),
    pytest.param(Image("x"), "an Image without bytes", id="Image of text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("value", "why"), REFUSED)
def test_what_cannot_be_told_names_its_type(value: Any, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        to_output(value, 1000)


# -- pictures ----------------------------------------------------------------------------------


PARTS = [
    pytest.param(PNG, (PNG,), id="one picture"),
    pytest.param([PNG], (PNG,), id="a list of one"),
    pytest.param(("See:", PNG, {"w": 1}), (Text("See:"), PNG, Text('{"w":1}')), id="mixed"),
    pytest.param(["", None, PNG, " "], (PNG,), id="blank text is left out"),
    pytest.param([Text("a"), Text("b")], (Text("a"), Text("b")), id="texts are parts too"),
    pytest.param(Text(" "), (Text("(no output)"),), id="nothing but blank"),
    pytest.param([Text("a\0"), PNG], (Text("a\ufffd"), PNG), id="text is made valid"),
]


@pytest.mark.parametrize(("value", "parts"), PARTS)
def test_pictures_and_what_stands_between_them(value: Any, parts: tuple[Any, ...]) -> None:
    assert to_output(value, 1000) == parts


def test_a_picture_that_the_provider_would_refuse_is_told_in_words() -> None:
    largest = MAX_IMAGE // 4 * 3
    assert len(base64.b64encode(bytes(largest))) == MAX_IMAGE
    begin = b"\x89PNG\r\n\x1a\n"
    fits = Image(begin + bytes(largest - len(begin)))
    assert to_output(fits, 1000) == (fits,)
    assert to_output(Image(begin + bytes(largest + 1 - len(begin))), 1000) == (
        Text("[an image of 3,932,161 bytes: too large to be shown]"),
    )


# -- too much ----------------------------------------------------------------------------------


def test_what_just_fits_is_not_cut() -> None:
    assert to_output("x" * 10, 10) == "x" * 10
    assert to_output("é" * 5, 10) == "é" * 5


def test_what_is_too_long_says_so_at_its_end() -> None:
    assert to_output("x" * 1_234_567, 1000) == (
        "x" * 1000 + "\n[cut: 1,234,567 bytes, the first 1,000 are above]"
    )


def test_no_character_is_cut_in_two() -> None:
    assert to_output("aé☂", 5) == "aé\n[cut: 6 bytes, the first 3 are above]"


def test_the_texts_of_one_output_share_the_limit() -> None:
    assert to_output(["abcdef", PNG, "ghijkl", "m", PNG], 8) == (
        Text("abcdef"),
        PNG,
        Text("gh"),
        PNG,
        Text("[cut: 13 bytes, the first 8 are above]"),
    )


@given(st.text(st.characters()), st.integers(1, 50))
def test_whatever_the_text_the_head_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    told = to_output(text, limit)
    assert isinstance(told, str)
    head, cut, _ = told.partition("\n[cut: ")
    told.encode()
    if cut:
        assert len(head.encode()) <= limit
        assert valid_text(text).startswith(head)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)  # fmt: skip


@given(JSON.filter(lambda value: value is not None and not isinstance(value, str)))
def test_json_comes_out_as_itself(value: Any) -> None:
    told = to_output(value, 1_000_000)
    assert isinstance(told, str)
    assert json.loads(told) == value


KINDS = [
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"GIF89a", "image/gif"),
    (b"RIFF\x00\n\x00\x00WEBP", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
]


@pytest.mark.parametrize(("data", "kind"), KINDS)
def test_the_bytes_say_what_a_picture_is_whatever_it_is_called(data: bytes, kind: str) -> None:
    assert to_output(Image(data), 1000) == (Image(data, kind),)
    assert to_output(Image(data, "image/gif"), 1000) == (Image(data, kind),)
