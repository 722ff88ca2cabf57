"""Which values are keys by their names, and which are not by their looks."""

import pytest

from midstream.secrets.names import address, held_by, in_url, may_be_a_key, telling

SECRET = """x-api-key API_KEY api-key Authorization set-cookie authToken key AWS_SECRET_ACCESS_KEY
    GITHUB_TOKEN GH_TOKEN HF_TOKEN SLACK_BOT_TOKEN DB_PASS DB_PASSWORD PGPASSWORD MYSQL_PWD
    github_token openai_api_key SECRET_KEY_BASE npm_config_//registry.npmjs.org/:_authToken"""
OPEN = """anthropic-ratelimit-tokens-remaining max_tokens monkey content-type PATH PWD OLDPWD HOME
    TOKENIZERS_PARALLELISM x-pass-through KEYBOARD"""


def test_names_that_tell() -> None:
    assert [name for name in SECRET.split() if not telling(name)] == []
    assert [name for name in OPEN.split() if telling(name)] == []


@pytest.mark.parametrize(
    "value", ["hunter-2", "12345678", "/Ab3" + "x" * 36, "correct horse battery", "SUNSHINE"]
)
def test_what_may_be_a_key(value: str) -> None:
    assert may_be_a_key(value)


@pytest.mark.parametrize(
    "value",
    ["short", "assistant", "tool_use", "/usr/bin", "~/.ssh/id_rsa", "/Users/Ada/.ssh/id_ed25519",
     "./keys/dev", "C:\\keys\\one"],
)  # fmt: skip
def test_a_word_or_a_path_is_no_key(value: str) -> None:
    assert not may_be_a_key(value)


def test_what_an_environment_holds() -> None:
    environment = {
        "GH_TOKEN": "one",
        "HOME": "/home/ada",
        "DATABASE_URL": "postgres://ada:two@db.example/x",
        "TOKEN_URL": "https://auth.example/token?client_secret=three&x=y",
    }
    assert list(held_by(environment)) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("url", "shown", "keys"),
    [
        ("http://h:1/v1", "http://h:1/v1", []),
        ("http://u:p@ss@h/v1", "http://h/v1", ["p@ss"]),
        ("http://h/?api_key=k&a=b#c", "http://h/", ["k"]),
        ("no url: @ and ?key=x", "no url: @ and ", []),
    ],
)
def test_of_a_url_neither_user_nor_fields_are_told(url: str, shown: str, keys: list[str]) -> None:
    assert address(url) == shown
    assert [each for each in in_url(url) if each] == keys
