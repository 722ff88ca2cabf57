"""A model behind HTTP. The only room that opens a connection to a provider."""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec
import truststore

from midstream.errors import (
    ConfigurationError,
    MidstreamError,
    ProtocolError,
    StreamInterrupted,
    StreamStalled,
)
from midstream.messages import ModelRequest
from midstream.models.model import Batch, Patience
from midstream.providers.provider import Decoder, HttpRequest, Provider
from midstream.providers.refusals import refusal_in_stream
from midstream.secrets.names import address, in_url
from midstream.secrets.secrets import Secrets
from midstream.stream import ResponseEnded, StreamEvent
from midstream.wire.json import clean, is_object
from midstream.wire.sse import SseDecoder

LONGEST_ERROR_BODY = 1 << 20
# After the wire's last event only the end of the body is due. Waiting for it lets the next turn use
# the same connection; a server that never sends it is not waited for.
LAST_BYTES_S = 0.1
# What servers say of an address that they do not know; of a model they say more.
NOWHERE = re.compile(r"(?:404 )?(?:page )?not found\.?$|a web page|HTTP status", re.IGNORECASE)
NOT_STREAMS = ("application/json", "text/html")


class HttpModel:
    """Asks a provider over HTTP.

    Args:
        base_url: where its API is, such as `https://api.anthropic.com`.
        transport: bring your own, such as a proxy's or a test's.

    Attributes:
        key_variable: where the key is from, for whom it is refused; "" if it was given.
    """

    key_variable = ""

    def __init__(
        self,
        provider: Provider,
        base_url: str,
        patience: Patience | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._provider = provider
        self._base_url = base_url
        self._patience = patience or Patience()
        self._transport = transport

    @property
    def provider(self) -> str:
        return self._provider.provider

    @property
    def name(self) -> str:
        return self._provider.model

    @property
    def secrets(self) -> Sequence[str]:
        return (*self._provider.secrets, *in_url(self._base_url))

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator["HttpConnection"]:
        patience, base_url = self._patience, self._base_url
        try:
            client = httpx2.AsyncClient(
                base_url=base_url,
                timeout=httpx2.Timeout(patience.byte_timeout, connect=patience.connect_timeout),
                # The system's certificates; building httpx2's default costs a hundred times more.
                verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                trust_env=urlsplit(base_url).hostname not in ("127.0.0.1", "localhost", "::1"),
                transport=self._transport,
            )
        except (ValueError, ImportError) as error:
            raise ConfigurationError(f"the environment's proxy cannot be used: {error}") from error
        async with client:
            yield HttpConnection(client, self._provider, patience, self.key_variable)


class HttpConnection:
    def __init__(
        self,
        client: httpx2.AsyncClient,
        provider: Provider,
        patience: Patience,
        key_variable: str = "",
    ) -> None:
        self._client = client
        self._key_variable = key_variable
        self._provider = provider
        self._patience = patience
        self._secrets = Secrets((*provider.secrets, *in_url(str(client.base_url))))

    @asynccontextmanager
    async def ask(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Batch]]:
        """Send one request and read its answer.

        Raises:
            ProviderError: the provider refused.
            StreamError: the connection failed, was silent, or carried something else.
            ConfigurationError: the address or the key cannot be used at all.
        """
        question = self._provider.request(request)
        try:
            async with self._open(question) as response:
                await self._check(response)
                async with aclosing(response.aiter_raw()) as chunks:
                    reply = Reply(chunks, self._provider.decoder(), self._patience)
                    yield reply
                    await reply.finish()
        except MidstreamError as error:  # also of who reads it: servers quote the key they refuse
            error.args = tuple(self._secrets.strings(list(error.args)))
            raise

    @asynccontextmanager
    async def _open(self, question: HttpRequest) -> AsyncGenerator[httpx2.Response]:
        sent = self._client.build_request(
            "POST", question.path, headers=question.headers, content=question.body
        )
        response = None
        where = f" to {address(str(self._client.base_url))}"
        with anyio.move_on_after(self._patience.event_timeout), trouble_named(where):
            response = await self._client.send(sent, stream=True)
        if response is None:
            raise StreamStalled(f"no answer within {self._patience.event_timeout:g} s")
        try:
            yield response
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _check(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = response.headers.get("content-encoding", "").strip().lower()
        packed = encoding not in ("", "identity")
        if response.status_code == 200:
            if packed:
                raise ProtocolError(
                    f"the answer is compressed ({encoding}), which nobody asked for"
                )
            if kind not in NOT_STREAMS:
                return
        body = b"" if packed else await self._beginning(response)
        if response.status_code == 200:
            try:
                error = clean(msgspec.json.decode(body, type=ErrorBody).error)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                said = body.decode(errors="replace").strip()[:200]
                raise ProtocolError(f"the answer is {kind}, not a stream: {said!r}") from None
            raise refusal_in_stream(error if is_object(error) else {"message": error}, None)
        headers = {name.lower(): value for name, value in response.headers.items()}
        refusal = self._provider.refusal(response.status_code, headers, body)
        if response.status_code == 404 and NOWHERE.match(str(refusal)):
            refusal.args = (f"{refusal} (asked: {address(str(response.url))})",)
        if response.status_code == 401 and self._key_variable:
            refusal.args = (f"{refusal} (the key is that of {self._key_variable})",)
        raise refusal

    async def _beginning(self, response: httpx2.Response) -> bytes:
        """What came of a body that explains an error; the status counts even if that is cut."""
        body = bytearray()
        with anyio.move_on_after(self._patience.byte_timeout), suppress(httpx2.TransportError):
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > LONGEST_ERROR_BODY:
                        break
        return bytes(body)


class Reply(AsyncIterator[Batch]):
    """A response's events, in the batches in which they arrived."""

    def __init__(self, chunks: AsyncGenerator[bytes], decoder: Decoder, patience: Patience) -> None:
        self._chunks = chunks
        self._records = SseDecoder(patience.max_record)
        self._decoder = decoder
        self._patience = patience
        self._deadline = anyio.current_time() + patience.event_timeout
        self._size = 0
        self._ended = False
        self._trouble: MidstreamError | None = None

    async def __anext__(self) -> Batch:
        while not self._ended:
            # Trouble waits until what came before it has been handed out, so that how the network
            # cut the stream makes no difference.
            if self._trouble:
                raise self._trouble
            chunk = await self._read()
            self._ended = not chunk
            if events := self._decode(chunk):
                self._deadline = anyio.current_time() + self._patience.event_timeout
                return events
        if self._trouble:
            raise self._trouble
        raise StopAsyncIteration

    async def finish(self) -> None:
        """Read what follows the last event, if it comes at once."""
        if self._ended:
            with anyio.move_on_after(LAST_BYTES_S):
                try:
                    async for _ in self._chunks:
                        pass
                except httpx2.TransportError:
                    pass  # the answer is whole; how the connection ends is no matter

    async def _read(self) -> bytes:
        with anyio.CancelScope() as scope, trouble_named():
            scope.deadline = self._deadline
            chunk = await anext(self._chunks, b"")
            self._size += len(chunk)
            if self._size > self._patience.max_response:
                raise ProtocolError(
                    f"the response is larger than {self._patience.max_response:,} bytes"
                )
            return chunk
        raise StreamStalled(f"no event for {self._patience.event_timeout:g} s, only signs of life")

    def _decode(self, chunk: bytes) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        try:
            for record in self._records.feed(chunk):
                events += self._decoder.feed(record)
                if events and isinstance(events[-1], ResponseEnded):
                    self._ended = True
                    return events
            if not chunk:
                if rest := self._records.rest():
                    events += self._decoder.feed(rest)
                events += self._decoder.end()
        except MidstreamError as error:
            self._trouble = error
        return events


class ErrorBody(msgspec.Struct):
    """A JSON answer with status 200 that is an error all the same."""

    error: object


@contextmanager
def trouble_named(where: str = "") -> Generator[None]:
    """Let what the HTTP client raises leave under our names."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise StreamStalled(f"no byte came in time ({type(error).__name__})") from error
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise ConfigurationError(f"the request cannot be sent: {error}") from error
    except httpx2.TransportError as error:
        words = str(error) or type(error).__name__
        if isinstance(error, httpx2.ConnectError) and is_tls(error):
            raise ConfigurationError(f"no secure connection{where}: {words}") from error
        raise StreamInterrupted(f"the connection{where} failed: {words}") from error


def is_tls(error: BaseException | None) -> bool:
    """Whether certificates or versions do not fit, which asking again does not change."""
    while error:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
