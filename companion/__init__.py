"""What Keras' ``.fit()`` does, written by hand: equal bit for bit.

Importing this package imports nothing heavy and changes nothing. TensorFlow is imported by the lessons
(``from companion import lesson3``) and by the functions named in ``__all__``.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from companion.check.check_loop import check_loop as check_loop
    from companion.check.problem import Problem as Problem
    from companion.check.result import LoopCheck as LoopCheck
    from companion.check.script.check_script import watching as watching
    from companion.comparison.with_fit import FitComparison as FitComparison
    from companion.comparison.with_fit import compare_with_fit as compare_with_fit
    from companion.loop import fit_by_hand as fit_by_hand

__version__ = "0.2.0"
_HOMES = {
    "FitComparison": "companion.comparison.with_fit",
    "LoopCheck": "companion.check.result",
    "Problem": "companion.check.problem",
    "check_loop": "companion.check.check_loop",
    "compare_with_fit": "companion.comparison.with_fit",
    "fit_by_hand": "companion.loop",
    "watching": "companion.check.script.check_script",
}
__all__ = [
    "FitComparison",
    "LoopCheck",
    "Problem",
    "check_loop",
    "compare_with_fit",
    "fit_by_hand",
    "watching",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _begin(module: str, words: Sequence[str]) -> None:
    """Do what a command needs before its file is loaded, which for a lesson imports TensorFlow."""
    from companion.terminal.console import command
    from companion.terminal.lesson_list import LESSONS
    from companion.terminal.quiet_start import begin, refuse_other_backends

    name = module.removeprefix("companion.")

    @command(f"python -m {module}")
    def begin_command(words: Sequence[str] | None) -> int:
        if name in LESSONS:
            from companion.report.options import begin_report, parse_lesson

            options = parse_lesson(name, words)  # --help and usage errors end here
            refuse_other_backends()
            begin_report(name, options)
        begin(f"python -m {module}")
        return 0

    if status := begin_command(words):
        raise SystemExit(status)


if sys.argv[0] == "-m":  # Python is about to run a module, perhaps one of ours
    from companion.terminal.quiet_start import started_module

    if (_started := started_module(sys.orig_argv)).partition(".")[0] == __name__:
        _begin(_started, sys.argv[1:])
elif "--multiprocessing-fork" in sys.orig_argv:
    # A worker of ours: multiprocessing imports the command's file there, before it runs anything.
    from multiprocessing import current_process

    from companion.terminal.quiet_start import WORKER, begin_worker

    if current_process().name == WORKER:
        begin_worker()
