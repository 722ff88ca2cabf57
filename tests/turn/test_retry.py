"""When a failed request is made again, and after how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import (
    ConfigurationError,
    EventsGone,
    MidstreamError,
    ProtocolError,
    ProviderError,
    StreamInterrupted,
    StreamStalled,
)
from midstream.turn.retry import Backoff

BUSY = ProviderError("busy", kind="overloaded_error", status=529, retryable=True)
WRONG = ProviderError("no", kind="invalid_request_error", status=400)


def advised(seconds: float, *, retryable: bool = True) -> ProviderError:
    return ProviderError("wait", kind="x", status=429, retryable=retryable, retry_after_s=seconds)


DELAYS = [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 30.0), (8, 30.0)]


@pytest.mark.parametrize(("attempt", "delay_s"), DELAYS)
def test_the_delay_doubles_up_to_a_cap(attempt: int, delay_s: float) -> None:
    assert Backoff(max_attempts=99).delay_s(attempt, BUSY, 0.0) == delay_s


@pytest.mark.parametrize(("attempt", "delay_s"), DELAYS)
def test_jitter_takes_off_up_to_a_quarter(attempt: int, delay_s: float) -> None:
    backoff = Backoff(max_attempts=99)
    assert backoff.delay_s(attempt, BUSY, 1.0) == pytest.approx(delay_s * 0.75)
    assert backoff.delay_s(attempt, BUSY, 0.4) == pytest.approx(delay_s * 0.9)


def test_the_last_attempt_is_the_last() -> None:
    assert Backoff().delay_s(4, BUSY, 0.0) is not None
    assert Backoff().delay_s(5, BUSY, 0.0) is None
    assert Backoff().delay_s(6, BUSY, 0.0) is None
    assert Backoff(max_attempts=1).delay_s(1, BUSY, 0.0) is None
    assert Backoff(max_attempts=2).delay_s(2, advised(1.0), 0.0) is None


ERRORS = [
    pytest.param(BUSY, True, id="the provider is busy"),
    pytest.param(WRONG, False, id="the request is wrong"),
    pytest.param(StreamInterrupted("x"), True, id="the connection was cut"),
    pytest.param(StreamStalled("x"), True, id="the connection is silent"),
    pytest.param(ProtocolError("x"), True, id="the protocol was violated"),
    pytest.param(ConfigurationError("x"), False, id="no key"),
    pytest.param(EventsGone("x"), False, id="a reader's own trouble"),
    pytest.param(MidstreamError("x"), False, id="anything else"),
]


@pytest.mark.parametrize(("error", "again"), ERRORS)
def test_only_what_may_pass_is_tried_again(error: MidstreamError, again: bool) -> None:
    assert (Backoff().delay_s(1, error, 0.0) is not None) is again


def test_the_providers_advice_is_followed_to_the_letter() -> None:
    assert Backoff().delay_s(1, advised(77.5), 0.9) == 77.5
    assert Backoff().delay_s(4, advised(0.1), 0.9) == 0.1


def test_advice_does_not_make_a_wrong_request_right() -> None:
    assert Backoff().delay_s(1, advised(1.0, retryable=False), 0.0) is None


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_every_delay_is_bounded(attempt: int, jitter: float) -> None:
    delay_s = Backoff(max_attempts=10**10).delay_s(attempt, BUSY, jitter)
    assert delay_s is not None
    assert 0.375 <= delay_s <= 30.0
