"""run_command: what it shows, what it does not, and that nothing is left when it is stopped."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest
from anyio.lowlevel import checkpoint

from midstream.agent.run import Run
from midstream.events import ApprovalRequested, ToolFinished, ToolProgress
from midstream.tools.context import ToolContext
from midstream.tools.workspace import workspace
from midstream.tools.workspace.environment import environment
from tests.fakes import Do, provider, says, start, stop, tool_use
from tests.nursery import Nursery
from tests.proof.scale import at_scale
from tests.tools.workspace.kit import Kit, both
from tests.tools.workspace.memory import growth

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("echo hi", "hi\n[exit status 0]"),
        ("printf hi", "hi\n[exit status 0]"),
        ("true", "[exit status 0]"),
        ("echo no; exit 3", "no\n[exit status 3]"),
        ("echo 1; echo 2 >&2; echo 3; echo 4 >&2", "1\n2\n3\n4\n[exit status 0]"),
        ("cat; echo done", "done\n[exit status 0]"),
        ("kill -SEGV $$", "[ended by a signal: Segmentation fault]"),
        ("kill -40 $$", "[ended by a signal: Real-time signal 6]"),
        ("test -t 0 || test -t 1 || echo none", "none\n[exit status 0]"),
        ("printf '\\033[31mred\\033[0m\\r\\033[Kgreen\\n'", "green\n[exit status 0]"),
        ("cd / && pwd", "/\n[exit status 0]"),
        ("--version", "[exit status 127]"),
        ("-c", "[exit status 127]"),
    ],
)
async def test_what_a_command_comes_to(command: str, shown: str, kit: Kit) -> None:
    told = await kit.call("run_command", command=command)
    assert told == shown or (told.endswith(f"not found\n{shown}") and command.startswith("-"))


async def test_it_runs_in_the_folder(kit: Kit) -> None:
    assert await kit.call("run_command", command="pwd") == f"{kit.root}\n[exit status 0]"
    await kit.call("run_command", command="echo x >made")
    assert (kit.root / "made").read_text() == "x\n"


async def test_the_shell_is_bash_or_else_sh(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    bash = "[[ a == a ]] && echo bash"
    assert await kit.call("run_command", command=bash) == "bash\n[exit status 0]"
    monkeypatch.setenv("PATH", "/nowhere")
    assert await kit.call("run_command", command="echo sh") == "sh\n[exit status 0]"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a\0b", "cannot hold a NUL"),
        ("x" * 3_000_000, "the command cannot be started: Argument list too long"),
    ],
)
async def test_what_cannot_start_is_an_error(command: str, words: str, kit: Kit) -> None:
    assert words in await kit.refusal("run_command", command=command)


async def test_a_folder_that_is_gone_is_an_error(kit: Kit) -> None:
    kit.root.rmdir()
    told = await kit.refusal("run_command", command="true")
    assert told == "the command cannot be started: No such file or directory"


@both
async def test_what_goes_on_in_the_background_is_not_waited_for(kit: Kit, nursery: Nursery) -> None:
    began = anyio.current_time()
    told = await kit.call("run_command", command=f"{nursery.child} & echo started")
    assert told == "started\n[exit status 0; something that it started still runs]"
    assert anyio.current_time() - began < 5
    await nursery.reported(1)
    assert nursery.alive()
    command = f"{nursery.child} >log 2>&1 & echo started"
    assert await kit.call("run_command", command=command) == "started\n[exit status 0]"


# -- the environment: threat 8 -----------------------------------------------------------------

KEYS = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD", "LC_SECRET", "PATHKEY", "HOME_KEY", "MIDSTREAM_DATA", "BASH_ENV",
        "LD_PRELOAD_X", "terms", "BASH_FUNC_echo%%", "PYTHONPATH", "GIT_TOKEN",
        "SSH_AUTH_SOCK"]  # fmt: skip


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(KEYS):
        monkeypatch.setenv(name, f"canary-{number}")


@pytest.mark.usefixtures("canaries")
async def test_no_key_is_in_what_a_command_sees(kit: Kit) -> None:
    shows_all = "env; set; export; cat /proc/self/environ | tr '\\0' '\\n'; " + (
        f"{sys.executable} -c 'import os; print(dict(os.environ))'"
    )
    heard: list[str] = []
    ctx = ToolContext("a", "b", tell=lambda words, _: heard.append(words))
    told = await kit.tools["run_command"].fn(command=shows_all, ctx=ctx)
    assert "PATH=" in told
    assert "canary" not in told
    assert heard
    assert "canary" not in "".join(heard)


@pytest.mark.usefixtures("canaries")
async def test_names_that_are_allowed_are_seen_and_no_others(tmp_path: Path) -> None:
    kit = Kit(tmp_path, environment=["GITHUB_TOKEN", "NOT_SET"])
    told = await kit.call("run_command", command="env")
    assert f"GITHUB_TOKEN=canary-{KEYS.index('GITHUB_TOKEN')}" in told
    assert told.count("canary") == 1
    assert "NOT_SET" not in told


@pytest.mark.usefixtures("canaries", "searcher")
async def test_no_key_is_in_what_a_search_sees(kit: Kit) -> None:
    kit.file("a")
    # A searcher that is stuck in a pipe could be looked at; what it was given is told here.
    assert not {name for name in environment(os.environ) if name in KEYS}
    assert await kit.call("list_files") == "a"


def test_a_program_is_told_that_nobody_sees_it() -> None:
    seen = environment(
        {"TERM": "xterm", "PAGER": "less", "LC_ALL": "C", "https_proxy": "p", "X": ""}
    )
    assert seen == {
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "PYTHONUNBUFFERED": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.bareRepository",
        "GIT_CONFIG_VALUE_0": "explicit",
        "LC_ALL": "C",
        "https_proxy": "p",
    }
    assert environment({"TERM": "xterm"}, ["TERM"])["TERM"] == "xterm"


# -- its end -----------------------------------------------------------------------------------

SHAPES = {
    "one": ("{child}", 1),
    "a pipeline and a background job": ("{child} & {child} | cat", 2),
    "a session inside": ("setsid {child} & {child}", 2),
    "a daemon": ("setsid {child} & {child} & wait", 2),
    "deaf to every polite signal": ("{deaf} & {deaf}", 2),
    "forking": ("for i in $(seq 200); do {child} & done; wait", 5),
    "a shell in a shell": ("bash -c 'bash -c \"setsid {quoted} & wait\" & wait'", 1),
}


def shape(name: str, nursery: Nursery) -> tuple[str, int]:
    script, count = SHAPES[name]
    quoted = f"sh {nursery.door.parent / 'child'}"
    (nursery.door.parent / "child").write_text(nursery.child)
    return script.format(child=nursery.child, deaf=nursery.deaf, quoted=quoted), count


@both
async def test_all_is_dead_when_the_time_is_over(kit: Kit, nursery: Nursery) -> None:
    command = f"echo begun; setsid {nursery.child} & {nursery.deaf} & wait"
    words = (
        r"stopped after its 0.5 s, with all that it had started. Its output until then:\nbegun\n"
    )
    with pytest.raises(TimeoutError, match=words):
        await kit.value("run_command", command=command, timeout=0.5)
    assert nursery.alive() == []


@asynccontextmanager
async def running(folder: Path, command: str) -> AsyncGenerator[Run]:
    """A run whose model calls the command and then says nothing until it is stopped."""
    words = command.replace("\\", "\\\\").replace('"', '\\"')
    call = [start(), tool_use(0, "a", "run_command", f'{{"command": "{words}"}}'), Do.STALL]
    async with provider(call, says("Ok.")) as world:
        async with world.agent(workspace(folder)).run("Go") as run:
            async for event in run:
                if isinstance(event, ApprovalRequested):
                    run.approve(event.id, True)
                    break
            yield run


@both
@pytest.mark.parametrize("name", SHAPES)
async def test_all_is_dead_when_the_run_is_cancelled(name: str, kit: Kit, nursery: Nursery) -> None:
    script, count = shape(name, nursery)
    async with running(kit.root, script) as run:
        await nursery.reported(count)
        run.cancel()
        await run
        assert nursery.alive() == []


@both
async def test_all_is_dead_when_a_caller_without_an_agent_gives_up(
    kit: Kit, nursery: Nursery
) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def stop_it() -> None:
                await nursery.reported(2)
                scope.cancel()

            tasks.start_soon(stop_it)
            await kit.call("run_command", command=f"setsid {nursery.child} & {nursery.child}")
    assert nursery.alive() == []


@both
async def test_all_is_dead_when_a_caller_gives_up_while_it_starts(
    kit: Kit, nursery: Nursery
) -> None:
    known = set(psutil.Process().children())
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def stop_it() -> None:
                while not set(psutil.Process().children()) - known:
                    await checkpoint()
                nursery.wait_reported(2)  # and the event loop with it: nobody has the process yet
                scope.cancel()

            tasks.start_soon(stop_it)
            await kit.call("run_command", command=f"setsid {nursery.child} & {nursery.child}")
    assert nursery.alive() == []


async def test_ctrl_c_at_the_terminal_does_not_reach_it(kit: Kit) -> None:
    told = await kit.call("run_command", command="ps -o sid= -p $$ | tr -d ' '; echo $$")
    session, shell, _ = told.split("\n")
    assert session == shell
    assert os.getsid(0) != int(session)


# -- while it runs -----------------------------------------------------------------------------


@both
async def test_the_last_line_is_told_while_it_runs(kit: Kit) -> None:
    gate = kit.root / "gate"
    os.mkfifo(gate)
    heard: list[str] = []
    told = anyio.Event()

    def tell(words: str, _: float | None) -> None:
        heard.append(words)
        told.set()

    ctx = ToolContext("a", "b", tell=tell)
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            command = "printf '\\033[1mCollecting\\033[0m…'; cat gate; echo; echo Running; cat gate"
            await kit.tools["run_command"].fn(command=command, ctx=ctx)

        tasks.start_soon(run)
        for line in ("Collecting…", "Running"):
            with anyio.fail_after(10):
                await told.wait()
            told = anyio.Event()
            assert heard[-1] == line
            await anyio.to_thread.run_sync(gate.write_text, "")
    assert heard == ["Collecting…", "Running"]


async def test_it_is_told_no_more_often_than_people_can_read(kit: Kit) -> None:
    heard: list[str] = []
    ctx = ToolContext("a", "b", tell=lambda words, _: heard.append(words))
    began = anyio.current_time()
    await kit.tools["run_command"].fn(command="seq 300000", ctx=ctx)
    assert 0 < len(heard) <= (anyio.current_time() - began) * 10 + 1


@both
async def test_in_a_run_the_progress_is_seen_and_a_failure_is_no_error(kit: Kit) -> None:
    words = '{"command": "echo one; exit 1"}'
    call = [start(), tool_use(0, "a", "run_command", words), stop("tool_use")]
    async with provider(call, says("Ok.")) as world:
        async with world.agent(workspace(kit.root)).run("Go") as run:
            seen = []
            async for event in run:
                seen.append(event)
                if isinstance(event, ApprovalRequested):
                    run.approve(event.id, True)
    assert [event.message for event in seen if isinstance(event, ToolProgress)] == ["one"]
    (end,) = [event for event in seen if isinstance(event, ToolFinished)]
    assert (end.output, end.is_error) == ("one\n[exit status 1]", False)


@both
async def test_the_output_of_a_command_is_cut_in_the_middle(kit: Kit) -> None:
    told = await kit.call("run_command", command="seq 1000000")
    assert told.startswith("1\n2\n3\n")
    assert told.endswith("\n999999\n1000000\n[exit status 0]")
    assert " characters left out …]\n" in told
    assert len(told) < 33_000


MB = at_scale(20, 100)
ENDLESS = [
    f"yes 'a line of output' | head -c {MB}000000",
    f"head -c {MB}000000 /dev/zero | tr '\\0' x",
    f"yes $'50%\\r' | tr -d '\\n' | head -c {MB}000000",
    f"printf '\\033]0;'; head -c {MB}000000 /dev/zero | tr '\\0' x",
]


async def test_an_output_of_any_length_is_not_held_in_memory(kit: Kit) -> None:
    commands = [f"run_command({command!r})" for command in ENDLESS]
    grown_kb, told = await growth(kit.root, "run_command('seq 100000')", *commands)
    assert grown_kb < 4_000
    assert told < 34_000


async def test_what_is_held_in_memory_would_be_seen(kit: Kit) -> None:
    grown_kb, _ = await growth(kit.root, "str(1)", "'x' * 6_000_000")
    assert grown_kb > 4_000


async def test_files_that_look_like_a_repository_run_nothing(kit: Kit) -> None:
    if await kit.call("run_command", command="git version") < "git version 2.38":
        pytest.skip("git cannot be told so before 2.38")
    settings = (
        f"[core]\nrepositoryformatversion = 0\nbare = false\nworktree = {kit.root}\n"
        f'fsmonitor = "touch {kit.outside}/ran; false"\n'
    )
    files = {"HEAD": "ref: refs/heads/a", "config": settings, "objects/a": "", "refs/a": ""}
    for path, content in files.items():
        await kit.call("write_file", path=path, content=content)
    assert "safe.bareRepository" in await kit.call("run_command", command="git status")
    assert not (kit.outside / "ran").exists()
