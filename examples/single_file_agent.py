"""A streaming agent in one file: what midstream does, on an HTTP client alone.

    ANTHROPIC_API_KEY=… python single_file_agent.py "What's the weather in Lagos? Note it."

It prints the text as it comes, and starts each tool as soon as its call is whole, while the model
goes on writing. Read it from the top: the tools, then the way of the data, from bytes to a reply
to a conversation. Left out are, among other things, stopping in the middle, limits on sizes, and
telling the model of a tool that ran for a lost reply and that the next one does not ask for.
"""

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

Json = dict[str, Any]
MODEL = "claude-sonnet-4-6"
MAX_TURNS, MAX_ATTEMPTS, BACKOFF_S, SILENCE_S = 20, 5, 0.5, 60.0
TRANSIENT = {"overloaded_error", "api_error", "rate_limit_error", "timeout_error"}
INVALID = "INVALID_JSON"  # what is no JSON object goes back to the model under this name
PARTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"} | {
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
}
ENDS = {"end_turn": "", "stop_sequence": "", "tool_use": ""} | {
    "max_tokens": "the reply was cut at max_tokens",
    "model_context_window_exceeded": "the conversation fills the context window",
    "refusal": "the model refused to answer",
}


async def get_weather(city: str) -> str:
    """Current weather for a city."""
    await asyncio.sleep(0.5)  # a slow service
    return f"{city}: 31 °C, light rain"


def save_note(text: str) -> str:
    """Append a line to the user's notes."""
    with open("notes.txt", "a", encoding="utf-8") as notes:
        notes.write(text + "\n")
    return "saved"


def spec(function: Callable[..., Any], field: str) -> Json:
    schema = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
    return {"name": function.__name__, "description": function.__doc__, "input_schema": schema}


TOOLS: dict[str, Callable[..., Any]] = {"get_weather": get_weather, "save_note": save_note}
SPECS = [spec(get_weather, "city"), spec(save_note, "text")]


async def run(name: str, given: Json) -> Json:
    """Run a tool. Whatever goes wrong is for the model to read, and ends nothing."""
    if INVALID in given:
        return {"content": "Not run: the arguments are not a JSON object", "is_error": True}
    try:
        print(f"\n[{name} {given}]")
        result = await asyncio.to_thread(TOOLS[name], **given)  # a slow one must not stop the text
        return {"content": str(await result if inspect.isawaitable(result) else result)}
    except Exception as error:
        return {"content": f"{type(error).__name__}: {error}", "is_error": True}


class Failed(Exception):
    """The run is over, and the message says why."""


class Lost(Exception):
    """This reply is lost; the same request may be sent again."""


class EventReader:
    """Server-sent events, out of bytes that the network cut anywhere."""

    def __init__(self) -> None:
        self._rest, self._after_cr = b"", False

    def feed(self, chunk: bytes) -> Iterator[Any]:
        # Lines end at LF, CR and CRLF only. `aiter_lines` and `str.splitlines` cut at U+2028 and
        # U+0085 too, which may stand inside JSON.
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *records, self._rest = (self._rest + chunk).split(b"\n\n")
        for record in records:
            if data := [line[5:] for line in record.split(b"\n") if line.startswith(b"data:")]:
                yield json.loads(b"\n".join(data))


def read_object(text: str) -> Json:
    """A JSON object. What is not one is never mended: half an order is not an order."""
    try:
        value: Json | None = json.loads(text)
        json.dumps(value, allow_nan=False)  # Python takes NaN; the API does not
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {INVALID: text}


