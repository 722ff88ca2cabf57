"""The rules of a conversation: who speaks, which call is answered where, how it may end."""

from collections.abc import Iterator
from typing import Final

from midstream.simulator.blocks import Place, Turn, message_faults, turns_of
from midstream.simulator.shape import SERVER_RESULTS, SERVER_USES, Json, Refusal, invalid, tag_of
from midstream.simulator.thoughts import manual_thinking_faults, thinking_faults

_UNANSWERED: Final = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each"
    " `tool_use` block must have a corresponding `tool_result` block in the next message."
)
_PREFILL: Final = (
    "This model does not support assistant message prefill. The conversation must end with a"
    " user message."
)


def faults(request: Json) -> Iterator[Refusal]:
    """What is wrong with a request's messages."""
    messages = request["messages"]
    if not messages:
        yield invalid("messages: at least one message is required")
    for number, message in enumerate(messages):
        yield from message_faults(message, f"messages.{number}")
    turns = turns_of(messages)
    if turns[0].role != "user":
        yield invalid('messages: first message must use the "user" role')
    yield from _tool_ids(turns)
    yield from _tool_results(turns)
    yield from _server_tools(turns)
    yield from thinking_faults(turns)
    if tag_of(request, "thinking") == "enabled":
        yield from manual_thinking_faults(turns)
    yield from _ending(turns[-1])


def retired(request: Json) -> Iterator[Refusal]:
    """What version 2026-10-21 no longer takes in messages that are fine otherwise."""
    for turn in turns_of(request["messages"]):
        if turn.role == "assistant":
            for place in turn.of("document"):
                yield invalid(f"{place.path}: `document` blocks can only be in `user` messages")
            continue
        for place in turn.of("text"):
            if place.block.get("citations"):
                yield invalid(f"{place.path}.text.citations: not permitted in `user` messages")


def _tool_ids(turns: list[Turn]) -> Iterator[Refusal]:
    seen: set[str] = set()
    for turn in turns:
        for place in turn.of("tool_use", *SERVER_USES):
            if place.block["id"] in seen:
                yield invalid(f"{place.path}: `tool_use` ids must be unique")
            seen.add(place.block["id"])


def _tool_results(turns: list[Turn]) -> Iterator[Refusal]:
    called: list[str] = []
    for number, turn in enumerate(turns):
        answered: set[str] = set()
        for place in turn.of("tool_result"):
            answers = place.block["tool_use_id"]
            if answers not in called:
                yield invalid(
                    f"{place.path}: unexpected `tool_use_id` found in `tool_result` blocks:"
                    f" {answers}. Each `tool_result` block must have a corresponding `tool_use`"
                    " block in the previous message."
                )
            if answers in answered:
                yield invalid(
                    f"{place.path}: each tool_use must have a single result. Found multiple"
                    f" `tool_result` blocks with id: {answers}"
                )
            answered.add(answers)
        called = [place.block["id"] for place in turn.of("tool_use")]
        next_turn = turns[number + 1] if number + 1 < len(turns) else None
        at_once = _leading_results(next_turn) if next_turn else []
        if unanswered := [call for call in called if call not in at_once]:
            yield invalid(f"{turn.path}: {_UNANSWERED.format(ids=', '.join(unanswered))}")


def _leading_results(turn: Turn) -> list[str]:
    answered: list[str] = []
    for place in turn.places:
        if place.kind != "tool_result":
            break
        answered.append(place.block["tool_use_id"])
    return answered


def _server_tools(turns: list[Turn]) -> Iterator[Refusal]:
    waiting: dict[str, Place] = {}
    seen: set[str] = set()
    for turn in turns:
        for place in turn.of(*SERVER_USES, *SERVER_RESULTS):
            if place.kind in SERVER_USES:
                waiting[place.block["id"]] = place
                seen.add(place.block["id"])
                continue
            answers = place.block["tool_use_id"]
            if answers not in seen:
                use = "mcp_tool_use" if place.kind == "mcp_tool_result" else "server_tool_use"
                yield invalid(
                    f"{place.path}: unexpected `tool_use_id` found in `{place.kind}` blocks:"
                    f" {answers}. Each `{place.kind}` block must have a corresponding `{use}`"
                    " block before it."
                )
            waiting.pop(answers, None)
    # The API goes on with a server tool if nothing but results of other tools came since.
    paused = {place.path for place in _last_said(turns)}
    for place in waiting.values():
        if place.path not in paused:
            name = place.block["name"]
            yield invalid(
                f"{place.path}: `{name}` tool use with id `{place.block['id']}` was found without"
                f" a corresponding `{name}_tool_result` block"
            )


def _last_said(turns: list[Turn]) -> list[Place]:
    *earlier, last = turns
    if last.role == "assistant":
        return last.places
    only_results = len(last.of("tool_result")) == len(last.places)
    return earlier[-1].places if earlier and only_results else []


def _ending(last: Turn) -> Iterator[Refusal]:
    paused = {"compaction"} | SERVER_USES | SERVER_RESULTS
    if last.role == "assistant" and last.places[-1].kind not in paused:
        yield invalid(_PREFILL)
