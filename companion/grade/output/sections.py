"""The sections of ``lessons/what-fit-does.md`` to which feedback points, to be read inside it."""

import functools
import re
from xml.etree import ElementTree

from markdown_it import MarkdownIt

from companion.grade.output.html import Element
from companion.terminal.lesson_list import course_file

TARGET = re.compile(r"\[([^\]]+)\]\([^)]+\)")  # a link: what it points to is not at hand


@functools.cache
def _sections() -> dict[str, str]:
    text = course_file("what-fit-does.md").read_text(encoding="utf-8")
    parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    return {
        title.strip(): TARGET.sub(r"\1", body).strip()
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def section_text(title: str) -> str:
    """Return a section as Markdown, without its heading and without links."""
    return _sections()[title]


def section_html(title: str) -> Element:
    """Return a section as an element."""
    html = MarkdownIt("commonmark").enable("table").render(section_text(title))
    return ElementTree.fromstring(f"<div>{html}</div>")
