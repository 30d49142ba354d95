"""Lesson 2: four pixels, 31 parameters.

A network small enough to see all of it learns to flip a 2x2 image along its diagonal. Its 31
gradients are worked out three ways: by wiggling each weight, which takes 62 forward passes,
by the chain rule in NumPy, and by ``tf.GradientTape``. Then it is trained, by hand and by
``.fit``, on the one image of the page and on all 16 that there are.

"The page" is a section on gradient descent, from a course that builds this network by hand.
The starting weights follow from the figures it prints, but for two rows that have no effect
at the start and were chosen here: see `build_model`.

Run it with ``python -m companion.lesson2``; ``--help`` lists the options.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.plots import panels, plots
from companion.plots.curves import behavior
from companion.precision import precision
from companion.report import parts, trace
from companion.report.gradients import by_chain_rule, flat, forward, mean_squared_error, names_of
from companion.report.options import parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, accuracy, compare, histories_of
from companion.terminal.console import Report, command
from companion.terminal.progress import FitProgress, progress, track

TITLE = "four pixels, 31 parameters"
LEARNING_RATE = 0.1
EPOCHS = 200
HIDDEN = 3
SCANNED_RATES = (0.001, 0.1, 1.0, 10.0)
PAGE_SETTINGS = {"epochs": EPOCHS, "hidden": HIDDEN, "seed": 0}
PREDICTION = "0.1", "-0.1", "-0.05", "-0.25"


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Give the page's one image and its diagonal flip.

    Returns
    -------
    x, y : ndarray of shape (1, 4), float64
        Pixels 0 or 1: top left, top right, bottom left, bottom right.
    """
    x = np.array([[1.0, 0, 1, 1]])
    return x, x[:, [0, 2, 1, 3]]


def load_all_images() -> tuple[np.ndarray, np.ndarray]:
    """Give all 16 images of four pixels, and their flips, both of shape (16, 4), float64."""
    x = np.array(list(np.ndindex(2, 2, 2, 2)), dtype="float64")
    return x, x[:, [0, 2, 1, 3]]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network with its initial weights, not yet compiled.

    Parameters
    ----------
    seed : int
        0 for the page's own weights, if `hidden` is 3; else they are drawn.
    hidden : int
        How many hidden units, 1 or more.

    Returns
    -------
    keras.Model
        4 inputs, `hidden` ReLU units, 4 linear outputs, in Keras' current float type.

    Notes
    -----
    The page's figures say nothing of the first two rows of W2: on its image their units are
    silent. The first unit stands at ReLU's corner, where rounding decides whether it is;
    a row of zeros makes that decision matter as little as its page takes it to.
    """
    layers = keras.layers.Dense(hidden, activation="relu"), keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((4,)), *layers])
    rng = np.random.default_rng(seed)
    w1, b1 = rng.standard_normal((4, hidden)) / 2, np.zeros(hidden)
    w2, b2 = rng.standard_normal((hidden, 4)) / 2, np.zeros(4)
    weights = [w1, b1, w2, b2]
    if (seed, hidden) == (0, HIDDEN):
        w1 = np.array([[0.2, -0.5, 0.1], [-0.3, 0.4, -0.2], [0.1, 0.3, 0.5], [-0.4, 0.2, -0.1]])
        w2 = np.array([[0, 0, 0, 0], [-0.1, 0.5, 0.2, -0.3], [0.2, -0.4, 0.1, -0.5]])
        weights = [w1, np.array([0.1, -0.1, 0]), w2, np.array([0, 0.1, -0.1, 0])]
    model.set_weights(weights)
    return model


@np.errstate(over="ignore", invalid="ignore")  # a rate far too large ends in infinity and NaN, and shows them
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with nothing but NumPy.

    Parameters
    ----------
    model : keras.Model
        Is changed in place; it need not be compiled.
    x, y : ndarray of shape (n, 4)
        The rows, fed in this order; cast to ``keras.config.floatx()``.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean loss of its rows, each measured before its own update.
    """
    weights = model.get_weights()
    x, y, rate = x.astype(weights[0].dtype), y.astype(weights[0].dtype), weights[0].dtype.type(learning_rate)
    history = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            total += mean_squared_error(weights, xb, yb) * len(xb)  # a mean over the batch's rows
            gradients = by_chain_rule(weights, xb, yb)
            weights = [array - rate * slope for array, slope in zip(weights, gradients, strict=True)]
        history.append(float(total / len(x)))
    model.set_weights(weights)
    return history


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; takes and gives what `train_with_numpy` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.MeanSquaredError()  # [2] the loss
    batches = batches_of_fit(x, y, batch_size, shuffle=False)  # [3] the batches

    @tf.function(input_signature=batches.element_spec)  # [4] compiled, for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_function(yb, model(xb, training=True))  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        return loss  # as it was before the update

    prepared, compiled_step = list(batches), step.get_concrete_function()  # made once, used in every epoch
    history = []
    for _ in track(range(epochs), f"by hand, learning rate {learning_rate:g}"):  # [8] the epochs
        total = 0
        for xb, yb in prepared:
            total += compiled_step(xb, yb).numpy() * len(xb)  # a batch's loss is a mean over its rows
        history.append(float(total / len(x)))  # [9] record
    return history


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; takes and gives the same."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),  # [1]
        loss=keras.losses.MeanSquaredError(),  # [2]
    )
    batches = batches_of_fit(x, y, batch_size, shuffle=False)  # [3]
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        batches.repeat(),  # faster than model.fit(x, y, batch_size=...), which is train_with_textbook_fit
        steps_per_epoch=len(batches),
        shuffle=False,
        epochs=epochs,  # [8]
        callbacks=[FitProgress(f".fit, learning rate {learning_rate:g}")],
        verbose=0,
    )
    return history.history["loss"]  # [9]


