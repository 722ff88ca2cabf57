"""Answers drawn at random, as the two OpenAI wires tell them, and ways to spoil what they tell.

An answer is a list of parts; how it is cut into records, and what a server says besides, is drawn
too. The other reading (`told_whole`) shares nothing with midstream's: it sees all records at once.
"""

import copy
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

from hypothesis import strategies as st
from msgspec import Struct

from midstream.turn.turn import SealedCall
from tests.proof.oracle import mended, mended_in

Json = dict[str, Any]
Records = list[Any]
WORDS = st.sampled_from(["Hi", " there", "{", '"', "\n", "\u2028", "é", "🦆", "\\u0041"])
INPUTS = st.dictionaries(
    st.sampled_from(["n", "path", "🦆"]),
    st.integers(-5, 5) | WORDS | st.lists(st.just({"x": None}), max_size=2),
    max_size=2,
)


Kind = Literal["thinking", "text", "call"]
KINDS: list[Kind] = ["thinking", "text", "call", "call"]


class Part(Struct, frozen=True):
    """Some thinking, some text, or a call."""

    kind: Kind
    text: str = ""
    name: str = ""
    input: Json = {}
    blank: bool = False  # arguments that are none, which stands for {}

    @property
    def arguments(self) -> str:
        return "" if self.blank else json.dumps(self.input)


