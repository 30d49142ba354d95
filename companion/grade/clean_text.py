"""Clean the text of strangers before it is shown in a terminal, a file or a page."""

import re
from typing import Any

# What no page may hold, what a terminal takes for commands, and halves of characters.
NOT_PRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")  # colors, and moves of the cursor
DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # turn the text after them around


def clean(text: str) -> str:
    """Leave out what cannot be shown, and what would reverse the text around it."""
    return DIRECTIONS.sub("", NOT_PRINTABLE.sub("\ufffd", text.replace("\r\n", "\n")))


def as_terminal_shows(text: str) -> str:
    """Return what a terminal shows in the end of a text that goes back in its lines, as progress bars do."""
    shown = []
    for line in ESCAPES.sub("", text.replace("\r\n", "\n")).split("\n"):
        cells: list[str] = []
        at = 0
        for character in line:
            if character in "\r\b":
                at = 0 if character == "\r" else max(0, at - 1)
            else:
                cells[at : at + 1] = character
                at += 1
        shown.append("".join(cells).rstrip() if "\r" in line or "\b" in line else line)
    return "\n".join(shown)


def all_clean(value: Any) -> Any:
    """Do the same with all texts in nested lists and dicts."""
    if isinstance(value, dict):
        return {key: all_clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [all_clean(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def one_line(text: str) -> str:
    """Do the same, and make one line of it."""
    return " ".join(clean(text).split())
