"""What a conversation is made of, as the options have it."""

from functools import partial
from pathlib import Path

from msgspec.structs import replace

from midstream.agent.agent import Agent
from midstream.cli.grants import Kit
from midstream.cli.play import Question, agent_for
from midstream.faces.terminal.setup import Choice, Setup
from midstream.journal.session import Session
from midstream.journal.store import Journal, StoredSession
from midstream.models.endpoints import ENDPOINTS


def setup(question: Question, kit: Kit, terminal: int | None = None) -> Setup:
    """All of it; `terminal` and what is raised are as with `agent_for`."""
    journal = Journal() if isinstance(question.session, StoredSession) else None
    return Setup(
        agent_for(question, kit, terminal),
        Choice(question.model, question.thinking),
        partial(_chosen, question, kit, terminal),
        kit.tools_for,
        kit.permissions,
        [f"{name}:{each.model}" for name, each in ENDPOINTS.items() if each.model],
        question.session,
        journal,
        journal.session if journal else Session,
        Path.cwd(),
    )


def _chosen(question: Question, kit: Kit, terminal: int | None, choice: Choice) -> Agent:
    """An agent like the one before, but for what was chosen.

    A base URL was given for the models of one provider: no other's key is sent there.
    """
    there = choice.model.partition(":")[0] == question.model.partition(":")[0]
    url = question.base_url if there else None
    changed = replace(question, model=choice.model, thinking=choice.thinking, base_url=url)
    return agent_for(changed, kit, terminal)
