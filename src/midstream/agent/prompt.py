"""What the user says: words, pictures, or both."""

from collections.abc import Iterable, Sequence

from midstream.messages import Image, Parts, Text
from midstream.tools.output import MAX_IMAGE, TooLarge, checked
from midstream.wire.json import clean

Prompt = str | Sequence[str | Text | Image]


def parts_of(prompt: Prompt) -> Parts:
    """What a prompt says, as a conversation holds it; nothing where it is blank.

    Raises:
        ValueError: there is something in it that no provider takes.
    """
    given = [prompt] if isinstance(prompt, str) else prompt
    parts = [_part(each) for each in given]
    return tuple(part for part in parts if isinstance(part, Image) or part.text.strip())


def prompt_of(parts: Parts) -> Prompt:
    """The parts as they may be said again; words alone as text."""
    match parts:
        case (Text(text),):
            return text
        case _:
            return parts


def joined(prompts: Iterable[Parts]) -> Parts:
    """Several prompts as one: words that follow each other with a blank line between them."""
    parts: list[Text | Image] = []
    for part in (part for prompt in prompts for part in prompt):
        if isinstance(part, Text) and parts and isinstance(last := parts[-1], Text):
            parts[-1] = Text(f"{last.text}\n\n{part.text}")
        else:
            parts.append(part)
    return tuple(parts)


def _part(part: object) -> Text | Image:
    match part:
        case str() | Text():
            return Text(clean(part if isinstance(part, str) else part.text))
        case Image():
            return _picture(part)
        case _:
            raise ValueError(f"a prompt is text and Images, not {type(part).__name__}")


def _picture(image: Image) -> Image:
    try:
        return checked(image)
    except TooLarge as error:
        most = MAX_IMAGE // 4 * 3
        raise ValueError(f"{error}: at most {most:,} are taken, so make it smaller") from error
