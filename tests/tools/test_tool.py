"""What becomes a tool, under which name, words and settings, and what is refused."""

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest

from midstream.messages import ToolSpec
from midstream.tools.context import ToolContext
from midstream.tools.tool import Tool, tool


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


async def add_soon(a: int, b: int = 1) -> int:
    return a + b


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def up(self, by: int) -> int:
        self.count += by
        return self.count

    async def __call__(self, by: int) -> int:
        """Count up."""
        return self.up(by)

    @tool
    @staticmethod
    async def nothing() -> None: ...


def test_a_bare_decorator_takes_name_and_words_from_the_function() -> None:
    made = tool(add)
    assert made.spec.name == "add"
    assert made.spec.description == "Add two numbers."
    assert made.spec.input_schema["required"] == ["a"]
    assert repr(made) == "<Tool add>"


def test_the_settings_of_a_tool_without_settings_are_the_safe_ones() -> None:
    made = tool(add)
    assert (made.effects, made.hold, made.serial) == ("write", False, None)
    assert (made.timeout, made.max_output, made.approval) == (120.0, 262_144, False)


def test_a_decorator_with_options_keeps_them() -> None:
    @tool(
        name="sum",
        description="Sum up.",
        effects="read",
        hold=True,
        serial="maths",
        timeout=None,
        max_output=10,
        approval=True,
    )
    def some(a: int) -> int:
        """Not told."""
        return a

    assert (some.spec.name, some.spec.description) == ("sum", "Sum up.")
    assert (some.effects, some.hold, some.serial) == ("read", True, "maths")
    assert (some.timeout, some.max_output, some.approval) == (None, 10, True)


def test_a_tool_is_called_like_its_function() -> None:
    made = tool(add)
    total: int = made(1, b=2)
    assert total == 3
    assert (made.__name__, made.__doc__, made.__wrapped__) == (  # type: ignore[attr-defined]
        "add",
        "Add two numbers.",
        add,
    )


async def test_an_async_tool_is_awaited_like_its_function() -> None:
    total: int = await tool(add_soon)(1)
    assert total == 2


def test_a_method_keeps_its_object() -> None:
    counter = Counter()
    made = tool(counter.up)
    assert [*made.spec.input_schema["properties"]] == ["by"]
    made.fn(**made.arguments({"by": 2}))
    assert counter.count == 2


def test_an_object_that_can_be_called_is_named_after_its_class() -> None:
    made = tool(Counter(), name=None)
    assert (made.spec.name, made.spec.description) == ("Counter", "Count up.")


def test_what_partial_has_bound_is_not_the_models_to_see_or_change() -> None:
    made = tool(functools.partial(add, b=5))
    assert made.spec.name == "add"
    assert [*made.spec.input_schema["properties"]] == ["a"]
    assert made.fn(**made.arguments({"a": 1})) == 6
    assert tool(functools.partial(add, 5)).fn(b=1) == 6


def test_a_decorated_function_is_read_through_its_decorator() -> None:
    @functools.wraps(add)
    def logged(*args: Any, **kwargs: Any) -> int:
        return add(*args, **kwargs)

    assert tool(logged).spec == tool(add).spec
    assert tool(functools.lru_cache(add)).spec == tool(add).spec


@pytest.mark.parametrize(
    ("fn", "is_async"),
    [
        pytest.param(add, False, id="def"),
        pytest.param(add_soon, True, id="async def"),
        pytest.param(functools.partial(add_soon, b=2), True, id="partial of async def"),
        pytest.param(Counter(), True, id="object with an async __call__"),
        pytest.param(Counter().up, False, id="method"),
    ],
)
def test_what_is_awaited_and_what_runs_in_a_thread(fn: Callable[..., Any], is_async: bool) -> None:
    assert tool(fn).is_async is is_async


def test_a_static_method_may_be_a_tool_of_its_class() -> None:
    assert Counter.nothing.is_async
    assert Counter.nothing.spec.name == "nothing"


def test_no_docstring_is_no_description() -> None:
    assert tool(add_soon).spec.description == ""


def test_the_context_is_not_the_models_business() -> None:
    def one(ctx: ToolContext, a: int) -> None: ...
    def two(a: int, ctx: ToolContext | None = None) -> None: ...
    def three(a: int, ctx: Annotated[ToolContext, "mine"]) -> None: ...

    for fn in (one, two, three):
        made = tool(fn)
        assert made.context_parameter == "ctx"
        assert [*made.spec.input_schema["properties"]] == ["a"]
    assert tool(add).context_parameter is None


# -- order -------------------------------------------------------------------------------------


