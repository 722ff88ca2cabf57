"""One request measured: what the events of its run say of times, tokens and tools.

A request is a question with all that it takes to answer it: as a rule one turn that calls tools,
and one that makes use of their results.
"""

from msgspec import Struct

from midstream.events import (
    Outcome,
    Retrying,
    RunEnded,
    RunError,
    RunEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    ToolFinished,
    ToolInputDelta,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from midstream.faces.bench.pace import Pace
from midstream.messages import Usage


class TurnSample(Struct, frozen=True):
    """One turn, by the attempt that was kept; what was lost before it is in the request's figures.

    Attributes:
        ttft_s: from the request to its first text, thinking or tool token; None if none came.
        streamed_s: from when the first token arrived to when the last did.
        tokens: those that were streamed, by the provider's count.
        timed_tokens: how many of them arrived in `streamed_s`, which is after the first; 0 where
            the stream shows no speed (see `Pace`).
        tools_s: how long its tools ran, each counted for itself.
        hidden_s: how much of that lay behind the stream.
    """

    ttft_s: float | None
    streamed_s: float
    tokens: int
    timed_tokens: float
    tools_s: float
    hidden_s: float


class Sample(Struct, frozen=True):
    """One request.

    Attributes:
        number: 1, 2, 3 … in the order in which they began.
        began_s: when, in seconds since the first one.
        seconds: to its end: answers, tools, retries and the waits between them.
        ttft_s: of the first turn.
        tokens_per_second: while its answers were streamed; None where the provider did not count,
            or the answers came in lumps.
        hidden_share: of the time of its tools, from 0 to 1; None if none ran.
        retries: how often an answer was asked for again.
        cost_usd: None where the price is unknown.
    """

    number: int
    began_s: float
    seconds: float
    outcome: Outcome
    ttft_s: float | None
    tokens_per_second: float | None
    hidden_share: float | None
    retries: int
    usage: Usage
    discarded_usage: Usage
    cost_usd: float | None
    error: RunError | None
    turns: tuple[TurnSample, ...]

    @property
    def answered(self) -> bool:
        """The model answered, though perhaps not to the end: its times count."""
        return self.outcome not in ("failed", "cancelled")

    @property
    def tools_s(self) -> float:
        return sum((turn.tools_s for turn in self.turns), 0.0)

    @property
    def hidden_s(self) -> float:
        return sum((turn.hidden_s for turn in self.turns), 0.0)


class Meter:
    """Watches one request: it sees every event of its run, and then has the `sample`."""

    def __init__(self, number: int, began_s: float) -> None:
        self.sample: Sample | None = None
        self._number = number
        self._began_s = began_s
        self._turns: list[TurnSample] = []
        self._retries = 0
        self._attempt = Attempt()

    def see(self, event: RunEvent) -> None:
        match event:
            case TurnStarted():
                self._attempt = Attempt()
            case Retrying():
                self._retries += 1
            case TurnEnded():
                self._turns.append(self._attempt.turn(event))
            case RunEnded():
                self.sample = self._sample(event)
            case _:
                self._attempt.see(event)

    def _sample(self, ended: RunEnded) -> Sample:
        turns = self._turns
        streamed_s = sum(turn.streamed_s for turn in turns if turn.timed_tokens)
        tokens = sum(turn.timed_tokens for turn in turns)
        tools_s = sum((turn.tools_s for turn in turns), 0.0)
        hidden_s = sum((turn.hidden_s for turn in turns), 0.0)
        return Sample(
            self._number,
            self._began_s,
            ended.t,
            ended.outcome,
            turns[0].ttft_s if turns else None,
            tokens / streamed_s if streamed_s else None,
            hidden_s / tools_s if tools_s else None,
            self._retries,
            ended.usage,
            ended.discarded_usage,
            ended.cost_usd,
            ended.error,
            tuple(turns),
        )


class Attempt:
    """One answer as it streams."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._thinks = False
        self._tools: set[str] = set()  # that began with this answer
        self._tools_s = 0.0

    def see(self, event: RunEvent) -> None:
        match event:
            case TextDelta():
                self._pace.came(event.t, len(event.text))
            case ThinkingDelta():
                self._pace.came(event.t, len(event.text))
                self._thinks = True
            case ToolCallStarted():
                self._pace.came(event.t, len(event.name))
            case ToolInputDelta():
                self._pace.came(event.t, len(event.json))
            case ToolStarted():
                self._tools.add(event.id)
            case ToolFinished() if event.id in self._tools:
                self._tools_s += event.seconds
            case _:
                pass

    def turn(self, ended: TurnEnded) -> TurnSample:
        # What was thought unseen was written before the first token that was seen.
        unseen = 0 if self._thinks else ended.usage.reasoning_tokens
        tokens = max(0, ended.usage.output_tokens - unseen)
        return TurnSample(
            ended.ttft,
            self._pace.streamed_s,
            tokens,
            tokens * self._pace.share,
            self._tools_s,
            ended.overlap,
        )
