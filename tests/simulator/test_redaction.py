"""Keys are taken out of a recording wherever they show, and what is no key is left alone."""

import pytest

from midstream.simulator.redaction import REDACTED, Redactor, telling

KEY = "sk-ant-api03-Canary_0123456789"
ENVIRONMENT = {"OTHER_API_KEY": "Canary/of+another=kind", "HOME": "/home/canary", "X_API_KEY": "k"}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(ENVIRONMENT)


SHOWN: list[tuple[str, str]] = [
    (f"the key {KEY}.", f"the key {REDACTED}."),
    (f'"{KEY}"', f'"{REDACTED}"'),
    (f"Bearer {KEY}", f"Bearer {REDACTED}"),
    (f"first\\n{KEY}\\n", f"first\\n{REDACTED}\\n"),  # on a line of its own in a JSON string
    (f"{KEY} and {KEY}", f"{REDACTED} and {REDACTED}"),
    ("Canary/of+another=kind", REDACTED),
    ("task-management-of-all-kinds", "task-management-of-all-kinds"),
    ("sk-1234", "sk-1234"),
    ("all in /home/canary, k?", "all in /home/canary, k?"),
    ("größer \udcff", "größer \ufffd"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_shown_of_a_text(redactor: Redactor, text: str, shown: str) -> None:
    assert redactor.text(text) == shown


@pytest.mark.parametrize("key", [KEY, ENVIRONMENT["OTHER_API_KEY"]])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_key_in_many_pieces_is_taken_out_and_the_pieces_stay(
    redactor: Redactor, key: str, size: int
) -> None:
    text = f"data: so {key} it is\n\n".encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = redactor.pieces(pieces)
    assert b"".join(shown) == f"data: so {REDACTED} it is\n\n".encode()
    assert len(shown) == len(pieces)
    assert shown[-1] == pieces[-1] or size == 100


@pytest.mark.parametrize("key", [KEY, ENVIRONMENT["OTHER_API_KEY"]])
def test_a_piece_that_may_end_within_a_key_is_known(redactor: Redactor, key: str) -> None:
    for length in range(1, len(key)):
        assert redactor.unfinished(f"so {key[:length]}".encode()), key[:length]
    assert not redactor.unfinished(f"so {key} it is\n\n".encode())
    assert not redactor.unfinished(b"")
    assert not redactor.unfinished(b"sk-" + b"a" * 1000)  # no key is so long: it is not waited for


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
    ],
)
def test_what_is_shown_of_a_path(redactor: Redactor, path: str, shown: str) -> None:
    assert redactor.path(path) == shown


def test_what_json_calls_secret_is_secret(redactor: Redactor) -> None:
    body = {
        "mcp_servers": [{"url": "u", "authorization_token": "Canary"}],
        "accessToken": "Canary",
        "input": {"key": "Enter", "password": "Canary", "max_tokens": 5},
        "properties": {"password": {"type": "string"}},
    }
    assert redactor.members(body) == {
        "mcp_servers": [{"url": "u", "authorization_token": REDACTED}],
        "accessToken": REDACTED,
        "input": {"key": "Enter", "password": REDACTED, "max_tokens": 5},
        "properties": {"password": {"type": "string"}},
    }


def test_names_that_tell() -> None:
    secret = ["x-api-key", "API_KEY", "api-key", "Authorization", "set-cookie", "authToken", "key"]
    assert [name for name in secret if not telling(name)] == []
    open_to_all = ["anthropic-ratelimit-tokens-remaining", "max_tokens", "monkey", "content-type"]
    assert [name for name in open_to_all if telling(name)] == []
