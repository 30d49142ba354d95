"""What a loop is checked on: a lesson's own data, and a small problem in which every mistake shows."""

import functools
import importlib
from dataclasses import replace
from types import ModuleType

import keras
import numpy as np

from companion.check.problem import Problem
from companion.terminal.lesson_list import LESSONS, Lesson

EPOCHS = 3  # fewer could hide a metric that is never reset
MOST_ROWS = {5: 300}  # of 60,000 digits: nine batches and a short one
ROWS, BATCH_SIZE = 22, 8  # of the revealing problem; the last batch is short
SHORTEST_KERNEL = 0.75  # a column's norm, where 0.5 is the most that the constraint lets it have
REVEALING_RATE = 0.05  # no lesson's own: a rate that is written into the loop shows


def lesson_of(number: int) -> tuple[ModuleType, Lesson, type[keras.losses.Loss]]:
    """Return a lesson's module, its settings, and the class of its loss."""
    name = f"lesson{number}"
    lesson = LESSONS[name]
    return importlib.import_module(f"companion.{name}"), lesson, getattr(keras.losses, lesson.loss)


def lesson_problem(number: int, seed: int = 0, epochs: int | None = None) -> Problem:
    """Return the network, data and settings of a lesson, with few epochs."""
    module, lesson, loss = lesson_of(number)
    rows = MOST_ROWS.get(number)
    x, y = (array[:rows] for array in module.load_data())
    return Problem(
        title=f"the first {rows} rows of lesson {number}" if rows else f"lesson {number}'s data",
        build_model=lambda: module.build_model(seed),
        x=x,
        y=y,
        loss=loss,
        learning_rate=lesson.learning_rate,
        batch_size=lesson.batch_size or len(x),
        epochs=epochs or EPOCHS,
        shuffle=lesson.shuffle,
        seed=seed,
    )


def revealing_problem(
    number: int, seed: int = 0, epochs: int | None = None, batch_size: int = BATCH_SIZE
) -> Problem:
    """Return a small problem with inputs, labels and loss like a lesson's, in which every mistake shows.

    All rows are different, the last batch is short, and the network has a penalty, dropout, batch
    normalization, a constraint that binds, and a last layer that hides from Keras whether its output
    comes from a sigmoid or a softmax.
    """
    _, lesson, loss_class = lesson_of(number)
    x, y = map(_as_the_network, first_row(number))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(ROWS, *x.shape[1:])).astype(x.dtype)
    loss = loss_class()
    return Problem(
        title="the revealing problem",
        build_model=lambda: _revealing_model(x.shape[1], *_last_layer(loss, y)),
        x=rows,
        y=_labels(rng, rows, loss, y),
        loss=loss_class,
        learning_rate=REVEALING_RATE,
        batch_size=batch_size,
        epochs=epochs or EPOCHS,
        shuffle=lesson.shuffle,
        seed=seed,
    )


def telling_problem(mistake: str, epochs: int | None = None) -> Problem:
    """Return a problem on which a mistake shows: lesson 3's revealing one, or one of another kind."""
    problem = revealing_problem(4 if mistake == "not-shuffled" else 3, epochs=epochs)
    if mistake in ("class-weights-left-out", "class-weights-normalized"):
        return replace(problem, class_weight={0: 1.0, 1: 3.0})
    if mistake.startswith("new-optimizer"):  # with plain SGD it makes no difference
        return replace(problem, optimizer=functools.partial(keras.optimizers.SGD, momentum=0.9))
    if mistake == "clipping-left-out":
        return replace(problem, optimizer=functools.partial(keras.optimizers.SGD, clipnorm=0.1))
    if mistake == "schedule-missing":
        return replace(problem, callbacks=lambda: [keras.callbacks.LearningRateScheduler(_halved)])
    return problem


def _as_the_network(array: np.ndarray) -> np.ndarray:
    """Return floats in the type that the network computes in, so that ``y - model(x)`` is possible."""
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _halved(epoch: int, rate: float) -> float:
    return rate / 2 if epoch else rate


@functools.cache
def first_row(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of a lesson's data, for its shape and type."""
    x, y = lesson_of(number)[0].load_data()
    return x[:1], y[:1]


def _last_layer(loss: keras.losses.Loss, y: np.ndarray) -> tuple[int, str | None]:
    """Return size and activation of the last layer that fits the loss."""
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return 10, "softmax"
    return y.shape[1], None if isinstance(loss, keras.losses.MeanSquaredError) else "sigmoid"


def _labels(rng: np.random.Generator, rows: np.ndarray, loss: keras.losses.Loss, y: np.ndarray) -> np.ndarray:
    """Draw labels of the shape and type of `y` that depend on `rows`, and not only on them."""
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return (10 * rows[:, :10].argmax(axis=1) // 10).astype(y.dtype)
    noisy = rows[:, : y.shape[1]] + rng.normal(size=(ROWS, y.shape[1]))
    return (
        noisy.astype(y.dtype)
        if isinstance(loss, keras.losses.MeanSquaredError)
        else (noisy > 0).astype(y.dtype)
    )


def _revealing_model(inputs: int, outputs: int, activation: str | None) -> keras.Model:
    layers = keras.layers
    # The penalty is so large that clipping to a norm of 1 shows. The norm is so small that the constraint
    # binds.
    penalty, binding = keras.regularizers.L2(0.3), keras.constraints.MaxNorm(0.5)
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(6, activation="tanh", kernel_regularizer=penalty),
            layers.BatchNormalization(),
            layers.Dropout(0.25),
            layers.Dense(outputs, activation=activation, kernel_constraint=binding),
            layers.Reshape((outputs,)),  # after which Keras' losses cannot find the logits
        ]
    )
    # About one seed in a hundred draws a kernel so short that it would never reach its constraint.
    bound = model.layers[-2].kernel
    kernel = bound.numpy()
    bound.assign(kernel * np.maximum(SHORTEST_KERNEL / np.linalg.norm(kernel, axis=0), 1))
    return model
