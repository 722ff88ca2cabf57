"""A streaming agent in one file: what midstream does, on an HTTP client alone.

    python single_file_agent.py "What's the weather in Lagos? Make a note of it."

It asks Anthropic's Messages API, prints the text as it comes, and starts each tool as soon as its
call is whole, while the model goes on writing. ANTHROPIC_API_KEY must be set.

Read it from the top, the way the data goes: bytes, events, a reply, a turn (a reply and its tools,
asked for until it is whole), the conversation. A comment says what breaks without its line. Left
out is, among other things: stopping it in the middle, limits on sizes, and telling the model of a
tool that ran for a lost reply and that the next reply does not ask for.
"""

import asyncio
import inspect
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx2

MODEL = "claude-sonnet-4-6"
MAX_TURNS, MAX_ATTEMPTS, BACKOFF_S, SILENCE_S = 20, 5, 0.5, 60.0
TRANSIENT = {"overloaded_error", "api_error", "rate_limit_error", "timeout_error"}
PARTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
GO_ON = {"pause_turn", "compaction"}  # send back what there is, and the model continues
ENDS = {"end_turn": "", "stop_sequence": "", "tool_use": ""} | {
    "max_tokens": "the reply was cut at max_tokens",
    "model_context_window_exceeded": "the conversation fills the context window",
}

# What reading a malformed event raises: a wrong type, a missing field, a block that never began.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

Json = dict[str, Any]


async def get_weather(city: str) -> str:
    """Current weather for a city."""
    await asyncio.sleep(0.5)  # a slow service
    return json.dumps({"city": city, "temp_c": 31, "conditions": "light rain"})


def save_note(text: str) -> str:
    """Append a line to the user's notes."""
    with open("notes.txt", "a", encoding="utf-8") as notes:
        notes.write(text + "\n")
    return "saved"


