"""Valid Responses requests, and the pieces to make them of."""

from typing import Any

from midstream.simulator.signatures import seal

Json = dict[str, Any]

BEARER = {"authorization": "Bearer k"}
ASK: Json = {"role": "user", "content": "Look."}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
TOOL: Json = {"type": "function", "name": "look", "description": "Look.", "parameters": SCHEMA}
SEALED = seal("Hm.", 0)


def told(words: str = "Look.", **more: Any) -> Json:
    return {"type": "input_text", "text": words, **more}


def user(*parts: Json) -> Json:
    return {"type": "message", "role": "user", "content": list(parts)}


def said(words: str = "Well.", **more: Any) -> Json:
    content = [{"type": "output_text", "text": words, "annotations": [], "logprobs": []}]
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": content, **more,
    }  # fmt: skip


def call(call_id: str = "a", **more: Any) -> Json:
    return {
        "type": "function_call", "call_id": call_id, "name": "look", "arguments": "{}", **more,
    }  # fmt: skip


def output(call_id: str = "a", **more: Any) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": "seen", **more}


def thought(**more: Any) -> Json:
    return {
        "id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": SEALED, **more,
    }  # fmt: skip


def request(*items: Any, **more: Any) -> Json:
    return {"model": "m", "input": list(items) or [ASK], "tools": [TOOL], **more}


def talk(*items: Any, **more: Any) -> Json:
    return request(ASK, *items, **more)


def without(*fields: str) -> Json:
    return {name: value for name, value in request().items() if name not in fields}


ACCEPTED: dict[str, Json] = {
    "a prompt": {"model": "m", "input": "Look."},
    "instructions of every kind": request(
        {"role": "system", "content": "Be brief."}, {"role": "developer", "content": [told()]}, ASK,
        instructions="Be polite.",
    ),
    "a prompt in parts": request(
        user(
            told(), {"type": "input_image", "detail": "auto", "image_url": "data:,"},
            {"type": "input_file", "file_id": "file-1"},
        )
    ),
    "all sorts of parameters": request(
        stream=True, stream_options={"include_obfuscation": False}, temperature=2, top_p=1,
        max_output_tokens=16, store=False, include=["reasoning.encrypted_content"], metadata={},
        reasoning={"effort": "xhigh", "summary": "auto"}, text={"verbosity": "low"}, user="u",
        parallel_tool_calls=False, truncation="auto", service_tier="flex", tool_choice="required",
        prompt_cache_key="k", safety_identifier="s", top_logprobs=0, max_tool_calls=3,
    ),
    "what is null is not there": request(
        stream=None, previous_response_id=None, conversation=None, reasoning=None, store=None
    ),
    "no tools": request(tools=[]),
    "a tool that runs elsewhere": request(tools=[{"type": "web_search"}, TOOL]),
    "a strict tool": request(
        tools=[{**TOOL, "strict": True, "parameters": {**SCHEMA, "additionalProperties": False}}]
    ),
    "a forced tool": request(tool_choice={"type": "function", "name": "look"}),
    "a call and its output": talk(call(), output()),
    "a call as it was given": talk(call(id="fc_1", status="completed"), output(id="o")),
    "outputs in another order": talk(call("a"), call("b"), output("b"), output("a")),
    "each call before its output": talk(call("a"), output("a"), call("b"), output("b")),
    "an id that is used again": talk(call(), output(), call(), output()),
    "words between a call and its output": talk(call(), ASK, output()),
    "an output in parts": talk(call(), output(output=[told(), {"type": "input_image"}])),
    "a custom call": talk(
        {"type": "custom_tool_call", "call_id": "a", "name": "shell", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "seen"},
    ),
    "what was said": talk(said(phase="final_answer"), ASK),
    "what was said, in few words": talk({"role": "assistant", "content": "Well."}, ASK),
    "a refusal": talk(said(content=[{"type": "refusal", "refusal": "No."}]), ASK),
    "a thought before what was said": talk(thought(), said(), ASK),
    "a thought before a call": talk(thought(), call(), output(), store=False),
    "a thought without an id": talk(
        {"type": "reasoning", "summary": [], "encrypted_content": SEALED}, call(), output()
    ),
    "two thoughts in a row": talk(thought(), thought(id="rs_2"), said(), ASK),
    "a thought of ours that is kept": talk(
        {"id": "rs_sim_1", "type": "reasoning", "summary": []}, said(), ASK
    ),
    "a thought with its summary": talk(
        thought(summary=[{"type": "summary_text", "text": "Hm."}], content=[]), said(), ASK
    ),
    "a search that ran elsewhere": talk(
        thought(), {"type": "web_search_call", "id": "ws_1", "status": "completed"}, said(), ASK
    ),
}  # fmt: skip
