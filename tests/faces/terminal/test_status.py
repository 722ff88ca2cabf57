"""The figures of the status line, where they are not the provider's."""

from midstream.events import Interrupted, RunEnded, RunStarted, TextDelta, TurnStarted
from midstream.faces.terminal.status import Known, Status
from midstream.messages import Usage


def ended(usage: Usage) -> RunEnded:
    return RunEnded("cancelled", "", usage, Usage(), None, None, 0.0, 1, None)


def shown(*usages: Usage, words: str = "word " * 80) -> str:
    """Of runs that are stopped while they answer, and tell so much."""
    status = Status(Known("m"))
    for usage in usages:
        for event in (RunStarted("s", "m"), TurnStarted(1, 1), TextDelta(0, words)):
            status.see(event)
        status.see(Interrupted(None))
        status.see(ended(usage))
    return status.line(200)


def test_what_came_of_an_answer_that_was_stopped_stays_counted() -> None:
    assert shown(Usage(5, 1)) == "m · 5 in ~100 out · $0.0000"
    assert shown(Usage(5, 1), Usage(5, 1)).startswith("m · 10 in ~200 out")


def test_what_the_provider_told_counts_where_it_is_more() -> None:
    assert shown(Usage(5, 130)).startswith("m · 5 in ~130 out")


def test_nothing_is_guessed_where_nothing_was_stopped() -> None:
    status = Status(Known("m"))
    for event in (RunStarted("s", "m"), Interrupted(None), ended(Usage(5, 1))):
        status.see(event)
    assert status.line(200).startswith("m · 5 in 1 out")
