"""The question whether a tool may run, put to the person at the terminal."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import anyio
import msgspec
from anyio import CancelScope
from msgspec import Struct

from midstream.agent.run import Run
from midstream.cli.writing import write_all
from midstream.concurrency import in_thread, task_group
from midstream.events import ApprovalRequested
from midstream.faces.answers import answer
from midstream.faces.changes import SIGNS
from midstream.faces.plain import LONGEST_PREVIEW, all_arguments, printable
from midstream.tools.permissions import Rule
from midstream.tools.prefixes import in_words, offered


class Size(Struct, frozen=True):
    lines: int
    characters: int


MOST = Size(50, 4000)  # of a member of the input, where it is asked about


class Questions:
    """Those of one run. Where there is no terminal to ask on, the answer is no.

    Args:
        terminal: the number of the file that questions are written to.
        beside: of the one that is told why a call was not run.
    """

    def __init__(self, run: Run, terminal: int, beside: int) -> None:
        self._run = run
        self._terminal = terminal
        self._beside = beside
        self._told: set[str] = set()

    async def put(self, event: ApprovalRequested, before: str) -> None:
        """Ask, and hand the answer on. Meanwhile nothing else is shown, though the answer streams.

        Args:
            before: ends the line that is open.
        """
        closed = self._run.question(event.id)
        if closed.is_set():
            return  # while the events before it were shown
        if not os.isatty(self._terminal) or sys.stdin is None or not sys.stdin.isatty():
            await self._decline(event)
            return
        said = ""
        async with task_group() as tasks:
            tasks.start_soon(until_closed, closed, tasks.cancel_scope)
            said = await self._ask(event, before)
            tasks.cancel_scope.cancel()
        if not said:
            await self._write(self._terminal, "\n")

    async def _ask(self, event: ApprovalRequested, before: str) -> str:
        """Ask until an answer is understood; what was said, which is empty if nothing was."""
        narrow = offered(event.name, event.input)
        always = f", p always {printable(in_words(narrow))}" if narrow else ""
        shown = "".join(whole(event, MOST))
        rest = ", v all of it" if shown != "".join(whole(event)) else ""
        choice = f"y once, a always{always}{rest}, n no, or say why not: "
        asked = f"  allow {printable(event.name)}? {choice}"
        forget_what_was_typed()
        await self._write(self._terminal, before + shown + asked)
        while not self._answer(event, said := await typed_line(), narrow):
            more = "".join(whole(event)) if said.strip() == "v" else ""
            await self._write(self._terminal, f"{more}  {choice}")
        return said

    def _answer(self, event: ApprovalRequested, said: str, narrow: Rule | None) -> bool:
        """Whether it was understood: a letter that stands for nothing is no word, nor is Enter."""
        words = said or "n"  # the input has ended: nobody is there
        try:
            answer(self._run, event, narrow, words)
        except ValueError:
            return False
        except KeyError:  # the call was stopped in the meantime
            pass
        return True

    async def _decline(self, event: ApprovalRequested) -> None:
        with suppress(KeyError):
            self._run.decline(event.id)
        if event.name in self._told:
            return
        self._told.add(event.name)
        rule, narrow, also = event.name, offered(event.name, event.input), ""
        if narrow:
            covered = "this command alone" if narrow.exact else "what begins so"
            also = f", --allow {shlex.quote(str(narrow))} {covered}"
        words = f"there is no terminal to ask on: --allow {rule} allows it{also}, --yes all"
        await self._write(self._beside, printable(f"midstream: {rule} was not run: {words}") + "\n")

    async def _write(self, file: int, text: str) -> None:
        await in_thread(partial(write_all, file, text))


def whole(event: ApprovalRequested, most: Size | None = None) -> Iterator[str]:
    """The input, in lines, if the line that tells of it does not say it: nobody allows half.

    Args:
        most: of each member.
    """
    if len(all_arguments(event.input)) <= LONGEST_PREVIEW and not SIGNS.keys() & event.input:
        return
    for name, value in event.input.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        sign = SIGNS.get(name, "")
        ended = text.removesuffix("\n") if sign else text
        lines = (ended[: most.characters] if most else ended).split("\n")
        lines = lines[: most.lines] if most else lines
        if not sign:
            yield f"  {printable(name)}:\n"
        yield from (f"  {sign or ' ':2}{printable(line)}\n" for line in lines)
        if left := len(ended) - len("\n".join(lines)):
            yield f"    … and {left:,} more characters, which are not shown\n"


def forget_what_was_typed() -> None:
    """It was no answer to what is about to be asked."""
    with suppress(ImportError):  # Windows
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


async def typed_line() -> str:
    """What is typed next; who gives up waiting for it leaves it to be read."""
    if sys.platform != "win32":  # there a terminal cannot be waited for
        await anyio.wait_readable(sys.stdin)
    return await in_thread(sys.stdin.readline)


async def until_closed(question: anyio.Event, scope: CancelScope) -> None:
    await question.wait()
    scope.cancel()