@st.composite
def answers(draw: st.DrawFn) -> list[Part]:
    """Parts of which no two neighbours are words of one kind: they would be one block."""
    parts = list[Part]()
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=6)):
        if kind == "call":
            given = draw(INPUTS)
            blank = not given and draw(st.booleans())
            parts.append(Part("call", "", draw(st.sampled_from(["look", "pay"])), given, blank))
        elif not (parts and parts[-1].kind == kind):
            text = "".join(draw(st.lists(WORDS, min_size=1, max_size=4)))
            parts.append(Part(kind, text))
    return parts


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The text cut anywhere, also inside a surrogate pair, as servers do it."""
    units = [chr(u) for u in memoryview(text.encode("utf-16-le")).cast("H")]
    places = sorted(draw(st.lists(st.integers(0, len(units)), max_size=3)))
    cuts = [0, *places, len(units)]
    return ["".join(units[a:b]) for a, b in pairwise(cuts)]


def merged(draw: st.DrawFn, *lanes: Records) -> Iterator[Any]:
    """The records of several lanes, each lane in its order."""
    waiting = [lane[::-1] for lane in lanes if lane]
    while waiting:
        lane = draw(st.sampled_from(waiting))
        yield lane.pop()
        waiting = [each for each in waiting if each]


# -- Chat Completions --------------------------------------------------------------------------

CHAT_NOISE: list[Any] = [
    b"", {}, {"choices": []}, {"choices": None, "x": [1]},
    {"model": "m", "choices": [{"index": 1}]},
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": None, "refusal": None}}]},
]  # fmt: skip


class Style(Struct, frozen=True):
    """What a chat server says of whose a fragment is."""

    index: bool
    ids: Literal["first", "each", "rotating", "none"]
    names: Literal["first", "empty", "each"]

    def is_plain(self) -> bool:
        """Whether each fragment says whose it is, so that calls may take turns."""
        return self.index or self.ids == "each"


STYLES = [
    Style(index, ids, names)
    for index in (True, False)
    for ids in ("first", "each", "rotating", "none")
    for names in ("first", "empty", "each")
    # A new id and a name in every fragment would be a new call every time; and so would a name in
    # every fragment be, if nothing else told where a call ends.
    if not (names == "each" and (ids in ("rotating", "none") or not index))
    and not (ids == "none" and not index)
]
PLAIN = Style(True, "first", "first")


def chat(delta: Json, finish: str | None = None) -> Json:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def chat_call(draw: st.DrawFn, number: int, part: Part, style: Style) -> Records:
    records: Records = []
    for place, piece in enumerate(pieces(draw, part.arguments)):
        function: Json = {"arguments": piece}
        fragment: Json = {"function": function}
        if place == 0 or style.names == "each":
            function["name"] = part.name
        elif style.names == "empty":
            function["name"] = ""
        if style.index:
            fragment["index"] = number
        if style.ids == "each" or (style.ids in ("first", "rotating") and place == 0):
            fragment["id"] = f"c{number}"
        elif style.ids == "rotating":
            fragment["id"] = f"c{number}_{place}"
        records.append(chat({"tool_calls": [fragment]}))
    return records


def chat_records(draw: st.DrawFn, parts: list[Part], style: Style) -> Records:
    """The records of an answer, without its end."""
    runs: list[list[Records]] = [[]]  # lanes that may be merged
    calls = 0
    for part in parts:
        if part.kind == "call":
            lane = chat_call(draw, calls, part, style)
            calls += 1
        else:
            field = "content" if part.kind == "text" else "reasoning_content"
            lane = [chat({field: piece}) for piece in pieces(draw, part.text)]
        if part.kind != "call" or not style.is_plain() or not draw(st.booleans()):
            runs.append([])
        runs[-1].append(lane)
        if part.kind != "call":
            runs.append([])
    records = [each for lanes in runs for each in started_in_order(draw, lanes)]
    return list(merged(draw, records, draw(st.lists(st.sampled_from(CHAT_NOISE), max_size=3))))


def started_in_order(draw: st.DrawFn, lanes: list[Records]) -> Iterator[Any]:
    """The lanes merged, with all their first records before."""
    if len(lanes) > 1:
        yield from (lane[0] for lane in lanes)
        lanes = [lane[1:] for lane in lanes]
    yield from merged(draw, *lanes)


@st.composite
def chat_streams(draw: st.DrawFn, styles: list[Style] = STYLES) -> tuple[list[Part], Records]:
    """An answer, and the records of a server that gives it whole."""
    parts = draw(answers())
    records = chat_records(draw, parts, draw(st.sampled_from(styles)))
    called = any(part.kind == "call" for part in parts)
    finish: Json = chat({}, draw(st.sampled_from(["stop", "tool_calls"])) if called else "stop")
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    if draw(st.booleans()):
        finish["usage"] = usage
        tail: Records = [finish]
    else:
        tail = [finish, {"choices": [], "usage": usage}]
    if draw(st.booleans()):
        tail.insert(1, copy.deepcopy(finish))
    return parts, [*records, *tail, *draw(st.sampled_from([[], [b"[DONE]"]]))]


# -- Responses ---------------------------------------------------------------------------------

RESPONSES_NOISE: list[Any] = [
    {"type": "response.in_progress", "response": {}}, {"type": "response.heartbeat"}, b"",
    {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "x"},
    {"type": "response.content_part.added", "output_index": 0, "part": {"type": "output_text"}},
    {"type": "response.output_text.done", "output_index": 0, "text": "something else"},
    {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{"},
]  # fmt: skip


def item(number: int, part: Part, *, done: bool) -> Json:
    """An item as it is announced, or as it is when it is done."""
    text = part.text if done else ""
    match part.kind:
        case "call":
            arguments = part.arguments if done else ""
            return {"type": "function_call", "id": f"fc_{number}", "call_id": f"c{number}",
                    "name": part.name, "arguments": arguments,
                    "status": "completed" if done else "in_progress"}  # fmt: skip
        case "text":
            content = [{"type": "output_text", "text": text, "annotations": []}] if done else []
            return {"type": "message", "id": f"msg_{number}", "content": content}
        case "thinking":
            summary = [{"type": "summary_text", "text": text}] if done else []
            return {"type": "reasoning", "id": f"rs_{number}", "summary": summary,
                    "encrypted_content": "whole" if done else "half"}  # fmt: skip


DELTAS = {
    "call": "response.function_call_arguments.delta",
    "text": "response.output_text.delta",
    "thinking": "response.reasoning_summary_text.delta",
}


def item_records(draw: st.DrawFn, number: int, part: Part, *, placed: bool) -> Records:
    whole = item(number, part, done=True)
    text = part.arguments if part.kind == "call" else part.text
    place = {"output_index": number} if placed else {}
    added = {"type": "response.output_item.added", **place, "item": item(number, part, done=False)}
    said = pieces(draw, text) if draw(st.booleans()) else []
    deltas = [{"type": DELTAS[part.kind], **place, "item_id": whole["id"], "delta": each}
              for each in said]  # fmt: skip
    if placed and draw(st.booleans()):  # ids change on the way
        for each in deltas:
            each["item_id"] = "temporary"
        whole = whole | {"id": f"{whole['id']}_final"}
    return [added, *deltas, {"type": "response.output_item.done", **place, "item": whole}]


@st.composite
def responses_streams(draw: st.DrawFn) -> tuple[list[Part], Records]:
    """An answer, and the records of a server that gives it whole."""
    parts = draw(answers())
    placed = draw(st.booleans())
    lanes = [item_records(draw, n, part, placed=placed) for n, part in enumerate(parts)]
    if draw(st.booleans()):
        records = [each for lane in lanes for each in lane]
    else:
        records = list(started_in_order(draw, lanes))
    records = list(
        merged(draw, records, draw(st.lists(st.sampled_from(RESPONSES_NOISE), max_size=3)))
    )
    whole = [item(number, part, done=True) for number, part in enumerate(parts)]
    usage = {"input_tokens": 3, "output_tokens": 4}
    response = {"model": "m", "output": draw(st.sampled_from([whole, None, []])), "usage": usage}
    begun = {"type": "response.created", "response": {"model": "m"}}
    mark = draw(st.sampled_from([[], [b"[DONE]"]]))
    return parts, [begun, *records, {"type": "response.completed", "response": response}, *mark]


# -- spoiled streams ---------------------------------------------------------------------------

VALUES: list[Any] = [
    *(None, "", "x", "c0", "c1", "look", "pay", 0, 1, 7, [], {}, True, "{}", "{", "}", '{"n":1}'),
    *("length", "stop", "tool_calls", "function_call", "message", "incomplete", "\ud83e", "\0"),
]


def spoil(draw: st.DrawFn, records: Records) -> Records:
    """The records with one of them dropped, doubled, moved, or changed."""
    kind = draw(st.sampled_from(["drop", "double", "swap", "change", "bytes", "cut"]))
    at = draw(st.integers(0, len(records) - 1))
    to = draw(st.integers(0, len(records) - 1))
    match kind:
        case "drop":
            return records[:at] + records[at + 1 :]
        case "double":
            return [*records[: to + 1], records[at], *records[to + 1 :]]
        case "swap":
            swapped = list(records)
            swapped[at], swapped[to] = records[to], records[at]
            return swapped
        case "change":
            return [*records[:at], changed(draw, records[at]), *records[at + 1 :]]
        case "bytes":
            return [*records[:at], flipped(draw, records[at]), *records[at + 1 :]]
        case _:
            return records[:at]


def changed(draw: st.DrawFn, record: Any) -> Any:
    """The record with the value at one place taken out or replaced."""
    spoiled = copy.deepcopy(record)
    spots = list(places(spoiled))
    if not spots:
        return spoiled
    where, key = draw(st.sampled_from(spots))
    if isinstance(where, dict) and draw(st.booleans()):
        del where[key]
    else:
        where[key] = draw(st.sampled_from(VALUES))
    return spoiled


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the value, with each key or index of it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def flipped(draw: st.DrawFn, record: Any) -> bytes:
    data = bytearray(record if isinstance(record, bytes) else json.dumps(record).encode())
    if data:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b'x"\\{}[],:01\xff\0'))
    return bytes(data).replace(b"\n", b" ").replace(b"\r", b" ")


@st.composite
def spoiled(draw: st.DrawFn, streams: st.SearchStrategy[tuple[list[Part], Records]]) -> Records:
    _, records = draw(streams)
    for _ in range(draw(st.integers(1, 3))):
        records = spoil(draw, records) if records else records
    return records


# -- the other reading -------------------------------------------------------------------------


class Said(Struct):
    """What one record says of a call."""

    place: Any
    id: Any
    name: str
    text: str
    whole: bool  # the text is all of the arguments, and not more of them

    def may_be_all_of(self, name: str) -> bool:
        return not self.whole or self.name in ("", name)


Reader = Callable[[Any], Iterator[Said]]


def told_whole(records: Records, sealed: SealedCall, said: Reader) -> bool:
    """Whether the records hold this call, arguments and all.

    It is so if from some record on those of one place or id, one of which names it, join to its
    input. Those that say neither may be its own or not.
    """
    fragments = [each for record in records for each in said(as_json(record))]
    for at, first in enumerate(fragments):
        for same in (is_of_one, may_be_of_one):
            ours = [each for each in fragments[at:] if same(first, each)]
            named = [each.name for each in ours]
            ours = [each for each in ours if each.may_be_all_of(sealed.call.name)]
            if sealed.call.name in named and joins(ours, sealed.call.input):
                return True
    return False


def is_of_one(first: Said, other: Said) -> bool:
    if first.id is not None and first.id == other.id:
        return True
    return first is other or (first.place is not None and first.place == other.place)


def may_be_of_one(first: Said, other: Said) -> bool:
    if is_of_one(first, other):
        return True
    places_known = None not in (first.place, other.place)
    ids_known = None not in (first.id, other.id)
    return not (places_known or ids_known)


def joins(fragments: list[Said], wanted: Json) -> bool:
    text = ""
    for each in fragments:
        text = each.text if each.whole and each.text else text + each.text
        if as_object(text) == wanted:
            return True
    return not wanted and not text.strip()


def as_object(text: str) -> Any:
    """The object that the text is, made safe as what is kept must be."""
    try:
        return mended_in(json.loads(mended(text)))
    except ValueError:
        return None


def as_name(name: Any) -> str:
    return str(mended_in(name or ""))


def as_json(record: Any) -> Any:
    if not isinstance(record, bytes):
        return record
    try:
        return json.loads(record.decode(errors="replace"))
    except ValueError:
        return None


def said_in_chat(record: Any) -> Iterator[Said]:
    """Of records that decode: those that do not end a reading."""
    choices = (record.get("choices") if isinstance(record, dict) else None) or []
    for choice in choices if isinstance(choices, list) else []:
        for each in (choice.get("delta") or {}).get("tool_calls") or []:
            function = each.get("function") or {}
            name, arguments = function.get("name"), function.get("arguments") or ""
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            yield Said(each.get("index"), each.get("id"), as_name(name), text, False)


def said_in_responses(record: Any) -> Iterator[Said]:
    kind = record.get("type") if isinstance(record, dict) else None
    if kind == DELTAS["call"]:
        place, item_id = record.get("output_index"), record.get("item_id")
        yield Said(place, item_id, "", record["delta"], False)
    if kind in ("response.output_item.added", "response.output_item.done"):
        yield from said_of_item(record.get("output_index"), record["item"], kind.endswith("done"))
    if kind in ("response.completed", "response.incomplete"):
        for place, each in enumerate(record["response"].get("output") or []):
            yield from said_of_item(place, each, True)


def said_of_item(place: Any, told: Json, done: bool) -> Iterator[Said]:
    if told.get("type") == "function_call":
        text = str(told.get("arguments") or "") if done else ""
        yield Said(place, told.get("id"), as_name(told.get("name")), text, done)
