"""`midstream decode`: agrees with every recorded stream, and has words for each way to fail."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from midstream.cli.decode import DIALECTS, decode
from midstream.faces.explained import Page, fit
from midstream.messages import Message, ToolCall, Usage
from midstream.turn.explain import Explainer
from tests.cli.test_cli import on_a_terminal
from tests.providers.test_captures import DIFFERENT, NAMES, READINGS, blocks_of

Json = dict[str, Any]
Decode = Callable[..., subprocess.CompletedProcess[bytes]]
PROGRAM = [sys.executable, "-m", "midstream", "decode"]
ANTHROPIC = ["--provider", "anthropic"]
START = b'data: {"type":"message_start","message":{"id":"m","model":"claude"}}\n\n'
TEXT = (
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
STOPPED = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
END = b'data: {"type":"message_stop"}\n\n'


def delta(text: str) -> bytes:
    part = {"type": "text_delta", "text": text}
    data = {"type": "content_block_delta", "index": 0, "delta": part}
    return f"event: content_block_delta\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    return kept | {"TERM": "xterm"}


@pytest.fixture
def program(environment: dict[str, str]) -> Decode:
    def run(*args: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*PROGRAM, *args], input=stdin, env=environment | env, capture_output=True, timeout=40
        )

    return run


# -- recorded streams --------------------------------------------------------------------------


def expected(captures: Path, name: str) -> Json:
    """What the provider's SDK made of the stream, and where we differ, ours."""
    paths = [captures / "anthropic" / f"{name}.{kind}.json" for kind in READINGS]
    message: Json = json.loads(next(path for path in paths if path.exists()).read_bytes())
    if name in DIFFERENT:
        content = message["content"]
        message["content"] = [content[b] if isinstance(b, int) else b for b in DIFFERENT[name]]
    return message


def assert_agrees(read: Json, sdk: Json) -> None:
    assert list(read) == ["message", "stop_reason", "usage", "whole", "error"]
    message = msgspec.convert(read["message"], Message)
    assert message.blocks == blocks_of(sdk)
    assert (read["whole"], read["error"]) == (True, None)
    if not sdk["stop_reason"]:  # the SDK gave up before it had read the end
        return
    usage = sdk["usage"]
    details = usage.get("output_tokens_details") or {}
    assert read["stop_reason"] == sdk["stop_reason"]
    assert msgspec.convert(read["usage"], Usage) == Usage(
        usage["input_tokens"],
        usage["output_tokens"],
        usage.get("cache_read_input_tokens") or 0,
        usage.get("cache_creation_input_tokens") or 0,
        details.get("thinking_tokens") or 0,
    )


