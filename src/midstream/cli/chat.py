"""`midstream` on a terminal: a conversation.

The first frame is drawn before what edits and what renders is imported, so that one can begin to
type at once; what is typed until then waits in the terminal.
"""

import os
from pathlib import Path

from midstream import __version__
from midstream.cli.grants import kit
from midstream.cli.leaving import leaving
from midstream.cli.play import Question
from midstream.cli.raw import raw_keys
from midstream.cli.setup import setup
from midstream.faces.plain import printable
from midstream.faces.terminal.paint import PROMPT, Look, Paint
from midstream.faces.terminal.screen import Place, Screen
from midstream.faces.terminal.status import Known, Status


def converse(question: Question) -> int:
    """Have a conversation on the terminal. `question.prompt` begins it, if there is one.

    Raises:
        ConfigurationError: no such model, no key, no such tool.
    """
    status = Status(Known(question.model))
    # What is wrong with it is told before anything is drawn.
    made = setup(question, kit(question.grants, question.model))
    with leaving() as signals, raw_keys(1) as lent:
        # xterm cuts its lines where others wrap them anew.
        screen = Screen(lent.size, reflows="XTERM_VERSION" not in os.environ)
        paint, room = lent.paint, lent.size.columns - 1
        live = ["", paint(Look.YOURS, PROMPT), paint(Look.FAINT, status.line(room))]
        lent.write(screen.frame(lent.size, banner(question, paint), live, Place(1, 2)))
        try:
            from midstream.cli.talk import Talk  # which takes a quarter of a second

            return Talk(question, made, screen, status, lent).have(signals)
        finally:
            lent.write_last(screen.frame(lent.size, [], [], Place()))


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
