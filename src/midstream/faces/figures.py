"""The figures of a run in one line: first token, speed, tokens, cost, hidden tool time."""

from midstream.events import (
    Compacted,
    CompactionStarted,
    RunEnded,
    RunEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    ToolInputDelta,
    TurnEnded,
    TurnStarted,
)
from midstream.messages import Usage
from midstream.turn.price import cost_usd


class Figures:
    """Sums up what the events say; `see` every event, then ask for the `line` (none: no figures).

    Args:
        priced_as: a model whose price stands in for that of a simulated one.
    """

    def __init__(self, priced_as: str | None = None) -> None:
        self._priced_as = priced_as
        self._streamed_s = 0.0
        self._tokens = 0
        self._first: float | None = None
        self._last = 0.0

    def see(self, event: RunEvent) -> None:
        match event:
            case TurnStarted() | CompactionStarted():
                self._first = None
            case TextDelta() | ThinkingDelta() | ToolCallStarted() | ToolInputDelta():
                self._last = event.t
                self._first = event.t if self._first is None else self._first
            case TurnEnded(usage=usage) | Compacted(usage=usage) if self._first is not None:
                self._streamed_s += self._last - self._first
                self._tokens += usage.output_tokens
            case _:
                pass

    def line(self, ended: RunEnded) -> str:
        if ended.ttft is None and ended.usage == Usage():
            return ""
        first = "no token" if ended.ttft is None else f"TTFT {ended.ttft:.2f} s"
        seconds = self._streamed_s
        speed = f"{self._tokens / seconds:,.0f} tokens/s" if seconds > 0 else "speed n/a"
        usage = ended.usage
        cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
        tokens = f"{usage.read:,} tokens in{cached}, {usage.output_tokens:,} out"
        if usage == Usage():
            speed, tokens = "speed n/a", "tokens n/a"  # the stream was left before it said
        elif ended.outcome == "cancelled":
            tokens = f"at least {tokens}"
        figures = [first, speed, tokens, self._cost(ended)]
        if ended.overlap >= 0.05:
            figures.append(f"{ended.overlap:.1f} s of tools hidden behind the stream")
        return " · ".join(figures)

    def _cost(self, ended: RunEnded) -> str:
        if ended.cost_usd is not None:
            return f"${ended.cost_usd:.4f}"
        if self._priced_as:
            price = cost_usd("anthropic", self._priced_as, ended.usage)
            if price is not None:
                return f"would cost ${price:.4f} on {self._priced_as}"
        return "cost n/a"
