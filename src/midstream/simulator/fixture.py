"""The pytest plugin: a fixture that gives each test simulators of its own.

def test_my_agent(simulator):
    provider = simulator([Reply([say("Hello.")])])
    ...  # provider.url, provider.requests
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from midstream.simulator.stage import Script, Simulator


@pytest.fixture
def simulator() -> "Iterator[Callable[[Script], Simulator]]":
    """Start a simulator of a scenario, a shipped one's name, a path, or a list of replies.

    It runs in a thread with an event loop of its own, so that the test may be plain, asyncio's or
    trio's, and stops when the test is over.
    """
    from contextlib import ExitStack

    from anyio.from_thread import start_blocking_portal

    from midstream.simulator import stage

    with start_blocking_portal() as portal, ExitStack() as running:

        def start(script: "Script") -> "Simulator":
            context = portal.wrap_async_context_manager(stage.simulator(script))
            return running.enter_context(context)

        yield start
