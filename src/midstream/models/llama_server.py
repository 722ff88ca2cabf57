"""llama.cpp's own HTTP server, alone in a process: `python -m midstream.models.llama_server`.

It reads one line from stdin, which says what to load and how, tells on stdout how far it is, and
ends when its stdin closes: when whoever started it is done, or dead.
"""

import os
import signal
import sys
from importlib import import_module
from select import select
from typing import Any

import msgspec
from msgspec import Struct

LOADING = b"cmd_child_to_router:state:"  # what llama.cpp puts before its news


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """How llama.cpp runs a model. None leaves the choice to llama.cpp, or to the model's file.

    Attributes:
        context: tokens that one conversation may have, answers included. No more than the model
            was trained for are used; 0 means just that many.
        parallel: how many conversations are answered at a time; each takes memory of its own.
        threads: that compute; without it one less than there are cores.
        template: a chat template in Jinja, instead of the one in the file.
        temperature, seed: for every answer.
        grammar: in GBNF; every answer follows it.
        json_schema: every answer is JSON that it describes.
    """

    context: int = 8192
    parallel: int = 1
    threads: int | None = None
    template: str | None = None
    temperature: float | None = None
    seed: int | None = None
    grammar: str | None = None
    json_schema: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.parallel < 1 or self.context < 0 or (self.threads is not None and self.threads < 1):
            raise ValueError("parallel and threads are at least 1, and context at least 0")


class Start(Struct, frozen=True):
    """What the server is told. The key is not on its command line, which others can read."""

    path: str
    key: str
    settings: Settings

    def __repr__(self) -> str:
        return f"<Start {self.path}>"


def main() -> None:
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=Start)
    die_with_parent()
    llama: Any = import_module("xllamacpp")  # it has no types
    # Then it tells its progress, as it does to a server that stands before several models. It takes
    # stdout for that; what else is printed goes to stderr from then on.
    os.environ["LLAMA_SERVER_ROUTER_PORT"] = "0"
    news = os.dup(sys.stdout.fileno())
    try:
        server = llama.Server(parameters(llama, start))
    except (RuntimeError, ValueError, OverflowError) as error:
        sys.exit(str(error))  # behind what llama.cpp has said itself
    os.write(news, msgspec.json.encode({"url": server.listening_address}) + b"\n")
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)  # not after the last answer, which might be a long one


def parameters(llama: Any, start: Start) -> Any:
    made, settings = llama.CommonParams(), start.settings
    made.model.path = start.path
    made.hostnames, made.port, made.api_keys = ["127.0.0.1"], 0, [start.key]
    made.ui, made.verbosity = False, 1  # only errors are logged
    made.n_parallel = settings.parallel
    made.n_ctx = settings.context * settings.parallel
    made.cache_ram_mib = 1024  # for conversations that wait while others are answered
    # Threads that wait for each other sleep. Spinning, two of them are a hundred times slower than
    # one as soon as other programs, such as our tools, want the same cores.
    made.cpuparams.poll = made.cpuparams_batch.poll = 0
    # One core is left to whoever else works, such as our tools: threads wait for the slowest, and
    # beside one busy program an answer was seen to take ten times as long with a thread more.
    threads = settings.threads or max(1, (os.cpu_count() or 1) - 1)
    made.cpuparams.n_threads = made.cpuparams_batch.n_threads = threads
    if settings.template is not None:
        made.chat_template = settings.template
    if settings.temperature is not None:
        made.sampling.temp = settings.temperature
    if settings.seed is not None:
        made.sampling.seed = settings.seed
    grammar = settings.grammar
    if settings.json_schema is not None:
        grammar = llama.json_schema_to_grammar(settings.json_schema)
    if grammar is not None:
        kind = llama.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        made.sampling.grammar = llama.CommonGrammar(kind, grammar)
    return made


def die_with_parent() -> None:
    """Have the kernel end this process once the other end of its stdin is closed.

    A thread that waits for that could not: llama.cpp holds Python's lock while it loads. Elsewhere
    than on Linux it is noticed when the model is loaded.
    """
    if sys.platform == "linux":
        import fcntl

        stdin = sys.stdin.fileno()
        signal.signal(signal.SIGIO, signal.SIG_DFL)  # which ends the process
        fcntl.fcntl(stdin, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(stdin, fcntl.F_SETFL, fcntl.fcntl(stdin, fcntl.F_GETFL) | os.O_ASYNC)
        if select([stdin], [], [], 0)[0]:  # it was closed before
            sys.exit(0)


if __name__ == "__main__":
    main()
