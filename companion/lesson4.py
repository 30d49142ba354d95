"""Lesson 4: the learning-rate dial.

A network of 33 numbers learns to tell two half moons apart, the way most training is
done: in shuffled batches of 32, the last of them short. Shuffled, and still equal bit for
bit: under a seed ``.fit`` feeds the rows in the same order in every epoch, and
`companion.batches` knows that order. Then the dial: the same training at six learning
rates, from one that crawls to one that blows up.

"The page" is Module 4, Gradient Descent in Practice, of a course on neural networks and
deep learning, whose call of ``.fit`` this is.

Run it with ``python -m companion.lesson4``; ``--help`` lists the options.
"""

import argparse
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit, order_of_fit
from companion.datasets import moons
from companion.plots import panels, plots
from companion.plots.curves import behavior
from companion.precision import precision
from companion.report import parts
from companion.report.options import parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result
from companion.report.runs import Runs, histories_of
from companion.terminal.console import Report, command
from companion.terminal.progress import FitProgress, progress, track

if TYPE_CHECKING:
    from companion.live.app import LiveDial

TITLE = "the learning-rate dial"
LEARNING_RATE = 0.1
EPOCHS = 200
HIDDEN = 8
BATCH_SIZE = 32  # what .fit takes when it is told nothing
PAGE_SETTINGS = {"epochs": EPOCHS}
SCANNED_RATES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Give the 200 points the network is trained on.

    Returns
    -------
    x : ndarray of shape (200, 2), float64
        Points of two half moons.
    y : ndarray of shape (200, 1), float64
        Which moon, 0 or 1.
    """
    return moons()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network with its initial weights, not yet compiled.

    Sets the global seed, which decides the weights here and, when training starts, the
    order of the rows.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.
    hidden : int
        How many hidden units, 1 or more.

    Returns
    -------
    keras.Model
        2 inputs, `hidden` tanh units, 1 sigmoid output, in Keras' current float type.
    """
    keras.utils.set_random_seed(seed)
    tanh = keras.layers.Dense(hidden, activation="tanh")
    sigmoid = keras.layers.Dense(1, activation="sigmoid")
    return keras.Sequential([keras.Input((2,)), tanh, sigmoid])


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; takes and gives what `train_with_fit` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.BinaryCrossentropy()  # [2] the loss
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3] the batches, shuffled

    @tf.function(input_signature=batches.element_spec)  # [4] compiled, for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_function(yb, model(xb, training=True))  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        return loss  # as it was before the update

    prepared = list(batches)  # made once: under a seed .fit keeps this order in every epoch
    compiled_step = step.get_concrete_function()
    history = []
    for _ in track(range(epochs), f"by hand, learning rate {learning_rate:g}"):  # [8] the epochs
        total = 0
        for xb, yb in prepared:
            total += compiled_step(xb, yb).numpy() * len(xb)  # the short last batch counts for its rows only
        history.append(float(total / len(x)))  # [9] record
    return history


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; takes and gives what `train_with_textbook_fit` does."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),  # [1]
        loss=keras.losses.BinaryCrossentropy(),  # [2]
    )
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3]
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        batches.repeat(),  # faster than model.fit(x, y, epochs=...), which is train_with_textbook_fit
        steps_per_epoch=len(batches),
        shuffle=False,  # the batches are shuffled already
        epochs=epochs,  # [8]
        callbacks=[FitProgress(f".fit, learning rate {learning_rate:g}")],
        verbose=0,
    )
    return history.history["loss"]  # [9]


def train_with_textbook_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with the page's call: slower, Keras builds an input pipeline twice an epoch.

    Parameters
    ----------
    model : keras.Model
        From `build_model`, which has set the seed; is changed in place.
    x, y : ndarray of shape (n, 2) and (n, 1)
        The rows, fed in the order that the seed gives; cast to ``keras.config.floatx()``.
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
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss="binary_crossentropy")
    bar = FitProgress(f"textbook .fit, learning rate {learning_rate:g}")
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, callbacks=[bar], verbose=0).history["loss"]


