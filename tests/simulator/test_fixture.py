"""The pytest fixture: for tests of every kind, and cheap for those that do not use it."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from midstream.errors import ConfigurationError
from midstream.simulator import Reply, Scenario, Script, Simulator, say

ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
HELLO = [Reply([say("Hello.")])]
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}


def test_a_plain_test_can_ask(simulator: Callable[[Script], Simulator]) -> None:
    provider = simulator([Reply([say("Hello.")])])
    url = f"{provider.url}/v1/messages"
    answer = httpx2.post(url, json=ASK, headers=HEADERS)
    assert answer.json()["content"] == [{"type": "text", "text": "Hello."}]
    assert provider.requests == [ASK]


async def test_an_async_test_can_ask_two(simulator: Callable[[Script], Simulator]) -> None:
    providers = [simulator([Reply([say(name)])]) for name in ("one", "two")]
    async with httpx2.AsyncClient(headers=HEADERS) as client:
        answers = [await client.post(f"{p.url}/v1/messages", json=ASK) for p in providers]
    assert [answer.json()["content"][0]["text"] for answer in answers] == ["one", "two"]


def test_an_unknown_scenario_fails_the_test_at_once(
    simulator: Callable[[Script], Simulator],
) -> None:
    with pytest.raises(ConfigurationError, match="no scenario 'hullo'"):
        simulator("hullo")


UNTYPED: Any = Reply
PLAY: Any = Scenario


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ["hi"], "replies are a list of Reply: [Reply("),
        (lambda: [say("hi")], "replies are a list of Reply: [Reply("),
        (lambda: [UNTYPED("hi")], 'a reply is a list of blocks: Reply([say("'),
        (lambda: [UNTYPED(["hi"])], 'a reply is a list of blocks: Reply([say("'),
        (lambda: [UNTYPED(say("hi"))], 'a reply is a list of blocks: Reply([say("'),
        (lambda: Reply([say("hi")]), "replies are a list of Reply: [Reply("),
        (lambda: None, "replies are a list of Reply: [Reply("),
        (lambda: PLAY(replies="hi"), "replies are a list of Reply: [Reply("),
        (lambda: PLAY(replies=HELLO, faults=["cut"]), "faults are a list of faults: [Cut("),
    ],
)
def test_what_is_no_script_is_a_type_error_that_says_what_is_one(
    simulator: Callable[[Any], Simulator], make: Callable[[], Any], words: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        simulator(make())


def test_the_plugin_costs_little_to_import() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules);"
        "import midstream.simulator.fixture;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new & {'anyio', 'h11', 'httpx2', 'msgspec'}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
