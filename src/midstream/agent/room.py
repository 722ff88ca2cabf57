"""How much room a conversation has left in the model's context window."""

from functools import partial

from midstream.agent.plan import Plan
from midstream.agent.tally import FREE
from midstream.concurrency import in_thread
from midstream.journal.session import Session
from midstream.turn.price import context_window

SHORT = 4_000  # tokens; of a shorter conversation nobody asks whether it fits


async def window_of(plan: Plan) -> int | None:
    """The model's context window in tokens, or None if it is unknown.

    The first time in a process this may load the price lists, which know of windows too.
    """
    model = plan.model
    told: int | None = plan.context_window or getattr(model, "context_window", None)
    if told or model.provider in FREE:
        return told
    return await in_thread(partial(context_window, model.provider, model.name))


async def is_full(plan: Plan, session: Session) -> bool:
    """Whether the next request would leave too little room."""
    tokens = session.context_tokens
    if plan.compact_at is None or (tokens < SHORT and not plan.context_window):
        return False
    window = await window_of(plan)
    if window is None:
        return False
    # An answer seldom needs all that it may have, and of a small window it would take the most.
    answer = min(plan.request.max_tokens, window // 4)
    return tokens > plan.compact_at * (window - answer)
