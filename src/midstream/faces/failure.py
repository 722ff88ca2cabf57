"""Why a run did not complete, in words."""

from midstream.events import RunEnded, RunError


def why_of(event: RunEnded) -> str:
    """Empty where it did. What a provider says may hold control characters."""
    match event.outcome:
        case "completed" | "cancelled":
            return event.error.message if event.error else ""
        case "max_turns":
            turns = "1 turn" if event.turns == 1 else f"{event.turns} turns"
            return f"stopped after {turns}; --max-turns allows more"
        case "max_tokens":
            return "the answer was cut at the token limit; --max-tokens allows more"
        case "max_cost":
            return "the limit of cost was reached; --max-cost allows more"
        case "failed" | "refusal":
            return failure(event.error)


def failure(error: RunError | None) -> str:
    if error is None:
        return "the run failed"
    status = f" (status {error.status})" if error.status else ""
    request = f", request {error.request_id}" if error.request_id else ""
    return f"{error.message}{status}{request}"
