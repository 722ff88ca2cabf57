"""What a provider's no means: whose fault, may one ask again, and when."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.errors import ProviderError
from midstream.providers.refusals import (
    LONGEST_WAIT_S,
    STATUS,
    refusal,
    refusal_in_stream,
    retry_after_s,
)

Json = dict[str, Any]


def refused(status: int, body: Any = None, **headers: str) -> ProviderError:
    sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return refusal(status, {name.replace("_", "-"): headers[name] for name in headers}, sent)


# -- may one ask again -------------------------------------------------------------------------

AGAIN = [408, 409, 429, 500, 501, 502, 503, 504, 520, 529, 599]
NOT_AGAIN = [300, 400, 401, 402, 403, 404, 405, 410, 412, 413, 418, 422, 431, 499]


@pytest.mark.parametrize("status", AGAIN)
def test_trouble_that_may_pass_is_worth_another_try(status: int) -> None:
    assert refused(status).retryable


@pytest.mark.parametrize("status", NOT_AGAIN)
def test_a_request_that_is_wrong_is_not(status: int) -> None:
    assert not refused(status).retryable


SAID = [
    pytest.param(400, "true", True, id="yes"),
    pytest.param(529, "false", False, id="no"),
    pytest.param(429, "maybe", True, id="neither, where one would"),
    pytest.param(400, "maybe", False, id="neither, where one would not"),
    pytest.param(402, "true", False, id="yes, but somebody has to pay"),
]


@pytest.mark.parametrize(("status", "said", "again"), SAID)
def test_the_provider_knows_better(status: int, said: str, again: bool) -> None:
    assert refused(status, x_should_retry=said).retryable is again


MONEY = [
    pytest.param({"error": {"type": "rate_limit_error", "details": {"error_code": code}}}, id=code)
    for code in ("enforced_spend_limit_reached", "contract_spend_limit_reached")
] + [
    pytest.param({"error": {"type": "billing_error"}}, id="billing_error"),
    *(
        pytest.param({"error": {"type": "tokens", "code": code}}, id=code)
        for code in (
            *("insufficient_quota", "credit_balance_exhausted", "project_spend_limit_exceeded"),
            *("organization_spend_limit_exceeded", "organization_usage_limit_exceeded"),
        )
    ),
    pytest.param({"error": {"type": "insufficient_quota", "code": None}}, id="as a type"),
    pytest.param({"code": "insufficient_quota", "error": "Pay."}, id="beside a string"),
    pytest.param({"code": "insufficient_quota", "message": "Pay."}, id="without an error"),
]


@pytest.mark.parametrize("body", MONEY)
def test_no_waiting_makes_money(body: Json) -> None:
    assert not refused(429, body).retryable
    assert not refused(429, body, x_should_retry="true", retry_after="1").retryable


def test_a_rate_limit_is_not_about_money() -> None:
    limited = {"type": "rate_limit_error", "message": "slow", "details": {"error_code": "x"}}
    assert refused(429, {"error": limited}).retryable
    assert refused(429, {"error": {**limited, "details": "x"}}).retryable
    assert refused(429, {"error": {**limited, "details": None}}).retryable


# -- when --------------------------------------------------------------------------------------

NOON = "Wed, 21 Oct 2026 12:00:00 GMT"
ADVICE = [
    pytest.param({}, None, id="none"),
    pytest.param({"retry-after-ms": "1500"}, 1.5, id="milliseconds"),
    pytest.param({"retry-after-ms": "0.5"}, 0.0005, id="half a millisecond"),
    pytest.param({"retry-after-ms": "1500", "retry-after": "9"}, 1.5, id="milliseconds first"),
    pytest.param({"retry-after-ms": "0", "retry-after": "1"}, 1.0, id="zero falls through"),
    pytest.param({"retry-after-ms": "-5", "retry-after": "1"}, 1.0, id="less than zero too"),
    pytest.param({"retry-after-ms": "soon", "retry-after": "1"}, 1.0, id="words too"),
    pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
    pytest.param({"retry-after": " 7 "}, 7.0, id="seconds with blanks"),
    pytest.param({"retry-after": "0.25"}, 0.25, id="a quarter of a second"),
    pytest.param({"retry-after": "0"}, None, id="zero seconds"),
    pytest.param({"retry-after-ms": "0", "retry-after": "0"}, None, id="zero twice"),
    pytest.param({"retry-after": "-3"}, None, id="the past"),
    pytest.param({"retry-after": "nan"}, None, id="no number"),
    pytest.param({"retry-after": "inf"}, None, id="for ever"),
    pytest.param({"retry-after-ms": "inf"}, None, id="for ever in milliseconds"),
    pytest.param({"retry-after": ""}, None, id="nothing"),
    pytest.param({"retry-after": "later"}, None, id="words"),
    pytest.param({"retry-after": "6m0s"}, None, id="a duration"),
    pytest.param({"retry-after": "Wed, 21 Oct 2026 12:01:05 GMT", "date": NOON}, 65.0, id="a date"),
    pytest.param(
        {"retry-after": "Wed, 21 Oct 2026 12:00:01 GMT", "date": NOON}, 1.0, id="a second later"
    ),
    pytest.param(
        {"retry-after": "Wed, 21 Oct 2026 13:00:30 +0100", "date": NOON}, 30.0, id="another zone"
    ),
    pytest.param({"retry-after": "Wed, 21 Oct 2026 12:01:05 GMT"}, None, id="a date alone"),
    pytest.param({"retry-after": NOON, "date": NOON}, None, id="the present"),
    pytest.param({"retry-after": "Wed, 21 Oct 2026 11:00:00 GMT", "date": NOON}, None, id="before"),
    pytest.param({"retry-after": "Wed, 21 Oct 2026 12:01:05 GMT", "date": "?"}, None, id="no now"),
    pytest.param(
        {"retry-after": "Wed, 21 Oct 2026 12:01:05 GMT", "date": "Wed, 21 Oct 2026 12:00:00"},
        None,
        id="a date without a zone",
    ),
    pytest.param({"retry-after": "Wed, 99 Oct 2026 12:01:05 GMT", "date": NOON}, None, id="no day"),
]


@pytest.mark.parametrize(("headers", "seconds"), ADVICE)
def test_advice_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@settings(deadline=None)
def test_no_header_makes_it_fail(after: str, ms: str, date: str) -> None:
    said = retry_after_s({"retry-after": after, "retry-after-ms": ms, "date": date})
    assert said is None or 0 < said < float("inf")


NUMBERS = st.integers(-10, 10**12)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
@settings(deadline=None)
def test_no_date_makes_it_fail(day: int, year: int, hour: int, minute: int, zone: int) -> None:
    date = f"Wed, {day} Oct {year} {hour}:{minute}:00 +{zone}"
    for headers in ({"retry-after": date, "date": NOON}, {"retry-after": NOON, "date": date}):
        assert (retry_after_s(headers) or 1.0) > 0


def test_advice_is_handed_on() -> None:
    assert refused(429, retry_after="7").retry_after_s == 7.0
    assert refused(429).retry_after_s is None


def test_advice_that_means_not_today_is_not_followed() -> None:
    assert refused(429, retry_after=str(LONGEST_WAIT_S)).retryable
    late = refused(429, retry_after=str(LONGEST_WAIT_S + 1), x_should_retry="true")
    assert (late.retryable, late.retry_after_s) == (False, 121.0)


# -- what it says ------------------------------------------------------------------------------

BODIES = [
    pytest.param(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        ("overloaded_error", "Overloaded"),
        id="Anthropic's",
    ),
    pytest.param(
        {"error": {"message": "no", "type": "x", "code": "y", "param": None}},
        ("x", "no"),
        id="OpenAI's",
    ),
    pytest.param({"error": {"message": "no", "code": 404}}, ("http_400", "no"), id="no type"),
    pytest.param({"error": "no"}, ("http_400", "no"), id="a string"),
    pytest.param({"detail": "no"}, ("http_400", "no"), id="a detail"),
    pytest.param({"message": "no"}, ("http_400", "no"), id="a message"),
    pytest.param({"object": "error", "message": "no", "type": "x"}, ("x", "no"), id="flat"),
    pytest.param({"error": {"type": "x"}, "message": "no"}, ("x", "no"), id="a message beside it"),
    pytest.param({"error": {"type": "x"}, "detail": "no"}, ("x", "no"), id="a detail beside it"),
    pytest.param({"error": None, "message": "no"}, ("http_400", "no"), id="a null error"),
    pytest.param({"error": {}, "message": "no"}, ("http_400", "no"), id="an empty error"),
    pytest.param(b"<html>no</html>", ("http_400", "a web page: no"), id="HTML"),
    pytest.param(
        b"<html><head><title>\n502 Bad\nGateway</title></head><p>no",
        ("http_400", "a web page: 502 Bad Gateway"),
        id="HTML with a title",
    ),
    pytest.param(b" no\n", ("http_400", "no"), id="words"),
    pytest.param(b"\xff\xfe", ("http_400", "\ufffd\ufffd"), id="no UTF-8"),
    pytest.param(b"x" * 9000, ("http_400", "x" * 500), id="much"),
    pytest.param(b"", ("http_400", "HTTP status 400"), id="nothing"),
    pytest.param(b"  ", ("http_400", "HTTP status 400"), id="blanks"),
    pytest.param(b"{}", ("http_400", "{}"), id="an empty object"),
    pytest.param(b'["no"]', ("http_400", '["no"]'), id="a list"),
    pytest.param(b"[" * 5000, ("http_400", "[" * 500), id="depth"),
    pytest.param({"error": {"type": 7, "message": ["no"]}}, ("7", "['no']"), id="odd types"),
    pytest.param(
        {"error": {"message": "half \ud83e\0"}}, ("http_400", "half \ufffd\ufffd"), id="unsafe"
    ),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_the_message_is_found_in_every_shape(body: Any, expected: tuple[str, str]) -> None:
    error = refused(400, body)
    assert (error.kind, str(error), error.status) == (*expected, 400)


IDS = [
    pytest.param({"request_id": "req_1"}, {}, "req_1", id="request-id"),
    pytest.param({"x_request_id": "req_2"}, {}, "req_2", id="x-request-id"),
    pytest.param({"request_id": "req_1", "x_request_id": "req_2"}, {}, "req_1", id="both"),
    pytest.param({}, {"request_id": "req_3"}, "req_3", id="in the body"),
    pytest.param({"request_id": "req_1"}, {"request_id": "req_3"}, "req_1", id="the header first"),
    pytest.param({}, {"request_id": None}, None, id="null"),
    pytest.param({}, {}, None, id="nowhere"),
]


@pytest.mark.parametrize(("headers", "body", "expected"), IDS)
def test_the_request_can_be_quoted(
    headers: dict[str, str], body: Json, expected: str | None
) -> None:
    assert refused(400, {"error": {"message": "no"}, **body}, **headers).request_id == expected


@given(st.integers(300, 599), st.binary(max_size=80), st.dictionaries(st.text(), st.text()))
@settings(deadline=None)
def test_no_answer_makes_it_fail(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = refusal(status, headers, body)
    assert str(error)
    assert error.kind


# -- inside a stream ---------------------------------------------------------------------------

IN_STREAM = [
    ("invalid_request_error", 400, False),
    ("authentication_error", 401, False),
    ("billing_error", 402, False),
    ("permission_error", 403, False),
    ("not_found_error", 404, False),
    ("request_too_large", 413, False),
    ("rate_limit_error", 429, True),
    ("api_error", 500, True),
    ("timeout_error", 504, True),
    ("overloaded_error", 529, True),
    ("rate_limit_exceeded", 429, True),
    ("server_error", 500, True),
    ("vector_store_timeout", 504, True),
    ("invalid_prompt", 400, False),
    ("context_length_exceeded", 400, False),
    ("bio_policy", 400, False),
    ("cyber_policy", 400, False),
    ("misalignment_policy_violation", 400, False),
    ("an_error_of_next_year", 500, True),
]


@pytest.mark.parametrize(("kind", "status", "again"), IN_STREAM)
def test_words_stand_for_the_status_that_the_stream_could_not_have(
    kind: str, status: int, again: bool
) -> None:
    for place in ("type", "code"):  # OpenAI's are codes
        error = refusal_in_stream({place: kind, "message": "no"}, "req_1")
        assert (error.kind, str(error)) == (kind, "no")
        assert (error.status, error.retryable, error.request_id) == (status, again, "req_1")


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        pytest.param({"code": 429}, 429, True, id="OpenRouter's codes are numbers"),
        pytest.param({"code": 402}, 402, False, id="of which some are final"),
        pytest.param({"code": 7}, 500, True, id="others are none"),
        pytest.param({"status_code": 400}, 400, False, id="Groq's"),
        pytest.param({"status_code": 400, "code": "tool_use_failed"}, 400, True, id="by chance"),
        pytest.param({"code": "image_too_large"}, 400, False, id="pictures"),
        pytest.param({"type": "tokens", "code": "rate_limit_exceeded"}, 429, True, id="by code"),
        pytest.param({"type": "insufficient_quota"}, 500, False, id="money"),
    ],
)
def test_codes_stand_for_a_status_too(error: Json, status: int, again: bool) -> None:
    raised = refusal_in_stream(error)
    assert (raised.status, raised.retryable) == (status, again)


def test_every_word_in_the_table_was_tried() -> None:
    assert set(STATUS) == {kind for kind, _, _ in IN_STREAM} - {"an_error_of_next_year"}


def test_money_is_money_inside_a_stream_too() -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    assert not refusal_in_stream({"type": "rate_limit_error", "details": details}, None).retryable
    assert not refusal_in_stream({"code": "insufficient_quota"}, None).retryable


SILENT = [({}, "api_error", "without a message"), ({"type": "x"}, "x", "x")]


@pytest.mark.parametrize(("error", "kind", "words"), SILENT)
def test_an_error_that_says_nothing_has_a_name_all_the_same(
    error: Json, kind: str, words: str
) -> None:
    raised = refusal_in_stream(error, None)
    assert raised.kind == kind
    assert words in str(raised)


# -- what real servers said --------------------------------------------------------------------


def words_of(body: Json) -> str:
    match body:
        case {"error": {"message": str(words)}} | {"error": str(words)} | {"message": str(words)}:
            return words
        case _:
            raise AssertionError(body)


def test_every_recorded_refusal_is_understood(captures: Path) -> None:
    for line in (captures / "http-errors.jsonl").read_bytes().splitlines():
        seen: Json = json.loads(line)
        error = refusal(seen["status"], seen["headers"], json.dumps(seen["body"]).encode())
        assert str(error) == words_of(seen["body"]), seen
        assert error.status == seen["status"]
        assert error.retryable is (seen["status"] == 429), seen
        quoted = [seen["headers"].get(name) for name in ("request-id", "x-request-id")]
        quoted.append(seen["body"].get("request_id"))
        assert error.request_id == next(filter(None, quoted), None)


def test_a_zero_beside_a_one_was_really_sent(captures: Path) -> None:
    lines = (captures / "http-errors.jsonl").read_bytes().splitlines()
    headers = [msgspec.json.decode(line)["headers"] for line in lines]
    (azure,) = [each for each in headers if "retry-after-ms" in each]
    assert (azure["retry-after-ms"], retry_after_s(azure)) == ("0", 1.0)
