"""From a program on a terminal to a moving picture: the scripts of docs/casting."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

CASTING = Path(__file__).parent.parent / "docs" / "casting"
SVG = "{http://www.w3.org/2000/svg}"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, CASTING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where msgspec looks for the types that its annotations name
    spec.loader.exec_module(module)
    return module


cast, cast_svg = load("cast"), load("cast_svg")

GREET = """
import sys
print("\\033[2mWho?\\033[0m", flush=True)
name = input()
print(f"Hello, {name}!", flush=True)
"""


def script(*steps: dict[str, Any], program: str = GREET, **fields: Any) -> Any:
    command = [sys.executable, "-c", program]
    given = {"command": command, "step": [*steps], "rows": 5, "columns": 40, "pace": 0.001}
    return msgspec.convert(given | fields, cast.Script)


def written(*events: tuple[float, str], columns: int = 20, rows: int = 4, **fields: Any) -> str:
    header = {"version": 2, "width": columns, "height": rows, "title": "a <title>", **fields}
    return "\n".join(map(json.dumps, [header, *([at_s, "o", text] for at_s, text in events)]))


def drawn(text: str) -> ElementTree.Element:
    picture = cast_svg.svg(cast_svg.read(text))
    assert isinstance(picture, str)
    return ElementTree.fromstring(picture)


def words_at_the_end(root: ElementTree.Element) -> list[str]:
    """What each row shows when all has moved to where it stays."""
    style = "".join(root.find(f"{SVG}style").itertext())  # type: ignore[union-attr]
    ends = dict(re.findall(r"\.(r\d+)\{transform:translateY\((-?\d+)px\)", style))
    symbols = {each.get("id"): each for each in root.iter(f"{SVG}g") if each.get("id")}
    rows: list[str] = []
    for strip in root.iterfind(f"{SVG}svg/{SVG}g"):
        shown = -int(ends.get(strip.attrib["class"], "0"))
        names = [u.attrib["href"][1:] for u in strip if int(u.attrib["y"]) == shown]
        rows.append("".join("".join(symbols[name].itertext()) for name in names))
    return rows


# -- recording ---------------------------------------------------------------------------------


def test_a_program_is_recorded_while_somebody_types(tmp_path: Path) -> None:
    steps = {"wait": "Who"}, {"type": "Ada"}, {"key": "Enter"}, {"wait": "Hello"}, {"quit": True}
    made = script(*steps)
    events = cast.record(made, tmp_path)
    times = [at_s for at_s, _ in events]
    assert times == sorted(times)
    assert "".join(text for _, text in events).split("\r\n") == [
        "\x1b[2mWho?\x1b[0m", "Ada", "Hello, Ada!", "",
    ]  # fmt: skip
    assert "Hello, Ada!" in words_at_the_end(drawn(cast.in_a_cast(made, events)))


def test_what_does_not_come_ends_the_recording_and_the_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)step 1: this did not come: Bye.*Who\?"):
        cast.record(script({"wait": "Bye"}, patience=0.5), tmp_path)


def test_a_program_is_alone_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "two.txt").write_text("2")
    program = "import os; print(os.listdir(), 'PYTEST_CURRENT_TEST' in os.environ)"
    made = script({"quit": True}, program=program, files=["one.txt"])
    (event, *_) = cast.record(made, tmp_path)
    assert event[1].strip() == "['one.txt'] False"


@pytest.mark.parametrize("path", sorted(CASTING.glob("*_scene.toml")), ids=lambda path: path.stem)
def test_a_scene_can_be_read_and_has_its_files(path: Path) -> None:
    made = msgspec.toml.decode(path.read_bytes(), type=cast.Script)
    assert [name for name in made.files if not (path.parent / name).exists()] == []
    assert {step.key for step in made.step} <= {"", *cast.KEYS}


# -- drawing -----------------------------------------------------------------------------------


def test_the_picture_ends_with_the_last_screen() -> None:
    root = drawn(written((0.1, "one\r\ntwo\r\n"), (1.0, "three\r\n"), (2.0, "four\r\nfive")))
    assert words_at_the_end(root) == ["two", "three", "four", "five"]


def test_rows_that_show_the_same_share_one_piece() -> None:
    root = drawn(written((0.1, "\x1b[?25lsame\r\nsame\r\n"), (1.0, "\r\nsame")))
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert texts.count("same") == 1


def test_an_update_is_shown_whole_or_not_at_all() -> None:
    begin, end = "\x1b[?2026h", "\x1b[?2026l"
    root = drawn(written((0.1, begin + "half"), (1.0, "\rwhole" + end), (2.0, "")))
    texts = {each.text for each in root.iter(f"{SVG}text")}
    assert "whole" in texts
    assert "half" not in texts


def test_looks_are_classes_and_dim_is_known() -> None:
    root = drawn(written((0.1, "\x1b[2;31mdim\x1b[22m \x1b[1mbold\x1b[0m \x1b[38;5;2mgreen")))
    looks = {each.text: each.get("class") for each in root.iter(f"{SVG}text")}
    assert looks["dim"] == "c1 d"
    assert looks["bold"] == "c1 b"


def test_sequences_that_no_terminal_draws_are_not_drawn() -> None:
    root = drawn(written((0.1, "\x1b[>1u\x1b[=0"), (1.0, ";1u\x1b]0;title\x07\x1b[?25lseen")))
    assert words_at_the_end(root) == ["seen"]


def test_markup_is_words_and_the_file_asks_for_nothing() -> None:
    text = written((0.1, "<script>&\"' 天気"))
    assert words_at_the_end(drawn(text)) == ["<script>&\"'天気"]
    picture = cast_svg.svg(cast_svg.read(text))
    assert "a &lt;title&gt;" in picture
    assert re.findall("https?://[^\"']*", picture) == ["http://www.w3.org/2000/svg"]


def test_long_silences_are_cut() -> None:
    made = cast_svg.read(written((1.0, "a"), (60.0, "b"), (60.5, "c"), idle_time_limit=2.0))
    assert [at_s for at_s, _ in made.events] == [1.0, 3.0, 3.5]
