"""Plays one run before a face, from the question to the exit status."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Literal

import anyio
from msgspec import Struct

from midstream.agent.agent import Agent
from midstream.agent.run import Run
from midstream.cli.load import load_tools
from midstream.concurrency import in_thread, task_group
from midstream.events import RunEnded
from midstream.faces.plain import Face, JsonAtEnd, JsonLines, Piece, PlainText

EXIT = {
    "completed": 0,
    "failed": 1,
    "max_turns": 3,
    "max_tokens": 3,
    "max_cost": 3,
    "refusal": 3,
    "cancelled": 130,
}
BAD_CONFIGURATION, CANCELLED, PIPE_CLOSED = 4, 130, 141
NOT_LET_IN = ("authentication_error", "configuration_error")


class Question(Struct, frozen=True):
    """What one call of the program asks for."""

    prompt: str
    model: str
    base_url: str | None
    system: str | None
    tools: tuple[str, ...]
    output_format: str
    max_turns: int
    max_tokens: int
    thinking: int | Literal["adaptive"] | None


def play(question: Question) -> int:
    """Ask, show the answer as it comes, and return the exit status.

    Raises:
        ConfigurationError: no such model, no key, no such tool.
    """
    agent = Agent(
        question.model,
        load_tools(question.tools),
        question.system,
        question.max_turns,
        question.max_tokens,
        question.thinking,
        base_url=question.base_url,
    )
    return anyio.run(show, agent.run(question.prompt), face(question.output_format))


def face(output_format: str, priced_as: str | None = None) -> Face:
    match output_format:
        case "json":
            return JsonAtEnd()
        case "stream-json":
            return JsonLines()
        case _:
            # Where both streams are one file (a terminal, or `2>&1`), their lines must not collide.
            terminal = sys.stdout.isatty() or os.path.sameopenfile(*files())
            beside = sys.stdout if terminal else sys.stderr
            plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
            colour = beside.isatty() and not plain
            return PlainText(terminal=terminal, colour=colour, priced_as=priced_as)


async def show(run: Run, face: Face) -> int:
    """Show a run on stdout and stderr. Ctrl-C stops it; a second one leaves at once."""
    try:
        async with run, task_group() as tasks:
            tasks.start_soon(obey_signals, run.cancel)
            while run.ended is None or run.unread:
                pieces = [face.show(await anext(run))]
                while run.unread:
                    pieces.append(face.show(await anext(run)))
                await write(pieces)
            tasks.cancel_scope.cancel()
    except BrokenPipeError:
        return PIPE_CLOSED
    assert run.ended is not None
    return status(run.ended)


def status(ended: RunEnded) -> int:
    if ended.error and (ended.error.type in NOT_LET_IN or ended.error.status == 401):
        return BAD_CONFIGURATION
    return EXIT[ended.outcome]


async def write(pieces: list[Piece]) -> None:
    """Write in a thread: whoever reads slowly must not hold up the socket.

    Straight to the file, since a buffer's lock held by a thread left behind would keep the program
    from ending.
    """
    answer = "".join(piece.answer for piece in pieces).encode()
    beside = "".join(piece.beside for piece in pieces).encode()
    if answer or beside:
        await in_thread(partial(write_all, answer, beside))


def write_all(answer: bytes, beside: bytes) -> None:
    for file, data in zip(files(), (answer, beside), strict=True):
        while data:
            data = data[os.write(file, data) :]


def files() -> tuple[int, int]:
    return sys.stdout.fileno(), sys.stderr.fileno()


async def obey_signals(cancel: Callable[[], None]) -> None:
    with (
        suppress(NotImplementedError),  # on Windows, where Ctrl-C arrives as KeyboardInterrupt
        anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
    ):
        async for _ in signals:
            cancel()
            break
        async for _ in signals:
            os._exit(CANCELLED)
