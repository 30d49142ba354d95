"""The exercises of the lessons' pages: what each function is called with, and what is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion import lesson3
from companion.datasets import diabetes
from companion.learner import a
from companion.loop_error import LoopError
from companion.loop_run import silence
from companion.precision import precision
from companion.runs import accuracy

RIGHT, WRONG, NOT_DONE, ERROR = "right", "wrong", "not done yet", "error"
FEW_EPOCHS = 20  # what is right shows as well as in thousands
NEAR = 1e-6  # float32 in place of float64 is no mistake here: 4.4e-8 was measured


@dataclass(frozen=True)
class Exercise:
    """A function that a learner fills in.

    Attributes
    ----------
    name : str
        Of the function.
    calls : tuple of tuple
        The arguments of each call.
    answer : callable
        Gives what is right for one call: a number, or a list or tuple of numbers.
    mistakes : tuple of pair
        Functions that give what is often given instead, and what is then to be said.
    lesson : int
        Whose page asks for it.
    dtype : str
        In which it is called.
    """

    name: str
    calls: tuple[tuple[Any, ...], ...]
    answer: Callable[..., Any]
    mistakes: tuple[tuple[Callable[..., Any], str], ...]
    lesson: int
    dtype: str


@dataclass(frozen=True)
class Done:
    """What became of an exercise.

    Attributes
    ----------
    name : str
        Of the function.
    status : {"right", "wrong", "not done yet", "error"}
        In a word.
    told : str
        What was called, what came out, what is right; empty if all is.
    """

    name: str
    status: str
    told: str


def cross_entropy(truth: float, probability: float) -> float:
    """Give the binary cross-entropy of one answer."""
    return float(-np.log(probability if truth else 1 - probability))


def final_losses(rates: Sequence[float], epochs: int) -> list[float]:
    """Give the last loss of lesson 3's network at each of some learning rates."""
    return [_histories(rate, epochs)[-1] for rate in rates]


def loss_and_accuracy(epochs: int, tested: str = "test") -> tuple[float, float]:
    """Give last loss and accuracy of lesson 3's network at rate 0.1."""
    sets = dict(zip(("train", "test"), diabetes(), strict=True))
    model = lesson3.build_model()
    return _histories(0.1, epochs, model)[-1], accuracy(model, *sets[tested])


def _histories(rate: float, epochs: int, model: Any = None) -> list[float]:
    x, y = lesson3.load_data()
    model = model or lesson3.build_model()
    return lesson3.train_by_hand(model, x, y, learning_rate=rate, batch_size=len(x), epochs=epochs)


def _one_model_for_all(rates: Sequence[float], epochs: int) -> list[float]:
    model = lesson3.build_model()
    return [_histories(rate, epochs, model)[-1] for rate in rates]


EXERCISES = (
    Exercise(
        "loss_of_one",
        ((0.0, 0.2), (1.0, 0.2), (1.0, 0.99), (0.0, 0.65)),
        cross_entropy,
        (
            (lambda truth, p: cross_entropy(1 - truth, p), "that is the other term's"),
            (lambda truth, p: -cross_entropy(truth, p), "the sign is missing: a loss is not negative"),
            (lambda truth, p: cross_entropy(truth, p) / np.log(2), "that is with log2: take the natural log"),
            (lambda truth, p: (truth - p) ** 2, "that is the squared error"),
        ),
        3,
        "float64",
    ),
    Exercise(
        "final_losses",
        (([0.05, 0.1, 0.3], FEW_EPOCHS),),
        final_losses,
        (
            (_one_model_for_all, "one model was trained on and on: each rate needs a new one"),
            (
                lambda rates, epochs: [_histories(rate, epochs)[0] for rate in rates],
                "these are the losses of the first epoch",
            ),
            (lambda rates, epochs: final_losses(rates, epochs + 1), "that is one epoch too many"),
            (lambda rates, epochs: final_losses(rates, epochs - 1), "that is one epoch too few"),
        ),
        3,
        "float64",
    ),
    Exercise(
        "train_longer",
        ((FEW_EPOCHS,), (FEW_EPOCHS // 2,)),
        loss_and_accuracy,
        (
            (lambda epochs: loss_and_accuracy(epochs, "train"), "that is the accuracy on the training rows"),
            (lambda epochs: loss_and_accuracy(epochs)[::-1], "loss and accuracy are swapped"),
        ),
        3,
        "float64",
    ),
)


def exercises_of(lesson: int) -> tuple[Exercise, ...]:
    """Give the exercises of a lesson's page, in its order."""
    return tuple(one for one in EXERCISES if one.lesson == lesson)


def check_exercise(function: Callable[..., Any], exercise: Exercise) -> Done:
    """Call a learner's function, and compare what it gives with what is right.

    Parameters
    ----------
    function : callable
        The learner's.
    exercise : Exercise
        Which it is to solve.

    Returns
    -------
    Done
    """
    for arguments in exercise.calls:
        with precision(exercise.dtype):
            try:
                with silence():
                    given = function(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit too
                failed = LoopError(error, f"in {exercise.name}")
                return Done(
                    exercise.name,
                    NOT_DONE if failed.not_done else ERROR,
                    "" if failed.not_done else str(failed),
                )
            right = exercise.answer(*arguments)
            called = f"{exercise.name}({', '.join(map(repr, arguments))})"
            told = compare_answer(given, right)
            if told:
                hints = [
                    words
                    for wrong, words in exercise.mistakes
                    if not compare_answer(given, wrong(*arguments))
                ]
                more = f"; {hints[0]}" if hints else ""
                return Done(exercise.name, WRONG, f"{called} {told}{more}")
    return Done(exercise.name, RIGHT, "")


def compare_answer(given: Any, right: Any) -> str:
    """Say what is wrong with an answer.

    Parameters
    ----------
    given : object
        The learner's.
    right : float, list or tuple of float
        What it is to be.

    Returns
    -------
    str
        Empty if it is right, up to `NEAR`.
    """
    several = isinstance(right, list | tuple)
    if given is None:
        return f"returned None: is the return missing? It is to be {_shown(right)}"
    try:
        numbers = np.asarray(given, dtype="float64")
    except (TypeError, ValueError):
        return f"returned {a(type(given).__name__)}: it is to be {_shown(right)}"
    if not several and numbers.size == 1:
        numbers = numbers.reshape(())  # a tensor or an array of one number
    if numbers.shape != np.shape(right):
        wanted = f"{len(right)} numbers" if several else "one number"
        return f"returned {numbers.size} numbers of shape {numbers.shape}: it is to be {wanted}"
    if not np.allclose(numbers, right, rtol=0, atol=NEAR):
        return f"gives {_shown(numbers.tolist())}, right is {_shown(right)}"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(f"{number:.6g}" for number in value) + "]"
    return f"{value:.6g}"
