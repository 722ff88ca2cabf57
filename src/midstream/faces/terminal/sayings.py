"""What commands say within a conversation."""

from functools import partial

from midstream.concurrency import in_thread
from midstream.faces.terminal.desk import Desk
from midstream.faces.terminal.paint import Look
from midstream.faces.terminal.replay import replayed
from midstream.journal.database import Row
from midstream.journal.session import Session


class Sayings:
    """Their way onto the screen."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @property
    def width(self) -> int:
        return self.desk.view.width

    @property
    def colour(self) -> bool:
        return self.desk.paint.colour

    def echo(self, words: str) -> None:
        self.desk.view.say(f"› {words}", goes_on=False)

    def say(self, words: str, *, goes_on: bool = True) -> None:
        self.desk.view.say(words, goes_on=goes_on)

    def refuse(self, words: str) -> None:
        self.desk.view.say(words, Look.BAD)

    def show(self, lines: list[str]) -> None:
        self.desk.view.show(lines)

    def begin(self, session: Session) -> None:
        self.desk.view.reasoning.last.clear()
        self.desk.status.begin(session)

    async def replay(self, rows: list[Row]) -> None:
        before = await in_thread(partial(replayed, rows, self.desk.paint, self.width))
        self.desk.view.go_on_from(before.lines, before.reasoning)
