"""Terminals of all sizes and abilities, and what the status line tells."""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from midstream.faces.terminal.markdown import rendered
from midstream.simulator import Reply, Scenario, call, say, think
from tests.cli.talking import LONG, Start, document, last_words, look_of, slowly, talk
from tests.cli.tmux import Tmux, needs_tmux, terminal
from tests.faces.terminal.lines import SGR

pytestmark = needs_tmux

COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
WIDE = f"""\
{"日本語の文章は単語の間に空白がありません。" * 8}

- 한국어 문장 🙂 🚀 🏳️‍🌈 é ñ
- 中文文本

| 一 | 二 |
|---|---|
| 🙂 | 三 |

The end."""
ALL = """\
# Heading

- one
  - two

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```

> quoted

"""


def compact(lines: Sequence[str]) -> str:
    return "".join("".join(lines).split())


def lost(text: str, lines: Sequence[str]) -> list[str]:
    """The paragraphs of an answer that are not on these lines as a whole."""
    seen = compact(lines)
    paragraphs = (SGR.sub("", line) for line in rendered(text, 100_000))
    whole = (compact([each]) for each in paragraphs if set(each) - set("─ "))
    return [each for each in whole if each not in seen]


def longer(tmux: Tmux, lines: int, screen: str) -> bool:
    return len(tmux.lines) > lines


# -- the status line ----------------------------------------------------------------------------


def test_the_status_line_tells_the_figures(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say("On and on. " * 40)])))
    with talk(tmp_path, sim, size=(120, 24)) as tmux:
        assert "anthropic:claude-sonnet-4-6 · 0 in 0 out" in tmux.screen
        tmux.say("Go on.")
        tmux.wait_for(lambda screen: re.search(r" [1-9]\d* out .*tokens/s", screen))  # it counts
        screen = tmux.wait_for("TTFT")
    line = screen.rstrip().split("\n")[-1]
    figures = r"claude-sonnet-4-6 · \d\.\dk in \d+ out · \$0\.\d{4} · context \d+%"
    assert re.search(figures + r" · TTFT \d\.\d\d s · \d+ tokens/s$", line)


# -- what a terminal can do ---------------------------------------------------------------------


def test_without_colour_there_is_none(tmp_path: Path, simulator: Start) -> None:
    text = "# Heading\n\n**bold** and `code`\n\n```python\ndef x(): pass\n```\n"
    replies = [Reply([think("Well."), call("glance", place="here"), call("pay", amount=1)]),
               Reply([say(text)])]  # fmt: skip
    with talk(tmp_path, simulator(replies), variables={"NO_COLOR": "1"}) as tmux:
        tmux.say("Show it.")
        tmux.wait_for("y yes")
        assert not COLOUR.search(tmux.coloured)
        tmux.press("y", "Enter")
        tmux.wait_for("def x()")
        tmux.say("/help")
        tmux.wait_for("/quit")
        assert not COLOUR.search(tmux.coloured)
        assert look_of("›\n", tmux.coloured) == {"1"}


def test_a_dumb_terminal_gets_lines(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(slowly(Reply([say("One.")]), Reply([say(LONG)]), Reply([say("Three.")])))
    options = ("-m", "anthropic:m", "--base-url", sim.url)
    dumb = {"ANTHROPIC_API_KEY": "any", "TERM": "dumb"}
    with terminal(*options, folder=tmp_path, variables=dumb) as tmux:
        tmux.wait_for("\n>")
        tmux.say("First?")
        tmux.wait_for("One.")
        tmux.wait_for(lambda screen: screen.count("\n>") == 2)
        tmux.say("Second?")
        tmux.wait_for("On and on.")
        tmux.press("C-c")
        tmux.wait_for(lambda screen: screen.count("\n>") == 3)
        tmux.say("Third?")
        tmux.wait_for("Three.")
        tmux.wait_for(lambda screen: screen.count("\n>") == 4)
        assert "\x1b" not in tmux.coloured
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
    assert len(sim.requests[2]["messages"]) == 5


def without_the_extra(folder: Path) -> dict[str, str]:
    """Variables with which what `midstream[terminal]` brings is not found."""
    gone = folder / "gone"
    gone.mkdir()
    for name in ("wcwidth", "prompt_toolkit", "markdown_it", "pygments"):
        (gone / f"{name}.py").write_text(f"raise ModuleNotFoundError('gone', name='{name}')")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(gone), os.environ.get("PYTHONPATH"))))}


def sessions_in(tmux: Tmux) -> str:
    tmux.say("/sessions")
    return tmux.wait_for(lambda screen: screen.count("goes on with one") == 2).rpartition(
        "/sessions"
    )[2]


