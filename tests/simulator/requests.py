"""Valid requests, and the pieces to make them of."""

from typing import Any

from midstream.simulator.signatures import sign

Json = dict[str, Any]

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
RECENT = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
CACHE = {"type": "ephemeral"}
MANUAL = {"type": "enabled", "budget_tokens": 1024}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASK: Json = {"role": "user", "content": "Look."}


def text(words: str = "Well.", **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def use(call: str = "a", **more: Any) -> Json:
    return {"type": "tool_use", "id": call, "name": "look", "input": {}, **more}


def result(call: str = "a", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": call, "content": "seen", **more}


def thought(words: str = "Hm.", place: int = 0, **more: Any) -> Json:
    return {"type": "thinking", "thinking": words, "signature": sign(words, place), **more}


def search(call: str = "s") -> Json:
    return {"type": "server_tool_use", "id": call, "name": "web_search", "input": {}}


def found(call: str = "s") -> Json:
    return {"type": "web_search_tool_result", "tool_use_id": call, "content": []}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def request(*messages: Json, **more: Any) -> Json:
    return {
        "model": "m",
        "max_tokens": 2048,
        "messages": list(messages) or [ASK],
        "tools": [TOOL],
        **more,
    }


def talk(*messages: Json, **more: Any) -> Json:
    return request(ASK, *messages, **more)


def without(field: str) -> Json:
    return {name: value for name, value in request().items() if name != field}


ACCEPTED: dict[str, Json] = {
    "a prompt": request(),
    "a prompt in blocks": request(user(text(citations=[text()]), text())),
    "all sorts of parameters": request(
        system=[text()], stream=True, temperature=1, top_p=0.5, stop_sequences=["x"], metadata={}
    ),
    "no room at all, to warm the cache": request(max_tokens=0),
    "a server tool beside ours": request(
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
    ),
    "a forced tool": request(tool_choice={"type": "tool", "name": "look"}),
    "a forced tool with adaptive thinking": request(
        tool_choice={"type": "any"}, thinking={"type": "adaptive"}
    ),
    "a call and its result": talk(assistant(text(), use()), user(result())),
    "text after the calls": talk(assistant(text(), use(), text()), user(result())),
    "text after the results": talk(assistant(use()), user(result(), text())),
    "results in another order": talk(assistant(use("a"), use("b")), user(result("b"), result("a"))),
    "results in messages of their own": talk(
        assistant(use("a"), use("b")), user(result("a")), user(result("b"))
    ),
    "an answer in two messages": talk(assistant(text()), assistant(use()), user(result())),
    "a result without content": talk(assistant(use()), user({**result(), "content": None})),
    "a result with no words": talk(assistant(use()), user(result(content=""))),
    "a failure with a picture": talk(
        assistant(use()),
        user(result(is_error=True, content=[text(), {"type": "image", "source": {}}])),
    ),
    "thinking before a call": talk(
        assistant(thought(), use()), user(result()), thinking=MANUAL
    ),
    "a call after the first one without thinking": talk(
        assistant(thought(), use("a")), user(result("a")), assistant(use("b")), user(result("b")),
        thinking=MANUAL,
    ),
    "no thinking before a call, when it is adaptive": talk(
        assistant(use()), user(result()), thinking={"type": "adaptive"}
    ),
    "thinking between calls": talk(
        assistant(thought(), use(), thought("Now?", 1), text(), use("b")),
        user(result(), result("b")),
    ),
    "redacted thinking": talk(
        assistant({"type": "redacted_thinking", "data": sign("redacted", 0)}, use()),
        user(result()),
        thinking=MANUAL,
    ),
    "thinking of two answers in one turn": talk(
        assistant(thought(), search(), found()), assistant(thought("So."), text()), ASK
    ),
    "an older turn that lost some thinking": talk(
        assistant(thought("Now?", 1), text()), ASK, assistant(text()), ASK
    ),
    "a search that is paused": talk(assistant(text(), search())),
    "a search that is whole": talk(assistant(search(), found(), text()), ASK),
    "a search that waits for our result": talk(assistant(search(), use()), user(result())),
    "a search whose result came in the next answer": talk(
        assistant(search(), use()), user(result()), assistant(found(), text()), ASK
    ),
}  # fmt: skip
