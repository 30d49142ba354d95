"""Lines of a learner's code: their text, and the one where a loss is reported."""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from companion.diagnosis.recording import Place


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
    returned = {
        node.value.id: node
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and _is_name(node.value)
    }
    line = next(_lines_that_add(tree, set(returned)), None)
    if line is None:
        returns = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Return)]
        line = returns[-1] if returns else 1
    return Place(inspect.unwrap(train).__code__.co_filename, first + line - 1)


def _is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Name)


def _lines_that_add(tree: ast.AST, names: set[str]) -> Iterator[int]:
    """Give lines such as ``history.append(...)``, ``history += [...]`` and ``history[epoch] = ...``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if (
                node.func.attr in ("append", "extend", "insert")
                and getattr(node.func.value, "id", None) in names
            ):
                yield node.lineno
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.AugAssign) and getattr(node.target, "id", None) in names:
            yield node.lineno
        if any(isinstance(t, ast.Subscript) and getattr(t.value, "id", None) in names for t in targets):
            yield node.lineno  # type: ignore[attr-defined]
