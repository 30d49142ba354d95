"""A script or a notebook as it stands: run it, watch it, and say whether it is ``.fit``, and if not, why."""

import builtins
import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from companion.check.learner.isolation import unchanged
from companion.check.learner.lines import line_of_thread, own_place
from companion.check.learner.script import ExitedAtOnceError, as_main, run_script
from companion.check.learner.traceback import LoopError
from companion.check.recording.recorder import hooked
from companion.check.recording.script_watcher import ScriptWatcher, Stopped
from companion.check.script.not_comparable import not_compared
from companion.check.script.reported import Printed
from companion.check.script.result import ScriptCheck
from companion.check.script.training import Given, trainings
from companion.check.script.training_check import judged_with_replicas
from companion.errors import UserError
from companion.terminal.outputs import busy


def check_script(
    path: str,
    arguments: Sequence[str] = (),
    *,
    epochs: int | None = None,
    loss: str | None = None,
    batch_size: int | None = None,
    x: str | None = None,
    y: str | None = None,
    stop: bool = False,
    seconds: int | None = None,
    memory: int | None = None,
) -> ScriptCheck:
    """Run a file as it stands, and compare what it trains with ``.fit``.

    Parameters
    ----------
    path : str
        A Python file or a notebook.
    arguments : sequence of str
        Its own.
    epochs : int, optional
        How many epochs of each loop are watched; 3 by default.
    loss : str, optional
        The loss of ``.fit``, if it could not be seen.
    batch_size : int, optional
        The batch size of ``.fit``.
    x, y : str, optional
        The variables of the file that hold all rows and all labels.
    stop : bool
        Whether to end the file when its loops have been watched.
    seconds : int, optional
        The longest time for which a loop is watched; 20 by default.
    memory : int, optional
        How many MB a recording may take; 1000 by default.

    Returns
    -------
    ScriptCheck
        It prints as a report.
    """
    check = ScriptCheck(path)
    watcher = ScriptWatcher(epochs or 3, seconds or 20, (memory or 1000) * 2**20, stop=stop)
    printed: list[Printed] = []
    line = line_of_thread(path)
    with as_main(path, arguments) as module:
        with (
            busy(
                "watching your file", lambda: ", ".join(filter(None, [watcher.progress(), line()]))
            ) as clear,
            hooked(watcher),
            heard(printed, watcher, clear),
        ):
            check.ended = ended_by(path, module, check)
        judge(check, watcher, vars(module), printed, Given(loss, batch_size, x, y))
    return check


@contextlib.contextmanager
def watching(
    *,
    epochs: int = 3,
    loss: str | None = None,
    batch_size: int | None = None,
    x: str | None = None,
    y: str | None = None,
) -> Iterator[ScriptCheck]:
    """Watch the loop in the ``with`` block, and compare what it trains with ``.fit``.

    Parameters
    ----------
    epochs : int
        How many epochs of each loop are watched.
    loss : str, optional
        The loss of ``.fit``, if it could not be seen.
    batch_size : int, optional
        The batch size of ``.fit``.
    x, y : str, optional
        The variables that hold all rows and all labels.

    Yields
    ------
    ScriptCheck
        Filled in at the end of the block. It prints as a report, also in a notebook.

    Notes
    -----
    The seeds, and the weights that the loop has left, are afterwards as they were.
    """
    frame = sys._getframe(2)  # this function, contextlib's __enter__, the block
    code = frame.f_code
    check = ScriptCheck(code.co_filename if code.co_name == "<module>" else code.co_name)
    watcher, printed = ScriptWatcher(epochs), list[Printed]()
    with hooked(watcher), heard(printed, watcher, lambda: None):
        yield check
    judge(check, watcher, {**frame.f_globals, **frame.f_locals}, printed, Given(loss, batch_size, x, y))


def judge(
    check: ScriptCheck,
    watcher: ScriptWatcher,
    variables: Mapping[str, Any],
    printed: Sequence[Printed],
    given: Given,
) -> None:
    """Fill in what was found; leave the networks and the seeds as they are."""
    started = time.perf_counter()
    names = {name: value for name, value in variables.items() if not name.startswith("_")}
    states = [(network, network.state()) for network in watcher.networks]
    try:
        with unchanged():
            found, check.reasons = trainings(watcher, names, given, failed=check.error is not None)
            for training in found:
                try:
                    with training.network.as_it_began():
                        check.trainings.append(judged_with_replicas(training, watcher, names, printed))
                except Exception as error:  # whatever the network and the loss of the file raise
                    check.reasons.append(not_compared(training.name, error))
    finally:
        for network, state in states:
            for variable, value in zip(network.model.variables, state, strict=True):
                variable.assign(value)
    check.seconds = time.perf_counter() - started


def ended_by(path: str, module: ModuleType, check: ScriptCheck) -> str:
    """Run the file; return in a sentence how it ended, if not as files do."""
    try:
        run_script(path, module)
    except (KeyboardInterrupt, UserError):
        raise
    except Stopped:
        return "--stop ended your file here: a .fit further down, an early stop and the like were not seen"
    except ExitedAtOnceError as error:
        return f"your file calls os._exit({error.status}): check ended it there, and the report follows"
    except SystemExit as error:
        return _exited(error.code, sys.argv[1:])
    except BaseException as error:
        if isinstance(error, NotImplementedError) and error.args in ((), ("not done yet",)):
            raise UserError(
                f"{path}: something in it is not done yet (NotImplementedError); if it has a lesson's "
                f"exercises, check them by python -m companion.check lesson3 {path}"
            ) from None
        check.error = LoopError(error, "while your file runs")
    return ""


def _exited(code: object, arguments: Sequence[str]) -> str:
    """Return with which status the file ended itself, in words."""
    if code in (None, 0):
        return ""
    told = f"your file ended with the exit status {code}"
    if code == 2 and not arguments:
        told += "; if it has arguments, put them after --: python -m companion.check FILE -- ARGUMENTS"
    return told


@contextlib.contextmanager
def heard(into: list[Printed], watcher: ScriptWatcher, clear: Callable[[], None]) -> Iterator[None]:
    """Note each line that is printed, and after how many steps."""
    original = builtins.print

    @functools.wraps(original)
    def note(*args: Any, **kwargs: Any) -> None:
        if kwargs.get("file") in (None, sys.stdout, sys.stderr):
            steps = None if watcher.resting else watcher.steps
            into.append(Printed(" ".join(map(str, args)), steps, own_place()))
        clear()
        original(*args, **kwargs)

    builtins.print = note
    try:
        yield
    finally:
        builtins.print = original
