"""A reply on Anthropic's wire: server-sent events with the time of each, or one JSON message.

Tokens are estimated: a piece of text that is sent is one token, and four characters of the
request are one. Answers are a pure function of request and script, ids included, so that the
same request gets the same answer.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from midstream.simulator.facts import Facts
from midstream.simulator.play import PING, Frame, Json, Play, event_frame
from midstream.simulator.scenario import Block, Scenario
from midstream.simulator.server import EVENT_STREAM
from midstream.simulator.signatures import sign

# Words, numbers and signs with the blanks before them: in prose some four characters.
_PIECE = re.compile(r"\s*\w{1,8}|\s*[^\w\s]{1,4}|\s+")


class Part(Struct, frozen=True):
    """One content block as it is sent: what it starts as, and what is added to it."""

    start: Json
    deltas: list[Json]

    @property
    def tokens(self) -> int:
        return sum(map(cost, self.deltas))


class Answer(Struct, frozen=True):
    id: str
    model: str
    parts: list[Part]
    stop_reason: str
    input_tokens: int

    @property
    def output_tokens(self) -> int:
        return sum(part.tokens for part in self.parts)

    @property
    def thinking_tokens(self) -> int:
        return sum(part.tokens for part in self.parts if part.start["type"] == "thinking")


def answer(body: Json, scenario: Scenario) -> Answer:
    """What the script answers to a request that is known to be valid."""
    facts = scenario.facts(body["messages"])
    reply = scenario.reply(facts)
    digest = hashlib.blake2b(msgspec.json.encode(body["messages"]), digest_size=9).hexdigest()
    content = list(_content(reply.blocks, facts, body.get("thinking"), digest))
    parts, cut = _limited([_part(block) for block in content], body["max_tokens"])
    return Answer(
        id=f"msg_sim_{digest}",
        model=scenario.model or body["model"],
        parts=parts,
        stop_reason="max_tokens" if cut else reply.stop_reason,
        input_tokens=_input_tokens(body),
    )


def play(body: Json, scenario: Scenario, headers: Mapping[str, str]) -> Play:
    """The answer to a request that is known to be valid, in the way it asked for.

    Args:
        headers: those that every answer has.
    """
    sent = answer(body, scenario)
    if body.get("stream"):
        return Play(list(frames(sent, scenario)), {**EVENT_STREAM, **headers})
    whole = msgspec.json.encode(message(sent))
    kind = {"content-type": "application/json"}
    return Play([Frame(0.0, (whole,))], {**kind, **headers}, length=len(whole))


def frames(sent: Answer, scenario: Scenario) -> Iterator[Frame]:
    """The answer as server-sent events.

    Each token's time is counted from the request, not from the token before it, so that a slow
    reader or a busy machine does not change the pace.
    """
    tokens = 0

    def frame(event: Json) -> Frame:
        pace_s = tokens / scenario.tokens_per_second if scenario.tokens_per_second else 0.0
        return event_frame(scenario.ttft + pace_s, event)

    yield frame({"type": "message_start", "message": _opening(sent)})
    for index, part in enumerate(sent.parts):
        yield frame({"type": "content_block_start", "index": index, "content_block": part.start})
        if index == 0:
            yield frame(PING)
        for delta in part.deltas:
            yield frame({"type": "content_block_delta", "index": index, "delta": delta})
            tokens += cost(delta)
        yield frame({"type": "content_block_stop", "index": index})
    yield frame({"type": "message_delta", "delta": _stop(sent), "usage": _final_usage(sent)})
    yield frame({"type": "message_stop"})


def message(sent: Answer) -> Json:
    """The answer as one JSON message, for those who do not stream."""
    content = [_whole(part) for part in sent.parts]
    return {**_opening(sent), "content": content, **_stop(sent), "usage": _final_usage(sent)}


def pieces(text: str) -> list[str]:
    """The text in token-like pieces, which join to the text."""
    return _PIECE.findall(text)


def cost(delta: Mapping[str, Any]) -> int:
    """A delta's tokens: the signature is not written by the model, nor is an empty fragment."""
    return 0 if delta["type"] == "signature_delta" or delta.get("partial_json") == "" else 1


