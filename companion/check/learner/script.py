"""Run a person's script or notebook as ``python my_script.py`` would run it."""

import contextlib
import linecache
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import NoReturn

from companion.check.learner.file import check_file, names_of_a_notebook, parts_of


class ExitedAtOnceError(BaseException):
    """The script ended itself by ``os._exit``."""

    def __init__(self, status: int) -> None:
        self.status = status


def _exit(status: int) -> NoReturn:
    raise ExitedAtOnceError(status)


@contextlib.contextmanager
def as_main(path: str, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """Make a module for the file the main one, with its folder on the path and its arguments."""
    file = check_file(path)
    module = ModuleType("__main__")
    module.__file__ = str(file.resolve())
    if file.suffix == ".ipynb" or b"get_ipython()." in file.read_bytes():
        vars(module).update(names_of_a_notebook())
    before = sys.modules["__main__"], sys.argv, list(sys.path), sys.stdin, os._exit
    sys.modules["__main__"], sys.argv = module, [str(file), *arguments]
    sys.path[0:1] = [str(file.resolve().parent)]
    os._exit = _exit
    backend = os.environ.get("MPLBACKEND")
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are drawn, and no window waits to be closed
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* is non-interactive, and thus cannot be shown")
            yield module
    finally:
        if backend is None:
            os.environ.pop("MPLBACKEND", None)
        sys.modules["__main__"], sys.argv, sys.path[:], sys.stdin, os._exit = before


def run_script(path: str, module: ModuleType) -> None:
    """Run the code of a file, or of a notebook's cells, in `module`; let through what it raises."""
    for name, source in parts_of(path):
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), vars(module))
