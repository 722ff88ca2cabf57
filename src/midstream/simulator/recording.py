"""A recording: what went between a client and a provider, with its times, and its replay.

A file of JSON Lines. The first line says what it is; each other line is a part of the exchange
whose number it bears, so that exchanges may overlap:

    {"format":"midstream-recording","version":1,"upstream":"https://api.anthropic.com"}
    {"type":"request","n":1,"t":0.0,"method":"POST","path":"/v1/messages","headers":{},"body":{}}
    {"type":"response","n":1,"t":0.412,"status":200,"headers":{"content-type":"text/event-stream"}}
    {"type":"chunk","n":1,"t":0.415,"text":"event: message_start\\n"}
    {"type":"end","n":1,"t":2.113,"how":"whole"}
"""

from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import anyio
import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from midstream.errors import ConfigurationError
from midstream.secrets.secrets import REDACTED
from midstream.simulator.limits import check_headers
from midstream.simulator.server import Exchange, Progress, Request, respond_json

FORMAT: Final = "midstream-recording"
VERSION = 1

How = Literal["whole", "cut", "reset", "client left", "error"]
Pace = Literal["recorded", "fast"]


class Header(Struct, frozen=True):
    """The first line."""

    format: Literal["midstream-recording"]
    version: int
    upstream: str
    recorded: str = ""


class Line(Struct, frozen=True, tag_field="type"):
    """A part of the exchange `n`, `t` seconds after its request; a request's are those of all."""

    n: int
    t: float


class Asked(Line, frozen=True, tag="request"):
    """The request; its body is `body` if it is JSON, else `text`, else `base64`."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class Answered(Line, frozen=True, tag="response"):
    status: Annotated[int, Meta(ge=100, le=999)]
    headers: dict[str, str]


class Chunk(Line, frozen=True, tag="chunk"):
    """A piece of the body as it came: text if it is UTF-8, else base64."""

    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET

    @property
    def data(self) -> bytes:
        return self.text.encode() if self.text else b64decode(self.base64 or b"", validate=True)


class Ended(Line, frozen=True, tag="end", omit_defaults=True):
    """How the exchange ended, and the words of whoever noticed.

    `whole`: as HTTP has it. `cut`, `reset`: by the provider, in the middle. `client left`: by the
    client. `error`: there was nobody to ask.
    """

    how: How
    words: str = ""


AnyLine = Asked | Answered | Chunk | Ended


class Recorded(Struct):
    """One exchange, as far as it was recorded."""

    request: Asked
    response: Answered | None = None
    chunks: list[Chunk] = []
    ended: Ended | None = None


class Recording(Struct, frozen=True):
    upstream: str
    exchanges: Sequence[Recorded]


def as_text(data: bytes) -> dict[str, str]:
    """Bytes as a field of a line."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        return begins_recording(file.read(200))


def begins_recording(data: bytes) -> bool:
    return FORMAT.encode() in data[:200].partition(b"\n")[0]


def load_recording(path: str | Path) -> Recording:
    """Read a recording. A last line that was torn, as the recorder died, is passed over.

    Raises:
        ConfigurationError: there is no such file, or it is not a recording.
    """
    try:
        first, *lines = Path(path).read_bytes().split(b"\n")
        header = msgspec.json.decode(first, type=Header)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path} is not a recording of midstream: {error}") from error
    if header.version > VERSION:
        raise ConfigurationError(f"{path} was recorded by a newer midstream; update this one")
    exchanges: dict[int, Recorded] = {}
    for number, line in enumerate(lines, 2):
        try:
            if line:
                _add(exchanges, _DECODER.decode(line))
        except (msgspec.DecodeError, LookupError, ValueError, RecursionError) as error:
            if number <= len(lines):
                raise ConfigurationError(f"{path}, line {number}: {error}") from error
    return Recording(header.upstream, [exchanges[n] for n in sorted(exchanges)])


_DECODER = msgspec.json.Decoder(AnyLine)


