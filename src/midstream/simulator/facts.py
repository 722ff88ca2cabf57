"""What a conversation says that a script may refer to: the prompt and what the tools returned."""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from midstream.simulator.shape import is_list, is_object

MISSING: Final = "?"
PLACE = re.compile(r"([A-Za-z_][\w-]*)((?:\.\w+|\[\d+\])*)")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_PLACEHOLDER = re.compile(r"\{" + PLACE.pattern + r"\}")


class Facts(Struct, frozen=True):
    """What a script can know of a request.

    Attributes:
        turn: how many assistant messages went before.
        prompt: what the user wrote last: of several texts in one message the last one.
        results: what each tool returned, in the order of the calls.
    """

    turn: int
    prompt: str
    results: dict[str, list[Any]]

    def value(self, place: str) -> Any | UnsetType:
        """What is at a place: `prompt`, `tool`, `tool.field.0`, `tool[0].field`; else UNSET.

        An index right behind the tool's name picks a call; without it, the latest is meant.
        """
        match = PLACE.fullmatch(place)
        if not match:
            return UNSET
        name, path = match.groups()
        if name == "prompt":
            return self.prompt if not path else UNSET
        steps = [field or int(index) for field, index in _STEP.findall(path)]
        call = steps.pop(0) if steps and isinstance(steps[0], int) else -1
        return _walk(self.results.get(name, []), [call, *steps])

    def words(self, place: str) -> str:
        """The value as text; `?` if there is none."""
        value = self.value(place)
        if value is UNSET:
            return MISSING
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def fill(self, text: str) -> str:
        """The text with its placeholders filled."""
        return _PLACEHOLDER.sub(lambda match: self.words(match[0][1:-1]), text)

    def fill_in(self, value: Any) -> Any:
        """A call's input with every string in it filled.

        A string that is one placeholder and nothing else becomes the value itself.
        """
        if isinstance(value, str):
            found = self.value(value[1:-1]) if _PLACEHOLDER.fullmatch(value) else UNSET
            return self.fill(value) if found is UNSET else found
        if is_list(value):
            return [self.fill_in(item) for item in value]
        if is_object(value):
            return {key: self.fill_in(item) for key, item in value.items()}
        return value


def since_prompt(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last prompt and what came after it."""
    prompts = [place for place, message in enumerate(messages) if _is_prompt(message)]
    return messages[prompts[-1] :] if prompts else messages


def read(messages: list[dict[str, Any]]) -> Facts:
    """Read a conversation that is known to be valid."""
    blocks = [block for message in messages for block in blocks_of(message)]
    theirs = (blocks_of(message) for message in messages if message["role"] == "user")
    texts = [block["text"] for said in theirs for block in said if block["type"] == "text"]
    answers = {
        block["tool_use_id"]: _decoded(block.get("content"))
        for block in blocks
        if block["type"] == "tool_result"
    }
    results: dict[str, list[Any]] = {}
    for block in blocks:
        if block["type"] == "tool_use":
            results.setdefault(block["name"], []).append(answers.get(block["id"], UNSET))
    return Facts(
        turn=sum(message["role"] == "assistant" for message in messages),
        prompt=next((text for text in reversed(texts) if text), ""),
        results=results,
    )


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content as blocks, however it was spelled."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _is_prompt(message: dict[str, Any]) -> bool:
    # Text that travels with tool results steers the turn that is under way.
    kinds = {block["type"] for block in blocks_of(message)}
    return message["role"] == "user" and "tool_result" not in kinds


def _text(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in blocks_of(message) if block["type"] == "text")


def _decoded(content: Any) -> Any:
    text = "" if content is None else _text({"content": content})
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _walk(value: Any, steps: list[Any]) -> Any | UnsetType:
    for step in steps:
        try:
            value = value[int(step) if is_list(value) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            return UNSET
    return value
