"""Conversations: what the real API accepts is accepted, what it refuses is refused."""

from pathlib import Path

import msgspec
import pytest

from midstream.simulator import Reply, Scenario, call, say
from midstream.simulator.shape import Refusal
from midstream.simulator.signatures import sign
from midstream.simulator.strict import problem
from midstream.simulator.wires import MESSAGES, play
from tests.simulator.requests import (
    ACCEPTED,
    ASK,
    HEADERS,
    MANUAL,
    RECENT,
    Json,
    assistant,
    found,
    request,
    result,
    search,
    talk,
    text,
    thought,
    use,
    user,
)
from tests.simulator.twisted import twisted


def verdict(body: Json, headers: dict[str, str] = HEADERS) -> tuple[int, str, str] | None:
    refusal = problem(headers, msgspec.json.encode(body))
    return (refusal.status, refusal.kind, refusal.message) if refusal else None


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_api_accepts_is_accepted(body: Json) -> None:
    assert verdict(body) is None


# Each is a valid request with one thing broken, and a piece of what the API says to it.
REFUSED = [
    # messages
    ("message is text", request("Look."), "messages.0: Input should be a valid dictionary"),  # type: ignore[arg-type]
    ("system role", request({"role": "system", "content": "x"}), 'Unexpected role "system"'),
    ("strange role", request({"role": "tool", "content": "x"}), 'Unexpected role "tool"'),
    ("message field", request({**ASK, "id": "1"}), "messages.0.id: Extra inputs are not permitted"),
    ("no content", request({"role": "user"}), "messages.0.content: Field required"),
    ("content a number", request({**ASK, "content": 1}), "messages.0.content: Input should be a"),
    ("content empty", request(user()), "messages.0: all messages must have non-empty content"),
    ("assistant first", request(assistant(text()), ASK), 'first message must use the "user" role'),
    ("assistant last", talk(assistant(text())), "does not support assistant message prefill"),
    # blocks
    ("block is text", request(user("x")), "messages.0.content.0: Input tag 'None' found using"),  # type: ignore[arg-type]
    ("block unknown", request(user({"type": "video"})), "Input tag 'video' found using 'type'"),
    ("block field", request(user(text(id="1"))), "messages.0.content.0.text.id: Extra inputs are"),
    ("text a number", request(user({"type": "text", "text": 1})), "text.text: Input should be a"),
    ("text empty", request(user(text(""))), "messages: text content blocks must be non-empty"),
    ("text blank", request(user(text(" \n"))), "must contain non-whitespace text"),
    ("prompt blank", request({**ASK, "content": " "}), "must contain non-whitespace text"),
    ("result text empty", talk(assistant(use()), user(result(content=[text("")]))), "non-empty"),
    ("result a number", talk(assistant(use()), user(result(content=1))), "content: Input should b"),
    ("result nested", talk(assistant(use()), user(result(content=[use()]))), "Input tag 'tool_use"),
    (
        "cache of nothing",
        request(user(text("", cache_control={"type": "ephemeral"}))),
        "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    (
        "cache of thinking",
        talk(assistant(thought(cache_control={}), text()), ASK),
        "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
    ),
    ("call by user", request(user(use())), "`tool_use` blocks can only be in `assistant` messages"),
    ("result by assistant", talk(assistant(result())), "can only be in `user` messages"),
    ("thinking by user", request(user(thought())), "can only be in `assistant` messages"),
    # calls and results
    (
        "call id",
        talk(assistant(use("look:0")), user(result("look:0"))),
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    (
        "input a list",
        talk(assistant(use(input=[])), user(result())),
        "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
    ),
    (
        "id used twice",
        talk(assistant(use(), use()), user(result())),
        "messages.1.content.1: `tool_use` ids must be unique",
    ),
    (
        "id used again",
        talk(assistant(use()), user(result()), assistant(use()), user(result())),
        "messages.3.content.0: `tool_use` ids must be unique",
    ),
    (
        "no result",
        talk(assistant(use("a"), use("b")), user(result("a"))),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b.",
    ),
    ("text before results", talk(assistant(use()), user(text(), result())), "immediately after: a"),
    ("text in place", talk(assistant(use()), user(text())), "immediately after: a"),
    ("result late", talk(assistant(use()), ASK, assistant(text()), user(result())), "immediately"),
    ("nothing after", talk(assistant(use())), "immediately after: a"),
    (
        "result of nothing",
        talk(assistant(text()), user(result())),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each",
    ),
    (
        "two results",
        talk(assistant(use()), user(result(), result())),
        "messages.2.content.1: each tool_use must have a single result. Found multiple",
    ),
    (
        "search without result",
        talk(assistant(search(), text()), ASK),
        "`web_search` tool use with id `s` was found without a corresponding `web_search_tool_res",
    ),
    (
        "search without result, text beside ours",
        talk(assistant(search(), use()), user(result(), text())),
        "`web_search` tool use with id `s` was found without a corresponding `web_search_tool_res",
    ),
    (
        "found without search",
        talk(assistant(found(), text()), ASK),
        "unexpected `tool_use_id` found in `web_search_tool_result` blocks: s. Each",
    ),
    # thinking
    (
        "unsigned",
        talk(assistant(thought(signature=""), text()), ASK),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "signature cut",
        talk(assistant(thought(signature=sign("Hm.", 0)[:-8]), text()), ASK),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "data made up",
        talk(assistant({"type": "redacted_thinking", "data": "x"}, text()), ASK),
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    (
        "thinking changed",
        talk(assistant({**thought(), "thinking": "Hm!"}, text()), ASK),
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant",
    ),
    (
        "thinking dropped",
        talk(assistant(thought("Now?", 1), text()), ASK),
        "blocks in the latest assistant message cannot be modified",
    ),
    (
        "thinking moved",
        talk(assistant(thought(), thought("3", 2), thought("2", 1), text()), ASK),
        "blocks in the latest assistant message cannot be modified",
    ),
    (
        "thinking last",
        talk(assistant(text(), thought()), ASK),
        "messages.1: The final block in an assistant message cannot be `thinking`.",
    ),
    (
        "call without thinking",
        talk(assistant(use()), user(result()), thinking=MANUAL),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_u",
    ),
]


@pytest.mark.parametrize(
    ("body", "words"), [(body, words) for _, body, words in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_one_broken_thing_is_refused(body: Json, words: str) -> None:
    refusal = verdict(body)
    assert refusal
    assert refusal[:2] == (400, "invalid_request_error")
    assert words in refusal[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (request(temperature=1), "temperature: "),
        (request(top_p=1), "top_p: "),
        (request(top_k=1), "top_k: "),
        (
            talk(assistant({"type": "document", "source": {}}), ASK),
            "messages.1.content.0: `document` blocks can only be in `user` messages",
        ),
        (request(user(text(citations=[{}]))), "messages.0.content.0.text.citations: "),
    ],
)
def test_the_recent_version_refuses_more(body: Json, words: str) -> None:
    assert verdict(body) is None
    refusal = verdict(body, RECENT)
    assert refusal
    assert words in refusal[2]


def test_real_requests_are_accepted(captures: Path) -> None:
    beta = {**HEADERS, "anthropic-beta": "some"}
    refusals = {
        file.name: refusal.message
        for file in (captures / "anthropic").glob("*.request.json")
        if (refusal := problem(beta, file.read_bytes()))
    }
    assert set(refusals.values()) <= {
        "messages.1.content.0: Invalid `signature` in `thinking` block"  # not signed by us
    }


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_no_request_is_too_strange_to_refuse_or_to_answer(body: Json) -> None:
    script = Scenario(replies=[Reply([say("{prompt} {look.seen}"), call("look", at="{look}")])])
    for strange in twisted(body):
        refusal = problem(HEADERS, msgspec.json.encode(strange))
        assert isinstance(refusal, Refusal) or play(MESSAGES, strange, script, {}).body
