"""What has to be set before Keras and TensorFlow are imported.

The package is about Keras on TensorFlow: with another backend there is no
``tf.GradientTape``. And a student must not have to read TensorFlow's start-up notes, on
graphics drivers and instruction sets, which it writes to standard error while it is
imported. ``TF_CPP_MIN_LOG_LEVEL`` silences those of the running system but not those of
the import (TensorFlow 2.21; tensorflow#100442). Whoever wants all sets it to 0.
"""

import importlib.abc
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NOTE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] "
    rb"|WARNING: All log messages before absl|To enable the following instructions"
)


def choose_tensorflow() -> None:
    """Make Keras run on TensorFlow, whatever ``KERAS_BACKEND`` says, unless it runs already."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"


def hide_start_up_notes() -> None:
    """Arrange that TensorFlow's import, whenever it comes, prints no notes."""
    wants_all = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0"
    if wants_all or "tensorflow" in sys.modules:
        return
    sys.meta_path.insert(0, _TensorFlowFinder())


class _TensorFlowFinder(importlib.abc.MetaPathFinder):
    """Steps in at the first import of TensorFlow, whoever asks for it: a lesson, Keras, a user's file."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _without_notes(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _without_notes(execute: Any) -> Any:
    def quietly(module: ModuleType) -> None:
        with _notes_held_back():
            execute(module)

    return quietly


@contextmanager
def _notes_held_back() -> Iterator[None]:
    """Collect what is written to standard error, by compiled code too; then print all but the notes."""
    try:
        screen = os.dup(2)
    except OSError:  # closed: nobody is looking
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            held_back.seek(0)
            os.write(2, b"".join(line for line in held_back if not NOTE.match(line)))
