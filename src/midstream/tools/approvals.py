"""Whether a call may run: by a rule, or by the answer of who is asked."""

from collections.abc import Callable, Mapping

import anyio
from anyio import CancelScope
from msgspec import Struct
from msgspec.structs import replace

from midstream.events import ApprovalGiven, ApprovalRequested, RunEvent
from midstream.messages import ToolCall
from midstream.tools.permissions import Decision, Permissions, Rule
from midstream.tools.tool import Tool

USER, NOBODY = "user", "nobody"


class Answer(Struct, frozen=True):
    """What was decided of a call.

    Attributes:
        by: "user", "nobody" (who could be asked), "everything", or a rule, such as
            "rule run_command:git status".
        words: what the user said with it.
        asked: somebody was asked, whatever decided it then.
        waited_s: how long before that they were asked, in seconds; None if nobody was.
    """

    allowed: bool
    by: str
    words: str = ""
    asked: bool = False
    waited_s: float | None = None

    @property
    def refusal(self) -> str:
        """What the model is told; empty if the call may run."""
        if self.allowed:
            return ""
        if self.by == NOBODY:
            return "Not run: it needs an approval that nobody gave."
        if self.by != USER:
            return f"Not run: the {self.by} forbids it."
        return f"Not run: the user said no: {self.words}" if self.words else REFUSED


REFUSED = "Not run: the user said no."


class _Question:
    """A call that waits for an answer. Its scope tells whether it was stopped meanwhile."""

    def __init__(self, asked: ToolCall, tool: Tool, scope: CancelScope) -> None:
        self.event = ApprovalRequested(asked.id, asked.name, asked.input)
        self.tool = tool
        self.scope = scope
        self.answer: Answer | None = None
        self.closed = anyio.Event()  # no answer is waited for

    @property
    def open(self) -> bool:
        return self.answer is None and not self.scope.cancel_called


class Approvals:
    """The rules of one run, and its calls that wait for an answer.

    Args:
        permissions: rules of its own if None.
        tell: where events go; never waits.
        keep: writes down what was decided of a call.
        attended: somebody reads the events, and may be asked.
    """

    def __init__(
        self,
        permissions: Permissions | None,
        tell: Callable[[RunEvent], None],
        keep: Callable[[ToolCall, Answer], None],
        attended: bool,
    ) -> None:
        self._permissions = permissions or Permissions()
        self._tell = tell
        self._keep = keep
        self._attended = attended
        self._questions: dict[str, _Question] = {}  # by the id of the call

    async def refusal(self, asked: ToolCall, tool: Tool, scope: CancelScope) -> str:
        """Why a call must not run, or ""; after an answer, if one is needed.

        Args:
            scope: what the call is stopped through.
        """
        verdict = self._permissions.verdict(tool, asked.input)
        if verdict.decision is Decision.ASK:
            answer = await self._asked(_Question(asked, tool, scope))
        elif verdict.by:
            answer = Answer(verdict.decision is Decision.ALLOWED, verdict.by)
        else:
            return ""
        self._keep(asked, answer)
        return answer.refusal

    async def _asked(self, question: _Question) -> Answer:
        if not self._attended:
            return Answer(False, NOBODY)
        call_id = question.event.id
        self._questions[call_id] = question
        self._tell(question.event)
        since = anyio.current_time()
        try:
            await question.closed.wait()
        finally:
            if self._questions.get(call_id) is question:
                del self._questions[call_id]
            question.closed.set()
        assert question.answer is not None  # else it was stopped
        self._tell(ApprovalGiven(call_id, question.answer.allowed))
        waited_s = anyio.current_time() - since
        return replace(question.answer, asked=question.answer.by != NOBODY, waited_s=waited_s)

    # -- from outside --------------------------------------------------------------------------

    @property
    def waiting(self) -> Mapping[str, ApprovalRequested]:
        """The calls that wait for an answer, by id, in the order in which they asked."""
        return {call_id: each.event for call_id, each in self._questions.items() if each.open}

    def answer(self, call_id: str, answer: Answer) -> None:
        """Answer a call that asked for approval; KeyError if none with this id waits."""
        question = self._questions[call_id]
        if not question.open:
            raise KeyError(call_id)
        question.answer = answer
        question.closed.set()

    def allow(self, rule: str | Rule) -> tuple[str, ...]:
        """Add a rule, and allow the calls that wait and that it covers; their ids.

        Raises:
            ConfigurationError: it is spelled wrongly.
        """
        self._permissions.allow(rule)
        covered: list[str] = []
        for call_id, event in self.waiting.items():
            verdict = self._permissions.verdict(self._questions[call_id].tool, event.input)
            if verdict.decision is Decision.ALLOWED:
                self.answer(call_id, Answer(True, verdict.by))
                covered.append(call_id)
        return tuple(covered)

    def closed(self, call_id: str) -> anyio.Event:
        """Set once no approval is waited for: it was given, or its call was stopped or lost."""
        if call_id in self._questions:
            return self._questions[call_id].closed
        closed = anyio.Event()
        closed.set()
        return closed
