"""The variables of a learner's running code, and which of them may hold a number for each epoch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from companion.check.learner.lines import own_frames


def own_name(value: Any) -> str:
    """Return what the learner's running code calls a value: a variable or an attribute; "" if nothing."""
    for frame in own_frames():
        for name, known in list(frame.f_locals.items()):
            if known is value:
                return name
            for attribute, part in list(getattr(known, "__dict__", {}).items()):
                if part is value and not name.startswith("_"):
                    return f"{name}.{attribute}"
    return ""


def own_variables() -> dict[str, Any]:
    """Return the variables of the learner's functions that are running now, lists as they are now."""
    found: dict[str, Any] = {}
    for frame in own_frames():
        if frame.f_code.co_name != "<module>":
            found = {name: _as_now(value) for name, value in frame.f_locals.items()} | found
    return found


def own_lists() -> dict[str, Any]:
    """Return the lists of the learner's module that runs now, and the dicts that may hold some."""
    found: dict[str, Any] = {}
    for frame in own_frames():
        if frame.f_code.co_name == "<module>":
            found |= {name: value for name, value in frame.f_locals.items() if isinstance(value, list | dict)}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _as_now(value: Any) -> Any:
    """Copy a list, also in a dict, so that it stays as it is now."""
    if isinstance(value, dict):
        return {key: list(one) if isinstance(one, list) else one for key, one in value.items()}
    return list(value) if isinstance(value, list) else value


def series(names: dict[str, Any], within: int = 2) -> Iterator[tuple[str, Any]]:
    """Yield what may be a number for each epoch: lists, also in dicts, in lists of dicts, in objects."""
    for name, value in names.items():
        if isinstance(value, list | tuple | np.ndarray):
            yield name, value
            yield from _columns(name, value)
        elif isinstance(value, dict) and within:
            inside = {f"{name}[{key!r}]": one for key, one in value.items() if isinstance(key, str)}
            yield from series(inside, within - 1)
        elif within and type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
            yield from series({f"{name}.{key}": one for key, one in vars(value).items()}, within - 1)


def _columns(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each column of a list of dicts or of tuples."""
    if isinstance(value, np.ndarray) or not value:
        return
    first = value[0]
    if not all(type(row) is type(first) for row in value):
        return
    if isinstance(first, dict):
        for key in first:
            yield f"{name}[{key!r}]", [row.get(key) for row in value]
    elif isinstance(first, list | tuple):
        for number in range(len(first)):
            yield f"{name}, column {number}", [row[number] for row in value if len(row) == len(first)]
