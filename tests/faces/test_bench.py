"""What is measured of requests, by their events; and how it is shown."""

from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from msgspec.structs import force_setattr, replace

from midstream.events import (
    Outcome,
    Retrying,
    RunEnded,
    RunError,
    RunEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolStarted,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)
from midstream.faces.bench.measures import seconds, share
from midstream.faces.bench.pace import Pace
from midstream.faces.bench.picture import Scale, svg
from midstream.faces.bench.samples import Meter, Sample, TurnSample
from midstream.faces.bench.summary import Report, errors, nearest, spread, summary
from midstream.faces.bench.table import TABLE, distribution, table
from midstream.faces.columns import columns
from midstream.messages import Message, StopReason, Usage

SAID = Message("assistant", ())


def turn_ended(ttft: float | None, overlap: float = 0.0, **usage: int) -> TurnEnded:
    return TurnEnded(1, StopReason.END_TURN, Usage(**usage), None, ttft, overlap, SAID)


def run_ended(outcome: Outcome = "completed", error: RunError | None = None) -> RunEnded:
    return RunEnded(outcome, "", Usage(10, 20), Usage(), 0.5, 0.1, 0.0, 1, error)


def finished(call: str, took_s: float, *, reused: bool = False) -> ToolFinished:
    return ToolFinished(call, "look_up", "", False, took_s, reused)


def streamed(from_s: float, to_s: float) -> list[tuple[float, TextDelta]]:
    """Four pieces of equal length: the first one at once, the last one at the end."""
    step_s = (to_s - from_s) / 3
    return [(from_s + n * step_s, TextDelta(0, "word ")) for n in range(4)]


def measured(*told: tuple[float, RunEvent]) -> Sample:
    meter = Meter(1, 0.0)
    for at_s, event in told:
        force_setattr(event, "t", at_s)
        meter.see(event)
    assert meter.sample is not None
    return meter.sample


# -- one request -----------------------------------------------------------------------------------


def test_speed_is_that_of_what_came_after_the_first_token() -> None:
    sample = measured(
        (1.0, TurnStarted(1, 1)),
        (2.5, TextDelta(0, "some")),  # written while it was waited for
        (3.0, TextDelta(0, "more")),
        (3.5, TextDelta(0, "last")),
        (9.0, turn_ended(1.5, output_tokens=90)),
        (9.5, run_ended()),
    )
    assert (sample.ttft_s, sample.seconds) == (1.5, 9.5)
    assert sample.turns[0].timed_tokens == pytest.approx(60)
    assert sample.tokens_per_second == pytest.approx(60)


def test_so_many_tokens_have_one_interval_less_between_them() -> None:
    fifth = [(0.5 + n * 0.1, TextDelta(0, "word ")) for n in range(5)]
    ended = turn_ended(0.5, output_tokens=5)
    sample = measured((0, TurnStarted(1, 1)), *fifth, (1.0, ended), (1.0, run_ended()))
    assert sample.tokens_per_second == pytest.approx(10)


def test_a_request_of_several_turns_is_as_fast_as_all_its_tokens_in_all_its_time() -> None:
    sample = measured(
        (0.0, TurnStarted(1, 1)),
        *streamed(1.0, 4.0),
        (4.0, turn_ended(1.0, output_tokens=40)),
        (5.0, TurnStarted(2, 1)),
        *streamed(5.5, 6.5),
        (6.5, turn_ended(0.5, output_tokens=100)),
        (6.5, run_ended()),
    )
    assert [turn.ttft_s for turn in sample.turns] == [1.0, 0.5]
    assert sample.ttft_s == 1.0
    assert [turn.streamed_s for turn in sample.turns] == [3.0, 1.0]
    assert sample.tokens_per_second == pytest.approx((30 + 75) / 4)


def test_a_turn_that_came_in_a_lump_is_left_out_of_the_speed() -> None:
    sample = measured(
        (0.0, TurnStarted(1, 1)),
        (4.0, TextDelta(0, "all of it")),
        (4.01, TextDelta(0, ".")),
        (4.01, turn_ended(4.0, output_tokens=500)),
        (5.0, TurnStarted(2, 1)),
        *streamed(5.5, 6.5),
        (6.5, turn_ended(0.5, output_tokens=100)),
        (6.5, run_ended()),
    )
    assert [turn.timed_tokens for turn in sample.turns] == [0, 75]
    assert sample.tokens_per_second == pytest.approx(75)


