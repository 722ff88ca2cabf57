"""A model behind HTTP. The only room that opens a connection to a provider."""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Literal

import anyio
import httpx2
import msgspec

from midstream.errors import (
    ConfigurationError,
    MidstreamError,
    ProtocolError,
    ProviderError,
    StreamError,
    StreamStalled,
)
from midstream.messages import ModelRequest
from midstream.models.model import Batch, Patience
from midstream.models.reply import Reply, named
from midstream.models.transport import is_local, own_transport, proxy_for
from midstream.providers.provider import HttpRequest, Provider
from midstream.providers.refusals import refusal_in_stream, request_id_of
from midstream.secrets.names import address, in_url
from midstream.secrets.secrets import Secrets
from midstream.wire.json import clean, is_object

LONGEST_ERROR_BODY = 1 << 20
# What servers say of an address that they do not know; of a model they say more.
NOWHERE = re.compile(r"(?:404 )?(?:page )?not found\.?$|a web page|HTTP status", re.IGNORECASE)
ASKING = {"user-agent": "midstream"}
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
        verify: ssl.SSLContext | Literal[False] = False  # without TLS there is none to check
        if base_url.startswith("https:"):
            verify = system_certificates()
        try:
            client = httpx2.AsyncClient(
                base_url=base_url,
                timeout=httpx2.Timeout(patience.byte_timeout, connect=patience.connect_timeout),
                verify=verify,
                trust_env=not is_local(base_url),
                transport=self._transport or own_transport(verify, base_url),
            )
        except ImportError as error:
            raise ConfigurationError("a SOCKS proxy needs socksio: pip install socksio") from error
        except ValueError as error:
            raise ConfigurationError(f"the environment's proxy cannot be used: {error}") from error
        async with client:
            yield HttpConnection(client, self._provider, patience, self.key_variable)


def system_certificates() -> ssl.SSLContext:
    """The system's; building httpx2's default costs a hundred times more."""
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class HttpConnection:
    def __init__(
        self,
        client: httpx2.AsyncClient,
        provider: Provider,
        patience: Patience,
        key_variable: str = "",
    ) -> None:
        self._client = client
        self._urls: dict[str, httpx2.URL] = {}
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
        if self._client.is_closed:
            raise ConfigurationError("the agent was left while its run went on")
        question, request_id = self._provider.request(request), None
        try:
            async with self._open(question) as response:
                request_id = request_id_of(response.headers)
                await self._check(response)
                with anyio.CancelScope() as scope:
                    async with aclosing(chunks_of(response)) as chunks:
                        reply = Reply(chunks, self._provider.decoder(), self._patience, scope)
                        yield reply
                        await reply.finish()
                if scope.cancelled_caught:
                    limit = f"{self._patience.event_timeout:g} s"
                    raise StreamStalled(f"no event for {limit}, only signs of life")
        except MidstreamError as error:  # also of who reads it: servers quote the key they refuse
            error.args = tuple(self._secrets.strings(list(error.args)))
            if isinstance(error, StreamError | ProviderError):
                error.request_id = error.request_id or request_id
            raise

    @asynccontextmanager
    async def _open(self, question: HttpRequest) -> AsyncGenerator[httpx2.Response]:
        sent = httpx2.Request(
            "POST",
            self._url(question.path),
            headers=ASKING | question.headers,
            content=question.body,
            extensions={"timeout": self._client.timeout.as_dict()},
        )
        response = None
        with anyio.move_on_after(self._patience.event_timeout):
            try:
                response = await self._client.send(sent, stream=True)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise named(error, self._where()) from error
        if response is None:
            raise StreamStalled(f"no answer within {self._patience.event_timeout:g} s")
        try:
            yield response
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    def _where(self) -> str:
        """Whom it asks, in words for an error."""
        base_url = str(self._client.base_url)
        proxy = proxy_for(base_url)
        return f" to {address(base_url)}{f' through {address(proxy)}' if proxy else ''}"

    def _url(self, path: str) -> httpx2.URL:
        """Where it is; httpx2's own way, which makes it anew each time, takes 32 µs more."""
        if path not in self._urls:
            self._urls[path] = self._client.build_request("POST", path).url
        return self._urls[path]

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


def chunks_of(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """Its body as it comes. Ours is read directly: two layers of httpx2's took 3 % of a read."""
    return response.extensions.get("midstream_body") or response.aiter_raw()


class ErrorBody(msgspec.Struct):
    """A JSON answer with status 200 that is an error all the same."""

    error: object