class Reply:
    """One answer as it grows. It starts each call as soon as it is certain to be whole.

    What ran for a lost reply must not run again: the next reply finds it in the `ledger`, by tool,
    arguments, and how many equal calls came before, as ids are new in every attempt.
    """

    def __init__(self, tasks: asyncio.TaskGroup, ledger: dict[str, asyncio.Task[Json]]) -> None:
        self.stop = ""
        self.whole = False
        self.usage: Json = {}
        self.content: list[Json] = []  # what goes back: blocks in their order, as they came
        self.calls: dict[str, asyncio.Task[Json]] = {}  # those that were started, by id
        self._tasks, self._ledger = tasks, ledger
        self._equal: list[str] = []
        self._open: dict[int, Json] = {}
        self._doubtful: list[Json] = []  # calls that closed, and may have been cut all the same

    def feed(self, event: Any) -> None:
        match event:
            case {"type": "message_start", "message": {"usage": usage}}:
                self.usage |= usage
            case {"type": "content_block_start", "index": int(index), "content_block": block}:
                self._open[index] = block
                self._start_calls()  # what comes before another block was not cut
            case {"type": "content_block_delta", "index": int(index), "delta": delta}:
                block = self._open[index]
                if field := PARTS.get(delta["type"]):
                    block[field] = (block.get(field) or "") + delta[field]
                    print(delta.get("text", ""), end="", flush=True)
            case {"type": "content_block_stop", "index": int(index)}:
                self._close(self._open.pop(index))
            case {"type": "message_delta", "delta": delta}:
                self.usage |= event.get("usage", {})  # cumulative: replaced, not added
                self.stop = delta.get("stop_reason") or self.stop
                if self.stop == "tool_use":
                    self._start_calls()
            case {"type": "message_stop"}:
                for block in self._open.values():  # a limit cut it
                    self._close(block)
                self.whole = bool(self.stop)
            case {"type": "error", "error": {"type": kind, "message": why}}:  # in spite of HTTP 200
                raise (Lost if kind in TRANSIENT else Failed)(f"{kind}: {why}")
            case _:  # `ping`, and kinds that the API may add any day
                pass

    def _close(self, block: Json) -> None:
        if arguments := block.pop("partial_json", ""):
            block["input"] = read_object(arguments)
        match block:
            case {"type": "tool_use", "input": given}:
                # A call cut by max_tokens looks like one without arguments, or with bad JSON,
                # until more comes. No proper prefix of a JSON object is one: what parses is whole.
                self._doubtful.append(block)
                if given and INVALID not in given:
                    self._start_calls()
            case {"type": "text", "text": given} | {"signature": given} if not given.strip():
                pass  # the API refuses blank text, and thinking that was cut before its signature
            case _:  # server tools and their results too: they are kept, and not ours to run
                self.content.append(block)

    def _start_calls(self) -> None:
        for call in self._doubtful:
            same = json.dumps([call["name"], call["input"]], sort_keys=True)
            self._equal.append(same)  # two equal payments are two payments
            key = f"{same} {self._equal.count(same)}"
            if key not in self._ledger:
                self._ledger[key] = self._tasks.create_task(run(call["name"], call["input"]))
            self.calls[call["id"]] = self._ledger[key]
        self.content += self._doubtful
        self._doubtful = []


async def receive(client: httpx2.AsyncClient, messages: list[Json], reply: Reply) -> Reply:
    body = {"model": MODEL, "max_tokens": 8192, "tools": SPECS, "messages": messages}
    async with client.stream("POST", "/v1/messages", json=body | {"stream": True}) as response:
        if response.status_code != 200:  # the body is like an error event
            await asyncio.sleep(float(response.headers.get("retry-after", 0)))
            reply.feed({"type": "error"} | read_object((await response.aread()).decode()))
            raise Lost(f"status {response.status_code}")
        reader = EventReader()
        async for chunk in response.aiter_bytes():
            for event in reader.feed(chunk):
                reply.feed(event)
            if reply.whole:
                return reply
    raise Lost("the stream ended before message_stop")  # which no exception would tell


async def ask(client: httpx2.AsyncClient, messages: list[Json], tasks: asyncio.TaskGroup) -> Reply:
    """Ask until the reply is whole."""
    ledger: dict[str, asyncio.Task[Json]] = {}
    why = ""
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            print(f"\n[{why}; the reply starts again]")  # what was shown is void
            await asyncio.sleep(BACKOFF_S * 2**attempt)
        try:
            return await receive(client, messages, Reply(tasks, ledger))
        except (Lost, httpx2.TransportError, ValueError, LookupError, TypeError) as error:
            why = str(error) or type(error).__name__  # the last three: an event was malformed
    raise Failed(f"{why} (attempt {MAX_ATTEMPTS})")


async def answer(prompt: str, url: str, key: str) -> str:
    """Go on until the model is done. Returns why it ended badly, or nothing."""
    messages: list[Json] = [{"role": "user", "content": prompt}]
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=SILENCE_S)
    async with client, asyncio.TaskGroup() as tasks:  # waits for running tools, whatever happens
        for _ in range(MAX_TURNS):
            try:
                reply = await ask(client, messages, tasks)
            except Failed as failed:
                return str(failed)
            print(f"\n[{reply.stop}, {reply.usage.get('output_tokens')} tokens]")
            messages.append({"role": "assistant", "content": reply.content})
            results = [  # one for each call: a call without one is refused for ever
                {"type": "tool_result", "tool_use_id": call_id, **await task}
                for call_id, task in reply.calls.items()
            ]
            if results and reply.stop != "refusal":  # whose calls are void
                messages.append({"role": "user", "content": results})
            elif reply.stop not in ("pause_turn", "compaction"):  # which the model continues
                return ENDS.get(reply.stop, f"unknown stop reason: {reply.stop}")
    return f"still not done after {MAX_TURNS} turns"


if __name__ == "__main__":
    if len(sys.argv) < 2 or not (api_key := os.environ.get("ANTHROPIC_API_KEY")):
        sys.exit('usage: ANTHROPIC_API_KEY=… python single_file_agent.py "What is …?"')
    base_url = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    sys.exit(asyncio.run(answer(" ".join(sys.argv[1:]), base_url, api_key)) or 0)
