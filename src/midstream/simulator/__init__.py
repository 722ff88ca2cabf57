"""A provider that does what a script says, over a real socket: a strict stand-in for real ones.

It speaks Anthropic's Messages and OpenAI's Chat Completions and Responses.

async with simulator([Reply([say("Hello.")])]) as provider:
    ...  # provider.url, provider.requests
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midstream.simulator.recording import Playback, Recording, load_recording
    from midstream.simulator.scenario import (
        Block,
        Reply,
        Scenario,
        call,
        load,
        redacted,
        say,
        think,
    )
    from midstream.simulator.stage import Script, Simulator, simulator

__all__ = [
    "Block",
    "Playback",
    "Recording",
    "Reply",
    "Scenario",
    "Script",
    "Simulator",
    "call",
    "load",
    "load_recording",
    "redacted",
    "say",
    "simulator",
    "think",
]

_ON_STAGE = {"Script", "Simulator", "simulator"}
_RECORDED = {"Playback", "Recording", "load_recording"}


def __getattr__(name: str) -> Any:
    # pytest imports this package for its plugin in every project that has midstream installed,
    # so what the package offers is imported when it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "stage" if name in _ON_STAGE else "recording" if name in _RECORDED else "scenario"
    return getattr(import_module(f"{__name__}.{room}"), name)
