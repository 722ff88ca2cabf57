"""The command as its users run it: a real process, its streams and its exit status."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from midstream.cli import COMMANDS, run
from midstream.cli.ask import EPILOG
from midstream.simulator import Reply, Scenario, Simulator, call, say

Start = Callable[[Any], Simulator]
PROGRAM = [sys.executable, "-m", "midstream"]
TOOLS = '''
import time
from midstream import tool

@tool(effects="read")
def get_weather(city: str) -> dict:
    """Current weather for a city."""
    return {"city": city, "temp_c": 31}

@tool
def block() -> str:
    """Never comes back."""
    time.sleep(600)

def undecorated(n: int) -> int:
    return n + 1
'''


def scenario(*replies: Reply, **settings: Any) -> Scenario:
    return Scenario(replies=list(replies), **{"ttft": 0, "tokens_per_second": 0, **settings})


WEATHER = scenario(
    Reply([say("Let me look. "), call("get_weather", city="Lagos")]),
    Reply([say("It is {get_weather.temp_c} °C.")]),
)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    path = tmp_path / "my_tools.py"
    path.write_text(TOOLS)
    return path


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "OPENAI_"))}
    return kept | {"ANTHROPIC_API_KEY": "k", "PYTHONUTF8": "1"}


@pytest.fixture
def program(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*args: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=environment | env,
            capture_output=True,
            text=True,
            timeout=40,
        )

    return run


Program = Callable[..., subprocess.CompletedProcess[str]]


def test_the_answer_is_on_stdout_and_all_else_on_stderr(
    program: Program, simulator: Start, tools: Path
) -> None:
    sim = simulator(WEATHER)
    done = program("Weather?", "-t", str(tools), "--base-url", sim.url)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Let me look. \nIt is 31 °C.\n"
    assert '▶ get_weather(city="Lagos")' in done.stderr
    assert re.search(r'✓ get_weather\(city="Lagos"\) \d+\.\d\d s → \{"city":"Lagos",', done.stderr)
    figures = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(
        r"TTFT \d+\.\d\d s · [\d,]+ tokens/s · [\d,]+ tokens in \([\d,]+ cached\), \d+ out"
        r" · \$0\.\d{4}",
        figures,
    )


def test_stream_json_is_one_event_a_line(program: Program, simulator: Start, tools: Path) -> None:
    sim = simulator(WEATHER)
    done = program("Hi", "-o", "stream-json", "-t", str(tools), "--base-url", sim.url)
    events = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert done.stderr == ""
    assert events[0]["type"] == "run_started"
    assert events[-1]["type"] == "run_ended"
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))
    assert all({"type", "run", "seq", "t"} <= event.keys() for event in events)
    assert all("agent" not in event for event in events)


FIELDS: dict[str, set[str]] = {
    "run_started": {"session", "model"},
    "turn_started": {"turn", "attempt"},
    "text_delta": {"index", "text"},
    "tool_call_started": {"index", "id", "name"},
    "tool_input_delta": {"id", "json"},
    "tool_call_ready": {"id", "name", "input"},
    "tool_started": {"id", "name"},
    "tool_finished": {"id", "name", "output", "is_error", "seconds", "reused"},
    "turn_ended": {"turn", "stop_reason", "usage", "cost_usd", "ttft", "overlap", "message"},
    "run_ended": {
        "outcome",
        "text",
        "usage",
        "discarded_usage",
        "cost_usd",
        "ttft",
        "overlap",
        "turns",
        "error",
    },
}


def test_every_event_has_the_fields_of_the_contract_and_no_others(
    program: Program, simulator: Start, tools: Path
) -> None:
    done = program(
        "Hi", "-o", "stream-json", "-t", str(tools), "--base-url", simulator(WEATHER).url
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["type"] for event in events} == FIELDS.keys()
    for event in events:
        assert event.keys() - {"type", "run", "seq", "t"} == FIELDS[event["type"]], event["type"]
    counts = {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"}
    assert events[-1]["usage"].keys() == counts | {"reasoning_tokens"}
    turn = next(event for event in events if event["type"] == "turn_ended")
    blocks = turn["message"]["blocks"]
    assert [block["type"] for block in blocks] == ["text", "tool_call"]
    assert blocks[1].keys() == {"type", "id", "name", "input"}


def test_json_is_one_object_at_the_end(program: Program, simulator: Start, tools: Path) -> None:
    done = program("Hi", "-o", "json", "-t", str(tools), "--base-url", simulator(WEATHER).url)
    result = json.loads(done.stdout)
    assert (result["outcome"], result["text"]) == ("completed", "It is 31 °C.")
    assert result["session"]
    assert result["error"] is None
    assert result["cost_usd"] is None or result["cost_usd"] > 0


def test_the_prompt_may_be_an_argument_or_piped_or_both(program: Program, simulator: Start) -> None:
    sim = simulator(scenario(Reply([say("Ok.")])))
    program("Sum it up", "--base-url", sim.url, stdin="The text.\n")
    program("--base-url", sim.url, stdin="Only this\n")
    program("-p", "Only that", "--base-url", sim.url)

    prompts = [body["messages"][0]["content"][0]["text"] for body in sim.requests]
    assert prompts == ["Sum it up\n\nThe text.", "Only this", "Only that"]


def test_the_options_reach_the_provider(program: Program, simulator: Start) -> None:
    sim = simulator(scenario(Reply([say("Ok.")])))
    options = ["-m", "anthropic:some-model", "-s", "Be brief.", "--max-tokens", "3000"]
    done = program("Hi", *options, "--thinking", "2000", "--base-url", sim.url)

    body = sim.requests[0]
    assert done.returncode == 0, done.stderr
    assert body["model"] == "some-model"
    assert body["system"][0]["text"] == "Be brief."
    assert body["max_tokens"] == 3000
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}


def test_without_a_key_the_simulator_answers_and_says_so(program: Program) -> None:
    done = program("Hi", ANTHROPIC_API_KEY="")
    assert done.returncode == 0
    assert "simulator" in done.stdout
    assert "no key is set" in done.stderr


STATUS: list[Any] = [
    pytest.param(["-m", "anthropic:m"], {"ANTHROPIC_API_KEY": ""}, 4, "set ANTHROPIC_API_KEY"),
    pytest.param(["-m", "martian:m"], {}, 4, "unknown model 'martian:m'"),
    pytest.param(["--no-such-option"], {}, 2, "--no-such-option"),
    pytest.param(["--max-turns", "0"], {}, 2, "--max-turns"),
    pytest.param(["--thinking", "lots"], {}, 2, "adaptive"),
    pytest.param(["-o", "yaml"], {}, 2, "stream-json"),
    pytest.param(["-t", "no_such_file.py"], {}, 4, "no file no_such_file.py"),
    pytest.param(["-t", "/dev/../etc/passwd"], {}, 4, "must end in .py"),
    pytest.param(["-t", "no.such.module"], {}, 4, "no.such.module"),
    pytest.param(["--base-url", "ftp://x"], {}, 4, "http(s)://"),
    pytest.param(["--base-url", "http://x:99999"], {}, 4, "port"),
    pytest.param(["-m", "anthropic:m"], {"ANTHROPIC_API_KEY": "sk-\u2026"}, 4, "key"),
    pytest.param(["-m", ""], {}, 4, "unknown model"),
    pytest.param(
        ["--base-url", "https://x.invalid"],
        {"HTTPS_PROXY": "garbage://x"},
        4,
        "proxy cannot be used",
    ),
    pytest.param(["-t", "os.path:join"], {}, 4, "cannot be a tool"),
    pytest.param(
        ["--base-url", "http://127.0.0.1:1"],
        {"ANTHROPIC_API_KEY": ""},
        4,
        "needs a model: -m openai-chat:NAME",
    ),
]


@pytest.mark.parametrize(("args", "env", "status", "words"), STATUS)
def test_what_is_wrong_is_said_in_one_line_with_its_status(
    program: Program, args: list[str], env: dict[str, str], status: int, words: str
) -> None:
    done = program("Hi", *args, **env)
    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_word_that_will_name_a_command_is_not_sent_to_a_model(program: Program) -> None:
    done = program("serve")
    assert done.returncode == 2
    assert "no command 'serve' in this version" in done.stderr


def test_no_prompt_at_all_is_wrong_usage(program: Program) -> None:
    done = program(stdin="")
    assert done.returncode == 2
    assert "no prompt" in done.stderr


def test_a_wrong_key_has_the_status_of_a_bad_configuration(program: Program, refusing: str) -> None:
    done = program("Hi", "--base-url", refusing)
    assert done.returncode == 4
    named = "invalid x-api-key (the key is that of ANTHROPIC_API_KEY) (status 401), request req_1"
    assert done.stderr == f"midstream: failed: {named}\n"


@pytest.fixture
def refusing() -> Iterator[str]:
    """A provider to whom every key is wrong."""
    from anyio.from_thread import start_blocking_portal

    from midstream.simulator.server import Exchange, respond_json, serve

    async def handle(exchange: Exchange) -> None:
        error = {"type": "authentication_error", "message": "invalid x-api-key"}
        await respond_json(exchange, 401, {"error": error}, {"request-id": "req_1"})

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(handle)) as url:
        yield url


def test_a_run_that_ends_short_says_why_with_status_3(
    program: Program, simulator: Start, tools: Path
) -> None:
    sim = simulator(scenario(Reply([call("get_weather", city="Lagos")])))
    done = program("Hi", "-t", str(tools), "--max-turns", "2", "--base-url", sim.url)
    assert done.returncode == 3
    assert "--max-turns" in done.stderr.strip().splitlines()[-1]


def test_one_tool_of_a_file_can_be_named_and_need_not_be_decorated(
    program: Program, simulator: Start, tools: Path
) -> None:
    sim = simulator(scenario(Reply([say("Ok.")])))
    done = program("Hi", "--no-workspace", "-t", f"{tools}:undecorated", "--base-url", sim.url)
    assert done.returncode == 0, done.stderr
    assert [tool["name"] for tool in sim.requests[0]["tools"]] == ["undecorated"]
    missing = program("Hi", "-t", f"{tools}:nobody", "--base-url", sim.url)
    assert missing.returncode == 4
    assert "no function named 'nobody'" in missing.stderr


def test_no_control_character_of_a_model_reaches_the_screen(
    program: Program, simulator: Start
) -> None:
    sim = simulator(scenario(Reply([say("a\x1b]0;title\x07b\x1b[2Jc\x9bd\u202ee\tf\n")])))
    done = program("Hi", "--base-url", sim.url)
    assert done.stdout == "a]0;titleb[2Jcde\tf\n"


def test_help_fits_a_screen_and_version_is_one_line(program: Program) -> None:
    done = program("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 50
    assert max(map(len, done.stdout.splitlines())) <= 80
    for option in ("-m", "--base-url", "-s", "-t", "-p", "-o", "--max-turns", "--max-tokens"):
        assert option in done.stdout
    assert "--thinking" in done.stdout
    assert re.fullmatch(r"midstream \d+\.\d+\.\d+\n", program("--version").stdout)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_help_and_has_a_short_option_for_its_own(
    program: Program, command: str
) -> None:
    assert re.search(rf"^ +{command} ", program("--help").stdout, re.MULTILINE)
    done = program(command, "-h")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: midstream {command} ")
    assert "-h, --help" in done.stdout


def test_the_help_names_what_else_is_read() -> None:
    for name in ("ANTHROPIC_API_KEY", "MIDSTREAM_DATA", "sim:NAME"):
        assert name in EPILOG


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["simulat", "hi"], "(hi); did you mean midstream simulate? (midstream --help)"),
        (["recrod", "--port", "0"], "did you mean midstream record?"),
        (["Decode", "x.sse"], "did you mean midstream decode?"),
    ],
)
def test_a_mistyped_command_is_guessed(program: Program, args: list[str], hint: str) -> None:
    done = program(*args)
    assert (done.returncode, hint in done.stderr) == (2, True), done.stderr


def test_words_without_quotes_are_no_mistyped_command(program: Program) -> None:
    assert "did you mean" not in program("what", "is", "this").stderr


BUGGY = """
import click

