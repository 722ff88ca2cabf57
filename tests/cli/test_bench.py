"""`midstream bench` as its users have it: real processes, real sockets."""

import json
import os
import pty
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from midstream.cli.bill import dollars
from midstream.cli.measuring import left_s
from midstream.simulator import Reply, Scenario, Simulator, call, say
from midstream.simulator.faults import Delay, Status
from midstream.simulator.server import Exchange, respond_json, serve
from tests.cli.tmux import needs_tmux, terminal
from tests.fakes import says, start, stop, text

PROGRAM = [sys.executable, "-m", "midstream", "bench"]
TOOLS = [
    Reply([say("I look. "), call("look_up", topic="a"), call("look_up", topic="b"),
           say("And while that is done I go on to say this and that, and something else.")]),
    Reply([say("Seen: {look_up.found}")]),
]  # fmt: skip
Done = subprocess.CompletedProcess[str]
Bench = Callable[..., Done]
Shell = Callable[[str, str], Done]
Start = Callable[[Any], Simulator]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    of_providers = ("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")
    kept = {k: v for k, v in os.environ.items() if not k.endswith(of_providers)}
    (tmp_path / "config.toml").touch()
    config = {"MIDSTREAM_CONFIG": str(tmp_path / "config.toml"), "COLUMNS": "80"}
    return kept | config | {"PYTHONUTF8": "1", "TERM": "xterm"}