@pytest.mark.parametrize("name", NAMES)
def test_json_agrees_with_every_recorded_stream(
    captures: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = captures / "anthropic" / f"{name}.sse"
    assert decode(str(file), Explainer(DIALECTS["anthropic"]), None) == 0
    assert_agrees(json.loads(capfd.readouterr().out), expected(captures, name))


@pytest.mark.parametrize("name", NAMES)
def test_text_tells_of_every_call_of_a_recorded_stream(
    captures: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = captures / "anthropic" / f"{name}.sse"
    explainer = Explainer(DIALECTS["anthropic"])
    assert decode(str(file), explainer, Page(80, colour=False)) == 0
    out = capfd.readouterr().out
    records, _, verdict = out.rpartition("\n\n")
    assert verdict.startswith("Whole: the model stopped with ")
    assert all(columns(line) <= 80 for line in out.splitlines())
    for block in explainer.verdict().message.blocks:
        if isinstance(block, ToolCall):
            assert f"{block.name} ({block.id})" in verdict
            assert f"{block.name}" in records


SOME = ["tool-use-haiku45", "sdk-tool-use-invalid-json", "sdk-max-tokens-inside-tool-json"]


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("piped", [True, False])
def test_the_process_agrees_too(captures: Path, program: Decode, name: str, *, piped: bool) -> None:
    file = captures / "anthropic" / f"{name}.sse"
    stdin = file.read_bytes() if piped else b""
    done = program(*ANTHROPIC, "-o", "json", "-" if piped else str(file), stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_agrees(json.loads(done.stdout), expected(captures, name))


# -- what it says ------------------------------------------------------------------------------


LAYOUT = """\
    1        0  message             {"type":"message_start","message":{"id":"m…
         → response_started   claude
         → usage_counted      0 in, 0 out
    2       70  message             {"type":"content_block_start","index":0,"c…
         → block_started      0
    3      160  content_block_delta {… "index": 0, "delta": {"type": "text_del…
         → text_delta         0 "Hi\\n"
           287  comment             : alive
    4      295  message             {"type":"message_delta","delta":{"stop_rea…
         → usage_counted      0 in, 0 out
         → response_stopped   end_turn
    5      362  message             {"type":"message_stop"}
         → response_ended

Whole: the model stopped with end_turn.
  model   claude
"""


def test_a_line_for_each_record_and_below_it_what_it_became(program: Decode) -> None:
    stream = START + TEXT + delta("Hi\n") + b": alive\n" + STOPPED + END
    done = program(*ANTHROPIC, "-", stdin=stream, COLUMNS="79")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == LAYOUT


def test_lines_fit_the_columns_and_full_shows_all(program: Decode) -> None:
    text = "寿司🍣" * 100
    stream = START + TEXT + delta(text) + STOPPED + END
    short = program(*ANTHROPIC, "-", stdin=stream, COLUMNS="60").stdout.decode()
    assert max(columns(line) for line in short.splitlines()) in (59, 60)
    assert text not in short
    full = program(*ANTHROPIC, "-", "--full", stdin=stream, COLUMNS="60").stdout.decode()
    assert full.count(text) == 2


def columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


@pytest.mark.parametrize("width", range(1, 12))
def test_what_is_shortened_fills_its_room(width: int) -> None:
    for text in ("abcdefghijklmnop", "寿司寿司寿司寿司", "a寿b司c寿", "ab"):
        short = fit(text, width)
        assert columns(short) <= width
        assert short == text or (short[-1] == "…" and text.startswith(short[:-1]))
        assert short == text or columns(text) > width


def test_nothing_of_the_stream_steers_the_terminal(program: Decode) -> None:
    evil = "\x1b[2J\x9b\x07\u202e"
    data = json.dumps({"type": f"x{evil}", "y": evil}, ensure_ascii=False)
    error = json.dumps({"type": "error", "error": {"type": evil, "message": f"no{evil}"}})
    begun = {"type": "tool_use", "id": f"i{evil}", "name": f"n{evil}", "input": {"a": evil}}
    call = json.dumps({"type": "content_block_start", "index": 0, "content_block": begun})
    stream = (
        f"event: e{evil}\ndata: {data}\n\n: c{evil}\n\nx{evil}\n\n".encode()
        + START
        + f"data: {call}\n\ndata: {error}\n\n".encode()
    )
    for args in ([], ["--full"]):
        done = program(*ANTHROPIC, "-", *args, stdin=stream)
        assert done.returncode == 1
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout.decode())


def test_why_a_call_did_not_fire_is_told_in_full(captures: Path, program: Decode) -> None:
    stream = (captures / "anthropic" / "tool-use-haiku45.sse").read_bytes()
    done = program(*ANTHROPIC, "-", stdin=stream[:1700], COLUMNS="80")
    assert done.returncode == 1
    verdict = " ".join(done.stdout.decode().rpartition("\n\n")[2].split())
    assert "Not whole: protocol_error: the input ends inside this record: " in verdict
    assert "at record 10, byte 1612." in verdict
    assert "did not seal: its block never ended; 37 characters of its arguments" in verdict


NO_STREAMS = [
    pytest.param(b"", "stream_interrupted: the input is empty", id="empty"),
    pytest.param(b"<html>\n", "which is HTML or XML", id="HTML"),
    pytest.param(os.urandom(1 << 16), "Not whole: ", id="noise"),
    pytest.param(bytes(1 << 16), "no server-sent event in the input, at byte 65536", id="zeros"),
    pytest.param(
        b'{"type":"error","error":{"type":"overloaded_error","message":"Full"}}',
        "overloaded_error: Full (status 529)",
        id="a refusal",
    ),
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("stream", "words"), NO_STREAMS)
def test_what_is_no_stream_is_not_whole(
    program: Decode, stream: bytes, words: str, form: str
) -> None:
    done = program(*ANTHROPIC, "-o", form, "-", stdin=stream)
    assert (done.returncode, done.stderr) == (1, b"")
    if form == "text":
        assert words in done.stdout.decode()
    else:
        read = json.loads(done.stdout)
        assert (read["whole"], read["stop_reason"]) == (False, None)
        assert read["message"] == {"role": "assistant", "blocks": []}
        assert read["error"].keys() == {
            *("type", "message", "status", "request_id", "record", "offset")
        }


USAGE = [
    pytest.param(["-"], "Missing option '--provider'", id="no provider"),
    pytest.param(["/no/such"], "/no/such cannot be read: No such file", id="neither"),
    pytest.param(["--provider", "bard", "x.sse"], "'bard' is not one of", id="a stranger"),
    pytest.param(["--provider", "openai", "/"], "/ cannot be read: Is a directory", id="openai"),
    pytest.param([*ANTHROPIC], "Missing argument 'FILE'", id="no file"),
    pytest.param([*ANTHROPIC, "/no/such"], "/no/such cannot be read: No such file", id="absent"),
    pytest.param([*ANTHROPIC, "/"], "/ cannot be read: Is a directory", id="a directory"),
    pytest.param([*ANTHROPIC, "-o", "yaml", "-"], "'yaml' is not one of", id="a form"),
]


@pytest.mark.parametrize(("args", "words"), USAGE)
def test_wrong_usage_is_one_line(program: Decode, args: list[str], words: str) -> None:
    done = program(*args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_stdin_is_wrong_usage(environment: dict[str, str]) -> None:
    line = f"exec {' '.join([*PROGRAM, *ANTHROPIC])} - <&-"
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, timeout=40)
    assert done.returncode == 2
    assert b"cannot be read" in done.stderr


# -- recordings --------------------------------------------------------------------------------


def part(kind: str, n: int, **fields: Any) -> str:
    return json.dumps({"type": kind, "n": n, "t": 0, **fields}) + "\n"


def asked(n: int, path: str) -> str:
    return part("request", n, method="POST", path=path, headers={})


def answered(n: int, status: int, kind: str, *pieces: bytes) -> str:
    head = part("response", n, status=status, headers={"content-type": kind})
    return head + "".join(part("chunk", n, text=piece.decode()) for piece in pieces)


RECORDED = '{"format":"midstream-recording","version":1,"upstream":"https://api.anthropic.com"}\n'
GREETING = (START, TEXT, delta("Hi\n"), STOPPED + END)
CUT = asked(2, "/v1/messages") + answered(2, 200, "text/event-stream", START, TEXT, delta("Hal"))
REFUSED = b'{"type":"error","error":{"type":"overloaded_error","message":"Full"}}'


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A whole answer, one that is cut inside it, a refusal, and what is no stream at all."""
    path = tmp_path / "r.jsonl"
    whole = asked(1, "/v1/messages?beta=true") + answered(1, 200, "text/event-stream", *GREETING)
    others = [
        asked(3, "/v1/messages") + answered(3, 529, "application/json", REFUSED),
        asked(4, "/v1/messages") + answered(4, 200, "application/json", b"{}"),
        asked(5, "/v1/messages/count_tokens") + answered(5, 200, "application/json", b"{}"),
    ]
    path.write_text(RECORDED + whole + part("end", 1, how="whole") + CUT + "".join(others))
    return path


def test_every_answer_of_a_recording_is_explained(program: Decode, recording: Path) -> None:
    done = program(str(recording), COLUMNS="79")
    assert (done.returncode, done.stderr) == (1, b"")
    empty, *answers = done.stdout.decode().split("\nExchange ")
    headings = [answer.partition("\n")[0] for answer in answers]
    assert headings == [
        "1: POST /v1/messages, status 200, whole",
        "2: POST /v1/messages, status 200, cut",
        "3: POST /v1/messages, status 529, cut",
        "4: POST /v1/messages, status 200, cut (not explained)",
        "5: POST /v1/messages/count_tokens, status 200, cut (not explained)",
    ]
    assert empty == ""
    assert LAYOUT.rpartition("\n\n")[2] in answers[0]
    assert '→ text_delta         0 "Hal"' in answers[1]
    assert "Not whole: stream_interrupted: " in answers[1]
    assert "overloaded_error: Full (status 529)" in answers[2]


def test_json_of_a_recording_is_a_line_for_each_answer(program: Decode, recording: Path) -> None:
    done = program("-o", "json", str(recording))
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["exchange"] for each in read] == [1, 2, 3]
    assert [each["whole"] for each in read] == [True, False, False]
    assert read[0]["message"]["blocks"] == [{"type": "text", "text": "Hi\n"}]


def test_a_recording_of_whole_answers_has_the_status_of_one(
    program: Decode, tmp_path: Path
) -> None:
    file = tmp_path / "r.jsonl"
    stream = answered(1, 200, "text/event-stream", *GREETING)
    file.write_text(RECORDED + asked(1, "/v1/messages") + stream)
    assert program(str(file)).returncode == 0
    file.write_text(RECORDED + asked(1, "/gateway/ask") + stream)
    assert program(*ANTHROPIC, str(file)).returncode == 0
    done = program(str(file))
    assert done.returncode == 2
    assert "/chat/completions): --provider says whose they are" in str(done.stderr)


def test_a_recording_that_cannot_be_read_says_what_to_do(program: Decode, recording: Path) -> None:
    piped = program(*ANTHROPIC, "-", stdin=recording.read_bytes())
    assert (piped.returncode, piped.stdout) == (2, b"")
    assert b"this is a recording: give its file's name" in piped.stderr
    recording.write_text(RECORDED + "{}\n\n")
    broken = program(str(recording))
    assert (broken.returncode, broken.stdout) == (2, b"")
    assert b"r.jsonl, line 2: " in broken.stderr


# -- as a process ------------------------------------------------------------------------------


def live(environment: dict[str, str], *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *ANTHROPIC, *args, "-"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def shown(process: subprocess.Popen[bytes], until: bytes) -> bytes:
    """What is shown up to some words, while the stream is still open."""
    assert process.stdout
    seen = b""
    while until not in seen:
        assert select.select([process.stdout], [], [], 30)[0], seen
        part = os.read(process.stdout.fileno(), 65536)
        assert part, seen
        seen += part
    return seen


def send(process: subprocess.Popen[bytes], stream: bytes) -> None:
    assert process.stdin
    process.stdin.write(stream)
    process.stdin.flush()


def test_records_are_shown_as_they_arrive(environment: dict[str, str]) -> None:
    with live(environment) as process:
        send(process, START)
        assert b"response_started" in shown(process, until=b"usage_counted")
        send(process, TEXT + delta("Hello"))
        shown(process, until=b'0 "Hello"\n')
        send(process, STOPPED + END)
        out, _ = process.communicate(timeout=30)
    assert b"Whole: the model stopped with end_turn." in out
    assert process.returncode == 0


def test_ctrl_c_ends_a_stream_that_hangs_with_the_verdict(environment: dict[str, str]) -> None:
    with live(environment) as process:
        send(process, START)
        shown(process, until=b"usage_counted")
        process.send_signal(signal.SIGINT)
        out = shown(process, until=b"  model   claude\n")
        assert process.wait(30) == 130
        assert process.stderr
        assert process.stderr.read() == b""
    assert b"Not whole: stream_interrupted" in out


def test_a_reader_that_goes_away_ends_it_quietly(environment: dict[str, str]) -> None:
    with live(environment) as process:
        send(process, START)
        shown(process, until=b"usage_counted")
        assert process.stdout
        process.stdout.close()
        send(process, TEXT)
        assert process.wait(30) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_terminal_has_colours_unless_it_wants_none(
    environment: dict[str, str], captures: Path
) -> None:
    file = captures / "anthropic" / "tool-use-haiku45.sse"
    args = ["decode", *ANTHROPIC, str(file)]
    assert "\x1b[32m" in on_a_terminal(args, environment)
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_a_terminal(args, environment | plain)


def test_the_help_in_the_docs_is_the_programs(program: Decode) -> None:
    done = program("--help", COLUMNS="80")
    page = Path(__file__).parent.parent.parent / "docs" / "decode.md"
    assert done.returncode == 0
    assert done.stdout.decode().strip() in page.read_text()


OTHERS = [
    ("openai-chat", "openai-gpt4omini-parallel-tools", "openai-chat", "tool_use"),
    ("openai-chat", "gpustack-qwen3-no-done", "openai-chat", "end_turn"),
    ("openai-responses", "parallel-functions-gpt5", "openai", "tool_use"),
]


@pytest.mark.parametrize(("folder", "name", "provider", "stop"), OTHERS)
def test_the_other_wires_are_explained_too(
    program: Decode, captures: Path, folder: str, name: str, provider: str, stop: str
) -> None:
    file = str(captures / folder / f"{name}.sse")
    done = program("--provider", provider, "-o", "json", file)
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["whole"], verdict["stop_reason"]) == (0, True, stop)
    calls = [each for each in verdict["message"]["blocks"] if each["type"] == "tool_call"]
    assert program("--provider", provider, file).stdout.count(b"sealed: ") == len(calls)
