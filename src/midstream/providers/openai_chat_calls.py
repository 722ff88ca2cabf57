"""Chat Completions, the calls: whose a fragment is, when a call begins, and when it is whole.

Servers name a fragment's call by its id, by its index, by both or by neither, and some make a new
id for every fragment.
"""

from collections.abc import Callable

import msgspec

from midstream.errors import ProtocolError
from midstream.events import ToolCallStarted, ToolInputDelta
from midstream.messages import Opaque
from midstream.providers.openai_chat_wire import Fragment, Function, Json
from midstream.providers.safe import Halves, clean, unlike
from midstream.stream import BlockEnded, OpaqueArrived, StreamEvent
from midstream.wire.json import NotJson, read_object

MOST_OPEN = 256  # calls that grow side by side; each that begins looks at the others
MOST_READINGS = 64  # of one call's arguments, so that no server makes the work more than linear


class GrowingCall:
    """A call as it grows. Until its name is known nobody is told of it.

    Attributes:
        block: its place in the message.
        index: the one that its first fragment had.
        id: what it is called here; `wire_id`: what the server called it first.
    """

    def __init__(self, block: int, index: int | None) -> None:
        self.block = block
        self.index = index
        self.id = ""
        self.wire_id = ""
        self.name = ""
        self.parts: list[str] = []
        self.last = ""  # of the arguments, blanks left out
        self.extra: Json | None = None
        self.closed = False
        self._readings = 0

    def is_other(self, index: int | None, name: str) -> bool:
        """Whether a fragment with this call's id is of another one: servers repeat ids."""
        if not (name and self.name):
            return False
        elsewhere = index != self.index and None not in (index, self.index)
        return elsewhere or (name != self.name and self.is_whole())

    def is_whole(self) -> bool:
        if self.last != "}" or self._readings == MOST_READINGS:
            return False
        self._readings += 1
        return self.is_object()

    def is_object(self) -> bool:
        try:
            read_object("".join(self.parts))
        except NotJson:
            return False
        return True

    def may_end(self) -> bool:
        """Whether the beginning of another call ends it. `{}` may be what is there at first."""
        return bool(self.name) and self.is_whole() and "".join(self.parts).strip() != "{}"


class Calls:
    """The calls of one response.

    Args:
        begin: ends what words are open, and gives the next block's index.
        tell: takes each event.
    """

    def __init__(
        self,
        provider: str,
        halves: Halves,
        begin: Callable[[], int],
        tell: Callable[[StreamEvent], None],
    ) -> None:
        self._provider = provider
        self._halves = halves
        self._begin = begin
        self._tell = tell
        self._ids: set[str] = set()
        self._by_id: dict[str, GrowingCall] = {}
        self._by_index: dict[int, GrowingCall] = {}
        self._open: list[GrowingCall] = []
        self._latest: GrowingCall | None = None

    def __bool__(self) -> bool:
        return self._latest is not None

    def add(self, fragment: Fragment) -> None:
        """Give a fragment to its call, which may begin with it."""
        function = fragment.function or Function()
        wire_id = "" if fragment.id is None else clean(str(fragment.id))
        name, arguments = clean(function.name or ""), _text(function.arguments)
        call = self._whose(wire_id, fragment.index, name, arguments)
        if not call and not (wire_id or name or arguments):
            return  # nothing begins with nothing
        call = call or self._new(fragment.index)
        if wire_id:
            call.wire_id = call.wire_id or wire_id
            self._by_id[wire_id] = call
        if fragment.extra_content:
            call.extra = clean(fragment.extra_content)
        if name and not call.name:
            self._start(call, name)
        self._grow(call, arguments)

    def _whose(
        self, wire_id: str, index: int | None, name: str, arguments: str
    ) -> GrowingCall | None:
        """The call that a fragment continues; None if it begins one."""
        there = self._latest if index is None else self._by_index.get(index)
        if there is None and not (wire_id or name) and self._latest and self._latest.index is None:
            # Mistral's first fragment has no index, and the next has nothing else.
            there = self._latest
        if wire_id in self._by_id:
            call = there if there and there.wire_id == wire_id else self._by_id[wire_id]
            return None if call.is_other(index, name) else call
        if there is None:
            return None
        if wire_id and there.wire_id:
            # An id for every fragment has been seen; but what has a name as well is another call.
            return None if name else there
        # A name that comes again where a call is whole: the next one, unless it says no more.
        again = (arguments or index is None) and there.is_whole()
        anew = name and there.name and (name != there.name or again)
        return None if anew else there

    def _new(self, index: int | None) -> GrowingCall:
        self._end([call for call in self._open if call.may_end()])
        if len(self._open) >= MOST_OPEN:
            raise ProtocolError(f"more than {MOST_OPEN} calls at once")
        call = self._latest = GrowingCall(self._begin(), index)
        self._open.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _start(self, call: GrowingCall, name: str) -> None:
        call.name, call.id = name, unlike(self._ids, call.wire_id, call.block)
        self._tell(ToolCallStarted(call.block, call.id, name))
        if call.parts:
            self._tell(ToolInputDelta(call.id, "".join(call.parts)))

    def _grow(self, call: GrowingCall, text: str) -> None:
        if call.extra and call.name:
            extra, call.extra = {"extra_content": call.extra}, None
            self._tell(OpaqueArrived(call.block, Opaque(self._provider, extra)))
        if not text or (call.closed and not text.strip()):
            return
        text = self._halves.joined(call.block, text)
        call.parts.append(text)
        call.last = text.rstrip()[-1:] or call.last
        if call.name and text:
            self._tell(ToolInputDelta(call.id, text))

    # -- the end -------------------------------------------------------------------------------

    def are_whole(self) -> bool:
        return all(call.name and call.is_object() for call in self._open)

    def end(self) -> None:
        """Nothing more is to come for any of them.

        Raises:
            ProtocolError: one never got a name.
        """
        if not all(call.name for call in self._open):
            raise ProtocolError("a call without a name")
        self._end(self._open)

    def close(self) -> None:
        """The response was cut: what is still open stays unfinished."""
        self._end([call for call in self._open if call.name])

    def _end(self, calls: list[GrowingCall]) -> None:
        for call in calls:
            call.closed = True
            if rest := self._halves.rest(call.block):
                self._tell(ToolInputDelta(call.id, rest))
            self._tell(BlockEnded(call.block))
        self._open = [call for call in self._open if not call.closed]


def _text(arguments: str | Json | None) -> str:
    """Arguments as text, which they are nearly everywhere; an empty object has yet to be filled."""
    if isinstance(arguments, str):
        return arguments
    if not arguments:
        return ""
    try:
        return msgspec.json.encode(arguments).decode()
    except UnicodeEncodeError:  # half characters
        return msgspec.json.encode(clean(arguments)).decode()
