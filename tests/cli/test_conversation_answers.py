"""What an answer looks like while it comes, and what stays of it."""

from pathlib import Path

from midstream.faces.terminal.markdown import rendered
from midstream.simulator import Reply, Scenario, say, think
from midstream.simulator.faults import Delay
from tests.cli.talking import Start, document, look_of, slowly, talk
from tests.cli.tmux import Tmux, needs_tmux
from tests.faces.terminal.lines import SGR

pytestmark = needs_tmux

ALL_KINDS = """\
# A heading

Some **bold** words, `code`, and a [link](https://example.org/page).

- one
- two
  1. three

| left | right |
|------|------:|
| a    |     1 |

```python
def double(x):
    return 2 * x
```
"""


def plain(lines: list[str]) -> list[str]:
    return [SGR.sub("", line).rstrip() for line in lines]


def answer(tmux: Tmux, prompt: str, count: int) -> list[str]:
    """So many lines that stand below the prompt."""
    lines = tmux.lines
    start = lines.index(f"› {prompt}") + 2
    return [line.rstrip() for line in lines[start : start + count]]


def test_markdown_is_rendered_while_it_streams(tmp_path: Path, simulator: Start) -> None:
    last = "The **last** paragraph " + "goes on and on " * 200
    sim = simulator(slowly(Reply([say(f"{ALL_KINDS}\n{last}")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Show it.")
        tmux.wait_for("The last paragraph goes on")  # which is open still
        assert "**" not in tmux.screen
        expected = plain(rendered(ALL_KINDS, 79))
        assert answer(tmux, "Show it.", len(expected)) == expected
        coloured = tmux.coloured
        assert look_of("A heading", coloured) == {"1", "4", "35"}
        assert look_of("bold", coloured) == {"1"}
        assert look_of("code", coloured) == {"36"}
        assert look_of("def", coloured) == {"35"}


def test_a_block_of_code_is_seen_before_it_ends(tmp_path: Path, simulator: Start) -> None:
    code = "".join(f"print({n})\n" for n in range(300))
    sim = simulator(slowly(Reply([say(f"```python\n{code}```\n")])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Show it.")
        tmux.wait_for("print(1)")
        assert "```" not in tmux.screen


def test_an_answer_of_20_000_tokens_is_all_in_the_scrollback(
    tmp_path: Path, simulator: Start
) -> None:
    text = document(20_000)
    sim = simulator(Scenario(replies=[Reply([say(f"{text}\n\nThat was all.")])]))
    with talk(tmp_path, sim, "--max-tokens", "100000", size=(100, 30)) as tmux:
        tmux.say("Go.")
        tmux.wait_for(lambda seen: "That was all." in seen and "$" in seen, 40)
        expected = plain(rendered(f"{text}\n\nThat was all.", 99))
        assert answer(tmux, "Go.", len(expected)) == expected


# -- reasoning ------------------------------------------------------------------------------------


def test_the_time_since_enter_is_shown_until_the_answer_begins(
    tmp_path: Path, simulator: Start
) -> None:
    late = Delay(seconds=1.5)
    sim = simulator(Scenario(replies=[Reply([say("Here it is.")])], faults=[late]))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Why?")
        tmux.wait_for("✻ thinking… 0.")
        tmux.wait_for("✻ thinking… 1.")
        tmux.wait_for("Here it is.")
        assert "thinking…" not in tmux.screen


def test_reasoning_is_a_dim_panel_that_ctrl_r_opens(tmp_path: Path, simulator: Start) -> None:
    thoughts = "\n".join(f"thought {n}" for n in range(60))
    sim = simulator(slowly(Reply([think(f"{thoughts}\n" * 3), say("So it is.")])))
    with talk(tmp_path, sim, "--thinking", "1024", size=(80, 40)) as tmux:
        tmux.say("Why?")
        tmux.wait_for("thought 9")
        assert look_of("thought 9", tmux.coloured) == {"2"}
        assert tmux.screen.count("  thought ") <= 3
        tmux.press("C-r")
        tmux.wait_for(lambda seen: seen.count("  thought ") > 3)
        tmux.press("C-r")
        tmux.wait_for(lambda seen: 0 < seen.count("  thought ") <= 3)
        tmux.press("Escape")
        tmux.wait_for("■ stopped")


def test_reasoning_between_tags_is_no_answer(tmp_path: Path, simulator: Start) -> None:
    text = (
        "<thinking>First this, " + "then that. " * 20 + "</thinking>\n\nSo it is. " + "Yes. " * 20
    )
    sim = simulator(slowly(Reply([say(text)])))
    with talk(tmp_path, sim) as tmux:
        tmux.say("Why?")
        tmux.wait_for("  First this")
        assert "<think" not in tmux.screen
        tmux.wait_for("So it is.")
        tmux.wait_for("$")
        assert "✻ thought for" in tmux.screen
        assert "First this" not in tmux.screen
        assert "think" not in tmux.screen.replace("✻ thought", "")
        tmux.press("C-r")
        tmux.wait_for("  First this")
