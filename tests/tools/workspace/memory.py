"""The most memory that a process of its own takes for calls of these tools."""

import sys

import anyio

# What getrusage tells begins, on Linux, with what the process had that started this one.
CODE = """
import anyio, resource, sys
from midstream.tools.workspace import workspace

def peak():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

async def main():
    tools = {each.spec.name: each.fn for each in workspace(sys.argv[1])}
    lengths, before = [], 0
    for code in sys.argv[2:]:
        told = eval(code, dict(tools))
        lengths.append(len(told if isinstance(told, str) else await told))
        before = before or peak()
    print(peak() - before, max(lengths))

anyio.run(main)
"""


async def growth(folder: object, warm_up: str, *calls: str) -> tuple[int, int]:
    """How much more, in kB, the calls took than the one before them, and the longest answer."""
    code = [sys.executable, "-c", CODE, str(folder), warm_up, *calls]
    done = await anyio.run_process(code, stderr=sys.stderr)
    grown, told = map(int, done.stdout.split())
    return grown, told