def train_with_textbook_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Do the same with the arrays themselves: slower, as Keras builds an input pipeline twice an epoch."""
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss=keras.losses.MeanSquaredError())
    bar = FitProgress(f"textbook .fit, learning rate {learning_rate:g}")
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, callbacks=[bar], verbose=0)
    return history.history["loss"]


@command("python -m companion.lesson2")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; give 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson2", argv)
    (x, y), (all_x, all_y) = load_data(), load_all_images()
    settings = settings_of(options, batch_size=len(x))
    runs, all_runs = (
        Runs(build_model, x, y, settings),
        Runs(build_model, all_x, all_y, settings | {"batch_size": 16}),
    )
    fit = train_with_textbook_fit if options.textbook_fit else train_with_fit
    out = Report(quiet=options.quiet or options.to_stdout)

    parts.print_what_goes_in(out, f"Lesson 2: {TITLE}", what_goes_in(settings), train_by_hand, fit)
    with precision(options.dtype):
        start = build_model(options.seed, options.hidden)
        weights = start.get_weights()
        trace.print_forward(out, weights, x, y)
        gradients = trace.print_gradients(out, start, x, y)
        updated = runs(train_by_hand, epochs=1).model.get_weights()
        trace.print_update(out, weights, gradients, updated, x, y, options.learning_rate)
    with progress(not options.quiet):
        trained = {"numpy": runs(train_with_numpy), "by_hand": runs(train_by_hand), "fit": runs(fit)}
        on_all = {"by_hand": all_runs(train_by_hand), "fit": all_runs(fit)}
        scan = runs.at_rates(train_by_hand, SCANNED_RATES)
    comparison = parts.print_trainings(out, trained, options.dtype)
    model, others = trained["by_hand"].model, (all_x != x).any(axis=1)
    sets = {"train": (x, y), "test": (all_x[others], all_y[others])}
    right = parts.print_accuracy(out, model, sets)
    out.part("All 16 images, in one batch")
    all_comparison = compare(on_all["by_hand"], on_all["fit"], options.dtype)
    parts.print_side_by_side(out, histories_of(on_all))
    parts.print_verdict(out, all_comparison)
    all_model = on_all["by_hand"].model
    right["all_images_accuracy"] = accuracy(all_model, all_x, all_y)
    out.print(f"right on {right['all_images_accuracy']:.1%} of all pixels")
    states = {"at the\nstart": weights, "after this\nimage": model.get_weights()}
    trace.print_units(out, states | {"after\nall 16": all_model.get_weights()}, x, all_x)
    with precision(options.dtype):
        trace.print_corner(out, start, x, y)
    print_scan(out, scan)
    printed = page_figures(weights, scan, settings)
    parts.print_page(out, printed, settings, PAGE_SETTINGS)

    result = Result(
        2,
        TITLE,
        settings,
        histories_of(trained),
        comparison,
        right,
        scan,
        printed,
        {"all_images": all_comparison},
    )
    names, slopes = names_of(weights), flat(gradients)
    first = functools.partial(panels.draw_gradient, names=names, slopes=slopes)
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=[first]))


def what_goes_in(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what is trained on what."""
    hidden, weights = settings["hidden"], "drawn by NumPy"
    if (settings["seed"], hidden) == (0, HIDDEN):
        weights = "the page's; the first two rows of W2, which it does not determine, were chosen here"
    how = (
        f"SGD, learning rate {settings['learning_rate']}, {settings['epochs']} epochs of one batch, the image"
    )
    return [
        ("data", "an image of 4 pixels, to be flipped along its diagonal; then all 16"),
        ("weights", weights),
        ("network", f"4 inputs, {hidden} hidden units (ReLU), 4 linear outputs: {9 * hidden + 4} parameters"),
        ("training", f"{how}, {settings['dtype']}, seed {settings['seed']}; mean squared error"),
    ]


def page_figures(
    weights: Sequence[np.ndarray], scan: Mapping[float, list[float]], settings: Mapping[str, Any]
) -> list[Printed]:
    """Set what the page prints beside what this run gives, and its words beside what the curves do."""
    if not PAGE_SETTINGS.items() <= settings.items():
        return []
    x, y = load_data()
    output, gradients = forward(weights, x)[2][0], by_chain_rule(weights, x, y)
    does = {rate: behavior(scan[rate]) for rate in SCANNED_RATES}
    words = "very slow progress", "steady progress", "fast but unstable", "explodes"
    agree = "crawls", "learns", "bounces or blows up", "blows up"
    return [
        as_printed("parameters", "31", sum(array.size for array in weights)),
        *(as_printed(f"prediction, pixel {k}", PREDICTION[k], float(output[k])) for k in range(4)),
        as_printed("loss", "0.896", float(mean_squared_error(weights, x, y))),
        as_printed("a gradient above 0 (W1[0,2])", "0.44", float(gradients[0][0, 2])),
        as_printed("one below 0 (b2[1])", "-0.55", float(gradients[3][1])),
        as_printed("one that is 0 (W1[0,1])", "0.0", float(gradients[0][0, 1])),
        as_printed("forward passes to wiggle all", "62", 2 * sum(array.size for array in weights)),
        *(
            Printed(f"rate {rate}", word, does[rate], does[rate] in same)
            for rate, word, same in zip(SCANNED_RATES, words, agree, strict=True)
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