@command("python -m companion.lesson4")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in two ways and report; give 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson4", argv)
    if options.live or options.browser:
        return run_live(options)
    (x, y), (x_test, y_test) = moons()
    settings = settings_of(options, BATCH_SIZE)
    runs = Runs(build_model, x, y, settings)
    fit = train_with_textbook_fit if options.textbook_fit else train_with_fit
    out = Report(quiet=options.quiet or options.to_stdout)

    facts = what_goes_in(len(x), len(x_test), settings)
    parts.print_what_goes_in(out, f"Lesson 4: {TITLE}", facts, train_by_hand, fit)
    with progress(not options.quiet):
        trained = {"by_hand": runs(train_by_hand), "fit": runs(fit)}
    comparison = parts.print_trainings(out, trained, options.dtype)
    model = trained["by_hand"].model
    right = parts.print_accuracy(out, model, {"train": (x, y), "test": (x_test, y_test)})
    with progress(not options.quiet):
        scan = runs.at_rates(train_by_hand, SCANNED_RATES)
    print_scan(out, scan, "The dial")
    printed = page_figures(scan, settings)
    parts.print_page(out, printed, settings, PAGE_SETTINGS)

    result = Result(4, TITLE, settings, histories_of(trained), comparison, right, scan, printed)
    boundary = functools.partial(panels.draw_boundary, probability=model.predict_on_batch, x=x, y=y)
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=[boundary]))


def live_dial(
    *,
    learning_rate: float = LEARNING_RATE,
    hidden: int = HIDDEN,
    batch_size: int = BATCH_SIZE,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> "LiveDial":
    """Open the dial on a figure of pyplot's: in a notebook after ``%matplotlib widget``.

    Parameters
    ----------
    learning_rate, hidden, batch_size
        Where the dial and the two sliders stand to begin with.
    epochs : int
        How far the training goes.
    seed : int
        As for `build_model`; Keras' global seed is set to it.

    Returns
    -------
    LiveDial
        Keep it in a variable: what is thrown away answers no more.

    Raises
    ------
    OutputError
        If the figure is none that can be clicked on.
    """
    from companion.live.app import open_dial  # matplotlib's widgets, for those who ask for them
    from companion.live.dial import Dial

    choices = {"hidden": hidden, "batch_size": batch_size, "epochs": epochs, "seed": seed}
    x, y = load_data()
    make = functools.partial(Dial, build_model, x, y, rate=learning_rate, **choices)
    return open_dial(make, f"Lesson 4: {TITLE} (SGD, seed {seed})")


def run_live(options: argparse.Namespace) -> int:
    """Open the dial in a window or a web page, and wait until it is closed."""
    from companion.live.app import choose_canvas, show_dial

    choose_canvas(options.browser)
    settings = settings_of(options, BATCH_SIZE)
    with precision(settings.pop("dtype")):
        dial = live_dial(**settings)
        report = Report()
        show_dial(report, options.browser)
        report.print(dial.told())
    dial.close()
    return 0


def what_goes_in(rows: int, test_rows: int, settings: dict) -> list[tuple[str, str]]:
    """Say what is trained on what, in which order."""
    hidden, steps = settings["hidden"], -(-rows // settings["batch_size"])
    short = rows - (steps - 1) * settings["batch_size"]
    keras.utils.set_random_seed(settings["seed"])
    # Each new pipeline is an epoch to .fit: three of them show whether the order repeats.
    orders = [order_of_fit(rows) for _ in range(3)]
    again = "the same" if all((order == orders[0]).all() for order in orders) else "another"
    begins = ", ".join(str(row) for row in orders[0][:8])
    network = f"2 inputs, {hidden} hidden units (tanh), 1 output (sigmoid)"
    how = f"SGD, learning rate {settings['learning_rate']}, {settings['epochs']} epochs of {steps} batches"
    return [
        ("data", f"two half moons: {rows} points to train on, {test_rows} others to test on"),
        ("network", f"{network}: {4 * hidden + 1} parameters"),
        ("training", f"{how}, the last of {short} rows, {settings['dtype']}, seed {settings['seed']}"),
        ("order", f"shuffled: rows {begins}, ...; {again} in every epoch, under this seed"),
    ]


def page_figures(scan: dict[float, list[float]], settings: dict) -> list[Printed]:
    """Set what the lesson's page says of the dial, in words only, beside what this run gives."""
    if not PAGE_SETTINGS.items() <= settings.items():
        return []
    slow, fast = behavior(scan[SCANNED_RATES[0]]), behavior(scan[SCANNED_RATES[-1]])
    return [
        Printed(f"too small a rate ({SCANNED_RATES[0]})", "crawls", slow, slow == "crawls"),
        Printed(f"too large a rate ({SCANNED_RATES[-1]})", "explodes", fast, fast == "blows up"),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
