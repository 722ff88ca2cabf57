"""What all runs of an agent share."""

from msgspec import Struct

from midstream.messages import ModelRequest
from midstream.models.model import Model
from midstream.tools.permissions import Permissions
from midstream.tools.tool import Tool
from midstream.turn.retry import Backoff


class Compaction(Struct, frozen=True):
    """What a run is asked for that is to compact its session. `words`: what to keep in mind."""

    words: str = ""


class Plan(Struct, frozen=True):
    """An agent's settings, as its loop needs them.

    Attributes:
        request: the request without its messages.
        max_arguments: the most characters that one call's arguments may have.
        max_cost: in US dollars; no turn begins once so much is spent.
        permissions: shared by all runs; None gives each run its own.
        context_window: the model's, in tokens, where it is not to be looked up.
        compact_at: the part of the context window that may be full before it is compacted.
    """

    model: Model
    request: ModelRequest
    tools: dict[str, Tool]
    backoff: Backoff
    max_turns: int
    max_parallel_tools: int
    max_arguments: int
    max_cost: float | None = None
    permissions: Permissions | None = None
    context_window: int | None = None
    compact_at: float | None = None
