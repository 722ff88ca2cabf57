"""What Markdown costs on a terminal while it streams, in CPU.

    python bench/markdown.py [--rounds 3]          (needs the extra "terminal")

A token is four characters. Each document is fed token by token, as a model sends it; the last table
is the cost of showing what is not final, twenty times a second, of a stream of 200 tokens a second.
"""

import argparse
import time
from collections.abc import Callable

from midstream.faces.terminal.markdown import Markdown

TOKEN, WIDTH, TOKENS_A_SECOND, FRAMES_A_SECOND = 4, 100, 200, 20

SECTION = """\
## What changed in part {n}

The parser reads **every line once**, and gives out what is final; see `feed` and the
[notes](https://example.com/notes/{n}) for how it was before. Nothing that is *given out* is
ever changed, which is what makes the scrollback of a terminal trustworthy — even 日本語 and 🎉.

1. Read the line, and find the containers it belongs to.
2. Begin what it begins:
   - quotes and items, which contain others;
   - headings, rules and code, which do not.
3. What is left is text.

```python
class Reader:
    \"\"\"Reads lines.

    It keeps what is open.\"\"\"

    def line(self, text: str) -> list[str]:
        found = [each for each in self.open if each.matches(text)]  # one pass
        return [f"{{name}}: {{value}}" for name, value in found] if found else []
```

| case | before | after | note |
|------|-------:|------:|------|
| list | 49.0 | 0.02 | `2,000` items |
| table | 3.1 | 0.03 | rows are *final* one by one |

> It is better to show nothing than to show what must be taken back.

```
$ make bench
{n} of 22 done
```

"""


def mixed(language: str = "python") -> str:
    text = "".join(SECTION.format(n=n) for n in range(100)).replace("python", language)
    return text[:73_000]


def fence(language: str) -> str:
    body = "".join(f'    value_{n} = compute("item {n}", {n})  # line {n}\n' for n in range(5000))
    return f"```{language}\n{body}"


CASES: dict[str, Callable[[], str]] = {
    "73 KB of everything, code without colours": lambda: mixed(""),
    "73 KB of everything": mixed,
    "a list of 2,000 items": lambda: "".join(f"- item number {n} of many\n" for n in range(2000)),
    "a list of 2,000 items, one in the other and back": lambda: "".join(
        f"{'  ' * (n % 8)}- item number {n}\n" for n in range(2000)
    ),
    "a table of 2,000 rows": lambda: (
        "| a | b | c |\n|---|--:|---|\n"
        + "".join(f"| row {n} | {n} | some words |\n" for n in range(2000))
    ),
    "a paragraph of 100 KB in one line": lambda: "some words and more of them, " * 3500,
    "the same with emphasis": lambda: "some **bold words** and `code`, " * 3200,
    "the same in Chinese": lambda: "流式输出的文本，" * 12500,
    "5,000 quotes in one another": lambda: ">" * 5000 + " deep\n",
    "5,000 lines of quotes": lambda: "> a line of a quote\n" * 5000,
    "a fence that never closes, 5,000 lines": lambda: fence(""),
    "the same in Python": lambda: fence("python"),
    "10,000 *": lambda: "*" * 10_000,
    "10,000 [": lambda: "[" * 10_000,
    "10,000 [ and one ]": lambda: "[" * 10_000 + "]",
    "10,000 links that do not close": lambda: "[a](" * 10_000,
    "5,000 headings": lambda: "".join(f"{'#' * (1 + n % 3)} Part {n}\n" for n in range(5000)),
}


def tokens(text: str) -> list[str]:
    return [text[at : at + TOKEN] for at in range(0, len(text), TOKEN)]


def feed(parts: list[str]) -> float:
    """Seconds of CPU."""
    markdown = Markdown(WIDTH)
    start = time.process_time()
    for part in parts:
        markdown.feed(part)
    markdown.end()
    return time.process_time() - start


def look(parts: list[str], most: int = 20) -> tuple[float, float]:
    """Seconds of CPU that showing the open part takes in each second of stream; and the longest."""
    markdown = Markdown(WIDTH)
    every = TOKENS_A_SECOND // FRAMES_A_SECOND
    spent = longest = 0.0
    for at, part in enumerate(parts):
        markdown.feed(part)
        if at % every == 0:
            start = time.process_time()
            markdown.open(most)
            took = time.process_time() - start
            spent, longest = spent + took, max(longest, took)
    return spent / (len(parts) / TOKENS_A_SECOND), longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    feed(tokens(mixed()))  # loads what is loaded at the first use

    print("| document | tokens | µs a token | open(): ms a second of stream | longest, ms |")
    print("|---|---|---|---|---|")
    for name, make in CASES.items():
        parts = tokens(make())
        cost = min(feed(parts) for _ in range(rounds)) / len(parts) * 1e6
        shown, longest = look(parts[:10_000])
        print(
            f"| {name} | {len(parts):,} | {cost:.2f} | {shown * 1000:.1f} | {longest * 1000:.1f} |"
        )


if __name__ == "__main__":
    main()
