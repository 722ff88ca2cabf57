"""What models, tools and files say is data: no escape sequence of theirs reaches the terminal."""

import re
from functools import partial
from pathlib import Path

from midstream.faces.plain import SPELLED_OUT
from midstream.simulator import Block, Reply, Scenario, call, say, think
from midstream.simulator.faults import Status
from tests.cli.pseudo import Pseudo, pseudo_terminal
from tests.cli.talking import Start
from tests.faces.terminal.documents import ESCAPES, PLACES

# All that the program may write beside text and new lines.
OURS = re.compile(
    rb"\x1b\[\?(?:2026|25|2004)[hl]"  # frames, the cursor, pasting
    rb"|\x1b\[[KJ]"  # erase to the end of the line, and below
    rb"|\x1b\[\d+[ABC]"  # move up, down, right
    rb"|\x1b\[[\d;]*m"  # look
)
TOOLS = r'''
import os
import subprocess
import sys
from midstream import ToolContext, tool

@tool(effects="read")
async def echo(text: str, ctx: ToolContext) -> str:
    """Say it everywhere."""
    await ctx.progress(text, 0.5)
    print(text)
    print(text, file=sys.stderr)
    os.write(1, text.encode() + b"\x9b31m\xff\n")
    subprocess.run(["printf", "%s\n", text])
    while not os.path.exists("go"):
        await __import__("anyio").sleep(0.02)
    return text

@tool(effects="read")
def fail(text: str) -> str:
    """Fail."""
    raise ValueError(text)

@tool(approval=True)
def pay(text: str) -> str:
    """Pay."""
    return text
'''
HOSTILE = [each.replace("\ud83d", "") for each in ESCAPES]
EVERYTHING = " ".join(HOSTILE)
SPOILT_NAME = "na\x1b[6n\x9b31m\x07\u202eme"


def spoilt(text: str) -> list[Block]:
    """All that a model can say with it."""
    return [
        think(text.replace("\x00", "")),
        say(text),
        call("echo", text=text),
        call("fail", text=text),
        call("pay", text=text),
        call("run_command", command=f"printf '%s\\n' '{text}'; exit 1"),
        call("read_file", path=text),
        call("edit_file", path="there.txt", old_text="there\n", new_text=text),
        say(text),
    ]


def only_ours(written: bytes) -> str:
    """What was written without the program's own sequences; fails if any other control is left."""
    text = OURS.sub(b"", written).decode()
    found = re.search(f"{SPELLED_OUT.pattern}|\t", text.replace("\n", "").replace("\r", ""))
    assert found is None, f"{found[0]!r} in {text[max(0, found.start() - 40) : found.end() + 40]!r}"
    return text


def folder_of(tmp_path: Path) -> Path:
    """A folder with the tools, and with files of all such names."""
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "there.txt").write_text("there\n")
    for n, each in enumerate(HOSTILE):
        name = each.replace("/", "_").replace("\x00", "")
        (tmp_path / f"file {n} {name}").touch()
    return tmp_path


def script() -> Scenario:
    first = Reply([call(SPOILT_NAME, **{SPOILT_NAME: EVERYTHING}), *spoilt(EVERYTHING)])
    every_place = "\n\n".join(place.replace("{}", each) for each in HOSTILE for place in PLACES)
    faults = [
        Status(request=2, status=529, message=EVERYTHING),  # it is asked again
        Status(request=4, status=400, message=EVERYTHING),  # the run fails
    ]
    replies = [first, Reply([say(every_place)]), Reply([say("Well.")])]
    return Scenario(replies=replies, tokens_per_second=2000, faults=faults)


def paste(pseudo: Pseudo, words: str, answer: str) -> None:
    pseudo.type(f"\x1b[200~{words}\x1b[201~")
    pseudo.wait_for(words[-3:])
    pseudo.type("\r")
    pseudo.wait_for(answer)


def asked(tool: str, screen: str) -> bool:
    return f"? {tool}" in screen and "y yes" in screen


def test_no_escape_of_theirs_reaches_the_terminal(tmp_path: Path, simulator: Start) -> None:
    sim = simulator(script())
    options = ("-m", f"anthropic:m{SPOILT_NAME}", "--base-url", sim.url, "-t", "tools.py",
               "--thinking", "1024")  # fmt: skip
    folder, keys = folder_of(tmp_path), {"ANTHROPIC_API_KEY": "any"}
    with pseudo_terminal(*options, folder=folder, size=(200, 50), variables=keys) as pseudo:
        pseudo.wait_for("\n›")
        paste(pseudo, f"{EVERYTHING} Go.", "50% · ]52;")
        (tmp_path / "go").touch()
        for tool in ("pay", "run_command", "edit_file"):
            pseudo.wait_for(partial(asked, tool))
            pseudo.type("y\r")
        pseudo.wait_for(lambda screen: re.search(r" \d\.\dk in 2\.7k out", screen))
        paste(pseudo, "And more?", "failed: ")
        paste(pseudo, "/sessions", "/resume ID goes on")
        paste(pseudo, "/timeline", "2 turns")
        paste(pseudo, f"/export {SPOILT_NAME}.md", "written to")
        paste(pseudo, "/model x\x07y:zzz", "xy")
        paste(pseudo, "/\x9bnonsense", "there is no command")
        pseudo.type("\x12@file")  # Ctrl-R, and the menu
        pseudo.wait_for("  file 3")
        pseudo.type("\t\t")
        pseudo.wait_for("› @file")
        pseudo.type("\x03\x04")
        pseudo.read_to_the_end()
    only_ours(pseudo.written)