@pytest.fixture
def bench(environment: dict[str, str], tmp_path: Path) -> Bench:
    def run(*args: str, url: str = "", asks: bool = False, **options: Any) -> Done:
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, **options}
        if url:
            args = ("-m", "anthropic:m", "--base-url", url, *args, *(() if asks else ("-y",)))
        key = {"ANTHROPIC_API_KEY": "k"} if url else {}
        return subprocess.run([*PROGRAM, *args], cwd=tmp_path, env=environment | key, text=True,
                              timeout=50, **options)  # fmt: skip

    return run


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Shell:
    """Run it in a shell, with a redirection, which has the program's own exit status."""

    def run(options: str, redirection: str) -> Done:
        program = f"{shlex.join(PROGRAM)} -m anthropic:m {options}"
        return subprocess.run(["sh", "-c", f"{program} {redirection}"], cwd=tmp_path, timeout=50,
                              env=environment | {"ANTHROPIC_API_KEY": "k"}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip

    return run


def scenario(*replies: Reply, **settings: Any) -> Scenario:
    return Scenario(replies=list(replies), **{"each_prompt": True, **settings})


def one_turn(**settings: Any) -> Scenario:
    return scenario(Reply([say("The moon pulls.")]), **settings)


def report(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole


# -- what is measured ------------------------------------------------------------------------------


def test_the_figures_are_those_of_what_happened(bench: Bench, simulator: Start) -> None:
    late = Delay(seconds=0.4, request=3)  # the first turn of the second request
    sim = simulator(scenario(*TOOLS, ttft=0.1, tokens_per_second=50, faults=[late]))
    whole = report(bench("-n", "3", "--json", url=sim.url))
    figures, samples = whole["summary"], whole["samples"]

    assert len(sim.requests) == 6
    assert (figures["answered"], figures["turns"], figures["failed"]) == (3, 6, 0)
    assert [each["number"] for each in samples] == [1, 2, 3]
    assert figures["ttft_s"]["min"] >= 0.1
    assert samples[1]["ttft_s"] >= 0.5
    assert figures["ttft_s"]["max"] == max(each["ttft_s"] for each in samples)
    assert figures["later_ttft_s"]["count"] == 3
    for each in samples:
        first, second = each["turns"]
        assert first["tools_s"] >= 0.99  # two of half a second
        assert 0 < first["hidden_s"] <= first["tools_s"] + 1e-9
        assert (second["tools_s"], second["hidden_s"]) == (0, 0)
        assert each["hidden_share"] == pytest.approx(first["hidden_s"] / first["tools_s"])
        streamed_s = first["streamed_s"] + second["streamed_s"]
        tokens = first["timed_tokens"] + second["timed_tokens"]
        assert 0 < tokens < first["tokens"] + second["tokens"]
        assert each["tokens_per_second"] == pytest.approx(tokens / streamed_s)
        assert each["seconds"] >= 0.2 + streamed_s
    assert figures["tools_s"] == pytest.approx(sum(each["turns"][0]["tools_s"] for each in samples))
    assert figures["usage"]["output_tokens"] == sum(e["usage"]["output_tokens"] for e in samples)
    assert figures["cost_usd"] is None


def test_the_speed_is_the_one_at_which_the_server_writes(bench: Bench, simulator: Start) -> None:
    ten = Reply([say("tide " * 10)])
    sim = simulator(scenario(ten, tokens_per_second=20))
    figures = report(bench("-n", "1", "--no-tools", "--json", url=sim.url))["summary"]
    assert figures["tokens_per_second"]["p50"] == pytest.approx(
        20, rel=0.07
    )  # not ten in nine intervals


def test_what_comes_in_two_lumps_has_no_speed(bench: Bench) -> None:
    """A server that holds its answer back, and then hands it over at once."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(start() + text(0, "x" * 400))
        await anyio.sleep(0.02)
        await exchange.send(text(1, "y" * 400) + stop("end_turn", 500))
        await exchange.finish()

    with served(answer) as url:
        whole = report(bench("-n", "1", "--no-tools", "--json", url=url))
    (turn,) = whole["samples"][0]["turns"]
    assert turn["tokens"] == 500
    assert (turn["timed_tokens"], whole["summary"]["tokens_per_second"]) == (0, None)


def test_what_is_asked_is_what_was_said(bench: Bench, simulator: Start) -> None:
    sim = simulator(one_turn())
    bench("-n", "1", "--prompt", "Why?", "--max-tokens", "77", url=sim.url)
    bench("-n", "1", "--no-tools", url=sim.url)
    own, plain = sim.requests
    assert own["max_tokens"] == 77
    assert own["messages"][0]["content"][0]["text"] == "Why?"
    assert [each["name"] for each in own["tools"]] == ["look_up", "keep_draft"]
    assert plain["max_tokens"] == 1024
    assert not plain.get("tools")
    assert sim.refusals == []


def test_so_many_go_on_at_once(bench: Bench) -> None:
    arrived = 0
    together = anyio.Event()

    async def answer(exchange: Exchange) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            together.set()
        await together.wait()  # one after the other they would wait for ever
        await say_so(exchange)

    with served(answer) as url:
        whole = report(bench("-n", "5", "--parallel", "3", "--no-tools", "--json", url=url))
    assert whole["summary"]["answered"] == 5
    assert whole["parallel"] == 3


@pytest.mark.parametrize(("parallel", "connected"), [(1, 1), (2, 2)])
def test_connections_are_kept_so_that_only_their_first_requests_connect(
    bench: Bench, parallel: int, connected: int
) -> None:
    connections: list[object] = []
    everyone = anyio.Event()

    async def answer(exchange: Exchange) -> None:
        connections.append(exchange._connection)
        if len(connections) == parallel:
            everyone.set()
        await everyone.wait()  # for the others: else one connection might do for all
        await say_so(exchange)

    with served(answer) as url:
        whole = report(
            bench("-n", "6", "--parallel", str(parallel), "--no-tools", "--json", url=url)
        )
    assert whole["summary"]["answered"] == len(connections) == 6
    assert len(set(map(id, connections))) == connected


def test_the_help_says_which_requests_connect(bench: Bench) -> None:
    words = " ".join(bench("--help").stdout.split())
    assert "Connections are kept: the first request of each, one for each of --parallel" in words
    assert "first turn with connecting" not in words


FIELDS = {
    "version", "model", "base_url", "requests", "parallel", "tools", "max_tokens", "prompt", "end",
    "summary", "samples",
}  # fmt: skip
SUMMARY = {
    "answered", "ended_short", "failed", "unfinished", "not_made", "retries", "turns", "seconds",
    "ttft_s", "later_ttft_s", "tokens_per_second", "hidden_per_request", "request_s", "tools_s",
    "hidden_s", "hidden_share", "usage", "discarded_usage", "cost_usd",
}  # fmt: skip
SAMPLE = {
    "number", "began_s", "seconds", "outcome", "ttft_s", "tokens_per_second", "hidden_share",
    "retries", "usage", "discarded_usage", "cost_usd", "error", "turns",
}  # fmt: skip
TURN = {"ttft_s", "streamed_s", "tokens", "timed_tokens", "tools_s", "hidden_s"}
SPREAD = {"count", "min", "mean", "p50", "p95", "p99", "max"}


def test_the_names_in_the_json_stay_and_are_documented(bench: Bench, simulator: Start) -> None:
    whole = report(bench("-n", "1", "--json", url=simulator(scenario(*TOOLS)).url))
    (sample,) = whole["samples"]
    assert whole.keys() == FIELDS
    assert whole["summary"].keys() == SUMMARY
    assert sample.keys() == SAMPLE
    assert sample["turns"][0].keys() == TURN
    assert whole["summary"]["ttft_s"].keys() == SPREAD
    page = (Path(__file__).parents[2] / "docs" / "command.md").read_text()
    for name in FIELDS | SUMMARY | SAMPLE | TURN | SPREAD:
        assert f"`{name}`" in page, name


# -- without a key ---------------------------------------------------------------------------------


def test_without_a_key_the_simulator_is_measured(bench: Bench, tmp_path: Path) -> None:
    done = bench("-n", "2", "--parallel", "2", "--svg", "bench.svg")
    assert done.returncode == 0, done.stderr
    assert "no key is set, so the simulator answers" in done.stderr
    assert "midstream: 2 requests to sim:bench\n" in done.stderr
    assert "midstream: 2 of 2 · TTFT p50 " in done.stderr
    title, _, heads, *rows = done.stdout.splitlines()
    assert title == "sim:bench · 2 requests, 2 at a time"
    assert heads.split() == ["min", "p50", "p95", "p99", "max"]
    labels = ["TTFT, first turn", "TTFT, later turns", "tokens/s", "tools hidden", "whole request"]
    assert [row[:17].strip() for row in rows[:5]] == labels
    assert "2 answered, 0 failed, 0 retries" in rows
    assert max(map(len, done.stdout.splitlines())) <= 80

    file = tmp_path / "bench.svg"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = [each.text for each in ElementTree.parse(file).iter() if each.tag.endswith("}text")]
    assert title in words


def test_the_scripted_model_calls_early_and_writes_on(bench: Bench) -> None:
    whole = report(bench("-m", "sim:", "-n", "1", "--json"))
    (sample,) = whole["samples"]
    assert whole["model"] == "sim:bench"
    assert len(sample["turns"]) == 2
    assert sample["ttft_s"] >= 0.35
    assert sample["hidden_share"] > 0.5


def test_without_a_terminal_the_table_fits_into_80_columns(
    environment: dict[str, str], simulator: Start
) -> None:
    args = ("-m", "anthropic:m", "--base-url", simulator(one_turn()).url, "-n", "2", "-y")
    unknown = {k: v for k, v in environment.items() if k != "COLUMNS"}
    done = subprocess.run([*PROGRAM, *args], env=unknown | {"ANTHROPIC_API_KEY": "k"}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=50)  # fmt: skip
    lines = done.stdout.splitlines()
    assert "█" in lines[3]
    assert max(map(len, lines)) <= 80


@needs_tmux
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_terminal_no_line_of_the_table_wraps(tmp_path: Path, width: int) -> None:
    (tmp_path / "one.toml").write_text("[[reply]]\nblocks = [{text = 'Yes.'}]\n")
    command = ("bench", "-m", "sim:one.toml", "-n", "2", "--no-tools")
    asked = {"COLUMNS": ""}  # of the terminal itself, whatever the tests' own environment says
    with terminal(*command, folder=tmp_path, size=(width, 30), variables=asked) as tmux:
        assert tmux.wait_for_end() == 0
        screen = tmux.wait_for("percentiles are by")
    lines = screen.splitlines()
    head = next(
        number for number, line in enumerate(lines) if line.split()[:1] in (["min"], ["p50"])
    )
    labels = [line[:17].strip() for line in lines[head + 1 : head + 5]]
    assert labels == ["TTFT, first turn", "tokens/s", "whole request", ""]


# -- what is left --


@pytest.mark.parametrize(
    ("under_way_s", "waiting", "parallel", "left"),
    [
        ([], 0, 1, 0.0),  # all is done
        ([], 3, 1, 6.0),  # one after the other
        ([0.5], 3, 1, 7.5),
        ([2.0] * 9, 0, 10, 0.0),  # the others should be there any moment
        ([0.5] * 9, 0, 10, 1.5),
        ([2.5], 0, 1, 0.0),  # longer than usual already
        ([0.0] * 4, 8, 4, 6.0),  # three rounds
        ([1.0, 1.5, 0.0], 1, 3, 2.5),  # the place that is free first takes it
        ([1.0, 1.0], 4, 3, 4.0),  # one place is free
    ],
)
def test_the_time_left_is_that_of_the_rounds_to_come_without_what_has_passed(
    under_way_s: list[float], waiting: int, parallel: int, left: float
) -> None:
    assert left_s(2.0, under_way_s, waiting, parallel) == pytest.approx(left)


def test_those_under_way_are_nearly_done_once_the_first_is(bench: Bench, simulator: Start) -> None:
    sim = simulator(one_turn(ttft=0.4))
    told = bench("-n", "12", "--parallel", "12", "--no-tools", url=sim.url).stderr
    assert "midstream: 2 of 12 · TTFT p50 " in told
    # Each takes some 0.4 s, all at once: in a row they would take seconds.
    assert re.search(r"\d s left", told) is None


# -- what fails ------------------------------------------------------------------------------------


def test_failures_and_retries_are_counted_apart(bench: Bench, simulator: Start) -> None:
    refused = Status(status=400, request=2, every=5)
    overloaded = Status(status=529, request=4, retry_after_ms=1)
    sim = simulator(one_turn(faults=[refused, overloaded]))
    done = bench("-n", "6", "--no-tools", "--json", url=sim.url)
    figures, samples = report(done)["summary"], report(done)["samples"]
    outcomes = [each["outcome"] for each in samples]
    assert outcomes == ["completed", "failed", "completed", "completed", "completed", "failed"]
    assert [each["retries"] for each in samples] == [0, 0, 0, 1, 0, 0]
    assert (figures["answered"], figures["failed"], figures["retries"]) == (4, 2, 1)
    assert figures["ttft_s"]["count"] == figures["request_s"]["count"] == 4
    assert samples[1]["error"]["status"] == 400

    text = bench("-n", "7", "--no-tools", url=simulator(one_turn(faults=[refused])).url)
    assert text.returncode == 0
    assert "5 answered, 2 failed, 0 retries" in text.stdout
    assert text.stdout.count("(status 400)") == 1
    assert "2 failed" in text.stderr


@pytest.mark.parametrize(("status", "made", "code"), [(400, 3, 1), (401, 1, 4)])
def test_what_fails_every_time_says_why_once(
    bench: Bench, simulator: Start, status: int, made: int, code: int
) -> None:
    sim = simulator(one_turn(faults=[Status(status=status, every=1)]))
    done = bench("--svg", "none.svg", url=sim.url)
    assert (done.returncode, done.stdout, len(sim.requests)) == (code, "", made)
    (line,) = [each for each in done.stderr.splitlines() if "status" in each]
    words = f"no request was answered ({made} failed, {20 - made} not made): "
    assert line.startswith(f"midstream: {words}")
    assert line.endswith("midstream doctor says what can be used")

    done = bench("--json", url=sim.url)
    whole = json.loads(done.stdout)
    assert done.returncode == code
    assert (whole["end"], whole["summary"]["failed"]) == ("hopeless", made)
    assert whole["summary"]["ttft_s"] is None


def test_of_one_request_the_reason_alone_is_told(bench: Bench, simulator: Start) -> None:
    done = bench("-n", "1", url=simulator(one_turn(faults=[Status(status=400, every=1)])).url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("midstream: the request failed: ")


def test_what_failed_was_stopped_and_not_made_is_all_that_was_asked_for(bench: Bench) -> None:
    """Three are refused, one after the other, while two others wait for their answers."""
    arrived = 0

    async def answer(exchange: Exchange) -> None:
        nonlocal arrived
        arrived += 1
        if arrived <= 2:
            await exchange.client_left()
        else:
            await respond_json(exchange, 400, {"error": {"message": "No."}})

    args = ("-n", "6", "--parallel", "3", "--no-tools")
    with served(answer) as url:
        text = bench(*args, url=url)
        arrived = 0
        whole = json.loads(bench(*args, "--json", url=url).stdout)
    *_, progress, last = text.stderr.splitlines()
    assert text.returncode == 1
    assert "(3 failed, 2 stopped on the way, 1 not made): " in last
    assert progress == "midstream: 3 of 6 · 3 failed"
    parts = [whole["summary"][name] for name in ("answered", "failed", "unfinished", "not_made")]
    assert parts == [0, 3, 2, 1]
    assert whole["requests"] == sum(parts)


def test_a_reader_who_leaves_is_no_error_and_costs_no_picture(
    bench: Bench, simulator: Start, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = bench("-n", "1", "--no-tools", "--svg", "bench.svg", url=simulator(one_turn()).url,
                 capture_output=False, stdout=writer, stderr=subprocess.PIPE)  # fmt: skip
    os.close(writer)
    assert done.returncode == 141
    assert "Broken" not in done.stderr
    assert (tmp_path / "bench.svg").exists()


@pytest.mark.parametrize(("redirection", "status"), [(">/dev/full", 1), (">&-", 0), ("", 0)])
def test_the_picture_is_there_whatever_becomes_of_stdout(
    shell: Shell, simulator: Start, redirection: str, status: int, tmp_path: Path
) -> None:
    sim = simulator(one_turn())
    done = shell(f"-n 1 --no-tools --svg bench.svg -y --base-url {sim.url}", redirection)
    assert done.returncode == status
    assert ElementTree.parse(tmp_path / "bench.svg").getroot().tag.endswith("svg")
    assert "Traceback" not in done.stderr
    assert ("No space left" in done.stderr) == (status == 1)


def test_the_figures_are_shown_though_the_picture_cannot_be_written(
    bench: Bench, tmp_path: Path
) -> None:
    async def answer(exchange: Exchange) -> None:
        (tmp_path / "bench.svg").write_text("another's")
        await say_so(exchange)

    with served(answer) as url:
        done = bench("-n", "1", "--no-tools", "--json", "--svg", "bench.svg", url=url)
    assert json.loads(done.stdout)["summary"]["answered"] == 1
    assert (done.returncode, (tmp_path / "bench.svg").read_text()) == (2, "another's")
    assert "bench.svg is there already" in done.stderr


@pytest.mark.parametrize("options", ["", "--json", "--json --svg bench.svg"])
def test_where_stdout_is_closed_nothing_is_asked_in_vain(
    shell: Shell, simulator: Start, options: str
) -> None:
    sim = simulator(one_turn())
    done = shell(f"-n 1 --no-tools {options} -y --base-url {sim.url}", ">&-")
    assert (done.returncode, sim.requests) == (2, [])
    assert done.stderr.splitlines()[-1].startswith("midstream: stdout is closed")


WRONG = [
    (["-n", "0"], 2, "'--requests': 0 is not in the range"),
    (["-n", "many"], 2, "'many' is not a valid integer"),
    (["--parallel", "0"], 2, "'--parallel': 0 is not in the range"),
    (["--max-tokens", "-1"], 2, "'--max-tokens': -1 is not in the range"),
    (["--prompt", " "], 2, "--prompt is empty"),
    (["--svg", "bench.png"], 2, "what is drawn is an SVG: bench.png should not end in .png"),
    (["--svg", "my.bench.JPEG"], 2, "should not end in .JPEG"),
    (["--svg", "config.toml"], 2, "config.toml is there already"),
    (["--svg", "no/such/folder.svg"], 2, "no/such/folder.svg cannot be written"),
    (["why?"], 2, "unexpected extra argument"),
    (["-m", "nope:x"], 4, "unknown model 'nope:x'"),
    (["-m", "sim:nope"], 4, "no scenario 'nope'"),
    (["-m", "anthropic:x"], 4, "no key for anthropic: set ANTHROPIC_API_KEY"),
    (["--base-url", "http://localhost:1"], 4, "--base-url needs a model"),
]


@pytest.mark.parametrize(("args", "status", "words"), WRONG)
def test_wrong_usage_is_told_before_anything_is_asked(
    bench: Bench, args: list[str], status: int, words: str
) -> None:
    done = bench(*args)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr.splitlines()[-1]
    assert "requests to" not in done.stderr


# -- what it costs ---------------------------------------------------------------------------------

PAID = ("-m", "anthropic:claude-sonnet-4-6", "-n", "2", "--no-tools")


def test_money_is_not_spent_unasked(bench: Bench, simulator: Start) -> None:
    sim = simulator(one_turn(model="claude-sonnet-4-6"))
    done = bench(*PAID, url=sim.url, asks=True)
    assert (done.returncode, sim.requests) == (2, [])
    assert "2 requests to anthropic:claude-sonnet-4-6 at http://127.0.0.1:" in done.stderr
    assert "about $0.0" in done.stderr
    assert "at most $0.0" in done.stderr
    assert "-y goes on without asking" in done.stderr

    whole = report(bench(*PAID, "--json", url=sim.url))
    assert whole["summary"]["cost_usd"] > 0
    assert len(sim.requests) == 2


@pytest.mark.parametrize(("answer", "status"), [("n", 130), ("y", 0), ("", 130)])
def test_on_a_terminal_it_asks(bench: Bench, simulator: Start, answer: str, status: int) -> None:
    sim = simulator(one_turn(model="claude-sonnet-4-6"))
    main, own = pty.openpty()
    os.write(main, f"{answer}\n".encode())
    done = bench(*PAID, "--json", url=sim.url, asks=True, capture_output=False,
                 stdin=own, stderr=own, stdout=subprocess.PIPE)  # fmt: skip
    shown = os.read(main, 1 << 16).decode()
    os.close(own)
    os.close(main)
    assert (done.returncode, len(sim.requests)) == (status, 0 if status else 2)
    assert "Go on? [y/N]" in shown
    if not status:
        assert "\r\x1b[K1 of 2 · TTFT p50 " in shown
        assert shown.endswith("\r\x1b[K")  # the progress goes away


def test_a_price_that_nobody_knows_is_said_to_be_unknown(bench: Bench) -> None:
    done = bench("-m", "openai-chat:nope", "--base-url", "http://model.invalid/v1")
    assert done.returncode == 2
    assert (
        "20 requests to openai-chat:nope at http://model.invalid/v1: what they cost" in done.stderr
    )


def test_of_an_own_question_only_the_most_is_told_and_the_help_says_why(bench: Bench) -> None:
    done = bench("-m", "anthropic:claude-sonnet-4-6", "--prompt", "Why?", "-n", "1000",
                 url="http://127.0.0.1:1", asks=True)  # fmt: skip
    assert (
        "1,000 requests to anthropic:claude-sonnet-4-6 at http://127.0.0.1:1: at most"
        in done.stderr
    )
    assert "about" not in done.stderr
    assert "only the most that it can cost" in " ".join(bench("--help").stdout.split())


@pytest.mark.parametrize(
    ("price", "words"),
    [(41_824.6, "$41,824.60"), (0.52, "$0.52"), (0.005, "$0.01"), (0.0049, "$0.0049")],
)
def test_an_amount_can_be_read_at_a_glance(price: float, words: str) -> None:
    assert dollars(price) == words


AT_HOME = [
    ("anthropic:m", {"ANTHROPIC_API_KEY": "k"}, True),
    ("openai:m", {"OPENAI_API_KEY": "k"}, True),
    ("openai-chat:m", {"OPENAI_API_KEY": "k"}, True),
    ("openai-chat:m", {}, False),
    ("ollama:m", {"OPENAI_API_KEY": "k"}, False),
    ("vllm:m", {"VLLM_API_KEY": "k"}, False),
]


@pytest.mark.parametrize(("model", "key", "asks"), AT_HOME)
def test_behind_an_address_of_this_machine_a_key_may_be_charged(
    model: str, key: dict[str, str], asks: bool, environment: dict[str, str]
) -> None:
    hits: list[Exchange] = []

    async def answer(exchange: Exchange) -> None:
        hits.append(exchange)
        await respond_json(exchange, 400, {"error": {"message": "No."}})

    with served(answer) as url:
        args = ("-m", model, "-n", "1", "--no-tools", "--base-url", url)
        done = subprocess.run([*PROGRAM, *args], env=environment | key, text=True, timeout=50,
                              stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
    assert ("what they cost is not known" in done.stderr) == asks
    assert ("there is no terminal to ask on" in done.stderr) == asks
    assert len(hits) == (0 if asks else 1)


# -- being stopped ---------------------------------------------------------------------------------


def test_ctrl_c_stops_and_still_gives_the_figures(environment: dict[str, str]) -> None:
    asked, arrived = threading.Event(), 0

    async def answer(exchange: Exchange) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            asked.set()
            await exchange.client_left()
        else:
            await say_so(exchange)

    args = ("-m", "anthropic:m", "-n", "9", "--no-tools", "--json", "-y")
    with served(answer) as url, started(*args, "--base-url", url, **environment) as process:
        assert asked.wait(20)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=20)
    whole = json.loads(said)
    figures = whole["summary"]
    assert process.returncode == 130, errors
    assert (whole["end"], figures["answered"], figures["unfinished"]) == ("stopped", 2, 1)
    assert [each["outcome"] for each in whole["samples"]] == ["completed", "completed", "cancelled"]
    assert figures["ttft_s"]["count"] == 2


def test_ctrl_c_before_the_first_answer_says_so(environment: dict[str, str]) -> None:
    asked = threading.Event()

    async def answer(exchange: Exchange) -> None:
        asked.set()
        await exchange.client_left()

    args = ("-m", "anthropic:m", "--parallel", "3", "-y")
    with served(answer) as url, started(*args, "--base-url", url, **environment) as process:
        assert asked.wait(20)
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "")
    assert errors.endswith("midstream: stopped before a request was answered\n")


@needs_tmux
def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(
        "[[reply]]\nblocks = [{text = 'Yes.'}]\n[[fault]]\nkind = 'stall'\nrequest = 3\nevery = 1\n"
    )
    command = ("bench", "-m", "sim:one.toml", "-n", "5", "--no-tools")
    with terminal(*command, folder=tmp_path, size=(80, 24)) as tmux:
        tmux.wait_for("2 of 5 · TTFT p50 ")
        tmux.press("C-c")
        assert tmux.wait_for_end() == 130
        screen = tmux.wait_for("2 answered, 0 failed, 0 retries, 1 stopped on the way, 2 not made")
    assert "2 of 5" not in screen
    assert "TTFT, first turn" in screen


# -- servers and processes -------------------------------------------------------------------------


async def say_so(exchange: Exchange) -> None:
    await exchange.start()
    for piece in says("Yes."):
        assert isinstance(piece, bytes)
        await exchange.send(piece)
    await exchange.finish()


@contextmanager
def served(answer: Callable[[Exchange], Awaitable[None]]) -> Generator[str]:
    """The address of a server that answers so, in a thread."""

    @asynccontextmanager
    async def serving() -> AsyncGenerator[str]:
        async with serve(answer) as url:
            yield url

    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(serving()) as url:
            yield url


@contextmanager
def started(*args: str, **environment: str) -> Generator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [*PROGRAM, *args],
        env=environment | {"ANTHROPIC_API_KEY": "k"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
