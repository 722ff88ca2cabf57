"""`midstream` on a terminal: a conversation.

The first frame is drawn before what edits and what renders is imported, so that one can begin to
type at once; what is typed until then waits in the terminal.
"""

import os
from pathlib import Path

from midstream import __version__
from midstream.cli.grants import kit
from midstream.cli.leaving import leaving
from midstream.cli.play import Question, agent_for
from midstream.cli.raw import raw_keys
from midstream.cli.writing import write_all
from midstream.faces.plain import printable
from midstream.faces.terminal.paint import PROMPT, Look, Paint
from midstream.faces.terminal.screen import Place, Screen, Size
from midstream.faces.terminal.status import Known, Status


def converse(question: Question) -> int:
    """Have a conversation on the terminal. `question.prompt` begins it, if there is one.

    Raises:
        ConfigurationError: no such model, no key, no such tool.
    """
    paint = paint_of_the_terminal()
    # xterm cuts its lines where others wrap them anew.
    screen = Screen(size(1), reflows="XTERM_VERSION" not in os.environ)
    status = Status(Known(question.model))
    # What is wrong with either is told before anything is drawn.
    tools = kit(question.grants)
    agent = agent_for(question, tools)
    with raw_keys(1) as lent:
        live = ["", paint(Look.YOURS, PROMPT), paint(Look.FAINT, status.line(size(1).columns - 1))]
        write_all(1, screen.frame(size(1), banner(question, paint), live, Place(1, 2)))
        try:
            with leaving() as signals:
                from midstream.cli.talk import Talk  # which takes a quarter of a second

                return Talk(question, tools, screen, status, lent).have(agent, signals)
        finally:
            write_all(1, screen.frame(size(1), [], [], Place()))


def paint_of_the_terminal() -> Paint:
    return Paint("NO_COLOR" not in os.environ)


def banner(question: Question, paint: Paint) -> list[str]:
    folder = Path.cwd()
    home = Path.home()
    place = str(folder)
    if folder.is_relative_to(home):
        place = str(Path("~") / folder.relative_to(home))
    about = printable(f" {__version__} · {question.model} · {place}")
    return [
        paint(Look.STRONG, "midstream") + paint(Look.FAINT, about),
        paint(Look.FAINT, "/help tells the rest · Esc stops an answer · Ctrl-D leaves"),
    ]


def size(terminal: int) -> Size:
    try:
        columns, rows = os.get_terminal_size(terminal)
    except OSError:  # it is gone
        columns, rows = 80, 24
    return Size(max(columns, 2) if columns else 80, max(rows, 2) if rows else 24)
