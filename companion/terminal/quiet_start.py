"""How a command of ours starts: on TensorFlow, without its notes, and ended by Ctrl-C in one line.

Nothing here happens on ``import companion``. It begins where Python was started with a command of ours.
"""

import contextlib
import functools
import gc
import importlib.abc
import importlib.util
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any, NoReturn

from companion.errors import refuse_backend
from companion.terminal.outputs import busy

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
WORKER = "companion's worker"  # the name of a process of our own that multiprocessing starts
WITH_VALUE = "WX"  # Python's own options of one letter that take a value; -m and -c end the options
NOTE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] "
    rb"|WARNING: All log messages before absl|To enable the following instructions"
)


def started_module(words: Sequence[str]) -> str:
    """Return the module that Python was started with by ``-m``; "" if it was started otherwise."""
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            return ""
        if word.startswith("--"):
            if word == "--check-hash-based-pycs" and rest:
                rest.pop(0)
            continue
        for number, letter in enumerate(word[1:], start=2):
            if letter in "mc" + WITH_VALUE:
                value = word[number:] or (rest.pop(0) if rest else "")
                if letter in "mc":
                    return value if letter == "m" else ""
                break
    return ""


def begin(name: str) -> None:
    """Start a command of ours: on TensorFlow, without its notes, ended by Ctrl-C in one line."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # whatever Keras' own file of settings says
    # It silences TensorFlow once it runs, but not its import (TensorFlow 2.21; tensorflow#100442).
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules and not any(isinstance(one, _KerasFinder) for one in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder(name))
    _leave_at_ctrl_c(name)


def begin_worker() -> None:
    """Start a second process of ours: as `begin`, but Ctrl-C is for the one that the user sees."""
    begin("companion")
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def refuse_other_backends() -> None:
    """Refuse to go on where ``KERAS_BACKEND`` asks for something else than TensorFlow; errors as there."""
    refuse_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))


def _leave_at_ctrl_c(name: str) -> bool:
    """Let Ctrl-C end the process at once, unless it has a handler already; return whether this is new."""
    with contextlib.suppress(ValueError):  # in another thread than the first, signals are not ours
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _Leave(name))
            return True
    return False


class _Leave:
    """Ends the process at once: nothing is lost, and an interrupted import could raise any exception."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, number: int, frame: FrameType | None) -> NoReturn:
        os.write(_screen[-1], f"{self.name}: interrupted\n".encode())
        os._exit(INTERRUPTED)


_screen = [2]  # the file descriptor of standard error, and where it really goes while notes are held back


def end_of_start() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again: the command's ``main`` takes care of it from here on."""
    with contextlib.suppress(ValueError):
        if isinstance(signal.getsignal(signal.SIGINT), _Leave):
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Steps in at the first import of Keras or TensorFlow, whoever asks for it: a lesson or a user's file."""

    def __init__(self, command: str) -> None:
        self.command, self.waiting = command, {"keras", "tensorflow"}

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self.waiting:
            return None
        refuse_other_backends()
        self.waiting.remove(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = functools.partial(self._execute, spec.loader.exec_module)
            spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec

    def _execute(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        """Import it, without its notes, and so that Ctrl-C does not wait for its end."""
        hides = module.__name__ == "tensorflow" and os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0"
        leaves = _leave_at_ctrl_c(self.command)
        hidden = _notes_held_back() if hides else contextlib.nullcontext()
        with busy("importing TensorFlow"), hidden, _nothing_collected():
            execute(module)
        if leaves:
            end_of_start()


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Let the garbage collector look neither through an import nor, later, through what it leaves.

    An import throws hardly anything away: the collector costs it a sixth of its time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _notes_held_back() -> Iterator[None]:
    """Collect what is written to standard error, by compiled code too; then print all but the notes."""
    try:
        screen = os.dup(2)
    except OSError:  # closed: nobody is looking
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        _screen.append(screen)
        try:
            yield
        finally:
            _screen.pop()
            os.dup2(screen, 2)
            os.close(screen)
            held_back.seek(0)
            os.write(2, b"".join(line for line in held_back if not NOTE.match(line)))


@contextlib.contextmanager
def expect_retracing() -> Iterator[None]:
    """Hold back TensorFlow's warning that the same lines are compiled again: here each network is new."""

    def is_another(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_another)
    try:
        yield
    finally:
        logger.removeFilter(is_another)
