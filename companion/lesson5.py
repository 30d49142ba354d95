"""Lesson 5: handwritten digits, 13,002 parameters.

A network learns to read digits: 784 pixels in, two layers of 16, ten answers out, trained
on 60,000 images in shuffled batches of 32. By hand and by ``.fit``, loss, accuracy and all
13,002 parameters come out the same. Before that, one parameter alone: the loss along it,
its slope, a step down. After it, the slope in all 13,002 directions at once, and how long
it still is when the training ends.

"The page" is a post on gradient descent from a series on neural networks, whose network
this is. It names no settings: ReLU, softmax, batches of 32, three epochs and the learning
rate are this lesson's choice.

Run it with ``python -m companion.lesson5``; ``--help`` lists the options.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.datasets import digits
from companion.plots import panels, plots
from companion.precision import precision
from companion.report import parts
from companion.report.landscape import (
    LandscapePoint,
    Survey,
    WeightHistory,
    look_along,
    mean_batch_length,
    print_lengths,
    print_slice,
    step_down,
)
from companion.report.options import parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, histories_of
from companion.terminal.console import Report, command
from companion.terminal.progress import FitBatchProgress, progress, track, track_batches

TITLE = "handwritten digits, 13,002 parameters"
LEARNING_RATE = 0.1
EPOCHS = 3
HIDDEN = 16
BATCH_SIZE = 32
SCANNED_RATES = (0.1, 1.0)
PAGE_SETTINGS = {"hidden": HIDDEN}
FEW_ROWS = 3200  # 100 batches
DRAWN = 20  # test images


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Give the 60,000 digits the network is trained on.

    Returns
    -------
    x : ndarray of shape (60000, 784), float32
        Pixels, from 0, the paper, to 1, the ink.
    y : ndarray of shape (60000,), int64
        Which digit, from 0 to 9.

    Raises
    ------
    DataError
        If the data file is missing or not the published one.
    """
    return digits()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network with its initial weights, not yet compiled.

    Sets the global seed, which decides the weights here and, when training starts, the
    order of the rows.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.
    hidden : int
        How many units in each of the two hidden layers, 1 or more.

    Returns
    -------
    keras.Model
        784 inputs, twice `hidden` ReLU units, 10 softmax outputs, in Keras' current float type.
    """
    keras.utils.set_random_seed(seed)
    first, second = (keras.layers.Dense(hidden, activation="relu") for _ in range(2))
    return keras.Sequential(
        [keras.Input((784,)), first, second, keras.layers.Dense(10, activation="softmax")]
    )


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; takes and gives what `train_with_fit` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.SparseCategoricalCrossentropy()  # [2] the loss, and the accuracy beside it
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3] the batches, shuffled

    @tf.function(input_signature=batches.element_spec)  # [4] compiled, for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            probabilities = model(xb, training=True)
            loss = loss_function(yb, probabilities)  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        right = keras.metrics.sparse_categorical_accuracy(yb, probabilities)  # a row: 1 or 0
        return loss, tf.reduce_sum(right)  # both as before the update

    prepared = list(batches)  # made once: under a seed .fit keeps this order in every epoch
    compiled_step = step.get_concrete_function()
    record = WeightHistory()  # .fit leaves such a history as model.history
    record.set_model(model)
    record.on_train_begin()
    for epoch in track(range(epochs), f"by hand, learning rate {learning_rate:g}"):  # [8] the epochs
        total = total_right = 0
        for xb, yb in track_batches(prepared):
            loss, right = compiled_step(xb, yb)
            total += loss.numpy() * len(xb)  # a batch's loss is a mean over its rows
            total_right += right.numpy()
        logs = {"loss": float(total / len(x)), "accuracy": float(total_right / len(x))}
        record.on_epoch_end(epoch, logs)  # [9] record
    return record.history["loss"]


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; takes and gives what `train_with_textbook_fit` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1]
    model.compile(optimizer, loss=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])  # [2]
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3]
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        batches.repeat(),  # faster than model.fit(x, y, epochs=...), which is train_with_textbook_fit
        steps_per_epoch=len(batches),
        shuffle=False,  # the batches are shuffled already
        epochs=epochs,  # [8]
        callbacks=[FitBatchProgress(f".fit, learning rate {learning_rate:g}")],
        verbose=0,
    )
    return history.history["loss"]  # [9]


def train_with_textbook_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with the arrays themselves, shuffled by ``.fit``.

    Parameters
    ----------
    model : keras.Model
        From `build_model`, which has set the seed; is changed in place.
    x, y : ndarray of shape (n, 784) and (n,)
        The rows, fed in the order that the seed gives; `x` is cast to ``keras.config.floatx()``.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean loss of its rows, each batch's measured before its own update.
        The accuracy, likewise, is "accuracy" in ``model.history.history``.
    """
    optimizer, loss = keras.optimizers.SGD(learning_rate), keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer, loss, metrics=["accuracy"])
    bar = FitBatchProgress(f"textbook .fit, learning rate {learning_rate:g}")
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, callbacks=[bar], verbose=0)
    return history.history["loss"]


