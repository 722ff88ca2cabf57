"""Plays one run before a face, from the question to the exit status."""

import asyncio
import errno
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from typing import Literal

import anyio
from msgspec import Struct

from midstream.agent.agent import Agent
from midstream.agent.run import Run
from midstream.cli.approval import Questions
from midstream.cli.grants import Grants, Kit, kit
from midstream.cli.leaving import Signals, leaving
from midstream.cli.load import load_model
from midstream.cli.loading import with_progress
from midstream.cli.statuses import CANCELLED, FAILED, PIPE_CLOSED, status
from midstream.cli.writing import write_all
from midstream.concurrency import in_thread
from midstream.events import ApprovalRequested, RunEvent
from midstream.faces.plain import Face, JsonAtEnd, JsonLines, Piece, PlainText
from midstream.journal.session import Session

PAUSE_S = 1.0  # after which text that streams stands still


class Question(Struct, frozen=True):
    """What one call of the program asks for."""

    prompt: str
    model: str
    base_url: str | None
    system: str | None
    output_format: str
    max_turns: int
    max_tokens: int
    max_cost: float | None
    thinking: int | Literal["adaptive"] | None
    context_window: int | None
    session: Session
    grants: Grants


class Screen(Struct, frozen=True):
    """Where the answer goes and where the lines beside it go: two open files, by number.

    Written to by number, not through `sys.stdout`: that one is lent to the tools, whose prints must
    not get into the answer, and its lock, held by a thread that was left behind, would keep the
    program from ending.
    """

    answer: int
    beside: int

    @property
    def together(self) -> bool:
        """Both are one file (a terminal, or `2>&1`), where their lines must not collide."""
        return os.isatty(self.answer) or os.path.sameopenfile(self.answer, self.beside)

    @property
    def width(self) -> int | None:
        return os.get_terminal_size(self.answer).columns if os.isatty(self.answer) else None

    def write(self, pieces: list[Piece]) -> None:
        write_all(self.answer, "".join(piece.answer for piece in pieces))
        write_all(self.beside, "".join(piece.beside for piece in pieces))


def play(question: Question) -> int:
    """Ask, show the answer as it comes, and return the exit status.

    Raises:
        ConfigurationError: no such model, no key, no such tool.
        UsageError: a rule about no such tool.
    """
    screen = Screen(sys.stdout.fileno(), sys.stderr.fileno())
    with redirect_stdout(sys.stderr):  # what tools print is not part of the answer
        agent = agent_for(question, kit(question.grants, question.model), screen.beside)
        run = agent.run(question.prompt, question.session)
        with leaving() as signals:
            return anyio.run(show, run, face(question.output_format, screen), screen, signals)


def agent_for(question: Question, kit: Kit, terminal: int | None = None) -> Agent:
    """The agent that a question asks.

    Args:
        terminal: where a model that is loaded first may tell its progress.

    Raises:
        ConfigurationError: no such model, or no key.
    """
    model = load_model(question.model, question.base_url)
    return Agent(
        model if terminal is None else with_progress(model, terminal),
        kit.tools_for(question.model),
        question.system,
        question.max_turns,
        question.max_tokens,
        question.thinking,
        max_cost=question.max_cost,
        permissions=kit.permissions,
        context_window=question.context_window,
    )


def face(output_format: str, screen: Screen, priced_as: str | None = None) -> Face:
    match output_format:
        case "json":
            return JsonAtEnd()
        case "stream-json":
            return JsonLines()
        case _:
            plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
            beside = screen.answer if screen.together else screen.beside
            colour = os.isatty(beside) and not plain
            return PlainText(screen.together, colour, screen.width, priced_as)


async def show(run: Run, face: Face, screen: Screen, signals: Signals) -> int:
    """Show a run, and return the exit status. Ctrl-C stops it; a second one leaves at once."""
    signals.first = partial(asyncio.get_running_loop().call_soon_threadsafe, run.cancel)
    code = FAILED
    try:
        await show_events(run, face, screen)
        assert run.ended is not None
        code = status(run.ended)
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        code = CANCELLED  # the terminal is gone
    finally:
        signals.over(code)
    return code


async def show_events(run: Run, face: Face, screen: Screen) -> None:
    questions = Questions(run, screen.answer, screen.beside)
    async with run:
        while run.ended is None or run.unread:
            events = [await next_event(run, face, screen)]
            while run.unread and not isinstance(events[-1], ApprovalRequested):
                events.append(await anext(run))
            # In a thread: whoever reads slowly must not hold up the socket.
            pieces = [face.show(event) for event in events]
            await in_thread(partial(screen.write, pieces))
            if isinstance(events[-1], ApprovalRequested):  # what follows waits for the answer
                line_open = not "".join(piece.answer for piece in pieces).endswith("\n")
                await questions.put(events[-1], "\n" if line_open else "")


async def next_event(run: Run, face: Face, screen: Screen) -> RunEvent:
    while face.holds:  # what is held comes when the text stands still
        with anyio.move_on_after(PAUSE_S):
            return await anext(run)
        await in_thread(partial(screen.write, [face.pause()]))
    return await anext(run)
