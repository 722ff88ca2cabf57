"""Faults: what a scenario can do to an answer, each a small pure change that can be combined.

Scenario(replies=[...], faults=[Cut(event="message_delta"), Status(request=2, status=529)])
"""

from collections.abc import Sequence
from typing import Any, Final, get_args

from msgspec.structs import replace

from midstream.simulator.faults.answers import Headers, Length, Page, Status
from midstream.simulator.faults.body import Flip, Gzip, Insert, Lines, Split
from midstream.simulator.faults.endings import Cut, Delay, Stall
from midstream.simulator.faults.events import Drop, Error, Move, Repeat, Restart, Stop, Truncate
from midstream.simulator.faults.fault import Fault
from midstream.simulator.play import Misplaced, Play

__all__ = [
    "KINDS",
    "AnyFault",
    "Cut",
    "Delay",
    "Drop",
    "Error",
    "Fault",
    "Flip",
    "Gzip",
    "Headers",
    "Insert",
    "Length",
    "Lines",
    "Move",
    "Page",
    "Repeat",
    "Restart",
    "Split",
    "Stall",
    "Status",
    "Stop",
    "Truncate",
    "struck",
]

AnyFault = (
    Cut | Delay | Stall
    | Drop | Repeat | Move | Restart | Error | Truncate | Stop
    | Flip | Insert | Split | Lines | Gzip
    | Status | Page | Headers | Length
)  # fmt: skip

KINDS: Final[dict[str, Any]] = {kind.__name__.lower(): kind for kind in get_args(AnyFault)}


def struck(play: Play, faults: Sequence[AnyFault], request: int) -> Play:
    """The answer to a request, with the faults that strike it, in the order in which they stand.

    Raises:
        Misplaced: one of them strikes where the answer has nothing; the error names it.
    """
    for number, fault in enumerate(faults):
        if fault.strikes(request):
            kind = type(fault).__name__.lower()
            try:
                play = replace(fault.applied(play), faults=(*play.faults, kind))
            except Misplaced as error:
                raise Misplaced(f"{kind}: {error} - at `$.fault[{number}]`") from error
    return play
