"""The wires that the simulator speaks, and which of them is at which path."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

import msgspec

from midstream.simulator.answer import Answer, Asked, answer
from midstream.simulator.anthropic import Messages
from midstream.simulator.caching import Prompt, PromptCache
from midstream.simulator.chat import Chat
from midstream.simulator.play import Frame, Grammar, Play, Step
from midstream.simulator.responses import Responses
from midstream.simulator.scenario import Scenario
from midstream.simulator.server import EVENT_STREAM
from midstream.simulator.shape import Json, Refusal


class Wire(Grammar, Protocol):
    """A provider's language: how a request is read, and how an answer to it is spelled."""

    def problem(self, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """The first thing the API would refuse; `headers` have lower-case names."""
        ...

    def asked(self, body: Json) -> Asked:
        """What a valid request asks for."""
        ...

    def prompt(self, body: Json) -> Prompt:
        """All that the model reads of a request."""
        ...

    def steps(self, sent: Answer, body: Json) -> Iterator[Step]:
        """The answer as a stream."""
        ...

    def message(self, sent: Answer, body: Json) -> Json:
        """The answer in one piece, for those who do not stream."""
        ...


MESSAGES: Final = Messages()
CHAT: Final = Chat()
RESPONSES: Final = Responses()

# Where the APIs have them: a base URL of OpenAI's clients ends in /v1.
WIRES: Final[Mapping[str, Wire]] = {
    "/v1/messages": MESSAGES,
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
}


def play(
    wire: Wire,
    body: Json,
    scenario: Scenario,
    headers: Mapping[str, str],
    cache: PromptCache | None = None,
) -> Play:
    """The answer to a request that is known to be valid, in the way it asked for.

    Args:
        headers: those that every answer has.
        cache: what counts how much of the prompt was read before.
    """
    sent = answered(wire, body, scenario, cache or PromptCache())
    if body.get("stream"):
        paced = frames(wire, wire.steps(sent, body), scenario)
        return Play(wire, paced, {**EVENT_STREAM, **headers})
    whole = msgspec.json.encode(wire.message(sent, body))
    kind = {"content-type": "application/json"}
    return Play(wire, [Frame(0.0, (whole,))], {**kind, **headers}, length=len(whole))


def answered(wire: Wire, body: Json, scenario: Scenario, cache: PromptCache) -> Answer:
    """What the script answers, before it is spelled."""
    return answer(wire.asked(body), scenario, cache.counts(wire.prompt(body)))


def frames(wire: Wire, steps: Iterable[Step], scenario: Scenario) -> list[Frame]:
    """Events with the time of each.

    Each token's time is counted from the request, not from the token before it, so that a slow
    reader or a busy machine does not change the pace.
    """
    paced: list[Frame] = []
    written = 0
    for event, tokens in steps:
        pace_s = written / scenario.tokens_per_second if scenario.tokens_per_second else 0.0
        paced.append(wire.frame(scenario.ttft + pace_s, event))
        written += tokens
    return paced
