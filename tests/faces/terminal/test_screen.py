"""What is written to a terminal, as a terminal takes it."""

import re

import pyte
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from midstream.faces.terminal.screen import Place, Screen, Size

SIZE = Size(20, 6)
WORDS = st.text("ab é界🙂", max_size=30)
FRAMES = st.lists(
    st.tuples(st.lists(WORDS, max_size=9), st.lists(WORDS, max_size=9), st.integers(0, 8)),
    min_size=1,
    max_size=8,
)


class Emulator:
    """A terminal in memory, with all that has left its screen."""

    def __init__(self, size: Size = SIZE) -> None:
        self.screen = pyte.HistoryScreen(size.columns, size.rows, history=10_000)
        self.stream = pyte.Stream(self.screen)

    def write(self, text: str) -> None:
        self.stream.feed(text)

    @property
    def lines(self) -> list[str]:
        """From the first line that was ever written to the last that is not blank."""
        gone = [
            "".join(row[n].data for n in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        shown = [line.rstrip() for line in self.screen.display]
        lines = [*gone, *shown]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def seen(lines: list[str], columns: int) -> list[str]:
    """How lines look that are not too long, else their beginning."""
    whole = [line.rstrip() for line in lines]
    while whole and not whole[-1]:
        whole.pop()
    return whole


@given(FRAMES)
def test_finished_lines_stay_and_the_live_ones_stand_below_them(
    frames: list[tuple[list[str], list[str], int]],
) -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    finished: list[str] = []
    for above, live, row in frames:
        above = [line[:9] for line in above]  # 19 cells, should each be wide
        live = [line[:9] for line in live][: SIZE.rows - 1]
        place = Place(min(row, max(0, len(live) - 1)), 1)
        terminal.write(screen.frame(SIZE, above, live, place))
        finished += above
        assert terminal.lines == seen([*finished, *live], SIZE.columns)


@given(FRAMES)
def test_no_frame_fills_the_last_column_or_the_screen(
    frames: list[tuple[list[str], list[str], int]],
) -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    for above, live, row in frames:
        terminal.write(screen.frame(SIZE, above, live, Place(row, 50)))
        assert all(line[-1:] in ("", " ") for line in terminal.screen.display if len(line) == 20)
        assert terminal.screen.cursor.x < SIZE.columns


def test_the_cursor_stands_where_it_is_told() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    for place in (Place(2, 3), Place(0, 0), Place(1, 7)):
        terminal.write(screen.frame(SIZE, [], ["one", "two", "three"], place))
        assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (place.row, place.column)


def test_what_is_the_same_is_not_written_again() -> None:
    screen = Screen(SIZE)
    screen.frame(SIZE, [], ["one", "two", "three"], Place(2, 0))
    assert screen.frame(SIZE, [], ["one", "two", "three"], Place(2, 0)) == ""
    changed = screen.frame(SIZE, [], ["one", "two", "four"], Place(2, 0))
    assert "four" in changed
    assert "two" not in changed


def test_a_live_line_that_is_too_long_ends_in_dots() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    terminal.write(screen.frame(SIZE, [], ["x" * 40, "界" * 40], Place()))
    assert terminal.lines[0] == "x" * 18 + "…"
    assert terminal.lines[1].endswith("…")


def test_a_live_line_fits_where_emoji_are_drawn_in_their_parts() -> None:
    for emoji in ("👩\u200d👩\u200d👧\u200d👦", "🇩🇪", "🏳\ufe0f\u200d🌈"):
        for count in range(1, 12):
            text = Screen(SIZE).frame(SIZE, [], [emoji * count + "\u200d"], Place())
            parts = re.sub("\x1b\\[[?\\d;]*[A-Za-z]", "", text).strip()
            assert sum(max(0, wcwidth(each)) for each in parts) < SIZE.columns


def test_of_a_finished_line_that_is_too_long_nothing_is_lost() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    words = "one two three four five six seven eight"
    terminal.write(screen.frame(SIZE, [words], [], Place()))
    assert " ".join(terminal.lines) == words


def test_of_a_live_region_that_is_too_high_the_last_lines_are_seen() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    terminal.write(screen.frame(SIZE, ["above"], [f"line {n}" for n in range(9)], Place(8, 0)))
    assert terminal.lines == ["above", *(f"line {n}" for n in range(4, 9))]
    assert terminal.screen.cursor.y == 5


def test_lines_since_the_mark_are_taken_back() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    terminal.write(screen.frame(SIZE, ["kept"], ["live"], Place()))
    screen.mark()
    terminal.write(screen.frame(SIZE, ["lost 1", "lost 2"], ["live"], Place()))
    assert screen.withdraw() == 0
    terminal.write(screen.frame(SIZE, ["again"], ["live"], Place()))
    assert terminal.lines == ["kept", "again", "live"]


def test_of_lines_that_have_left_the_screen_their_number_is_told() -> None:
    terminal, screen = Emulator(), Screen(SIZE)
    screen.mark()
    terminal.write(screen.frame(SIZE, [f"lost {n}" for n in range(9)], ["live"], Place()))
    assert screen.withdraw() == 4
    terminal.write(screen.frame(SIZE, ["4 stay"], ["live"], Place()))
    assert terminal.lines == [*(f"lost {n}" for n in range(4)), "4 stay", "live"]


def test_nothing_erases_the_whole_screen_or_leaves_it() -> None:
    screen = Screen(SIZE)
    text = screen.frame(SIZE, ["a"] * 9, ["b"] * 9, Place())
    text += screen.frame(Size(10, 4), ["a"] * 9, ["b"], Place())
    text += screen.frame(SIZE, [], [], Place())
    for banned in ("\x1b[2J", "\x1b[3J", "\x1b[?1049", "\x1b[H", "\x1bc"):
        assert banned not in text
