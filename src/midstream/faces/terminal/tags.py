"""Reasoning that a model writes into its text, between tags."""

import re
from collections.abc import Iterator

TAGS = ("<thinking>", "<think>", "<reasoning>")
LONGEST = 16  # characters that tell how a line begins
FENCE = re.compile(r" {0,3}(?:```|~~~)")


class ThinkingTags:
    """Tells the reasoning in one text block from the answer, however its pieces are cut.

    A tag counts at the beginning of a line and outside of fenced code: elsewhere somebody writes
    about tags.
    """

    def __init__(self) -> None:
        self._held = ""  # what may be the beginning of a tag
        self._line = ""  # how the line begins that is not held back
        self._fenced = False
        self._closing = ""  # the tag that ends the reasoning under way

    def feed(self, text: str) -> Iterator[tuple[bool, str]]:
        """Yield the pieces: whether it is reasoning, and its words."""
        text, self._held = self._held + text, ""
        while text:
            is_reasoning = bool(self._closing)
            piece, text = self._reasoning(text) if is_reasoning else self._answer(text)
            if piece:
                yield is_reasoning, piece

    def end(self) -> Iterator[tuple[bool, str]]:
        """The block has ended: what was held back is no tag."""
        if self._held:
            yield bool(self._closing), self._held
        self._held = ""

    def _reasoning(self, text: str) -> tuple[str, str]:
        """The reasoning that `text` begins with, and the rest of it."""
        found = text.lower().find(self._closing)
        if found < 0:
            kept = overlap(text.lower(), self._closing)
            self._held = text[len(text) - kept :]
            return text[: len(text) - kept], ""
        rest = text[found + len(self._closing) :]
        self._closing = ""
        return text[:found], rest

    def _answer(self, text: str) -> tuple[str, str]:
        """The part of a line of the answer that `text` begins with, and the rest of it."""
        line, newline, rest = text.partition("\n")
        if not self._fenced and not self._line.strip():
            blank = line[: len(line) - len(line.lstrip())]
            begins = line[len(blank) :].lower()
            for tag in TAGS:
                if begins.startswith(tag):
                    self._closing, self._line = f"</{tag[1:]}", ""
                    return blank, line[len(blank) + len(tag) :] + newline + rest
            if begins and not newline and any(tag.startswith(begins) for tag in TAGS):
                self._held = line[len(blank) :]
                return blank, ""
        whole = (self._line + line)[:LONGEST]
        if newline and FENCE.match(whole):
            self._fenced = not self._fenced
        self._line = "" if newline else whole
        return line + newline, rest


def overlap(text: str, tag: str) -> int:
    """How many of the last characters of `text` are the first ones of `tag`."""
    sizes = range(min(len(text), len(tag) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(tag[:size])), 0)
