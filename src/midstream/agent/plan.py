"""What all runs of an agent share."""

from msgspec import Struct

from midstream.messages import ModelRequest
from midstream.models.model import Model
from midstream.tools.permissions import Permissions
from midstream.tools.tool import Tool
from midstream.turn.retry import Backoff


class Plan(Struct, frozen=True):
    """An agent's settings, as its loop needs them.

    Attributes:
        request: the request without its messages.
        max_arguments: the most characters that one call's arguments may have.
        max_cost: in US dollars; no turn begins once so much is spent.
        permissions: shared by all runs; None gives each run its own.
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