@click.command()
@click.option("OPTION", "x", is_flag=True)
def command(x): raise KeyError("here")
"""


@pytest.mark.parametrize(
    ("name", "option", "where"),
    [("without", "-x", "without.py, line 6"), ("with_it", "--debug", "--debug shows where")],
)
def test_a_bug_is_placed_or_debug_named_where_the_command_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, option: str, where: str,
) -> None:  # fmt: skip
    (tmp_path / f"{name}.py").write_text(BUGGY.replace("OPTION", option))
    monkeypatch.syspath_prepend(tmp_path)
    assert run(name, [], "midstream buggy") == 1
    assert capsys.readouterr().err == f"midstream: a bug: KeyError: 'here' ({where})\n"


def test_version_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys; sys.argv = ['midstream', '--version']; from midstream.cli import main; main();"
        "print([m for m in ('httpx2', 'httpcore2', 'pydantic', 'anyio', 'genai_prices', 'mcp',"
        " 'prompt_toolkit', 'fastapi', 'msgspec', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout.splitlines()[1] == "[]"


def test_the_first_signal_settles_and_exits_130(
    environment: dict[str, str], simulator: Start, tools: Path
) -> None:
    sim = simulator(
        scenario(Reply([say("Wait. "), call("block"), say("x " * 5000)]), tokens_per_second=50)
    )
    with subprocess.Popen(
        [*PROGRAM, "Go", "-t", str(tools), "-o", "stream-json", "--base-url", sim.url],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["type"] == "tool_started":
                process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    kinds = [line["type"] for line in lines]
    assert kinds[-1] == "run_ended"
    assert "interrupted" in kinds
    assert lines[-1]["outcome"] == "cancelled"
    finished = next(line for line in lines if line["type"] == "tool_finished")
    assert finished["output"].startswith("Stopped while it was running")


CLOSED = [
    pytest.param(">&-", 0, id="stdout"),
    pytest.param("2>&-", 0, id="stderr"),
    pytest.param("<&-", 0, id="stdin"),
    pytest.param(">/dev/full", 1, id="a full disk"),
]


@pytest.mark.parametrize(("redirection", "status"), CLOSED)
def test_streams_that_are_closed_or_full_make_no_traceback(
    environment: dict[str, str], simulator: Start, redirection: str, status: int
) -> None:
    url = simulator(scenario(Reply([say("Ok.")]))).url
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m midstream -p Hi --base-url {url} {redirection}', sys.executable],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert ("No space left" in done.stderr) == (status == 1)


def test_what_a_tool_prints_is_not_part_of_the_answer(
    program: Program, simulator: Start, tmp_path: Path
) -> None:
    path = tmp_path / "loud.py"
    path.write_text("def loud():\n    print('I am loud')\nprint('loading')\n")
    sim = simulator(scenario(Reply([call("loud")]), Reply([say("Ok.")])))
    done = program("Hi", "-t", f"{path}:loud", "-o", "json", "--base-url", sim.url)
    assert json.loads(done.stdout)["text"] == "Ok."
    assert done.stderr.split() == ["loading", "I", "am", "loud"]


def test_a_call_that_needs_approval_is_refused_where_nobody_can_be_asked(
    program: Program, simulator: Start, tmp_path: Path
) -> None:
    path = tmp_path / "guarded.py"
    path.write_text(
        "from midstream import tool\n@tool(approval=True)\ndef pay():\n    print('PAID')\n"
    )
    sim = simulator(scenario(Reply([call("pay")]), Reply([say("{pay}")])))
    done = program("Hi", "-t", str(path), "--base-url", sim.url)
    assert done.returncode == 0
    assert done.stdout == "Not run: it needs an approval that nobody gave.\n"
    assert "PAID" not in done.stderr


def test_a_reader_that_closes_the_pipe_ends_the_program_quietly(
    environment: dict[str, str], simulator: Start
) -> None:
    sim = simulator(scenario(Reply([say("word " * 20_000)]), tokens_per_second=2000))
    with subprocess.Popen(
        [*PROGRAM, "Go", "--base-url", sim.url],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""


def test_a_reader_that_does_not_read_does_not_hold_up_the_socket(
    environment: dict[str, str], simulator: Start
) -> None:
    """The pipe is full and nobody reads; the run goes on, and later nothing is missing."""
    words = "0123456789" * 20_000
    sim = simulator(
        scenario(Reply([say(words), call("get_weather", city="x")]), Reply([say("End.")]))
    )
    with subprocess.Popen(
        [*PROGRAM, "Go", "--max-tokens", "999999", "--base-url", sim.url],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        # The second request leaves although not a byte of the first answer has been read.
        wait_until(lambda: len(sim.requests) == 2)
        assert process.stdout.read() == f"{words}\nEnd.\n"
        assert process.wait(20) == 0


def wait_until(true: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def on_a_terminal(args: list[str], environment: dict[str, str]) -> str:
    """What a terminal gets to see."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *args], env=environment, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        seen = b""
        while select.select([master], [], [], 20)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # the other side has closed
                break
        process.wait(20)
    os.close(master)
    return seen.decode().replace("\r\n", "\n")


