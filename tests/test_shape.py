"""The shape of the code, kept by a test: small files, short functions, a spine one can read."""

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parent.parent / "src" / "midstream"

# What must be read to understand the whole, in the order to read it.
SPINE = [
    "messages.py",
    "errors.py",
    "events.py",
    "wire/sse.py",
    "providers/anthropic.py",
    "turn/turn.py",
    "tools/calls.py",
    "agent/loop.py",
    "cli/play.py",
]

# Longer than the rule allows, each with its reason.
LONG_FUNCTIONS = {
    "agent/agent.py:__init__": "every setting of an agent, named and explained in one place",
    "cli/ask.py:command": "a line for each option",
}
MANY_PARAMETERS = {
    "agent/agent.py:__init__": "every setting of an agent, by keyword",
    "cli/ask.py:command": "one for each option; click hands them over one by one",
    "cli/bench.py:command": "one for each option, as above",
    "cli/timeline.py:command": "one for each option, as above",
    "errors.py:__init__": "what a provider says of an error, by keyword",
}


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def files() -> Iterator[tuple[str, Path]]:
    for path in sorted(SRC.rglob("*.py")):
        yield path.relative_to(SRC).as_posix(), path


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", node


def test_files_fit_on_a_few_screens() -> None:
    assert [name for name, path in files() if lines(path) > 300] == []


def test_functions_fit_on_one_screen() -> None:
    long = {name for name, node in functions() if (node.end_lineno or 0) - node.lineno >= 40}
    assert long == LONG_FUNCTIONS.keys()


def test_functions_take_few_parameters() -> None:
    def count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return len([each for each in names if each.arg not in ("self", "cls")])

    many = {name for name, node in functions() if count(node) > 5}
    assert many == MANY_PARAMETERS.keys()


def test_the_spine_can_be_read_in_an_hour() -> None:
    assert sum(lines(SRC / path) for path in SPINE) <= 1910


def test_every_module_says_what_it_is_for() -> None:
    texts = {name: path.read_text("utf-8") for name, path in files()}
    assert [name for name, text in texts.items() if not text.startswith('"""')] == []


def test_nesting_is_at_most_four_deep() -> None:
    blocks = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

    def depth(node: ast.AST) -> int:
        inner = max(map(depth, ast.iter_child_nodes(node)), default=0)
        return inner + isinstance(node, blocks)

    assert [name for name, node in functions() if depth(node) > 4] == []