@pytest.mark.parametrize("extra", [True, False])
def test_commands_are_done_in_lines_too(tmp_path: Path, simulator: Start, extra: bool) -> None:
    sim = simulator([Reply([say("One.")]), Reply([say("Two.")]), Reply([say("It was one.")])])
    options = ("-m", "anthropic:m", "--base-url", sim.url)
    variables = {"TERM": "dumb"} if extra else without_the_extra(tmp_path)
    keys = {"ANTHROPIC_API_KEY": "any", **variables}
    with terminal(*options, folder=tmp_path, size=(80, 60), variables=keys) as tmux:
        tmux.wait_for("\n>")
        assert extra or "wcwidth is missing" in tmux.screen
        for command, said in (
            ("/help", "/timeline"),
            ("/tools", "read_file"),
            ("/cost", "tokens read"),
            ("/sessions", "none so far"),
            ("/foo", "there is no command /foo; /help lists them"),
            ("/model", "anthropic:m; /model"),
            ("/model sim:rough", "from here on: sim:rough"),
            ("/model anthropic:m", "from here on: anthropic:m"),
            ("/export", "nothing has been said so far"),
        ):
            tmux.say(command)
            tmux.wait_for(said)
        assert sim.requests == []
        tmux.say("First?")
        tmux.wait_for("One.")
        tmux.say(" /foo")
        tmux.wait_for("Two.")
        assert last_words(sim.requests[1]) == "/foo"
        found = re.search(r"([0-9a-f]{8}) ", sessions_in(tmux))
        assert found
        tmux.say(f"/resume {found[1]}")
        tmux.wait_for("it goes on here")
        assert "> First?\nOne." in tmux.screen
        tmux.say("/compact")
        tmux.wait_for("⇲ compacted")
        tmux.say("/quit")
        assert tmux.wait_for_end() == 0


# -- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 200])
def test_wide_characters_on_narrow_terminals_and_on_wide_ones(
    tmp_path: Path, simulator: Start, columns: int
) -> None:
    with talk(tmp_path, simulator(slowly(Reply([say(WIDE)]))), size=(columns, 40)) as tmux:
        tmux.say("日本語でお願いします 🙂")
        tmux.wait_for(lambda screen: "The end." in screen and "k in" in screen)
        expected = [SGR.sub("", line).rstrip() for line in rendered(WIDE, columns - 1)]
        lines = tmux.lines
        start = lines.index("› 日本語でお願いします 🙂") + 2
        assert [each.rstrip() for each in lines[start : start + len(expected)]] == expected
        tmux.type("漢字🙂x")
        tmux.wait_for("› 漢字🙂x")
        assert tmux.cursor[1] == 2 + 7
        tmux.press("Left", "Left")
        tmux.type("_")
        tmux.wait_for("› 漢字_🙂x")


def test_no_word_is_lost_when_the_window_changes_while_it_streams(
    tmp_path: Path, simulator: Start
) -> None:
    text = document(5000, tables=False) + "\n\nThat was all."
    sim = simulator(Scenario(replies=[Reply([say(text)])], tokens_per_second=2000))
    with talk(tmp_path, sim, "--max-tokens", "100000", size=(100, 30)) as tmux:
        tmux.say("Go.")
        for columns, rows in ((60, 20), (120, 40), (37, 15), (100, 30)):
            most = len(tmux.lines) + 20
            tmux.wait_for(partial(longer, tmux, most))
            tmux.resize(columns, rows)
        tmux.wait_for(lambda screen: "That was all." in screen and "$" in screen)
        assert lost(text, tmux.lines) == []


@pytest.mark.parametrize("size", [(20, 6), (12, 3), (2, 2)])
def test_a_tiny_terminal_is_no_trouble(
    tmp_path: Path, simulator: Start, size: tuple[int, int]
) -> None:
    reply = Reply([say("Some words.\n\n" + ALL), call("pay", amount=1), say("More. " * 20)])
    sim = simulator(slowly(reply, Reply([say("The end.")])))
    with talk(tmp_path, sim) as tmux:
        tmux.resize(*size)
        tmux.type("Go on")
        tmux.press("C-j", "C-j", "C-j", "C-j", "Enter")
        tmux.wait_for(lambda _: sim.requests)
        tmux.type("/")  # the menu
        tmux.press("Escape", "BSpace")
        tmux.resize(80, 24)
        tmux.wait_for("y yes")
        tmux.resize(*size)
        tmux.press("y", "Enter")
        tmux.resize(80, 24)
        tmux.wait_for(lambda screen: "Theend." in compact([screen]))  # it may stand in two columns
        tmux.press("C-d")
        assert tmux.wait_for_end() == 0