@command("python -m companion.lesson5")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in two ways and report; give 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson5", argv)
    (x, y), (x_test, y_test) = digits()
    settings = settings_of(options, BATCH_SIZE)
    runs, rate, dtype = Runs(build_model, x, y, settings), options.learning_rate, options.dtype
    fit = train_with_textbook_fit if options.textbook_fit else train_with_fit
    out = Report(quiet=options.quiet or options.to_stdout)

    facts = what_goes_in(len(x), len(x_test), settings)
    parts.print_what_goes_in(out, f"Lesson 5: {TITLE}", facts, train_by_hand, fit)
    with precision(dtype):
        model, loss_function = (
            build_model(options.seed, options.hidden),
            keras.losses.SparseCategoricalCrossentropy(),
        )
        start, survey = model.get_weights(), Survey(model, loss_function, x, y)
        one_weight = look_along(survey, start, rate)
    print_slice(out, *one_weight, rate)
    with progress(not options.quiet):
        trained = {"by_hand": runs(train_by_hand), "fit": runs(fit)}
    comparison = parts.print_trainings(out, trained, dtype)
    accuracies = {name: run.model.history.history["accuracy"] for name, run in trained.items()}
    same_accuracy = Comparison(accuracies["by_hand"], accuracies["fit"], dtype=dtype)
    out.heading("   The accuracy of each epoch, measured likewise")
    parts.print_side_by_side(out, accuracies)
    parts.print_verdict(out, same_accuracy, "the accuracy by hand and by .fit")
    model = trained["by_hand"].model
    right = parts.print_accuracy(out, model, {"train": (x, y), "test": (x_test, y_test)})
    with precision(dtype):
        places = [survey.place(weights) for weights in (start, *model.history.weights)]
        steps = [survey.loss(step_down(place, rate)) for place in places]
        few = batches_of_fit(x[:FEW_ROWS], y[:FEW_ROWS], BATCH_SIZE, shuffle=False)
        batch_length = mean_batch_length(model, loss_function, few)
    print_lengths(out, places, steps, batch_length, rate, dtype)
    with progress(not options.quiet):
        scan = runs.at_rates(train_by_hand, SCANNED_RATES)
    print_scan(out, scan)
    printed = page_figures(model, one_weight[2], places, settings)
    parts.print_page(out, printed, settings, PAGE_SETTINGS)

    result = Result(
        5,
        TITLE,
        settings,
        histories_of(trained),
        comparison,
        right,
        scan,
        printed,
        {"accuracy": same_accuracy},
    )
    name, line, step = one_weight
    draw = [
        functools.partial(draw_some_digits, model=model, x=x_test, y=y_test),
        functools.partial(panels.draw_slice, name=name, line=line, step=step),
        functools.partial(panels.draw_accuracies, accuracies=accuracies),
    ]
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=draw))


def what_goes_in(rows: int, test_rows: int, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what is trained on what."""
    hidden, steps = settings["hidden"], -(-rows // settings["batch_size"])
    network = f"784 inputs, {hidden} and {hidden} hidden units (ReLU), 10 outputs (softmax)"
    parameters = 785 * hidden + (hidden + 1) * hidden + (hidden + 1) * 10
    how = f"SGD, learning rate {settings['learning_rate']}, {settings['epochs']} epochs of {steps} batches of"
    return [
        ("data", f"images of digits, 28 by 28: {rows} to train on, {test_rows} others to test on"),
        ("network", f"{network}: {parameters:,} parameters"),
        (
            "training",
            f"{how} {settings['batch_size']}, shuffled, {settings['dtype']}, seed {settings['seed']}",
        ),
    ]


def draw_some_digits(axes: Any, model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Draw the first test images and, below them, the first that the network gets wrong."""
    answers = model(x).numpy().argmax(axis=1)
    chosen = np.concatenate([np.arange(DRAWN), np.flatnonzero(answers != y)[:DRAWN]])
    chosen = chosen[: len(chosen) // 10 * 10]
    panels.draw_digits(axes, x[chosen].reshape(-1, 28, 28), answers[chosen], y[chosen])


def page_figures(
    model: keras.Model,
    step: Mapping[str, float],
    places: Sequence[LandscapePoint],
    settings: Mapping[str, Any],
) -> list[Printed]:
    """Set what the page says beside what this run gives."""
    if not PAGE_SETTINGS.items() <= settings.items():
        return []
    change = step["new_loss"] - step["loss"]
    share = float(np.linalg.norm(places[-1].gradient) / np.linalg.norm(places[0].gradient))
    length = f"{share:.0%} of the start" if np.isfinite(share) else "not finite"
    return [
        as_printed("inputs", "784", model.input_shape[1]),
        as_printed("answers", "10", model.output_shape[1]),
        as_printed("parameters", "13002", model.count_params()),
        as_printed("weights of the first neuron", "784", model.layers[0].kernel.shape[0]),
        Printed("a step against the slope", "lowers the cost", f"{change:+.2g}", change < 0),
        Printed("gradient when training ends", "very small", length, share < 0.01),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
