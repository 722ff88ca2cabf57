"""Documents to be cut in pieces: what models write, and what nobody should."""

MIXED = """\
# A *title* with `code`

Some **bold
words** and a [link](https://a.example "t"), 日本語, 👩‍👩‍👧‍👦 and e\u0301.
A second line &amp; <b>tags</b>\\
and a third.

Setext
------
1. one
2. two

   ```python
   text = '''open
   still''' + f"{x}"

   # done
   ```
   more
3. three
   - nested
     lazy
not lazy

- [x] task
-
* * *
> quote
> > deeper
lazy

| a | b |
|:-:|--:|
| `1` | **2** |
| 3 |
text

    indented

    code
<!-- a

comment --> b
<div>
html
</div>

[r]: /u
[s]: /v
'title'
See [r] and [s][].

~~~~
fence
~~~
~~~~
***
"""

ODD = [
    "",
    "\n",
    "a",
    "- ",
    "-\n\n  a\n- b",
    ">",
    "> ```\n> a\nb",
    "- ```\n  a\nb\n```\nc",
    "#\n##  \n####### a",
    "``` a`b\nc",
    "a\n---\nb\n***\n- - -\n",
    "| a |\n|--|\n\n| b | c\n--|--\n- d | e\n",
    "\tcode\n \t- a\n\t\tb",
    "- a\n\n\n\n  b\n\n\nc",
    "10) a\n11) b\n1. c",
    '[a]: <b c>\n[d]:\n/e\n[f]: g "h\n\ni"',
    "<script>\n\n</script>\n<?php\n?>\n<x y='z'>\n\na",
    "**a `b** c` [d **e](f) g** ~~h",
    "&#0;&#27;[31m&#x202e;&lrm;&NewLine;&Tab;x <http://a/%1b%5b2J>",
    "| a | b |\n|---|---|\n" + "".join(f"| {n} | {'x' * n} |\n" for n in range(45)),
    "```diff\n-a\n+b\n```\n```console\n$ ls\na\n```\n```html\n<!-- a\nb --> <p>\n```\n",
]

# What a terminal must never be told (OSC 52, 0 and 8, DCS, CSI 6n, C1, bidirectional overrides).
ESCAPES = [
    "\x1b]52;c;aGk=\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1bP1$r0m\x1b\\",
    "\x1b[6n",
    "\x1b[2J\x1b[H\x1b[31mred",
    "\x1b[?1049h",
    "\x9b31m\x9d0;t\x9c\x90x\x9c",
    "a\rb\x08\x08c\x0bd\x0ce\x7ff\x00g\x07",
    "\u202egnirts\u202c \u2066x\u2069 \u200e\u200f\u061c",
    "a\u2028b\u2029c\x85d",
    "\ud83d half",
]
PLACES = ["{}", "# {}", "- {}", "> {}", "`{}`", "```{}\n{}\n```", "| {} |\n|--|\n| {} |", "    {}"]
PLACES += [
    "[{}](/u)",
    "[a](/{})",
    "<http://a/{}>",
    "![{}]({})",
    "<!-- {} -->",
    "<b {}>",
    "[a]: /{}",
]

HOSTILE = [place.replace("{}", escape) for escape in ESCAPES for place in PLACES]
