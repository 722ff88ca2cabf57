"""Conversations as the loop commits them, drawn at random: every odd thing that a block may be."""

from typing import Any

from hypothesis import strategies as st

from midstream.messages import Block, Image, Message, Opaque, Text, Thinking, ToolCall, ToolResult
from midstream.simulator.signatures import sign

PNG = b"\x89PNG"
CODE = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}


def opaque(kind: str, provider: str = "anthropic", **data: Any) -> Opaque:
    return Opaque(provider, {"type": kind, **data})


WORDS = st.sampled_from(["", " ", "\n", "Hi", "x ", "\u2028", "🦆", "half \ud83e", "nul\0"])
PROMPTS = st.sampled_from(["Hi", "Go on.", " x", "half \ud83e"])
CALL_IDS = st.sampled_from(
    ["", "a", "a_2", "a.2", "a:2", "call", "functions.Bash:0", "é", "toolu_1"]
)
INPUTS = st.dictionaries(st.text(max_size=3), st.integers() | WORDS, max_size=2)
RIDERS = st.sampled_from(
    [
        *(None, None, Opaque("anthropic", {"toolset_name": "browser"})),
        Opaque("anthropic", {"caller": {**CODE, "tool_id": "srvtoolu_code"}}),
        Opaque("openai", {"caller": {"type": "program", "caller_id": "c"}}),
        Opaque("openai", {"namespace": "weather"}),
        Opaque("openai-chat", {"extra_content": {"google": {"thought_signature": "s"}}}),
    ]
)
CITATIONS = st.sampled_from(
    [
        *(None, None, ({"n": 1},)),
        ({"type": "url_citation", "url": "https://example.org", "start_index": 0},),
    ]
)
PHASES = st.sampled_from([None, None, *(Opaque("openai", {"phase": p}) for p in ("final_answer",))])
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
DETAILS = {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}
# What answers of the two OpenAI wires leave, thoughts and the items of their own tools.
OF_OTHERS: st.SearchStrategy[Block] = st.sampled_from(
    [
        *(Thinking("hm", ""), Thinking("", "", Opaque("openai-chat", DETAILS))),
        *(Thinking("hm", "", Opaque("openai-chat", DETAILS)), Opaque("openai-chat", DETAILS)),
        Thinking("hm", "", Opaque("openai", {**REASONING, "encrypted_content": "x"})),
        Thinking("hm", "", Opaque("openai", REASONING)),
        opaque("reasoning", "openai", id="rs_1", summary=[], encrypted_content="x"),
        opaque("reasoning", "openai", id="rs_1", summary=[]),
        opaque("web_search_call", "openai", id="ws_1", status="completed", action={}),
        opaque("custom_tool_call", "openai", call_id="ct_1", name="x", input="y"),
        opaque("tool_search_call", "openai", call_id=None, id="t", execution="client"),
    ]
)
OUTPUTS = st.one_of(
    WORDS,
    st.lists(WORDS.map(Text) | st.just(Image(PNG)), max_size=3).map(tuple),
)


class Talk:
    """A conversation as the loop commits it: prompts, answers, and the results of their calls."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._server_calls = 0
        self.messages: list[Message] = []

    def prompt(self) -> None:
        notes = self._draw(st.lists(st.just(Text("A note.")), max_size=1))
        self.messages.append(Message("user", (*notes, Text(self._draw(PROMPTS)))))

    def answer(self, *, paused: bool = False) -> None:
        """One answer, with the results of its calls; a paused one ends with a server tool."""
        self._thoughts = 0
        blocks = [self._block() for _ in range(self._draw(st.integers(0, 6)))]
        kept = [block for part in blocks for block in part]
        if self._draw(st.booleans()):
            kept.insert(0, opaque("container", id="box"))
        if paused:
            said = (block for block in kept if not isinstance(block, ToolCall))
            self.messages.append(Message("assistant", (*said, self._server_call())))
            return
        calls = {block.id: block for block in kept if isinstance(block, ToolCall)}
        # A provider's decoder makes sure that ids differ within one answer.
        kept = [b for b in kept if not isinstance(b, ToolCall) or calls[b.id] is b]
        if kept:
            self.messages.append(Message("assistant", tuple(kept)))
        if calls:
            self._results([block.id for block in kept if isinstance(block, ToolCall)])

    def _results(self, call_ids: list[str]) -> None:
        draw = self._draw
        results = [ToolResult(each, draw(OUTPUTS), draw(st.booleans())) for each in call_ids]
        notes = draw(st.lists(st.just(Text("A note.")), max_size=1))
        self.messages.append(Message("user", (*results, *notes)))

    def _block(self) -> tuple[Block, ...]:
        kind = self._draw(st.integers(0, 9))
        match kind:
            case 0 | 1:
                return (Text(self._draw(WORDS), self._draw(CITATIONS), self._draw(PHASES)),)
            case 2 | 3:
                call_id, arguments = self._draw(CALL_IDS), self._draw(INPUTS)
                return (ToolCall(call_id, "look", arguments, self._draw(RIDERS)),)
            case 4:
                return (self._thought(),)
            case 5:
                return (Thinking("unsigned", ""),)
            case 8 | 9:
                return (self._draw(OF_OTHERS),)
            case 6:
                foreign = opaque(
                    "reasoning", provider="openai", id="rs_1", summary=[], encrypted_content="x"
                )
                return (
                    self._draw(st.sampled_from([foreign, opaque("container_upload", file_id="f")])),
                )
            case _:
                call = self._server_call()
                found = opaque("web_search_tool_result", tool_use_id=call.data["id"], content=[])
                return (call, found) if self._draw(st.booleans()) else (call,)

    def _thought(self) -> Block:
        place, self._thoughts = self._thoughts, self._thoughts + 1
        if self._draw(st.booleans()):
            return opaque("redacted_thinking", data=sign("redacted", place))
        words = self._draw(st.sampled_from(["", "hm"]))
        return Thinking(words, sign(words, place))

    def _server_call(self) -> Opaque:
        self._server_calls += 1
        call_id = f"srvtoolu_{self._server_calls}"
        return opaque("server_tool_use", id=call_id, name="web_search", input={})


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    talk = Talk(draw)
    talk.prompt()
    for _ in range(draw(st.integers(0, 4))):
        talk.answer()
        if talk.messages[-1].role == "assistant" or draw(st.booleans()):
            talk.prompt()
    if draw(st.booleans()):
        talk.answer(paused=True)
    return talk.messages
