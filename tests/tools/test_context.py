"""What a tool may take as a parameter."""

import gc
import math
import warnings

import pytest
from anyio import to_thread

from midstream.tools.context import ToolContext


class Told:
    """Hears what a context tells."""

    def __init__(self) -> None:
        self.words: list[tuple[str, float | None]] = []
        self.context = ToolContext("c1", "k1", tell=lambda *said: self.words.append(said))


def test_it_says_which_call_it_is() -> None:
    context = ToolContext("c1", "k1")
    assert (context.call_id, context.idempotency_key, context.cancelled) == ("c1", "k1", False)


def test_it_sees_a_cancellation_that_comes_later() -> None:
    stopped: list[bool] = []
    context = ToolContext("c1", "k1", cancelled=lambda: bool(stopped))
    assert not context.cancelled
    stopped.append(True)
    assert context.cancelled


async def test_progress_can_be_awaited() -> None:
    told = Told()
    await told.context.progress("half", 0.5)
    assert told.words == [("half", 0.5)]


async def test_progress_takes_effect_before_it_is_awaited() -> None:
    told = Told()
    later = told.context.progress("half", 0.5)
    assert told.words == [("half", 0.5)]
    await later
    assert told.words == [("half", 0.5)]


async def test_progress_in_a_thread_is_a_plain_call() -> None:
    told = Told()
    await to_thread.run_sync(told.context.progress, "half")
    assert told.words == [("half", None)]


def test_progress_that_nobody_awaits_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ToolContext("c1", "k1").progress("half")
        gc.collect()


@pytest.mark.parametrize(
    ("said", "heard"),
    [(0, 0.0), (1, 1.0), (1.5, 1.0), (-3, 0.0), (math.inf, 1.0), (math.nan, None), (None, None)],
)
def test_a_fraction_is_between_0_and_1(said: float | None, heard: float | None) -> None:
    told = Told()
    told.context.progress("", said)
    assert told.words == [("", heard)]


def test_words_that_are_not_unicode_do_no_harm() -> None:
    told = Told()
    told.context.progress("file \udce4\0")
    assert told.words == [("file \ufffd\ufffd", None)]
