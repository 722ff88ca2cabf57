"""The simulator as a model: a real server on loopback, asked like any other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from midstream.models.http import HttpModel
from midstream.models.model import Connection, Patience
from midstream.providers.anthropic_request import Anthropic
from midstream.simulator import Scenario, load, simulator

HERE = "sim"


class SimulatedModel:
    """Plays a scenario over a real socket, so that the very same code runs as with a real model.

    Args:
        scenario: the name of one that is shipped, a path to a TOML file, or a Scenario.
    """

    provider = HERE
    secrets = ()

    def __init__(self, scenario: str | Scenario, patience: Patience | None = None) -> None:
        self.name = scenario if isinstance(scenario, str) else "scenario"
        self._scenario = load(scenario) if isinstance(scenario, str) else scenario
        self._patience = patience

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection]:
        """A server of its own: its faults count over all runs that share the connection."""
        provider = Anthropic(self.name, "simulated", provider=HERE)
        async with (
            simulator(self._scenario) as server,
            HttpModel(provider, server.url, self._patience).connect() as connection,
        ):
            yield connection
