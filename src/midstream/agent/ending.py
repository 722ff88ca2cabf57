"""Whether a run ends with a turn, and how."""

from collections.abc import Sequence

from midstream.agent.tally import has_opaque
from midstream.events import Outcome, RunError
from midstream.messages import StopReason, ToolCall
from midstream.turn.turn import Turn

MAX_PAUSES = 10  # a server tool that pauses more often in a row is not getting anywhere
PAUSES = (StopReason.PAUSE_TURN, StopReason.COMPACTION)

End = tuple[Outcome, RunError | None]


def may_go_on(end: End, turn: Turn) -> bool:
    """Whether a run that ends so goes on instead if the user has more to say."""
    return end[0] in ("completed", "max_tokens") and turn.stop is not StopReason.CONTEXT_WINDOW


def ending(turn: Turn, calls: Sequence[ToolCall], pauses: int) -> End | None:
    """How the run ends with this turn, or None if it goes on.

    Args:
        calls: those of the turn, which have their results.
        pauses: how often in a row the provider has paused, this time included.
    """
    if calls:
        return None
    match turn.stop:
        case StopReason.PAUSE_TURN | StopReason.COMPACTION:
            return None if pauses <= MAX_PAUSES else ("max_turns", None)
        case StopReason.REFUSAL:
            words = turn.stop_detail or "the model refused to answer"
            return "refusal", RunError("refusal", words)
        case StopReason.MAX_TOKENS | StopReason.CONTEXT_WINDOW:
            return "max_tokens", None
        case StopReason.UNKNOWN:
            words = f"the provider stopped for an unknown reason: {turn.stop_word}"
            return "failed", RunError("unknown_stop", words)
        case StopReason.TOOL_USE if has_opaque(turn.message()):
            words = "the model asked for a tool in a way that midstream does not know"
            return "failed", RunError("unknown_call", words)
        case StopReason.END_TURN | StopReason.STOP_SEQUENCE | StopReason.TOOL_USE:
            return "completed", None
