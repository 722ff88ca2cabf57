"""The decorator that makes a function something a model may call."""

import inspect
import math
import re
from collections.abc import Callable, Iterator
from functools import partial, update_wrapper
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypedDict,
    TypeVar,
    Union,
    Unpack,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from msgspec import NODEFAULT

from midstream.messages import ToolSpec
from midstream.tools.arguments import to_arguments
from midstream.tools.context import ToolContext
from midstream.tools.schema import Parameter, documented, input_schema, parameter

P = ParamSpec("P")
R = TypeVar("R")

Function = Callable[..., Any]
Effects = Literal["read", "idempotent", "write"]
Serial = str | Callable[..., object] | None


class Settings(TypedDict, total=False):
    """How a tool is run.

    Attributes:
        effects: "read" may be repeated freely, "idempotent" with the same
            `ToolContext.idempotency_key`; "write", the default, never is.
        hold: start it only when the response has ended, instead of as soon as its call is whole.
        serial: calls under one name run one after the other, in order. A function of the input
            (it takes some of the tool's parameters) says under which name, under a tuple of
            names, or None.
        timeout: in seconds; None for no limit. 120 if absent.
        max_output: bytes of text that the model is told. 262,144 if absent.
        approval: ask a person before it runs.
    """

    effects: Effects
    hold: bool
    serial: Serial
    timeout: float | None
    max_output: int
    approval: bool


class Options(Settings, total=False):
    """What `tool` takes: a name and a description in the place of the function's own."""

    name: str | None
    description: str | None


