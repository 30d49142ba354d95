"""The mistakes of the catalogue, written into right loops, those of the folder ``loops/``."""

import linecache
from pathlib import Path

import mistaken_losses
import mistaken_updates

FOLDER = Path(__file__).parent / "loops"
Edit = tuple[str, str]
MISTAKES = mistaken_losses.MISTAKES | mistaken_updates.MISTAKES


def source(style: str, edits: list[Edit]) -> str:
    """Give the text of a loop with some of its text replaced; each must be there exactly once."""
    text = (FOLDER / f"{style}.py").read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{style}.py has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    return text


def loop(style: str, *mistakes: str):
    """Give the ``train`` of a loop with some mistakes written into it."""
    edits = [edit for name in mistakes for edit in MISTAKES[name][style]]
    return from_text(source(style, edits), f"{style}-{'-'.join(mistakes)}.py")


def from_text(text: str, name: str):
    """Give the ``train`` that `text` defines."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tf.function
    space: dict = {"__name__": name}
    exec(compile(text, name, "exec"), space)
    return space["train"]
