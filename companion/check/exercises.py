"""The exercises of the lessons' pages: what each function is called with, and what is right."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion import lesson3
from companion.check.catalogue import ExerciseResult
from companion.check.exercise_calls import call
from companion.check.learner.file import a
from companion.datasets import diabetes
from companion.precision import precision
from companion.report.runs import accuracy

RIGHT, WRONG, NOT_DONE, ERROR, MISSING = "right", "wrong", "not done yet", "error", "missing"
FEW_EPOCHS = 20  # enough to see whether the answer is right
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
        Returns the right answer to one call: a number, or a list or tuple of numbers.
    mistakes : tuple of pair
        Functions that return common wrong answers, each with the hint to print for it.
    draw : callable
        Draws the arguments of a call that nobody knows beforehand, from a NumPy Generator: for grading.
    lesson : int
        The lesson whose page asks for it.
    dtype : str
        The float type in which it is called.
    """

    name: str
    calls: tuple[tuple[Any, ...], ...]
    answer: Callable[..., Any]
    mistakes: tuple[tuple[Callable[..., Any], str], ...]
    draw: Callable[[np.random.Generator], list[Any]]
    lesson: int
    dtype: str


def cross_entropy(truth: float, probability: float) -> float:
    """Return the binary cross-entropy of one answer."""
    return float(-np.log(probability if truth else 1 - probability))


def final_losses(rates: Sequence[float], epochs: int) -> list[float]:
    """Return the last loss of lesson 3's network at each of some learning rates."""
    return [_histories(rate, epochs)[-1] for rate in rates]


def loss_and_accuracy(epochs: int, tested: str = "test") -> tuple[float, float]:
    """Return last loss and accuracy of lesson 3's network at rate 0.1."""
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
            (lambda truth, p: cross_entropy(1 - truth, p), "that is the other term of the cross-entropy"),
            (lambda truth, p: -cross_entropy(truth, p), "the sign is missing: a loss is not negative"),
            (lambda truth, p: cross_entropy(truth, p) / np.log(2), "that is with log2: take the natural log"),
            (lambda truth, p: (truth - p) ** 2, "that is the squared error"),
        ),
        lambda rng: [float(rng.integers(2)), round(rng.uniform(0.05, 0.95), 3)],
        3,
        "float64",
    ),
    Exercise(
        "final_losses",
        (([0.05, 0.1, 0.3], FEW_EPOCHS),),
        final_losses,
        (
            (_one_model_for_all, "one model was trained for all rates: each rate needs a new model"),
            (
                lambda rates, epochs: [_histories(rate, epochs)[0] for rate in rates],
                "these are the losses of the first epoch",
            ),
            (lambda rates, epochs: final_losses(rates, epochs + 1), "that is one epoch too many"),
            (lambda rates, epochs: final_losses(rates, epochs - 1), "that is one epoch too few"),
        ),
        lambda rng: [rng.uniform(0.02, 0.5, 3).round(3).tolist(), int(rng.integers(8, FEW_EPOCHS))],
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
        lambda rng: [int(rng.integers(8, FEW_EPOCHS))],
        3,
        "float64",
    ),
)


def exercises_of(lesson: int) -> tuple[Exercise, ...]:
    """Return the exercises of a lesson's page, in its order."""
    return tuple(one for one in EXERCISES if one.lesson == lesson)


def check_exercise(function: Any, exercise: Exercise) -> ExerciseResult:
    """Call a learner's function, and compare what it gives with what is right."""
    if not callable(function):
        return ExerciseResult(exercise.name, MISSING, f"the file defines no function {exercise.name}")
    for arguments in exercise.calls:
        done = judge_given(exercise, arguments, call(function, exercise.name, arguments, exercise.dtype))
        if done.status != RIGHT:
            return done
    return ExerciseResult(exercise.name, RIGHT, "")


def judge_given(exercise: Exercise, arguments: Sequence[Any], given: Mapping[str, Any]) -> ExerciseResult:
    """Compare what a function gave with what is right."""
    if given.get("not_done"):
        return ExerciseResult(exercise.name, NOT_DONE, "")
    if "error" in given:
        return ExerciseResult(exercise.name, ERROR, str(given["error"]))
    with precision(exercise.dtype):
        text = json.dumps(arguments)
        told = compare_answer(given, _result(exercise.answer, text))
        if not told:
            return ExerciseResult(exercise.name, RIGHT, "")
        hints = [
            words for wrong, words in exercise.mistakes if not compare_answer(given, _result(wrong, text))
        ]
    called = f"{exercise.name}({', '.join(map(repr, arguments))})"
    return ExerciseResult(exercise.name, WRONG, "; ".join([f"{called} {told}", *hints[:1]]))


@functools.lru_cache(maxsize=100)
def _result(function: Callable[..., Any], arguments: str) -> Any:
    """Call a function of this file; keep its answers, since a whole class is compared with them."""
    return function(*json.loads(arguments))


def compare_answer(given: Mapping[str, Any], right: Any) -> str:
    """Return what is wrong with an answer."""
    several = isinstance(right, list | tuple)
    if "type" in given:
        if given["type"] == "None":
            return f"returned None: is the return missing? It must return {_shown(right)}"
        return f"returned {a(given['type'])}: it must return {_shown(right)}"
    numbers, shape = np.array(given["numbers"], dtype="float64"), tuple(given["shape"])
    if not several and len(numbers) == 1:
        shape = ()  # a tensor or an array of one number
    if shape != np.shape(right):
        wanted = f"{len(right)} numbers" if several else "one number"
        count = int(np.prod(shape))
        returned = "one number" if shape == () else f"{count} number{'s' * (count != 1)} of shape {shape}"
        return f"returned {returned}: it must return {wanted}"
    if not np.allclose(numbers, right, rtol=0, atol=NEAR):
        gives = _shown(numbers.tolist() if several else numbers[0])
        return f"gives {gives}, but the right answer is {_shown(right)} (tolerance {NEAR:g})"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(f"{number:.6g}" for number in value) + "]"
    return f"{value:.6g}"
