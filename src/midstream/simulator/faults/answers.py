"""Faults of the answer as a whole: another status, another body, headers that are not true."""

from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import msgspec
from msgspec.structs import replace

from midstream.simulator.faults.fault import Fault, worded
from midstream.simulator.limits import check_headers, check_number
from midstream.simulator.play import End, Frame, Misplaced, Play

BODILESS = frozenset({204, 304})
PAGE = "<!doctype html>\n<html><body><h1>Please log in</h1></body></html>\n"


class Status(Fault, frozen=True):
    """An error in place of the answer.

    Attributes:
        status: from 200 to 599; with 200 the body says error all the same.
        type: the kind of error; without it, what the API says with this status.
        retry_after: seconds.
        retry_after_date: the same header as a date, so many seconds from the request.
        retry_after_ms: milliseconds, in a header of its own.
        should_retry: the header `x-should-retry`.
        code: what OpenAI's wires say beside the type.
    """

    status: int
    type: str | None = None
    message: str = "The scenario says so."
    retry_after: float | None = None
    retry_after_date: float | None = None
    retry_after_ms: float | None = None
    should_retry: bool | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_status(self.status)
        if self.retry_after is not None and self.retry_after_date is not None:
            raise ValueError("give `retry_after` or `retry_after_date`, not both")
        for name in ("retry_after", "retry_after_date", "retry_after_ms"):
            check_number(name, getattr(self, name))

    def applied(self, play: Play) -> Play:
        said = worded(play.wire.usual(self.status), self.type, self.code)
        body = play.wire.error(replace(said, message=self.message), play.request_id)
        answered = _answered(play, self.status, "application/json", msgspec.json.encode(body))
        return replace(answered, headers={**answered.headers, **self._advice(play)})

    def _advice(self, play: Play) -> dict[str, str]:
        advice: dict[str, str] = {}
        if self.retry_after is not None:
            advice["retry-after"] = f"{self.retry_after:.15g}"
        if self.retry_after_date is not None:
            asked = parsedate_to_datetime(play.headers["date"])
            until = asked + timedelta(seconds=self.retry_after_date)
            advice["retry-after"] = format_datetime(until, usegmt=True)
        if self.retry_after_ms is not None:
            advice["retry-after-ms"] = f"{self.retry_after_ms:.15g}"
        if self.should_retry is not None:
            advice["x-should-retry"] = str(self.should_retry).lower()
        return advice


class Page(Fault, frozen=True):
    """What a gateway says in place of the answer: a page in HTML, unless told otherwise."""

    status: int = 200
    type: str = "text/html; charset=utf-8"
    text: str = PAGE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_status(self.status)
        check_headers({"content-type": self.type})

    def applied(self, play: Play) -> Play:
        return _answered(play, self.status, self.type, self.text.encode())


class Headers(Fault, frozen=True):
    """Headers are added or replaced, such as a wrong `content-type`; an empty one is left out."""

    set: dict[str, str]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_headers(self.set)

    def applied(self, play: Play) -> Play:
        changes = {name.lower(): value for name, value in self.set.items()}
        headers = {**play.headers, **changes}
        return replace(play, headers={name: value for name, value in headers.items() if value})


class Length(Fault, frozen=True):
    """A `content-length` that is `by` bytes too long, or too short; then the connection closes."""

    by: int

    def applied(self, play: Play) -> Play:
        size = len(play.body)
        if size + self.by < 0:
            raise Misplaced(f"the answer has only {size} bytes, so its length cannot be {self.by}")
        end = End.CLOSE if play.end is End.FINISH else play.end
        return replace(play, length=size + self.by, end=end)


def check_status(status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError("`status` is one that ends an answer: 200 to 599")


def _answered(play: Play, status: int, kind: str, body: bytes) -> Play:
    body = b"" if status in BODILESS else body
    return replace(
        play,
        status=status,
        headers={**play.headers, "content-type": kind},
        frames=[Frame(play.head_s, (body,))] if body else [],
        length=len(body),
    )
