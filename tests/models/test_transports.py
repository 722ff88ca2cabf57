"""Who speaks HTTP: our own transport where it can, httpx2's elsewhere; and real servers."""

import shutil
import socket
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
import trustme
from anyio import aclose_forcefully
from anyio.abc import AnyByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from midstream import Agent, tool
from midstream.errors import ConfigurationError
from midstream.events import TextDelta, ThinkingDelta, ToolFinished, ToolInputDelta
from midstream.models.http import HttpModel
from midstream.models.http1_transport import Http1Transport
from midstream.models.reply import joined
from midstream.models.transport import is_httpx2s, own_transport, proxy_for
from midstream.providers.anthropic_request import Anthropic
from midstream.stream import BlockEnded, StreamEvent
from tests.conftest import missing
from tests.fakes import play, provider, says, start, stop, text, tool_use

# -- which one ---------------------------------------------------------------------------------


THERE = "http://provider.example"


async def test_it_is_ours_on_asyncio(anyio_backend_name: str) -> None:
    found = own_transport(False, THERE)
    assert isinstance(found, Http1Transport) == (anyio_backend_name == "asyncio")


@pytest.mark.parametrize(
    ("environment", "ours"),
    [
        ({}, True),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, False),
        ({"all_proxy": "http://proxy.example:3128"}, False),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, True),  # which is for another scheme
        ({"NO_PROXY": "example.org"}, True),
        ({"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "provider.example"}, True),
        ({"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "example.org"}, False),
        ({"MIDSTREAM_TRANSPORT": "httpx2"}, False),
        ({"MIDSTREAM_TRANSPORT": "own"}, True),
        ({"MIDSTREAM_TRANSPORT": ""}, True),
    ],
)
def test_it_is_httpx2s_through_a_proxy_or_if_that_is_wanted(
    environment: dict[str, str], ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_httpx2s(THERE) != ours


def test_what_is_on_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert proxy_for(f"http://{host}:80") == ""
    assert proxy_for(THERE) == "http://proxy.example:3128"


def test_a_transport_that_there_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", "aiohttp")
    with pytest.raises(ConfigurationError) as told:
        Agent("anthropic:m", api_key="k", base_url=THERE)
    assert str(told.value) == 'MIDSTREAM_TRANSPORT is "own" or "httpx2", not \'aiohttp\''


async def test_a_run_goes_through_either(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "httpx2"):
        monkeypatch.setenv("MIDSTREAM_TRANSPORT", value)
        async with provider(says("Hello.")) as world:
            run = world.agent().run("Hi")
            await play(run)
        assert run.text == "Hello."
        assert world.headers["user-agent"] == "midstream"


async def test_one_can_be_brought_along() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        data = b"".join(each for each in says("Hello.") if isinstance(each, bytes))
        return httpx2.Response(200, stream=httpx2.ByteStream(data))

    transport = httpx2.MockTransport(answer)
    model = HttpModel(Anthropic("m", "k"), "https://api.example", transport=transport)
    run = Agent(model).run("Hi")
    await play(run)
    assert (run.text, asked) == ("Hello.", ["https://api.example/v1/messages"])


# -- what comes together -----------------------------------------------------------------------


def test_neighbouring_fragments_of_a_block_become_one() -> None:
    events: list[StreamEvent] = [
        TextDelta(0, "Let "),
        TextDelta(0, "me "),
        TextDelta(1, "see"),
        ThinkingDelta(1, "."),
        BlockEnded(1),
        ToolInputDelta("a", "{"),
        ToolInputDelta("b", "{"),
        ToolInputDelta("b", "}"),
        TextDelta(0, "x"),
    ]
    assert joined(events) == [
        TextDelta(0, "Let me "),
        TextDelta(1, "see"),
        ThinkingDelta(1, "."),
        BlockEnded(1),
        ToolInputDelta("a", "{"),
        ToolInputDelta("b", "{}"),
        TextDelta(0, "x"),
    ]


# -- what does not work ------------------------------------------------------------------------


async def trouble(url: str) -> str:
    ended = await Agent("anthropic:m", api_key="k", base_url=url, max_attempts=1).run("Hi")
    assert ended.error is not None
    return ended.error.message


async def test_https_where_http_is_spoken_is_guessed() -> None:
    async with provider() as world:
        said = await trouble(world.url.replace("http://", "https://"))
    assert said.startswith(f"no secure connection to {world.url.replace('http', 'https')}: ")
    assert said.endswith(" (perhaps it is http:// and not https://)")


async def test_a_certificate_of_an_unknown_authority_is_refused_until_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))

    async def answer(stream: AnyByteStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await aclose_forcefully(stream)

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(SocketAttribute.local_port)
    async with TLSListener(plain, context) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        said = await trouble(f"https://127.0.0.1:{port}")
        assert said.endswith(" (SSL_CERT_FILE may name a file with the certificate to trust)")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert "(asked: https://" in await trouble(f"https://127.0.0.1:{port}")
        tasks.cancel_scope.cancel()


async def test_a_proxy_that_is_dead_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:1")
    assert (await trouble(THERE)).startswith(
        f"the connection to {THERE} through http://127.0.0.1:1 failed: "
    )


async def test_what_a_socks_proxy_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    assert await trouble(THERE) == "a SOCKS proxy needs socksio: pip install socksio"


# -- real servers ------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events {{}}
http {{
    access_log off;
    {paths}
    upstream provider {{ server {upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate server.pem; ssl_certificate_key server.key;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""
PATHS = " ".join(
    f"{each}_temp_path {each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def nginx(
    folder: Path, upstream: str, authority: trustme.CA
) -> AsyncGenerator[tuple[int, int]]:
    """The real one, before a provider; its ports without and with TLS."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not program:
        missing("nginx is not installed")
    assert program is not None
    plain, secure = free_port(), free_port()
    of_server = authority.issue_cert("localhost")
    of_server.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "server.pem").write_bytes(b"".join(e.bytes() for e in of_server.cert_chain_pems))
    settings = {"plain": plain, "secure": secure, "upstream": upstream, "paths": PATHS}
    (folder / "nginx.conf").write_text(NGINX.format(**settings))
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    async with await anyio.open_process(command, stdout=None, stderr=None) as process:
        try:
            with anyio.fail_after(20):
                while not await answers(plain):
                    await anyio.lowlevel.checkpoint()
            yield plain, secure
        finally:
            process.terminate()


async def answers(port: int) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_nginx_hands_through_a_run_as_it_streams(
    secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two turns with a tool that starts, and ends, before the first answer does."""
    authority, gate = trustme.CA(), anyio.Event()

    @tool(effects="read")
    async def look() -> str:
        gate.set()
        return "seen"

    first = [start(), tool_use(0, "a", "look", "{}"), text(1, "Well"), gate, stop("tool_use")]
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with provider(first, says("Done.")) as world:
        async with nginx(tmp_path, world.url.removeprefix("http://"), authority) as ports:
            scheme, port = ("https", ports[1]) if secure else ("http", ports[0])
            world.url = f"{scheme}://localhost:{port}"
            run = world.agent([look]).run("Go")
            events = await play(run)
    assert run.text == "Done."
    assert [e.output for e in events if isinstance(e, ToolFinished)] == ["seen"]
