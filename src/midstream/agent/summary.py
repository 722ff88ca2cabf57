"""The words of a compaction: what the model is asked for, and what stands for what was said.

What the user wrote last goes on word for word: a task that is told again by another is another
task. Nothing else does, results of tools least of all.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from midstream.errors import NotCompacted
from midstream.journal.context import rough_tokens
from midstream.journal.records import NOTE
from midstream.messages import Image, Message, Parts, StopReason, Text, ToolResult
from midstream.tools.output import to_output
from midstream.turn.turn import Turn

KEPT_TOKENS = 10_000  # the most of the user's own words that go on
SHORTENED = (40_000, 10_000, 2_500, 500)  # bytes of one result, until all of them fit
ASKED = """[From the runtime, not from the user.] This conversation becomes too long. It is about \
to be replaced by a summary, which you write now: whoever goes on knows nothing else of it. Keep:
- what the user wants, with every constraint and preference they told, in their own words where \
the words matter;
- what was decided and done, and why; above all what has had an effect (files, commands, messages, \
payments), so that it is not done again, and whether it worked, failed, or is unknown;
- what was found out and is still needed: names, paths, numbers, code, errors, exactly as they are;
- what is being done just now, what remains to be done, and the next step.
Leave out what nobody needs any more. Call no tool. Answer with the summary alone."""
MINDFUL = "\n\nThe user says of the summary: "
SUMMARY = (
    "[Note from the runtime, not from the user. What was said and done until here is replaced by "
    "this summary, which the model wrote itself:]\n\n"
)
OWN_WORDS = "\n\n[What the user wrote last, word for word:]"
GO_ON = "[Note from the runtime, not from the user. Go on from where the summary ends.]"
# Why there is no summary, by how the answer ended.
PROBLEMS = {
    StopReason.TOOL_USE: "the model called a tool instead of summing up",
    StopReason.MAX_TOKENS: "the summary was cut at the token limit",
    StopReason.CONTEXT_WINDOW: "there was no room left for a summary",
    StopReason.REFUSAL: "the model refused to sum up",
}


def request_for(words: str) -> Message:
    """What is said to the model behind all that was said."""
    return Message("user", (Text(ASKED + (MINDFUL + words if words.strip() else "")),))


def fitted(messages: tuple[Message, ...], most: int) -> tuple[Message, ...]:
    """The conversation with the results of tools cut, so that it has at most so many tokens.

    One answer may ask for more than the window holds, and then nothing can be asked any more. Where
    it is not the results that are too long, it stays too long.
    """
    said = messages
    for longest in SHORTENED:
        if rough_tokens(*said) <= most:
            break
        said = tuple(_shortened(each, longest) for each in messages)
    return said


def _shortened(message: Message, longest: int) -> Message:
    blocks = (
        replace(each, output=to_output(each.output, longest))
        if isinstance(each, ToolResult)
        else each
        for each in message.blocks
    )
    return replace(message, blocks=tuple(blocks))


def summary_of(turn: Turn) -> str:
    """The summary that a whole answer is.

    Raises:
        NotCompacted: it is none.
    """
    text = turn.message().text
    if turn.stop not in (StopReason.END_TURN, StopReason.STOP_SEQUENCE):
        raise NotCompacted(PROBLEMS.get(turn.stop, f"the model stopped with {turn.stop_word}"))
    if not text.strip():
        raise NotCompacted("the model wrote no summary")
    return text


def in_place_of(
    messages: Sequence[Message], summary: str, most: int = KEPT_TOKENS, *, goes_on: bool
) -> Message:
    """The one message that the conversation becomes.

    Args:
        most: how many tokens of the user's own words it may have.
        goes_on: nobody says anything more: the model is to go on with what it does.
    """
    kept = _latest(messages, most)
    told = Text(f"{SUMMARY}{summary}{OWN_WORDS if kept else ''}")
    return Message("user", (told, *kept, *([Text(GO_ON)] if goes_on else [])))


def _latest(messages: Sequence[Message], most: int) -> Parts:
    kept: Parts = ()
    for message in reversed(messages):
        if message.role != "user" or any(isinstance(each, ToolResult) for each in message.blocks):
            continue
        said = tuple(_own_words(message))
        if rough_tokens(Message("user", (*said, *kept))) > most:
            break
        kept = (*said, *kept)
    return kept


def _own_words(message: Message) -> Iterator[Text | Image]:
    for block in message.blocks:
        match block:
            case Text(text) if not text.startswith((NOTE, SUMMARY, GO_ON)):
                yield block
            case Image():
                yield block
            case _:  # what the runtime said
                pass
