"""Which loss of Keras a loop computes, and which weights the losses of several outputs have."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.problem import Problem
from companion.check.recording.events import Event, Gradient, Recording, Update
from companion.check.replay import Replay, Variant
from companion.check.rules.findings import apart, flat
from companion.check.script.problem import FedProblem, NotComparableError, PlainFunction, TotalLoss
from companion.check.steps import steps_of
from companion.errors import UserError
from companion.fit.keras_private import arguments_of

# Losses that people write by hand, the likely ones first.
BY_HAND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("MeanSquaredError", {}),
    ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("MeanAbsoluteError", {}),
    ("CategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"from_logits": True}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("Huber", {}),
    ("LogCosh", {}),
    ("Poisson", {}),
    ("KLDivergence", {}),
    ("Hinge", {}),
)
TRIED_STEPS = 4  # whose gradients tell the loss
NEAR = 1e-4  # of a weight of a loss, found from gradients in float32


def compiled_loss(loss: Any) -> Any:
    """Return the loss object that ``.fit`` makes of what is compiled."""
    try:
        found = keras.losses.get(loss)
    except ValueError:
        raise UserError(
            f"--loss {loss!r} is no loss of Keras, and no function of your file: give one, such as mse"
        ) from None
    if isinstance(found, keras.losses.Loss):
        return _copy(found)
    if isinstance(loss, str):
        by_class = {_plain(name): kind for name, kind in vars(keras.losses).items() if isinstance(kind, type)}
        if _plain(loss) in by_class:
            return by_class[_plain(loss)]()
        if loss in ABBREVIATIONS:
            return getattr(keras.losses, ABBREVIATIONS[loss])()
    return PlainFunction(found)


ABBREVIATIONS = {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "bce": "BinaryCrossentropy"}


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def described(loss: Any) -> str:
    """Name a loss in a sentence."""
    if isinstance(loss, TotalLoss):
        parts = [
            f"{weight:g} * {described(one)}" for one, weight in zip(loss.losses, loss.weights, strict=True)
        ]
        return " + ".join(parts)
    if isinstance(loss, PlainFunction):
        return getattr(loss.function, "__name__", "the script's own function")
    try:
        usual = arguments_of(type(loss)())
    except TypeError:  # a class of the script's own, which needs arguments
        usual = {}
    own = arguments_of(loss)
    told = [f"{key}={value!r}" for key, value in own.items() if value != usual.get(key)]
    return f"{type(loss).__name__}({', '.join(told)})"


def as_fit_reduces(loss: Any) -> Any:
    """Return the same loss, reduced as ``.fit`` reduces by default."""
    reduced = _copy(loss)
    reduced.reduction = "sum_over_batch_size"
    return reduced


def _copy(loss: Any) -> Any:
    """Copy a loss with all its arguments, some of which its configuration may leave out."""
    copied = object.__new__(type(loss))
    copied.__dict__.update(vars(loss))
    return copied


def plain_rate(events: Sequence[Event]) -> float:
    """Return by how much of its gradient an update without an optimizer moves the weights."""
    gradients = [event for event in events if isinstance(event, Gradient)]
    updates = [event for event in events if isinstance(event, Update)]
    for gradient, update in zip(gradients, updates, strict=False):
        for before, after, slope in zip(update.before, update.after, gradient.values, strict=True):
            if slope is not None and np.any(slope):
                return float(f"{float(((before - after) * slope).sum() / (slope * slope).sum()):.4g}")
    return 0.01


def weighted_losses(
    problem: FedProblem, recording: Recording, losses: Sequence[Any]
) -> Callable[[], keras.losses.Loss]:
    """Find the weights of the losses of several outputs, from the gradients of the first steps."""
    kinds = [as_fit_reduces(loss) for loss in losses]
    columns, own = [], np.zeros(0)
    for number in range(len(kinds)):
        weights = [float(number == other) for other in range(len(kinds))]
        alone = replace(problem, loss=functools.partial(TotalLoss, kinds, weights))
        of_loss, of_penalty, own = first_gradients(alone, recording, Variant())
        columns.append(of_loss)
    factors = np.linalg.lstsq(np.stack([*columns, of_penalty], axis=1), own, rcond=None)[0]
    weights = [float(f"{factor:.3g}") if abs(factor) > NEAR else 0.0 for factor in factors[:-1]]
    return functools.partial(TotalLoss, kinds, weights)


def loss_by_hand(
    problems: Sequence[FedProblem], recording: Recording
) -> tuple[Callable[[], keras.losses.Loss], Variant]:
    """Find the loss whose gradients are those of the loop, as it should be called or by mistake otherwise.

    The problems differ in whether replicas of a strategy take their parts of a batch.
    """
    problem = problems[-1]
    variants = [variant for variant in Replay(problem).variants() if variant.loss == "fit"]
    for problem, variant, (name, settings) in itertools.product(problems, variants, BY_HAND):
        loss = functools.partial(getattr(keras.losses, name), **settings)
        tried = replace(problem, loss=loss)
        if all(_is_by(tried, recording, variant, steps) for steps in (1, TRIED_STEPS)):
            return loss, variant
    raise NotComparableError(
        f"nothing to compare with .fit yet, because no loss of Keras gives the gradients of {problem.title}: "
        "if your loss is a function of labels and predictions, name it with --loss, such as --loss my_loss"
    )


def _is_by(problem: FedProblem, recording: Recording, variant: Variant, steps: int) -> bool:
    """Return whether the gradients of the first steps are those of the problem's loss."""
    try:
        of_loss, of_penalty, own = first_gradients(problem, recording, variant, steps)
    except (ValueError, tf.errors.InvalidArgumentError):  # the loss does not go with these labels
        return False
    basis = np.stack([of_loss, of_penalty], axis=1)
    if not (of_loss.any() and np.isfinite(basis).all()):
        return False
    factors = np.linalg.lstsq(basis, own, rcond=None)[0]
    return abs(factors[0]) > NEAR and apart(basis @ factors, own) < NEAR


def first_gradients(
    problem: Problem, recording: Recording, variant: Variant, count: int = TRIED_STEPS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of loss and penalty, and the loop's own, in the first steps of equal size."""
    replay = Replay(problem)
    of_loss, of_penalty, own = [], [], []
    steps = steps_of(recording, problem.epochs).steps
    for step in steps[:count]:
        if not step.forwards or len(step.rows) != len(steps[0].rows):
            continue
        there = [n for n, part in enumerate(step.by_tape) if part is not None]
        point = replay.at(step.forwards[-1], variant)
        of_loss.append(flat([point.loss_gradient[n] for n in there]))
        of_penalty.append(flat([point.penalty_gradient[n] for n in there]))
        own.append(flat(step.by_tape))
    return np.concatenate(of_loss), np.concatenate(of_penalty), np.concatenate(own)
