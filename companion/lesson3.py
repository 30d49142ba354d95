"""Lesson 3: gradient descent on diabetes.

A network of 161 numbers learns to tell from eight measurements whether a patient has
diabetes. It is trained three times from the same start: by a loop that knows only
NumPy, by a loop around ``tf.GradientTape``, and by ``model.fit``. Read `train_by_hand`
and `train_with_fit` side by side: lines with the same tag do the same job.

"The page" is Lesson 3, Gradient Descent for Neural Networks, of the module Deep Learning
Foundations (datatweets.com), whose network, settings and exercises these are.

Run it with ``python -m companion.lesson3``; ``--help`` lists the options.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.datasets import diabetes
from companion.report import parts
from companion.report.options import parse_lesson, settings_of
from companion.report.rates import print_rounding, print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, accuracy, compare, histories_of
from companion.terminal.console import Report, command
from companion.terminal.progress import FitProgress, progress, track

TITLE = "gradient descent on diabetes"
LEARNING_RATE = 0.1
EPOCHS = 2000
HIDDEN = 16
SCANNED_RATES = (0.01, 0.1, 1.0)
PAGE_SETTINGS = {"epochs": EPOCHS, "hidden": HIDDEN, "seed": 0, "dtype": "float64"}


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Give the 576 patients the network is trained on.

    Returns
    -------
    x : ndarray of shape (576, 8), float64
        Eight measurements, each with mean 0 and standard deviation 1.
    y : ndarray of shape (576, 1), float64
        1 for diabetes, 0 for none.

    Raises
    ------
    DataError
        If the data file is missing or not the published one.
    """
    return diabetes()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network with its initial weights, not yet compiled.

    Parameters
    ----------
    seed : int
        Of the initial weights, 0 or more.
    hidden : int
        How many hidden units, 1 or more.

    Returns
    -------
    keras.Model
        8 inputs, `hidden` ReLU units, 1 sigmoid output, in Keras' current float type.
    """
    relu = keras.layers.Dense(hidden, activation="relu")
    sigmoid = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((8,)), relu, sigmoid])
    # NumPy draws the weights, so that all three trainings start from the same numbers.
    rng = np.random.default_rng(seed)
    w1 = rng.standard_normal((8, hidden)) * 0.1
    w2 = rng.standard_normal((hidden, 1)) * 0.1
    model.set_weights([w1, np.zeros(hidden), w2, np.zeros(1)])
    return model


@np.errstate(over="ignore", invalid="ignore")  # a rate far too large ends in infinity and NaN, and shows them
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with nothing but NumPy, the gradients derived by hand.

    Parameters
    ----------
    model : keras.Model
        Is changed in place; it need not be compiled.
    x, y : ndarray of shape (n, 8) and (n, 1)
        The rows, fed in this order; cast to ``keras.config.floatx()``.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update. The lesson takes all n.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean loss of its rows, each measured before its own update.
    """
    w1, b1, w2, b2 = model.get_weights()
    x, y = x.astype(w1.dtype), y.astype(w1.dtype)
    history = []
    for _ in track(range(epochs), f"NumPy, learning rate {learning_rate:g}"):
        total = 0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            z1 = xb @ w1 + b1
            a1 = np.maximum(z1, 0)
            z2 = a1 @ w2 + b2
            probability = 1 / (1 + np.exp(-z2))
            # The cross-entropy from z2 instead of the probability, as Keras takes it: no log(0) at the ends.
            total += np.sum(np.maximum(z2, 0) - z2 * yb + np.log1p(np.exp(-np.abs(z2))))

            dz2 = (probability - yb) / len(xb)
            dz1 = dz2 @ w2.T * (z1 > 0)
            gradients = xb.T @ dz1, dz1.sum(axis=0), a1.T @ dz2, dz2.sum(axis=0)
            for weights, gradient in zip((w1, b1, w2, b2), gradients, strict=True):
                weights -= weights.dtype.type(learning_rate) * gradient
        history.append(float(total / len(x)))
    model.set_weights([w1, b1, w2, b2])
    return history


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; takes and gives what `train_with_numpy` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.BinaryCrossentropy()  # [2] the loss
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
        loss=keras.losses.BinaryCrossentropy(),  # [2]
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
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss=keras.losses.BinaryCrossentropy())
    bar = FitProgress(f"textbook .fit, learning rate {learning_rate:g}")
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, callbacks=[bar], verbose=0)
    return history.history["loss"]


