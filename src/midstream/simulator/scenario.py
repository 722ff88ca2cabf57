"""A scenario: what the simulated model says, one reply for each time it is asked.

A scenario file is TOML:

    about = "One line: what this scenario shows."
    ttft = 0.4                      # seconds before the first token
    tokens_per_second = 60          # 0: as fast as can be

    [[reply]]
    blocks = [
      { text = "Let me look. " },
      { call = "get_weather", input = { city = "Lagos" } },
    ]

    [[reply]]                       # taken if its `when` holds, else the next one is tried
    when = { "get_weather.conditions" = "rain" }
    blocks = [{ text = "Take an umbrella: {get_weather.conditions}." }]

    [[reply]]
    blocks = [{ text = "It is {get_weather.temp_c} °C and dry." }]

    [[fault]]                       # what goes wrong, and with which request
    kind = "cut"
    request = 2
    event = "message_delta"

Text may hold placeholders: `{prompt}`, `{tool}`, `{tool.field}`, and `{tool[0].field}` for the
first of several calls. A value that is not there shows as `?`.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct, field

from midstream.errors import ConfigurationError
from midstream.simulator import faults as kit
from midstream.simulator.facts import PLACE, Facts, read, since_prompt
from midstream.simulator.limits import check_time


class Block(Struct, frozen=True, forbid_unknown_fields=True):
    """One content block: exactly one of `text`, `thinking`, `call` and `redacted`."""

    text: str | None = None
    thinking: str | None = None
    call: str | None = None
    input: dict[str, Any] | None = None
    redacted: bool = False

    def __post_init__(self) -> None:
        kinds = (self.text, self.thinking, self.call, self.redacted or None)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("a block is one of text, thinking, call and redacted")
        if self.input is not None and self.call is None:
            raise ValueError("`input` belongs to a call")


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """One assistant message.

    Attributes:
        stop: the stop reason; without it `tool_use` if there is a call, else `end_turn`.
        when: a place and the words of which one must occur there, in any case; all places must
            agree. Replies with a `when` are alternatives, and the next one without is the rest.
    """

    blocks: Sequence[Block]
    stop: str | None = None
    when: Mapping[str, str | Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if not _all_are(Block, self.blocks):
            raise TypeError('a reply is a list of blocks: Reply([say("Hello.")])')
        for place in self.when or ():
            if not PLACE.fullmatch(place):
                raise ValueError(f"{place!r} in `when` is not `prompt` or a tool's result")

    @property
    def stop_reason(self) -> str:
        called = any(block.call is not None for block in self.blocks)
        return self.stop or ("tool_use" if called else "end_turn")

    def fits(self, facts: Facts) -> bool:
        return all(_occurs(words, facts.words(at)) for at, words in (self.when or {}).items())


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A script. Which reply is next follows from the conversation alone, so a retry gets the same.

    Attributes:
        about: one line on what it shows.
        model: what the answer says it comes from; without it, what was asked for.
        ttft: seconds before the first token.
        tokens_per_second: the pace; 0 is as fast as can be.
        each_prompt: every prompt starts the script again; else it goes on, and its end repeats.
        faults: what goes wrong. They count requests, so that a retry gets its reply unharmed.
    """

    replies: Sequence[Reply] = field(name="reply")
    about: str = ""
    model: str | None = None
    ttft: float = 0.0
    tokens_per_second: float = 0.0
    each_prompt: bool = False
    faults: Sequence[kit.AnyFault] = field(default=(), name="fault")

    def __post_init__(self) -> None:
        if not _all_are(Reply, self.replies):
            raise TypeError('replies are a list of Reply: [Reply([say("Hello.")])]')
        if not _all_are(kit.Fault, self.faults):
            raise TypeError("faults are a list of faults: [Cut(event=-1)]")
        if not self.replies:
            raise ValueError("a scenario needs a reply")
        if self.replies[-1].when is not None:
            raise ValueError("the last reply must be one without `when`")
        check_time("ttft", self.ttft)
        if self.tokens_per_second != 0 and not 0.001 <= self.tokens_per_second <= 1e6:
            raise ValueError(
                "`tokens_per_second` is 0 (as fast as can be), or from 0.001 to 1000000"
            )

    def facts(self, messages: list[dict[str, Any]]) -> Facts:
        return read(since_prompt(messages) if self.each_prompt else messages)

    def reply(self, facts: Facts) -> Reply:
        turns = self._turns()
        alternatives = turns[min(facts.turn, len(turns) - 1)]
        return next(reply for reply in alternatives if reply.when is None or reply.fits(facts))

    def _turns(self) -> list[list[Reply]]:
        turns: list[list[Reply]] = [[]]
        for reply in self.replies:
            turns[-1].append(reply)
            if reply.when is None:
                turns.append([])
        return turns[:-1]


def say(text: str) -> Block:
    return Block(text=text)


def think(text: str) -> Block:
    """Thinking, signed; sent only to those who asked for thinking."""
    return Block(thinking=text)


def call(tool: str, /, **arguments: Any) -> Block:
    return Block(call=tool, input=arguments)


def redacted() -> Block:
    return Block(redacted=True)


def load(name_or_path: str | Path) -> Scenario:
    """A shipped scenario by its name, or one from a `.toml` file.

    Raises:
        ConfigurationError: there is none, or it is not a scenario.
    """
    name = str(name_or_path)
    shipped = {file.name.removesuffix(".toml"): file for file in _SHIPPED.iterdir()}
    source = shipped.get(name) or Path(name)
    if isinstance(source, Path) and source.suffix != ".toml":
        names = ", ".join(sorted(shipped))
        raise ConfigurationError(
            f"no scenario {name!r}: name a shipped one ({names}) or a path to a .toml file"
        )
    try:
        return msgspec.toml.decode(source.read_bytes(), type=Scenario)
    except OSError as error:
        raise ConfigurationError(f"{name}: {error.strerror or error}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: it is nested too deep to be a scenario") from error
    except (msgspec.DecodeError, ValueError) as error:  # a number of 5,000 digits is a ValueError
        raise ConfigurationError(f"{name}: {error}{_kinds(str(error))}") from error


_SHIPPED = files("midstream.simulator") / "scenarios"


def _all_are(kind: type, values: object) -> bool:
    if not isinstance(values, Sequence):
        return False
    return all(isinstance(value, kind) for value in cast("Sequence[object]", values))


def _occurs(words: str | Sequence[str], value: str) -> bool:
    choices = [words] if isinstance(words, str) else words
    return any(choice.lower() in value.lower() for choice in choices)


def _kinds(words: str) -> str:
    """The kinds of faults there are, for who named another or none."""
    asked = "`kind`" in words or ".kind`" in words
    return f" (kinds are {', '.join(kit.KINDS)})" if asked else ""
