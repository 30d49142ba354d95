"""HTML pages made of elements, so that no text, whoever wrote it, is ever taken for markup."""

from typing import Any
from xml.etree import ElementTree

from companion.grade.clean_text import clean

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #ccc; --good: #1a7f37;
  --bad: #b42318; --dim: #666; --bar: #4c78a8; --fit: #e07b00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181c; --line: #444; --good: #5bd17d;
  --bad: #ff8577; --dim: #a0a0a0; --bar: #7aa6d8; --fit: #ffb04d } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 52rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem } h3 { font-size: 1rem; margin-bottom: 0 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .6rem; font-size: .85rem;
  white-space: pre-wrap }
code { font-size: .9em } dt { color: var(--dim); float: left; clear: left; width: 6rem }
dd { margin: 0 0 .2rem 6.5rem; overflow-wrap: anywhere }
.right { color: var(--good) } .wrong { color: var(--bad) } .not-judged, .dim { color: var(--dim) }
.score { font-size: 1.3rem; font-weight: 600 }
.bar { background: var(--bar); height: .9rem; display: inline-block; min-width: 1px }
svg { max-width: 100%; height: auto } svg text { fill: var(--ink); font: 12px system-ui, sans-serif }
svg .axis { stroke: var(--line); fill: none } svg .mine { stroke: var(--bar); fill: none; stroke-width: 2.5 }
svg .fit { stroke: var(--fit); fill: none; stroke-width: 2; stroke-dasharray: 6 4 }
svg .dot { fill: var(--bar) } svg .first { stroke: var(--bad); stroke-dasharray: 2 3 }
"""

Element = ElementTree.Element


def tag(kind: str, /, *content: Any, **attributes: Any) -> Element:
    """Make an element."""
    element = ElementTree.Element(
        kind, {key.strip("_").replace("_", "-"): clean(str(value)) for key, value in attributes.items()}
    )
    last = None
    for part in content:
        if isinstance(part, ElementTree.Element):
            element.append(part)
            last = part
        elif last is None:
            element.text = (element.text or "") + clean(str(part))
        else:
            last.tail = (last.tail or "") + clean(str(part))
    return element


def page(title: str, *content: Element) -> bytes:
    """Make a page that needs no other file."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", STYLE),
    )
    whole = tag("html", head, tag("body", tag("h1", title), *content), lang="en")
    return b"<!doctype html>\n" + ElementTree.tostring(whole, encoding="utf-8", method="html")


def table(header: list[Any], rows: list[list[Any]], numbers: tuple[int, ...] = ()) -> Element:
    """Make a table; the columns in `numbers` are aligned at the right."""

    def line(cells: list[Any], kind: str) -> Element:
        classes = [{"class_": "number"} if n in numbers else {} for n in range(len(cells))]
        return tag("tr", *(tag(kind, cell, **more) for cell, more in zip(cells, classes, strict=True)))

    return tag("table", tag("thead", line(header, "th")), tag("tbody", *(line(row, "td") for row in rows)))
