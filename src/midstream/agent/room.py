"""How much room a conversation has left in the model's context window."""

from functools import partial

from midstream.agent.plan import Plan
from midstream.agent.tally import FREE
from midstream.concurrency import in_thread
from midstream.journal.session import Session
from midstream.turn.price import context_window

SHORT = 4_000  # tokens; for a shorter conversation no lists are loaded to see whether it fits


async def window_of(plan: Plan) -> int | None:
    """The model's context window in tokens, or None if it is unknown.

    The first time in a process this may load the price lists, which know of windows too.
    """
    if (known := _known(plan)) or plan.model.provider in FREE:
        return known
    return await in_thread(partial(context_window, plan.model.provider, plan.model.name))


async def is_full(plan: Plan, session: Session) -> bool:
    """Whether the next request would leave too little room."""
    return await _is_full(plan, session, session.context_tokens)


async def was_full(plan: Plan, session: Session) -> bool:
    """Whether the last request did so already."""
    return await _is_full(plan, session, session.request_tokens)


async def _is_full(plan: Plan, session: Session, tokens: int) -> bool:
    if plan.compact_at is None or (tokens < SHORT and not _known(plan)):
        return False
    window = await window_of(plan)
    if window is None or session.request_tokens > window:
        return False  # a request that was answered was not too long: the figures are wrong
    return tokens > plan.compact_at * room_in(plan, window)


def room_in(plan: Plan, window: int) -> int:
    """The tokens that a request may have in such a window, so that there is room for an answer."""
    # An answer seldom needs all that it may have, and of a small window it would take the most.
    return window - min(plan.request.max_tokens, window // 4)


def _known(plan: Plan) -> int | None:
    own: int | None = getattr(plan.model, "context_window", None)
    return plan.context_window or own
