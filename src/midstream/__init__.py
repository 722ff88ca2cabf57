"""A streaming agent runtime: each tool starts while the model is still talking.

The public door. Its names are loaded when they are first used, so that `import midstream`, and with
it `midstream --version`, costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midstream.agent.agent import Agent as Agent
    from midstream.agent.run import Run as Run
    from midstream.errors import ConfigurationError as ConfigurationError
    from midstream.errors import MidstreamError as MidstreamError
    from midstream.errors import ProviderError as ProviderError
    from midstream.errors import SessionError as SessionError
    from midstream.errors import StreamError as StreamError
    from midstream.events import RunEnded as RunEnded
    from midstream.events import RunEvent as RunEvent
    from midstream.journal.session import Session as Session
    from midstream.journal.store import Journal as Journal
    from midstream.messages import Image as Image
    from midstream.messages import Message as Message
    from midstream.messages import Usage as Usage
    from midstream.models.http import HttpModel as HttpModel
    from midstream.models.model import Model as Model
    from midstream.tools.context import ToolContext as ToolContext
    from midstream.tools.permissions import Permissions as Permissions
    from midstream.tools.tool import Tool as Tool
    from midstream.tools.tool import tool as tool

__version__ = "0.1.0"

_HOMES = {
    "Agent": "midstream.agent.agent",
    "Run": "midstream.agent.run",
    "ConfigurationError": "midstream.errors",
    "MidstreamError": "midstream.errors",
    "ProviderError": "midstream.errors",
    "StreamError": "midstream.errors",
    "RunEnded": "midstream.events",
    "RunEvent": "midstream.events",
    "SessionError": "midstream.errors",
    "Session": "midstream.journal.session",
    "Journal": "midstream.journal.store",
    "Image": "midstream.messages",
    "Message": "midstream.messages",
    "Usage": "midstream.messages",
    "HttpModel": "midstream.models.http",
    "Model": "midstream.models.model",
    "Permissions": "midstream.tools.permissions",
    "ToolContext": "midstream.tools.context",
    "Tool": "midstream.tools.tool",
    "tool": "midstream.tools.tool",
}
__all__ = [
    "Agent",
    "ConfigurationError",
    "HttpModel",
    "Image",
    "Journal",
    "Message",
    "MidstreamError",
    "Model",
    "Permissions",
    "ProviderError",
    "Run",
    "RunEnded",
    "RunEvent",
    "Session",
    "SessionError",
    "StreamError",
    "Tool",
    "ToolContext",
    "Usage",
    "__version__",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'midstream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
