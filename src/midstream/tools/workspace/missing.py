"""What to say when a text is not in a file: most often it is there, nearly."""

import re
from difflib import get_close_matches

LINES_TOLD = 12
LINES_READ = 5_000  # of a file, for a line that is alike
LONGEST = 300  # characters of a line that are compared and shown


def missing(text: str, old: str) -> str:
    """Where in `text` something nearly like `old` is."""
    wanted = [line.strip() for line in old.removesuffix("\n").split("\n")]
    if all(re.match(r"\d+\t", line) for line in old.splitlines()):
        return "Leave out the line numbers and the tab behind them."
    lines = text.split("\n")
    words = r"\s+".join(map(re.escape, old.split()))
    if words and (found := re.search(words, text)):
        first = text.count("\n", 0, found.start())
        shown = _shown(lines, first, found[0].count("\n") + 1)
        return f"It is there with other white space, in the lines:\n{shown}"
    longest = max(wanted, key=len)
    known = [line.strip()[:LONGEST] for line in lines[:LINES_READ]]
    if longest and (near := get_close_matches(longest[:LONGEST], known, 1)):
        first = max(0, known.index(near[0]) - wanted.index(longest))
        return f"The lines most like it are:\n{_shown(lines, first, len(wanted))}"
    return "Nothing in it is like that: read the file."


def _shown(lines: list[str], first: int, count: int) -> str:
    told = lines[first : first + min(count, LINES_TOLD)]
    shown = [f"{n}\t{line[:LONGEST].rstrip()}" for n, line in enumerate(told, first + 1)]
    return "\n".join([*shown, "…"] if count > LINES_TOLD else shown)
