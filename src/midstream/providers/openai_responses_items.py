"""The items of a response, as far as they have come."""

from collections import Counter
from typing import Any

from midstream.providers.openai_responses_wire import Json
from midstream.wire.json import is_array, is_object

# Items that wait for somebody to run something here, in ways that we do not know.
ASKING = frozenset({
    "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call",
    "mcp_approval_request",
})  # fmt: skip
OF_A_CALL = frozenset({"id", "type", "status", "call_id", "name", "arguments"})


class Item:
    """An item of the response, and the blocks that it is here.

    Attributes:
        blocks: by the number of the part; what has no parts is one block, numbered 0.
        call_id: of a call, as it is known here.
        said: what came of each part's text, or of a call's arguments.
        thought: the part of the reasoning that came last.
        cited: how many of the annotations of each part came.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.blocks: dict[int, int] = {}
        self.call_id = ""
        self.said: dict[int, list[str]] = {}
        self.thought: tuple[type, int] | None = None
        self.cited: Counter[int] = Counter()
        self.done = False

    def rest(self, whole: str, part: int = 0) -> str | None:
        """What of the whole did not come yet; None if something else came."""
        came = "".join(self.said.get(part, ()))
        return whole[len(came) :] if whole.startswith(came) else None


def objects(value: Any) -> list[Json]:
    return [each for each in value if is_object(each)] if is_array(value) else []