def test_on_a_terminal_tool_lines_stand_between_the_lines_of_the_answer(
    environment: dict[str, str], simulator: Start, tools: Path
) -> None:
    args = ["Hi", "-t", str(tools), "--base-url", simulator(WEATHER).url]
    seen = on_a_terminal(args, environment | {"NO_COLOR": "1"}).splitlines()
    assert seen[0] == "Let me look. "
    assert seen[1] == '  ▶ get_weather(city="Lagos")'
    assert seen[2].startswith("  ✓ get_weather")
    assert seen[3] == "It is 31 °C."
    assert "TTFT" in seen[4]
    dimmed = on_a_terminal(args, environment | {"TERM": "xterm"})
    assert "\x1b[2m  ▶ get_weather" in dimmed


def test_the_demo_needs_no_key_and_shows_its_tools_at_work(program: Program) -> None:
    done = program("demo", "-o", "stream-json", ANTHROPIC_API_KEY="")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr

    first_turn = events[: [e["type"] for e in events].index("turn_ended") + 1]
    started = {e["name"] for e in first_turn if e["type"] == "tool_started"}
    assert started == {"get_weather", "local_time"}
    last_text = max(e["seq"] for e in first_turn if e["type"] == "text_delta")
    assert any(e["type"] == "tool_finished" and e["seq"] < last_text for e in first_turn)
    assert "31 °C" in events[-1]["text"]
    assert events[-1]["overlap"] > 1


