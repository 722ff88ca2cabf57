"""A conversation on a terminal that can show lines and no more (`TERM=dumb`)."""

import asyncio
import os
import sys
from contextlib import redirect_stdout
from functools import partial

import anyio

from midstream.agent.run import Run
from midstream.cli.grants import kit
from midstream.cli.leaving import CANCELLED, Signals, leaving
from midstream.cli.play import Question, Screen, agent_for, face, show_events
from midstream.faces.plain import Face

HELP = "/quit, or the end of the input, leaves; Ctrl-C stops an answer\n"


def converse_in_lines(question: Question) -> int:
    """Answer line after line, until the input ends. Returns the exit status."""
    screen = Screen(sys.stdout.fileno(), sys.stderr.fileno())
    with redirect_stdout(sys.stderr), leaving() as signals:  # what tools print is no answer
        agent = agent_for(question, kit(question.grants), screen.beside)
        os.write(screen.answer, HELP.encode())
        while (words := next_words(screen, signals)) is not None:
            if words:
                run = agent.run(words, question.session)
                anyio.run(answer, run, face("text", screen), screen, signals)
        signals.over(code := CANCELLED if signals.came else 0)
    return code


def next_words(screen: Screen, signals: Signals) -> str | None:
    """What is typed next; None if that was the last."""
    os.write(screen.answer, b"\n> ")
    line = sys.stdin.readline()
    words = line.strip()
    return None if not line or words in ("/quit", "/exit") else words


async def answer(run: Run, face: Face, screen: Screen, signals: Signals) -> None:
    signals.first = partial(asyncio.get_running_loop().call_soon_threadsafe, run.cancel)
    await show_events(run, face, screen)
    signals.rest()
