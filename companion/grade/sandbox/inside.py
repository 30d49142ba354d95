"""One submission, run: this is what happens inside the sandbox, beside the stranger's code.

It is given the submission's own files and a problem, and no answer. What it writes is checked by the
judge, another process.
"""

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import write  # as it is here: a submission may put another in its place
from types import ModuleType
from typing import Any

import companion
from companion.check import problem
from companion.check.exercise_calls import call
from companion.check.learner.file import TooLongError, find_train, run_up_to_train
from companion.check.learner.lines import is_library, line_of_report
from companion.check.learner.traceback import LoopError
from companion.check.problem import Problem, Train
from companion.check.problems import revealing_problem
from companion.check.run import LoopRun, run_as_written, run_watched
from companion.comparison import with_fit
from companion.errors import UserError
from companion.grade.sandbox.ending import AS_WRITTEN, BOTH, WATCHED
from companion.grade.sandbox.monitor import TRAIN_BEGINS
from companion.grade.sandbox.wire import encode

RESULT, OUTPUT = 1, 2  # file descriptors: where the result goes, and where what is printed
LONGEST_TRACEBACK = 8000  # characters
HIDDEN = ("companion.check", "companion.grade")  # packages that record, judge, and know answers
ERROR_HEAD = b"companion error\n"
OUTSIDE = 0.5  # of the seconds, which the code outside of train may take beside


@dataclass(frozen=True)
class Task:
    """What a submission is run on.

    Attributes
    ----------
    lesson : int
        Whose kind of data, network and loss.
    seed : int
        Of data, initial weights and order.
    epochs, batch_size : int
        As for ``.fit``.
    """

    lesson: int
    seed: int
    epochs: int
    batch_size: int

    def problem(self) -> Problem:
        """Make the problem."""
        return revealing_problem(self.lesson, self.seed, self.epochs, self.batch_size)


def main(file: str, task: Task, seconds: float, calls: Sequence[Any] | None = None, how: str = BOTH) -> None:
    """Run the loop of `file`, or call its functions for the exercises, and write the result; end the process.

    What the submission prints goes to standard error. The result goes to the standard output that the
    process was started with.
    """
    result = os.dup(RESULT)
    os.dup2(OUTPUT, RESULT)
    _forget_the_answers()
    gc.disable()  # so short a run leaves little to collect, and looking through TensorFlow takes long
    try:
        content = _run(file, task, seconds, result, how) if calls is None else _call_all(file, calls, seconds)
    except LoopError as error:
        content = _error(str(error), error)
    except UserError as error:
        content = _error(str(error))
    except TooLongError as error:
        content = _error(str(error))
    except BaseException as error:  # which the submission's own classes may raise in odd places
        content = _error(*_in_short(error))
    with open(result, "wb") as way_out:
        way_out.write(content)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the submission may have closed or replaced it
            continue
    os._exit(0)  # threads that were left behind end here


def _forget_the_answers() -> None:
    """Remove what could make a right recording without a right loop; nothing here needs it."""
    for owner, names in ((problem, ("Reference", "_watched_fit")), (problem.Problem, ("compiled", "fit"))):
        for name in names:
            delattr(owner, name)
    # The modules that record and judge cannot be imported again: the sandbox hides their files.
    for name in [name for name in sys.modules if name.startswith(HIDDEN)]:
        del sys.modules[name]
    for name in HIDDEN:
        delattr(companion, name.removeprefix("companion."))
    sys.modules["__main__"] = ModuleType("__main__")  # the fork server's names are some of them
    # What a submission may import at its top and call at its end.
    for module, name in (
        *((companion, name) for name in ("check_loop", "compare_with_fit", "LoopCheck", "Problem")),
        (with_fit, "compare_with_fit"),
    ):
        setattr(module, name, _not_here())


def _not_here() -> Callable[..., None]:
    """Return a function through which none of this module's names can be reached."""
    space: dict[str, Any] = {}
    told = "companion: while a submission is graded, nothing is compared with .fit"
    exec(f"def not_here(*args, **kwargs):\n    print({told!r})", space)
    return space["not_here"]


def _run(file: str, task: Task, seconds: float, result: int, how: str) -> bytes:
    module, left_out = run_up_to_train(file, OUTSIDE * seconds)
    train = find_train(module, file)
    given = task.problem()
    write(result, TRAIN_BEGINS)
    run = run_as_written(train, given, any_return=True) if how == AS_WRITTEN else _watched(train, given, how)
    run.report, run.left_out = line_of_report(train), left_out
    return encode(run)


def _watched(train: Train, given: Problem, how: str) -> LoopRun:
    """Run the loop eagerly and watched; if it compiles itself it may be something else in a graph."""
    try:
        recording = run_watched(train, given, first=True, any_return=True)
    except LoopError as error:
        run = run_as_written(train, given, any_return=True)  # which mostly raises the same
        run.told = error.told
        return run
    if not recording.compiled or how == WATCHED:
        return LoopRun(recording.history, recording.end, recording, returned=recording.returned)
    run = run_as_written(train, given, first=False, any_return=True)
    run.recording = recording
    return run


def _call_all(file: str, calls: Sequence[Any], seconds: float) -> bytes:
    module, _ = run_up_to_train(file, OUTSIDE * seconds)
    given = []
    for name, arguments, dtype in calls:
        function = getattr(module, name, None)
        given.append(call(function, name, arguments, dtype) if callable(function) else {"missing": True})
    return json.dumps(given).encode()


def _in_short(error: BaseException) -> tuple[str, None, bool]:
    """Return what it is, and whether the fault is the grader's: no line of the submission is in it."""
    told = f"reading or running it ends in {type(error).__name__}"
    if isinstance(error, MemoryError | RecursionError):  # of code that is too large, wherever it is met
        return told, None, False
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if any(not is_library(file) and not file.startswith("<") for file in files):
        return told, None, False
    return f"{told}: {error}", None, True


def _error(text: str, of: LoopError | None = None, is_fault: bool = False) -> bytes:
    content: dict[str, Any] = {"text": text, "fault": is_fault}
    if of is not None:
        content |= {
            "package": of.package,
            "name": of.name,
            "file": of.file,
            "line": of.line,
            "not_done": of.not_done,
        }
        content["shown"] = of.shown[-LONGEST_TRACEBACK:]
    return ERROR_HEAD + json.dumps(content).replace(os.getcwd() + os.sep, "").encode()
