"""Which loops are alike: word for word but for layout and comments, or but for names and numbers too."""

import ast
import contextlib
import hashlib
from pathlib import Path

import companion
from companion.check.learner.file import decoded, sources_of, without_magics
from companion.errors import UserError
from companion.terminal.lesson_list import LESSONS, course_file

MOST_COMPARED = 200_000  # bytes of a file


def loop_of(file: str, content: bytes) -> ast.FunctionDef | None:
    """Return the last ``train`` in a file; None if there is none that can be read."""
    if len(content) > MOST_COMPARED:
        return None
    nodes: list[ast.stmt] = []
    try:
        cells = sources_of(file, decoded(content, file))
    except (UserError, ValueError):
        return None
    for _, code in cells:
        # A cell that is no Python may stand beside the one with the loop.
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            nodes += ast.parse(without_magics(code)).body
    return _function("train", nodes)


def _function(name: str, nodes: list[ast.stmt]) -> ast.FunctionDef | None:
    found = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[-1] if found else None


def text_of_loop(file: str, content: bytes) -> str:
    """Return the code of ``train`` without comments and layout; "" if there is none."""
    loop = loop_of(file, content)
    try:
        return "" if loop is None else ast.unparse(loop)
    except (RecursionError, ValueError):  # such as an integer that is too long to be written
        return ""


def shape_of_loop(file: str, content: bytes) -> str:
    """Return a checksum of what ``train`` looks like without names and numbers; "" if there is none."""
    return _shape(loop_of(file, content))


def _shape(loop: ast.FunctionDef | None) -> str:
    if loop is None:
        return ""
    try:
        kinds = [
            node.attr if isinstance(node, ast.Attribute) else type(node).__name__
            for node in ast.walk(_without_docstring(loop))
        ]
    except RecursionError:
        return ""
    return hashlib.sha256(" ".join(kinds).encode("utf-8", "replace")).hexdigest()[:16]


def _without_docstring(loop: ast.FunctionDef) -> ast.FunctionDef:
    if ast.get_docstring(loop, clean=False) is None:
        return loop
    return ast.FunctionDef(loop.name, loop.args, loop.body[1:], loop.decorator_list, loop.returns)


def shapes_of_course() -> dict[str, str]:
    """Return the shapes of the course's own loops, and where each stands."""
    found: dict[str, str] = {}
    own = {"lessons/right_loop.py": (course_file("right_loop.py"), "train")}
    package = Path(companion.__file__).parent
    own |= {f"companion/{name}.py": (package / f"{name}.py", "train_by_hand") for name in LESSONS}
    for shown, (file, name) in own.items():
        if file.is_file():
            shape = _shape(_function(name, ast.parse(file.read_text(encoding="utf-8")).body))
            found[shape] = f"{found[shape]}, {shown}" if shape in found else shown
    return found