@pytest.mark.parametrize(
    ("pieces", "share"),
    [
        ([], 0),
        ([(1.0, 0)], 0),
        ([(1.0, 500)], 0),
        ([(1.0, 250), (1.01, 250)], 0),  # two lumps, however they are shared out
        ([(1.0, 1), (1.01, 499)], 0),
        ([(1.0, 499), (1.01, 1)], 0),
        ([(1.0, 10), (2.0, 10), (3.0, 20)], 0),  # half of it is a lump as well
        ([(1.0, 10), (2.0, 10), (3.0, 10)], 2 / 3),
        ([(1.0, 10), (1.0002, 10), (1.0009, 10), (1.01, 1)], 0),  # three blocks, read at once
        ([(1.0, 10), (1.0009, 10), (1.002, 10), (1.004, 20)], 0.6),
    ],
)
def test_how_much_came_after_the_first_moment(
    pieces: list[tuple[float, int]], share: float
) -> None:
    pace = Pace()
    for at_s, characters in pieces:
        pace.came(at_s, characters)
    assert pace.share == pytest.approx(share)


def test_the_first_moment_ends_with_the_last_of_what_was_read_at_once() -> None:
    pace = Pace()
    for at_s in (1.0, 1.0005, 2.0, 3.0):
        pace.came(at_s, 10)
    assert pace.streamed_s == pytest.approx(1.9995)


def test_what_was_thought_unseen_is_not_part_of_the_speed() -> None:
    began, ended = TurnStarted(1, 1), turn_ended(0.0, output_tokens=80, reasoning_tokens=40)
    unseen = measured((0, began), *streamed(0.0, 1.0), (1.0, ended), (1.0, run_ended()))
    assert unseen.tokens_per_second == pytest.approx(30)
    thought = [(at_s, ThinkingDelta(0, each.text)) for at_s, each in streamed(0.0, 1.0)]
    seen = measured((0, began), *thought, (1.0, ended), (1.0, run_ended()))
    assert seen.tokens_per_second == pytest.approx(60)


def test_names_and_arguments_of_calls_are_part_of_what_is_written() -> None:
    sample = measured(
        (0, TurnStarted(1, 1)),
        (1.0, ToolCallStarted(0, "a", "look_up")),
        (1.5, ToolInputDelta("a", '{"topi')),
        (2.0, ToolInputDelta("a", 'c":"x"}')),
        (2.0, turn_ended(1.0, output_tokens=20)),
        (2.0, run_ended()),
    )
    assert sample.tokens_per_second == pytest.approx(13)


@pytest.mark.parametrize("usage", [{}, {"output_tokens": 9}])
def test_where_nothing_was_counted_or_all_came_at_once_there_is_no_speed(
    usage: dict[str, int],
) -> None:
    come = streamed(1.0, 2.0) if not usage else [(1.0, ToolCallStarted(0, "a", "look_up"))]
    ended = turn_ended(1.0, **usage)
    sample = measured((0, TurnStarted(1, 1)), *come, (2.0, ended), (2.0, run_ended()))
    assert sample.tokens_per_second is None


def test_of_a_lost_attempt_only_the_retry_and_the_time_are_kept() -> None:
    sample = measured(
        (0.0, TurnStarted(1, 1)),
        (0.1, TextDelta(0, "lost")),
        (0.2, ToolStarted("a", "look_up")),
        (0.5, TurnDiscarded(1, 1, "cut")),
        (0.5, Retrying(2, 0.5, "cut")),
        (1.0, TurnStarted(1, 2)),
        (1.1, finished("a", 0.9)),
        (1.2, finished("b", 0.9, reused=True)),
        (1.3, ToolStarted("c", "look_up")),
        *streamed(1.25, 1.5),
        (1.8, finished("c", 0.5)),
        (1.8, turn_ended(0.25, 0.2, output_tokens=8)),
        (1.9, run_ended()),
    )
    assert (sample.retries, sample.seconds, sample.ttft_s) == (1, 1.9, 0.25)
    assert (sample.tools_s, sample.hidden_s) == (0.5, 0.2)
    assert sample.hidden_share == pytest.approx(0.4)
    assert sample.tokens_per_second == pytest.approx(24)


def test_without_a_tool_nothing_can_be_hidden() -> None:
    sample = measured((0, TurnStarted(1, 1)), (1, turn_ended(0.5)), (1, run_ended()))
    assert sample.hidden_share is None


# -- all of them -----------------------------------------------------------------------------------


def sample(number: int = 1, **fields: object) -> Sample:
    turns = (TurnSample(0.4, 1.0, 50, 49.0, 1.0, 0.75), TurnSample(0.3, 1.0, 50, 49.0, 0.0, 0.0))
    usual = Sample(number, number - 1.0, 3.0, "completed", 0.4, 50.0, 0.75, 0, Usage(10, 100),
                   Usage(), 0.01, None, turns)  # fmt: skip
    return replace(usual, **fields)


