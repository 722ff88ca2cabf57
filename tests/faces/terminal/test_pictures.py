"""Which pictures a prompt names."""

from pathlib import Path

import pytest

from midstream.faces.terminal.pictures import pictures

PNG = b"\x89PNG\r\n\x1a\n and so on"
NAMES = ("dot.png", "a red dot.png", "it's.jpg", "shot.JPEG", "below/deep.gif", "(1).webp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    for name in NAMES:
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "words.png").write_text("no picture")
    (tmp_path / "large.png").write_bytes(PNG.ljust(6_000_000))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("dot.png", ["dot.png"]),
        ("What is dot.png?", ["dot.png"]),
        ("See @dot.png, and (shot.JPEG).", ["dot.png", "shot.JPEG"]),
        ("What's in 'a red dot.png'?", ["a red dot.png"]),
        ('"a red dot.png"', ["a red dot.png"]),
        (r"a\ red\ dot.png dot.png", ["a red dot.png", "dot.png"]),
        (r"it\'s.jpg and it's.jpg", ["it's.jpg"]),
        ("below/deep.gif", ["deep.gif"]),
        ("(1).webp", ["(1).webp"]),
        ("dot.png dot.png", ["dot.png"]),
        ("{folder}/dot.png", ["dot.png"]),
        ("none.png dot.pngs adot.png dot.png/x ~nobody/dot.png", ["dot.png"]),
        ("nothing at all", []),
        ("x" * 5000 + ".png", []),
    ],
)
def test_paths_are_found_among_the_words(folder: Path, words: str, names: list[str]) -> None:
    found = pictures(words.replace("{folder}", str(folder)), folder)
    assert [each.name for each in found] == names
    assert all(each.image and each.image.media_type == "image/png" for each in found)


def test_a_picture_that_is_too_large_is_said_to_be(folder: Path) -> None:
    (found,) = pictures("large.png", folder)
    assert found.image is None
    assert found.trouble == "6,000,000 bytes, and at most 3,932,160 can be sent"


def test_a_file_that_is_no_picture_is_said_to_be_none(folder: Path) -> None:
    (found,) = pictures("Look at words.png.", folder)
    assert (found.name, found.image) == ("words.png", None)
    assert found.trouble == "it is no PNG, JPEG, GIF or WebP"
