"""The tools of a folder, called as the agent calls them, without one."""

from collections.abc import Sequence
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from midstream.tools.output import to_output
from midstream.tools.tool import Tool
from midstream.tools.workspace import workspace

both = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])


class Kit:
    """The folder `root`, the one beside it that is nobody's business, and the tools."""

    def __init__(self, base: Path, also: Sequence[str | Path] = (), **options: Any) -> None:
        self.root = base / "root"
        self.outside = base / "outside"
        for each in (self.root, self.outside):
            each.mkdir(exist_ok=True)
        self.tools = {each.spec.name: each for each in workspace(self.root, also, **options)}

    def file(self, name: str, content: str | bytes = "words\n") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def call(self, name: str, **arguments: Any) -> str:
        """What the model is told."""
        return str(await self.value(name, **arguments))

    async def value(self, name: str, **arguments: Any) -> Any:
        tool: Tool = self.tools[name]
        value = tool.fn(**tool.arguments(arguments))
        value = await value if isawaitable(value) else value
        return to_output(value, tool.max_output)

    async def refusal(self, name: str, **arguments: Any) -> str:
        """What the model is told of what does not go."""
        with pytest.raises((OSError, ValueError)) as caught:
            await self.value(name, **arguments)
        words = str(caught.value)
        assert "Errno" not in words
        assert "\n" not in words or name in {"edit_file", "search_files", "run_command"}
        return words
