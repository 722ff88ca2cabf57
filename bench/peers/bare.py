"""An answer, from the bytes of a socket to its fragments: what the raw readers share."""

from collections.abc import Callable

import msgspec
from worker import Got

# -- records -----------------------------------------------------------------------------------


class MessagesDelta(msgspec.Struct):
    text: str = ""
    partial_json: str = ""
    thinking: str = ""


class MessagesEvent(msgspec.Struct):
    delta: MessagesDelta | None = None


class ChatFunction(msgspec.Struct):
    arguments: str = ""


class ChatCall(msgspec.Struct):
    function: ChatFunction


class ChatDelta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[ChatCall] | None = None


class ChatChoice(msgspec.Struct):
    delta: ChatDelta


class ChatChunk(msgspec.Struct):
    choices: list[ChatChoice]


class ResponsesEvent(msgspec.Struct):
    delta: str = ""


Records = Callable[[bytes], None]


def messages_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(MessagesEvent).decode

    def take(record: bytes) -> None:
        delta = decode(record[record.index(b"data: ") + 6 :]).delta
        if delta and (fragment := delta.text or delta.partial_json or delta.thinking):
            got(fragment)

    return take


def chat_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(ChatChunk).decode

    def take(record: bytes) -> None:
        if record == b"data: [DONE]":
            return
        delta = decode(record[6:]).choices[0].delta
        if delta.content:
            got(delta.content)
        elif delta.tool_calls:
            got(delta.tool_calls[0].function.arguments)

    return take


def responses_reader(got: Got) -> Records:
    decode = msgspec.json.Decoder(ResponsesEvent).decode

    def take(record: bytes) -> None:
        if fragment := decode(record[record.index(b"data: ") + 6 :]).delta:
            got(fragment)

    return take


WIRES: dict[str, tuple[str, Callable[[Got], Records]]] = {
    "messages": ("v1/messages", messages_reader),
    "chat": ("chat/completions", chat_reader),
    "responses": ("responses", responses_reader),
}


class Events:
    """Bytes of a body to records, wherever they were cut."""

    def __init__(self, take: Records) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *records, self._rest = (self._rest + data).split(b"\n\n")
        for record in records:
            self._take(record)


class Chunks:
    """An HTTP/1.1 answer in chunks, wherever it was cut, to the bytes of its body."""

    def __init__(self, body: Callable[[bytes], None]) -> None:
        self._body = body
        self._line = b""  # of the head, or with a chunk's size, not ended yet
        self._in_head = True
        self._left = 0  # of a chunk, with the two bytes that end it
        self.ended = False

    def feed(self, data: bytes) -> None:
        data, place = self._line + data, 0
        if self._in_head:
            place = data.find(b"\r\n\r\n") + 4
            self._in_head = place == 3
        while not self._in_head and place < len(data):
            if self._left > 2:
                part = data[place : place + self._left - 2]
                self._body(part)
            elif self._left:
                part = data[place : place + self._left]
            elif (line := data.find(b"\r\n", place)) >= 0:
                size = int(data[place:line], 16)
                self._left, self.ended = size + 2, not size
                place = line + 2
                continue
            else:
                break
            self._left -= len(part)
            place += len(part)
        self._line = data if self._in_head else data[place:]
