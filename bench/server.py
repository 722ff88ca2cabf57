"""The other end of the wire for the benches: plain sockets in a process of its own.

It writes bytes that were made beforehand, so that it takes next to no CPU and keeps its times. Not
a program to run by itself: see overlap.py and cpu.py.
"""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

# What to write, and when, in seconds from the request.
Schedule = list[tuple[float, bytes]]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


# -- events ------------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def opening() -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6"}
    rest: dict[str, Any] = {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return event("message_start", message=message | rest)


def ending(reason: str) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 7}) + event("message_stop")


def block_start(index: int, call: str = "", name: str = "") -> bytes:
    text = {"type": "text", "text": ""}
    use = {"type": "tool_use", "id": call, "name": name, "input": {}}
    return event("content_block_start", index=index, content_block=use if call else text)


def text_delta(index: int, text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return event("content_block_delta", index=index, delta=delta)


def input_delta(index: int, fragment: str) -> bytes:
    delta = {"type": "input_json_delta", "partial_json": fragment}
    return event("content_block_delta", index=index, delta=delta)


def block_stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def short_reply() -> bytes:
    return opening() + block_start(0) + text_delta(0, "Done.") + block_stop(0) + ending("end_turn")


# -- the process -------------------------------------------------------------------------------


@contextmanager
def serving(schedules: dict[str, Schedule]) -> Iterator["Server"]:
    """A server process. The first path segment of the base URL names the schedule to play."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = {k: [(t, data.decode()) for t, data in steps] for k, steps in schedules.items()}
        process.stdin.write(json.dumps(lines).encode() + b"\n")
        process.stdin.flush()
        try:
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.kill()


class Server:
    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.port = port

    def url(self, schedule: str) -> str:
        return f"http://127.0.0.1:{self.port}/{schedule}"

    def log(self) -> list[dict[str, Any]]:
        """What happened since the last call: requests, and when each step was written.

        Times are those of `time.monotonic`, which all processes of a machine share on Linux.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"log\n")
        self._process.stdin.flush()
        entries: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return entries


def main() -> None:
    schedules = {
        name: [(at, chunk(data.encode())) for at, data in steps]
        for name, steps in json.loads(sys.stdin.readline()).items()
    }
    schedules["short"] = [(0.0, chunk(short_reply()))]
    log: list[dict[str, Any]] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    Thread(target=accept, args=(listener, schedules, log), daemon=True).start()
    for _ in sys.stdin:
        entries, log[:] = log[:], []
        print(json.dumps(entries), flush=True)


def accept(
    listener: socket.socket, schedules: dict[str, Schedule], log: list[dict[str, Any]]
) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=converse, args=(connection, schedules, log), daemon=True).start()


def converse(
    connection: socket.socket, schedules: dict[str, Schedule], log: list[dict[str, Any]]
) -> None:
    try:
        while request := read_request(connection):
            asked_at = time.monotonic()
            name, body = request
            # A request that carries results is answered shortly: the bench is about the first.
            steps = schedules["short" if b'"tool_result"' in body else name]
            log.append({"what": "request", "t": asked_at})
            connection.sendall(HEAD)
            for number, (at, data) in enumerate(steps):
                if (wait := asked_at + at - time.monotonic()) > 0:
                    time.sleep(wait)
                log.append({"what": "step", "number": number, "t": time.monotonic()})
                connection.sendall(data)
            connection.sendall(END)
    except OSError:  # the client left
        pass
    finally:
        connection.close()


def read_request(connection: socket.socket) -> tuple[str, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    size = int(found[1]) if found else 0
    pieces = [body]
    while (got := sum(map(len, pieces))) < size:
        pieces.append(connection.recv(min(1 << 20, size - got)))
    return head.split(b"/", 2)[1].decode(), b"".join(pieces)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


if __name__ == "__main__":
    main()