def failed(number: int, message: str = "Overloaded") -> Sample:
    error = RunError("overloaded_error", message, 529)
    return sample(number, outcome="failed", error=error, turns=(), ttft_s=None, usage=Usage(),
                  retries=4, seconds=60.0, cost_usd=None)  # fmt: skip


def report(*samples: Sample, **fields: object) -> Report:
    requests = fields.get("requests", len(samples))
    assert isinstance(requests, int)
    usual = Report("0.1.0", "anthropic:m", None, requests, 1, True, 1024, "Why?", "all",
                   summary(samples, requests), samples)  # fmt: skip
    return replace(usual, **fields)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(1, (1, 1, 1)), (2, (1, 2, 2)), (19, (10, 19, 19)), (20, (10, 19, 20)), (99, (50, 95, 99)),
     (100, (50, 95, 99)), (101, (51, 96, 100)), (1000, (500, 950, 990))],
)  # fmt: skip
def test_a_percentile_is_the_value_at_the_nearest_rank(
    count: int, ranks: tuple[int, int, int]
) -> None:
    found = spread(reversed(range(1, count + 1)))
    assert found is not None
    assert (found.p50, found.p95, found.p99) == ranks
    assert (found.count, found.min, found.max) == (count, 1, count)
    assert found.mean == pytest.approx((count + 1) / 2)


def test_a_percentile_is_never_exceeded_by_more_values_than_it_says() -> None:
    for count in range(1, 250):
        values = list(range(count))
        for percent in (50, 95, 99):
            at = nearest(values, percent)
            assert (at + 1) / count >= percent / 100 > at / count


def test_no_values_have_no_spread() -> None:
    assert spread([None, None]) is None
    assert spread([]) is None


def test_what_failed_is_counted_and_in_no_percentile() -> None:
    whole = summary([sample(1), failed(2), sample(3), sample(4, outcome="cancelled")], 9)
    assert (whole.answered, whole.failed, whole.unfinished, whole.not_made) == (2, 1, 1, 5)
    assert whole.retries == 4
    assert whole.request_s is not None
    assert (whole.request_s.count, whole.request_s.max) == (2, 3.0)
    assert whole.seconds == 61.0
    assert (whole.tools_s, whole.hidden_s, whole.hidden_share) == (2.0, 1.5, 0.75)


def test_an_answer_that_was_cut_by_a_limit_is_an_answer() -> None:
    whole = summary([sample(1), sample(2, outcome="max_tokens")], 2)
    assert (whole.answered, whole.ended_short) == (2, 1)


@pytest.mark.parametrize(
    ("samples", "cost"),
    [
        ([sample(1), sample(2)], 0.02),
        ([sample(1), sample(2, cost_usd=None)], None),  # half a sum would be a wrong one
        ([sample(1), failed(2)], 0.01),
        ([sample(1), sample(2, cost_usd=None, outcome="cancelled")], 0.01),
        ([failed(1)], None),
        ([], None),
    ],
)
def test_the_cost_is_that_of_all_or_none(samples: Sequence[Sample], cost: float | None) -> None:
    assert summary(samples, 2).cost_usd == (cost if cost is None else pytest.approx(cost))


def test_each_kind_of_error_is_told_once() -> None:
    samples = [failed(1), failed(2, "Other"), failed(3)]
    assert [(error.message, count) for error, count in errors(samples)] == [
        ("Overloaded", 2),
        ("Other", 1),
    ]


# -- as a table ------------------------------------------------------------------------------------


def test_the_table_tells_what_was_measured_and_what_not() -> None:
    ended = sample(3, outcome="max_tokens", hidden_share=None)
    shown = table(report(sample(1), failed(2), ended, requests=9), 100)
    text = "\n".join(shown)
    assert shown[0] == "anthropic:m · 9 requests, 1 at a time"
    for words in (
        "TTFT, first turn    400 ms   400 ms   400 ms   400 ms   400 ms  █",
        "tools hidden         75.0%    75.0%                      75.0%  █",
        "2 answered, 1 of them not to the end (max_tokens), 1 failed, 4 retries, 6 not made",
        "20 tokens in, 200 out",
        "$0.0200",
        "2.00 s of tools, 1.50 s (75.0%) hidden behind the stream",
        "of fewer than 20 requests p95 and p99 are the slowest",
        "1 failed: Overloaded (status 529)",
    ):
        assert words in text


@pytest.mark.parametrize("width", [20, 40, 44, 53, 60, TABLE, 70, 80, 120, 200])
def test_the_table_fits(width: int) -> None:
    strange = sample(2, outcome="failed", error=RunError("x", "\x1b[31m" + "so " * 90 + "x" * 90))
    lines = table(report(sample(1), strange, base_url="https://example.com/" + "x" * 90), width)
    assert max(map(columns, lines)) <= max(width, 40)
    assert not any("\x1b" in line for line in lines)
    assert lines[0].endswith(" · 2 requests, 1 at a time")


