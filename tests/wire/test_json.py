"""JSON as strangers send it: what is refused, what is made safe, and one spelling for equals."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream.wire.json import ANY, MAX_DEPTH, NotJson, canonical, clean, read, read_object

OBJECT = msgspec.json.Decoder(dict[str, Any])


# -- arguments: one JSON object and nothing else -----------------------------------------------

REFUSED = [
    pytest.param("", "Expecting value", id="nothing"),
    pytest.param("  ", "Expecting value", id="blanks"),
    pytest.param('{"a": 1', "Expecting ',' delimiter", id="cut behind a value"),
    pytest.param('{"a": "x', "Unterminated string", id="cut in a string"),
    pytest.param('{"a": 1} x', "Extra data", id="words behind it"),
    pytest.param('{"a": 1}{"a": 2}', "Extra data", id="two objects"),
    pytest.param('{"a": 1,}', "Expecting property name", id="a comma too many"),
    pytest.param("{'a': 1}", "Expecting property name", id="Python's quotes"),
    pytest.param('{"a": unit}', "Expecting value", id="a bare word"),
    pytest.param('{"a": 01}', "Expecting ',' delimiter", id="a leading zero"),
    pytest.param('{"a": .5}', "Expecting value", id="no digit before the point"),
    pytest.param('{"a": "\n"}', "control character", id="a raw line end in a string"),
    pytest.param('{"a": "\\x"}', "escape", id="an escape that is none"),
    pytest.param('\ufeff{"a": 1}', "BOM", id="a BOM"),
    pytest.param("[1]", "expected a JSON object, got an array", id="an array"),
    pytest.param('"a"', "expected a JSON object, got a string", id="a string"),
    pytest.param("true", "expected a JSON object, got a boolean", id="a boolean"),
    pytest.param("null", "expected a JSON object, got null", id="null"),
    pytest.param("1", "expected a JSON object, got a number", id="a whole number"),
    pytest.param("1.5", "expected a JSON object, got a number", id="a broken number"),
    pytest.param('{"a": NaN}', "NaN is not JSON", id="NaN"),
    pytest.param('{"a": Infinity}', "Infinity is not JSON", id="Infinity"),
    pytest.param('{"a": -Infinity}', "-Infinity is not JSON", id="minus Infinity"),
    pytest.param('{"a": 1e999}', "the number 1e999 is too large", id="Infinity in digits"),
    pytest.param('{"a": -1e999}', "the number -1e999 is too large", id="minus Infinity in digits"),
    pytest.param('{"a": ' + "9" * 6000 + "}", "4300 digits", id="6,000 digits"),
    pytest.param('{"a":' * 200_000, "nested too deep", id="200,000 levels"),
    pytest.param("[" * 200_000 + "]" * 200_000, "nested too deep", id="200,000 closed levels"),
    pytest.param(
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
        "nested more than 64 levels deep",
        id="a level too many",
    ),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_not_one_json_object_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(NotJson, match=reason):
        read_object(text)


READ = [
    pytest.param("{}", {}, id="an empty object"),
    pytest.param(' \t\r\n{"a" : 1 } \n', {"a": 1}, id="blanks around"),
    pytest.param('{"a": 1, "a": 2}', {"a": 2}, id="of two equal names the last counts"),
    pytest.param('{"a": 12345678901234567890123}', {"a": 12345678901234567890123}, id="23 digits"),
    pytest.param('{"a": 1.0}', {"a": 1.0}, id="a float"),
    pytest.param('{"a": "\\u0000\0"}'.replace("\0", ""), {"a": "\ufffd"}, id="NUL"),
    pytest.param('{"a\\u0000": 1}', {"a\ufffd": 1}, id="NUL in a name"),
    pytest.param('{"a": ["\\ud83d"]}', {"a": ["\ufffd"]}, id="half a character, escaped"),
    pytest.param(
        '{"a": "\\ude00\\ud83d"}', {"a": "\ufffd\ufffd"}, id="two halves, wrong way round"
    ),
    pytest.param('{"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="two halves"),
    pytest.param('{"a": "\u2028\u0085"}', {"a": "\u2028\u0085"}, id="strange line ends"),
    pytest.param('{"": {"": []}}', {"": {"": []}}, id="names may be empty"),
    pytest.param(
        '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH,
        json.loads('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH),
        id="as deep as may be",
    ),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_one_json_object_is_read_and_made_safe(text: str, expected: dict[str, Any]) -> None:
    assert read_object(text) == expected


def test_half_a_character_in_the_text_itself_is_replaced() -> None:
    assert "\ufffd" in read_object('{"a": "\ud83d"}')["a"]


def test_a_whole_number_stays_whole_and_a_float_a_float() -> None:
    kinds = {key: type(value) for key, value in read_object('{"a": 1, "b": 1.0}').items()}
    assert kinds == {"a": int, "b": float}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4), JSON
)


@given(OBJECTS, st.booleans())
@settings(deadline=None)
def test_no_proper_prefix_of_an_object_is_an_object(value: dict[str, Any], escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert read_object(text) == clean(value)
    for end in range(len(text)):
        with pytest.raises(NotJson):
            read_object(text[:end])


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
@example('{"a": "\ud83d')
@settings(deadline=None)
def test_any_text_is_an_object_or_not_json(text: str) -> None:
    try:
        value = read_object(text)
    except NotJson:
        return
    msgspec.json.encode(value)


# -- the forgiving reader ----------------------------------------------------------------------


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert read(b'{"a": "\xff"}', OBJECT) == {"a": "\ufffd"}


def test_numbers_are_read_as_what_they_are() -> None:
    assert read(b'{"a": [1, 1.5, -2e-3, 1e21]}', OBJECT) == {"a": [1, 1.5, -0.002, 1e21]}


def test_half_characters_stay_for_whoever_knows_the_other_half() -> None:
    assert read(b'{"a": "\\ud83d"}', OBJECT) == {"a": "\ud83d"}


@pytest.mark.parametrize("text", ["[1]", "1", "", "{", "NaN", '{"a": NaN}', '{"a": 1e999}'])
def test_another_shape_is_not_json(text: str) -> None:
    with pytest.raises(NotJson):
        read(text.encode(), OBJECT)


@pytest.mark.parametrize("level", [b"[", b'{"a":'])
def test_depth_is_no_recursion_error(level: bytes) -> None:
    with pytest.raises(NotJson, match="nested too deep"):
        read(level * 200_000, ANY)


def test_what_is_clean_is_handed_back_as_it_is() -> None:
    value = {"a": ["b", 1, 2.5, True, None, {"c": "…\u2028😀"}]}
    assert clean(value) == value


def test_cleaning_replaces_halves_and_nul_everywhere() -> None:
    assert clean({"a\0": ["\ud800x", {"b": "\udfff\0"}]}) == {
        "a\ufffd": ["\ufffdx", {"b": "\ufffd\ufffd"}]
    }


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
@pytest.mark.parametrize("value", ["x", 1])
def test_cleaning_stops_at_a_depth(value: Any, wrap: Any) -> None:
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert clean(value) == value
    with pytest.raises(NotJson):
        clean(wrap(value))


# -- one spelling for equal values: RFC 8785 ---------------------------------------------------

# The RFC's appendix B, where its doubles are, and the example of its section 3.2.2.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (-1.7976931348623157e308, "-1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (-9007199254740992.0, "-9007199254740992"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (1.0000000000000001e23, "1.0000000000000001e+23"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (0.00001, "0.00001"),
    (0.0000012345, "0.0000012345"),
    (333333333.3333332, "333333333.3333332"),
    (333333333.33333325, "333333333.33333325"),
    (333333333.3333333, "333333333.3333333"),
    (333333333.3333334, "333333333.3333334"),
    (333333333.33333343, "333333333.33333343"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
    (333333333.33333329, "333333333.3333333"),
    (1e30, "1e+30"),
    (4.50, "4.5"),
    (2e-3, "0.002"),
    (1e-27, "1e-27"),
    (1e-7, "1e-7"),
    (1.5e-7, "1.5e-7"),
    (1e20, "100000000000000000000"),
    (100.0, "100"),
]


@pytest.mark.parametrize(("number", "spelling"), NUMBERS, ids=[text for _, text in NUMBERS])
def test_numbers_are_spelled_as_ecmascript_does(number: float, spelling: str) -> None:
    assert canonical(number) == spelling


WHOLE = [
    (9007199254740993, "9007199254740993"),  # the RFC: ...992
    (2.0**68, "295147905179352825856"),  # the RFC: 295147905179352830000
    (10**21 + 1, "1000000000000000000001"),  # the RFC: 1e+21
    (-(10**40) - 7, "-10000000000000000000000000000000000000007"),
    (10**400, "1" + "0" * 400),
    (10**21, "1e+21"),
    (-(10**22), "-1e+22"),
    (10**20, "100000000000000000000"),
]


@pytest.mark.parametrize(("number", "spelling"), WHOLE, ids=[str(n)[:30] for n, _ in WHOLE])
def test_whole_numbers_keep_all_their_digits_unlike_in_the_rfc(
    number: float, spelling: str
) -> None:
    assert canonical(number) == spelling


def test_names_are_sorted_by_their_utf16_units() -> None:
    # RFC 8785, section 3.2.3.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    spelled = canonical(dict.fromkeys(names, 0))
    assert list(json.loads(spelled)) == [
        *("\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33")
    ]


def test_the_rfcs_own_document_is_spelled_as_the_rfc_says() -> None:
    document = json.loads(
        r"""{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"""
    )
    assert canonical(document) == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


SPELLED = [
    pytest.param(
        {"b": 1, "a": [1, {"d": 0, "c": 0}]}, '{"a":[1,{"c":0,"d":0}],"b":1}', id="nested"
    ),
    pytest.param([2, 1], "[2,1]", id="an array keeps its order"),
    pytest.param({}, "{}", id="an empty object"),
    pytest.param([], "[]", id="an empty array"),
    pytest.param("\u2028é😀/\x7f", '"\u2028é😀/\x7f"', id="nothing is escaped that need not be"),
    pytest.param("\b\t\n\f\r\x01", '"\\b\\t\\n\\f\\r\\u0001"', id="what must be is"),
    pytest.param({"é": 0}, '{"é":0}', id="names neither"),
]


@pytest.mark.parametrize(("value", "spelling"), SPELLED)
def test_there_is_one_spelling(value: Any, spelling: str) -> None:
    assert canonical(value) == spelling


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are one number, true and 1 are not one value."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


NUMBERS_AT_THE_EDGE = st.sampled_from(
    [
        *(-1, 0, 1, 2, 0.0, 1.0, True, False, "1", "", None, [], {}, [0], {"a": 0}, 1e-6, 1e-7),
        *(2**53 + 1, 2.0**53, 2**68, 2.0**68, 295147905179352830000),
        *(10**21, 1e21, 10**21 + 1, 10**309),
    ]
)


@given(JSON | NUMBERS_AT_THE_EDGE, JSON | NUMBERS_AT_THE_EDGE)
@settings(deadline=None, max_examples=300)
def test_two_values_are_spelled_alike_if_and_only_if_they_are_equal(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) is same(one, other)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
@settings(deadline=None, max_examples=300)
def test_a_whole_float_is_spelled_as_the_integer_that_it_is(number: float, whole: int) -> None:
    if number.is_integer():
        assert canonical(int(number)) == canonical(number)
    assert json.loads(canonical(number)) == number
    assert json.loads(canonical(whole)) == whole


@given(JSON)
@settings(deadline=None)
def test_the_spelling_is_json_for_the_same_value(value: Any) -> None:
    assert same(json.loads(canonical(value)), value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()))
@settings(deadline=None)
def test_the_order_of_names_makes_no_difference(value: dict[str, int]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)
