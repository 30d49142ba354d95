"""Lines of a learner's code: their text, and the one where a loss is reported."""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from companion.check.recording.events import Place


def text_of(place: Place | None) -> str:
    """Give the line of code at a place; "" if it cannot be read."""
    return linecache.getline(place.file, place.line).strip() if place else ""


def line_of_report(train: Callable[..., Any]) -> Place | None:
    """Find the line where ``train`` adds a loss to what it returns, else where it returns.

    Parameters
    ----------
    train : callable
        The learner's.

    Returns
    -------
    Place or None
        None if the source is not at hand.
    """
    try:
        lines, first = inspect.getsourcelines(train)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
    names = {node.value.id for node in returns if isinstance(node.value, ast.Name)}
    line = next(_lines_that_add(tree, names), returns[-1].lineno if returns else 1)
    return Place(inspect.unwrap(train).__code__.co_filename, first + line - 1)


def _lines_that_add(tree: ast.AST, names: set[str]) -> Iterator[int]:
    """Give lines such as ``history.append(...)``, ``history += [...]`` and ``history[epoch] = ...``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            adds = node.func.attr in ("append", "extend", "insert")
            if adds and getattr(node.func.value, "id", None) in names:
                yield node.lineno
        elif isinstance(node, ast.AugAssign) and getattr(node.target, "id", None) in names:
            yield node.lineno
        elif isinstance(node, ast.Assign):
            into = [target.value for target in node.targets if isinstance(target, ast.Subscript)]
            if any(getattr(value, "id", None) in names for value in into):
                yield node.lineno
