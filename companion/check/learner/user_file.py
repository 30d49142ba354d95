"""A user's own Python file: what it defines, and what goes wrong in it, told in one line."""

import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from companion.errors import UserError

LONGEST = 300  # characters of an error's text: Keras' can go on for a page


def load(path: str, names: Sequence[str]) -> ModuleType:
    """Run the file at `path` as a module; files beside it can be imported from it.

    Parameters
    ----------
    path : str
        A Python file.
    names : sequence of str
        Functions that it must define.

    Returns
    -------
    module

    Raises
    ------
    UserError
        If it is no readable Python file, fails while it is run, or lacks one of `names`.
    """
    file = Path(path)
    if file.suffix != ".py":
        raise UserError(f"{path!r} does not end in .py: name a Python file, such as my_model.py")
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise UserError(f"{path!r} {what}: give the path of a Python file, from {Path.cwd()} or from /")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None  # it ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with told_in_one_line(path, all_exceptions=True):
        sys.path.insert(0, str(file.resolve().parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.pop(0)
    for name in names:
        found: Any = getattr(module, name, None)
        if not callable(found):
            what = "is not defined" if found is None else f"is of type {type(found).__name__}"
            raise UserError(f"{path}: {name} {what}: it must be a function without arguments")
    return module


@contextmanager
def told_in_one_line(path: str, *, all_exceptions: bool = False) -> Iterator[None]:
    """Turn an exception in the ``with`` block that comes from the user's file into one line.

    Parameters
    ----------
    path : str
        The file. An exception that passed through it is told with the line where it did so.
    all_exceptions : bool
        Whether one that did not pass through it is the user's too; otherwise only the errors
        with which Keras and TensorFlow refuse models and data.

    Raises
    ------
    UserError
        In place of the exception.
    """
    own = Path(path).resolve()
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        file = path if error.filename and Path(error.filename).resolve() == own else error.filename
        raise UserError(f"{file}, line {error.lineno}: SyntaxError: {error.msg}") from None
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == own]
        refused = isinstance(error, ValueError | TypeError) or type(error).__module__.startswith("tensorflow")
        if not (lines or all_exceptions or refused):
            raise
        where = f"{path}, line {lines[-1]}" if lines else path
        text = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
        raise UserError(f"{where}: {type(error).__name__}: {text}".removesuffix(": ")) from None
