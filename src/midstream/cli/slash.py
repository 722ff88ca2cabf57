"""The commands within a conversation: `/help` and its like."""

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Protocol

import click
from msgspec.structs import replace

from midstream.cli.going_on import the_one
from midstream.cli.sessions import in_a_row, in_markdown, in_turns, write_new
from midstream.cli.timeline import runs_of
from midstream.concurrency import in_thread
from midstream.errors import ConfigurationError, MidstreamError, SessionError
from midstream.faces.columns import clipped, flat
from midstream.faces.terminal.setup import Choice, Setup, Thinking
from midstream.faces.timeline import lines
from midstream.faces.timeline_svg import svg
from midstream.journal.database import Row, Summary
from midstream.journal.session import Session
from midstream.journal.store import Journal
from midstream.tools.permissions import MEMBER, Decision

RIGHTS = {Decision.ALLOWED: "runs", Decision.ASK: "is asked", Decision.DENIED: "is denied"}
LISTED = 12  # sessions
ABOUT = {
    "help": "what there is to know",
    "model": "the model, or another one: /model PROVIDER:NAME",
    "clear": "begin anew; what was said stays in its session",
    "compact": "replace what was said by a summary: /compact [WHAT MATTERS]",
    "resume": "go on with another session: /resume ID",
    "sessions": "the sessions of this folder",
    "cost": "what this session has used and cost",
    "tools": "what the model may call, and what is asked first",
    "thinking": "how much the model thinks: /thinking TOKENS|adaptive|off",
    "timeline": "when everything ran: /timeline [FILE.svg]",
    "export": "write what was said as Markdown: /export [FILE]",
    "quit": "leave",
}
ALSO = {"exit": "quit", "new": "clear"}
IDLE = ("model", "clear", "compact", "resume", "thinking")  # not while the model answers
KEYS = (
    ("Enter", "say it; while the model answers: stop it, and say it at once"),
    ("Alt-Enter", "while the model answers: say it when the turn has ended"),
    ("Ctrl-J, \\ Enter", "a new line"),
    ("Esc", "stop the answer"),
    ("Ctrl-C", "stop the answer; twice leaves"),
    ("Ctrl-D", "leave"),
    ("Ctrl-R", "more of the reasoning"),
    ("Tab, @", "complete; a file of this folder"),
    ("↑ ↓", "what was said before"),
)


class Talk(Protocol):
    """The conversation that commands are typed in."""

    setup: Setup

    @property
    def busy(self) -> bool: ...
    @property
    def width(self) -> int: ...
    @property
    def colour(self) -> bool: ...
    def echo(self, words: str) -> None: ...
    def say(self, words: str, *, goes_on: bool = True) -> None: ...
    def refuse(self, words: str) -> None: ...
    def show(self, lines: list[str]) -> None: ...
    def begin(self, session: Session) -> None:
        """Count from what a session has used on."""
        ...

    async def replay(self, rows: list[Row]) -> None:
        """Show what was said last in a session."""
        ...

    def start(self, command: Callable[[], Awaitable[None]]) -> None: ...
    def in_turn(self, command: Callable[[], Awaitable[None]]) -> None: ...
    async def compact(self, words: str) -> None: ...
    async def know_model(self) -> None: ...
    def leave(self) -> None: ...