NARROW = [
    (120, "min p50 p95 p99 max", 24),
    (80, "min p50 p95 p99 max", 16),
    (70, "min p50 p95 p99 max", 6),
    (69, "min p50 p95 p99 max", 0),
    (60, "min p50 p95 p99", 0),
    (44, "p50 p95 p99", 0),
    (40, "p50 p95", 0),
]


@pytest.mark.parametrize(("width", "heads", "cells"), NARROW)
def test_where_it_is_narrow_the_bars_go_and_then_columns(
    width: int, heads: str, cells: int
) -> None:
    lines = table(report(sample(ttft_s=0.1), sample(ttft_s=0.2)), width)
    _, _, head, first, *_ = lines
    shown = {"min": "100 ms", "max": "200 ms", "p50": "100 ms", "p95": "200 ms", "p99": "200 ms"}
    figures = [f"{shown[each]:>9}" for each in heads.split()]
    assert head.split() == heads.split()
    bars = f"  █{'█':>{cells - 1}}" if cells else ""
    assert first == f"{'TTFT, first turn':17}{''.join(figures)}{bars}"
    assert ("in each row from its own min to its max" in " ".join(lines)) == bool(cells)


def test_a_column_that_a_row_has_no_figure_for_is_left_empty() -> None:
    (speed,) = [line for line in table(report(sample()), 60) if line.startswith("tokens/s")]
    assert speed == f"{'tokens/s':17}{'50':>9}{'50':>9}"


def test_without_tools_no_tool_is_spoken_of() -> None:
    alone = sample(turns=(TurnSample(0.4, 1.0, 50, 49.0, 0.0, 0.0),), hidden_share=None)
    text = "\n".join(table(report(alone, tools=False), 80))
    assert "tools" not in text
    assert "later" not in text
    text = "\n".join(table(report(alone), 80))
    assert "no tool was called: there was nothing to hide" in text
    assert "tools hidden           n/a" in text


def test_where_nothing_was_counted_it_says_so() -> None:
    silent = sample(usage=Usage(), cost_usd=None, tokens_per_second=None)
    text = "\n".join(table(report(silent), 80))
    assert "tokens n/a · cost n/a" in text
    assert "cost" not in "\n".join(table(report(silent, model="sim:bench"), 80))


def test_values_that_are_nearly_the_same_look_so() -> None:
    assert distribution([1.0, 1.001, 1.002], 8).strip() == "█"
    assert distribution([0.0, 1.0], 8) == "█      █"
    assert distribution([0.0, 0.0], 8) == "█       "
    assert distribution([0.0] * 800 + [1.0], 8) == "█      ▁"


@pytest.mark.parametrize(
    ("of", "words"),
    [(0, "0 ms"), (0.3514, "351 ms"), (0.9996, "1.00 s"), (9.994, "9.99 s"), (9.996, "10.0 s"),
     (99.96, "100 s"), (599.6, "10 min")],
)  # fmt: skip
def test_times_have_three_digits(of: float, words: str) -> None:
    assert seconds(of) == words


@pytest.mark.parametrize(
    ("of", "words"),
    [(0.0, "0%"), (0.0001, "0.1%"), (0.5, "50.0%"), (0.99999, "99.9%"), (1 - 1e-12, "100%")],
)
def test_a_share_is_whole_only_if_it_is(of: float, words: str) -> None:
    assert share(of) == words


# -- as a picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "samples",
    [
        [sample()],
        [sample(each, ttft_s=each / 7, hidden_share=each / 300) for each in range(1, 300)],
        [sample(ttft_s=0.0, tokens_per_second=0.0, hidden_share=0.0, seconds=0.0, turns=())],
        [sample(ttft_s=None, tokens_per_second=None, hidden_share=None, turns=())],
        [failed(1, "<&\ud800\x1b")],
    ],
)
def test_the_picture_is_xml_whatever_was_measured(samples: list[Sample]) -> None:
    picture = svg(report(*samples, model="<&>:m"))
    root = ElementTree.fromstring(picture)
    words = " ".join(each.text or "" for each in root.iter() if each.tag.endswith("}text"))
    assert "<&>:m" in words
    assert "nan" not in picture
    assert "prefers-color-scheme: dark" in picture


@pytest.mark.parametrize("most", [1e-6, 0.004, 0.36, 1.0, 1.0832, 7.3, 99, 1e5])
def test_ticks_are_round_and_have_room(most: float) -> None:
    scale = Scale(0, 800, most)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 10
    assert all(scale(b) - scale(a) >= 80 for a, b in pairwise(ticks))
