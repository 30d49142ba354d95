"""A learner's lines of code: whose line it is, its text, and the one where a loss is reported."""

import ast
import dis
import functools
import inspect
import itertools
import linecache
import os
import site
import sys
import sysconfig
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import companion


@dataclass(frozen=True)
class Location:
    """A line of the learner's own code.

    Attributes
    ----------
    file : str
        As Python names it in a traceback.
    line : int
        Counted from 1.
    """

    file: str
    line: int


LEARNER, COPY = "the learner", "a copy of Keras' or the companion's code"
_COMPANION = str(Path(companion.__file__).parent) + os.sep
_PYTHON = tuple(sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib"))
_PACKAGES = (
    *(sysconfig.get_paths()[name] + os.sep for name in ("purelib", "platlib")),
    site.getusersitepackages() + os.sep,
)
_OLD_OPTIMIZER = os.path.join("tensorflow", "python", "training", "optimizer.py")
_CONVERTED = "__autograph_generated_file"  # a learner's function as tf.function has rewritten it


_own_files: set[str] = set()


@contextmanager
def file_is_own(train: Callable[..., Any]) -> Iterator[None]:
    """Treat the file of ``train`` as the learner's in the ``with`` block, even if it is one of ours."""
    file = getattr(getattr(inspect.unwrap(train), "__code__", None), "co_filename", "")
    _own_files.add(file)
    try:
        yield
    finally:
        _own_files.discard(file)


_copied: set[Any] = set()
_steps: list[frozenset[str]] = []  # the names that a step of Keras or of the companion uses
MOST_OF = 0.8  # of these names: who has as many has changed a copy


def is_copied_from(*files: Path) -> None:
    """Treat functions and methods that are equal to one in these files as not the learner's, from now on."""
    for file in files:
        module = compile(file.read_text(encoding="utf-8"), str(file), "exec")
        functions = list(_functions(module))
        _copied.update(map(_content, functions))
        names = map(_names, functions)
        _steps.extend(one for one in names if "GradientTape" in one and any(n.startswith("_") for n in one))


@functools.cache
def _names(code: CodeType) -> frozenset[str]:
    """Return the globals and attributes that a function uses, and the functions inside it."""
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return frozenset(code.co_names).union(*inner)


@functools.cache
def _is_copy(code: CodeType) -> bool:
    """Return whether a function is one in the files of `is_copied_from`, or a changed step of them."""
    return _content(code) in _copied or any(len(one & _names(code)) >= MOST_OF * len(one) for one in _steps)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the functions and methods in the code of a module, but not the functions inside them."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_class = not inner.co_flags & inspect.CO_OPTIMIZED
            yield from _functions(inner) if is_class else [inner]


@functools.cache
def _content(code: CodeType) -> Any:
    """Return what a function is about, wherever it says it comes from: its names, constants and functions.

    How these are loaded depends on the file around it.
    """
    named = {*dis.hasname, *dis.hasconst, *dis.haslocal, *dis.hasfree}
    return tuple(
        _content(one.argval) if isinstance(one.argval, CodeType) else repr(one.argval)
        for one in dis.get_instructions(code)
        if one.opcode in named
    )


def is_library(file: str) -> bool:
    """Return whether a file is none of the learner's: Python's, an installed package's, the companion's."""
    if file in _own_files:
        return False
    # These two may be installed elsewhere; they are not imported here, as reading a file needs neither.
    loaded = [sys.modules[name].__file__ for name in ("keras", "tensorflow") if name in sys.modules]
    return file.startswith(_folders(*loaded)) or _CONVERTED in file


@functools.cache
def _folders(*loaded: str | None) -> tuple[str, ...]:
    """Return how the paths of libraries begin."""
    elsewhere = (str(Path(path).parent) + os.sep for path in loaded if path)
    return (_COMPANION, *_PYTHON, *_PACKAGES, *elsewhere, "<frozen")


_this_thread = threading.local()


@contextmanager
def called_from(caller: FrameType) -> Iterator[None]:
    """Treat what this thread runs in the ``with`` block as called from a frame of another thread."""
    _this_thread.caller = caller
    try:
        yield
    finally:
        del _this_thread.caller


def own_frames() -> Iterator[FrameType]:
    """Yield the present calls that run the learner's own code, the innermost first."""
    for innermost in (sys._getframe(1), getattr(_this_thread, "caller", None)):
        frame = innermost
        while frame is not None:
            if not is_library(frame.f_code.co_filename):
                yield frame
            frame = frame.f_back


def own_place() -> Location | None:
    """Find the innermost line of the current calls that is in the learner's own code."""
    return next(iter(own_calls(1)), None)


def own_calls(most: int | None = None) -> tuple[Location, ...]:
    """Return the lines of the learner's code that are being run, the innermost first, at most so many.

    The last one is that of the file that is run.
    """
    places = []
    for frame in itertools.islice(own_frames(), most):
        places.append(Location(frame.f_code.co_filename, frame.f_lineno))
        if frame.f_code.co_name == "<module>":
            break
    return tuple(places)


def line_of_thread(file: str) -> Callable[[], str]:
    """Return what says in which line of a file the present thread is; it is asked from another thread."""
    watched = threading.get_ident()

    def tell() -> str:
        frame = sys._current_frames().get(watched)
        while frame is not None and not frame.f_code.co_filename.startswith(file):
            frame = frame.f_back
        return "" if frame is None else f"in {frame.f_code.co_filename}, line {frame.f_lineno}"

    return tell


def caller_of_wrapper() -> FrameType:
    """Return the frame that called a method which the recorder has wrapped, from inside the wrapper."""
    frame = sys._getframe(1)
    while frame.f_code.co_name != "replacement" and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_back or frame


def opened_by(frame: FrameType | None) -> str | None:
    """Return who opened a tape: `LEARNER`, a `COPY`, a function of the companion, or None for a library."""
    opener = frame
    # Through an ExitStack, for example, or an optimizer of TensorFlow 1 that is given the loss.
    while frame is not None and (
        _is_python(frame.f_code.co_filename) or frame.f_code.co_filename.endswith(_OLD_OPTIMIZER)
    ):
        frame = frame.f_back
    if frame is None:
        return None
    if not is_library(frame.f_code.co_filename) or _CONVERTED in frame.f_code.co_filename:
        return COPY if _copied and _is_in_copy(opener) else LEARNER
    name = None
    while frame is not None and frame.f_code.co_filename.startswith(_COMPANION):
        name, frame = frame.f_code.co_name, frame.f_back
    return None if name is None else f"companion's {name}"


def _is_in_copy(frame: FrameType | None) -> bool:
    """Return whether a frame, or one that has called it, runs a function that the learner has copied."""
    while frame is not None:
        if _is_copy(frame.f_code):
            return True
        frame = frame.f_back
    return False


def _is_python(file: str) -> bool:
    return file.startswith((*_PYTHON, "<frozen")) and not file.startswith(_PACKAGES)


def text_of(place: Location | None) -> str:
    """Return the line of code at a place; "" if it cannot be read."""
    return linecache.getline(place.file, place.line).strip() if place else ""


def line_of_report(train: Callable[..., Any]) -> Location | None:
    """Find the line where ``train`` adds a loss to what it returns, else where it returns."""
    try:
        lines, first = inspect.getsourcelines(train)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    returns = [node for node in _own_nodes(tree.body[0]) if isinstance(node, ast.Return)]
    names = {node.value.id for node in returns if isinstance(node.value, ast.Name)}
    line = next(lines_that_add(tree, names), returns[-1].lineno if returns else 1)
    return Location(inspect.unwrap(train).__code__.co_filename, first + line - 1)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a function, but not those of the functions inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield node
            yield from _own_nodes(node)


def lines_that_add(tree: ast.AST, names: set[str]) -> Iterator[int]:
    """Return lines such as ``history.append(...)``, ``history += [...]`` and ``history[epoch] = ...``."""
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