def spec(function: Callable[..., Any], parameter: str) -> Json:
    properties = {parameter: {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": [parameter]}
    return {"name": function.__name__, "description": function.__doc__, "input_schema": schema}


TOOLS: dict[str, Callable[..., Any]] = {"get_weather": get_weather, "save_note": save_note}
SPECS = [spec(get_weather, "city"), spec(save_note, "text")]


class Failed(Exception):
    """The run is over, and the message says why."""


class Lost(Exception):
    """This reply is lost; the same request may be sent again, after what the server advised."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class EventReader:
    """Server-sent events, out of bytes that the network cut anywhere."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of the open line, joined once
        self._data: list[bytes] = []
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[Any]:
        # Lines end at LF, CR and CRLF only. `aiter_lines` and `str.splitlines` cut at U+2028 and
        # U+0085 too, which may stand inside JSON.
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        *ends, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for end in ends:
            line, self._line = b"".join([*self._line, end]), []
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                if data.strip():
                    yield json.loads(data)
        self._line.append(rest)


class Reply:
    """One answer as it grows."""

    def __init__(self) -> None:
        self.stop = ""
        self.whole = False
        self.usage: Json = {}
        self.invalid: dict[str, str] = {}  # calls that cannot run, by id, and why
        self._blocks: dict[int, Json] = {}  # as they came, to go back as they came
        self._open: dict[int, list[str]] = {}  # the fragments of blocks that have not closed
        self._doubtful: list[int] = []  # calls that closed, and may have been cut all the same
        self._certain: set[int] = set()  # blocks that are whole

    def feed(self, event: Any) -> list[Json]:
        """Take one event; return the calls that it makes certain."""
        match event:
            case {"type": "message_start", "message": {"usage": usage}}:
                self.usage |= usage
            case {"type": "content_block_start", "index": int(index), "content_block": block}:
                self._blocks[index], self._open[index] = block, []
                return self._settle()  # what comes before another block was not cut
            case {"type": "content_block_delta", "index": int(index), "delta": delta}:
                self._add(index, delta)
            case {"type": "content_block_stop", "index": int(index)}:
                return self._close(index)
            case {"type": "message_delta", "delta": delta}:
                # Usage is cumulative: a report replaces the one before, it is not added to it.
                self.usage |= {k: v for k, v in event.get("usage", {}).items() if v is not None}
                self.stop = delta.get("stop_reason") or self.stop
                return self._settle() if self.stop == "tool_use" else []
            case {"type": "message_stop"}:
                self.whole = bool(self.stop)
            case {"type": "error", "error": error}:  # although the status was 200
                refuse(error)
            case _:  # `ping`, and kinds that the API may add any day
                pass
        return []

    def content(self) -> list[Json]:
        """What goes back: every block in its place, thinking with its signature, unchanged.

        Left out is what the API would refuse: calls that were cut, unsigned thinking, blank text.
        """
        for index in [i for i in self._open if self._blocks[i]["type"] == "text"]:
            self._close(index)  # a limit cut it, and it is worth keeping
        return [self._blocks[index] for index in sorted(self._certain)]

    def _add(self, index: int, delta: Json) -> None:
        block, parts = self._blocks[index], self._open[index]
        match delta:
            case {"type": str(kind)} if kind in PARTS:
                parts.append(delta[PARTS[kind]])
                show(delta.get("text", ""))
            case {"type": "citations_delta", "citation": citation}:
                block["citations"] = [*(block.get("citations") or []), citation]
            case {"type": "signature_delta" | "compaction_delta", **fields}:
                block |= fields
            case _:
                pass

    def _close(self, index: int) -> list[Json]:
        block, text = self._blocks[index], "".join(self._open.pop(index))
        match block["type"]:
            case "tool_use":
                return self._close_call(index, block, text.strip())
            case "text" | "thinking" as field:
                block[field] += text
                whole = bool(block["text"].strip() if field == "text" else block["signature"])
            case _:  # server tools, their results, redacted thinking: kept, and not ours to run
                if text:
                    block["input"] = read_object(text)
                whole = block.get("input", {}) is not None
        self._certain |= {index} if whole else set()
        return []

    def _close_call(self, index: int, block: Json, text: str) -> list[Json]:
        given = read_object(text) if text else block.get("input")
        block["input"] = given or {}
        if given or (given == {} and text):  # no proper prefix of a JSON object is one: it is whole
            self._certain.add(index)
            return [block]
        # A call that max_tokens cut before its first fragment looks like one without arguments,
        # and one that was cut later like one with bad JSON. Only what comes next can tell.
        self._doubtful.append(index)
        if text:
            self.invalid[block["id"]] = f"Not run: the arguments are not a JSON object: {text}"
        return []

    def _settle(self) -> list[Json]:
        settled, self._doubtful = self._doubtful, []
        self._certain.update(settled)
        return [self._blocks[index] for index in settled]


def read_object(text: str) -> Json | None:
    """A whole JSON object, or None. Never mended: half an order is not an order."""
    try:
        value: Json | None = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")  # Python would take NaN; the API does not


def refuse(error: Json, status: int = 0, after_s: str = "") -> NoReturn:
    words = f"{error.get('type', status)}: {error.get('message', '')}"
    if error.get("type") in TRANSIENT or status in (408, 409, 429) or status >= 500:
        raise Lost(words, float(after_s) if after_s.isdigit() else 0.0)
    raise Failed(words)


class Turn:
    """A reply and its calls, asked for until the reply is whole.

    What ran for a reply that was lost must not run again. Ids are new in every attempt, so it goes
    by tool, arguments, and how many equal calls came before: two equal payments are two payments.
    """

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._ledger: dict[tuple[str, str, int], asyncio.Task[Json]] = {}
        self._equal: Counter[tuple[str, str]] = Counter()
        self._asked: dict[str, asyncio.Task[Json]] = {}  # the calls of this attempt, by id

    async def reply(self, client: httpx2.AsyncClient, messages: list[Json]) -> Reply:
        attempt = 1
        while True:
            try:
                return await self._attempt(client, messages)
            except (Lost, httpx2.TransportError, *MALFORMED) as error:
                words = str(error) or type(error).__name__
                if attempt == MAX_ATTEMPTS:
                    raise Failed(f"{words} (attempt {attempt})") from error
                show(f"\n[{words}; the reply starts again]\n")  # what was shown is void
                after_s = error.after_s if isinstance(error, Lost) else 0.0
            await asyncio.sleep(after_s or BACKOFF_S * 2**attempt * random.random())
            attempt += 1

    async def _attempt(self, client: httpx2.AsyncClient, messages: list[Json]) -> Reply:
        self._equal.clear()
        self._asked.clear()
        reply, reader = Reply(), EventReader()
        body = {"model": MODEL, "max_tokens": 8192, "tools": SPECS, "messages": messages}
        sent = json.dumps(body | {"stream": True})
        async with client.stream("POST", "/v1/messages", content=sent) as response:
            if response.status_code != 200:
                error = read_object((await response.aread()).decode(errors="replace")) or {}
                after_s = response.headers.get("retry-after", "")
                refuse(error.get("error") or {}, response.status_code, after_s)
            async for chunk in response.aiter_bytes():
                for event in reader.feed(chunk):
                    for call in reply.feed(event):
                        self._start(call, reply.invalid.get(call["id"]))
                if reply.whole:
                    return reply
        raise Lost("the stream ended before message_stop")  # which no exception would tell

    def _start(self, call: Json, problem: str | None) -> None:
        same = (call["name"], problem or json.dumps(call["input"], sort_keys=True))
        key = (*same, self._equal[same])
        self._equal[same] += 1
        if key not in self._ledger:
            self._ledger[key] = self._tasks.create_task(run(call["name"], call["input"], problem))
        self._asked[call["id"]] = self._ledger[key]

    async def results(self, content: list[Json]) -> list[Json]:
        """One for each call, in the order of the calls: a call without one is refused for ever."""
        ids = [block["id"] for block in content if block["type"] == "tool_use"]
        return [
            {"type": "tool_result", "tool_use_id": call_id, **await self._asked[call_id]}
            for call_id in ids
        ]


async def run(name: str, given: Json, problem: str | None) -> Json:
    """Run a tool. Whatever goes wrong is for the model to read, and ends nothing."""
    if problem or name not in TOOLS:
        return {"content": problem or f"There is no tool named {name!r}.", "is_error": True}
    tool = TOOLS[name]
    show(f"\n[{name} {json.dumps(given)}]\n")
    try:
        if inspect.iscoroutinefunction(tool):
            return {"content": str(await tool(**given))}
        return {"content": str(await asyncio.to_thread(tool, **given))}  # or it stops the stream
    except Exception as error:
        return {"content": f"{type(error).__name__}: {error}", "is_error": True}


def show(text: str) -> None:
    print(text.encode(errors="replace").decode(), end="", flush=True)


async def converse(messages: list[Json], client: httpx2.AsyncClient) -> str:
    """Go on until the model is done. Returns why it ended badly, or nothing."""
    async with asyncio.TaskGroup() as tasks:  # waits for running tools, whatever happens
        for _ in range(MAX_TURNS):
            turn = Turn(tasks)
            try:
                reply = await turn.reply(client, messages)
            except Failed as failed:
                return str(failed)
            show(f"\n[{reply.stop}, {reply.usage.get('output_tokens')} tokens]\n")
            if reply.stop == "refusal":  # its calls are void, and what was refused is not kept
                return "the model refused to answer"
            content = reply.content()
            if content:
                messages.append({"role": "assistant", "content": content})
            if results := await turn.results(content):
                messages.append({"role": "user", "content": results})
            elif reply.stop not in GO_ON:
                return ENDS.get(reply.stop, f"unknown stop reason: {reply.stop}")
        return f"still not done after {MAX_TURNS} turns"


async def answer(prompt: str, url: str, key: str) -> str:
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "accept-encoding": "identity"}
    headers["content-type"] = "application/json"
    timeout = httpx2.Timeout(SILENCE_S, connect=10)
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=timeout) as client:
        return await converse([{"role": "user", "content": prompt}], client)


if __name__ == "__main__":
    if len(sys.argv) < 2 or not (api_key := os.environ.get("ANTHROPIC_API_KEY")):
        sys.exit('usage: ANTHROPIC_API_KEY=… python single_file_agent.py "What is …?"')
    base_url = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    sys.exit(asyncio.run(answer(" ".join(sys.argv[1:]), base_url, api_key)) or 0)
