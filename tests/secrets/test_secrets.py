"""Keys are found wherever they show, and what is no key is left alone."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midstream.secrets.names import may_be_a_key
from midstream.secrets.secrets import REDACTED, Secrets, Stream

KEY = "sk-ant-api03-Canary_0123456789"
KNOWN = "Canary/of+another=kind"
SIGNED = "Canary<signed>&'sealed'"
SECRETS = Secrets([KNOWN, SIGNED, "12345678", "assistant", "/usr/bin", "k"])

SHOWN: list[tuple[str, str]] = [
    (f"the key {KEY}.", f"the key {REDACTED}."),
    (f'"{KEY}"', f'"{REDACTED}"'),
    (f"\n{KEY}\n\t{KEY}", f"\n{REDACTED}\n\t{REDACTED}"),
    (f"{KEY} and {KEY}", f"{REDACTED} and {REDACTED}"),
    (f"first\\n{KEY}\\n", f"first\\n{REDACTED}\\n"),  # on a line of its own in a JSON string
    (f"\\u000a{KEY}", f"\\u000a{REDACTED}"),
    (KNOWN, REDACTED),
    (KNOWN.replace("/", "\\/"), REDACTED),
    ("Canary%2Fof%2Banother%3Dkind", REDACTED),
    ("Canary/of\\u002Banother=kind", REDACTED),  # as .NET writes JSON
    ("Canary\\u003csigned\\u003e\\u0026'sealed'", REDACTED),  # as Go does
    ("Canary\\u003Csigned\\u003E\\u0026\\u0027sealed\\u0027", REDACTED),
    ("ghp_" + "aB3" * 12, REDACTED),
    ("AIza" + "aB3" * 11, REDACTED),
    ("glpat-" + "a1b2c3d4e5" * 2, REDACTED),
    ("pin 12345678.", f"pin {REDACTED}."),
    # Nothing of this is a key.
    *((same, same) for same in (
        "task-management-of-all-kinds", "sk-1234", "sk-estimator-html-representation",
        "from huggingface_hub import hf_hub_download, hf_transformer_utilities",
        "xai-grok-4-fast-reasoning", "an assistant in /usr/bin, k?", "123456789", "a12345678",
        '{"n":12345678,"m": 12345678}', "[12345678,12345678]", "größer \udcff \ud800",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_shown_of_a_text(text: str, shown: str) -> None:
    assert SECRETS.text(text) == shown


def test_strings_and_names_of_json_are_searched_and_nothing_else() -> None:
    value = {"n": 12345678, "l": [None, 1.5, f"x {KNOWN}"], KNOWN: 1, KEY: 2, REDACTED: 3}
    shown: dict[str, Any] = {"n": 12345678, "l": [None, 1.5, f"x {REDACTED}"]}
    assert SECRETS.strings(value) == shown | {REDACTED: 1, f"{REDACTED}'": 2, f"{REDACTED}''": 3}


def test_what_is_learnt_later_is_secret_from_then_on() -> None:
    secrets = Secrets()
    assert secrets.text("Secret-2") == "Secret-2"
    secrets.learn("Secret-2")
    assert secrets.text("Secret-2") == REDACTED


keys = st.text(min_size=8, max_size=20).map(lambda text: f"K1{text.strip()}").filter(may_be_a_key)


@given(key=keys, before=st.text(max_size=5), after=st.text(max_size=5), deep=st.booleans())
def test_the_quick_search_misses_nothing(key: str, before: str, after: str, deep: bool) -> None:
    secrets = Secrets([key])
    text = json.dumps(key) if deep else before + key + after
    assert REDACTED in secrets.text(text)
    assert secrets.suspected(msgspec.json.encode({"text": text}))
    assert secrets.suspected(msgspec.json.encode({"text": f"{before}\n{KEY}"}))


# -- in pieces ---------------------------------------------------------------------------------


def streamed(secrets: Secrets, pieces: list[bytes]) -> list[bytes]:
    stream = Stream(secrets)
    return [each for piece in pieces for each in stream.feed(piece)] + stream.rest()


@pytest.mark.parametrize("key", [KEY, KNOWN, f"\\n{KEY}"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_key_in_many_pieces_is_taken_out_and_the_pieces_stay(key: str, size: int) -> None:
    text = f"data: so {key} it is\n\n".encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = streamed(SECRETS, pieces)
    assert b"".join(shown) == SECRETS.data(text)
    assert b"Canary" not in b"".join(shown)
    assert len(shown) == len(pieces)
    assert shown[-1] == pieces[-1] or size == 100


@given(st.lists(st.sampled_from([KEY, KNOWN, " ", "ta", "sk-", "12345678", "\\", "n", "x" * 9])),
       st.integers(1, 9))  # fmt: skip
@example(["12345678", KEY, "sk-", "12345678", "ta", KNOWN], 9)  # what looks like one, cut before it
def test_pieces_make_no_difference(parts: list[str], size: int) -> None:
    text = "".join(parts).encode()
    secrets = Secrets([KNOWN])
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(streamed(secrets, pieces)) == secrets.data(text)


@pytest.mark.parametrize("key", [KEY, KNOWN, "github_pat_" + "aB3" * 12])
def test_an_end_that_may_be_a_keys_beginning_is_known(key: str) -> None:
    for length in range(1, len(key)):
        assert SECRETS.open_end(f"größer {key[:length]}") == length
        assert SECRETS.open_end(f"\ud800\n{key[:length]}") == length
    for text in ("", f"so {key} it is\n\n", "task", "so", "12345678"):
        assert SECRETS.open_end(text) == 0
    assert SECRETS.open_end("sk-" + "a" * 5000) == 0  # no key is so long: it is not waited for


def test_what_an_answer_calls_a_token_is_secret() -> None:
    secrets = Secrets(members=["access_token"])
    text = b'{"access_token": "Canary-0123456789", "expires_in": 3600, "access_token":"x"}'
    for size in (1, 5, 100):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert b"".join(streamed(secrets, pieces)) == text.replace(
            b"Canary-0123456789", REDACTED.encode()
        )
    assert not Secrets().suspected(text)


def test_a_stream_that_always_may_become_a_key_is_not_held_for_ever() -> None:
    stream = Stream(SECRETS)
    shown = [each for _ in range(5000) for each in stream.feed(b"sk-")]
    assert len(shown) > 3000
