"""The status line: which model, how fast, how much, how full."""

from msgspec import Struct
from msgspec.structs import replace

from midstream.events import (
    Compacted,
    Interrupted,
    RunEnded,
    RunEvent,
    RunStarted,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    ToolInputDelta,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)
from midstream.faces.columns import flat
from midstream.journal.session import Session
from midstream.messages import Usage

CHARACTERS_A_TOKEN = 4  # roughly, while the provider has not told


class Known(Struct, frozen=True):
    """What does not come with the events.

    Attributes:
        model: what is shown of its name.
        window: tokens of the context, or None if nobody knows.
    """

    model: str
    window: int | None = None


class Status:
    """Sums up what the events say, over all runs of a conversation."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._usage = self._before = Usage()  # so far; and before this run
        self._estimated = False  # an answer was stopped before it told its tokens
        self._context = 0  # tokens that the conversation takes
        self._cost: float | None = 0.0
        self._ttft: float | None = None
        self._first: float | None = None  # when this turn's first token came; and how much since
        self._written = 0
        self._last = 0.0
        self._speed: float | None = None

    def begin(self, session: Session) -> None:
        """Go on with a conversation that has cost so much."""
        guessed = session.guessed_tokens
        self._usage, self._estimated = session.usage + Usage(output_tokens=guessed), guessed > 0
        self._context, self._cost = session.context_tokens, session.cost_usd
        self._ttft = self._first = self._speed = None

    def see(self, event: RunEvent) -> None:
        match event:
            case TurnStarted() | TurnDiscarded():
                self._first, self._written = None, 0
            case TextDelta(_, text) | ThinkingDelta(_, text) | ToolInputDelta(_, text):
                self._write(event.t, len(text))
            case ToolCallStarted():
                self._write(event.t, 0)
            case TurnEnded(usage=usage, cost_usd=cost, ttft=ttft):
                self._usage += usage
                self._context = usage.read + usage.output_tokens
                self._ttft = ttft
                self._pay(usage, cost)
                if self._first is not None and self._last > self._first:
                    self._speed = usage.output_tokens / (self._last - self._first)
                self._first = None
            case Compacted(_, usage, cost):
                self._usage += usage
                self._pay(usage, cost)
            case Interrupted() if self._first is not None:
                self._stop()
            case RunStarted():
                self._before = self._usage
            case RunEnded(usage=usage):
                told = self._before + usage
                written = max(told.output_tokens, self._usage.output_tokens)
                self._usage = replace(told, output_tokens=written)
                self._first = None
            case _:
                pass

    def _write(self, t: float, characters: int) -> None:
        self._first = t if self._first is None else self._first
        self._written += characters
        self._last = t

    def _stop(self) -> None:
        """What was seen to come was written, whatever the provider had told."""
        self._usage += Usage(output_tokens=self._written // CHARACTERS_A_TOKEN)
        self._first, self._estimated = None, True

    def _pay(self, usage: Usage, cost: float | None) -> None:
        if usage != Usage():
            known = self._cost is not None and cost is not None
            self._cost = (self._cost or 0.0) + (cost or 0.0) if known else None

    def line(self, room: int) -> str:
        """What fits, the less important left out; the model's provider, too."""
        figures = [self._tokens(), self._money(), self._full(), self._firsts(), self._fast()]
        model = flat(self.known.model)
        whole = " · ".join(filter(None, (model, *figures)))
        if len(whole) <= room:
            return whole
        shown = model.partition(":")[2] or model
        for figure in filter(None, figures):
            if len(f"{shown} · {figure}") > room:
                break
            shown += f" · {figure}"
        return shown

    def _tokens(self) -> str:
        used = self._usage
        live = self._written // CHARACTERS_A_TOKEN if self._first is not None else 0
        about = "~" if self._estimated else ""
        return f"{short(used.read)} in {about}{short(used.output_tokens + live)} out"

    def _money(self) -> str:
        if self._usage == Usage():
            return ""
        return "cost n/a" if self._cost is None else f"${self._cost:.4f}"

    def _full(self) -> str:
        if self.known.window is None or not self._context:
            return ""
        return f"context {self._context / self.known.window:.0%}"

    def _firsts(self) -> str:
        return "" if self._ttft is None else f"TTFT {self._ttft:.2f} s"

    def _fast(self) -> str:
        since = self._last - self._first if self._first is not None else 0.0
        live = self._written / CHARACTERS_A_TOKEN / since if since > 0.5 else None
        speed = live or self._speed
        return "" if speed is None else f"{speed:,.0f} tokens/s"


def short(tokens: int) -> str:
    """Such as 812, 1.2k, 154k, 1.2M."""
    if tokens < 1000:
        return str(tokens)
    unit, letter = (1000, "k") if tokens < 999_500 else (1_000_000, "M")
    value = tokens / unit
    return f"{value:.1f}{letter}" if value < 9.95 else f"{value:.0f}{letter}"
