"""What the program exits with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # --version loads nothing
    from midstream.events import RunEnded, RunError

FAILED, WRONG_USAGE, ENDED_SHORT, BAD_CONFIGURATION = 1, 2, 3, 4
CANCELLED, PIPE_CLOSED = 130, 141  # as a shell tells of SIGINT and SIGPIPE
OF_RUNS = {
    "completed": 0,
    "failed": FAILED,
    "max_turns": ENDED_SHORT,
    "max_tokens": ENDED_SHORT,
    "max_cost": ENDED_SHORT,
    "refusal": ENDED_SHORT,
    "cancelled": CANCELLED,
}
NOT_LET_IN = ("authentication_error", "configuration_error")


def status(ended: "RunEnded") -> int:
    return BAD_CONFIGURATION if not_let_in(ended.error) else OF_RUNS[ended.outcome]


def not_let_in(error: "RunError | None") -> bool:
    """Whether it is a matter of the key, or of how the program is set up."""
    return bool(error and (error.type in NOT_LET_IN or error.status == 401))
