"""Valid Chat Completions requests, and the pieces to make them of."""

from typing import Any

Json = dict[str, Any]

BEARER = {"authorization": "Bearer k"}
ASK: Json = {"role": "user", "content": "Look."}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
FUNCTION: Json = {"name": "look", "description": "Look.", "parameters": SCHEMA}
TOOL: Json = {"type": "function", "function": FUNCTION}
CUSTOM: Json = {"type": "custom", "custom": {"name": "shell", "description": "Run."}}
PICTURE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def text(words: str = "Well.", **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def user(*parts: Json, **more: Any) -> Json:
    return {"role": "user", "content": list(parts), **more}


def call(call_id: str = "a", **function: Any) -> Json:
    return {
        "id": call_id, "type": "function",
        "function": {"name": "look", "arguments": "{}", **function},
    }  # fmt: skip


def calls(*made: Json, **more: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(made), **more}


def said(words: str | None = "Well.", **more: Any) -> Json:
    return {"role": "assistant", "content": words, **more}


def result(call_id: str = "a", **more: Any) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "seen", **more}


def request(*messages: Any, **more: Any) -> Json:
    return {"model": "m", "messages": list(messages) or [ASK], "tools": [TOOL], **more}


def talk(*messages: Any, **more: Any) -> Json:
    return request(ASK, *messages, **more)


def without(*fields: str) -> Json:
    return {name: value for name, value in request().items() if name not in fields}


ACCEPTED: dict[str, Json] = {
    "a prompt": without("tools"),
    "instructions of both kinds": request(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [text()], "name": "me"},
        ASK,
    ),
    "a prompt in parts": request(
        user(
            text(), PICTURE,
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            name="someone",
        )
    ),
    "all sorts of parameters": request(
        stream=True, stream_options={"include_usage": True, "include_obfuscation": False},
        temperature=2, top_p=0.5, stop=["x"], seed=1, n=1, metadata={}, user="u", logprobs=False,
        reasoning_effort="minimal", verbosity="low", response_format={"type": "json_object"},
        parallel_tool_calls=False, max_completion_tokens=16, store=False, service_tier="auto",
        frequency_penalty=-2, presence_penalty=2, safety_identifier="s", prompt_cache_key="k",
    ),
    "what is null is not there": request(
        stream=None, temperature=None, max_tokens=None, stream_options=None, tool_choice=None
    ),
    "a tool without parameters": request(tools=[{"type": "function", "function": {"name": "a"}}]),
    "a strict tool": request(
        tools=[{"type": "function", "function": {**FUNCTION, "strict": True, "parameters": CLOSED}}]
    ),
    "a custom tool": request(tools=[TOOL, CUSTOM], tool_choice="required"),
    "a forced tool": request(tool_choice={"type": "function", "function": {"name": "look"}}),
    "a choice of tools": request(
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}
    ),
    "a call and its result": talk(calls(call()), result()),
    "words beside a call": talk(said(tool_calls=[call()]), result()),
    "thoughts that come back": talk(calls(call(), reasoning_content="Hm."), result()),
    "results in another order": talk(calls(call("a"), call("b")), result("b"), result("a")),
    "a result in parts": talk(calls(call()), result(content=[text(), text()])),
    "a result with no words": talk(calls(call()), result(content="")),
    "words behind the results": talk(calls(call()), result(), ASK),
    "an id that is used again": talk(calls(call()), result(), calls(call()), result()),
    "a call of a custom tool": talk(
        calls({"id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls"}}), result(),
        tools=[CUSTOM],
    ),
    "a refusal": talk(
        said(None, refusal="No."),
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}, text()]},
        ASK,
    ),
    "nothing said": talk(said(""), ASK),
    "what was said last": talk(said()),
    "a function as it was once called": talk(
        {"role": "assistant", "content": None, "function_call": {"name": "a", "arguments": ""}},
        {"role": "function", "name": "a", "content": "seen"},
    ),
}  # fmt: skip
