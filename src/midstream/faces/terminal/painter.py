"""Frames: what has changed is written to the terminal, at most twenty times a second."""

import math
from functools import partial
from typing import Protocol

import anyio

from midstream.concurrency import in_thread
from midstream.faces.terminal.desk import Desk
from midstream.faces.terminal.paint import Look
from midstream.faces.terminal.paper import Step
from midstream.faces.terminal.screen import Place, Screen, Size

FRAME_S = 0.05  # the shortest time between two frames, unless a key was pressed
SETTLE_S = 0.3  # tmux tells of a size up to a quarter of a second late
LAST_S = 2.0  # how long the end waits for a terminal that takes nothing
TICK_S = 0.125  # between two frames while nothing changes but time


class Terminal(Protocol):
    """Where frames go."""

    @property
    def size(self) -> Size:
        """At this moment."""
        ...

    def write(self, text: str) -> None:
        """May wait, so that it is called in a thread."""
        ...

    def sleep(self) -> None:
        """Stop the program until it is told to go on."""
        ...


class Painter:
    def __init__(self, desk: Desk, screen: Screen, terminal: Terminal) -> None:
        self._desk = desk
        self._screen = screen
        self._terminal = terminal
        self._changed = anyio.Event()
        self._pressed = anyio.Event()
        self._turn = anyio.Lock()
        self._size = terminal.size  # at the last frame
        self._shows = True  # what is live
        self._until = math.inf  # a terminal is waited for
        self._writing = anyio.CancelScope()

    def changed(self) -> None:
        """Something is to be shown soon."""
        self._changed.set()

    def pressed(self) -> None:
        """A key was pressed: whoever types sees it at once."""
        self._changed.set()
        self._pressed.set()

    async def paint(self) -> None:
        """Draw until cancelled."""
        while True:
            with anyio.move_on_after(TICK_S if self._desk.view.moves else math.inf):
                await self._changed.wait()
            self._changed = anyio.Event()
            await self._draw()
            with anyio.move_on_after(FRAME_S):
                await self._pressed.wait()
            self._pressed = anyio.Event()

    def again(self) -> None:
        """Others have written to the terminal: draw below it."""
        self._screen.begin_anew()
        self.pressed()

    async def sleep(self) -> None:
        """Leave the terminal to the shell for a while.

        Meanwhile no frame may begin: it would be drawn, and taken for a line of the shell's.
        """
        if not self._shows:  # it was asked for twice
            return
        self._shows = False
        async with self._turn:
            await self._write()
            self._terminal.sleep()
            self._shows = True
            self.again()

    def hurry(self) -> None:
        """It is the end: wait for the terminal no longer than that may take."""
        self._until = self._writing.deadline = anyio.current_time() + LAST_S

    async def end(self) -> None:
        """Leave the finished lines alone on the screen, and the cursor below them."""
        self._shows = False
        if not self._writing.cancelled_caught:
            await self._draw()

    async def _draw(self) -> None:
        """One frame after the other: each begins where the one before has left the cursor."""
        async with self._turn:
            await self._write()

    async def _write(self) -> None:
        await self._settled()
        if text := self._frame():
            # Half a frame would spoil the screen.
            with anyio.CancelScope(deadline=self._until, shield=True) as self._writing:
                await in_thread(partial(self._terminal.write, text))

    async def _settled(self) -> None:
        """Wait until the window keeps its size: till then nobody can tell what stands where."""
        while (size := self._terminal.size) != self._size:
            self._size = size
            await anyio.sleep(SETTLE_S)

    def _frame(self) -> str:
        size = self._size
        self._desk.view.width = size.columns - 1
        for line in self._desk.printed():
            self._desk.view.say(line)
        steps = self._desk.view.take()
        shown, place = self._desk.lines(size) if self._shows else ([], Place())
        text, lines = "", list[str]()
        for step in steps:
            match step:
                case Step.MARK:
                    text += self._screen.frame(size, lines, shown, place) if lines else ""
                    self._screen.mark()
                    lines.clear()
                case Step.WITHDRAW:
                    lines = self._withdrawn()
                case line:
                    lines.append(line)
        return text + self._screen.frame(size, lines, shown, place)

    def _withdrawn(self) -> list[str]:
        """Take back the lines since the mark; a line says so where some cannot be reached."""
        left = self._screen.withdraw()
        words = f"↑ the {left} lines above are taken back: the answer starts again"
        return [self._desk.paint(Look.FAINT, words)] if left else []