class Tool:
    """Something a model may call: what it is told of it, how to run it, and under which rules.

    Attributes:
        fn: takes the arguments by keyword.
        is_async: `fn` is run as a task; else in a thread.
        context_parameter: the parameter of `fn` that takes a ToolContext, if there is one.
    """

    def __init__(self, fn: Function, spec: ToolSpec, **settings: Unpack[Settings]) -> None:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", spec.name):
            raise ValueError(
                f"{spec.name!r} cannot be a tool's name: give name=..., 1 to 64 letters, digits, "
                "_ and -"
            )
        _check(settings)
        self.fn = fn
        self.spec = spec
        self.effects: Effects = settings.get("effects", "write")
        self.hold = settings.get("hold", False)
        self.serial = settings.get("serial")
        self.timeout = settings.get("timeout", 120.0)
        self.max_output = settings.get("max_output", 262_144)
        self.approval = settings.get("approval", False)
        self.is_async = inspect.iscoroutinefunction(_callee(fn))
        self.context_parameter: str | None = None

    def arguments(self, input: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments for `fn`, without its context.

        Raises:
            BadArguments: the input does not fit; it names every problem.
        """
        return dict(input)

    def lanes(self, arguments: dict[str, Any]) -> tuple[str, ...]:
        """Calls that share a lane run one after the other.

        Raises whatever the user's function raises.
        """
        names: object = self.serial
        if callable(self.serial):
            taken = {name: arguments[name] for name in _taken(self.serial, arguments)}
            names = self.serial(**taken)
        if isinstance(names, tuple):
            return tuple(map(str, cast("tuple[object, ...]", names)))
        return () if names is None else (str(names),)

    def __repr__(self) -> str:
        return f"<Tool {self.spec.name}>"


class FunctionTool(Tool, Generic[P, R]):
    """A tool made of a Python function. It can still be called like that function."""

    def __init__(self, fn: Callable[P, R], **options: Unpack[Options]) -> None:
        name = options.pop("name", None) or _name(fn)
        given = options.pop("description", None)
        try:
            description, self.parameters, context = _read(fn)
            schema = input_schema(self.parameters)
        except TypeError as error:
            raise TypeError(f"tool {name}: {error}") from error
        update_wrapper(self, fn, updated=())
        spec = ToolSpec(name, description if given is None else given, schema)
        super().__init__(fn, spec, **cast("Settings", options))
        self.context_parameter = context
        self._defaults = {each.name: each.default for each in self.parameters if not each.required}
        if callable(self.serial):
            _check_serial(name, self.serial, self.parameters)

    def arguments(self, input: dict[str, Any]) -> dict[str, Any]:
        return to_arguments(self.parameters, input)

    def lanes(self, arguments: dict[str, Any]) -> tuple[str, ...]:
        return super().lanes(self._defaults | arguments)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast("Callable[P, R]", self.fn)(*args, **kwargs)


@overload
def tool(fn: Callable[P, R], /, **options: Unpack[Options]) -> FunctionTool[P, R]: ...
@overload
def tool(
    **options: Unpack[Options],
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(fn: Function | None = None, /, **options: Unpack[Options]) -> Any:
    """Make a function a tool: `@tool`, `@tool(effects="read")` or `tool(function, ...)`.

    The model is told the function's name, its docstring, and its parameters with their types and
    descriptions (`Annotated[str, "words"]`, or the docstring's Args). The options are those of
    `Options` and `Settings`.

    Raises:
        TypeError, ValueError: the function or an option will not do. The message says what to do.
    """
    return partial(FunctionTool[..., Any], **options) if fn is None else FunctionTool(fn, **options)


# -- the settings ------------------------------------------------------------------------------


def _check(settings: Settings) -> None:
    known = Settings.__annotations__
    for name, value in settings.items():
        if name not in known:
            raise TypeError(f"a tool has no option {name}: there are {', '.join(known)}")
        if name in {"hold", "approval"} and not isinstance(value, bool):
            raise TypeError(f"{name} is True or False, not {value!r}")
    if (effects := settings.get("effects", "write")) not in get_args(Effects):
        raise ValueError(f"effects is one of {', '.join(get_args(Effects))}, not {effects!r}")
    serial = settings.get("serial")
    if serial is not None and not isinstance(serial, str) and not callable(serial):
        raise TypeError(f"serial is a name or a function of the input, not {serial!r}")
    timeout = settings.get("timeout")
    if timeout is not None and not (_is_number(timeout) and 0 < timeout < math.inf):
        raise ValueError(f"timeout is in seconds and above 0, or None, not {timeout!r}")
    max_output: Any = settings.get("max_output", 1)
    if not isinstance(max_output, int) or max_output is True or max_output < 1:
        raise ValueError(f"max_output is in bytes, at least 1, not {max_output!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_serial(name: str, serial: Function, parameters: tuple[Parameter, ...]) -> None:
    known = {each.name for each in parameters}
    needed = {
        each.name
        for each in inspect.signature(serial).parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    }
    if unknown := sorted(needed - known):
        raise TypeError(
            f"tool {name}: serial takes {', '.join(unknown)}, which the tool does not: it may take "
            f"{', '.join(sorted(known)) or 'nothing'}"
        )


def _taken(serial: Function, arguments: dict[str, Any]) -> list[str]:
    parameters = inspect.signature(serial).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return list(arguments)
    return [name for name in parameters if name in arguments]


# -- reading the function ----------------------------------------------------------------------


def _read(fn: Function) -> tuple[str, tuple[Parameter, ...], str | None]:
    """Its description, the parameters that the model fills in, and the one for the context."""
    if isinstance(fn, Tool):
        raise TypeError("it is a tool already; make another one of its `fn`")
    if isinstance(fn, type) or not callable(fn):
        raise TypeError(f"a tool is made of a function, not of {fn!r}")
    if inspect.isgeneratorfunction(_callee(fn)) or inspect.isasyncgenfunction(_callee(fn)):
        raise TypeError("a tool returns one value: it cannot yield; tell progress by ToolContext")
    description, words = documented(inspect.unwrap(_callee(fn)))
    parameters: list[Parameter] = []
    contexts: list[str] = []
    for each in _parameters(fn):
        hint, default = _hint(fn, each), each.default
        if _is_context(hint):
            contexts.append(each.name)
            continue
        default = NODEFAULT if default is each.empty else default
        parameters.append(parameter(each.name, hint, default, words.get(each.name, "")))
    if len(contexts) > 1:
        raise TypeError(f"it takes one ToolContext, not {' and '.join(contexts)}")
    return description, tuple(parameters), contexts[0] if contexts else None


def _parameters(fn: Function) -> Iterator[inspect.Parameter]:
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (ValueError, NameError) as error:
        raise TypeError(f"its parameters cannot be read: {error}") from error
    # What `partial` has bound is settled: the model neither sees nor changes it.
    bound = fn.keywords if isinstance(fn, partial) else {}
    for each in parameters:
        if each.name in bound:
            continue
        if each.kind in {each.VAR_POSITIONAL, each.VAR_KEYWORD}:
            raise TypeError(f"it takes {each}: a model needs parameters with names")
        if each.kind is each.POSITIONAL_ONLY:
            raise TypeError(f"parameter {each.name} is positional-only: tools are called by name")
        if each.name in {"self", "cls"} and each.annotation is each.empty:
            raise TypeError("it is a method without its object: use tool(the_object.method)")
        yield each


def _hint(fn: Function, parameter: inspect.Parameter) -> Any:
    if parameter.annotation is parameter.empty:
        return Any

    # One at a time and without the return type, whose names may be the type checker's only.
    def bare() -> None: ...

    bare.__annotations__ = {parameter.name: parameter.annotation}
    names = getattr(inspect.unwrap(_callee(fn)), "__globals__", {})
    try:
        return get_type_hints(bare, globalns=names, include_extras=True)[parameter.name]
    except Exception as error:  # an annotation can be any expression
        raise TypeError(
            f"parameter {parameter.name}: its type {parameter.annotation!r} cannot be read "
            f"({error}); import or define it at the top of the module"
        ) from error


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, UnionType}:
        return [each for each in get_args(hint) if each is not NoneType] == [ToolContext]
    return hint is ToolContext


def _name(fn: Function) -> str:
    name: str = getattr(_callee(fn), "__name__", "__call__")
    return type(fn).__name__ if name == "__call__" else name


def _callee(fn: Any) -> Any:
    """What really runs: inside partials, and for an object its `__call__`."""
    while isinstance(fn, partial | staticmethod):
        fn = fn.func if isinstance(fn, partial) else fn.__func__
    return fn if inspect.isroutine(fn) or not callable(fn) else type(fn).__call__
