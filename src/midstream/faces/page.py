"""What all pictures share: a page that fits light and dark surroundings, and text in XML."""

import re
from collections.abc import Iterable
from html import escape

WIDTH = 880
SIZE = 12  # of the text, in pixels; a character is as wide as 0.6 of it
# What XML 1.0 cannot hold, not even escaped (section 2.2), beside the controls.
IMPOSSIBLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

STYLE = f"""
svg {{ font: {SIZE}px {FONTS} }}
.page {{ fill: #ffffff }} .ink {{ fill: #1f2328 }} .dim {{ fill: #59636e }}
.rule {{ stroke: #d1d9e0 }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117 }} .ink {{ fill: #e6edf3 }} .dim {{ fill: #9198a1 }}
.rule {{ stroke: #30363d }}
}}
"""


def page(height: int, title: str, style: str, parts: Iterable[str]) -> str:
    """An SVG file that needs nothing else.

    Args:
        title: what it shows, for who cannot see it.
        style: CSS beside what all have.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{in_xml(title)}">\n'
        f"<style>{STYLE.rstrip()}{style}</style>\n"
        '<rect class="page" width="100%" height="100%" rx="6"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def in_xml(text: str) -> str:
    return escape(IMPOSSIBLE.sub("\ufffd", text))


def words_at(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Text whose lines begin (or end, by `anchor`) at x, its baseline at y."""
    where = f'x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}"'
    return f'<text {where} xml:space="preserve">{in_xml(words)}</text>'
