"""A run as bars: what stands in which column, and what never reaches a terminal or a picture."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.faces.columns import clipped, columns
from midstream.faces.timeline import lines
from midstream.faces.timeline_svg import svg
from midstream.journal.bars import Bar, Span, Turn
from midstream.journal.timeline import Run

SVG = "{http://www.w3.org/2000/svg}"
SGR = re.compile("\x1b\\[[0-9;]*m")
STREAM = (
    Bar(0.0, 1.0, kind="waiting"),
    Bar(1.0, 2.0, kind="thinking"),
    Bar(2.0, 4.0, kind="text"),
    Bar(4.0, 5.0, kind="tool_call"),
    Bar(5.0, 6.0, kind="text"),
)


def tool(begin_s: float, end_s: float, *hidden: Span, name: str = "look", **fields: object) -> Bar:
    return Bar(begin_s, end_s, kind="tool", name=name, hidden=hidden, **fields)  # type: ignore[arg-type]


def run(*turns: Turn, seconds: float = 10.0, outcome: str = "completed", error: str = "") -> Run:
    tools = [bar for turn in turns for bar in turn.tools]
    tools_s, hidden_s = sum(bar.seconds for bar in tools), sum(bar.hidden_s for bar in tools)
    return Run(1, 1_700_000_000.0, seconds, outcome, error, turns, tools_s, hidden_s)


LOOKED = run(
    Turn(
        1, "What is there?", STREAM,
        (tool(5.0, 6.0, Span(5.0, 6.0)), tool(5.0, 8.5, Span(5.0, 6.0), input={"at": "x"})),
        "committed",
    ),
    Turn(2, "", (Bar(8.5, 9.0, kind="waiting"), Bar(9.0, 9.55, kind="text")), (), "committed"),
)  # fmt: skip


def shown(run: Run, width: int = 100) -> str:
    return "\n".join(lines(run, width, colour=False))


# -- in lines ----------------------------------------------------------------------------------


def test_a_run_is_drawn_to_scale() -> None:
    assert lines(LOOKED, 68, colour=False) == [
        "         0 s       2 s       4 s       6 s       8 s",
        "› What is there?",
        "turn 1   ├····░░░░░██████████▒▒▒▒▒█████┊         ┊             5.0 s",
        "  look   ┊         ┊         ┊    ━━━━━┊         ┊             1.0 s",
        "  look x ┊         ┊         ┊    ━━━━━████████████▌           3.5 s",
        "turn 2   ┊         ┊         ┊         ┊         ┊ ├··██▊      0.6 s",
        "",
        "2 turns in 10.0 s · 4.5 s of tools, 2.0 s hidden behind the stream",
        "├ a request  · waiting  ░ thinking  █ text  ▒ a call",
        "█ a tool, waited for  ━ a tool behind the stream",
    ]


def test_forty_columns_will_do() -> None:
    assert lines(LOOKED, 40, colour=False) == [
        "         0 s        5 s",
        "› What is there?",
        "turn 1   ├·░░█████▒▒██▎            5.0 s",
        "  look   ┊          ━━━            1.0 s",
        "  look x ┊          ━━█████▊       3.5 s",
        "turn 2   ┊          ┊      ├·█▏    0.6 s",
        "",
        "2 turns in 10.0 s · 4.5 s of tools,",
        "2.0 s hidden behind the stream",
        "├ a request  · waiting  ░ thinking",
        "█ text  ▒ a call  █ a tool, waited for",
        "━ a tool behind the stream",
    ]


@pytest.mark.parametrize("width", [0, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_colour_changes_no_character(width: int) -> None:
    coloured = lines(LOOKED, width, colour=True)
    assert [SGR.sub("", line) for line in coloured] == lines(LOOKED, width, colour=False)
    assert max(columns(SGR.sub("", line)) for line in coloured) <= max(width, 28)
    assert any("\x1b[32m" in line for line in coloured)
    assert all(line.count("\x1b[") % 2 == 0 for line in coloured), "each colour is reset"


def test_what_was_lost_and_why_is_told() -> None:
    stream = (
        Bar(0.0, 4.0, kind="lost", reason="the connection\nfailed"),
        Bar(4.0, 5.0, kind="pause"),
        Bar(5.0, 6.0, kind="waiting"),
        Bar(6.0, 10.0, kind="text"),
    )
    drawn = shown(run(Turn(1, "Hi", stream, (), "committed")), 58)
    assert "turn 1  ├×××××××××××××××╌╌╌╌├····████████████████" in drawn
    assert "  × the connection failed" in drawn
    assert "no tools" in drawn


def test_the_wait_for_an_approval_stands_before_the_work() -> None:
    asked = Bar(1.0, 4.0, kind="approval", name="look", call_id="a")
    refused = Bar(2.0, 5.0, kind="approval", name="pay", call_id="b", failed=True)
    turn = Turn(1, "Hi", STREAM, (tool(4.0, 8.0, call_id="a"),), "committed", (asked, refused))
    drawn = lines(run(turn), 57, colour=False)
    assert drawn[3:5] == [
        "  look  ┊   ????????????████████████████┊           4.0 s",
        "✗ pay   ┊       ????????????    ┊       ┊         not run",
    ]
    assert "? an approval" in "".join(drawn)
    ElementTree.fromstring(svg([run(turn)]))


def test_a_compaction_is_a_run_of_its_own_and_no_turn() -> None:
    compacted = run(Turn(0, "", (Bar(0.0, 8.0, kind="summary"),), (), "committed"))
    assert lines(compacted, 57, colour=False) == [
        "        0 s     2 s     4 s     6 s     8 s",
        "compact ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓┊           8.0 s",
        "",
        "compacted in 10.0 s · no tools",
        "▓ a summary",
    ]
    picture = svg([compacted])
    assert rectangles(picture, "summary") == [(0.0, 8.0, 16.0)]
    assert "a summary" in words_of(picture)


ENDS = [
    ("stopped", "completed", "  ■ stopped"),
    ("died", "died", "  ✗ the process died"),
    ("committed", "max_turns", "1 turn in 10.0 s · max turns · no tools"),
    (None, "", "1 turn in 10.0 s · no tools"),
]


@pytest.mark.parametrize(("end", "outcome", "words"), ENDS)
def test_how_a_turn_and_a_run_ended_is_told(end: object, outcome: str, words: str) -> None:
    turn = Turn(1, "Hi", STREAM, (), end)  # type: ignore[arg-type]
    assert words in lines(run(turn, outcome=outcome), 100, colour=False)


def test_a_call_that_failed_and_one_whose_end_nobody_knows_are_marked() -> None:
    tools = tool(0.0, 1.0, failed=True), tool(0.0, 2.0, ended=False)
    drawn = shown(run(Turn(1, "Hi", STREAM, tools, "died")))
    assert re.search("^✗ look .* 1.0 s$", drawn, re.MULTILINE)
    assert re.search(r"^\? look .* 2.0 s$", drawn, re.MULTILINE)


LENGTHS = [
    (0.004, "4 ms", "0.0 s"),
    (0.9, "900 ms", "0.1 s"),
    (59.0, "59.0 s", "10 s"),
    (61.0, "1:01 min", "1:00"),
    (5000.0, "1:23:20", "1:00:00"),
    (1e6, "277:46:40", ""),
]


@pytest.mark.parametrize(("seconds", "told", "tick"), LENGTHS)
def test_the_axis_fits_the_run_however_long(seconds: float, told: str, tick: str) -> None:
    looked = tool(0.0, seconds, Span(0.0, seconds / 2))
    drawn = shown(run(Turn(1, "", STREAM[:0], (looked,), None), seconds=seconds))
    assert f"1 turn in {told.replace('900 ms', '0.9 s')} · " in drawn
    assert tick in drawn.splitlines()[0]
    ElementTree.fromstring(svg([run(Turn(1, "", (), (looked,), None), seconds=seconds)]))


def test_a_run_without_turns_or_time_is_drawn_too() -> None:
    empty = run(seconds=0.0, outcome="failed", error="no such\nmodel")
    assert "0 turns in 0 ms · failed · no tools" in shown(empty)
    assert "no such model" in shown(empty).splitlines()
    assert "no such model" in words_of(svg([empty]))


def test_wide_characters_take_two_columns() -> None:
    assert columns("天気e\u0301") == 5
    assert clipped("天気予報", 6) == "天気…"
    weather = tool(0.0, 9.0, name="天気予報" * 9)
    row = lines(run(Turn(1, "", STREAM, (weather,), None)), 60, colour=False)[2]
    assert columns(row) == 60


# -- as a picture ------------------------------------------------------------------------------


def words_of(picture: str) -> str:
    root = ElementTree.fromstring(picture)
    return "\n".join(each.text or "" for each in root.iter(f"{SVG}text"))


def rectangles(picture: str, kind: str) -> list[tuple[float, float, float]]:
    """Where they begin and end in tenths of the axis, and how high they are."""
    root, left, width = ElementTree.fromstring(picture), 230, 574
    found: list[tuple[float, float, float]] = []
    for each in root.iter(f"{SVG}rect"):
        if each.get("class") == kind and each.find(f"{SVG}title") is not None:
            x, wide = float(each.attrib["x"]), float(each.attrib["width"])
            tenths = [round((edge - left) / width * 10, 1) for edge in (x, x + wide)]
            found.append((tenths[0], tenths[1], float(each.attrib["height"])))
    return found


def test_the_picture_has_the_same_bars() -> None:
    picture = svg([LOOKED])
    assert rectangles(picture, "text") == [(2.0, 4.0, 16.0), (5.0, 6.0, 16.0), (9.0, 9.6, 16.0)]
    thin = [(5.0, 6.0, 6.0), (5.0, 8.5, 6.0)]
    assert sorted(rectangles(picture, "tool")) == sorted([*thin, (6.0, 8.5, 16.0)])
    assert "2 turns in 10.0 s · 4.5 s of tools, 2.0 s hidden" in words_of(picture)
    assert "prefers-color-scheme: dark" in picture


def test_a_picture_of_several_runs_has_them_all_and_one_legend() -> None:
    words = words_of(svg([LOOKED, LOOKED]))
    assert words.count("What is there?") == 2
    assert words.count("a tool behind the stream") == 1


def test_a_picture_asks_for_nothing_from_elsewhere() -> None:
    picture = svg([LOOKED])
    assert re.findall('https?://[^"]*', picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search("<script|@import|url\\(|href", picture)


# -- what others said is data ------------------------------------------------------------------

EVIL = '\x1b[2J\x9b31m\u202e</text><script>alert("1")</script>&amp; \ud800 \ufffe\x00'


def evil(words: str) -> Run:
    lost = Bar(0.0, 1.0, kind="lost", reason=words)
    bad = tool(1.0, 2.0, name=words, input={words: words, "list": [words]})
    turn = Turn(1, words, (lost, *STREAM[1:]), (bad,), "committed")
    return run(turn, outcome=words, error=words)


def check(words: str) -> None:
    told = shown(evil(words), 200)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", told)
    picture = svg([evil(words)])
    root = ElementTree.fromstring(picture.encode())
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg", "style", "rect", "text", "title", "path",
    }  # fmt: skip


def test_escape_sequences_and_markup_of_strangers_stay_words() -> None:
    check(EVIL)
    assert '<script>alert("1")</script>' in words_of(svg([evil(EVIL)]))


@given(st.text(st.characters(codec=None)))
def test_no_text_breaks_the_lines_or_the_picture(words: str) -> None:
    check(words)