def test_a_serial_name_is_the_key_of_every_call() -> None:
    assert tool(add, serial="maths").lanes({"a": 1}) == ("maths",)
    assert tool(add).lanes({"a": 1}) == ()


def test_a_serial_function_sees_those_arguments_that_it_names() -> None:
    assert tool(add, serial=lambda b: f"b{b}").lanes({"a": 1, "b": 7}) == ("b7",)
    assert tool(add, serial=lambda: "all").lanes({"a": 1}) == ("all",)
    assert tool(add, serial=lambda **every: [*every]).lanes({"a": 2}) == ("['b', 'a']",)


def test_a_serial_function_sees_the_defaults_of_absent_arguments() -> None:
    assert tool(add, serial=lambda a, b: a + b).lanes({"a": 1}) == ("2",)


def test_a_serial_function_may_say_that_a_call_need_not_wait() -> None:
    assert tool(add, serial=lambda a: ("x", a)).lanes({"a": 1}) == ("x", "1")
    assert tool(add, serial=lambda a: None).lanes({"a": 1}) == ()


# -- what is refused ---------------------------------------------------------------------------


def starred(*args: int) -> None: ...
def double_starred(**kwargs: int) -> None: ...
def positional(a: int, /) -> None: ...
def two_contexts(a: ToolContext, b: ToolContext) -> None: ...
def generates() -> Iterator[int]:
    yield 1


async def generates_soon() -> AsyncIterator[int]:
    yield 1


FUNCTIONS = [
    pytest.param(starred, r"tool starred: it takes \*args: int: a model needs", id="*args"),
    pytest.param(double_starred, r"it takes \*\*kwargs: int", id="**kwargs"),
    pytest.param(positional, "parameter a is positional-only", id="positional-only"),
    pytest.param(Counter.up, r"use tool\(the_object.method\)", id="unbound method"),
    pytest.param(Counter, "made of a function, not of <class", id="class"),
    pytest.param("add", "made of a function, not of 'add'", id="not a function"),
    pytest.param(tool(add), "a tool already", id="tool"),
    pytest.param(generates, "cannot yield", id="generator"),
    pytest.param(generates_soon, "cannot yield", id="async generator"),
    pytest.param(two_contexts, "one ToolContext, not a and b", id="two contexts"),
    pytest.param(print, "it takes", id="builtin"),
    pytest.param(max, "parameters cannot be read", id="builtin without a signature"),
]


@pytest.mark.parametrize(("fn", "why"), FUNCTIONS)
def test_what_no_model_could_call_is_refused_where_it_is_written(fn: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        tool(fn)


OPTIONS = [
    ({"effects": "writes"}, ValueError, "effects is one of read, idempotent, write"),
    ({"hold": 1}, TypeError, "hold is True or False, not 1"),
    ({"approval": "ask"}, TypeError, "approval is True or False"),
    ({"serial": 3}, TypeError, "serial is a name or a function"),
    ({"serial": lambda path: path}, TypeError, "takes path, which the tool does not: .* a, b"),
    ({"timeout": 0}, ValueError, "timeout is in seconds and above 0, or None, not 0"),
    ({"timeout": "5"}, ValueError, "timeout"),
    ({"timeout": True}, ValueError, "timeout"),
    ({"timeout": math.nan}, ValueError, "timeout"),
    ({"timeout": math.inf}, ValueError, "timeout"),
    ({"max_output": 0}, ValueError, "max_output is in bytes, at least 1"),
    ({"max_output": 1.5}, ValueError, "max_output"),
    ({"max_output": True}, ValueError, "max_output"),
    ({"effect": "read"}, TypeError, "no option effect: there are effects, hold"),
]


@pytest.mark.parametrize(("options", "error", "why"), OPTIONS)
def test_an_option_that_will_not_do_is_refused_with_what_would(
    options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        tool(add, **options)


@pytest.mark.parametrize("name", ["a b", "", "ä", "x" * 65, "a\n", "a.b"])
def test_names_are_what_every_provider_takes(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a tool's name: give name="):
        Tool(add, ToolSpec(name, "", {}))


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(ValueError, match="'<lambda>' cannot be a tool's name"):
        tool(lambda: None)
    assert tool(lambda: None, name="nothing").spec.name == "nothing"


def test_a_tool_from_elsewhere_brings_its_own_schema_and_takes_the_input_as_it_is() -> None:
    spec = ToolSpec("far", "Far away.", {"type": "object"})
    made = Tool(lambda **arguments: arguments, spec, effects="read")
    given = {"self": 1, "anything": [2]}
    assert made.fn(**made.arguments(given)) == given
    assert made.spec is spec
