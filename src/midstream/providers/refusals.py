"""What a provider says when it says no, and whether asking again may help."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from midstream.errors import ProviderError
from midstream.wire.json import NotJson, clean, is_object, read

# Inside a stream the HTTP status was 200; these are the ones that the words stand for.
STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # OpenAI's
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "vector_store_timeout": 504,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "bio_policy": 400,
    "cyber_policy": 400,
    "misalignment_policy_violation": 400,
}
# About one answer, though it says 400: the model called a tool in a way that it may not again.
BY_CHANCE = frozenset({"tool_use_failed"})
RETRYABLE = frozenset({408, 409, 429})
# "Too many requests" that no waiting will cure: somebody has to pay or raise a limit.
MONEY = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "billing_error"}
    | {"insufficient_quota", "credit_balance_exhausted", "organization_usage_limit_exceeded"}
    | {"organization_spend_limit_exceeded", "project_spend_limit_exceeded"}
)
# Longer advice than this means "not today": the run fails and says so instead of hanging.
LONGEST_WAIT_S = 120.0
LONGEST_MESSAGE = 2000  # characters
WORDS = ("message", "detail")  # where the words for people may be
OBJECT = msgspec.json.Decoder(dict[str, Any])


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an HTTP answer other than 200 stands for.

    Args:
        headers: looked up by lower-case names.

    Source: platform.claude.com, "Errors"; the retry rules are those of the official SDKs.
    """
    payload = _payload(body)
    kind, message, codes = _words(payload)
    in_body = str(payload.get("request_id") or "") or None
    advice = retry_after_s(headers)
    retryable = status in RETRYABLE or status >= 500
    if (said := headers.get("x-should-retry")) in ("true", "false"):
        retryable = said == "true"
    if status == 402 or codes & MONEY or (advice or 0) > LONGEST_WAIT_S:
        retryable = False
    return ProviderError(
        message or _plain(body) or f"HTTP status {status}",
        kind=kind or f"http_{status}",
        status=status,
        request_id=request_id_of(headers) or in_body,
        retryable=retryable,
        retry_after_s=advice,
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """What to quote to the provider's support."""
    return headers.get("request-id") or headers.get("x-request-id")


def refusal_in_stream(error: dict[str, Any], request_id: str | None = None) -> ProviderError:
    """The error that arrived as an event of a stream whose status was 200.

    A word that is not in the table is worth another try: the request itself was accepted.
    """
    kind, message, codes = _words({"error": error})
    status = _status(error, codes)
    again = status in RETRYABLE or status >= 500 or bool(codes & BY_CHANCE)
    return ProviderError(
        message or kind or "the provider reported an error without a message",
        kind=kind or "api_error",
        status=status,
        request_id=request_id,
        retryable=again and not codes & MONEY,
    )


def _status(error: dict[str, Any], codes: set[str]) -> int:
    """What an error inside a stream would have been as an HTTP status."""
    for given in (error.get("code"), error.get("status_code")):
        if isinstance(given, int) and 400 <= given < 600:
            return given
    if any(code.startswith(("image_", "invalid_image")) for code in codes):
        return 400
    return next((STATUS[code] for code in sorted(codes) if code in STATUS), 500)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The provider's advice in seconds: `retry-after-ms`, else `retry-after`; a zero is no advice.

    A date is compared with the answer's own `date` header, so that no clock is needed and a wrong
    one does no harm.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None and ms > 0:
        return ms / 1000
    said = headers.get("retry-after")
    if (seconds := _number(said)) is not None:
        return seconds if seconds > 0 else None
    try:
        until = parsedate_to_datetime(said or "") - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return until.total_seconds() if until.total_seconds() > 0 else None


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload: dict[str, Any] = clean(read(body, OBJECT))
    except NotJson:
        return {}
    return payload


def _words(payload: dict[str, Any]) -> tuple[str, str, set[str]]:
    """The error's type, its message, and every code word in it, whatever shape it has."""
    error: Any = payload.get("error") or payload
    if not is_object(error):
        return "", str(error), {str(payload.get("code"))}
    details: Any = error.get("details")
    inner = details if is_object(details) else {}
    codes = {str(word) for word in (error.get("type"), error.get("code"), inner.get("error_code"))}
    message = next((said[key] for said in (error, payload) for key in WORDS if said.get(key)), "")
    kind = error.get("type") or (error.get("code") if isinstance(error.get("code"), str) else "")
    return str(kind or ""), str(message)[:LONGEST_MESSAGE], codes


def _plain(body: bytes) -> str:
    """A body that is no JSON; of a web page its title."""
    text: str = clean(body.decode(errors="replace").strip())
    if not text.startswith("<"):
        return text[:500]
    title = _TITLE.search(text[:5000])
    words = title[1] if title else _TAG.sub(" ", text[:5000])
    return f"a web page: {' '.join(words.split())[:200]}"


_TITLE = re.compile("<title[^>]*>([^<]*)", re.IGNORECASE)
_TAG = re.compile("<[^>]*>")


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
