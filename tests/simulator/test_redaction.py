"""Keys are taken out of a recording wherever they show, and what is no key is left alone."""

import pytest

from midstream.secrets.names import held_by
from midstream.secrets.secrets import REDACTED
from midstream.simulator.redaction import Redactor

KEY = "sk-ant-api03-Canary_0123456789"
ENVIRONMENT = {"OTHER_API_KEY": "Canary/of+another=kind", "HOME": "/home/canary", "X_API_KEY": "k"}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(held_by(ENVIRONMENT))


def test_a_header_with_a_telling_name_is_secret_everywhere_from_then_on(redactor: Redactor) -> None:
    headers = {"x-api-key": "MyOwn-Secret", "authorization": "Bearer Secret-2", "accept": "*/*"}
    shown = {"x-api-key": REDACTED, "authorization": REDACTED, "accept": "*/*"}
    assert redactor.headers(headers) == shown
    assert (
        redactor.text("wrong key: MyOwn-Secret, Secret-2") == f"wrong key: {REDACTED}, {REDACTED}"
    )


def test_a_key_that_is_a_plain_word_does_not_blacken_the_conversation(redactor: Redactor) -> None:
    assert redactor.headers({"x-api-key": "simulated"}) == {"x-api-key": REDACTED}
    assert redactor.text("This is simulated.") == "This is simulated."


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/m?key=AIzaCanary&alt=sse", f"/v1/m?key={REDACTED}&alt=sse"),
        ("/v1/m?api%5Fkey=Canary-1234", f"/v1/m?api%5Fkey={REDACTED}"),
        (f"/v1/{KEY}", f"/v1/{REDACTED}"),
        ("/", "/"),
        ("/x?token=Canary-1234#y", f"/x?token={REDACTED}#y"),
        ("<https://h/?token=Canary-1234>; rel=next", f"<https://h/?token={REDACTED}>; rel=next"),
        ("grant_type=x&client_secret=Canary", f"grant_type=x&client_secret={REDACTED}"),
    ],
)
def test_what_is_shown_of_addresses_and_forms(redactor: Redactor, path: str, shown: str) -> None:
    assert redactor.text(path) == shown


def test_what_json_calls_secret_is_secret(redactor: Redactor) -> None:
    body = {
        "mcp_servers": [{"url": "u", "authorization_token": "Canary"}],
        "accessToken": "Canary",
        "input": {"key": "Enter", "password": "Canary", "max_tokens": 5},
        "properties": {"password": {"type": "string"}, "secrets": {"description": "Which?"}},
        "Authorization": ["Canary", 5],
        "apikeys": {"x": "Canary"},
        KEY: f"/?token=Canary and {KEY}",
    }
    assert redactor.members(body) == {
        "mcp_servers": [{"url": "u", "authorization_token": REDACTED}],
        "accessToken": REDACTED,
        "input": {"key": "Enter", "password": REDACTED, "max_tokens": 5},
        "properties": {"password": {"type": "string"}, "secrets": {"description": "Which?"}},
        "Authorization": [REDACTED, 5],
        "apikeys": {"x": REDACTED},
        REDACTED: f"/?token={REDACTED} and {REDACTED}",
    }


ECHOED: list[tuple[str, dict[str, str], bytes]] = [
    ("/?key=Canary-1%2F2", {}, b""),
    ("/", {"cookie": "a=b; sid=Canary-1/2"}, b""),
    ("/", {"authorization": "Bearer Canary-1/2, more"}, b""),
    ("/", {"authorization": 'Digest user="x", response="Canary-1/2"'}, b""),
    ("/", {"referer": "http://h/?token=Canary-1/2"}, b""),
    ("/", {}, b'{"a": [{"API-KEY": "Canary-1\\/2"}]}'),
    ("/", {}, b'{"secrets": {"x": "Canary-1/2"}}'),
    ("/", {}, b"client_secret=Canary-1%2F2"),
]


@pytest.mark.parametrize(("path", "headers", "body"), ECHOED)
def test_what_a_request_calls_secret_is_so_in_its_answer(
    redactor: Redactor, path: str, headers: dict[str, str], body: bytes
) -> None:
    redactor.learn(path, headers, body)
    stream = redactor.stream()
    echo = b'{"you sent": "Canary-1/2", "in short": "Canary-1\\/2"}'
    shown = b"".join([*stream.feed(echo), *stream.rest()])
    assert shown == b'{"you sent": "[redacted]", "in short": "[redacted]"}'


def test_a_cookies_attributes_are_not_secret(redactor: Redactor) -> None:
    cookies = "a=Canary-1; Path=/v1/messages; HttpOnly\r\nset-cookie: b=Canary-2; Path=/v1/other"
    assert redactor.headers({"set-cookie": cookies}) == {"set-cookie": REDACTED}
    assert redactor.text("Canary-1 Canary-2 /v1/messages") == f"{REDACTED} {REDACTED} /v1/messages"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"t": "\\u0073k-ant-api03-Canary_0123456789"}', {"body": {"t": REDACTED}}),
        (b'{"t": "Canary\\/of+another=kind"}', {"body": {"t": REDACTED}}),
        (b"a=b&token=Canary", {"data": f"a=b&token={REDACTED}".encode()}),
        (f"\xff {KEY}".encode("latin-1"), {"data": b"\xff [redacted]"}),
        (b"[" * 900 + b"]" * 900, {"data": b"[" * 900 + b"]" * 900}),
    ],
)
def test_what_is_shown_of_a_body(redactor: Redactor, body: bytes, shown: dict[str, object]) -> None:
    assert redactor.body(body) == shown


def test_two_members_whose_names_are_keys_stay_two(redactor: Redactor) -> None:
    body = {f"{KEY}A": 1, f"{KEY}B": 2}
    assert redactor.members(body) == {REDACTED: 1, f"{REDACTED}'": 2}
