"""A learner's loop, run: as it is written, and watched. Nothing in here knows what ``.fit`` gives."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from companion.check.learner.file import history_of
from companion.check.learner.isolation import unchanged
from companion.check.learner.lines import Location
from companion.check.learner.traceback import NO_GRADIENT, LoopError
from companion.check.problem import Problem, Train
from companion.check.recording.events import Gradient, Recording, State
from companion.check.recording.loop_watcher import watch
from companion.check.recording.patches import definer, replaced
from companion.errors import UserError

MOST_EPOCHS = 1000  # that are judged where a loop runs for too many


@dataclass
class LoopRun:
    """What came of running a loop on a problem.

    Attributes
    ----------
    history : list of float
        The losses of each epoch; empty where the loop returns none.
    end : list of ndarray
        All variables of the model at the end.
    recording : Recording or None
        Of the loop when it was run eagerly and watched; None if that run ended in an exception.
    told : str
        This exception.
    fits : int
        How often ``fit`` or ``train_on_batch`` was called, on any network.
    report : Location or None
        The line that puts the returned losses together.
    left_out : list of str
        What of its file was left out, in sentences.
    returned : str
        What is wrong with what it returned, which is then not judged as losses.
    """

    history: list[float]
    end: State
    recording: Recording | None = None
    told: str = ""
    fits: int = 0
    report: Location | None = None
    left_out: list[str] = field(default_factory=list)
    returned: str = ""


def run_as_written(
    train: Train, problem: Problem, *, first: bool = True, may_be_none: bool = False, any_return: bool = False
) -> LoopRun:
    """Call the learner's function on a new network; `any_return` notes a wrong return, and raises nothing."""
    model = problem.start()
    try:
        with contextlib.nullcontext() if first else silence(), counted_fits() as fits:
            history, returned = _call(
                train, problem, model, first=first, may_be_none=may_be_none, any_return=any_return
            )
    except LoopError as error:
        _look_closer(train, problem, error)
        raise
    end = [np.array(variable.numpy()) for variable in model.variables]
    return LoopRun(history or [], end, fits=len(fits), returned=returned)


def run_watched(
    train: Train,
    problem: Problem,
    *,
    first: bool = False,
    may_be_none: bool = False,
    any_return: bool = False,
) -> Recording:
    """Run the loop eagerly, on a new network, and watch it; `any_return` as above."""
    model = problem.start()
    with contextlib.nullcontext() if first else silence(), watch(model, problem.x) as recording:
        history, recording.returned = _call(
            train, problem, model, first=first, may_be_none=may_be_none, any_return=any_return
        )
    recording.history, recording.reported = history or [], None if history else []
    return recording


def _call(
    train: Train,
    problem: Problem,
    model: Any,
    *,
    first: bool,
    may_be_none: bool = False,
    any_return: bool = False,
) -> tuple[list[float] | None, str]:
    """Call the learner's function; restore the global state that it may change.

    Return its losses, and what is wrong with them if they may be anything.
    """
    try:
        with unchanged():
            result = problem.train(train, model)
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:  # SystemExit too
        raise LoopError(error, f"while train runs on {problem.title}") from None
    try:
        stops = bool(list(problem.callbacks()))
        return history_of(result, problem.epochs, may_be_none=may_be_none, may_stop=stops), ""
    except UserError as error:
        if any_return:
            return _losses_of_other_epochs(result, problem), str(error)
        if first:
            raise
        raise UserError(f"{error}; the first call was right: does train keep data between calls?") from None


def _losses_of_other_epochs(result: Any, problem: Problem) -> list[float] | None:
    """Return the losses if only their number is wrong; the rest of such a loop can be judged."""
    try:
        losses = history_of(result, problem.epochs, may_stop=True)
    except UserError:
        return None
    return losses if losses and len(losses) <= MOST_EPOCHS else None


def _look_closer(train: Train, problem: Problem, error: LoopError) -> None:
    """Where something was None, find out whether it was a gradient."""
    if error.name or "NoneType" not in error.told:
        return
    model = problem.start()
    with contextlib.suppress(LoopError), silence(), watch(model, problem.x) as recording:
        _call(train, problem, model, first=True)
    gradients = [event for event in recording.events if isinstance(event, Gradient)]
    if gradients and any(gradients[-1].values[number] is None for number in gradients[-1].asked):
        error.name_it("no-gradient", NO_GRADIENT)


@contextlib.contextmanager
def counted_fits() -> Iterator[list[str]]:
    """Return a list of the calls of ``fit`` and ``train_on_batch`` in the ``with`` block."""
    called: list[str] = []

    def count(original: Callable, *args: Any, **kwargs: Any) -> Any:
        called.append(original.__name__)
        return original(*args, **kwargs)

    with contextlib.ExitStack() as stack:
        for name in ("fit", "train_on_batch"):
            stack.enter_context(replaced(definer(keras.Model, name), name, count))
        yield called


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Swallow what the loop prints: it has been printed once."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
