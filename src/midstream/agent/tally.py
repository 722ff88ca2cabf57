"""What a run has cost so far, in tokens, money and time; and the small change of its loop."""

from collections.abc import Sequence

from anyio.abc import TaskGroup
from msgspec import Struct

from midstream.agent.plan import Plan
from midstream.concurrency import clock, in_thread
from midstream.errors import (
    ConfigurationError,
    MidstreamError,
    NotCompacted,
    ProviderError,
    SessionError,
    StreamError,
)
from midstream.events import Outcome, RunEnded, RunError
from midstream.journal.records import Part, PartKind
from midstream.messages import Message, Opaque, StopReason, Text, ToolCall, ToolResult, Usage
from midstream.models.model import Model
from midstream.tools.calls import ToolCalls
from midstream.turn.block import Kind
from midstream.turn.price import cost_usd, load_prices, loaded
from midstream.turn.turn import State, Turn

NOTHING = Usage()
FREE = ("sim", "local")  # providers that nobody has to pay


PARTS: dict[Kind, PartKind] = {
    Kind.TEXT: "text",
    Kind.THINKING: "thinking",
    Kind.CALL: "tool_call",
}


class Figures(Struct, frozen=True):
    """What one turn cost: tokens, US dollars (None if unknown), seconds; as `Committed` has it."""

    usage: Usage
    cost_usd: float | None
    ttft: float | None
    overlap: float
    streamed: float | None
    parts: tuple[Part, ...]


class Clock:
    """The times of one attempt: `began` by the event loop's clock, all others in seconds since.

    Args:
        streamed: until the end of the stream; 0 where no request is out.
    """

    def __init__(self, streamed: float | None = None) -> None:
        self._now = clock()
        self.began = self._now()
        self.streamed = streamed
        self.parts: list[Part] = []

    def begins(self, kind: Kind) -> None:
        """A block of the answer begins."""
        self.parts.append(Part(PARTS[kind], self._now() - self.began))

    def stop(self) -> None:
        """The stream has ended, or is left."""
        if self.streamed is None:
            self.streamed = self._now() - self.began

    def figures(self, usage: Usage, cost_usd: float | None, calls: ToolCalls) -> Figures:
        ttft = self.parts[0].began_s if self.parts else None
        overlap = calls.overlap(self.began, self.began + (self.streamed or 0.0))
        return Figures(usage, cost_usd, ttft, overlap, self.streamed, tuple(self.parts))


class Tally:
    """Sums over the turns of a run."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.discarded = Usage()
        self.overlap = 0.0
        self.first_ttft: float | None = None
        self.silent = False  # the last answer told no usage
        self.spent_usd = 0.0  # as far as `is_spent` has looked
        self.unpaid: list[tuple[str, Usage]] = []  # …and what came since: models and tokens
        self._turns = 0
        self._costs: list[float | None] = []

    @property
    def cost_usd(self) -> float | None:
        """None as soon as the price of one turn is unknown: half a sum would be a wrong one."""
        known = [cost for cost in self._costs if cost is not None]
        return sum(known) if known and len(known) == len(self._costs) else None

    def run_ended(
        self, outcome: Outcome, text: str, turns: int, error: RunError | None
    ) -> RunEnded:
        used, lost, ttft = self.usage, self.discarded, self.first_ttft
        return RunEnded(outcome, text, used, lost, self.cost_usd, ttft, self.overlap, turns, error)

    def count(self, figures: Figures, turn: Turn) -> None:
        """Add one turn that is kept."""
        if not self._turns:
            self.first_ttft = figures.ttft
        self._turns += 1
        self.usage += figures.usage
        self.overlap += figures.overlap
        if figures.usage != NOTHING:
            self._costs.append(figures.cost_usd)
        self.silent = turn.state is State.ENDED and not turn.usage.output_tokens
        self.unpaid.append((turn.model, turn.usage))

    def compacted(self, turn: Turn, cost_usd: float | None) -> None:
        """Add a summary, which is no turn of the run's."""
        self.usage += turn.usage
        if turn.usage != NOTHING:
            self._costs.append(cost_usd)
        self.silent = not turn.usage.output_tokens
        self.unpaid.append((turn.model, turn.usage))

    def lose(self, turn: Turn) -> None:
        """Add one attempt that is thrown away."""
        self.discarded += turn.usage
        self.unpaid.append((turn.model, turn.usage))