class Slash:
    """Does what begins with a slash.

    Args:
        keys: what else `/help` tells.
    """

    talk: Talk  # set by who makes both

    def __init__(self, keys: Sequence[tuple[str, str]] = KEYS) -> None:
        self._keys = keys

    def take(self, words: str) -> bool:
        """Do what the words say, if they name a command; False if they are for the model."""
        name, _, value = words.rstrip().partition(" ")
        if not name.startswith("/") or "/" in name[1:] or "\n" in words.rstrip():
            return False
        talk = self.talk
        talk.echo(words.rstrip())
        command, *others = meant(name[1:].lower()) or [""]
        if others:
            listed = ", ".join(f"/{each}" for each in (command, *others))
            talk.say(f"{name}: {listed}?")
        elif not command:
            words = f"there is no command {name}; /help lists them"
            talk.refuse(f"{words} (a space before it says it to the model)")
        elif command in IDLE and talk.busy:
            talk.say(f"{name}: Esc stops the answer first")
        else:
            when = talk.in_turn if command in IDLE else talk.start
            when(partial(self._do, command, value.strip()))
        return True

    async def _do(self, command: str, value: str) -> None:
        try:
            done = getattr(self, f"_{command}")(value)
            if isawaitable(done):
                await done
        except click.ClickException as error:
            self.talk.refuse(error.format_message())
        except (MidstreamError, ValueError, OSError) as error:
            self.talk.refuse(str(error))

    def values(self, command: str) -> Iterable[str]:
        """What a command can be given, for completion. Called in a thread."""
        match command:
            case "model":
                return self.talk.setup.models
            case "thinking":
                return ("off", "adaptive", "2048", "8192", "16384")
            case "resume" if self.talk.setup.journal:
                return [each.id[:8] for each in self._here()]
            case _:
                return ()

    def _say(self, words: str) -> None:
        self.talk.say(words)

    def _journal(self) -> Journal:
        if journal := self.talk.setup.journal:
            return journal
        raise ConfigurationError("nothing is kept of this session (--no-session)")

    def _own(self) -> Summary:
        """The session that goes on, as it is kept. Called in a thread."""
        if found := self._journal().find(self.talk.setup.session.id):
            return found[0]
        raise ConfigurationError("nothing has been said so far")

    # -- one method for each command ------------------------------------------------------------

    def _help(self, value: str) -> None:
        commands = [(f"/{name}", about) for name, about in ABOUT.items()]
        room = max(len(left) for left, _ in (*commands, *self._keys))
        lines = [f"{left:{room}}  {right}" for left, right in (*commands, ("", ""), *self._keys)]
        self._say("\n".join(line.rstrip() for line in lines))

    def _quit(self, value: str) -> None:
        self.talk.leave()

    def _model(self, value: str) -> None:
        setup = self.talk.setup
        if not value:
            self._say(f"{setup.choice.model}; /model PROVIDER:NAME takes another one")
        else:
            self._choose(replace(setup.choice, model=value))

    def _thinking(self, value: str) -> None:
        if not value:
            now = self.talk.setup.choice.thinking or "off"
            self._say(f"thinking: {now}; /thinking TOKENS|adaptive|off changes it")
        else:
            self._choose(replace(self.talk.setup.choice, thinking=budget(value)))

    def _choose(self, choice: Choice) -> None:
        """Go on with another model, or another budget; raises ConfigurationError."""
        setup = self.talk.setup
        setup.agent, setup.choice = setup.make(choice), choice
        thinking = f", thinking {choice.thinking}" if choice.thinking else ""
        self._say(f"from here on: {choice.model}{thinking}")
        self.talk.start(self.talk.know_model)

    async def _compact(self, value: str) -> None:
        await self.talk.compact(value)

    def _clear(self, value: str) -> None:
        self.talk.setup.session = self.talk.setup.new_session()
        self.talk.begin(self.talk.setup.session)
        self._say("a new session")

    async def _resume(self, value: str) -> None:
        if not value:
            await self._sessions("")
            return
        journal = self._journal()
        found = await in_thread(partial(the_one, journal, value))
        session = await in_thread(partial(journal.session, found.id))
        await self.recall(session)

    async def recall(self, session: Session) -> None:
        """Go on with a session, and show what was said last."""
        with suppress(SessionError):  # a run goes on elsewhere, as the next prompt will say
            await session.settle()
        rows = await in_thread(partial(self._journal().rows, session.id))
        self.talk.setup.session = session
        self.talk.begin(session)
        await self.talk.replay(rows)
        self.talk.say(
            f"{session.id[:8]}: {in_turns(session.turns)}; it goes on here", goes_on=False
        )

    async def _sessions(self, value: str) -> None:
        found = await in_thread(self._here)
        width = self.talk.width - 2
        lines = [in_a_row(each, width) for each in found[:LISTED]]
        more = f"\nand {len(found) - LISTED} more: midstream sessions" if found[LISTED:] else ""
        self._say(("\n".join(lines) or "none so far") + more + "\n/resume ID goes on with one")

    def _here(self) -> list[Summary]:
        place = os.fspath(self.talk.setup.folder)
        return [each for each in self._journal().summaries() if each.folder == place]

    def _cost(self, value: str) -> None:
        session = self.talk.setup.session
        used, lost = session.usage, session.discarded_usage
        cost = "unknown" if session.cost_usd is None else f"${session.cost_usd:.4f}"
        least, about = ("at least ", "about ") if session.guessed_tokens else ("", "")
        written = used.output_tokens + session.guessed_tokens
        lines = [
            f"cost                {cost}",
            f"turns               {session.turns:,}",
            f"tokens read         {least}{used.read:,}",
            f"  new               {used.input_tokens:,}",
            f"  from the cache    {used.cache_read_tokens:,}",
            f"  into the cache    {used.cache_write_tokens:,}",
            f"tokens written      {about}{written:,}",
        ]
        if used.reasoning_tokens:
            lines.append(f"  of them reasoning {used.reasoning_tokens:,}")
        if lost.output_tokens or lost.read:
            lines.append(f"in lost answers     {lost.read:,} read, {lost.output_tokens:,} written")
        self._say("\n".join(lines))

    def _tools(self, value: str) -> None:
        setup = self.talk.setup
        lines: list[str] = []
        for each in setup.tools(setup.choice.model):
            # Some command that no rule names: what is said of those stands below.
            decision = setup.permissions.verdict(each, {MEMBER: ""}).decision
            about = flat(each.spec.description.strip().split("\n")[0])
            line = f"{each.spec.name:14} {each.effects:11} {RIGHTS[decision]:9} {about}"
            lines.append(clipped(line, self.talk.width))
        rules = [f"allow {rule}" for rule in setup.permissions.allowed]
        rules += [f"deny {rule}" for rule in setup.permissions.denied]
        self._say("\n".join([*lines, *rules]) or "none")

    async def _timeline(self, value: str) -> None:
        own = await in_thread(self._own)
        runs = await in_thread(partial(runs_of, self._journal(), own.id))
        if value:
            await in_thread(lambda: write_new(os.path.expanduser(value), [svg(runs[-1:])]))
            self._say(f"drawn into {value}")
        else:
            self.talk.show(lines(runs[-1], self.talk.width, self.talk.colour))

    async def _export(self, value: str) -> None:
        own = await in_thread(self._own)
        name = value or f"midstream-{own.id[:8]}.md"

        def write() -> None:
            write_new(os.path.expanduser(name), in_markdown(self._journal(), own))

        await in_thread(write)
        self._say(f"written to {name}")


def meant(name: str) -> list[str]:
    """The command of that name, or all that begin so."""
    name = ALSO.get(name, name)
    return [name] if name in ABOUT else [each for each in ABOUT if name and each.startswith(name)]


def budget(value: str) -> Thinking:
    if value in ("off", "0"):
        return None
    if value == "adaptive":
        return "adaptive"
    if value.isdecimal():
        return int(value)
    raise ConfigurationError(f"{value!r} is neither a number of tokens nor adaptive nor off")
