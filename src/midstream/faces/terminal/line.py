"""The way to the model, which stays open from one answer to the next."""

from contextlib import AsyncExitStack

from midstream.agent.agent import Agent


class Line(AsyncExitStack):
    """Open to one agent at a time: its connections, or the model that it has loaded.

    To be used by one task. Leaving the context hangs up.
    """

    _agent: Agent | None = None

    async def open(self, agent: Agent) -> None:
        """Be open to this agent, and to no other.

        Raises:
            ConfigurationError: the way to its model cannot be used at all.
        """
        if agent is not self._agent:
            await self.hang_up()
            self._agent = await self.enter_async_context(agent)

    async def hang_up(self) -> None:
        """Begin anew with the next answer: after a failure, what was open may be of no use."""
        self._agent = None
        await self.aclose()