def know_prices(model: Model, tasks: TaskGroup) -> None:
    """Load the price lists while the first answer is waited for.

    Not later: without byte code on disk their import holds the interpreter for a quarter of a
    second, which would show as a gap in the stream.
    """
    if model.provider not in FREE and not loaded.is_set():
        tasks.start_soon(in_thread, load_prices)


async def price_usd(model: Model, turn: Turn) -> float | None:
    """What a turn cost, or None: what is simulated costs nothing and has no price."""
    if model.provider in FREE or turn.usage == NOTHING:
        return None
    return await _price(model, turn.model or model.name, turn.usage)


async def _price(model: Model, name: str, usage: Usage) -> float | None:
    if not loaded.is_set():
        await in_thread(load_prices)
    return cost_usd(model.provider, name, usage)


async def check_price(plan: Plan) -> None:
    """Raise ConfigurationError if there is a limit of cost that cannot be kept."""
    if plan.max_cost is not None:
        await _price_of(plan.model, Usage(output_tokens=1))


async def is_spent(plan: Plan, tally: Tally) -> bool:
    """Whether the limit of cost is reached, with what was thrown away or stopped half-way.

    Each answer at the price of the model that gave it.

    Raises:
        ConfigurationError: nobody knows what was spent.
    """
    if plan.max_cost is None:
        return False
    if tally.silent and plan.model.provider not in FREE:
        words = f"{plan.model.provider} does not tell what an answer used"
        raise ConfigurationError(f"{words}, so that no limit of cost can be kept")
    unpaid, tally.unpaid = tally.unpaid, []
    for name, used in unpaid:
        if used != NOTHING:
            tally.spent_usd += await _price_of(plan.model, used, name)
    return tally.spent_usd >= plan.max_cost


async def _price_of(model: Model, usage: Usage, answered: str = "") -> float:
    if model.provider in FREE:
        return 0.0
    price = None
    for name in dict.fromkeys(filter(None, (answered, model.name))):
        if price is None:
            price = await _price(model, name, usage)
    if price is None:
        words = f"the price of {model.provider}:{model.name} is unknown"
        raise ConfigurationError(f"{words}, so that no limit of cost can be kept")
    return price


def kept(turn: Turn, message: Message) -> Message:
    """What the conversation keeps of a turn: of one that was refused, nothing."""
    return Message("assistant", ()) if turn.stop is StopReason.REFUSAL else message


def calls_of(message: Message) -> list[ToolCall]:
    return [block for block in message.blocks if isinstance(block, ToolCall)]


def has_opaque(message: Message) -> bool:
    return any(isinstance(block, Opaque) for block in message.blocks)


def answer_to(
    message: Message, results: Sequence[ToolResult], notes: Sequence[str]
) -> tuple[Message | None, bool]:
    """The user message with the results of a turn's calls, and whether it carries the notes.

    Where the provider has tools of its own at work, words beside the results may be refused; the
    notes then wait for a later message.
    """
    if not results:
        return None, False
    alone = any(
        isinstance(block, Opaque) or (isinstance(block, ToolCall) and block.opaque)
        for block in message.blocks
    )
    words = () if alone else tuple(Text(note) for note in notes if note)
    return Message("user", (*results, *words)), bool(words)


def reason(error: MidstreamError) -> str:
    """Why an attempt was lost, in words."""
    return f"{error} (status {error.status})" if isinstance(error, ProviderError) else str(error)


def run_error(error: MidstreamError) -> RunError:
    match error:
        case ProviderError(kind=kind, status=status, request_id=request_id):
            return RunError(kind, str(error), status, request_id)
        case StreamError(kind=kind, request_id=request_id):
            return RunError(kind, str(error), None, request_id)
        case SessionError(kind=kind):
            return RunError(kind, str(error))
        case NotCompacted():
            return RunError("not_compacted", str(error))
        case _:
            return RunError("configuration_error", str(error))
