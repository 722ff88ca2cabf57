"""Which names a pattern fits."""

import time

import pytest

from midstream.tools.workspace.globs import Glob

FITS = [
    ("*.py", "a.py", "a/b/c.py"),
    ("a.py", "a.py", "x/a.py"),
    ("src/*.py", "src/a.py"),
    ("/src/*.py", "src/a.py"),
    ("./src/*.py", "src/a.py"),
    ("src/**/*.py", "src/a.py", "src/a/b.py", "src/a/b/c.py"),
    ("**/test/*", "test/a", "x/y/test/a"),
    ("src/**", "src/a", "src/a/b"),
    ("src/", "src/a", "src/a/b"),
    ("**", "a", "a/b"),
    ("**/*", "a", "a/b"),
    ("*.{ts,tsx}", "a.ts", "a/b.tsx"),
    ("{src,lib}/*.{py,pyi}", "src/a.py", "lib/a.pyi"),
    ("{a,{b,c}}.x", "a.x", "b.x", "c.x"),
    ("?.py", "a.py"),
    ("[ab].py", "a.py", "b.py"),
    ("[!a].py", "b.py"),
    ("a+b(c).$", "a+b(c).$"),
    ("a\nb*", "a\nbc"),
]
DOES_NOT = [
    ("*.py", "a.pyc", "py", "a.py/b"),
    ("src/*.py", "a.py", "src/a/b.py", "x/src/a.py"),
    ("src/**/*.py", "lib/src/a.py", "src/a.pyc"),
    ("*.{ts,tsx}", "a.js", "a.t"),
    ("?.py", "ab.py"),
    ("[!a].py", "a.py"),
    ("a.py", "A.py", "axpy"),
    ("[", "a"),
]


def test_what_fits() -> None:
    assert [(g, path) for g, *paths in FITS for path in paths if not Glob(g).fits(path)] == []


def test_what_does_not_fit() -> None:
    assert [(g, path) for g, *paths in DOES_NOT for path in paths if Glob(g).fits(path)] == []


@pytest.mark.parametrize("pattern", ["*a" * 60 + "b", "**/" * 60 + "b", "**/*a*/" * 30 + "b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()
    assert not Glob(pattern).fits("/".join(["a" * 250] * 15))
    assert time.process_time() - began < 0.5


def test_a_pattern_that_is_tried_on_every_path_is_not_long() -> None:
    with pytest.raises(ValueError, match="more than 1,000 characters"):
        Glob("**/" * 100_000 + "*.py")


@pytest.mark.parametrize(
    "pattern", ["{a,b}" * 20, "{" * 1000, "{a}" * 100, "{a,{b,{c,{d,{e,{f,{g,{h,{i,j}}}}}}}}}"]
)
def test_a_pattern_with_too_many_alternatives_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="too many alternatives"):
        Glob(pattern)
