"""Two ways to be at every await: where a task is suspended, and where the source says `await`."""

import ast
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from anyio.abc import TaskGroup

from midstream.concurrency import task_group


class Count:
    """Counts the places that a run comes by, and acts at one of them.

    Attributes:
        passed: how many there were.
    """

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.passed = 0
        self._at = at
        self._act = act

    def place(self) -> None:
        self.passed += 1
        if self.passed == self._at:
            self._act()

    @property
    def acted(self) -> bool:
        return self.passed >= self._at


# -- where a task is suspended -----------------------------------------------------------------


@asynccontextmanager
async def watched_group(count: Count) -> AsyncGenerator[TaskGroup]:
    """A task group; each time that one of its tasks is about to be suspended is a place."""
    async with task_group() as tasks:
        begin = tasks.start_soon

        def start_soon(function: Any, *args: object) -> None:
            async def watched() -> None:
                await Watched(function(*args), count)

            begin(watched)

        tasks.start_soon = start_soon  # type: ignore[method-assign, assignment, misc]
        yield tasks


class Watched:
    """A coroutine driven by hand, so that each of its suspensions is seen."""

    def __init__(self, task: Coroutine[Any, Any, None], count: Count) -> None:
        self._task = task
        self._count = count

    def __await__(self) -> Generator[Any, Any, None]:
        value, error = None, None
        while True:
            try:
                trap = self._task.throw(error) if error else self._task.send(value)
            except StopIteration:
                return
            value, error = None, None
            self._count.place()
            try:
                value = yield trap
            except BaseException as raised:
                error = raised


# -- where the source says so ------------------------------------------------------------------


class Marks(ast.NodeTransformer):
    """Has every `await`, `async with` and `async for` go by way of `_mark`."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        node.value = self._marked("awaited", node.value)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self._marked("entered", item.context_expr)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._marked("iterated", node.iter)
        return node

    def _marked(self, how: str, value: ast.expr) -> ast.expr:
        mark = ast.Attribute(ast.Name("_mark", ast.Load()), how, ast.Load())
        return ast.Call(mark, [value], [])


class Mark:
    """What marked code calls: a place before and a place after each thing that is awaited."""

    def __init__(self, count: Count) -> None:
        self._count = count

    async def awaited(self, thing: Any) -> Any:
        try:
            self._count.place()
        except BaseException:
            if inspect.iscoroutine(thing):
                thing.close()
            raise
        value = await thing
        self._count.place()
        return value

    @asynccontextmanager
    async def entered(self, context: AbstractAsyncContextManager[Any]) -> AsyncGenerator[Any]:
        self._count.place()
        async with context as value:
            self._count.place()
            yield value
            self._count.place()
        self._count.place()

    async def iterated(self, things: AsyncIterator[Any]) -> AsyncGenerator[Any]:
        self._count.place()
        async for thing in things:
            self._count.place()
            yield thing


@contextmanager
def marked(count: Count, *modules: ModuleType) -> Generator[None]:
    """In this context the functions of these modules come by a place at every await."""
    changed: list[tuple[FunctionType, CodeType]] = []
    for module in modules:
        module._mark = Mark(count)  # type: ignore[attr-defined]
        for function in _functions(module):
            changed.append((function, function.__code__))
            function.__code__ = _marked_codes(module)[function.__code__.co_qualname]
    try:
        yield
    finally:
        for function, before in changed:
            function.__code__ = before


@cache
def _marked_codes(module: ModuleType) -> dict[str, CodeType]:
    source = Marks().visit(ast.parse(inspect.getsource(module)))
    code = compile(ast.fix_missing_locations(source), str(module.__file__), "exec")
    return {each.co_qualname: each for each in _codes(code)}


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    spaces = [module, *(each for each in vars(module).values() if inspect.isclass(each))]
    for space in spaces:
        for each in vars(space).values():
            function = inspect.unwrap(each) if callable(each) else each
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield function
