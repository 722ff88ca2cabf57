"""What is needed of ripgrep where it is not installed: `python plain_search.py search 0 PATTERN ./`

It answers as `rg --json` does, or with `files ./` as `rg --files --null`. It is a program of its
own, since a regular expression may take for ever, and no thread that matches one can be stopped;
and it needs the standard library alone, so that it starts without looking at other packages.
"""

import base64
import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

SKIPPED = {b"node_modules", b"__pycache__", b"venv"}  # and all that is hidden
LONGEST_LINE = 1 << 20  # bytes; what is behind them is not looked at
BEGINNING = 8192  # bytes, by which it is told what a file is


def main() -> None:
    match [os.fsencode(each) for each in sys.argv[1:]]:
        case [b"files", top]:
            for path in files(top):
                sys.stdout.buffer.write(path + b"\0")
        case [b"search", context, pattern, top]:
            try:
                search(re.compile(pattern.decode(errors="replace")), int(context), top)
            except (re.error, RecursionError, OverflowError) as error:
                sys.stderr.write(f"regex parse error: {error}\n")
                sys.exit(2)
        case _:
            sys.exit("files TOP, or search CONTEXT PATTERN TOP")


def files(top: bytes) -> Iterator[bytes]:
    """Ordinary files, in ripgrep's order; links are not followed."""
    waiting = [top.rstrip(b"/")]
    while waiting:
        path = waiting.pop()
        if os.path.islink(path) or not os.path.isdir(path):
            yield path
            continue
        with suppress(OSError), os.scandir(path) as found:  # not ours to look at, or gone
            entries = sorted(found, key=lambda each: each.name, reverse=True)
            waiting += [os.path.join(path, each.name) for each in entries if _wanted(each)]


def _wanted(entry: os.DirEntry[bytes]) -> bool:
    if entry.name.startswith(b"."):
        return False
    if entry.is_dir(follow_symlinks=False):
        return entry.name not in SKIPPED
    return entry.is_file(follow_symlinks=False)


def search(pattern: re.Pattern[str], context: int, top: bytes) -> None:
    for path in files(top):
        with suppress(OSError), open(path, "rb") as file:
            if b"\0" not in file.peek(BEGINNING)[:BEGINNING]:
                _search_file(file, path, pattern, context)


def _search_file(file: BinaryIO, path: bytes, pattern: re.Pattern[str], context: int) -> None:
    before: deque[tuple[int, bytes]] = deque(maxlen=context)
    after, begun = 0, False
    for number, line in enumerate(_lines(file), 1):
        text = line.decode(errors="replace").rstrip("\r\n")
        if found := pattern.search(text):
            if not begun:
                begun = True
                _say("begin", path)
            for earlier, words in before:
                _say("context", path, earlier, words)
            before.clear()
            start = len(text[: found.start()].encode())
            _say("match", path, number, line, start)
            after = context
        elif after > 0:
            after -= 1
            _say("context", path, number, line)
        else:
            before.append((number, line))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(LONGEST_LINE)):
            pass
        yield line


def _say(kind: str, path: bytes, number: int = 0, line: bytes = b"", start: int = -1) -> None:
    data: dict[str, object] = {"path": _text(path)}
    if number:
        found = [{"start": start}] if start >= 0 else []
        data |= {"lines": _text(line), "line_number": number, "submatches": found}
    message = {"type": kind, "data": data}
    sys.stdout.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n")


def _text(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(data).decode()}


if __name__ == "__main__":
    main()
