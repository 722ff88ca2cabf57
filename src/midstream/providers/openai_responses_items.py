"""The items of a response, as far as they have come."""

from collections import Counter

from midstream.errors import ProtocolError
from midstream.providers.openai_responses_wire import Json
from midstream.wire.json import NotJson, read_object

# Items that wait for somebody to run something here, in ways that we do not know.
ASKING = frozenset({
    "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call",
    "mcp_approval_request",
})  # fmt: skip
# What a call says in fields of its own, or (`created_by`) must not say when it is sent back.
OF_A_CALL = frozenset({"id", "type", "status", "call_id", "name", "arguments", "created_by"})


class Item:
    """An item of the response, and the blocks that it is here.

    Attributes:
        blocks: by the number of the part; what has no parts is one block, numbered 0.
        call_id, name: of a call, as it is known here; `wire_id`: its id as the server has it.
        said: what came of each part's text, or of a call's arguments.
        thought: the part of the reasoning that came last.
        cited: how many of the annotations of each part came.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.blocks: dict[int, int] = {}
        self.call_id = ""
        self.wire_id = ""
        self.name = ""
        self.said: dict[int, list[str]] = {}
        self.thought: tuple[type, int] | None = None
        self.cited: Counter[int] = Counter()
        self.done = False
        self.whole: object = None  # the arguments that it was done with

    def is_other(self, given: Json) -> bool:
        """Whether what begins at its place is another item: servers give one place to several."""
        differs = self.wire_id and given.get("call_id") and self.wire_id != asked_as(given)
        return self.kind != given.get("type") or bool(differs)

    def is_same(self, given: Json) -> bool:
        """Whether it is told of again, as it was."""
        told = given.get("arguments")
        return given.get("name") in (None, self.name) and (not told or told == self.whole)

    def rest(self, whole: str, part: int = 0) -> str | None:
        """What of the whole did not come yet; None if something else came."""
        came = "".join(self.said.get(part, ()))
        if whole.startswith(came):
            return whole[len(came) :]
        return "" if self.call_id and is_same_json(came, whole) else None

    def begin_call(self, given: Json) -> None:
        """Raise ProtocolError if it has no name: sent back, it would be refused."""
        if not (name := given.get("name")):
            raise ProtocolError("a call without a name")
        self.wire_id, self.name = asked_as(given), str(name)

    def rest_of_call(self, given: Json) -> str:
        """What of a call's arguments came only when it was done.

        Raises:
            ProtocolError: they are not those that came before, or are another call's.
        """
        rest = self.rest(str(given.get("arguments") or "".join(self.said.get(0, ()))))
        same = rest is not None and given.get("name") in (None, "", self.name)
        if self.call_id and not same:
            raise ProtocolError(f"the call {self.call_id} is not the one that came")
        return rest or ""

    def check_end(self, given: Json) -> None:
        """See that a call that was done without arguments has none at the response's end either.

        Raises:
            ProtocolError: they were lost on the way.
        """
        same = self.call_id and self.wire_id == asked_as(given)
        came = "".join(self.said.get(0, ())).strip()
        if same and not came and str(given.get("arguments") or "").strip():
            raise ProtocolError(f"the call {self.call_id} is not the one that came")


class Items:
    """The items that came. One is known by its place, since its id may change on the way.

    Attributes:
        last: the place that is furthest down the list; -1 where nothing came.
    """

    def __init__(self) -> None:
        self.last = -1
        self._items: dict[int, Item] = {}
        self._places: dict[str, int] = {}  # by id, for servers that leave the places out
        self._kinds: set[str] = set()
        self._calls: dict[str, Item] = {}
        self._moved: dict[int, int] = {}  # where the latest item is of a place that had several

    def __contains__(self, place: int) -> bool:
        return place in self._items

    def __getitem__(self, place: int) -> Item:
        return self._items[place]

    def add(self, place: int, kind: str) -> Item:
        item = self._items[place] = Item(kind)
        self.last = max(self.last, place)
        return item

    def place(self, place: int | None, item_id: object) -> int:
        """Whose a fragment is: that of the last item, unless it says more."""
        if place is not None:
            return self._moved.get(place, place)
        if not item_id:
            return max(self.last, 0)
        return self._places.setdefault(str(item_id), self.last + 1)

    def place_of(self, given: Json, place: int | None, *, done: bool) -> int:
        """The place of an item that begins or is done."""
        item_id = str(given.get("id") or "")
        if place is None:
            ends = done and not item_id and self._is_open(given)
            place = self._places.get(item_id, self.last if ends else self.last + 1)
        elif item_id in self._places and place in self._moved and done:
            place = self._places[item_id]
        else:
            place = self._free(place, given, done=done)
        if item_id:
            self._places[item_id] = place
        return place

    def _free(self, place: int, given: Json, *, done: bool) -> int:
        """The place, or another if it is taken by an item that is not this one."""
        now = self._moved.get(place, place)
        item = self._items.get(now)
        if item is None or (done and not item.done):
            return now  # what is done is what is open there, though its id may have changed
        if item.is_other(given) or (item.done and not done):
            now = self._moved[place] = self.last + 1
        return now

    def end(self) -> None:
        """What came until now was told in its order; what follows is told by the response's end."""
        self._kinds = {item.kind for item in self._items.values()}
        self._calls = {each.wire_id: each for each in self._items.values() if each.wire_id}

    def place_at_end(self, place: int, given: Json) -> int | None:
        """Where an item goes that the response's end tells of; None if it came before.

        Its place there says nothing: some servers list what they did not stream, and change ids.
        """
        kind, call = str(given.get("type")), self._calls.get(asked_as(given))
        if call:
            call.check_end(given)
        for at, item in self._items.items():
            if not item.done and item.kind == kind and (at == place or item is call):
                return at
        new = kind not in self._kinds and (kind != "reasoning" or not self._kinds)
        return self.last + 1 if new else None

    def _is_open(self, given: Json) -> bool:
        """Whether the last item may be this one."""
        last = self._items.get(self.last)
        return last is not None and not last.done and last.kind == given.get("type")


def is_same_json(one: str, other: str) -> bool:
    """Whether a server only spelled anew what it had sent."""
    try:
        return read_object(one) == read_object(other)
    except NotJson:
        return False


def asks(item: Json) -> bool:
    """Whether it waits for something that is to be run here."""
    return item.get("type") in ASKING or item.get("execution") == "client"


def is_output(item: Json) -> bool:
    return str(item.get("type")).endswith("_output")


def asked_as(item: Json) -> str:
    """What a call and its output have in common."""
    return str(item.get("call_id") or item.get("id") or "")


def note_asking(asking: set[str], item: Json) -> None:
    """Keep account of what is asked for and has no output."""
    if asks(item):
        asking.add(asked_as(item))
    if is_output(item):
        asking.discard(asked_as(item))


def rider_of(given: Json) -> Json:
    """What else a call says, which goes back with it."""
    return {
        key: value for key, value in given.items() if key not in OF_A_CALL and value is not None
    }