def _add(exchanges: dict[int, Recorded], line: AnyLine) -> None:
    if line.n not in exchanges and not isinstance(line, Asked):
        raise LookupError(f"it belongs to request {line.n}, which is not before it")
    match line:
        case Asked():
            exchanges[line.n] = Recorded(line)
        case Answered():
            check_headers(line.headers)
            exchanges[line.n].response = line
        case Chunk():
            _check_data(line)
            exchanges[line.n].chunks.append(line)
        case Ended():
            exchanges[line.n].ended = line


def _check_data(chunk: Chunk) -> None:
    try:
        _ = chunk.data
    except ValueError as error:
        raise ValueError(f"its `base64` is none: {error}") from error


class Playback:
    """Answers as recorded: the nth request to an address gets the nth answer it had.

    Status, headers, pieces, times and endings are the recording's. What the requests say is not
    looked at.

    Args:
        pace: `recorded`, or `fast`: with no waiting.

    Attributes:
        requests: what was asked so far.
    """

    def __init__(self, recording: Recording, pace: Pace = "recorded") -> None:
        self.requests: list[Request] = []
        self._fast = pace == "fast"
        self._asked = Counter[tuple[str, str]]()
        self._answers = defaultdict[tuple[str, str], list[Recorded]](list)
        for exchange in recording.exchanges:
            self._answers[_address(exchange.request)].append(exchange)

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request; what `serve` wants."""
        asked_at = anyio.current_time()
        self.requests.append(exchange.request)
        address = _address(exchange.request)
        self._asked[address] += 1
        number, answers = self._asked[address], self._answers.get(address, [])
        if number <= len(answers):
            await self._play(exchange, answers[number - 1], asked_at)
        elif answers:
            words = f"{' '.join(address)} was recorded {len(answers)} times; this is time {number}"
            await respond_json(exchange, 410, error_body("recording_ended", words))
        else:
            known = ", ".join(" ".join(each) for each in self._answers) or "nothing"
            words = f"{' '.join(address)} was not recorded; what was: {known}"
            await respond_json(exchange, 404, error_body("not_found_error", words))

    async def _play(self, exchange: Exchange, recorded: Recorded, asked_at: float) -> None:
        ended = recorded.ended or Ended(recorded.request.n, 0.0, "cut")
        if recorded.response:
            await self._until(asked_at + recorded.response.t)
            await self._answer(exchange, recorded, recorded.response, asked_at)
        if exchange.progress is Progress.FINISHED:
            return
        await self._until(asked_at + ended.t)
        match ended.how:
            case "whole":
                await exchange.finish()
            case "reset":
                await exchange.reset()
            case "error" if not recorded.response:
                await respond_json(exchange, 502, error_body("upstream_error", ended.words))
            case _:
                await exchange.close()

    async def _answer(
        self, exchange: Exchange, recorded: Recorded, head: Answered, asked_at: float
    ) -> None:
        headers = {name: value for name, value in head.headers.items() if value != REDACTED}
        if not has_body(exchange.request.method, head.status):
            await exchange.respond(head.status, headers, b"")
            return
        if "content-length" in headers and recorded.ended and recorded.ended.how == "whole":
            # Not the recorded one: where a key was taken out, the body is shorter.
            headers["content-length"] = str(sum(len(chunk.data) for chunk in recorded.chunks))
        await exchange.start(head.status, headers)
        for chunk in recorded.chunks:
            await self._until(asked_at + chunk.t)
            await exchange.send(chunk.data)

    async def _until(self, time: float) -> None:
        if not self._fast:
            await anyio.sleep_until(time)


def _address(request: Request | Asked) -> tuple[str, str]:
    return request.method, request.path.partition("?")[0]


def has_body(method: str, status: int) -> bool:
    return method != "HEAD" and status not in (204, 304)


def error_body(kind: str, words: str) -> Mapping[str, Any]:
    """An error of our own, in the shape that clients of any provider read."""
    return {"type": "error", "error": {"type": kind, "message": words}}
