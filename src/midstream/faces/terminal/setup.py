"""What a conversation is made of, put together by the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from midstream.agent.agent import Agent
from midstream.journal.session import Session
from midstream.journal.store import Journal
from midstream.tools.permissions import Permissions
from midstream.tools.tool import Tool

Thinking = int | Literal["adaptive"] | None


class Choice(Struct, frozen=True):
    """What `/model` and `/thinking` change."""

    model: str
    thinking: Thinking = None


class Setup(Struct):
    """What a conversation is made of.

    Attributes:
        agent: the one that is asked, made of `choice` by `make`, which raises ConfigurationError.
        tools: what a model may call, by the name of the model.
        permissions: rules about that, whichever model is asked.
        models: names of models that can be offered.
        journal: where sessions are; None if this one is not kept.
        new_session: makes another one.
    """

    agent: Agent
    choice: Choice
    make: Callable[[Choice], Agent]
    tools: Callable[[str], list[Tool]]
    permissions: Permissions
    models: list[str]
    session: Session
    journal: Journal | None
    new_session: Callable[[], Session]
    folder: Path