def _content(
    blocks: Any, facts: Facts, thinking: Mapping[str, Any] | None, digest: str
) -> Iterator[Json]:
    asked = thinking is not None and thinking["type"] != "disabled"
    omitted = thinking is not None and thinking.get("display") == "omitted"
    thoughts = 0
    if thinking is not None and thinking["type"] == "enabled" and _calls_unthinkingly(blocks):
        # With a budget the API thinks before it calls, and wants the thought back.
        blocks = [Block(thinking="The script has no thoughts; this one stands in."), *blocks]
    for number, block in enumerate(blocks):
        match block:
            case Block(text=str(text)):
                yield {"type": "text", "text": facts.fill(text)}
            case Block(call=str(name)):
                arguments = facts.fill_in(block.input or {})
                tool_id = f"toolu_sim_{digest}_{number}"
                yield {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}
            case Block(thinking=str(text)) if asked:
                shown = "" if omitted else facts.fill(text)
                yield {"type": "thinking", "thinking": shown, "signature": sign(shown, thoughts)}
                thoughts += 1
            case Block(redacted=True) if asked:
                yield {"type": "redacted_thinking", "data": sign("redacted", thoughts)}
                thoughts += 1
            case _:
                pass


def _calls_unthinkingly(blocks: Any) -> bool:
    thinks = any(block.thinking is not None or block.redacted for block in blocks)
    return not thinks and any(block.call is not None for block in blocks)


def _part(block: Json) -> Part:
    match block:
        case {"type": "text", "text": str(text)}:
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(text)]
            return Part({**block, "text": ""}, deltas)
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(text)]
            signed = {"type": "signature_delta", "signature": signature}
            return Part({**block, "thinking": "", "signature": ""}, [*deltas, signed])
        case {"type": "tool_use", "input": arguments}:
            # The API opens every input with an empty fragment, and leaves an empty one at that.
            text = msgspec.json.format(msgspec.json.encode(arguments), indent=0).decode()
            fragments = ["", *(pieces(text) if arguments else [])]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in fragments]
            return Part({**block, "input": {}}, deltas)
        case _:
            return Part(block, [])


def _limited(parts: list[Part], max_tokens: int) -> tuple[list[Part], bool]:
    """The parts that `max_tokens` has room for, and whether anything was cut off."""
    kept: list[Part] = []
    for part in parts:
        room = max_tokens - sum(earlier.tokens for earlier in kept)
        if part.tokens <= room:
            kept.append(part)
            continue
        if room > 0:
            # The costly deltas come in one run, which an empty fragment may precede.
            free = sum(delta.get("partial_json") == "" for delta in part.deltas)
            kept.append(Part(part.start, part.deltas[: room + free]))
        return kept, True
    return kept, False


def _whole(part: Part) -> Json:
    match part.start["type"]:
        case "text":
            return {**part.start, "text": "".join(delta["text"] for delta in part.deltas)}
        case "thinking":
            thoughts = "".join(delta.get("thinking", "") for delta in part.deltas)
            signature = "".join(delta.get("signature", "") for delta in part.deltas)
            return {**part.start, "thinking": thoughts, "signature": signature}
        case "tool_use":
            text = "".join(delta["partial_json"] for delta in part.deltas)
            try:
                return {**part.start, "input": msgspec.json.decode(text or "{}")}
            except msgspec.DecodeError:  # cut by max_tokens
                return part.start
        case _:
            return part.start


def _opening(sent: Answer) -> Json:
    return {
        "model": sent.model,
        "id": sent.id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            **_read(sent),
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 1,
            "service_tier": "standard",
            "inference_geo": "not_available",
        },
    }


def _stop(sent: Answer) -> Json:
    refused = {"type": "refusal", "category": None, "explanation": None}
    details = refused if sent.stop_reason == "refusal" else None
    return {"stop_reason": sent.stop_reason, "stop_sequence": None, "stop_details": details}


def _final_usage(sent: Answer) -> Json:
    thinking = {"output_tokens_details": {"thinking_tokens": sent.thinking_tokens}}
    written = {"output_tokens": sent.output_tokens}
    return {**_read(sent), **written, **(thinking if sent.thinking_tokens else {})}


def _read(sent: Answer) -> Json:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": sent.input_tokens, **cached}


def _input_tokens(body: Json) -> int:
    read = [body["messages"], body.get("system"), body.get("tools")]
    return -(-len(msgspec.json.encode(read).decode()) // 4)
