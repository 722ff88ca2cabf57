"""The rules of thinking: it comes back as it was, or the request is refused."""

from collections.abc import Iterator
from typing import Final

from midstream.simulator.blocks import Place, Turn
from midstream.simulator.shape import THOUGHTS, Refusal, invalid
from midstream.simulator.signatures import matches, place_of

_MODIFIED: Final = (
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be"
    " modified. These blocks must remain as they were in the original response."
)
_UNTHOUGHT: Final = (
    "Expected `thinking` or `redacted_thinking`, but found `{kind}`. When `thinking` is enabled,"
    " a final `assistant` message must start with a thinking block (preceeding the lastmost set of"
    " `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous"
    " turns. To avoid this requirement, disable `thinking`. Please consult our documentation at"
    " https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


def thinking_faults(turns: list[Turn]) -> Iterator[Refusal]:
    spoken = [turn for turn in turns if turn.role == "assistant"]
    for turn in spoken:
        latest = turn is spoken[-1]
        before = -1
        for place in turn.of(*THOUGHTS):
            text, field = _signed(place)
            signature = place.block[field]
            at = place_of(signature)
            if at is None:
                yield invalid(f"{place.path}: Invalid `{field}` in `{place.kind}` block")
                return
            in_order = at in (before + 1, 0)  # 0: a turn may be of several responses
            if not matches(text, signature) or (latest and not in_order):
                yield invalid(f"{place.path}: {_MODIFIED}")
            before = at
        if turn.places[-1].kind in THOUGHTS:
            kind = turn.places[-1].kind
            yield invalid(
                f"{turn.path}: The final block in an assistant message cannot be `{kind}`."
            )


def _signed(place: Place) -> tuple[str, str]:
    if place.kind == "thinking":
        return place.block["thinking"], "signature"
    return "redacted", "data"


def manual_thinking_faults(turns: list[Turn]) -> Iterator[Refusal]:
    """In a tool loop, the answer to the last prompt must begin with thinking.

    The answer is all that was said since, tool results between: the API itself thinks only at
    the start of it, unless thinking is interleaved.
    """
    if not turns[-1].of("tool_result"):
        return
    prompts = [
        number
        for number, turn in enumerate(turns)
        if turn.role == "user" and not turn.of("tool_result")
    ]
    first = turns[prompts[-1] + 1].places[0]
    if first.kind not in THOUGHTS:
        yield invalid(f"{first.path}.type: {_UNTHOUGHT.format(kind=first.kind)}")
