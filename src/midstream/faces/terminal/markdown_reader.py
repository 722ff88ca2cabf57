"""Reads Markdown line by line, and gives out each block, or part of one, as soon as it is final.

This is CommonMark's own strategy (0.31, appendix "A parsing strategy"): a line goes through the
containers that are open, opens others, and what is left of it belongs to a leaf. So every line is
looked at once, and nothing is taken back.
"""

import copy

from midstream.faces.terminal.markdown_blocks import (
    Block,
    Body,
    Container,
    Definitions,
    Heading,
    Item,
    Nothing,
    Quote,
    Rule,
)
from midstream.faces.terminal.markdown_leaves import (
    Bodies,
    Define,
    Fence,
    Indented,
    Leaf,
    OpenTable,
    Paragraph,
    Tags,
)
from midstream.faces.terminal.markdown_lines import (
    Around,
    Beginning,
    Fenced,
    Headed,
    Listed,
    Quoted,
    Ruled,
    Tagged,
    Underlined,
    beginning,
    text_at,
)

DEEPEST = 16  # containers in one another; what would begin further inside is text


class BlockReader:
    """Lines in, blocks out.

    Args:
        define: takes the definitions of links from the beginning of a paragraph, and gives what is
            left of it.
    """

    def __init__(self, define: Define) -> None:
        self._define = define
        self._stack: tuple[Container, ...] = ()
        self._leaf: Leaf | None = None
        self._lists: dict[int, Item] = {}  # by depth: the item that another one would follow
        self._used = 0  # containers of the stack that hold something
        self._filled = 0  # …something that was given out
        self._serial = 0
        self._apart = False  # the line before was blank
        self._out: list[Block] = []

    def line(self, line: str) -> list[Block]:
        """What is final through a line, which has no tabs, and no spaces at its end."""
        depth, at = self._matched(line)
        if depth < len(self._stack) or not self._taken(line, at):
            if isinstance(self._leaf, Fence | Tags | Indented):
                self._close_leaf()
            self._open(line, depth, at)
        return self._given_out()

    def rest(self, text: str) -> list[Block]:
        """The same for what follows in a line that is too long to be read as one."""
        if self._leaf is None:
            self._begin(len(self._stack), Paragraph(False, goes_on=True))
        self._add(text)
        return self._given_out()

    def end(self) -> list[Block]:
        self._close(0)
        return self._given_out()

    def fork(self, define: Define, longest: int) -> "BlockReader":
        """Another one at this place, to try how it would go on.

        Args:
            longest: of a paragraph that has more characters, only the end is kept.
        """
        other = copy.copy(self)
        other._define, other._out = define, []
        other._leaf = leaf = copy.copy(self._leaf)
        if isinstance(leaf, Paragraph):
            leaf.lines = tail(leaf.lines, longest)
        elif isinstance(leaf, OpenTable):
            leaf.rows = list(leaf.rows)
        return other

    @property
    def between_blocks(self) -> bool:
        return not self._stack and self._leaf is None

    @property
    def words(self) -> str | None:
        """What the open paragraph has so far; None where the next line is code, or a tag."""
        if isinstance(self._leaf, Paragraph):
            return "\n".join(self._leaf.lines)
        return None if isinstance(self._leaf, Fence | Tags | Indented) else ""

    def _given_out(self) -> list[Block]:
        out, self._out = self._out, []
        return out

    # -- containers ----------------------------------------------------------------------------

    def _matched(self, line: str) -> tuple[int, int]:
        """How many of the open containers the line is in, and where the rest of it starts."""
        at = 0
        for depth, container in enumerate(self._stack):
            start = text_at(line, at)
            match container:
                case Quote() if line[start : start + 1] == ">" and start - at < 4:
                    at = start + (2 if line[start + 1 : start + 2] == " " else 1)
                case Item(width=width) if start - at >= width:
                    at += width
                case Item() if start == len(line) and self._holds_something(depth):
                    at = start
                case _:
                    return depth, at
        return len(self._stack), at

    def _holds_something(self, depth: int) -> bool:
        """An item that begins with a blank line ends with another one."""
        return depth < self._used or depth + 1 < len(self._stack)

    def _open(self, line: str, depth: int, at: int) -> None:
        """Begin what the rest of a line begins, and put what is left of it where it belongs."""
        around, matched = self._around(depth), depth
        while (start := text_at(line, at)) < len(line) and start - at < 4:
            if around is Around.PARAGRAPH and self._is_table(line[start:]):
                return
            what = beginning(line, start, around) if depth < DEEPEST else None
            match what:
                case Quoted() | Listed():
                    self._contain(what, depth, what.after - at)
                    depth, at, around = depth + 1, what.after, Around.NOTHING
                case Underlined() if not self._is_heading(what):
                    self._close_leaf()
                    around = Around.NOTHING
                case None:
                    break
                case _:
                    self._begin_leaf(what, depth, line, at)
                    return
        if start == len(line):
            self._close(depth)
            self._apart = depth == matched
            return
        code = start - at > 3 and around in (Around.NOTHING, Around.TABLE)
        if code:
            self._begin(depth, Indented(self._apart))
        elif around is Around.NOTHING:
            self._begin(depth, Paragraph(self._apart))
        self._add(line[at + 4 :] if code else line[start:])

    def _around(self, depth: int) -> Around:
        whole = depth == len(self._stack)
        match self._leaf:
            case Paragraph():
                return Around.PARAGRAPH if whole else Around.LAZY
            case OpenTable() if whole:
                return Around.TABLE
            case _:
                return Around.NOTHING

    def _contain(self, what: Quoted | Listed, depth: int, width: int) -> None:
        self._close(depth)
        self._used = depth
        self._serial += 1
        before = self._lists.get(depth)
        self._forget_lists(depth)
        container: Container = Quote(self._serial)
        if isinstance(what, Listed):
            first, number = self._serial, what.number
            if before and before.kind == what.kind:
                first, number = before.first, before.number + (what.kind in ".)")
            container = self._lists[depth] = Item(self._serial, first, what.kind, number, width)
        self._stack += (container,)

    def _forget_lists(self, depth: int) -> None:
        self._lists = {each: item for each, item in self._lists.items() if each < depth}

    def _close(self, depth: int) -> None:
        """End the leaf, and the containers further inside than `depth`."""
        self._close_leaf()
        while len(self._stack) > depth:
            if self._filled < len(self._stack) and isinstance(self._stack[-1], Item):
                self._put(Nothing(), apart=False)
            self._stack = self._stack[:-1]
        self._used, self._filled = min(self._used, depth), min(self._filled, depth)

    # -- leaves --------------------------------------------------------------------------------

    def _begin(self, depth: int, leaf: Leaf | None) -> None:
        self._close(depth)
        self._forget_lists(depth)
        self._used, self._leaf, self._apart = depth, leaf, False

    def _begin_leaf(self, what: Beginning, depth: int, line: str, at: int) -> None:
        apart = self._apart
        match what:
            case Headed(level, text):
                self._begin(depth, None)
                self._put(Heading(level, text), apart)
            case Ruled():
                self._begin(depth, None)
                self._put(Rule(), apart)
            case Fenced(fence, info):
                indent = text_at(line, at) - at
                self._begin(depth, Fence(apart, fence=fence, info=info, indent=indent))
            case Tagged(end):
                self._begin(depth, Tags(apart, end=end))
                self._add(line[at:])
            case Quoted() | Listed() | Underlined():
                pass

    def _taken(self, line: str, at: int) -> bool:
        """Whether the leaf takes a line whatever it says: code and tags do."""
        leaf = self._leaf
        bodies = leaf.take(line, at) if leaf else None
        if leaf and bodies is not None:
            self._give(leaf, bodies)
        return bodies is not None

    def _add(self, text: str) -> None:
        if isinstance(self._leaf, Paragraph) and self._leaf.defines(text, self._define):
            self._close_leaf()
            self._leaf = Paragraph(False)
        if self._leaf:
            self._give(self._leaf, self._leaf.add(text))

    def _is_table(self, text: str) -> bool:
        """Whether a line makes a table of the line before it."""
        leaf = self._leaf
        if not isinstance(leaf, Paragraph):
            return False
        table = leaf.table(text)
        if table:
            leaf.lines.pop()
            self._close_leaf()
            self._leaf = table
        return table is not None

    def _is_heading(self, what: Underlined) -> bool:
        """Whether a line makes a heading of the paragraph: not if that only defines links."""
        leaf = self._leaf
        if not isinstance(leaf, Paragraph):
            return False
        bodies = leaf.underlined(what.level, self._define)
        if bodies:
            leaf.over = True
            self._give(leaf, bodies)
        return bodies is not None

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        if leaf:
            self._give(leaf, leaf.close(self._define))
            self._apart = isinstance(leaf, Indented) and leaf.blank > 0

    def _give(self, leaf: Leaf, bodies: Bodies) -> None:
        for body in bodies:
            self._put(body, leaf.apart, leaf.goes_on)
            leaf.goes_on = not isinstance(body, Definitions)
        if leaf.over:
            self._leaf = None

    def _put(self, body: Body, apart: bool, goes_on: bool = False) -> None:
        self._filled = len(self._stack)
        self._out.append(Block(self._stack, body, apart, goes_on))


def tail(lines: list[str], longest: int) -> list[str]:
    """The last lines, as many as fit; of one that does not, its end."""
    size = 0
    for at in range(len(lines) - 1, -1, -1):
        size += len(lines[at]) + 1
        if size > longest:
            return lines[at + 1 :] or [lines[-1][-longest:]]
    return list(lines)
