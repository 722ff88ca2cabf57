"""What of this machine midstream can use: one finding for each thing, and what to do about it."""

import locale
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from enum import Enum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from midstream import __version__
from midstream.cli.config import OF_THE_FOLDER, OWN, config_file, defaults, endpoints
from midstream.errors import ConfigurationError, SessionError
from midstream.journal.store import Journal
from midstream.models.transport import is_httpx2s, proxy_for
from midstream.secrets.names import address

# Alone in a process: what looks for devices may crash, or take long.
DEVICES = """
import json, xllamacpp
print(json.dumps([each["description"] or each["name"] for each in xllamacpp.get_device_info()]))
"""
DEVICES_S = 15.0


class State(Enum):
    GOOD = "good"
    BAD = "bad"
    ABSENT = "absent"


class Finding(Struct, frozen=True):
    """What was found of one thing.

    Attributes:
        words: how it is and, where it is not good, what to do.
        usable: a model can be asked by way of it.
        facts: the same for programs.
    """

    name: str
    state: State
    words: str
    usable: bool = False
    facts: dict[str, Any] = {}


def program() -> Finding:
    python = platform.python_version()
    words = f"{__version__}, Python {python} ({sys.executable})"
    facts = {"version": __version__, "python": python, "executable": sys.executable}
    return Finding("midstream", State.GOOD, words, facts=facts)


def http() -> Finding:
    """What providers are asked by."""
    proxies = {scheme: address(proxy) for scheme in ("https", "http")
               if (proxy := proxy_for(f"{scheme}://provider.example"))}  # fmt: skip
    try:
        stock = is_httpx2s("https://provider.example")
    except ConfigurationError as error:
        return Finding("http", State.BAD, str(error), facts={"proxies": proxies})
    words = "httpx2's transport" if stock else "our own transport, HTTP/1.1"
    for scheme, proxy in proxies.items():
        words += f"; {scheme} through {proxy}"
    facts = {"transport": "httpx2" if stock else "own", "proxies": proxies}
    return Finding("http", State.GOOD, words, facts=facts)


def local() -> Finding:
    """Whether GGUF files can be run. Of those there may be none: it is not looked for them."""
    if find_spec("xllamacpp") is None:
        return Finding("local", State.ABSENT, "no llama.cpp: pip install xllamacpp")
    release = _release("xllamacpp")
    facts: dict[str, Any] = {"xllamacpp": release, "devices": []}
    try:
        found = subprocess.run(
            [sys.executable, "-P", "-c", DEVICES], capture_output=True, timeout=DEVICES_S
        ).stdout
        devices = msgspec.json.decode(found.strip().rpartition(b"\n")[2], type=list[str])
    except (subprocess.TimeoutExpired, msgspec.MsgspecError):
        words = f"xllamacpp {release} does not work here: install it again"
        return Finding("local", State.BAD, words, facts=facts)
    words = f"llama.cpp (xllamacpp {release}) on {', '.join(devices)}; -m local:FILE.gguf"
    return Finding("local", State.GOOD, words, True, facts | {"devices": devices})


def terminal() -> Finding:
    size = shutil.get_terminal_size()
    term, encoding = os.environ.get("TERM", ""), locale.getencoding()
    colour = term not in ("", "dumb") and "NO_COLOR" not in os.environ
    facts = {
        "stdin": _is_terminal(0), "stdout": _is_terminal(1), "stderr": _is_terminal(2),
        "columns": size.columns, "lines": size.lines,
        "term": term, "colour": colour, "encoding": encoding,
    }  # fmt: skip
    if not facts["stdout"]:
        return Finding("terminal", State.ABSENT, f"stdout is no terminal; {encoding}", facts=facts)
    words = f"{size.columns}×{size.lines}, {term or 'no TERM'}, "
    words += f"{'colours' if colour else 'no colours'}, {encoding}"
    return Finding("terminal", State.GOOD, words, facts=facts)


def sessions() -> Finding:
    """The file of the sessions. It is not made if it is not there."""
    journal = Journal()
    path = journal.path
    facts: dict[str, Any] = {"path": str(path), "writable": False, "sessions": 0, "bytes": 0}
    if not path.exists():
        above = next(each for each in path.parents if each.exists())
        in_proc = above.parts[:2] == ("/", "proc")  # where root may write, and cannot
        if in_proc or not os.access(above, os.W_OK | os.X_OK):
            words = f"{path} cannot be made: set MIDSTREAM_DATA to another folder"
            return Finding("sessions", State.BAD, words, facts=facts)
        words = f"none yet; they will be in {path}"
        return Finding("sessions", State.ABSENT, words, facts=facts | {"writable": True})
    try:
        with closing(journal):
            count, size = len(journal.summaries()), path.stat().st_size
            facts |= {"sessions": count, "bytes": size, "version": _format(path)}
            journal.database.open()
    except SessionError as error:
        return Finding("sessions", State.BAD, str(error), facts=facts)
    words = f"{count} in {path} ({size / 1e6:.1f} MB, format {facts['version']})"
    return Finding("sessions", State.GOOD, words, facts=facts | {"writable": True})


def _format(path: Path) -> int | None:
    """The version of its format."""
    found = None
    with suppress(sqlite3.Error):
        address = f"{path.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def plugin() -> Finding:
    """The fixture for the tests of those who use midstream."""
    if find_spec("pytest") is None:
        return Finding("pytest", State.ABSENT, "not installed: the simulator's fixture needs it")
    names = [each.name for each in metadata.entry_points(group="pytest11")]
    if "midstream" not in names:
        words = "does not know the simulator's fixture: install midstream again"
        return Finding("pytest", State.BAD, words)
    release = _release("pytest")
    words = f"{release} knows the fixture `simulator`"
    return Finding("pytest", State.GOOD, words, facts={"version": release})


def configuration() -> Finding:
    found = [str(each) for each in (config_file(), OF_THE_FOLDER) if each.is_file()]
    facts = {"files": found}
    try:
        chosen = os.environ.get("MIDSTREAM_MODEL") or defaults().get("model") or "sim:"
        provider = chosen.partition(":")[0]
        if provider not in (*endpoints(), *OWN):
            raise ConfigurationError(f"the default model {chosen!r} is of no known provider")
    except ConfigurationError as error:
        return Finding("config", State.BAD, str(error), facts=facts)
    if not found:
        words = f"no file; {config_file()} would be one"
        return Finding("config", State.ABSENT, words, facts=facts)
    return Finding("config", State.GOOD, ", ".join(found), facts=facts)


def _release(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
