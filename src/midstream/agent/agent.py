"""An agent: a model, its tools, and how far it may go."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from msgspec.structs import replace

from midstream.agent.plan import Compaction, Plan
from midstream.agent.prompt import Prompt, parts_of
from midstream.agent.room import window_of
from midstream.agent.run import Run
from midstream.errors import ConfigurationError
from midstream.events import RunEnded
from midstream.journal.session import Session
from midstream.messages import ModelRequest
from midstream.models.model import Model, Patience, kept
from midstream.models.resolve import resolve
from midstream.tools.permissions import Permissions
from midstream.tools.tool import Tool, tool
from midstream.turn.retry import Backoff
from midstream.wire.json import clean

AnyTool = Tool | Callable[..., Any] | dict[str, Any]


class Agent:
    """Holds no state of a conversation: any number of runs may go on at once.

    Each run connects for itself. Inside `async with Agent(…) as agent` they use one another's
    connections, and a local model is loaded once.

    Args:
        model: `provider:name`, such as `anthropic:claude-sonnet-4-6`, or a Model.
        tools: functions with or without `@tool`; a dictionary is a tool that the provider runs
            itself, in the provider's words, such as `{"type": "web_search_20250305", …}`.
        system: the system prompt.
        max_turns: the most requests that one run makes, retries not counted.
        max_tokens: the most tokens that one answer may have.
        thinking: a budget in tokens (at least 1,024), or "adaptive".
        max_cost: in US dollars; once so much is spent no further request is made.
        permissions: rules on what may run unasked. Its runs share them, and what `run.allow` adds;
            None: only what tools say of themselves counts, and each run keeps its own additions.
        context_window: the tokens that a conversation with the model may have, answers included,
            where the model is none that midstream knows.
        compact_at: once so large a part of them is taken, the model is asked for a summary, with
            which it goes on. None: never.
        cache: how long what a request repeats is kept by the provider, where it must be asked to
            (Anthropic): the next turn then reads it at a tenth of the price. None: not at all.
        api_key, base_url: else from the environment, such as ANTHROPIC_API_KEY.
        max_parallel_tools: how many tools run at a time.
        max_attempts: how often one turn is asked for, the first time included.
        byte_timeout: the longest silence on the wire, in seconds.
        event_timeout: the longest time without an event, pings not counted, in seconds.
        backoff, patience: the other settings of waiting and of sizes.

    Raises:
        ConfigurationError: an unknown provider, no key, or a setting that cannot be.
    """

    _keeping: AbstractAsyncContextManager[Model] | None = None

    def __init__(
        self,
        model: str | Model,
        tools: Sequence[AnyTool] = (),
        system: str | None = None,
        max_turns: int = 50,
        max_tokens: int = 8192,
        thinking: int | Literal["adaptive"] | None = None,
        *,
        max_cost: float | None = None,
        permissions: Permissions | None = None,
        context_window: int | None = None,
        compact_at: float | None = 0.85,
        cache: Literal["5m", "1h"] | None = "5m",
        api_key: str | None = None,
        base_url: str | None = None,
        max_parallel_tools: int = 16,
        max_attempts: int = 5,
        max_arguments: int = 8 << 20,
        byte_timeout: float = 60.0,
        event_timeout: float = 300.0,
        backoff: Backoff | None = None,
        patience: Patience | None = None,
    ) -> None:
        _check(thinking)
        for setting in (max_turns, max_tokens, max_parallel_tools, max_attempts, max_arguments):
            if setting < 1:
                raise ConfigurationError("limits such as max_turns must be at least 1")
        if max_cost is not None and not max_cost > 0:
            raise ConfigurationError("max_cost is in US dollars, and more than 0")
        if context_window is not None and context_window < 1:
            raise ConfigurationError("context_window is in tokens, and at least 1")
        if compact_at is not None and not 0 < compact_at <= 1:
            raise ConfigurationError("compact_at is a part of the context window, such as 0.85")
        if byte_timeout <= 0 or event_timeout <= 0:
            raise ConfigurationError("timeouts are in seconds, and more than 0")
        patience = patience or Patience(byte_timeout=byte_timeout, event_timeout=event_timeout)
        if cache not in (None, "5m", "1h"):
            raise ConfigurationError('cache is "5m", "1h" or None')
        if isinstance(model, str):
            model = resolve(model, api_key, base_url, patience)
        elif api_key is not None or base_url is not None:
            raise ConfigurationError("a Model has its key and its address already")
        functions, server_tools = _sorted(tools)
        self._plan = Plan(
            model,
            ModelRequest(
                model.name,
                (),
                system,
                tuple(each.spec for each in functions.values()),
                server_tools,
                max_tokens,
                thinking,
                cache,
            ),
            functions,
            backoff or Backoff(max_attempts),
            max_turns,
            max_parallel_tools,
            max_arguments,
            max_cost,
            permissions,
            context_window,
            compact_at,
        )

    async def __aenter__(self) -> Self:
        """Keep the way to the model open from run to run."""
        if self._keeping:
            raise RuntimeError("the agent was entered already")
        self._model = self._plan.model
        keeping = self._keeping = kept(self._model)
        try:
            self._plan = replace(self._plan, model=await keeping.__aenter__())
        except BaseException:
            self._keeping = None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._keeping is not None
        keeping, self._keeping = self._keeping, None
        self._plan = replace(self._plan, model=self._model)
        await keeping.__aexit__(kind, error, trace)

    def run(self, prompt: Prompt, session: Session | None = None) -> Run:
        """A run that answers `prompt`, going on with `session` or beginning a new one.

        Args:
            prompt: text, or a list of texts and Images.
        """
        if not (said := parts_of(prompt)):
            raise ValueError("the prompt is empty")
        return Run(self._plan, said, session or Session())

    def compact(self, session: Session, words: str = "") -> Run:
        """A run that has the model sum up what was said, and go on with the summary in its place.

        It fails where nothing was said, or no summary comes; the conversation is then as it was.

        Args:
            words: what the summary is to keep in mind, such as "keep the names of the tests".
        """
        return Run(self._plan, Compaction(clean(words)), session)

    async def context_window(self) -> int | None:
        """The tokens that a conversation may have, answers included, or None if it is unknown."""
        return await window_of(self._plan)

    def run_sync(self, prompt: Prompt, session: Session | None = None) -> RunEnded:
        """`await agent.run(…)` for programs that are not asynchronous."""

        async def wait() -> RunEnded:
            return await self.run(prompt, session)

        return anyio.run(wait)


def _sorted(tools: Sequence[AnyTool]) -> tuple[dict[str, Tool], tuple[dict[str, Any], ...]]:
    """The tools that run here, by name, and those that the provider runs."""
    here: dict[str, Tool] = {}
    there: list[dict[str, Any]] = []
    for each in tools:
        if isinstance(each, Tool):
            made = each
        elif callable(each):
            made = tool(each)
        else:
            there.append(each)
            continue
        if made.spec.name in here:
            raise ConfigurationError(f"two tools are named {made.spec.name!r}")
        here[made.spec.name] = made
    return here, tuple(there)


def _check(thinking: object) -> None:
    if thinking in (None, "adaptive") or (isinstance(thinking, int) and thinking >= 1024):
        return
    raise ConfigurationError('thinking is a budget of at least 1,024 tokens, or "adaptive"')