@command("python -m companion.lesson3")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; give 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson3", argv)
    (x, y), (x_test, y_test) = diabetes()
    settings = settings_of(options, batch_size=len(x))
    runs = Runs(build_model, x, y, settings)
    fit = train_with_textbook_fit if options.textbook_fit else train_with_fit
    out = Report(quiet=options.quiet or options.to_stdout)

    facts = what_goes_in(y, y_test, settings)
    parts.print_what_goes_in(out, f"Lesson 3: {TITLE}", facts, train_by_hand, fit)
    with progress(not options.quiet):
        trained = {"numpy": runs(train_with_numpy), "by_hand": runs(train_by_hand), "fit": runs(fit)}
    comparison = parts.print_trainings(out, trained, options.dtype)
    right = parts.print_accuracy(out, trained["by_hand"].model, {"train": (x, y), "test": (x_test, y_test)})
    with progress(not options.quiet):
        scan = runs.at_rates(train_by_hand, SCANNED_RATES)
        in_both = {
            rate: [runs(train_by_hand, learning_rate=rate, dtype=d).history for d in ("float64", "float32")]
            for rate in SCANNED_RATES[1:]
        }
        too_fast = {"learning_rate": SCANNED_RATES[-1], "dtype": "float32"}
        three = [runs(train, **too_fast) for train in (train_with_numpy, train_by_hand, train_with_fit)]
        in_float32 = [compare(three[k], three[k + 1], "float32") for k in (0, 1)]
        printed = page_figures(runs, x_test, y_test, options.exercises)
    print_scan(out, scan)
    print_rounding(out, in_both, *in_float32)
    parts.print_page(out, printed, settings, PAGE_SETTINGS)

    return parts.deliver(
        Result(3, TITLE, settings, histories_of(trained), comparison, right, scan, printed), options
    )


def what_goes_in(y: np.ndarray, y_test: np.ndarray, settings: dict) -> list[tuple[str, str]]:
    """Say what is trained on what."""
    rows, ill, hidden = len(y) + len(y_test), int(y.sum() + y_test.sum()), settings["hidden"]
    shares = f"{y.mean():.1%}", f"{y_test.mean():.1%}"
    how = f"SGD, learning rate {settings['learning_rate']}, {settings['epochs']} epochs of one batch of all "
    network = f"8 inputs, {hidden} hidden units (ReLU), 1 output (sigmoid)"
    return [
        ("data", f"{rows} patients, 8 measurements of each; {rows - ill} without diabetes, {ill} with it"),
        ("split", f"{len(y)} to train on ({shares[0]} with it), {len(y_test)} to test on ({shares[1]})"),
        ("network", f"{network}: {(8 + 1) * hidden + (hidden + 1)} parameters"),
        ("training", f"{how}{len(y)} rows, {settings['dtype']}, seed {settings['seed']}"),
    ]


def page_figures(runs: Runs, x_test: np.ndarray, y_test: np.ndarray, exercises: bool) -> list[Printed]:
    """Set what the lesson's page prints beside what this run gives.

    Losses and accuracies only where the run has the page's settings: a figure for 5
    epochs says nothing about one for 2000. "A little" and "barely" mean within 0.01.
    """
    y, loss = np.concatenate([runs.y, y_test]), keras.losses.BinaryCrossentropy()
    printed = [
        as_printed("patients", "768", len(y)),
        as_printed("patients without diabetes", "500", int(np.sum(y == 0))),
        as_printed("patients with diabetes", "268", int(np.sum(y == 1))),
        as_printed("patients to train on", "576", len(runs.y)),
        as_printed("patients to test on", "192", len(y_test)),
        as_printed("loss of 0.99 where 1 is true", "0.0101", float(loss([[1.0]], [[0.99]]))),
        as_printed("loss of 0.01 where 1 is true", "4.6052", float(loss([[1.0]], [[0.01]]))),
    ]
    if not PAGE_SETTINGS.items() <= runs.settings.items():
        return printed
    at = {rate: runs(train_by_hand, learning_rate=rate) for rate in SCANNED_RATES}
    for rate, figure in zip(SCANNED_RATES, ("0.5793", "0.4323", "0.6014"), strict=True):
        printed.append(as_printed(f"final loss at rate {rate}", figure, at[rate].history[-1]))
    best = min(SCANNED_RATES, key=lambda rate: at[rate].history[-1])
    test_accuracy = accuracy(at[0.1].model, x_test, y_test)
    printed += [
        as_printed("rate with the lowest final loss", "0.1", best),
        as_printed("train accuracy at rate 0.1", "0.807", accuracy(at[0.1].model, runs.x, runs.y)),
        as_printed("test accuracy at rate 0.1", "0.750", test_accuracy),
    ]
    if exercises:
        printed.append(
            as_printed("exercise 1: loss of 0.2 where 0 is true", "0.2231", float(loss([[0.0]], [[0.2]])))
        )
        for rate in (0.05, 0.1, 0.3):
            final = runs(train_by_hand, learning_rate=rate).history[-1]
            printed.append(Printed(f"exercise 2: final loss at rate {rate}", None, final))
        longer = runs(train_by_hand, learning_rate=0.1, epochs=5000)
        final, accurate = longer.history[-1], accuracy(longer.model, x_test, y_test)
        little, barely = 0 < 0.4323 - final < 0.01, abs(accurate - test_accuracy) < 0.01
        printed.append(Printed("exercise 3: loss after 5000 epochs", "a little below 0.4323", final, little))
        printed.append(Printed("exercise 3: test accuracy then", "barely moves", accurate, barely))
    return printed


if __name__ == "__main__":
    raise SystemExit(main())