def test_the_demo_closes_with_the_figures(program: Program) -> None:
    done = program("demo", ANTHROPIC_API_KEY="")
    figures = done.stderr.strip().splitlines()[-1]
    for figure in ("TTFT", "tokens/s", "tokens in", "would cost $", "hidden behind the stream"):
        assert figure in figures


def test_the_demos_model_brings_its_tools(program: Program) -> None:
    done = program("Weather?", "-m", "sim:demo", "--deny", "local_time", ANTHROPIC_API_KEY="")
    assert done.returncode == 0, done.stderr
    assert "light rain, 31 °C" in done.stdout
    assert '▶ get_weather(city="Oslo")' in done.stderr
    assert "▶ local_time" not in done.stderr


def test_a_tool_of_the_users_is_called_in_place_of_the_demos(
    program: Program, tmp_path: Path
) -> None:
    path = tmp_path / "my_tools.py"
    path.write_text("def get_weather(city: str) -> dict:\n    return {'conditions': 'hail'}\n")
    done = program("Weather?", "-m", "sim:demo", "-t", f"{path}:get_weather", "--yes")
    assert done.returncode == 0, done.stderr
    assert "hail" in done.stdout
    assert "✓ local_time" in done.stderr


def test_a_call_that_the_model_makes_after_ctrl_c_has_no_effect(
    environment: dict[str, str], simulator: Start, tmp_path: Path
) -> None:
    tool, effect = tmp_path / "effect.py", tmp_path / "effect.txt"
    tool.write_text(f"def act():\n    open({str(effect)!r}, 'a').write('x')\n")
    replies = [Reply([say("Wait. "), call("act"), say("x " * 500), call("act")])]
    sim = simulator(scenario(*replies, tokens_per_second=4))
    with subprocess.Popen(
        [*PROGRAM, "Go", "-t", f"{tool}:act", "-o", "stream-json", "--base-url", sim.url],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        kinds = []
        for line in process.stdout:
            kinds.append(json.loads(line)["type"])
            if kinds[-1] == "text_delta" and kinds.count("text_delta") == 1:
                # The first call is due in half a second.
                process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert kinds[-2:] == ["interrupted", "run_ended"]
    assert "tool_started" not in kinds
    assert not effect.exists()


def test_the_terminal_is_only_ever_written_on(
    environment: dict[str, str], simulator: Start, tools: Path
) -> None:
    """No cursor is moved and no line is rewritten, so that no row can be counted wrong."""
    wide = "世界 🎉 " * 60
    first = Reply([say(wide), call("get_weather", city="ラゴス"), say("\n" + wide)])
    sim = simulator(scenario(first, Reply([say("End.")]), tokens_per_second=400))
    args = ["Hi", "-t", str(tools), "--base-url", sim.url]
    kept = {key: value for key, value in environment.items() if key != "NO_COLOR"}
    seen = on_a_terminal(args, kept | {"TERM": "xterm-256color"})
    assert set(re.findall("\x1b[^m]*m?", seen)) == {"\x1b[2m", "\x1b[0m"}
    assert "\r" not in seen
    assert "".join(re.findall("[世界🎉]", seen)) == "世界🎉" * 120
